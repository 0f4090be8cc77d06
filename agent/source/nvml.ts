// NVIDIA GPUs through NVML: the best source. The driver is called in one worker thread (nvml-worker.ts); this side takes
// readings out of shared memory, and goes on telling the time when the driver hangs: its GPUs are a gap until it answers.

import { Worker } from 'node:worker_threads';

import type { Clock } from '../clock.ts';
import type { Gauges } from '../model.ts';
import { type Instant, instant } from '../units.ts';
import { explainXid } from './nvml-events.ts';
import type { DeviceProcesses, NvmlMessage, NvmlWorkerData } from './nvml-messages.ts';
import type { NvmlDeviceFacts } from './nvml-probe.ts';
import { Rows } from './nvml-rows.ts';
import {
  createBuffers,
  GAUGES,
  monotonicSeconds,
  NvmlShared,
  type PendingCall,
  ROUND_END,
  STALE_READ_SECONDS,
} from './nvml-shared.ts';
import { type Source, SourceError, type SourceEvent } from './source.ts';

export type { DeviceProcesses, GpuProcess } from './nvml-messages.ts';
export type { NvmlDeviceFacts } from './nvml-probe.ts';

/** How NVML is read. */
export interface NvmlOptions {
  readonly clock: Clock;
  /** Absent: 0.1 s with a counter, else half the sensor's period. */
  readonly periodSeconds?: number;
  /** Absent: `libnvidia-ml.so.1` as the loader finds it (LD_LIBRARY_PATH), then the usual places. */
  readonly libraryPath?: string;
  /** Wait for a driver or GPU that is not there yet; otherwise `events` throws a SourceError whose fate is `retry`. */
  readonly waitForDriver?: boolean;
  /** Called about once a second with the compute processes of each GPU. */
  readonly onProcesses?: (devices: readonly DeviceProcesses[], time: Instant) => void;
  /** `/sys`, or a stand-in. */
  readonly sysfsRoot?: string;
}

// Where drivers put the library when the loader does not know: Debian, RHEL, Arm, WSL, NixOS, GKE, the toolkit's hook.
const LIBRARY_PATHS: readonly string[] = [
  'libnvidia-ml.so.1',
  '/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1',
  '/usr/lib/aarch64-linux-gnu/libnvidia-ml.so.1',
  '/usr/lib64/libnvidia-ml.so.1',
  '/usr/lib/wsl/lib/libnvidia-ml.so.1',
  '/run/opengl-driver/lib/libnvidia-ml.so.1',
  '/usr/local/nvidia/lib64/libnvidia-ml.so.1',
  '/home/kubernetes/bin/nvidia/lib64/libnvidia-ml.so.1',
];

// How often readings are taken out of the worker's memory: waking up costs more CPU than what is then done.
const DRAIN_SECONDS = 0.25;
// Around an edge somebody waits for them.
const BURST_DRAIN_SECONDS = 0.05;
/** A call that is out this long is a hang: its GPUs are said to be a gap. */
const HANG_SECONDS = 1;
// The worker may be held up between taking a reading and writing it.
const SETTLED_AFTER_SECONDS = STALE_READ_SECONDS + 0.1;
// A ring of samples tells what a call that hung has hidden, until it wraps: so long nothing is called a gap. Not longer:
// a live view waits for it, too.
const RING_PATIENCE_RATIO = 0.9;
const RING_PATIENCE_SECONDS = 3;
// A reading of the tick's own instant would count only after it.
const BEFORE_TICK_SECONDS = 1e-5;
const STUCK_SECONDS = 0.25;
const CLOSE_SECONDS = 0.25;

interface Slot {
  readonly facts: NvmlDeviceFacts;
  readonly rows: Rows;
  gaugeSequence: number;
  newestSeconds: number;
}

/** The NVML source. Dispose it; if `isStuck()` is true after that, leave the process through exit.ts. */
export class NvmlSource implements Source {
  readonly kind = 'nvml';
  readonly #options: NvmlOptions;
  readonly #buffers = createBuffers();
  readonly #shared = new NvmlShared(this.#buffers);
  readonly #slots = new Map<number, Slot>();
  readonly #messages: NvmlMessage[] = [];
  #worker: Worker | undefined;
  #exited: Promise<void> | undefined;
  #ended = false;
  #leftBehind = false;
  #failure: unknown;
  #wake: (() => void) | undefined;
  #periodSeconds: number | undefined;
  #wallOffsetSeconds = 0;
  #settledSeconds = Number.NEGATIVE_INFINITY;
  /** When the last whole round of readings began: what comes is not older, where a ring tells it. */
  #roundSeconds = Number.NEGATIVE_INFINITY;
  #hangs = false;

  constructor(options: NvmlOptions) {
    this.#options = options;
  }

  /** What the sampler aims at; undefined until the devices are known. */
  get periodSeconds(): number | undefined {
    return this.#periodSeconds;
  }

  /** The GPUs as NVML shows them: registers, counter, scopes, MIG, persistence; empty until they are known. */
  inventory(): readonly NvmlDeviceFacts[] {
    return [...this.#slots.values()].map(({ facts }) => facts);
  }

  /** Polls power and counter every few milliseconds until `until`: around the edges of runs and windows (§4.4). */
  burst(until: Instant): void {
    this.#shared.burstFor(until - this.#options.clock.now());
    this.#wake?.();
  }

  /** Whether the worker is inside a native call that does not return: then the process can only leave by `_exit`. */
  isStuck(): boolean {
    if (this.#worker === undefined || this.#ended) return false;
    return this.#leftBehind || (this.#shared.pendingCall()?.ageSeconds ?? 0) >= STUCK_SECONDS;
  }

  /** @throws {SourceError} `fatal` without a library, `retry` without a driver or GPU (unless it waits for them). */
  async *events(signal: AbortSignal): AsyncGenerator<SourceEvent, void, void> {
    if (this.#worker !== undefined) throw new Error('An NvmlSource can be opened once.');
    const onAbort = (): void => this.#wake?.();
    signal.addEventListener('abort', onAbort);
    try {
      this.#start();
      while (!signal.aborted && !this.#ended) {
        for (const event of this.#takeEvents()) yield event;
        await this.#pause(signal);
      }
      for (const event of this.#takeEvents()) yield event;
      if (this.#failure !== undefined && !signal.aborted) throw this.#failure;
    } finally {
      signal.removeEventListener('abort', onAbort);
      await this[Symbol.asyncDispose]();
    }
  }

  /** Asks the worker to end and waits a quarter of a second; a worker that hangs is left behind (`isStuck`). */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#worker === undefined || this.#exited === undefined) return;
    this.#shared.stop();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CLOSE_SECONDS * 1e3);
    });
    await Promise.race([this.#exited, late]);
    clearTimeout(timer);
    this.#leftBehind = !this.#ended;
    this.#worker.unref();
  }

  #start(): void {
    const { libraryPath, periodSeconds } = this.#options;
    const data: NvmlWorkerData = {
      buffers: this.#buffers,
      libraryPaths: libraryPath === undefined ? LIBRARY_PATHS : [libraryPath],
      waitForDriver: this.#options.waitForDriver ?? false,
      processes: this.#options.onProcesses !== undefined,
      sysfsRoot: this.#options.sysfsRoot ?? '/sys',
      ...(periodSeconds === undefined ? {} : { periodSeconds }),
    };
    // The worker is always the compiled file: Node 20 does not run TypeScript, so tests import this source from dist.
    const worker = new Worker(new URL('./nvml-worker.js', import.meta.url), {
      name: 'wattmeter-nvml',
      workerData: data,
      execArgv: [],
    });
    worker.on('message', (message: NvmlMessage) => {
      this.#messages.push(message);
      this.#wake?.();
    });
    worker.on('error', (error) => {
      const message = `The NVML worker failed: ${error instanceof Error ? error.message : String(error)}.`;
      const options = { fate: 'fatal', reason: 'worker-failed', cause: error } as const;
      this.#failure ??= new SourceError(message, options);
    });
    this.#exited = new Promise((resolve) => {
      worker.on('exit', () => {
        this.#ended = true;
        this.#wake?.();
        resolve();
      });
    });
    this.#worker = worker;
  }

  async #pause(signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.#ended) return;
    await new Promise<void>((resolve) => {
      const wait = this.#shared.bursting ? BURST_DRAIN_SECONDS : DRAIN_SECONDS;
      const timer = setTimeout(resolve, wait * 1e3);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
  }

  // Arrays, not generators: an async generator that delegates costs several promises an event, ten times a second.
  #takeEvents(): SourceEvent[] {
    const events: SourceEvent[] = [];
    for (const message of this.#messages.splice(0)) this.#take(message, events);
    const now = this.#options.clock.now();
    this.#wallOffsetSeconds = this.#options.clock.wallOffset();
    this.#takeReadings(now, events);
    this.#takeHang(now, events);
    const dropped = this.#shared.takeDropped();
    if (dropped > 0) {
      const message = `${dropped} readings were lost: Wattmeter was too busy to take them.`;
      events.push({ kind: 'warning', warning: { code: 'readings-dropped', message } });
    }
    if (this.#slots.size > 0) {
      this.#settledSeconds = Math.max(this.#settledSeconds, this.#settlingSeconds(now));
      events.push({ kind: 'tick', timeSeconds: instant(this.#settledSeconds) });
    }
    return events;
  }

  /** Up to where time is settled: a ring may still tell of all that came after the last whole round. */
  #settlingSeconds(now: Instant): number {
    const settling = now - SETTLED_AFTER_SECONDS;
    const waits = now - this.#roundSeconds <= this.#ringPatienceSeconds();
    return waits ? Math.min(settling, this.#roundSeconds) : settling;
  }

  #ringPatienceSeconds(): number {
    const spans = [...this.#slots.values()].flatMap(({ facts }) => facts.ring?.spanSeconds ?? []);
    if (spans.length === 0) return 0;
    const longest = Math.max(RING_PATIENCE_SECONDS, 2 * (this.#periodSeconds ?? 0));
    return Math.min(RING_PATIENCE_RATIO * Math.min(...spans), longest);
  }

  #take(message: NvmlMessage, events: SourceEvent[]): void {
    switch (message.kind) {
      case 'devices':
        this.#periodSeconds = message.periodSeconds;
        message.devices.forEach((facts, index) => this.#remember(facts, message.slots[index]));
        events.push({ kind: 'devices', devices: this.inventory().map(({ device }) => device) });
        return;
      case 'fault':
      case 'warning':
        events.push(message);
        return;
      case 'processes':
        this.#options.onProcesses?.(message.devices, this.#timeOf(message.monotonicSeconds));
        return;
      case 'xid':
        for (const { uuid, xid } of message.events)
          events.push(this.#xidEvent(uuid, xid, this.#timeOf(message.monotonicSeconds)));
        return;
      case 'refused': {
        const { fate, reason } = message;
        this.#failure = new SourceError(message.message, { fate, reason });
        return;
      }
    }
  }

  #xidEvent(uuid: string, xid: number, timeSeconds: Instant): SourceEvent {
    const device = this.inventory().find((facts) => facts.device.uuid === uuid)?.device;
    const name = device === undefined ? uuid : `GPU ${device.index} (${device.model}, ${uuid})`;
    const message = `The driver reported ${explainXid(xid)} of ${name}. dmesg has more of it.`;
    return { kind: 'xid', uuid, xid, message, timeSeconds };
  }

  #remember(facts: NvmlDeviceFacts, slot: number | undefined): void {
    if (slot === undefined) return;
    const known = this.#slots.get(slot);
    const fresh = { gaugeSequence: 0, newestSeconds: Number.NEGATIVE_INFINITY, rows: new Rows() };
    this.#slots.set(slot, { ...(known ?? fresh), facts });
  }

  #takeReadings(now: Instant, events: SourceEvent[]): void {
    const rounds: SourceEvent[] = [];
    const shift = now - monotonicSeconds();
    this.#shared.drain((row) => {
      const timeSeconds = row.monotonicSeconds + shift;
      if (row.slot === ROUND_END) {
        const { durationSeconds } = row;
        this.#roundSeconds = timeSeconds - durationSeconds;
        rounds.push({ kind: 'read', durationSeconds, timeSeconds: instant(timeSeconds) });
        return true;
      }
      // Its `devices` message is still on the way: the row waits for it.
      const slot = this.#slots.get(row.slot);
      if (slot === undefined) return false;
      // A reading older than what is settled would rewrite the past: only a machine that stood still between reading
      // and writing makes one.
      if (timeSeconds < this.#settledSeconds) return true;
      // A timeline steps back by a rounding now and then; readings must not.
      slot.newestSeconds = Math.max(slot.newestSeconds, timeSeconds);
      slot.rows.add(row, slot.newestSeconds);
      return true;
    });
    for (const [number, slot] of this.#slots) {
      if (slot.rows.length > 0) events.push(this.#takeBatch(number, slot));
    }
    events.push(...rounds);
  }

  #takeBatch(number: number, slot: Slot): SourceEvent {
    const sequence = this.#shared.gaugeSequence(number);
    const gauges = sequence === slot.gaugeSequence ? undefined : this.#gaugesOf(number);
    slot.gaugeSequence = sequence;
    return {
      kind: 'batch',
      batch: slot.rows.takeBatch(slot.facts.device.uuid, gauges, this.#wallOffsetSeconds),
    };
  }

  #gaugesOf(slot: number): Gauges {
    const values = this.#shared.gauges(slot);
    const gauges: Partial<Record<(typeof GAUGES)[number], number>> = {};
    GAUGES.forEach((name, index) => {
      const value = values[index];
      if (value !== undefined && !Number.isNaN(value)) gauges[name] = value;
    });
    return gauges as Gauges;
  }

  /** A call that does not return: a fault once a hang, and before each tick a failed reading of each GPU. */
  #takeHang(now: Instant, events: SourceEvent[]): void {
    const call = this.#ended ? undefined : this.#shared.pendingCall();
    const hangs = call !== undefined && call.ageSeconds >= HANG_SECONDS;
    if (hangs && !this.#hangs) events.push(this.#hangFault(call));
    this.#hangs = hangs;
    // What a call gives that was out so long is no reading any more.
    const isStale = call !== undefined && call.ageSeconds >= STALE_READ_SECONDS;
    const settling = this.#settlingSeconds(now);
    if (!isStale || settling === this.#roundSeconds) return;
    for (const [number, slot] of this.#slots) {
      const timeSeconds = settling - BEFORE_TICK_SECONDS;
      if (timeSeconds <= slot.newestSeconds) continue;
      slot.newestSeconds = timeSeconds;
      slot.rows.addFailure(timeSeconds, 'timeout');
      events.push(this.#takeBatch(number, slot));
    }
  }

  #hangFault({ symbol, slot, ageSeconds }: PendingCall): SourceEvent {
    const uuid = this.#slots.get(slot)?.facts.device.uuid;
    const message = `${symbol}${uuid === undefined ? '' : ` of ${uuid}`} has not answered for ${ageSeconds.toFixed(1)} s: the driver hangs. Its GPUs are a gap until it does.`;
    return { kind: 'fault', reason: 'timeout', message };
  }

  #timeOf(monotonic: number): Instant {
    return instant(this.#options.clock.now() - monotonicSeconds() + monotonic);
  }
}
