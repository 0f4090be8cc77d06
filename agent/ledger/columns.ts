// What stands in a run's columns: its journal's intervals once more, as typed columns that are read twenty times as fast.
// Blocks of a head (one line, framed like a journal's) and a payload of doubles; the last line is the seal that says
// which journal all of it is. The journal stays the truth: columns that are not sealed, do not fit it or fail a checksum
// are not read.

import { crc32 } from 'node:zlib';

import {
  INTERVAL_COLUMNS,
  type IntervalColumn,
  type IntervalColumns,
} from '../interval-columns.ts';
import type { Interval } from '../model.ts';
import { encodeFrame } from './frame.ts';
import type { RunRecord } from './records.ts';

/** Intervals in one block, all devices together, in the journal's order. */
export const BLOCK_ROWS = 4096;
/** A column's numbers are doubles. */
export const BYTES_PER_NUMBER: number = Float64Array.BYTES_PER_ELEMENT;

// After every payload, so that whatever follows begins a line.
const NEWLINE = Buffer.from('\n');

/** A record that is no slot, and the row of the block that it comes before. */
export type PlacedRecord = readonly [row: number, record: RunRecord];

/** What a row of the block was not measured for, by reason, where it has such time. */
type PlacedGap = readonly [row: number, gapSeconds: Interval['gapSeconds']];

/** The head of a block. */
interface BlockHead {
  readonly kind: 'block';
  readonly rows: number;
  /** Columns that hold one number all over; null is NaN, an unknown. */
  readonly constants: Partial<Readonly<Record<IntervalColumn, number | null>>>;
  /** The others, in the order in which they stand in the payload. */
  readonly varying: readonly IntervalColumn[];
  readonly gaps: readonly PlacedGap[];
  readonly records: readonly PlacedRecord[];
  /** CRC-32 of the payload. */
  readonly checksum: number;
}

/** The last line: it was written when the books were closed. */
export interface Seal {
  readonly kind: 'seal';
  readonly version: 1;
  /** The journal's size; one that has grown since is another. */
  readonly journalBytes: number;
  /** What the books were kept under, all together. */
  readonly facts: Readonly<Record<string, unknown>>;
  /** Whether any window was announced, and its intervals are to be remembered. */
  readonly hasWindows: boolean;
}

/** The bytes of a block. Doubles lie in the machine's own order: columns are read where they were written. */
export function encodeBlock(
  sequence: number,
  columns: IntervalColumns,
  records: readonly PlacedRecord[],
): Buffer {
  const { length: rows, numbers } = columns;
  const constants: Partial<Record<IntervalColumn, number | null>> = {};
  const varying: IntervalColumn[] = [];
  const parts: Buffer[] = [];
  for (const name of INTERVAL_COLUMNS) {
    const column = numbers[name].subarray(0, rows);
    const constant = constantOf(column);
    if (constant === undefined) {
      varying.push(name);
      parts.push(Buffer.from(column.buffer, column.byteOffset, column.byteLength));
    } else constants[name] = Number.isNaN(constant) ? null : constant;
  }
  const payload = Buffer.concat(parts);
  const head: BlockHead = {
    kind: 'block',
    rows,
    constants,
    varying,
    gaps: gapsOf(columns),
    records,
    checksum: crc32(payload),
  };
  return Buffer.concat([encodeFrame(sequence, JSON.stringify(head)), payload, NEWLINE]);
}

/** The number that a column holds all over; undefined where it varies, or JSON could not hold it. */
function constantOf(column: Float64Array): number | undefined {
  const [first = NaN] = column;
  if (Object.is(first, -0) || Math.abs(first) === Infinity) return undefined;
  return column.every((value) => Object.is(value, first)) ? first : undefined;
}

const gapsOf = ({ gaps, length }: IntervalColumns): PlacedGap[] =>
  gaps
    .slice(0, length)
    .flatMap((gapSeconds, row): PlacedGap[] =>
      gapSeconds === undefined ? [] : [[row, gapSeconds]],
    );
