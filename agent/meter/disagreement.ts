// Do the counter and the power readings tell the same energy? Checked over half a minute at a time, because they may
// well differ over a second. MEASUREMENT.md §4.5.

import type { Warning } from '../model.ts';

/** Watches the two sources. */
export interface Disagreement {
  readonly disagrees: boolean;
  /** Relative standard uncertainty that the disagreement leaves in either source; 0 while they agree. */
  readonly doubtRatio: number;
  readonly warnings: readonly Warning[];
  observe(
    counterJoules: number,
    integralJoules: number,
    seconds: number,
    aliasJoules: number,
  ): void;
}

const CHECK_SECONDS = 30;
const LIMIT = 3;

/** `uncertainty` gives the standard uncertainty in joules of integrated power readings. */
export function createDisagreement(
  uncertainty: (energyJoules: number, seconds: number, aliasJoules: number) => number,
): Disagreement {
  let sums = { counter: 0, integral: 0, seconds: 0, alias: 0 };
  let doubtRatio = 0;
  let worst: { counter: number; integral: number; seconds: number } | undefined;

  const check = (): void => {
    const difference = sums.counter - sums.integral;
    const limit = LIMIT * uncertainty(sums.integral, sums.seconds, sums.alias);
    const disagrees = Math.abs(difference) > limit;
    // Which of the two is right is unknown: the truth lies anywhere between them, and a little beyond.
    doubtRatio =
      disagrees && sums.counter > 0 ? Math.abs(difference) / (Math.sqrt(3) * sums.counter) : 0;
    if (disagrees) worst = { ...sums };
    sums = { counter: 0, integral: 0, seconds: 0, alias: 0 };
  };

  return {
    get disagrees() {
      return doubtRatio > 0;
    },
    get doubtRatio() {
      return doubtRatio;
    },
    get warnings() {
      if (worst === undefined) return [];
      const { counter, integral, seconds } = worst;
      return [
        {
          code: 'counter-disagrees',
          message: `The energy counter says ${counter.toFixed(0)} J where the power readings say ${integral.toFixed(0)} J over ${seconds.toFixed(0)} s; the counter is reported, with the difference in its uncertainty.`,
        },
      ];
    },
    observe(counterJoules, integralJoules, seconds, aliasJoules) {
      sums.counter += counterJoules;
      sums.integral += integralJoules;
      sums.seconds += seconds;
      sums.alias += aliasJoules;
      if (sums.seconds >= CHECK_SECONDS) check();
    },
  };
}
