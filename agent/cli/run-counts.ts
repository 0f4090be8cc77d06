// What is counted beside a run's energy, as the ledger keeps it: bytes moved, steps and tokens. A resumed run's counts
// are its legs' together, and unknown where one leg's are.

import { z } from 'zod';

import type { CountedProgress } from '../report/per.ts';
import type { Traffic } from '../source/traffic.ts';

/** The counts of a run. */
export interface RunCounts {
  readonly traffic?: Traffic;
  readonly progress?: CountedProgress;
}

const count = z.exactOptional(z.number().nonnegative());
const schema = z.object({
  traffic: z.exactOptional(
    z.object({ networkBytes: count, diskReadBytes: count, diskWrittenBytes: count }),
  ),
  progress: z.exactOptional(z.object({ steps: count, tokens: count })),
});

/** The counts in a ledger's facts; none where it holds none that can be understood. */
export function parseCounts(value: unknown): RunCounts {
  const parsed = schema.safeParse(value);
  return parsed.success ? parsed.data : {};
}

/** What `earlier` legs counted and this one; `earlier` absent: there is only this one. */
export function wholeCounts(
  earlier: Readonly<Record<string, unknown>> | undefined,
  now: RunCounts,
): RunCounts {
  if (earlier === undefined) return now;
  const before = parseCounts(earlier['counts']);
  return {
    traffic: addedUp(before.traffic ?? {}, now.traffic ?? {}),
    progress: addedUp(before.progress ?? {}, now.progress ?? {}),
  };
}

function addedUp<Counts extends object>(a: Counts, b: Counts): Counts {
  const keys = Object.keys(a).filter((key) => key in b) as (keyof Counts)[];
  return Object.fromEntries(
    keys.map((key) => [key, Number(a[key]) + Number(b[key])]),
  ) as unknown as Counts;
}
