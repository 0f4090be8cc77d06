// Room on the disk, taken while there was some. What an agent shows while its journal cannot grow is kept there, over and
// over: a restart goes on from it although the disk is full.

import { open, readFile, rm, statfs, type FileHandle } from 'node:fs/promises';

import { decodeRecord } from './decode.ts';
import { decodeFrame, encodeFrame } from './frame.ts';
import type { LedgerRecord } from './records.ts';
import { FILE_MODE } from './state-dir.ts';

// Counters of dozens of GPUs and hundreds of jobs; two of them, for the one that is being written may be torn.
const HALF_BYTES = 512 * 1024;
const FREE_RATIO = 16;
const PATIENCE_SECONDS = 2;
const NEWLINE = 0x0a;

/** What was kept last. */
export interface Kept {
  /** Number of the segment that could not grow. */
  readonly segment: number;
  readonly records: readonly LedgerRecord[];
}

/** Room for the newest state of one ledger. */
export interface Reserve extends AsyncDisposable {
  /** Keeps this in place of what was kept before; false where it has no room or the disk does not answer. Never rejects. */
  keep(segment: number, records: readonly LedgerRecord[]): Promise<boolean>;
  /** What was kept is in the journal now. Never rejects. */
  clear(): Promise<void>;
}

/** Takes the room; undefined where the disk has none to give. */
export async function openReserve(path: string): Promise<Reserve | undefined> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, 'a+', FILE_MODE);
    await file.close();
    file = await open(path, 'r+');
    if ((await file.stat()).size !== 2 * HALF_BYTES) {
      const { bavail, bsize } = await statfs(path);
      if (bavail * bsize < FREE_RATIO * HALF_BYTES) throw new Error('no room');
      await file.truncate(0);
      await file.write(Buffer.alloc(2 * HALF_BYTES), 0, 2 * HALF_BYTES, 0);
      await file.sync();
    }
    return new DiskReserve(file, (await newestFrame(path))?.sequence ?? 0);
  } catch {
    await file?.close().catch(() => undefined);
    await rm(path, { force: true }).catch(() => undefined);
    return undefined;
  }
}

/** What is kept at `path`; undefined where nothing whole is. */
export async function readReserve(path: string): Promise<Kept | undefined> {
  const { segment, records } = (await newestFrame(path))?.record ?? {};
  if (typeof segment !== 'number' || !Array.isArray(records)) return undefined;
  return { segment, records: records.flatMap((record) => decodeRecord(record) ?? []) };
}

interface KeptFrame {
  readonly sequence: number;
  readonly record: Partial<Record<keyof Kept, unknown>>;
}

async function newestFrame(path: string): Promise<KeptFrame | undefined> {
  const bytes = await readFile(path).catch(() => Buffer.alloc(0));
  const frames = [0, HALF_BYTES].flatMap((from) => {
    const half = bytes.subarray(from, from + HALF_BYTES);
    return decodeFrame(half.subarray(0, Math.max(0, half.indexOf(NEWLINE)))) ?? [];
  });
  const [newest] = frames.toSorted((a, b) => b.sequence - a.sequence);
  return newest === undefined ? undefined : { ...newest, record: Object(newest.record) };
}

class DiskReserve implements Reserve {
  readonly #file: FileHandle;
  #sequence: number;
  #writing: Promise<boolean> | undefined;

  constructor(file: FileHandle, sequence: number) {
    this.#file = file;
    this.#sequence = sequence;
  }

  async keep(segment: number, records: readonly LedgerRecord[]): Promise<boolean> {
    // A disk that hangs is not asked twice.
    if (this.#writing !== undefined) return false;
    this.#sequence += 1;
    const frame = encodeFrame(this.#sequence, JSON.stringify({ segment, records }));
    if (frame.length > HALF_BYTES) return false;
    return this.#write(frame, (this.#sequence % 2) * HALF_BYTES);
  }

  async clear(): Promise<void> {
    await this.#writing;
    await this.#write(Buffer.from([NEWLINE]), 0);
    await this.#write(Buffer.from([NEWLINE]), HALF_BYTES);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#writing === undefined) await this.#file.close().catch(() => undefined);
  }

  #write(bytes: Buffer, position: number): Promise<boolean> {
    this.#writing = this.#file
      .write(bytes, 0, bytes.length, position)
      .then(() => this.#file.datasync())
      .then(
        () => true,
        () => false,
      )
      .finally(() => {
        this.#writing = undefined;
      });
    return Promise.race([this.#writing, patience()]);
  }
}

const patience = (): Promise<false> =>
  new Promise((resolve) => {
    setTimeout(() => resolve(false), PATIENCE_SECONDS * 1e3).unref();
  });
