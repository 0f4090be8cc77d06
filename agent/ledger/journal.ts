// The append-only journal: a record is with the kernel before `append` settles, and on the disk within a flush. When
// the disk fails, records wait in memory and are caught up later: the ledger never throws into the pipeline.

import { encodeFrame } from './frame.ts';
import type { JournalFile } from './journal-file.ts';
import { causeOf } from './ledger-error.ts';

/** Where a record is once `append` settles: with the kernel, or held in memory because the disk fails. */
export type Kept = 'written' | 'held';

/** What the operator must hear of: once when the disk begins to fail, once when it is caught up. */
export type LedgerFault =
  | { readonly kind: 'failing'; readonly path: string; readonly message: string }
  | { readonly kind: 'caught-up'; readonly path: string; readonly droppedRecords: number };

/** An opened file, and where to go on in it. */
export interface JournalStart {
  readonly file: JournalFile;
  readonly lengthBytes: number;
  readonly nextSequence: number;
}

/** Calls back after some seconds without keeping the process alive; returns the canceller. */
export type Timer = (seconds: number, callback: () => void) => () => void;

/** What a journal needs. */
export interface JournalOptions {
  readonly path: string;
  /** Opens, locks and recovers the file; called again after a back-off when it rejects. */
  readonly open: () => Promise<JournalStart>;
  readonly flushSeconds: number;
  readonly onFault: (fault: LedgerFault) => void;
  /** How much may wait in memory; beyond it the oldest inessential records are dropped, and the gap in the sequence says so. */
  readonly heldBytesLimit?: number;
  readonly timer?: Timer;
}

interface Pending {
  readonly ordinal: number;
  readonly json: string;
  /** Without it later records cannot be understood (headers, devices): never dropped. */
  readonly essential: boolean;
  settle: ((kept: Kept) => void) | undefined;
}

const HELD_BYTES_LIMIT = 32 * 1024 * 1024;
const BATCH_RECORDS = 256;
const UNSYNCED_BATCHES = 1024;
const RETRY_SECONDS_MIN = 1;
const RETRY_SECONDS_MAX = 60;
// A disk that does not answer for so long is treated as failing: the pipeline goes on.
const PATIENCE_SECONDS = 2;

const systemTimer: Timer = (seconds, callback) => {
  const timeout = setTimeout(callback, seconds * 1e3);
  timeout.unref();
  return () => clearTimeout(timeout);
};

/** One writer's journal. */
export class Journal {
  readonly #options: JournalOptions;
  readonly #timer: Timer;
  #queue: Pending[] = [];
  #inFlight: Pending[] = [];
  #heldBytes = 0;
  #ordinal = 0;
  #dropped = 0;
  #start: JournalStart | undefined;
  #writtenBytes = 0;
  /** Lines since the last successful sync: a failed sync may have thrown away their pages. */
  #unsynced: { readonly bytes: Buffer; readonly endBytes: number }[] = [];
  #closed = false;
  #mustRewrite = false;
  #failing = false;
  #retrySeconds = RETRY_SECONDS_MIN;
  #cancelRetry: (() => void) | undefined;
  #cancelFlush: (() => void) | undefined;
  #draining: Promise<void> | undefined;
  #syncing: Promise<void> | undefined;

  constructor(options: JournalOptions) {
    this.#options = options;
    this.#timer = options.timer ?? systemTimer;
  }

  /** Bytes in the file so far. */
  get writtenBytes(): number {
    return this.#writtenBytes;
  }

  /** Whether the disk takes what it is given. */
  get isWriting(): boolean {
    return !this.#failing;
  }

  /** Whether everything appended has reached the kernel. */
  get isCaughtUp(): boolean {
    return this.#queue.length === 0 && this.#inFlight.length === 0;
  }

  /** Hands a record over; never rejects, and settles late only while the disk is slow, for at most two seconds. */
  append(record: object, essential = false): Promise<Kept> {
    const json = JSON.stringify(record);
    const pending: Pending = { ordinal: this.#ordinal, json, essential, settle: undefined };
    this.#ordinal += 1;
    this.#queue.push(pending);
    this.#heldBytes += json.length;
    if (this.#failing) {
      this.#dropBeyondLimit();
      return Promise.resolve('held');
    }
    const kept = new Promise<Kept>((resolve) => {
      pending.settle = resolve;
    });
    this.#drain();
    return kept;
  }

  /** Tries once more to bring everything to the disk, then lets go of the file; false when something stayed behind. */
  async close(deadlineSeconds: number): Promise<boolean> {
    this.#cancelRetry?.();
    this.#cancelFlush?.();
    const finished = this.#finish();
    const late = new Promise<boolean>((resolve) => {
      const cancel = this.#timer(deadlineSeconds, () => resolve(false));
      void finished.finally(cancel);
    });
    return Promise.race([finished, late]);
  }

  async #finish(): Promise<boolean> {
    await this.#draining;
    if (this.#failing || this.#queue.length > 0) await this.#attempt();
    await this.#syncing;
    if (!this.#failing) await this.#sync();
    this.#closed = true;
    this.#cancelRetry?.();
    this.#cancelFlush?.();
    await this.#start?.file.close().catch(() => undefined);
    return !this.#failing && this.isCaughtUp;
  }

  #drain(): void {
    if (this.#draining !== undefined || this.#closed) return;
    this.#draining = this.#attempt().finally(() => {
      this.#draining = undefined;
      // Records that came while the last write was settling.
      if (this.#queue.length > 0 && !this.#failing) this.#drain();
    });
  }

  /** Opens if need be, mends, and writes what waits; a failure is noted and retried later. */
  async #attempt(): Promise<void> {
    const startPatience = (): (() => void) =>
      this.#timer(PATIENCE_SECONDS, () => this.#fail(new Error('the disk does not answer'), false));
    let cancelPatience = startPatience();
    try {
      const start = await this.#opened();
      if (this.#failing) await this.#mend(start);
      while (this.#queue.length > 0) {
        await this.#writeBatch(start);
        // A disk that is kept busy does answer, however long the queue takes to run dry.
        cancelPatience();
        cancelPatience = startPatience();
      }
      // A sync may have failed meanwhile: its own retry mends that.
      if (this.#failing && !this.#mustRewrite) this.#recovered();
    } catch (error) {
      this.#fail(error, true);
    } finally {
      cancelPatience();
    }
  }

  async #opened(): Promise<JournalStart> {
    if (this.#start === undefined) {
      this.#start = await this.#options.open();
      this.#writtenBytes = this.#start.lengthBytes;
    }
    return this.#start;
  }

  async #mend({ file }: JournalStart): Promise<void> {
    if (this.#mustRewrite) {
      // A failed fsync may have marked pages clean without writing them; the same bytes again make them dirty.
      const bytes = Buffer.concat(this.#unsynced.map((one) => one.bytes));
      const end = this.#writtenBytes;
      await file.write(bytes, end - bytes.length);
      await file.sync();
      this.#forgetSynced(end);
      this.#mustRewrite = false;
    }
    await file.truncate(this.#writtenBytes);
  }

  async #writeBatch({ file, nextSequence }: JournalStart): Promise<void> {
    const batch = this.#queue.splice(0, BATCH_RECORDS);
    this.#inFlight = batch;
    const lines = batch.map((one) => encodeFrame(nextSequence + one.ordinal, one.json));
    const bytes = Buffer.concat(lines);
    try {
      await file.write(bytes, this.#writtenBytes);
    } catch (error) {
      this.#queue.unshift(...batch);
      throw error;
    } finally {
      this.#inFlight = [];
    }
    this.#writtenBytes += bytes.length;
    this.#rememberUnsynced(bytes);
    this.#flushLater();
    for (const one of batch) {
      this.#heldBytes -= one.json.length;
      one.settle?.('written');
    }
  }

  #rememberUnsynced(bytes: Buffer): void {
    this.#unsynced.push({ bytes, endBytes: this.#writtenBytes });
    // A sync that hangs must not fill the memory: what is oldest has had the longest time to reach the disk.
    if (this.#unsynced.length > UNSYNCED_BATCHES) this.#unsynced.shift();
  }

  #fail(error: unknown, retry: boolean): void {
    if (!this.#failing) {
      this.#failing = true;
      this.#options.onFault({
        kind: 'failing',
        path: this.#options.path,
        message: `Cannot write the journal ${this.#options.path}: ${causeOf(error).replace(/\.$/, '')}. The books go on in memory until the disk takes them; free space or mend its permissions.`,
      });
    }
    for (const one of [...this.#inFlight, ...this.#queue]) {
      one.settle?.('held');
      one.settle = undefined;
    }
    this.#dropBeyondLimit();
    if (!retry) return;
    this.#cancelRetry?.();
    this.#cancelRetry = this.#timer(this.#retrySeconds, () => this.#drain());
    this.#retrySeconds = Math.min(this.#retrySeconds * 2, RETRY_SECONDS_MAX);
  }

  #recovered(): void {
    this.#failing = false;
    this.#retrySeconds = RETRY_SECONDS_MIN;
    const droppedRecords = this.#dropped;
    this.#dropped = 0;
    this.#options.onFault({ kind: 'caught-up', path: this.#options.path, droppedRecords });
  }

  #dropBeyondLimit(): void {
    const limit = this.#options.heldBytesLimit ?? HELD_BYTES_LIMIT;
    if (this.#heldBytes <= limit) return;
    // Down to three quarters at once, so that the queue is not walked for every record.
    const target = limit * 0.75;
    this.#queue = this.#queue.filter((one) => {
      if (one.essential || this.#heldBytes <= target) return true;
      this.#heldBytes -= one.json.length;
      this.#dropped += 1;
      return false;
    });
  }

  #flushLater(): void {
    if (this.#cancelFlush !== undefined || this.#unsynced.length === 0) return;
    this.#cancelFlush = this.#timer(this.#options.flushSeconds, () => {
      this.#cancelFlush = undefined;
      this.#syncing ??= this.#sync().finally(() => {
        this.#syncing = undefined;
        if (!this.#failing) this.#flushLater();
      });
    });
  }

  async #sync(): Promise<void> {
    if (this.#unsynced.length === 0 || this.#start === undefined) return;
    const end = this.#writtenBytes;
    try {
      await this.#start.file.sync();
      this.#forgetSynced(end);
    } catch (error) {
      this.#mustRewrite = true;
      this.#fail(error, true);
    }
  }

  #forgetSynced(end: number): void {
    this.#unsynced = this.#unsynced.filter((one) => one.endBytes > end);
  }
}
