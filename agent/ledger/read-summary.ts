// Reads what summary.ts writes. Apart from it, because only readers need the checks at this untrusted border.

import { readFile } from 'node:fs/promises';

import { z } from 'zod';

import type { RunSummary } from '../snapshot.ts';
import { runSummaryPath } from './state-dir.ts';

const schema = z.object({
  id: z.string(),
  name: z.string().optional(),
  command: z.array(z.string()).optional(),
  host: z.string(),
  state: z.literal('closed'),
  startSeconds: z.number(),
  endSeconds: z.number(),
  exitCode: z.number().optional(),
  gpuJoules: z.number().optional(),
  uncertaintyJoules: z.number().optional(),
  labels: z.record(z.string(), z.string()),
});

/** A run's summary; undefined when there is none or it cannot be believed: the journal knows. */
export async function readSummary(
  stateDirectory: string,
  id: string,
): Promise<RunSummary | undefined> {
  try {
    const parsed = schema.safeParse(
      JSON.parse(await readFile(runSummaryPath(stateDirectory, id), 'utf8')),
    );
    return parsed.success && parsed.data.id === id
      ? (parsed.data as unknown as RunSummary)
      : undefined;
  } catch {
    return undefined;
  }
}
