// When does a register refresh? Learnt from brackets [last poll with the old value, first poll with the new one]: first a
// search for a period and phase that meet them (grid-search.ts), then all grids that meet them (grid-set.ts).

import { createGridSet, type GridSet } from './grid-set.ts';
import { DENSE_WIDTH_RATIO, TOLERANCE_RATIO, findGrid, type Bracket } from './grid-search.ts';

/** The grid u₀ + k·T of a register's refreshes, learnt while it is read. */
export interface RefreshGrid {
  /** The value changed after `previous` and not later than `time`. */
  change(previous: number, time: number): void;
  /** Refresh period, once it could be inferred; the last one while it is being inferred anew. */
  readonly periodSeconds: number | undefined;
  /** Whether the phase is known well enough at `time` to place a refresh. */
  lockedAt(time: number): boolean;
  /** Standard uncertainty of the phase at `time`. */
  phaseUncertaintySeconds(time: number): number;
  /** The last refresh at or before `time`; only meaningful where locked. */
  lastRefresh(time: number): number;
}

const CANDIDATE_COUNT = 24;
// Searching is work: after a search in vain the next waits for more brackets.
const SEARCH_PAUSE = 6;
const LOCK_PHASE_RATIO = 0.12;
const LOST_PHASE_RATIO = 0.25;
const CONSISTENT_FLOOR = 0.6;
const CONSISTENT_SHARE = 0.05;
// Polls sparser than the expected period show when the load changed, not when the register refreshed.
const SPARSE_RATIO = 1.25;

/** Creates a grid that knows nothing yet, or only which period to expect. */
export function createRefreshGrid(expectedPeriodSeconds?: number): RefreshGrid {
  const candidates: Bracket[] = [];
  let grids: GridSet | undefined;
  let consistent = 1;
  let lastPeriod: number | undefined;

  let pause = 0;
  let searches = 0;

  const search = (): void => {
    pause -= 1;
    if (pause > 0) return;
    const found = findGrid(candidates, expectedPeriodSeconds);
    if (found !== undefined) {
      grids = createGridSet(found, candidates);
      consistent = 1;
      searches = 0;
      return;
    }
    // The first few brackets are tried one by one: a burst of three tells it all.
    searches += 1;
    if (searches > CANDIDATE_COUNT) pause = SEARCH_PAUSE * (searches - CANDIDATE_COUNT);
  };

  const follow = (current: GridSet, bracket: Bracket): void => {
    const { period, phase } = current;
    if (bracket.width > DENSE_WIDTH_RATIO * period) return;
    const doubt = uncertaintyOf(current, bracket.middle);
    if (doubt > LOST_PHASE_RATIO * period) {
      current.restart(bracket);
      return;
    }
    const steps = Math.round((bracket.middle - phase) / period);
    const residual = bracket.middle - phase - steps * period;
    const near = Math.abs(residual) <= bracket.width / 2 + TOLERANCE_RATIO * period + 2 * doubt;
    const fits = steps > 0 && near && current.add(bracket, steps);
    consistent += CONSISTENT_SHARE * ((fits ? 1 : 0) - consistent);
    if (consistent < CONSISTENT_FLOOR) {
      lastPeriod = period;
      grids = undefined;
      candidates.length = 0;
    }
  };

  return {
    change(previous, time) {
      const bracket = { middle: (previous + time) / 2, width: time - previous };
      if (bracket.width > SPARSE_RATIO * (expectedPeriodSeconds ?? Infinity)) return;
      if (grids !== undefined) {
        follow(grids, bracket);
        return;
      }
      candidates.push(bracket);
      if (candidates.length > CANDIDATE_COUNT) candidates.shift();
      search();
    },
    get periodSeconds() {
      return grids?.period ?? lastPeriod;
    },
    lockedAt: (time) =>
      grids !== undefined && uncertaintyOf(grids, time) < LOCK_PHASE_RATIO * grids.period,
    phaseUncertaintySeconds: (time) =>
      grids === undefined ? Infinity : uncertaintyOf(grids, time),
    lastRefresh(time) {
      if (grids === undefined) return time;
      const { phase, period } = grids;
      return phase + Math.floor((time - phase) / period) * period;
    },
  };
}

/** Of a refresh that may lie anywhere between two limits. */
function uncertaintyOf(grids: GridSet, time: number): number {
  const [earliest, latest] = grids.reach(time);
  return (latest - earliest) / Math.sqrt(12);
}
