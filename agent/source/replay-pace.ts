// A trace played in the time that it took: row by row, each when its moment has come, with ticks between.

import type { Clock } from '../clock.ts';
import type { Batch } from '../model.ts';
import { after, instant, type Instant } from '../units.ts';
import { shiftBatch, sliceBatch } from './batch-slice.ts';
import type { SourceEvent } from './source.ts';

/** How to play. */
export interface Pace {
  readonly clock: Clock;
  /** Trace seconds per second. */
  readonly speed: number;
  /** Rows get the time at which the trace was started anew, instead of their own; their spacing stays. */
  readonly restampToNow: boolean;
}

const TICK_SECONDS = 1;

interface TimedRow {
  readonly timeSeconds: number;
  readonly batch: Batch;
}

/** Plays events at a pace; ends when `signal` aborts. */
export async function* atPace(
  events: AsyncGenerator<SourceEvent, void, void>,
  pace: Pace,
  signal: AbortSignal,
): AsyncGenerator<SourceEvent, void, void> {
  let player: Player | undefined;
  for await (const { others, rows } of inTimeOrder(events, pace.clock)) {
    yield* others;
    for (const row of rows) {
      player ??= openPlayer(pace, row.timeSeconds);
      yield* player.play(row, signal);
      if (signal.aborted) return;
    }
  }
}

interface Handful {
  readonly others: readonly SourceEvent[];
  readonly rows: readonly TimedRow[];
}

/**
 * Rows of all devices in order of time, a handful at a time. A handful ends where a device comes up again; rows newer
 * than what some device in it has reached wait for the next.
 */
async function* inTimeOrder(
  events: AsyncGenerator<SourceEvent, void, void>,
  clock: Clock,
): AsyncGenerator<Handful, void, void> {
  let waiting: TimedRow[] = [];
  let others: SourceEvent[] = [];
  let lastSeconds = new Map<string, number>();
  let askedSeconds = clock.now();
  for await (const event of events) {
    if (event.kind !== 'batch') {
      others.push(event);
      continue;
    }
    if (lastSeconds.has(event.batch.uuid)) {
      const safeSeconds = Math.min(...lastSeconds.values());
      const sorted = waiting.toSorted((a, b) => a.timeSeconds - b.timeSeconds);
      others.push(readEvent(askedSeconds, clock.now()));
      yield { others, rows: sorted.filter(({ timeSeconds }) => timeSeconds <= safeSeconds) };
      waiting = sorted.filter(({ timeSeconds }) => timeSeconds > safeSeconds);
      others = [];
      lastSeconds = new Map();
      askedSeconds = clock.now();
    }
    lastSeconds.set(event.batch.uuid, event.batch.timeSeconds[event.batch.length - 1] ?? 0);
    waiting.push(...rowsOf(event.batch));
  }
  others.push(readEvent(askedSeconds, clock.now()));
  yield { others, rows: waiting.toSorted((a, b) => a.timeSeconds - b.timeSeconds) };
}

const readEvent = (asked: Instant, now: Instant): SourceEvent => ({
  kind: 'read',
  durationSeconds: now - asked,
  timeSeconds: now,
});

const rowsOf = (batch: Batch): TimedRow[] =>
  Array.from(batch.timeSeconds, (timeSeconds, at) => ({
    timeSeconds,
    batch: sliceBatch(batch, at, at + 1),
  }));

interface Player {
  play(row: TimedRow, signal: AbortSignal): AsyncGenerator<SourceEvent, void, void>;
}

function openPlayer(pace: Pace, firstSeconds: number): Player {
  const { clock, speed } = pace;
  const startedSeconds = clock.now();
  const shiftSeconds = pace.restampToNow ? startedSeconds - firstSeconds : 0;
  let nextTick = firstSeconds + TICK_SECONDS;

  const waitFor = (traceSeconds: number, signal: AbortSignal): Promise<void> =>
    clock.sleepUntil(after(startedSeconds, (traceSeconds - firstSeconds) / speed), signal);

  return {
    async *play(row, signal) {
      for (; nextTick <= row.timeSeconds; nextTick += TICK_SECONDS) {
        if (!(await hasCome(waitFor(nextTick, signal), signal))) return;
        yield { kind: 'tick', timeSeconds: instant(nextTick + shiftSeconds) };
      }
      if (!(await hasCome(waitFor(row.timeSeconds, signal), signal))) return;
      const { wallOffsetSeconds, ...rest } = shiftBatch(row.batch, shiftSeconds, 0);
      const hasOffset = wallOffsetSeconds !== undefined && !pace.restampToNow;
      yield { kind: 'batch', batch: hasOffset ? { ...rest, wallOffsetSeconds } : rest };
    },
  };
}

/** Whether the moment came before the end. */
async function hasCome(moment: Promise<void>, signal: AbortSignal): Promise<boolean> {
  try {
    await moment;
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  return !signal.aborted;
}
