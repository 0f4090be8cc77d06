// The points of a counter's course: which value it had when, as far as readings and its grid tell, and which two of
// them make the next step. docs/measurement.md §4.4.

import type { RefreshGrid } from './refresh-grid.ts';
import type { Edge } from './split.ts';

/** The counter stood at `value` joules at `time`, give or take; all times in seconds. */
export interface Knot {
  readonly value: number;
  readonly time: number;
  /** Standard uncertainty of `time`. */
  readonly uncertainty: number;
  /** When it was first read. */
  readonly readAt: number;
  /** When it was last read unchanged. */
  seenUntil: number;
  /** When the counter was last read before; NaN: never. */
  readonly previous: number;
  /** Nothing before this knot can be told by it: the first, or the first after a restart. */
  readonly isBaseline: boolean;
  /** Placed for good. */
  readonly isFinal: boolean;
}

interface KnotsOptions {
  readonly grid: RefreshGrid;
  /** How old a value is at most when it is first read, until the grid is known. */
  readonly longestAgeSeconds: () => number;
  /** How far in time the power readings have got. */
  readonly frontier: () => number;
}

// Refreshes wander a little: a value may be seen so much longer than a period.
const LATE_RATIO = 0.02;
// A knot is precise where the step to it is this much longer than the doubt about its ends.
const PRECISE_STEP_RATIO = 20;
// A poorly placed knot is passed over for one that is so much better, not longer than this after it.
const BETTER_RATIO = 4;
const PATIENCE_SECONDS = 1.2;
// Knots wait for a burst of readings that may follow and tell their place better.
const WAIT_SECONDS = 0.35;
const REMEMBERED_SECONDS = 60;
// What power readings told of a stretch is off by so much of it (assumed); a new beginning is to be clearly better.
const POWER_DOUBT_RATIO = 0.03;
const BEGINNING_RATIO = 0.5;

type Reading = Pick<Knot, 'previous' | 'readAt' | 'seenUntil'>;

/** The knots that wait to be used; the first is where the last step ended. */
export class Knots {
  readonly #options: KnotsOptions;
  #knots: Knot[] = [];
  #edges: { time: number; edge: Edge }[] = [];

  constructor(options: KnotsOptions) {
    this.#options = options;
  }

  get first(): Knot | undefined {
    return this.#knots[0];
  }

  get newest(): Knot | undefined {
    return this.#knots.at(-1);
  }

  clear(): void {
    this.#knots = [];
  }

  /** Power is thought to step at `time`, where a run starts or ends. */
  addEdge(time: number, edge: Edge): void {
    const oldest = this.#options.frontier() - REMEMBERED_SECONDS;
    this.#edges = this.#edges.filter((known) => known.time > oldest);
    if (edge !== undefined) this.#edges.push({ time, edge });
  }

  /** Whether an edge lies within `reach` of a stretch. */
  isNearEdge(start: number, end: number, reach: number): boolean {
    return this.#edges.some(({ time }) => time > start - reach && time < end + reach);
  }

  /** A knot of a value that was first read at `readAt`, and last read before at `previous` (NaN: never). */
  knotOf(value: number, previous: number, readAt: number, isBaseline: boolean): Knot {
    const reading = { previous, readAt, seenUntil: readAt };
    return { value, ...reading, ...this.#locate(reading, this.newest), isBaseline, isFinal: false };
  }

  /** Whether to begin at a knot, and let power readings tell what came before, leaves less doubt than the first value. */
  isBetterBeginning(knot: Knot): boolean {
    const [first, second] = this.#knots;
    if (first?.isBaseline !== true || second !== undefined) return false;
    if (!Number.isNaN(first.previous)) return false;
    const lost = POWER_DOUBT_RATIO * Math.max(0, knot.time - first.time);
    return knot.uncertainty + lost < BEGINNING_RATIO * first.uncertainty;
  }

  /** Returns false where it cannot come after those before it. */
  push(knot: Knot): boolean {
    const { newest } = this;
    if (!knot.isBaseline && newest !== undefined && knot.time <= newest.time) return false;
    this.#knots.push(knot);
    return true;
  }

  /** The newest value was read once more. */
  seenAgain(value: number, time: number): void {
    const { newest } = this;
    if (newest?.value === value) newest.seenUntil = time;
  }

  /** The knot that ends the next step, and makes it the first; undefined while it must be waited for. */
  takeNext(now: number, isEnd: boolean): Knot | undefined {
    const index = this.#next(now, isEnd);
    const knot = index === undefined ? undefined : this.#knots[index];
    if (index === undefined || knot === undefined || knot.time > this.#options.frontier()) {
      return undefined;
    }
    this.#knots = this.#knots.slice(index);
    return knot;
  }

  /**
   * When a value was made: after the reading before it and not later than its own, within one period before it was
   * last seen, after the refresh that made the value before it, and on the grid where the grid leaves one place for it.
   */
  #locate(
    { previous, readAt, seenUntil }: Reading,
    before: Knot | undefined,
  ): Pick<Knot, 'time' | 'uncertainty'> {
    const { grid, longestAgeSeconds } = this.#options;
    const period = grid.periodSeconds;
    const oldest =
      period === undefined
        ? readAt - longestAgeSeconds()
        : Math.max(readAt, seenUntil - LATE_RATIO * period) - period;
    const earliest = Number.isNaN(previous) ? oldest : Math.max(oldest, previous);
    const taken =
      before !== undefined && grid.isPrecise(before.uncertainty) ? before.time : undefined;
    const { time, uncertainty } = grid.place(Math.min(readAt, earliest), readAt, taken);
    return { time, uncertainty };
  }

  /** Places a knot with what later readings taught of the grid, once. */
  #placedFinally(index: number): Knot | undefined {
    const knot = this.#knots[index];
    if (knot === undefined || knot.isFinal) return knot;
    const before = this.#knots[index - 1];
    const placed = { ...knot, ...this.#locate(knot, before), isFinal: true };
    this.#knots[index] = placed;
    return placed;
  }

  /** The next knot to use: precise, or the best there will be, and as near to a run's edge as there is one. */
  #next(now: number, isEnd: boolean): number | undefined {
    const { first } = this;
    if (first === undefined) return undefined;
    let last: number | undefined;
    let before = first;
    for (let index = 1; index < this.#knots.length; index += 1) {
      const waiting = this.#knots[index];
      if (waiting?.isBaseline !== false) return last ?? index;
      if (!isEnd && now - waiting.readAt < WAIT_SECONDS) break;
      const knot = this.#placedFinally(index) ?? waiting;
      if (knot.time <= before.time) continue;
      const edge = this.#edgeBetween(before, knot);
      if (edge === 'start' && last !== undefined) return last;
      if (knot.time > this.#options.frontier()) break;
      last = index;
      before = knot;
      if (edge !== undefined || isPrecise(first, knot)) return index;
      if (!this.#isBetterAhead(index, knot)) return index;
    }
    return isEnd ? last : undefined;
  }

  /** E(a) = C(c₁) + P_pre·(a − c₁) and E(b) = C(c₂) − P_post·(c₂ − b) want the knots next to an edge. */
  #edgeBetween(before: Knot, after: Knot): Edge {
    return this.#edges.find(({ time }) => time >= before.time && time < after.time)?.edge;
  }

  /** Whether a much better placed knot follows soon: the step to a poor one would take what is not its own. */
  #isBetterAhead(index: number, knot: Knot): boolean {
    return this.#knots
      .slice(index + 1)
      .some(
        (later, ahead) =>
          !later.isBaseline &&
          later.readAt - knot.readAt < PATIENCE_SECONDS &&
          BETTER_RATIO * this.#locate(later, this.#knots[index + ahead]).uncertainty <
            knot.uncertainty,
      );
  }
}

const isPrecise = (first: Knot, knot: Knot): boolean =>
  knot.time - first.time >= Math.max(PRECISE_STEP_RATIO * knot.uncertainty, 2 * first.uncertainty);
