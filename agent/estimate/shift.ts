// When to run: what a job of a given length meets in the user's own series of prices or intensities, by when it starts.
// Pure.

import { meanOver, slicesOf, type Schedule } from '../schedule.ts';
import { instant, type Instant } from '../units.ts';

/** The best start, and what the others come to. */
export interface BestStart {
  readonly startSeconds: Instant;
  /** Mean of the series over the job, started then. */
  readonly mean: number;
  /** The same over all starts that leave room for the job: one that is started without thinking. */
  readonly averageMean: number;
  readonly worstMean: number;
}

/**
 * The start in [from, to − duration] with the lowest mean over `durationSeconds`, the first of equals. The mean is
 * piecewise linear in the start, so its extremes lie where the series changes at either end of the job, and its average
 * is that of trapezoids. Undefined when the job does not fit or the series has a gap.
 */
export function bestStart(
  schedule: Schedule,
  from: Instant,
  to: Instant,
  durationSeconds: number,
): BestStart | undefined {
  const last = to - durationSeconds;
  const integral = integralWithin(schedule, from, to);
  if (!(durationSeconds > 0) || last < from || integral === undefined) return undefined;
  const { edges, integralTo } = integral;
  const starts = [from, ...edges, ...edges.map((edge) => edge - durationSeconds), last]
    .filter((start) => start >= from && start <= last)
    .toSorted((a, b) => a - b);
  let best: Start | undefined;
  let worstMean = -Infinity;
  let area = 0;
  let before: Start | undefined;
  for (const start of starts) {
    const mean = (integralTo(start + durationSeconds) - integralTo(start)) / durationSeconds;
    if (before !== undefined) area += ((mean + before.mean) / 2) * (start - before.start);
    before = { start, mean };
    // What rounding alone makes lower is no better start.
    if (best === undefined || mean < best.mean - Math.abs(best.mean) * ROUNDING) best = before;
    worstMean = Math.max(worstMean, mean);
  }
  if (best === undefined) return undefined;
  return {
    startSeconds: instant(best.start),
    mean: best.mean,
    averageMean: last > from ? area / (last - from) : best.mean,
    worstMean,
  };
}

interface Start {
  readonly start: number;
  readonly mean: number;
}

const ROUNDING = 1e-12;

/** Mean of the series over a job that starts then; undefined where the series has a gap. */
export function meanFrom(
  schedule: Schedule,
  start: Instant,
  durationSeconds: number,
): number | undefined {
  const mean = meanOver(schedule, start, instant(start + durationSeconds));
  return mean === undefined ? undefined : mean.positive + mean.negative;
}

interface IntegralWithin {
  /** Where the value may change, the beginning included. */
  readonly edges: readonly number[];
  /** ∫ value dt from the beginning to a time within. */
  readonly integralTo: (time: number) => number;
}

function integralWithin(
  schedule: Schedule,
  from: Instant,
  to: Instant,
): IntegralWithin | undefined {
  const edges: number[] = [];
  const values: number[] = [];
  const sums: number[] = [];
  let sum = 0;
  for (const { startSeconds, endSeconds, value } of slicesOf(schedule, from, to)) {
    if (value === undefined) return undefined;
    edges.push(startSeconds);
    values.push(value);
    sums.push(sum);
    sum += value * (endSeconds - startSeconds);
  }
  const integralTo = (time: number): number => {
    let low = 0;
    let high = edges.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if ((edges[middle] ?? Infinity) <= time) low = middle;
      else high = middle;
    }
    return (sums[low] ?? 0) + (values[low] ?? 0) * (time - (edges[low] ?? time));
  };
  return { edges, integralTo };
}

/** A stretch of time. */
export interface Stretch {
  readonly fromSeconds: Instant;
  readonly toSeconds: Instant;
}

const SECONDS_PER_DAY = 86_400;
/** How far ahead a schedule is looked at that never ends, such as a tariff by the hour of the day. */
const ENDLESS_SECONDS = 7 * SECONDS_PER_DAY;
const LONGEST_SECONDS = 366 * SECONDS_PER_DAY;

/**
 * The stretch that a schedule speaks of: that of its rows, at most a leap year; a week from `now` where it has no
 * beginning, as a tariff by the hour of the day. Undefined when it has no value at all.
 */
export function stretchOf(schedule: Schedule, now: Instant): Stretch | undefined {
  const epoch = instant(0);
  if (schedule.valueAt(epoch) !== undefined)
    return { fromSeconds: now, toSeconds: instant(now + ENDLESS_SECONDS) };
  const fromSeconds = schedule.nextChange(epoch);
  if (fromSeconds === undefined) return undefined;
  const farthest = instant(fromSeconds + LONGEST_SECONDS);
  let toSeconds: Instant = fromSeconds;
  for (const { startSeconds, endSeconds, value } of slicesOf(schedule, fromSeconds, farthest)) {
    // The last value may be held for ever; the rows end where it begins.
    const isHeld = schedule.nextChange(startSeconds) === undefined;
    if (value === undefined || isHeld) break;
    toSeconds = endSeconds;
  }
  return toSeconds > fromSeconds ? { fromSeconds, toSeconds } : undefined;
}
