// A file as lines of text: unpacked, decoded, numbered, in handfuls so that a long log costs little memory.

import { createReadStream, statSync } from 'node:fs';
import { pipeline, Readable } from 'node:stream';
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

/** The word for standard input in place of a file's name. */
const STANDARD_INPUT = '-';

const pathOf = (file: string): string => (file === STANDARD_INPUT ? '/dev/stdin' : file);

/** Whether what is read once can be read again: a pipe gives its lines to whoever comes first. */
export const isRepeatable = (file: string): boolean =>
  statSync(pathOf(file), { throwIfNoEntry: false })?.isFile() === true;

/**
 * The lines of a file, a pipe or standard input (`-`), gzipped or not (told by its first bytes), UTF-8 or UTF-16 with a
 * mark. It is opened once.
 *
 * @throws {SourceError} fatal, when it cannot be opened or holds no text.
 */
export async function* linesOf(file: string, signal: AbortSignal): AsyncGenerator<LineGroup> {
  let firstLine = 1;
  let rest = '';
  try {
    const bytes = unpacked(createReadStream(pathOf(file), { highWaterMark: CHUNK_BYTES, signal }));
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

/** The bytes as they were before somebody packed them, if anybody did. */
async function* unpacked(packed: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const chunks = packed[Symbol.asyncIterator]();
  let start = Buffer.alloc(0);
  while (start.length < GZIP_MAGIC.length) {
    const next = await chunks.next();
    if (next.done === true) break;
    start = Buffer.concat([start, next.value]);
  }
  const whole = joined(start, chunks);
  yield* GZIP_MAGIC.every((byte, at) => start[at] === byte) ? gunzipped(whole) : whole;
}

async function* joined(start: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  try {
    if (start.length > 0) yield start;
    for (let next = await rest.next(); next.done !== true; next = await rest.next())
      yield next.value;
  } finally {
    // Whoever has had enough leaves no file open.
    await rest.return?.();
  }
}

function gunzipped(packed: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  // SYNC_FLUSH lets the file of a recorder that was killed be read up to where it ends.
  const unzipped = createGunzip({ finishFlush: constants.Z_SYNC_FLUSH, chunkSize: CHUNK_BYTES });
  pipeline(Readable.from(packed), unzipped, () => {
    // An error reaches the reader through `unzipped`.
  });
  return unzipped as AsyncIterable<Buffer>;
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
