// All grids u₀ + k·T that meet the brackets seen so far: a convex polygon in the plane of phase and period, cut by two
// half-planes a bracket. Polls that stray little meet one phase of a refresh over and over, and such brackets do not
// become more telling by their number: their mean would be trusted too much, what they leave possible cannot be.

import { DENSE_WIDTH_RATIO, SEARCH_TOLERANCE, type Bracket, type Grid } from './grid-search.ts';

/**
 * What a bracket says of the grids that were possible before it: `met` by some of them, which stay; `unclear` which
 * refresh it holds; a `misfit` that none meets; `refuted` where it holds a second change within one period.
 */
export type Meeting = 'met' | 'unclear' | 'misfit' | 'refuted';

/** The grids that are still possible. */
export interface GridSet {
  readonly period: number;
  /** The refresh at the newest bracket. */
  readonly phase: number;
  /** Earliest and latest possible moment of the refresh nearest to `time`. */
  reach(time: number): Range;
  /** Takes a bracket that is newer than all before it, and narrower than a period. */
  meet(bracket: Bracket): Meeting;
}

interface Constraint {
  readonly index: number;
  readonly from: number;
  readonly to: number;
}

/** Seconds after the origin, and seconds longer than the first guess. */
interface Point {
  readonly phase: number;
  readonly stretch: number;
}

// So many brackets are remembered: enough for a fine phase, few enough to follow a clock that drifts.
const REMEMBERED = 96;
const REBUILT_EVERY = 32;
// Refreshes wander around their grid (±1 to 2 ms of 100 on an RTX 3090): the smallest of these that lets one grid meet
// all brackets, in periods.
const WANDER_RATIOS = [0.003, 0.01, 0.02, 0.04, 0.08] as const;
// Taken at first, until many brackets show how little they need.
const FIRST_WANDER = 1;
// The period of a first guess may be off by so much, its phase by anything.
const GUESS_RATIO = 0.15;
const ANY_PHASE_PERIODS = 1;
// Refreshes whose moments are open over so much of a period cannot be told from their neighbours.
const LOST_RATIO = 0.85;

/**
 * Starts from a grid that was found in `brackets`. It says which refresh each of them holds, back to the first that it
 * does not meet: its period may be off, and then it loses count there.
 */
export function createGridSet(found: Grid, brackets: readonly Bracket[]): GridSet {
  const dense = brackets.filter(({ width }) => width <= DENSE_WIDTH_RATIO * found.period);
  const unmet = dense.findLastIndex((bracket) => !isMetBy(found, bracket));
  return new PossibleGrids(found, dense.slice(unmet + 1));
}

const indexIn = ({ phase, period }: Grid, { middle }: Bracket): number =>
  Math.round((middle - phase) / period);

function isMetBy(grid: Grid, bracket: Bracket): boolean {
  const { phase, period } = grid;
  const { middle, width } = bracket;
  const away = Math.abs(middle - phase - indexIn(grid, bracket) * period);
  return width <= DENSE_WIDTH_RATIO * period && away <= width / 2 + SEARCH_TOLERANCE * period;
}

class PossibleGrids implements GridSet {
  /** What index 0 of the constraints is, and the period that stretches are counted from. */
  #origin: number;
  readonly #guess: number;
  #newest = 0;
  #constraints: readonly Constraint[] = [];
  #polygon: readonly Point[] = [];
  /** What the middle of the polygon says; asked far more often than it changes. */
  #period = 0;
  #phase = 0;
  #wander = FIRST_WANDER;
  #sinceRebuilt = 0;
  /** Shortest and longest period that what is forgotten left possible. */
  #periods: Range;

  constructor(found: Grid, brackets: readonly Bracket[]) {
    const { phase, period } = found;
    this.#origin = phase;
    this.#guess = period;
    this.#periods = [(1 - GUESS_RATIO) * period, (1 + GUESS_RATIO) * period];
    const constraints = brackets.map(({ middle, width }) => ({
      index: indexIn(found, { middle, width }),
      from: middle - width / 2 - phase,
      to: middle + width / 2 - phase,
    }));
    // The newest are the surest where a clock drifts.
    for (let count = constraints.length; count > 0; count = Math.floor(count / 2)) {
      if (this.#rebuild(constraints.slice(-count))) return;
    }
    this.#leave(this.#anyGrid());
  }

  get period(): number {
    return this.#period;
  }

  get phase(): number {
    return this.#phase;
  }

  reach(time: number): Range {
    return this.#reachOf(this.#newest + Math.round((time - this.#phase) / this.#period));
  }

  meet(bracket: Bracket): Meeting {
    if (this.#isLostAt(bracket.middle)) {
      this.#restart(bracket);
      return 'met';
    }
    const index = this.#indexOf(bracket);
    if (typeof index !== 'number') return index;
    return this.#add(bracket, index) ? 'met' : 'misfit';
  }

  /** Whether nobody can tell any more which refresh is the one at `time`. */
  #isLostAt(time: number): boolean {
    const [earliest, latest] = this.reach(time);
    return latest - earliest > LOST_RATIO * this.#period;
  }

  /** The one refresh after the newest that may lie in a bracket; a wider wandering is allowed where none does. */
  #indexOf({ middle, width }: Bracket): number | Exclude<Meeting, 'met'> {
    const nearest = this.#newest + Math.round((middle - this.#phase) / this.#period);
    for (const wander of WANDER_RATIOS.slice(this.#wander)) {
      const from = middle - width / 2 - wander * this.#guess;
      const to = middle + width / 2 + wander * this.#guess;
      const met = [nearest - 1, nearest, nearest + 1].filter((index) => {
        const [earliest, latest] = this.#reachOf(index);
        return latest >= from && earliest <= to;
      });
      // Each change is a refresh of its own.
      const possible = met.filter((index) => index > this.#newest);
      const only = possible[0];
      if (only !== undefined) return possible.length === 1 ? only : 'unclear';
      if (met.length > 0) return 'refuted';
    }
    return 'misfit';
  }

  #add({ middle, width }: Bracket, index: number): boolean {
    const at = middle - this.#origin;
    const constraint = { index, from: at - width / 2, to: at + width / 2 };
    const constraints = [...this.#constraints, constraint].slice(-REMEMBERED);
    this.#sinceRebuilt += 1;
    if (this.#sinceRebuilt >= REBUILT_EVERY) {
      this.#sinceRebuilt = 0;
      this.#wander = Math.max(0, this.#wander - 1);
      return this.#rebuild(constraints);
    }
    const polygon = this.#cut(this.#polygon, constraint);
    if (polygon.length === 0) return this.#rebuild(constraints);
    this.#constraints = constraints;
    this.#newest = index;
    this.#leave(polygon);
    return true;
  }

  /** The phase was lost in a long time without a change: it is the bracket's now, and the period what it was. */
  #restart({ middle, width }: Bracket): void {
    this.#periods = this.#periodRange();
    this.#origin = middle;
    this.#newest = 0;
    this.#constraints = [{ index: 0, from: -width / 2, to: width / 2 }];
    this.#leave(this.#meeting(this.#constraints));
  }

  /** These grids are what is still possible. */
  #leave(polygon: readonly Point[]): void {
    this.#polygon = polygon;
    this.#period = middleOf(this.#periodRange());
    this.#phase = middleOf(this.#reachOf(this.#newest));
  }

  /** Meets the constraints with the least wandering that they allow, around their newest. */
  #rebuild(constraints: readonly Constraint[]): boolean {
    const newest = constraints.at(-1)?.index ?? 0;
    for (; this.#wander < WANDER_RATIOS.length; this.#wander += 1) {
      const polygon = this.#meeting(constraints);
      if (polygon.length === 0) continue;
      this.#constraints = constraints;
      this.#newest = newest;
      this.#leave(polygon);
      this.#centre();
      return true;
    }
    this.#wander = WANDER_RATIOS.length - 1;
    return false;
  }

  /** Counts from the newest refresh again, so that numbers stay small. */
  #centre(): void {
    const shift = this.#phase - this.#origin;
    const index = this.#newest;
    this.#constraints = this.#constraints.map((constraint) => ({
      index: constraint.index - index,
      from: constraint.from - shift,
      to: constraint.to - shift,
    }));
    this.#polygon = this.#polygon.map(({ phase, stretch }) => ({
      phase: phase + index * (this.#guess + stretch) - shift,
      stretch,
    }));
    this.#origin += shift;
    this.#newest = 0;
  }

  #meeting(constraints: readonly Constraint[]): readonly Point[] {
    return constraints.reduce<readonly Point[]>(
      (polygon, constraint) => this.#cut(polygon, constraint),
      this.#anyGrid(Math.max(...constraints.map(({ index }) => Math.abs(index)))),
    );
  }

  /** Any phase, and any period that is not ruled out already. */
  #anyGrid(index = 0): readonly Point[] {
    const [shortest, longest] = this.#periods;
    const reach = ANY_PHASE_PERIODS * this.#guess * (1 + Math.abs(index) * GUESS_RATIO);
    const low = shortest - this.#guess;
    const high = longest - this.#guess;
    return [
      { phase: -reach, stretch: low },
      { phase: reach, stretch: low },
      { phase: reach, stretch: high },
      { phase: -reach, stretch: high },
    ];
  }

  #cut(polygon: readonly Point[], { index, from, to }: Constraint): readonly Point[] {
    const slack = (WANDER_RATIOS[this.#wander] ?? 0) * this.#guess;
    const base = index * this.#guess;
    const above = halfPlane(polygon, index, from - slack - base, -1);
    return halfPlane(above, index, to + slack - base, 1);
  }

  #periodRange(): Range {
    return this.#rangeOf(({ stretch }) => this.#guess + stretch);
  }

  #reachOf(index: number): Range {
    const base = this.#origin + index * this.#guess;
    return this.#rangeOf(({ phase, stretch }) => base + phase + index * stretch);
  }

  #rangeOf(value: (point: Point) => number): Range {
    let low = Infinity;
    let high = -Infinity;
    for (const point of this.#polygon) {
      const at = value(point);
      low = Math.min(low, at);
      high = Math.max(high, at);
    }
    return [low, high];
  }
}

type Range = readonly [number, number];

const middleOf = ([low, high]: Range): number => (low + high) / 2;

/** The part of a convex polygon where sign·(phase + index·stretch) is at most sign·limit (Sutherland and Hodgman). */
function halfPlane(
  polygon: readonly Point[],
  index: number,
  limit: number,
  sign: 1 | -1,
): readonly Point[] {
  const excess = ({ phase, stretch }: Point): number => sign * (phase + index * stretch - limit);
  const kept: Point[] = [];
  for (const [position, point] of polygon.entries()) {
    const next = polygon[(position + 1) % polygon.length] ?? point;
    const here = excess(point);
    const there = excess(next);
    if (here <= 0) kept.push(point);
    if (here * there < 0) {
      const share = here / (here - there);
      kept.push({
        phase: point.phase + share * (next.phase - point.phase),
        stretch: point.stretch + share * (next.stretch - point.stretch),
      });
    }
  }
  return kept;
}
