// A closed run in a few hundred bytes beside its journal, so that a list of ten thousand runs reads no journal.

import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

import type { RunSummary } from '../snapshot.ts';
import { FILE_MODE, runSummaryPath, syncDirectory } from './state-dir.ts';

/** Writes a summary whole or not at all: synced, then renamed into place. */
export async function writeSummary(stateDirectory: string, summary: RunSummary): Promise<void> {
  const path = runSummaryPath(stateDirectory, summary.id);
  const draft = `${path}.${process.pid}.new`;
  try {
    await using file = await open(draft, 'w', FILE_MODE);
    await file.writeFile(`${JSON.stringify(summary)}\n`);
    await file.sync();
    await rename(draft, path);
    await syncDirectory(dirname(path));
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}

/** Takes a summary away, because its run is open again. */
export const removeSummary = (stateDirectory: string, id: string): Promise<void> =>
  rm(runSummaryPath(stateDirectory, id), { force: true });
