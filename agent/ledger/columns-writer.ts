// Writes a run's columns beside its journal, a block at a time. They can be had from the journal at any time, so whatever
// goes wrong here ends in a run without them, and nobody waits: not the pipeline, not the journal, not CMD.

import { open, rm, type FileHandle } from 'node:fs/promises';

import { newIntervalColumns, pushInterval } from '../interval-columns.ts';
import type { Interval } from '../model.ts';
import { BLOCK_ROWS, encodeBlock, type PlacedRecord, type Seal } from './columns.ts';
import { encodeFrame } from './frame.ts';
import type { RunRecord } from './records.ts';
import { FILE_MODE } from './state-dir.ts';

/** A run's columns while they are written. Nothing here throws or rejects. */
export interface ColumnsWriter {
  /** A record that is no slot, in the journal's order. */
  addRecord(record: RunRecord): void;
  /** An interval of a device that a record has introduced, in the journal's order. */
  addInterval(interval: Interval): void;
  /** Settles when all full blocks are with the kernel: for who can wait. */
  written(): Promise<void>;
  /** Says that this is all of a journal of that size. A run of less than a block has no columns: its journal is as fast. */
  seal(journalBytes: number): Promise<void>;
  /** The journal is no longer what was written here. */
  abandon(): Promise<void>;
}

// What may wait for a slow disk: beyond it there is no point in columns.
const WAITING_BYTES = 16 * 1024 * 1024;

/** Opens the columns at `path`; no file is made before the first block is full. */
export function createColumnsWriter(path: string, blockRows: number = BLOCK_ROWS): ColumnsWriter {
  const columns = newIntervalColumns(blockRows);
  const numbers = new Map<string, number>();
  let records: PlacedRecord[] = [];
  let facts: Readonly<Record<string, unknown>> = {};
  let hasWindows = false;
  let sequence = 0;
  const sink = openSink(path);

  const flush = (): void => {
    sink.write(encodeBlock(sequence, columns, records));
    sequence += 1;
    columns.length = 0;
    records = [];
  };
  return {
    addRecord(record) {
      if (record.kind === 'device') numbers.set(record.device.uuid, record.number);
      if (record.kind === 'facts') facts = { ...facts, ...record.facts };
      if (record.kind === 'window' || record.kind === 'window-open') hasWindows = true;
      records.push([columns.length, record]);
    },
    addInterval(interval) {
      const number = numbers.get(interval.uuid);
      if (number === undefined) return;
      pushInterval(columns, interval, number);
      if (columns.length === columns.capacity) flush();
    },
    written: () => sink.written(),
    async seal(journalBytes) {
      if (sequence === 0) return;
      flush();
      const seal: Seal = { kind: 'seal', version: 1, journalBytes, facts, hasWindows };
      sink.write(encodeFrame(sequence, JSON.stringify(seal)));
      await sink.close();
    },
    abandon: () => sink.abandon(),
  };
}

interface Sink {
  write(bytes: Buffer): void;
  written(): Promise<void>;
  close(): Promise<void>;
  abandon(): Promise<void>;
}

/** A file that is written to in order, without anybody waiting for it; the first failure takes it away. */
function openSink(path: string): Sink {
  let file: FileHandle | undefined;
  let waitingBytes = 0;
  let isBroken = false;
  let writing = Promise.resolve();
  const close = async (): Promise<void> => {
    await file?.close();
    file = undefined;
  };
  const remove = async (): Promise<void> => {
    isBroken = true;
    await close().catch(() => undefined);
    await rm(path, { force: true }).catch(() => undefined);
  };
  const then = (step: () => Promise<void>): Promise<void> =>
    (writing = writing.then(() => (isBroken ? undefined : step())).catch(remove));
  // What still waits is let go of at once: a disk that hangs must not fill the memory.
  const stop = (): Promise<void> => {
    isBroken = true;
    return (writing = writing.then(remove));
  };
  return {
    write(bytes) {
      if (isBroken) return;
      waitingBytes += bytes.length;
      if (waitingBytes > WAITING_BYTES) void stop();
      else
        void then(async () => {
          file ??= await open(path, 'w', FILE_MODE);
          await file.writeFile(bytes);
          waitingBytes -= bytes.length;
        });
    },
    written: () => writing,
    close: () => then(close),
    abandon: stop,
  };
}
