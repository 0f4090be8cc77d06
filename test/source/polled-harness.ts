// A clock that moves only when something waits for it, and what a polled source says by it.

import { once } from 'node:events';

import type { Clock } from '../../agent/clock.ts';
import { type Batch, READING_STATUS, type ReadingStatus } from '../../agent/model.ts';
import type { Source, SourceEvent } from '../../agent/source/source.ts';
import { instant, type Instant } from '../../agent/units.ts';

/**
 * A clock whose time is that of the last thing waited for; `onSleep` may change the world in between. What lies further
 * ahead than `patienceSeconds` (a deadline) is only reached where a test wants that.
 */
export function steppingClock(onSleep?: (time: Instant) => void, patienceSeconds = 3): Clock {
  let now = instant(1_000_000);
  return {
    now: () => now,
    wallOffset: () => 0,
    monotonicNanoseconds: () => BigInt(Math.round(now * 1e9)),
    async sleepUntil(time, signal) {
      signal.throwIfAborted();
      if (time - now > patienceSeconds) await once(signal, 'abort');
      // A turn of the event loop first: what can answer at once does so before time passes.
      else await new Promise((resolve) => setImmediate(resolve));
      signal.throwIfAborted();
      if (time > now) now = time;
      onSleep?.(now);
    },
  };
}

/** The source's events until it has made `rounds` readings; then it is closed. */
export async function eventsOf(source: Source, rounds: number): Promise<SourceEvent[]> {
  const events: SourceEvent[] = [];
  const abort = new AbortController();
  let left = rounds;
  await using held = source;
  for await (const event of held.events(abort.signal)) {
    events.push(event);
    if (event.kind === 'tick' && --left <= 0) abort.abort();
  }
  return events;
}

/** A device's batches. */
export const batchesOf = (events: readonly SourceEvent[], uuid: string): Batch[] =>
  events.flatMap((event) =>
    event.kind === 'batch' && event.batch.uuid === uuid ? [event.batch] : [],
  );

/** Statuses of batches of one reading each. */
export const statusesOf = (batches: readonly Batch[]): ReadingStatus[] =>
  batches.map(({ status }) => READING_STATUS[status[0] ?? -1] ?? 'malformed');

/** The devices announced first. */
export const devicesOf = (events: readonly SourceEvent[]): unknown =>
  events.find((event) => event.kind === 'devices')?.devices;
