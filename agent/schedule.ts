// A step function of time: what a price and a grid intensity have in common. Pure.

import { instant, type Instant } from './units.ts';

/** Piecewise constant value over time. */
export interface Schedule {
  /** The value in force at `time`; undefined where the schedule has a gap. */
  valueAt(time: Instant): number | undefined;
  /** The first instant after `time` at which the value may change; undefined when it never does. */
  nextChange(time: Instant): Instant | undefined;
}

/** A stretch over which a schedule is constant. */
export interface Slice {
  readonly startSeconds: Instant;
  readonly endSeconds: Instant;
  readonly value: number | undefined;
}

/** The same value for ever. */
export function constantSchedule(value: number): Schedule {
  return { valueAt: () => value, nextChange: () => undefined };
}

/** Cuts [start, end) where the schedule changes; the slices tile it. */
export function* slicesOf(schedule: Schedule, start: Instant, end: Instant): Generator<Slice> {
  let from: number = start;
  while (from < end) {
    const change = schedule.nextChange(instant(from));
    if (change !== undefined && change <= from) {
      throw new Error(`A schedule's next change after ${from} must be later, not ${change}.`);
    }
    const to = change === undefined || change > end ? end : change;
    yield {
      startSeconds: instant(from),
      endSeconds: instant(to),
      value: schedule.valueAt(instant(from)),
    };
    from = to;
  }
}
