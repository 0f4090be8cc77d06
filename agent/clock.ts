// The only file that knows the time. One timeline for a process: the wall clock at start, carried forward by the
// monotonic clock plus the time the machine slept, so that setting the wall clock never bends an integral.

import { uptime } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';

import { after, instant, type Instant } from './units.ts';

/** Time as the pipeline sees it; tests and replays bring their own. */
export interface Clock {
  /** The present on the timeline: never goes back, jumps forward by a suspension's length. */
  now(): Instant;
  /** Wall clock minus timeline, seconds: other than about 0 only after somebody set the clock. */
  wallOffset(): number;
  /** Nanoseconds of CLOCK_MONOTONIC, for a trace's `monotonic [ns]` column. */
  monotonicNanoseconds(): bigint;
  /** Resolves at `time`, or at once if it has passed; rejects with AbortError when `signal` aborts. */
  sleepUntil(time: Instant, signal: AbortSignal): Promise<void>;
}

/** A stretch in which the machine slept: on the timeline, but nothing ran. */
export interface Suspension {
  readonly startSeconds: Instant;
  readonly endSeconds: Instant;
}

/** The clock of a machine, which may be put to sleep. */
export interface MachineClock extends Clock {
  /** Suspensions noticed since the last question. */
  takeSuspensions(): readonly Suspension[];
}

// /proc/uptime counts in hundredths of a second and includes suspension; below this it is rounding.
const SUSPENSION_FLOOR_SECONDS = 1;
const SUSPENSION_CHECK_SECONDS = 1;

const monotonicSeconds = (): number => Number(process.hrtime.bigint()) / 1e9;

/** The machine's clock. */
export function openClock(): MachineClock {
  const startMonotonic = monotonicSeconds();
  const startWall = Date.now() / 1e3;
  const startUptimeLead = uptime() - startMonotonic;
  let suspended = 0;
  let checkedAt = startMonotonic;
  const noticed: Suspension[] = [];

  const now = (): Instant => {
    const monotonic = monotonicSeconds();
    if (monotonic - checkedAt >= SUSPENSION_CHECK_SECONDS) {
      checkedAt = monotonic;
      const lead = uptime() - monotonic - startUptimeLead;
      const slept = lead - suspended;
      if (slept >= SUSPENSION_FLOOR_SECONDS) {
        suspended = lead;
        const endSeconds = instant(startWall + (monotonic - startMonotonic) + suspended);
        noticed.push({ startSeconds: after(endSeconds, -slept), endSeconds });
      }
    }
    return instant(startWall + (monotonic - startMonotonic) + suspended);
  };

  return {
    now,
    takeSuspensions: () => noticed.splice(0),
    wallOffset: () => Date.now() / 1e3 - now(),
    monotonicNanoseconds: () => process.hrtime.bigint(),
    async sleepUntil(time, signal) {
      const wait = time - now();
      signal.throwIfAborted();
      if (wait > 0) await delay(wait * 1e3, undefined, { signal });
    },
  };
}

/** The wall clock as an instant, for identifiers and file times. */
export const wallNow = (): Instant => after(instant(0), Date.now() / 1e3);
