// Memory that the NVML worker and the main thread share. The worker writes readings into a ring and says which native
// call it is in; the main thread takes the readings out and sees when a call does not return. No messages on this path:
// a worker that hangs in the driver could not send what it has already read.

import { READING_STATUS, type ReadingStatus } from '../model.ts';
import { NVML_SYMBOLS } from './nvml-symbols.ts';

/** One reading of one device, or the end of a round of readings (`slot` −1). NaN: not in this reading. */
export interface RingRow {
  /** Which device; −1 for the end of a round. */
  slot: number;
  /** CLOCK_MONOTONIC, seconds. */
  monotonicSeconds: number;
  /** Position in READING_STATUS. */
  status: number;
  instantWatts: number;
  averageWatts: number;
  drawWatts: number;
  counterJoules: number;
  /** Only of the end of a round: how long it took. */
  durationSeconds: number;
}

/**
 * A reading that took longer than this came out of a driver that hung: nobody knows when in between its value was true,
 * and it is a failure. So the main thread may settle time so long ago: no reading comes later with an older time.
 */
export const STALE_READ_SECONDS = 0.5;

/** The slot of a row that ends a round. */
export const ROUND_END = -1;

/** Devices that one process can ever meet (64 GPUs, and those that a driver reload brings anew). */
export const MAX_SLOTS = 256;

/** Slow values of a device in the shared table; NaN is unknown. */
export const GAUGES = [
  'utilizationRatio',
  'memoryUsedBytes',
  'memoryTotalBytes',
  'temperatureCelsius',
  'smClockHertz',
  'powerLimitWatts',
] as const;

/** What both threads hold. */
export interface NvmlBuffers {
  readonly control: SharedArrayBuffer;
  readonly ring: SharedArrayBuffer;
  readonly gauges: SharedArrayBuffer;
}

const ROW_WIDTH = 8;
// At 10 Hz over 64 GPUs this is 25 s of readings: what a main thread may be busy with something else.
const RING_ROWS = 16_384;

const CELL = {
  stop: 0,
  wake: 1,
  callSequence: 2,
  callIdentity: 3,
  head: 4,
  tail: 5,
  dropped: 6,
  burstUntilMilliseconds: 7,
} as const;
const CELLS = 16;

/** Shared memory for one worker. */
export function createBuffers(): NvmlBuffers {
  const control = new SharedArrayBuffer(4 * (CELLS + MAX_SLOTS));
  new Int32Array(control)[CELL.burstUntilMilliseconds] = monotonicMilliseconds();
  return {
    control,
    ring: new SharedArrayBuffer(8 * ROW_WIDTH * RING_ROWS),
    gauges: new SharedArrayBuffer(8 * GAUGES.length * MAX_SLOTS),
  };
}

// A call's number and its device's slot (from −1) in one cell.
const SLOT_BITS = 16;

/** A native call that is out. */
export interface PendingCall {
  /** Since it was first seen out. */
  readonly ageSeconds: number;
  readonly symbol: string;
  /** The device asked; −1 when the call is about no device. */
  readonly slot: number;
}

// `performance` counts from the thread's own start; the offset to CLOCK_MONOTONIC is taken once, from the quickest of a
// few tries, and is then good to about a microsecond. A bigint a call would cost more than the call.
const MONOTONIC_OFFSET_MILLISECONDS = Math.min(
  ...Array.from({ length: 5 }, () => {
    const before = performance.now();
    return Number(process.hrtime.bigint()) / 1e6 - before;
  }),
);

/** CLOCK_MONOTONIC in seconds: the same clock in both threads. */
export const monotonicSeconds = (): number =>
  (performance.now() + MONOTONIC_OFFSET_MILLISECONDS) / 1e3;

const monotonicMilliseconds = (): number =>
  Math.floor(performance.now() + MONOTONIC_OFFSET_MILLISECONDS) | 0;

/** A row without a value, of now. */
export function failedRow(slot: number, status: ReadingStatus): RingRow {
  return {
    slot,
    monotonicSeconds: monotonicSeconds(),
    status: READING_STATUS.indexOf(status),
    instantWatts: Number.NaN,
    averageWatts: Number.NaN,
    drawWatts: Number.NaN,
    counterJoules: Number.NaN,
    durationSeconds: Number.NaN,
  };
}

/** Either side's view of the shared memory. */
export class NvmlShared {
  readonly #control: Int32Array;
  readonly #gaugeSequence: Int32Array;
  readonly #ring: Float64Array;
  readonly #gauges: Float64Array;

  #seenSequence = 0;
  #seenSeconds = 0;
  readonly #row: RingRow = {
    slot: ROUND_END,
    monotonicSeconds: 0,
    status: 0,
    instantWatts: 0,
    averageWatts: 0,
    drawWatts: 0,
    counterJoules: 0,
    durationSeconds: 0,
  };

  constructor(buffers: NvmlBuffers) {
    this.#control = new Int32Array(buffers.control, 0, CELLS);
    this.#gaugeSequence = new Int32Array(buffers.control, 4 * CELLS, MAX_SLOTS);
    this.#ring = new Float64Array(buffers.ring);
    this.#gauges = new Float64Array(buffers.gauges);
  }

  // ── the main thread's side ────────────────────────────────────────────────────────────────────────────────────────

  /** Asks the worker to end; it does when its native call, if one is out, has returned. */
  stop(): void {
    Atomics.store(this.#control, CELL.stop, 1);
    this.#wakeWorker();
  }

  /** Asks for polls as fast as sensible for so long; never shortens a longer burst. */
  burstFor(seconds: number): void {
    const now = monotonicMilliseconds();
    const wanted = Math.ceil(seconds * 1e3);
    if (wanted <= this.#burstMilliseconds(now)) return;
    Atomics.store(this.#control, CELL.burstUntilMilliseconds, (now + wanted) | 0);
    this.#wakeWorker();
  }

  /**
   * The native call that the worker is in, if it is in one. Its age counts from the first look that found it out: the
   * worker's hot path has better things to do than to note the time of every call.
   */
  pendingCall(): PendingCall | undefined {
    const sequence = Atomics.load(this.#control, CELL.callSequence);
    if (sequence % 2 === 0) return undefined;
    const now = monotonicSeconds();
    if (sequence !== this.#seenSequence) {
      this.#seenSequence = sequence;
      this.#seenSeconds = now;
    }
    const identity = Atomics.load(this.#control, CELL.callIdentity);
    return {
      ageSeconds: now - this.#seenSeconds,
      symbol: NVML_SYMBOLS[identity >> SLOT_BITS] ?? 'an NVML call',
      slot: (identity & ((1 << SLOT_BITS) - 1)) - 1,
    };
  }

  /** Hands each unread row to `take` in order, until it refuses one; the row object is reused. */
  drain(take: (row: Readonly<RingRow>) => boolean): void {
    const head = Atomics.load(this.#control, CELL.head);
    let tail = Atomics.load(this.#control, CELL.tail);
    while (tail !== head && take(this.#rowAt(tail))) {
      tail = (tail + 1) % RING_ROWS;
      Atomics.store(this.#control, CELL.tail, tail);
    }
  }

  /** Readings lost since the last question because nobody took them out. */
  takeDropped(): number {
    return Atomics.exchange(this.#control, CELL.dropped, 0);
  }

  /** How many times the slot's gauges have been written. */
  gaugeSequence(slot: number): number {
    return Atomics.load(this.#gaugeSequence, slot);
  }

  /** The slot's slow values, in the order of GAUGES. */
  gauges(slot: number): Float64Array {
    return this.#gauges.subarray(slot * GAUGES.length, (slot + 1) * GAUGES.length);
  }

  // ── the worker's side ─────────────────────────────────────────────────────────────────────────────────────────────

  get stopped(): boolean {
    return Atomics.load(this.#control, CELL.stop) === 1;
  }

  /** Whether a burst is on. */
  get bursting(): boolean {
    return this.#burstMilliseconds(monotonicMilliseconds()) > 0;
  }

  enterCall(symbol: number, slot: number): void {
    Atomics.store(this.#control, CELL.callIdentity, (symbol << SLOT_BITS) | (slot + 1));
    Atomics.add(this.#control, CELL.callSequence, 1);
  }

  leaveCall(): void {
    Atomics.add(this.#control, CELL.callSequence, 1);
  }

  /** Sleeps until CLOCK_MONOTONIC reaches `seconds`, or until the main thread wants something. */
  sleepUntil(seconds: number): void {
    const wake = Atomics.load(this.#control, CELL.wake);
    if (this.stopped) return;
    const wait = seconds - monotonicSeconds();
    if (wait > 0) Atomics.wait(this.#control, CELL.wake, wake, wait * 1e3);
  }

  /** Adds a row; drops it, and counts that, when the ring is full. */
  push(row: Readonly<RingRow>): void {
    const head = Atomics.load(this.#control, CELL.head);
    const next = (head + 1) % RING_ROWS;
    if (next === Atomics.load(this.#control, CELL.tail)) {
      Atomics.add(this.#control, CELL.dropped, 1);
      return;
    }
    const at = head * ROW_WIDTH;
    this.#ring[at] = row.slot;
    this.#ring[at + 1] = row.monotonicSeconds;
    this.#ring[at + 2] = row.status;
    this.#ring[at + 3] = row.instantWatts;
    this.#ring[at + 4] = row.averageWatts;
    this.#ring[at + 5] = row.drawWatts;
    this.#ring[at + 6] = row.counterJoules;
    this.#ring[at + 7] = row.durationSeconds;
    Atomics.store(this.#control, CELL.head, next);
  }

  setGauges(slot: number, values: readonly number[]): void {
    this.#gauges.set(values, slot * GAUGES.length);
    Atomics.add(this.#gaugeSequence, slot, 1);
  }

  // The end of a burst that is over is moved along: left alone it would lie ahead again once the 32 bits have wrapped.
  #burstMilliseconds(now: number): number {
    const end = Atomics.load(this.#control, CELL.burstUntilMilliseconds);
    const left = (end - now) | 0;
    if (left > 0) return left;
    Atomics.compareExchange(this.#control, CELL.burstUntilMilliseconds, end, now);
    return 0;
  }

  #wakeWorker(): void {
    Atomics.add(this.#control, CELL.wake, 1);
    Atomics.notify(this.#control, CELL.wake);
  }

  #rowAt(index: number): RingRow {
    const at = index * ROW_WIDTH;
    const row = this.#row;
    row.slot = this.#cell(at);
    row.monotonicSeconds = this.#cell(at + 1);
    row.status = this.#cell(at + 2);
    row.instantWatts = this.#cell(at + 3);
    row.averageWatts = this.#cell(at + 4);
    row.drawWatts = this.#cell(at + 5);
    row.counterJoules = this.#cell(at + 6);
    row.durationSeconds = this.#cell(at + 7);
    return row;
  }

  #cell(at: number): number {
    return this.#ring[at] ?? Number.NaN;
  }
}
