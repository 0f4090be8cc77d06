// The part of an interval that lies in a window. The meter cuts intervals at window edges, so a true share is rare:
// a late interval that bridges a hole across an edge, or a mark that came after the slot was settled. Pure.

import type { Charge, ChargedInterval, GapReason } from '../model.ts';
import { instant, joules, seconds, type Instant } from '../units.ts';
import { sameInstant } from './tally.ts';

/** The share of `interval` in [start, end), by time; undefined where they do not meet. Shares of a tiling add up. */
export function shareOf(
  interval: ChargedInterval,
  start: Instant,
  end: Instant,
): ChargedInterval | undefined {
  const from = Math.max(interval.startSeconds, start);
  const to = Math.min(interval.endSeconds, end);
  if (to <= from) return undefined;
  const keepsStart = sameInstant(instant(from), interval.startSeconds);
  const keepsEnd = sameInstant(instant(to), interval.endSeconds);
  if (keepsStart && keepsEnd) return interval;
  // A sliver of rounding at an edge belongs to the neighbour that holds the interval whole.
  if (sameInstant(instant(from), instant(to))) return undefined;
  const ratio = (to - from) / (interval.endSeconds - interval.startSeconds);
  const { uncertainty } = interval;
  return {
    ...scaled(interval, ratio),
    startSeconds: instant(from),
    endSeconds: instant(to),
    uncertainty: {
      gainJoules: uncertainty.gainJoules * ratio,
      offsetJoules: uncertainty.offsetJoules * ratio,
      aliasJoules: uncertainty.aliasJoules * ratio,
      startEdgeJoules: keepsStart ? uncertainty.startEdgeJoules : 0,
      endEdgeJoules: keepsEnd ? uncertainty.endEdgeJoules : 0,
      independentJoulesSquared:
        uncertainty.independentJoulesSquared * ratio + splitVariance(interval, ratio),
    },
  };
}

/**
 * What is not known of a share: when within the interval its energy was used. Uniform over all that the swing of
 * power allows, f(1−f)/3 of its square: 0 for nothing and for all of it, S²/12 (a rectangle) for a half.
 */
function splitVariance(interval: ChargedInterval, ratio: number): number {
  const { energyJoules, observedSeconds, powerMaxWatts, powerMinWatts } = interval;
  const swing =
    powerMaxWatts === undefined || powerMinWatts === undefined
      ? energyJoules
      : Math.min(energyJoules, (powerMaxWatts - powerMinWatts) * observedSeconds);
  return ((ratio * (1 - ratio)) / 3) * swing * swing;
}

function scaled(interval: ChargedInterval, ratio: number): ChargedInterval {
  const gapSeconds = Object.fromEntries(
    Object.entries(interval.gapSeconds).map(([reason, duration]) => [
      reason as GapReason,
      duration * ratio,
    ]),
  );
  return {
    ...interval,
    energyJoules: joules(interval.energyJoules * ratio),
    observedSeconds: seconds(interval.observedSeconds * ratio),
    gapSeconds,
    gapEstimateJoules: joules(interval.gapEstimateJoules * ratio),
    gapEstimateUncertaintyJoules: joules(interval.gapEstimateUncertaintyJoules * ratio),
    bridgedSeconds: seconds(interval.bridgedSeconds * ratio),
    sampleCount: interval.sampleCount * ratio,
    ...(interval.counterJoules === undefined
      ? {}
      : { counterJoules: joules(interval.counterJoules * ratio) }),
    ...(interval.integralJoules === undefined
      ? {}
      : { integralJoules: joules(interval.integralJoules * ratio) }),
    charge: scaledCharge(interval.charge, ratio),
  };
}

function scaledCharge(charge: Charge, ratio: number): Charge {
  // Every key of a charge is an amount, so a share of it is the same keys, each smaller; absent stays absent.
  return Object.fromEntries(
    Object.entries(charge).map(([key, amount]) => [key, (amount as number) * ratio]),
  ) as unknown as Charge;
}
