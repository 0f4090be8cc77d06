// A clock that goes as fast as it is asked to: sleeping takes no time at all.

import type { Clock } from '../../agent/clock.ts';
import { instant, type Instant } from '../../agent/units.ts';

/** A clock that jumps to whatever it is told to sleep until. */
export interface TestClock extends Clock {
  advance(seconds: number): void;
}

/** Starts at `startSeconds`. Sleepers are woken in the order of their times. */
export function testClock(startSeconds = 1_000_000): TestClock {
  let now = startSeconds;
  return {
    now: () => instant(now),
    wallOffset: () => 0,
    monotonicNanoseconds: () => BigInt(Math.round(now * 1e9)),
    async sleepUntil(time: Instant, signal: AbortSignal) {
      signal.throwIfAborted();
      await Promise.resolve();
      now = Math.max(now, time);
    },
    advance(seconds) {
      now += seconds;
    },
  };
}
