// A file as lines of text: unpacked, decoded, numbered, in handfuls so that a long log costs little memory.

import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream';
import { TextDecoder } from 'node:util';
import { constants, createGunzip } from 'node:zlib';

import { SourceError } from '../source.ts';

/** Some consecutive lines, without their ends. */
export interface LineGroup {
  readonly firstLine: number;
  readonly lines: readonly string[];
  /** The last line of the file had no end: its writer may have been cut off in the middle. */
  readonly isLastUnterminated: boolean;
}

const GZIP_MAGIC = [0x1f, 0x8b];
const CHUNK_BYTES = 1 << 18;
// A text line longer than this is no row of readings.
const LINE_LIMIT = 1 << 20;

/**
 * The lines of a file, `.gz` or not (told by its first bytes), UTF-8 or UTF-16 with a mark.
 *
 * @throws {SourceError} fatal, when it cannot be opened or holds no text.
 */
export async function* linesOf(file: string, signal: AbortSignal): AsyncGenerator<LineGroup> {
  const bytes = openBytes(file, await readsAsGzip(file, signal), signal);
  let firstLine = 1;
  let rest = '';
  try {
    for await (const text of decoded(file, bytes)) {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > LINE_LIMIT) throw notText(file);
      if (lines.length > 0) yield { firstLine, lines: lines.map(ended), isLastUnterminated: false };
      firstLine += lines.length;
    }
  } catch (error) {
    throw error instanceof SourceError || signal.aborted ? error : unreadable(file, error);
  }
  // What a crashed writer's file system left behind is no row.
  const last = rest.replaceAll('\0', '');
  if (last.trim() !== '') yield { firstLine, lines: [ended(last)], isLastUnterminated: true };
}

const ended = (line: string): string => {
  const text = line.endsWith('\r') ? line.slice(0, -1) : line;
  return text.includes('\0') ? text.replaceAll('\0', '') : text;
};

function unreadable(file: string, cause: unknown): SourceError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  const why =
    {
      ENOENT: 'there is no such file. Is the path right?',
      EACCES: 'permission is denied. May this user read it?',
      EISDIR: 'it is a folder. Name the file in it.',
      Z_DATA_ERROR: 'its compressed data is damaged. Is the copy complete?',
    }[code] ?? `${cause instanceof Error ? cause.message : String(cause)}. Is the file intact?`;
  return new SourceError(`Cannot read ${file}: ${why}`, {
    fate: 'fatal',
    reason: 'unreadable-file',
    cause,
  });
}

const notText = (file: string): SourceError =>
  new SourceError(
    `Cannot read ${file}: it is not text, so it is no power log. Give a CSV that nvidia-smi --format=csv wrote, or its .gz.`,
    { fate: 'fatal', reason: 'not-a-log' },
  );

async function readsAsGzip(file: string, signal: AbortSignal): Promise<boolean> {
  const start = createReadStream(file, { end: 1, signal });
  try {
    for await (const chunk of start as AsyncIterable<Buffer>) {
      return GZIP_MAGIC.every((byte, at) => chunk[at] === byte);
    }
    return false;
  } catch (error) {
    throw signal.aborted ? error : unreadable(file, error);
  }
}

function openBytes(file: string, isGzip: boolean, signal: AbortSignal): AsyncIterable<Buffer> {
  const plain = createReadStream(file, { highWaterMark: CHUNK_BYTES, signal });
  if (!isGzip) return plain as AsyncIterable<Buffer>;
  // SYNC_FLUSH lets the file of a recorder that was killed be read up to where it ends.
  const unpacked = createGunzip({
    finishFlush: constants.Z_SYNC_FLUSH,
    chunkSize: CHUNK_BYTES,
  });
  pipeline(plain, unpacked, () => {
    // An error reaches the reader through `unpacked`.
  });
  return unpacked as AsyncIterable<Buffer>;
}

function encodingOf(start: Buffer): 'utf-8' | 'utf-16le' | 'utf-16be' {
  if (start[0] === 0xff && start[1] === 0xfe) return 'utf-16le';
  if (start[0] === 0xfe && start[1] === 0xff) return 'utf-16be';
  return 'utf-8';
}

// Control characters, or bytes that are no UTF-8, make up more than this of what is no text.
const STRANGE_RATIO = 0.1;
const SAMPLE_CHARACTERS = 4096;
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const STRANGE = /[\u0001-\u0008\u000e-\u001f\ufffd]/g;

function isText(text: string): boolean {
  // A crash leaves NUL bytes behind whole lines; a binary file has them before any line ends.
  const sample = text.slice(0, SAMPLE_CHARACTERS);
  const firstNul = sample.indexOf('\0');
  const head = firstNul === -1 ? sample : sample.slice(0, firstNul);
  if (firstNul !== -1 && !head.includes('\n')) return false;
  return (head.match(STRANGE)?.length ?? 0) <= head.length * STRANGE_RATIO;
}

async function* decoded(file: string, bytes: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let decoder: TextDecoder | undefined;
  for await (const chunk of bytes) {
    const isFirst = decoder === undefined;
    decoder ??= new TextDecoder(encodingOf(chunk));
    const text = decoder.decode(chunk, { stream: true });
    if (isFirst && !isText(text)) throw notText(file);
    yield text;
  }
  if (decoder !== undefined) yield decoder.decode();
}
