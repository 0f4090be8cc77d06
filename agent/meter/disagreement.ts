// Do the counter and the power readings tell the same energy? Checked over half a minute at a time, because they may
// well differ over a second. docs/measurement.md §4.5.

import type { Warning } from '../model.ts';

/** Watches the two sources. */
export interface Disagreement {
  readonly disagrees: boolean;
  readonly warnings: readonly Warning[];
  observe(
    counterJoules: number,
    integralJoules: number,
    seconds: number,
    aliasJoules: number,
  ): void;
  /**
   * Standard uncertainty that the disagreement leaves in a step of the counter, 0 while they agree. The first step after
   * it was found also carries what the steps before it were handed on without.
   */
  doubtOf(energyJoules: number): number;
  /** Checks what is left, at the end of a run. */
  conclude(): void;
}

const CHECK_SECONDS = 30;
// Over less than this the two may well differ.
const SHORTEST_CHECK_SECONDS = 5;
// So many standard uncertainties apart is no chance.
const LIMIT = 3;
const NOTHING = { counter: 0, integral: 0, seconds: 0, alias: 0 };

/** `uncertainty` gives the standard uncertainty in joules of integrated power readings. */
export function createDisagreement(
  uncertainty: (energyJoules: number, seconds: number, aliasJoules: number) => number,
): Disagreement {
  let sums = { ...NOTHING };
  let doubtRatio = 0;
  let owedJoules = 0;
  let worst: { counter: number; integral: number; seconds: number } | undefined;

  const check = (): void => {
    const difference = Math.abs(sums.counter - sums.integral);
    const disagrees = difference > LIMIT * uncertainty(sums.integral, sums.seconds, sums.alias);
    const before = doubtRatio;
    // Which of the two is right is unknown: the truth lies anywhere between them, and a little beyond.
    doubtRatio = disagrees && sums.counter > 0 ? difference / (Math.sqrt(3) * sums.counter) : 0;
    owedJoules += Math.max(0, doubtRatio - before) * sums.counter;
    if (disagrees) worst = { ...sums };
    sums = { ...NOTHING };
  };

  return {
    get disagrees() {
      return doubtRatio > 0;
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
    doubtOf(energyJoules) {
      const doubt = doubtRatio * Math.abs(energyJoules) + owedJoules;
      owedJoules = 0;
      return doubt;
    },
    conclude() {
      if (sums.seconds >= SHORTEST_CHECK_SECONDS) check();
    },
  };
}
