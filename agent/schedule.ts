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

/**
 * Gives the value that holds over all of [start, end), undefined where there are several or none: for stretches in about
 * the order of time, and as long as the schedule stays what it is.
 */
export function stepsOf(schedule: Schedule): (start: number, end: number) => number | undefined {
  let from = Infinity;
  let to = -Infinity;
  let value: number | undefined;
  return (start, end) => {
    if (!(start >= from && start < to)) {
      from = start;
      to = schedule.nextChange(instant(start)) ?? Infinity;
      value = schedule.valueAt(instant(start));
    }
    return end <= to ? value : undefined;
  };
}

/** Time-weighted mean of a schedule over a stretch, its parts above and below zero kept apart; their sum is the mean. */
export interface SignedMean {
  readonly positive: number;
  /** ≤ 0. */
  readonly negative: number;
}

/** A value by its sign. */
export const signed = (value: number): SignedMean =>
  value < 0 ? { positive: 0, negative: value } : { positive: value, negative: 0 };

/**
 * What energy spread evenly over [start, end) is weighted with, slice by slice; at an instant (start = end) the value
 * in force. Undefined where the schedule has a gap: an unknown price is not a price of 0.
 */
export function meanOver(schedule: Schedule, start: Instant, end: Instant): SignedMean | undefined {
  const change = schedule.nextChange(start);
  // Most intervals lie within one slice, and a year of them must be re-priced in seconds.
  if (change === undefined || change >= end) {
    const value = schedule.valueAt(start);
    return value === undefined ? undefined : signed(value);
  }
  let positive = 0;
  let negative = 0;
  for (const slice of slicesOf(schedule, start, end)) {
    if (slice.value === undefined) return undefined;
    const share = (slice.endSeconds - slice.startSeconds) / (end - start);
    if (slice.value < 0) negative += slice.value * share;
    else positive += slice.value * share;
  }
  return { positive, negative };
}

/** The schedule with each value put through `change`; what is unknown stays unknown. */
export function mapSchedule(schedule: Schedule, change: (value: number) => number): Schedule {
  return {
    valueAt(time) {
      const value = schedule.valueAt(time);
      return value === undefined ? undefined : change(value);
    },
    nextChange: (time) => schedule.nextChange(time),
  };
}

/** The first instant of [start, end) at which the schedule has no value; undefined when it covers all of it. */
export function firstGap(schedule: Schedule, start: Instant, end: Instant): Instant | undefined {
  for (const slice of slicesOf(schedule, start, end)) {
    if (slice.value === undefined) return slice.startSeconds;
  }
  return undefined;
}

/** ∫ value dt over [start, end) in value × seconds; undefined when the schedule has a gap there. */
export function integralOf(schedule: Schedule, start: Instant, end: Instant): number | undefined {
  let sum = 0;
  for (const slice of slicesOf(schedule, start, end)) {
    if (slice.value === undefined) return undefined;
    sum += slice.value * (slice.endSeconds - slice.startSeconds);
  }
  return sum;
}
