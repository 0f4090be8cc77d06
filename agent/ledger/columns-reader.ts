// Reads a run's columns back: block by block, into the same memory, checked as an untrusted border is. Flat memory
// whatever their length.

import { open, stat, type FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';

import { z } from 'zod';

import {
  INTERVAL_COLUMNS,
  newIntervalColumns,
  type IntervalColumns,
  type RowSpan,
} from '../interval-columns.ts';
import type { Interval } from '../model.ts';
import { BLOCK_ROWS, BYTES_PER_NUMBER, type Seal } from './columns.ts';
import { decodeRecord } from './decode.ts';
import { decodeFrame } from './frame.ts';
import type { RunRecord } from './records.ts';
import { GAP_REASONS } from './slot-rows.ts';

/** Who is told what the columns hold, in the journal's order. */
export interface ColumnsReader {
  record(record: RunRecord): void;
  /** The columns are overwritten by the next block; the charges beside them are the reader's to set. */
  rows(columns: IntervalColumns, span: RowSpan, uuidOf: (device: number) => string): void;
}

/** The columns do not hold what they should: their run is to be read from its journal. */
export class ColumnsError extends Error {
  override readonly name = 'ColumnsError';
}

const row = z.int().nonnegative();
const columnName = z.enum(INTERVAL_COLUMNS);
const blockHead = z.object({
  kind: z.literal('block'),
  rows: row.max(BLOCK_ROWS),
  constants: z.partialRecord(columnName, z.number().nullable()),
  varying: z.array(columnName),
  gaps: z.array(z.tuple([row, z.partialRecord(z.enum(GAP_REASONS), z.number())])),
  records: z.array(z.tuple([row, z.unknown()])),
  checksum: z.number(),
});
const seal = z.object({
  kind: z.literal('seal'),
  version: z.literal(1),
  journalBytes: z.number(),
  facts: z.record(z.string(), z.unknown()),
  hasWindows: z.boolean(),
});
type BlockHead = z.infer<typeof blockHead>;

const NEWLINE = 0x0a;
const CHUNK_BYTES = 1024 * 1024;
// So much of a file's end is searched for its seal; one with more facts than that is as good as none.
const SEAL_BYTES = 256 * 1024;

/** The seal of the columns at `path`; undefined where there are none, or they are not those of this journal. */
export async function readSeal(path: string, journalPath: string): Promise<Seal | undefined> {
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    const length = Math.min(size, SEAL_BYTES);
    const { buffer } = await file.read(Buffer.alloc(length), 0, length, size - length);
    const start = buffer.lastIndexOf(NEWLINE, length - 2) + 1;
    const parsed = seal.safeParse(decodeFrame(buffer.subarray(start, length - 1))?.record);
    if (!parsed.success || parsed.data.journalBytes !== (await stat(journalPath)).size)
      return undefined;
    return parsed.data;
  } catch {
    return undefined;
  }
}

/** Reads sealed columns to their end. @throws ColumnsError, having told part of it, when they are damaged */
export async function readColumns(path: string, reader: ColumnsReader): Promise<void> {
  await using file = await open(path, 'r').catch(() => damaged('it cannot be opened'));
  const bytes = openBytes(file);
  const columns = newIntervalColumns(BLOCK_ROWS);
  const uuids = new Map<number, string>();
  for (let sequence = 0; ; sequence += 1) {
    const frame = decodeFrame(await bytes.line());
    if (frame?.sequence !== sequence) return damaged(`block ${sequence}`);
    if (seal.safeParse(frame.record).success) return;
    const head = blockHead.safeParse(frame.record);
    if (!head.success) return damaged(`the head of block ${sequence}`);
    const payloadBytes = head.data.varying.length * head.data.rows * BYTES_PER_NUMBER;
    const payload = (await bytes.take(payloadBytes + 1)).subarray(0, payloadBytes);
    if (crc32(payload) !== head.data.checksum) return damaged(`the numbers of block ${sequence}`);
    fill(columns, head.data, payload);
    tell(head.data, columns, uuids, reader);
  }
}

function damaged(what: string): never {
  throw new ColumnsError(what);
}

/** Puts a block where the last one was. */
function fill(columns: IntervalColumns, head: BlockHead, payload: Buffer): void {
  const { rows, constants, varying, gaps } = head;
  let position = 0;
  for (const column of varying) {
    const { buffer } = columns.numbers[column];
    new Uint8Array(buffer, 0, rows * BYTES_PER_NUMBER).set(
      payload.subarray(position, (position += rows * BYTES_PER_NUMBER)),
    );
  }
  for (const column of INTERVAL_COLUMNS) {
    const value = constants[column];
    if (value !== undefined) columns.numbers[column].fill(value ?? NaN, 0, rows);
    else if (!varying.includes(column)) damaged(`the column ${column}`);
  }
  columns.gaps.fill(undefined);
  for (const [at, gapSeconds] of gaps) columns.gaps[at] = gapSeconds as Interval['gapSeconds'];
  columns.length = rows;
}

/** Tells a block's records and rows in their order. */
function tell(
  { records, rows }: BlockHead,
  columns: IntervalColumns,
  uuids: Map<number, string>,
  reader: ColumnsReader,
): void {
  const uuidOf = (device: number): string => uuids.get(device) ?? damaged('a device');
  let from = 0;
  const tellRowsTo = (to: number): void => {
    if (to > from) reader.rows(columns, { from, to }, uuidOf);
    from = Math.max(from, to);
  };
  for (const [before, value] of records) {
    tellRowsTo(Math.min(before, rows));
    const record = decodeRecord(value);
    if (record === undefined || record.kind === 'slot' || record.kind === 'gauges')
      return damaged('a record');
    if (record.kind === 'device') uuids.set(record.number, record.device.uuid);
    reader.record(record);
  }
  tellRowsTo(rows);
}

interface Bytes {
  /** Up to the next newline, without it; what it gave before is overwritten. */
  line(): Promise<Buffer>;
  take(count: number): Promise<Buffer>;
}

/** A file's bytes in one buffer that grows to the largest piece; the next ones are read while these are worked on. */
function openBytes(file: FileHandle): Bytes {
  let buffer = Buffer.allocUnsafe(4 * CHUNK_BYTES);
  let start = 0;
  let end = 0;
  const readAhead = (): Promise<{ readonly bytesRead: number }> => {
    const ahead = file.read(buffer, end, CHUNK_BYTES);
    // Whoever waits for it hears why it failed; nobody waits for the last one.
    ahead.catch(() => undefined);
    return ahead;
  };
  let ahead = readAhead();
  const readMore = async (): Promise<void> => {
    const { bytesRead } = await ahead;
    if (bytesRead === 0) damaged('the end is missing');
    end += bytesRead;
    if (buffer.length - end < CHUNK_BYTES) {
      buffer.copyWithin(0, start, end);
      end -= start;
      start = 0;
    }
    if (buffer.length - end < CHUNK_BYTES)
      buffer = Buffer.concat([buffer, Buffer.allocUnsafe(buffer.length)]);
    ahead = readAhead();
  };
  return {
    async line() {
      let newline = -1;
      for (let from = start; ;) {
        newline = buffer.subarray(0, end).indexOf(NEWLINE, from);
        if (newline >= 0) break;
        const searched = end - start;
        await readMore();
        from = start + searched;
      }
      const line = buffer.subarray(start, newline);
      start = newline + 1;
      return line;
    },
    async take(count) {
      while (end - start < count) await readMore();
      const piece = buffer.subarray(start, start + count);
      start += count;
      return piece;
    },
  };
}
