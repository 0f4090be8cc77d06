// How one interval's energy is shared: what lies above idle goes to who used the GPU, in proportion; idle power and what
// nobody can be seen to have used stays unattributed. The parts add up to the whole by construction. Pure.

import { sumOf } from '../sum.ts';

/** What is to be shared, and among whom. */
export interface ShareQuestion {
  readonly energyJoules: number;
  /** Seconds that the energy was measured over. */
  readonly observedSeconds: number;
  /** P_idle. */
  readonly idleWatts: number;
  /** Part of the interval during which it is known who was there, 0 to 1. */
  readonly coveredRatio: number;
  /** Each claimant's use: SM utilisation × time, or time present. */
  readonly weights: readonly number[];
}

/** The answer: Σ claimed + unattributed = the energy. */
export interface Shares {
  /** Joules, in the order of the weights; never negative. */
  readonly claimedJoules: readonly number[];
  readonly unattributedJoules: number;
}

/** max(0, E − P_idle·t), over the time that is known, divided by weight. */
export function shareEnergy(question: ShareQuestion): Shares {
  const { energyJoules, observedSeconds, idleWatts, coveredRatio, weights } = question;
  const aboveIdle = Math.max(0, energyJoules - idleWatts * observedSeconds) * coveredRatio;
  const whole = sumOf(weights);
  if (!(aboveIdle > 0) || !(whole > 0)) {
    return { claimedJoules: weights.map(() => 0), unattributedJoules: energyJoules };
  }
  const claimed = weights.map((weight) => aboveIdle * (weight / whole));
  const rest = energyJoules - sumOf(claimed);
  if (rest >= 0) return { claimedJoules: claimed, unattributedJoules: rest };
  // Rounding gave out more than there was: a counter of what is left must not go back for that.
  const largest = claimed.indexOf(Math.max(...claimed));
  return {
    claimedJoules: claimed.map((share, at) => (at === largest ? share + rest : share)),
    unattributedJoules: 0,
  };
}
