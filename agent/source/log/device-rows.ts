// The rows of one device on their way to a batch: columns that grow, put in order, cut off and handed on.

import type { Batch, Gauges } from '../../model.ts';

/** One understood row. NaN where it has no such value; a failed row has neither power nor counter. */
interface Row {
  readonly timeSeconds: number;
  /** Position in READING_STATUS. */
  readonly status: number;
  readonly drawWatts: number;
  readonly instantWatts: number;
  readonly averageWatts: number;
  readonly counterJoules: number;
  readonly utilizationRatio: number;
}

// Rows that are at most this much older than their forerunner are put in order; the newest ones wait for them.
const REORDER_SECONDS = 5;

/** The pending rows of one device. */
export interface DeviceRows {
  readonly uuid: string;
  readonly length: number;
  readonly newestSeconds: number;
  /** Rows that came out of order so far. */
  readonly disorderCount: number;
  add(row: Row): void;
  /** The rows that nothing can come before any more (`final`: all of them) as a batch; undefined when there are none. */
  take(final: boolean, gauges: Gauges | undefined, wallOffsetSeconds: number): Batch | undefined;
}

/** An empty set of pending rows. */
export function deviceRows(uuid: string): DeviceRows {
  let rows: Row[] = [];
  let newestSeconds = -Infinity;
  let disorderCount = 0;
  let isOrdered = true;

  return {
    uuid,
    get length() {
      return rows.length;
    },
    get newestSeconds() {
      return newestSeconds;
    },
    get disorderCount() {
      return disorderCount;
    },
    add(row) {
      if (row.timeSeconds < newestSeconds) {
        isOrdered = false;
        disorderCount += 1;
      } else newestSeconds = row.timeSeconds;
      rows.push(row);
    },
    take(final, gauges, wallOffsetSeconds) {
      if (!isOrdered) rows.sort((a, b) => a.timeSeconds - b.timeSeconds);
      isOrdered = true;
      const count = final ? rows.length : firstAfter(rows, newestSeconds - REORDER_SECONDS);
      if (count === 0) return undefined;
      const batch = batchOf(uuid, rows.slice(0, count), gauges, wallOffsetSeconds);
      rows = rows.slice(count);
      return batch;
    },
  };
}

function firstAfter(rows: readonly Row[], timeSeconds: number): number {
  let at = rows.length;
  while (at > 0 && (rows[at - 1]?.timeSeconds ?? 0) >= timeSeconds) at -= 1;
  return at;
}

type NumberColumn = Exclude<keyof Row, 'status'>;

function column(rows: readonly Row[], name: NumberColumn): Float64Array | undefined {
  const values = new Float64Array(rows.length);
  let hasAny = false;
  for (const [at, row] of rows.entries()) {
    const value = row[name];
    values[at] = value;
    if (value === value) hasAny = true;
  }
  return hasAny ? values : undefined;
}

function batchOf(
  uuid: string,
  rows: readonly Row[],
  gauges: Gauges | undefined,
  wallOffsetSeconds: number,
): Batch {
  const draw = column(rows, 'drawWatts');
  const instant = column(rows, 'instantWatts');
  const average = column(rows, 'averageWatts');
  const counterJoules = column(rows, 'counterJoules');
  const utilizationRatio = column(rows, 'utilizationRatio');
  return {
    uuid,
    length: rows.length,
    timeSeconds: column(rows, 'timeSeconds') ?? new Float64Array(0),
    status: Uint8Array.from(rows, (row) => row.status),
    powerWatts: {
      ...(draw !== undefined && { draw }),
      ...(instant !== undefined && { instant }),
      ...(average !== undefined && { average }),
    },
    ...(counterJoules !== undefined && { counterJoules }),
    ...(utilizationRatio !== undefined && { utilizationRatio }),
    ...(gauges !== undefined && { gauges }),
    wallOffsetSeconds,
  };
}
