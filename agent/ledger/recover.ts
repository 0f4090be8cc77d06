// Closes the books of runs whose Wattmeter died. A writer's lock dies with it, so a run that can be locked has none:
// any number of recoveries, beside any number of living runs, do each run once.

import type { FileHandle } from 'node:fs/promises';

import { gpuEnergyOf } from '../account/gpu-energy.ts';
import { toUnixMilliseconds, type Instant } from '../units.ts';
import type { RunSummary } from '../snapshot.ts';
import { encodeFrame } from './frame.ts';
import { journalFile } from './journal-file.ts';
import { causeOf, LedgerError } from './ledger-error.ts';
import { createColumnsWriter } from './columns-writer.ts';
import { refillAccount, type RefilledRun } from './read-run.ts';
import type { RunRecord } from './records.ts';
import { openLocked } from './resume-run.ts';
import type { RunEnd } from './run-ledger.ts';
import { runIds } from './runs.ts';
import { runColumnsPath, runJournalPath } from './state-dir.ts';
import { readSummary } from './read-summary.ts';
import { writeSummary } from './summary.ts';

/** What became of a run that was looked at; runs that are closed or alive are not mentioned. */
export type Recovery =
  | { readonly kind: 'recovered'; readonly summary: RunSummary }
  | { readonly kind: 'failed'; readonly id: string; readonly message: string };

/** Closes the books of every run whose writer is dead. @throws LedgerError when the runs cannot be listed. */
export async function recoverRuns(stateDirectory: string): Promise<Recovery[]> {
  const recoveries: Recovery[] = [];
  for (const id of await runIds(stateDirectory)) {
    try {
      const summary = await recoverRun(stateDirectory, id);
      if (summary !== undefined) recoveries.push({ kind: 'recovered', summary });
    } catch (error) {
      recoveries.push({ kind: 'failed', id, message: messageOf(id, error) });
    }
  }
  return recoveries;
}

/** Closes the books of one run if its writer is dead; undefined when there was nothing to do. */
async function recoverRun(stateDirectory: string, id: string): Promise<RunSummary | undefined> {
  if ((await readSummary(stateDirectory, id)) !== undefined) return undefined;
  const path = runJournalPath(stateDirectory, id);
  const handle = await lockedOrNone(path, id);
  if (handle === undefined) return undefined;
  await using file = handle;
  // Another recovery may have been here between the look and the lock.
  if ((await readSummary(stateDirectory, id)) !== undefined) return undefined;
  const columns = createColumnsWriter(runColumnsPath(stateDirectory, id));
  const refilled = await refillAccount(stateDirectory, id, { columns });
  const end = endOf(refilled);
  const { journalEnd, stored } = refilled;
  const { closed, run } = stored;
  if (!closed) {
    const records = [recoveredWarning(end.endSeconds), { kind: 'end', ...end }] as const;
    const lines = (records satisfies readonly RunRecord[]).map((record, i) =>
      encodeFrame(journalEnd.nextSequence + i, JSON.stringify(record)),
    );
    const journal = journalFile(file);
    await journal.truncate(journalEnd.goodBytes);
    await journal.write(Buffer.concat(lines), journalEnd.goodBytes);
    await journal.sync();
    for (const record of records) columns.addRecord(record);
  }
  // Damage is to be said at every reading, and only the journal shows it.
  if (stored.warnings.length > 0) await columns.abandon();
  else await columns.seal((await file.stat()).size);
  const summary: RunSummary = { ...run, state: 'closed', ...end };
  await writeSummary(stateDirectory, summary);
  return closed ? undefined : summary;
}

/** The journal, locked; undefined when a writer lives, or when the run never got as far as a journal. */
async function lockedOrNone(path: string, id: string): Promise<FileHandle | undefined> {
  try {
    return await openLocked(path, id);
  } catch (error) {
    const harmless =
      error instanceof LedgerError && (error.reason === 'locked' || error.reason === 'not-found');
    if (harmless) return undefined;
    throw error;
  }
}

function endOf({ account, stored }: RefilledRun): RunEnd {
  const { endSeconds, exitCode } = stored;
  const { devices } = account.books({ endSeconds });
  return {
    endSeconds,
    ...(exitCode === undefined ? {} : { exitCode }),
    ...gpuEnergyOf(devices),
  };
}

function recoveredWarning(endSeconds: Instant): RunRecord {
  const end = new Date(toUnixMilliseconds(endSeconds)).toISOString();
  const message = `The Wattmeter of this run died: its books end with the last record, at ${end}. What ran after that is not in them.`;
  return { kind: 'warning', warning: { code: 'recovered', message } };
}

const messageOf = (id: string, error: unknown): string =>
  error instanceof LedgerError
    ? error.message
    : `Cannot recover run ${id}: ${causeOf(error)}. Is the disk full, or the directory another user's?`;
