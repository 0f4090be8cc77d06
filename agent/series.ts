// A measured or published step function: rows of [start, end) and a value. Prices, grid intensities and a site's load
// are all series; what their numbers mean is the business of price and carbon. Pure.

import { InputError } from './input-error.ts';
import { formatInstant } from './local-time.ts';
import type { Schedule } from './schedule.ts';
import { instant, type Instant } from './units.ts';

/** One row as read, in the file's own order. */
export interface SeriesRow {
  readonly startSeconds: Instant;
  /** Exclusive. */
  readonly endSeconds: Instant;
  readonly value: number;
  /** Line of a CSV, position from 1 in a JSON array: for messages. */
  readonly row: number;
}

/** What to do where the series has no row: refuse, or hold the last value and say so. */
export type GapPolicy = 'error' | 'hold';

/** A stretch without a row, over which the last value was held; no end: from there on. */
export interface HeldStretch {
  readonly startSeconds: Instant;
  readonly endSeconds?: Instant;
}

/** A validated series as columns, so that a year of quarter-hours is searched, not walked. */
export interface Series {
  readonly startSeconds: Instant;
  readonly endSeconds: Instant;
  readonly rowCount: number;
  readonly schedule: Schedule;
  /** Empty unless the policy is `hold`. */
  readonly held: readonly HeldStretch[];
}

/**
 * Checks rows (ascending, no overlap, no hole unless held, finite values) and makes them a schedule.
 * @throws InputError naming the row
 */
export function seriesOf(rows: readonly SeriesRow[], fileName: string, gap: GapPolicy): Series {
  const first = rows[0];
  const last = rows.at(-1);
  if (first === undefined || last === undefined) {
    throw new InputError(fileName, 'there is no row in it', 'Write rows of start,end,value');
  }
  const held: HeldStretch[] = [];
  let before: SeriesRow | undefined;
  for (const row of rows) {
    checkRow(row, before, fileName);
    if (before !== undefined && row.startSeconds > before.endSeconds) {
      if (gap === 'error') throw holeError(before, row, fileName);
      held.push({ startSeconds: before.endSeconds, endSeconds: row.startSeconds });
    }
    before = row;
  }
  if (gap === 'hold') held.push({ startSeconds: last.endSeconds });
  return {
    startSeconds: first.startSeconds,
    endSeconds: last.endSeconds,
    rowCount: rows.length,
    schedule: steps(rows, gap),
    held,
  };
}

function checkRow(row: SeriesRow, before: SeriesRow | undefined, fileName: string): void {
  const place = `${fileName} row ${row.row}`;
  if (!Number.isFinite(row.value)) {
    throw new InputError(place, `the value is ${row.value}`, 'Write a finite number');
  }
  if (row.endSeconds <= row.startSeconds) {
    throw new InputError(
      place,
      `it ends at ${formatInstant(row.endSeconds)}, not after its start ${formatInstant(row.startSeconds)}`,
      'Let end be later than start; end is exclusive',
    );
  }
  if (before !== undefined && row.startSeconds < before.endSeconds) {
    throw new InputError(
      place,
      `it starts at ${formatInstant(row.startSeconds)}, before row ${before.row} ends at ${formatInstant(before.endSeconds)}`,
      'Sort the rows and let each start where the last one ended',
    );
  }
}

function holeError(before: SeriesRow, row: SeriesRow, fileName: string): InputError {
  return new InputError(
    `${fileName} row ${row.row}`,
    `there is no value from ${formatInstant(before.endSeconds)} to ${formatInstant(row.startSeconds)}`,
    'Add the missing rows, or hold the last value with --price-gap hold',
  );
}

/** Binary search with a cursor: time mostly runs forward, so the next answer is the last one or its neighbour. */
function steps(rows: readonly SeriesRow[], gap: GapPolicy): Schedule {
  const starts = Float64Array.from(rows, (row) => row.startSeconds);
  const ends = Float64Array.from(rows, (row) => row.endSeconds);
  const values = Float64Array.from(rows, (row) => row.value);
  let cursor = 0;
  const locate = (time: number): number => {
    if (isAt(starts, cursor, time)) return cursor;
    if (isAt(starts, cursor + 1, time)) cursor += 1;
    else cursor = lastAtOrBefore(starts, time);
    return cursor;
  };
  return {
    valueAt(time) {
      const at = locate(time);
      const covered = at >= 0 && (gap === 'hold' || time < (ends[at] ?? 0));
      return covered ? values[at] : undefined;
    },
    nextChange(time) {
      const at = locate(time);
      const next = at + 1 < starts.length ? starts[at + 1] : undefined;
      const end = at >= 0 && gap === 'error' ? (ends[at] ?? 0) : undefined;
      if (end !== undefined && time < end) return instant(end);
      return next === undefined ? undefined : instant(next);
    },
  };
}

function isAt(starts: Float64Array, position: number, time: number): boolean {
  const start = starts[position];
  const next = starts[position + 1];
  return start !== undefined && start <= time && (next === undefined || time < next);
}

function lastAtOrBefore(starts: Float64Array, time: number): number {
  let low = 0;
  let high = starts.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((starts[middle] ?? Infinity) <= time) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
