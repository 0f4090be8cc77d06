// When does a register refresh? Learnt from brackets [last poll with the old value, first poll with the new one]: first a
// search for a period and phase that meet them (grid-search.ts), then all grids that meet them (grid-set.ts).

import { DENSE_WIDTH_RATIO, findGrid, type Bracket } from './grid-search.ts';
import { createGridSet, type GridSet, type Meeting } from './grid-set.ts';
import { uniformUncertainty } from './uncertainty.ts';

/** When a value was made, give or take. */
export interface Place {
  readonly time: number;
  /** Standard uncertainty. */
  readonly uncertainty: number;
  /** Whether the grid told it: then all places err together. */
  readonly isLocked: boolean;
}

/** The grid u₀ + k·T of a register's refreshes, learnt while it is read. */
export interface RefreshGrid {
  /** The value changed after `previous` and not later than `time`. */
  change(previous: number, time: number): void;
  /** Refresh period, once it could be inferred; the last one while it is being inferred anew. */
  readonly periodSeconds: number | undefined;
  /** Whether the phase is known well enough at `time` to place a refresh. */
  lockedAt(time: number): boolean;
  /** Whether a place so uncertain tells which refresh it is. */
  isPrecise(uncertainty: number): boolean;
  /** The last refresh at or before `time`; only meaningful where locked. */
  lastRefresh(time: number): number;
  /** The last refresh in (from, to], where there was one; not the one at `taken`, which made the value before. */
  place(from: number, to: number, taken?: number): Place;
}

/** Creates a grid that knows nothing yet, or only which period to expect. */
export function createRefreshGrid(expectedPeriodSeconds?: number): RefreshGrid {
  return new LearntGrid(expectedPeriodSeconds);
}

const CANDIDATE_COUNT = 24;
// Searching is work: after a search in vain the next waits for more brackets.
const SEARCH_PAUSE = 6;
const LOCK_PHASE_RATIO = 0.12;
// Changes that do not fit weigh so much, those that do so little; above the limit the grid is searched anew. So it is
// after so many that could be either of two refreshes: all of the newest together may tell.
const MOST_MISFITS = 4;
const MISFIT_WEIGHTS: Readonly<Record<Meeting, number>> = {
  met: -1,
  unclear: 0,
  misfit: 1,
  refuted: 3,
};
const MOST_UNCLEAR = 4;
// Polls sparser than the expected period show when the load changed, not when the register refreshed.
const SPARSE_RATIO = 1.25;
// Nearer to the limits of its bracket than this many standard uncertainties a refresh may lie beyond them.
const CERTAIN = 2.5;

class LearntGrid implements RefreshGrid {
  readonly #expectedPeriodSeconds: number | undefined;
  readonly #newest: Bracket[] = [];
  #grids: GridSet | undefined;
  #misfits = 0;
  #unclear = 0;
  #lastPeriodSeconds: number | undefined;
  #pause = 0;
  #searches = 0;

  constructor(expectedPeriodSeconds: number | undefined) {
    this.#expectedPeriodSeconds = expectedPeriodSeconds;
  }

  get periodSeconds(): number | undefined {
    return this.#grids?.period ?? this.#lastPeriodSeconds;
  }

  change(previous: number, time: number): void {
    const bracket = { middle: (previous + time) / 2, width: time - previous };
    if (bracket.width > SPARSE_RATIO * (this.#expectedPeriodSeconds ?? Infinity)) return;
    this.#newest.push(bracket);
    if (this.#newest.length > CANDIDATE_COUNT) this.#newest.shift();
    if (this.#grids === undefined) this.#search();
    else this.#follow(this.#grids, bracket);
  }

  lockedAt(time: number): boolean {
    const grids = this.#grids;
    return grids !== undefined && uncertaintyOf(grids, time) < LOCK_PHASE_RATIO * grids.period;
  }

  lastRefresh(time: number): number {
    if (this.#grids === undefined) return time;
    const { phase, period } = this.#grids;
    return phase + Math.floor((time - phase) / period) * period;
  }

  place(from: number, to: number, taken?: number): Place {
    const middle = (from + to) / 2;
    const bracketUncertainty = uniformUncertainty(to - from);
    const unlocked = { time: middle, uncertainty: bracketUncertainty, isLocked: false };
    const grids = this.#grids;
    if (grids === undefined || !this.lockedAt(to)) return unlocked;
    const uncertainty = uncertaintyOf(grids, to);
    const margin = CERTAIN * uncertainty;
    const refresh = this.lastRefresh(to + margin);
    if (refresh < from - margin) return unlocked;
    // Two refreshes may be the last one: the value's age is nearly nothing, or nearly a whole period.
    const before = refresh - grids.period;
    let last = refresh;
    if (refresh > to - margin && before >= from - margin) {
      if (taken === undefined) return { ...unlocked, uncertainty: grids.period / 2 };
      // The one after that which made the value before.
      if (before > taken + grids.period / 2) last = before;
    }
    return {
      time: Math.min(Math.max(last, from), to),
      uncertainty: Math.min(uncertainty, bracketUncertainty),
      isLocked: true,
    };
  }

  isPrecise(uncertainty: number): boolean {
    return uncertainty < LOCK_PHASE_RATIO * (this.#grids?.period ?? 0);
  }

  #search(): void {
    this.#pause -= 1;
    if (this.#pause > 0) return;
    const found = findGrid(this.#newest, this.#expectedPeriodSeconds);
    if (found !== undefined) {
      this.#grids = createGridSet(found, this.#newest);
      this.#misfits = 0;
      this.#unclear = 0;
      this.#searches = 0;
      return;
    }
    // The first few brackets are tried one by one: a burst of three tells it all.
    this.#searches += 1;
    if (this.#searches > CANDIDATE_COUNT) {
      this.#pause = SEARCH_PAUSE * (this.#searches - CANDIDATE_COUNT);
    }
  }

  #follow(grids: GridSet, bracket: Bracket): void {
    if (bracket.width > DENSE_WIDTH_RATIO * grids.period) return;
    const outcome = grids.meet(bracket);
    this.#misfits = Math.max(0, this.#misfits + MISFIT_WEIGHTS[outcome]);
    if (outcome === 'unclear') this.#unclear += 1;
    if (this.#misfits > MOST_MISFITS) {
      this.#lastPeriodSeconds = grids.period;
      this.#grids = undefined;
      this.#search();
    } else if (this.#unclear > MOST_UNCLEAR) this.#search();
  }
}

/** Of a refresh that may lie anywhere between two limits. */
function uncertaintyOf(grids: GridSet, time: number): number {
  const [earliest, latest] = grids.reach(time);
  return uniformUncertainty(latest - earliest);
}
