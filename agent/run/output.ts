// With --step-pattern: a second view of CMD's output that CMD can never feel. What goes to a regular file is read where
// it lies. Everything else passes through tee(1) in a session of its own into a nameless file, never into a pipe that
// Wattmeter would have to empty: a stopped Wattmeter stops nobody, a dead one costs at most TAP_LIMIT_BYTES of disk.
// CMD's stdout and stderr are then pipes, no terminal: that is the price of the option.

import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  type Stats,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const READ_BYTES = 65_536;
// One read of the whole output must not hold up the sampling: more waits for the next one.
const READ_LIMIT_BYTES = 4 * 1_048_576;
const TRUNCATE_BYTES = 16 * 1_048_576;
const TAP_LIMIT_BYTES = 64 * 1_048_576;
const ULIMIT_BLOCK_BYTES = 512;

// At the limit tee gets EFBIG instead of a deadly SIGXFSZ, leaves the tap and goes on writing to its stdout. Without
// -p it still dies of a broken stdout, as CMD itself would have.
const TEE_SCRIPT = `trap '' XFSZ; ulimit -f ${TAP_LIMIT_BYTES / ULIMIT_BLOCK_BYTES}; exec tee -a /dev/fd/3`;

/** One stream of CMD's output as it can be read again. */
interface View {
  readonly fd: number;
  /** Whether what has been read may be thrown away. */
  readonly isTap: boolean;
  offset: number;
}

/** Text of one stream, in order; `stream` tells them apart so that their lines do not mix. */
export interface OutputChunk {
  readonly stream: number;
  readonly bytes: Uint8Array;
  /** How long ago its stream was last written to: nothing in it is younger. By the wall clock, so perhaps nonsense. */
  readonly ageSeconds: number;
}

/** CMD's stdout and stderr, watched from aside. */
export class JobOutput implements Disposable {
  /** What CMD gets as stdout and stderr. */
  readonly descriptors: { readonly stdout: number; readonly stderr: number };
  readonly #views: readonly View[];
  readonly #writeEnds: Set<number>;
  readonly #relays: readonly Promise<void>[];

  constructor(parts: {
    readonly descriptors: { readonly stdout: number; readonly stderr: number };
    readonly views: readonly View[];
    readonly writeEnds: readonly number[];
    readonly relays: readonly Promise<void>[];
  }) {
    this.descriptors = parts.descriptors;
    this.#views = parts.views;
    this.#writeEnds = new Set(parts.writeEnds);
    this.#relays = parts.relays;
  }

  /** Call once CMD has been started (or could not be): only CMD holds its pipes then, and their end is its end. */
  handedOver(): void {
    for (const fd of this.#writeEnds) closeSync(fd);
    this.#writeEnds.clear();
  }

  /** What was written since the last call. Reads files only: it never waits for anybody. */
  *read(): Generator<OutputChunk> {
    for (const [stream, view] of this.#views.entries()) {
      // A log that was emptied behind our back (copytruncate) begins anew.
      const { size, mtimeMs } = fstatSync(view.fd);
      if (size < view.offset) view.offset = 0;
      const ageSeconds = (Date.now() - mtimeMs) / 1e3;
      for (let total = 0; total < READ_LIMIT_BYTES;) {
        const bytes = new Uint8Array(READ_BYTES);
        const length = readSync(view.fd, bytes, 0, READ_BYTES, view.offset);
        if (length === 0) break;
        view.offset += length;
        total += length;
        yield { stream, bytes: bytes.subarray(0, length), ageSeconds };
      }
      this.#discardRead(view);
    }
  }

  /** Waits until the relays have passed on everything, or `limitSeconds`: CMD's children may hold its output open. */
  async drained(limitSeconds: number): Promise<void> {
    const timer = new AbortController();
    const limit = delay(limitSeconds * 1e3, undefined, { signal: timer.signal });
    await Promise.race([Promise.all(this.#relays), limit.catch(() => undefined)]);
    timer.abort();
  }

  // A line written between the last read and this is lost to the step count, never to CMD's reader; once in 16 MiB.
  #discardRead(view: View): void {
    if (!view.isTap || view.offset < TRUNCATE_BYTES) return;
    if (fstatSync(view.fd).size > view.offset) return;
    ftruncateSync(view.fd, 0);
    view.offset = 0;
  }

  [Symbol.dispose](): void {
    this.handedOver();
    for (const { fd } of this.#views) closeSync(fd);
  }
}

/**
 * Prepares the view of what goes to descriptors 1 and 2; `directory` holds two named pipes for a moment.
 * @throws Error when there is no tee, no mkfifo or no place for them; the job then runs without step counting.
 */
export function openJobOutput(directory: string): JobOutput {
  const folder = mkdtempSync(join(directory, 'wattmeter-output-'));
  const opened: number[] = [];
  try {
    return assemble(folder, opened);
  } catch (error) {
    for (const fd of opened) closeSync(fd);
    throw error;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Stream {
  readonly fd: number;
  readonly view: View;
  readonly writeEnd?: number;
  readonly relay?: Promise<void>;
}

function assemble(folder: string, opened: number[]): JobOutput {
  const stdout = openStream(1, folder, opened);
  // `2>&1`: one relay for both keeps their order.
  const stderr = sameFile(fstatSync(1), fstatSync(2)) ? undefined : openStream(2, folder, opened);
  const streams = [stdout, ...(stderr === undefined ? [] : [stderr])];
  return new JobOutput({
    descriptors: { stdout: stdout.fd, stderr: (stderr ?? stdout).fd },
    views: streams.map(({ view }) => view),
    writeEnds: streams.flatMap(({ writeEnd }) => writeEnd ?? []),
    relays: streams.flatMap(({ relay }) => relay ?? []),
  });
}

const sameFile = (one: Stats, other: Stats): boolean =>
  one.dev === other.dev && one.ino === other.ino;

function openStream(target: 1 | 2, folder: string, opened: number[]): Stream {
  const open = (path: string, flags: number): number => {
    const fd = openSync(path, flags, 0o600);
    opened.push(fd);
    return fd;
  };
  const stats = fstatSync(target);
  if (stats.isFile()) {
    const fd = open(`/proc/self/fd/${target}`, constants.O_RDONLY);
    return { fd: target, view: { fd, isTap: false, offset: stats.size } };
  }
  const pipe = join(folder, `pipe-${target}`);
  const made = spawnSync('mkfifo', ['-m', '600', pipe]);
  if (made.status !== 0) throw new Error(`Cannot make a pipe in ${folder}: mkfifo failed.`);
  // Opened both ways first, or each end would wait for the other.
  const bothEnds = openSync(pipe, constants.O_RDWR);
  const readEnd = openSync(pipe, constants.O_RDONLY);
  const writeEnd = open(pipe, constants.O_WRONLY);
  closeSync(bothEnds);
  const tap = open(join(folder, `tap-${target}`), constants.O_RDWR | constants.O_CREAT);
  const tee = startTee(readEnd, target, tap);
  closeSync(readEnd);
  return { fd: writeEnd, view: { fd: tap, isTap: true, offset: 0 }, writeEnd, relay: endOf(tee) };
}

function startTee(readEnd: number, target: number, tap: number): ChildProcess {
  const tee = spawn('/bin/sh', ['-c', TEE_SCRIPT], {
    stdio: [readEnd, target, 'ignore', tap],
    // Its own session: Ctrl-C and the terminal's end must not take it before CMD's last words have passed.
    detached: true,
  });
  if (tee.pid === undefined) {
    tee.on('error', () => undefined);
    throw new Error("Cannot pass on the job's output: /bin/sh does not start. Is it installed?");
  }
  tee.unref();
  return tee;
}

const endOf = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    child.once('exit', () => resolve());
  });
