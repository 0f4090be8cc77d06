// Writes what sources say as a trace that replay reads back to the same joules: `record`'s half of the round trip.

import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import { constants, createGzip, type Gzip } from 'node:zlib';

import type { Clock } from '../clock.ts';
import type { Batch, Device } from '../model.ts';
import { SourceError } from './source.ts';
import { TRACE_COLUMNS } from './trace-columns.ts';

/** A trace being written; dispose of it to close the file. */
export interface TraceWriter extends AsyncDisposable {
  readonly rowCount: number;
  /** Facts for the rows to come. */
  setDevices(devices: readonly Device[]): void;
  /**
   * Resolves when the file can take more.
   * @throws {SourceError} fatal, when the file cannot be written; ended, when the reader of a pipe has left.
   */
  write(batch: Batch): Promise<void>;
}

// Packed rows reach the file at least so often: a recorder that is killed loses little.
const FLUSH_ROWS = 200;

/** The word for standard output in place of a file's name. */
export const STANDARD_OUTPUT = '-';
const STANDARD_OUTPUT_DESCRIPTOR = 1;

/**
 * Opens a trace for writing, packed when its name ends in `.gz`; an existing file is replaced.
 *
 * @throws {SourceError} fatal, when it cannot be opened.
 */
export async function openTraceWriter(file: string, clock: Clock): Promise<TraceWriter> {
  const isOpen = file === STANDARD_OUTPUT;
  const target = isOpen
    ? createWriteStream('', { fd: STANDARD_OUTPUT_DESCRIPTOR, autoClose: false })
    : createWriteStream(file);
  let failure: unknown;
  target.on('error', (error) => (failure ??= error));
  if (!isOpen)
    await once(target, 'open').catch((cause: unknown) => {
      throw unwritable(file, cause);
    });
  const packer = file.endsWith('.gz') ? createGzip() : undefined;
  packer?.pipe(target);
  const sink: Gzip | WriteStream = packer ?? target;
  const devices = new Map<string, Device>();
  // Rows are dated on the clock's timeline, which counts suspended time too; CLOCK_MONOTONIC gives it its origin.
  const origin = { timeSeconds: clock.now(), nanoseconds: clock.monotonicNanoseconds() };
  const monotonicOf = (timeSeconds: number): bigint =>
    origin.nanoseconds + BigInt(Math.round((timeSeconds - origin.timeSeconds) * 1e9));
  let isSaid = false;
  let rowCount = 0;
  let unflushed = 0;

  const put = async (text: string): Promise<void> => {
    if (failure === undefined && !sink.write(text)) {
      await Promise.race([once(sink, 'drain'), once(target, 'close')]).catch(() => undefined);
    }
    if (failure === undefined) return;
    isSaid = true;
    throw unwritable(file, failure);
  };
  await put(`${TRACE_COLUMNS.map(({ title }) => title).join(', ')}\n`);

  return {
    get rowCount() {
      return rowCount;
    },
    setDevices(next) {
      for (const device of next) devices.set(device.uuid, device);
    },
    async write(batch) {
      await put(linesOf(batch, devices.get(batch.uuid), monotonicOf));
      rowCount += batch.length;
      unflushed += batch.length;
      if (packer === undefined || unflushed < FLUSH_ROWS) return;
      unflushed = 0;
      packer.flush(constants.Z_SYNC_FLUSH);
    },
    async [Symbol.asyncDispose]() {
      sink.end();
      await finished(target).catch((cause: unknown) => {
        if (!isSaid) throw unwritable(file, cause);
      });
    },
  };
}

function linesOf(
  batch: Batch,
  device: Device | undefined,
  monotonicOf: (timeSeconds: number) => bigint,
): string {
  let text = '';
  for (let at = 0; at < batch.length; at += 1) {
    const row = {
      device,
      batch,
      at,
      // They describe the end of the batch.
      gauges: at === batch.length - 1 ? batch.gauges : undefined,
      monotonicNanoseconds: monotonicOf(batch.timeSeconds[at] ?? Number.NaN),
    };
    text += `${TRACE_COLUMNS.map(({ cell }) => cell(row)).join(', ')}\n`;
  }
  return text;
}

function unwritable(file: string, cause: unknown): SourceError {
  const why = cause instanceof Error ? cause.message : String(cause);
  const hasLeft = cause instanceof Error && 'code' in cause && cause.code === 'EPIPE';
  return new SourceError(
    `Cannot write ${file}: ${why}. Is there room, and may this user write it?`,
    {
      fate: hasLeft ? 'ended' : 'fatal',
      reason: 'unwritable-file',
      cause,
    },
  );
}
