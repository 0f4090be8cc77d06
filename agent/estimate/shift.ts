// When to run: the best start for a job of a given length in the user's own series of prices or intensities. Pure.

import { meanOver, slicesOf, type Schedule } from '../schedule.ts';
import { instant, type Instant } from '../units.ts';

/** The best and the average start. */
export interface BestStart {
  readonly startSeconds: Instant;
  /** Mean of the series over the job, started then. */
  readonly mean: number;
  /** Mean of the series over the whole stretch: a job started without thinking. */
  readonly averageMean: number;
}

/**
 * The start in [from, to − duration] with the lowest mean over `durationSeconds`. Starts are tried where the series
 * changes at either end of the job, which is where the optimum of a step function lies. Undefined when the job does
 * not fit or the series has a gap.
 */
export function bestStart(
  schedule: Schedule,
  from: Instant,
  to: Instant,
  durationSeconds: number,
): BestStart | undefined {
  const last = to - durationSeconds;
  const average = signedMean(schedule, from, to);
  if (last < from || average === undefined) return undefined;
  const edges = [...slicesOf(schedule, from, to)].flatMap((slice) => [
    slice.startSeconds,
    slice.endSeconds - durationSeconds,
  ]);
  let best: BestStart | undefined;
  for (const edge of [from, ...edges, last]) {
    if (edge < from || edge > last) continue;
    const mean = signedMean(schedule, instant(edge), instant(edge + durationSeconds));
    if (mean === undefined || (best !== undefined && mean >= best.mean)) continue;
    best = { startSeconds: instant(edge), mean, averageMean: average };
  }
  return best;
}

function signedMean(schedule: Schedule, from: Instant, to: Instant): number | undefined {
  const mean = meanOver(schedule, from, to);
  return mean === undefined ? undefined : mean.positive + mean.negative;
}
