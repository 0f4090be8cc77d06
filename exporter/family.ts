// What a metric family is: the rows of families.ts, dcgm.ts and read-duration.ts, shown by registry.ts. Types alone.

import type { Snapshot } from '../agent/snapshot.ts';

/** One series of a family, or one line of a histogram's. */
export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  /** Of a histogram's lines, behind the family's name. */
  readonly suffix?: '_bucket' | '_sum' | '_count';
}

/** A metric: its name, type, help (unit and meaning), labels, and how to read it from a snapshot. */
export interface Family {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labelNames: readonly string[];
  readonly read: (snapshot: Snapshot) => Iterable<Series>;
}
