// A source that asks at fixed times: what hwmon, RAPL, AMD's tools and libtpu have in common. One question at a time, on
// a grid whose missed ticks are skipped; a question without an answer makes its devices a gap, and time goes on.

import type { Clock } from '../clock.ts';
import {
  type Batch,
  type Device,
  type Gauges,
  type PowerField,
  READING_STATUS,
  type ReadingStatus,
  type SourceKind,
  type Warning,
} from '../model.ts';
import { type Instant, instant } from '../units.ts';
import type { Source, SourceEvent } from './source.ts';

/** One reading of one device; a failed one has neither power nor counter. */
export interface PolledReading {
  readonly uuid: string;
  readonly status: ReadingStatus;
  readonly powerWatts?: Partial<Readonly<Record<PowerField, number>>>;
  readonly counterJoules?: number;
  readonly gauges?: Gauges;
}

/** What answers the questions. */
export interface Poller {
  readonly kind: SourceKind;
  readonly periodSeconds: number;
  /** Looks for devices. @throws {SourceError} when there are none to read. */
  open(
    signal: AbortSignal,
  ): Promise<{ readonly devices: readonly Device[]; readonly warnings: readonly Warning[] }>;
  /** Reads every device. A rejection is a failure of all of them: `unknown-error`. */
  read(now: Instant, signal: AbortSignal): Promise<readonly PolledReading[]>;
  close(): Promise<void>;
}

const DEADLINE_SECONDS = 5;
const TOLD_SECONDS = 1;

/** The batch of one reading. */
function batchOf(reading: PolledReading, time: Instant, wallOffsetSeconds: number): Batch {
  const powers = Object.entries(reading.powerWatts ?? {}) as [PowerField, number][];
  return {
    uuid: reading.uuid,
    length: 1,
    timeSeconds: Float64Array.of(time),
    status: Uint8Array.of(READING_STATUS.indexOf(reading.status)),
    powerWatts: Object.fromEntries(powers.map(([name, value]) => [name, Float64Array.of(value)])),
    ...(reading.counterJoules === undefined
      ? {}
      : { counterJoules: Float64Array.of(reading.counterJoules) }),
    ...(reading.gauges === undefined ? {} : { gauges: reading.gauges }),
    wallOffsetSeconds,
  };
}

type Outcome =
  | { readonly kind: 'read'; readonly readings: readonly PolledReading[] }
  | { readonly kind: 'failed'; readonly error: unknown }
  | { readonly kind: 'late' };

const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

/** A poller and the time, as all that follows is asked of both. */
interface Polling {
  readonly poller: Poller;
  readonly clock: Clock;
}

const failedBatches = (
  devices: readonly Device[],
  status: ReadingStatus,
  { clock }: Polling,
): SourceEvent[] =>
  devices.map(({ uuid }) => ({
    kind: 'batch',
    batch: batchOf({ uuid, status }, clock.now(), clock.wallOffset()),
  }));

/** What an answer, or its absence, means for each device. */
function eventsOf(
  outcome: Outcome,
  devices: readonly Device[],
  started: Instant,
  polling: Polling,
): SourceEvent[] {
  const { poller, clock } = polling;
  const now = clock.now();
  // The middle of the question: its answer was true at some moment within it.
  const time = instant((started + now) / 2);
  switch (outcome.kind) {
    case 'read':
      return [
        ...outcome.readings.map((reading): SourceEvent => ({
          kind: 'batch',
          batch: batchOf(reading, time, clock.wallOffset()),
        })),
        { kind: 'read', durationSeconds: now - started, timeSeconds: time },
        { kind: 'tick', timeSeconds: time },
      ];
    case 'failed': {
      const message = `${poller.kind} cannot be read: ${messageOf(outcome.error)}`;
      return [
        { kind: 'fault', reason: 'unknown-error', message },
        ...failedBatches(devices, 'unknown-error', polling),
        { kind: 'tick', timeSeconds: now },
      ];
    }
    case 'late':
      return [...failedBatches(devices, 'timeout', polling), { kind: 'tick', timeSeconds: now }];
  }
}

/** Waits for an answer; while there is none, says every second that there is none. */
async function* answerOf(
  asked: Promise<Outcome>,
  devices: readonly Device[],
  started: Instant,
  polling: Polling,
  signal: AbortSignal,
): AsyncGenerator<SourceEvent, void, void> {
  const { poller, clock } = polling;
  let deadline = instant(started + DEADLINE_SECONDS);
  for (let wasLate = false; !signal.aborted; wasLate = true) {
    const timer = new AbortController();
    const wait = clock
      .sleepUntil(deadline, AbortSignal.any([signal, timer.signal]))
      .then((): Outcome => ({ kind: 'late' }))
      .catch((): Outcome => ({ kind: 'late' }));
    const outcome = await Promise.race([asked, wait]);
    timer.abort();
    if (signal.aborted) return;
    if (outcome.kind !== 'late') {
      // A value that took so long is nobody knows how old.
      yield* eventsOf(wasLate ? { kind: 'late' } : outcome, devices, started, polling);
      return;
    }
    if (!wasLate) {
      const message = `${poller.kind} has not answered for ${DEADLINE_SECONDS} s. Its devices are a gap until it does.`;
      yield { kind: 'fault', reason: 'timeout', message };
    }
    yield* eventsOf(outcome, devices, started, polling);
    deadline = instant(clock.now() + TOLD_SECONDS);
  }
}

/** A source from a poller. */
export function polledSource(poller: Poller, clock: Clock): Source {
  return {
    kind: poller.kind,
    async *events(signal) {
      const { devices, warnings } = await poller.open(signal);
      yield { kind: 'devices', devices };
      for (const warning of warnings) yield { kind: 'warning', warning };
      const start = clock.now();
      while (!signal.aborted) {
        const started = clock.now();
        const asked = poller.read(started, signal).then(
          (readings): Outcome => ({ kind: 'read', readings }),
          (error: unknown): Outcome => ({ kind: 'failed', error }),
        );
        yield* answerOf(asked, devices, started, { poller, clock }, signal);
        const ticks = Math.floor((clock.now() - start) / poller.periodSeconds) + 1;
        const next = instant(start + ticks * poller.periodSeconds);
        await clock.sleepUntil(next, signal).catch(() => undefined);
      }
    },
    async [Symbol.asyncDispose]() {
      await poller.close();
    },
  };
}
