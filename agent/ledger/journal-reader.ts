// Reads a journal from its first line to its last good one, in chunks: flat memory whatever its length. Damage in the
// middle is reported and stepped over; a torn tail is what a crash leaves, and is only counted.

import { open, type FileHandle } from 'node:fs/promises';

import { decodeFrame } from './frame.ts';
import { causeOf, LedgerError } from './ledger-error.ts';

/** What stands in a journal. */
export type JournalEntry =
  | { readonly kind: 'record'; readonly sequence: number; readonly record: unknown }
  /** Bytes that fail their checksum, with good records after them. */
  | { readonly kind: 'damage'; readonly offsetBytes: number; readonly lengthBytes: number }
  /** Records that were numbered but never reached the file, or are lost in damage before this. */
  | { readonly kind: 'missing'; readonly firstSequence: number; readonly count: number };

/** Where a journal ends. */
export interface JournalEnd {
  /** Up to here every line is accounted for: the place to append at. */
  readonly goodBytes: number;
  /** What a crash left behind the last good record. */
  readonly tornBytes: number;
  readonly nextSequence: number;
}

const CHUNK_BYTES = 256 * 1024;
const NEWLINE = 0x0a;

/** Yields a journal's entries in order and returns its end. @throws LedgerError when the file cannot be read. */
export async function* readJournal(path: string): AsyncGenerator<JournalEntry, JournalEnd> {
  const state = { offset: 0, goodBytes: 0, nextSequence: 0 };
  for await (const line of linesOf(path)) {
    const start = state.offset;
    state.offset += line.length + 1;
    const frame = decodeFrame(line);
    // A sequence that steps back is a line written twice: counting it again would invent energy.
    if (frame === undefined || frame.sequence < state.nextSequence) continue;
    if (state.goodBytes < start) {
      yield { kind: 'damage', offsetBytes: state.goodBytes, lengthBytes: start - state.goodBytes };
    }
    if (frame.sequence > state.nextSequence) {
      const count = frame.sequence - state.nextSequence;
      yield { kind: 'missing', firstSequence: state.nextSequence, count };
    }
    state.goodBytes = state.offset;
    state.nextSequence = frame.sequence + 1;
    yield { kind: 'record', sequence: frame.sequence, record: frame.record };
  }
  const size = await sizeOf(path);
  return {
    goodBytes: state.goodBytes,
    tornBytes: Math.max(0, size - state.goodBytes),
    nextSequence: state.nextSequence,
  };
}

/** Whole lines without their newlines; what stands after the last newline is torn and not yielded. */
export async function* linesOf(path: string): AsyncGenerator<Buffer, void> {
  await using file = await openForReading(path);
  let rest: Buffer = Buffer.alloc(0);
  for (;;) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES);
    if (bytesRead === 0) return;
    const bytes = Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
    let start = 0;
    for (;;) {
      const end = bytes.indexOf(NEWLINE, start);
      if (end < 0) break;
      yield bytes.subarray(start, end);
      start = end + 1;
    }
    rest = bytes.subarray(start);
  }
}

async function sizeOf(path: string): Promise<number> {
  await using file = await openForReading(path);
  return (await file.stat()).size;
}

async function openForReading(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (error) {
    const message = `Cannot read the journal ${path}: ${causeOf(error)}. Does it exist, and may you read it?`;
    throw new LedgerError('unreadable', message, { cause: error });
  }
}
