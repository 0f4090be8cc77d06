// Folds cells into intervals: slots of equal length, cut where a run, a window, a price or a job begins or ends. Last
// step of the meter; what it has published is final, save that a counter may fill a published gap afterwards.

import type { GapReason, Interval, Method } from '../model.ts';
import { instant, joules, seconds, watts } from '../units.ts';
import type { Trust } from './boards.ts';
import {
  clipGap,
  lengthOf,
  levelCell,
  type Cell,
  type GapCell,
  type MeasuredCell,
} from './cell.ts';
import {
  cutUncertainty,
  energyBefore,
  type Beside,
  type Edge,
  type KnownEdge,
  type Surroundings,
} from './split.ts';
import { NOTHING_AROUND, surroundingsOf } from './surroundings.ts';
import { NO_UNCERTAINTY, systematicParts, type SystematicParts } from './uncertainty.ts';

/** Collects cells and publishes intervals. */
export interface Timeline {
  /** Everything before this has been published. */
  readonly settled: number;
  push(cell: Cell): void;
  /** An interval is to end at `time`; `edge` when power is thought to step there. */
  cut(time: number, edge: Edge): void;
  /** Intervals that have become final. */
  publish(): readonly Interval[];
  /** Publishes everything up to `end`, which is the end of the run. */
  finish(end: number): Interval[];
  /** The counter has told what the gaps since `from` held: `energyJoules` for all of them together, give or take. */
  bridge(from: number, energyJoules: number, doubtJoules: number): void;
  /** Seconds of gap since `from` that bridging is still possible for. */
  gapSecondsSince(from: number): number;
  /** Gaps up to now will not be bridged any more. */
  forgetGaps(): void;
}

interface TimelineOptions {
  readonly uuid: string;
  readonly start: number;
  readonly slotSeconds: number;
  readonly method: Method;
  readonly trust: Trust;
  /** Wall clock minus timeline, as last heard. */
  readonly wallOffsetSeconds: () => number;
}

// A cut may come this much after its moment: the exit of a process is known a little later than it happens.
const HOLD_BACK_SECONDS = 0.3;
// Queues are compacted when this many used cells have gathered at their front.
const COMPACT_COUNT = 256;
// So many of them are kept as neighbours of the first that is not used.
const NEIGHBOUR_COUNT = 32;
const EDGE_MEMORY_SECONDS = 60;
// A month asleep is one line in the books, not millions.
const LONG_GAP_SLOTS = 600;
// So many separate gaps can wait for a counter to fill them; older ones stay gaps.
const BRIDGEABLE_COUNT = 1000;

interface PublishedGap {
  readonly start: number;
  end: number;
  estimateJoules: number;
  estimateUncertaintyJoules: number;
}

/** Creates a timeline from a run's start on. */
export function createTimeline(options: TimelineOptions): Timeline {
  return new CellTimeline(options);
}

class CellTimeline implements Timeline {
  readonly #options: TimelineOptions;
  #cells: Cell[] = [];
  /** The first cell that reaches beyond `settled`. */
  #head = 0;
  #settled: number;
  #frontier: number;
  /** Nothing can be published before the frontier gets here. */
  #due = -Infinity;
  #slot = 0;
  #edgeJoules = NaN;
  readonly #cuts: number[] = [];
  #edges: KnownEdge[] = [];
  readonly #surroundings = new WeakMap<Cell, Surroundings>();
  #gaps: PublishedGap[] = [];
  #late: Interval[] = [];
  #gapCut = false;

  constructor(options: TimelineOptions) {
    this.#options = options;
    this.#settled = options.start;
    this.#frontier = options.start;
    this.#edges.push({ time: options.start, edge: 'start' });
  }

  get settled(): number {
    return this.#settled;
  }

  push(cell: Cell): void {
    if (cell.end <= cell.start) return;
    this.#cells.push(cell);
    this.#frontier = cell.end;
    this.#dropSettled();
  }

  cut(time: number, edge: Edge): void {
    if (time < this.#settled) {
      throw new RangeError(
        `Cannot cut at ${time}: everything before ${this.#settled} has been published. Cut before more readings are added.`,
      );
    }
    if (edge !== undefined) this.#addEdge(time, edge);
    if (time === this.#settled) return;
    const index = this.#cuts.findLastIndex((cut) => cut <= time);
    if (this.#cuts[index] === time) return;
    this.#cuts.splice(index + 1, 0, time);
    this.#due = -Infinity;
  }

  publish(): readonly Interval[] {
    if (this.#late.length === 0 && this.#frontier < this.#due) return NOTHING;
    const published: Interval[] = this.#takeLate();
    for (;;) {
      const end = this.#nextBoundary();
      if (!this.#ready(end)) {
        this.#due = end + HOLD_BACK_SECONDS;
        return published;
      }
      published.push(this.#intervalUntil(end));
    }
  }

  finish(end: number): Interval[] {
    const published: Interval[] = this.#takeLate();
    if (end <= this.#settled) return published;
    if (this.#edgeKnownAt(end) === undefined) this.#addEdge(end, 'end');
    while (this.#settled < end) {
      published.push(this.#intervalUntil(Math.min(end, this.#nextBoundary())));
    }
    return published;
  }

  gapSecondsSince(from: number): number {
    let total = 0;
    for (const gap of this.#gaps) total += Math.max(0, gap.end - Math.max(gap.start, from));
    for (const cell of this.#cells.slice(this.#head)) {
      if (cell.kind === 'gap') {
        total += Math.max(0, cell.end - Math.max(cell.start, from, this.#settled));
      }
    }
    return total;
  }

  forgetGaps(): void {
    this.#gaps = [];
  }

  bridge(from: number, energyJoules: number, doubtJoules: number): void {
    const total = this.gapSecondsSince(from);
    if (!(total > 0)) return;
    const power = { watts: energyJoules / total, doubtWatts: doubtJoules / total };
    for (const gap of withSharesOfVariance(this.#gaps)) {
      if (gap.end > from) this.#late.push(this.#bridgingInterval(gap, power));
    }
    this.#gaps = [];
    this.#cells = this.#cells.flatMap((cell, index) =>
      index >= this.#head && cell.kind === 'gap' ? this.#bridgedCells(cell, power) : [cell],
    );
  }

  #takeLate(): Interval[] {
    const late = this.#late;
    this.#late = [];
    return late;
  }

  #nextBoundary(): number {
    const { start, slotSeconds } = this.#options;
    while (start + (this.#slot + 1) * slotSeconds <= this.#settled) this.#slot += 1;
    const slotEnd = start + this.#slotsToNext() * slotSeconds;
    while (this.#cuts[0] !== undefined && this.#cuts[0] <= this.#settled) this.#cuts.shift();
    return Math.min(slotEnd, this.#cuts[0] ?? Infinity);
  }

  /** How many slots after the start the next boundary is: a very long gap that is over is one interval. */
  #slotsToNext(): number {
    const { start, slotSeconds } = this.#options;
    const cell = this.#cells[this.#head];
    const isGap = cell?.kind === 'gap' && cell.start <= this.#settled;
    const whole = isGap ? Math.floor((cell.end - start) / slotSeconds) : 0;
    return whole - this.#slot > LONG_GAP_SLOTS ? whole : this.#slot + 1;
  }

  /** Enough is known beyond `end`: also the neighbour of a cell that is cut there. */
  #ready(end: number): boolean {
    if (this.#frontier < end + HOLD_BACK_SECONDS) return false;
    const last = this.#cells.at(-1);
    return last === undefined || last.start >= end || last.kind === 'gap' || last.profile !== 'box';
  }

  #dropSettled(): void {
    for (;;) {
      const cell = this.#cells[this.#head];
      const isLast = this.#head + 1 >= this.#cells.length;
      if (cell === undefined || cell.end > this.#settled || isLast) break;
      this.#head += 1;
    }
    if (this.#head > COMPACT_COUNT) {
      this.#cells = this.#cells.slice(this.#head - NEIGHBOUR_COUNT);
      this.#head = NEIGHBOUR_COUNT;
    }
  }

  #intervalUntil(end: number): Interval {
    const start = this.#settled;
    const sum = new IntervalSum();
    let index = this.#head;
    for (; index < this.#cells.length; index += 1) {
      const cell = this.#cells[index];
      if (cell === undefined || cell.start >= end) break;
      const from = Math.max(start, cell.start);
      const to = Math.min(end, cell.end);
      if (to <= from) continue;
      if (cell.kind === 'gap') this.#addGap(sum, clipGap(cell, from, to));
      else this.#addMeasured(sum, cell, index, from, to);
    }
    const edgeBefore = Number.isNaN(this.#edgeJoules) ? this.#edgeAt(start) : this.#edgeJoules;
    this.#edgeJoules = this.#edgeAt(end);
    const interval = this.#interval(sum, start, end, edgeBefore);
    this.#settled = end;
    this.#gapCut = this.#cuts[0] === end;
    this.#dropSettled();
    return interval;
  }

  #interval(sum: IntervalSum, start: number, end: number, edgeBefore: number): Interval {
    const { uuid, trust, method, wallOffsetSeconds } = this.#options;
    const { energyJoules, observedSeconds, minWatts, maxWatts } = sum;
    const isObserved = observedSeconds > 0;
    return {
      uuid,
      startSeconds: instant(start),
      endSeconds: instant(end),
      method:
        method === 'modelled' || sum.counterSeconds * 2 <= observedSeconds ? method : 'counter',
      energyJoules: joules(energyJoules),
      observedSeconds: seconds(observedSeconds),
      gapSeconds: sum.gapSeconds,
      gapEstimateJoules: joules(sum.estimateJoules),
      gapEstimateUncertaintyJoules: joules(sum.estimateUncertaintyJoules),
      bridgedSeconds: seconds(0),
      uncertainty: {
        ...withDoubt(systematicParts(trust, energyJoules, observedSeconds), sum.doubtJoules),
        aliasJoules: sum.aliasJoules,
        startEdgeJoules: isObserved ? edgeBefore : 0,
        endEdgeJoules: isObserved ? this.#edgeJoules : 0,
        independentJoulesSquared: sum.varianceJoulesSquared,
      },
      ...(maxWatts >= minWatts && {
        powerMaxWatts: watts(maxWatts),
        powerMinWatts: watts(minWatts),
      }),
      sampleCount: sum.samples,
      ...(isObserved &&
        Number.isFinite(sum.counterJoules) && { counterJoules: joules(sum.counterJoules) }),
      ...(isObserved &&
        Number.isFinite(sum.integralJoules) && { integralJoules: joules(sum.integralJoules) }),
      wallOffsetSeconds: wallOffsetSeconds(),
    };
  }

  #addMeasured(
    sum: IntervalSum,
    cell: MeasuredCell,
    index: number,
    from: number,
    to: number,
  ): void {
    const whole = from === cell.start && to === cell.end;
    const around = whole ? NOTHING_AROUND : this.#around(index);
    const before = whole ? 0 : energyBefore(cell, from, around);
    const until = whole ? cell.energyJoules : energyBefore(cell, to, around);
    sum.addMeasured(cell, until - before, from, to);
  }

  #addGap(sum: IntervalSum, gap: GapCell): void {
    sum.addGap(gap);
    const { start, end, estimateJoules, estimateUncertaintyJoules } = gap;
    const last = this.#gaps.at(-1);
    if (last !== undefined && last.end === start && !this.#gapCut) {
      last.end = end;
      last.estimateJoules += estimateJoules;
      last.estimateUncertaintyJoules += estimateUncertaintyJoules;
    } else this.#gaps.push({ start, end, estimateJoules, estimateUncertaintyJoules });
    this.#gapCut = false;
    if (this.#gaps.length > BRIDGEABLE_COUNT) this.#gaps.shift();
  }

  #addEdge(time: number, edge: 'start' | 'end'): void {
    // Edges long past serve no cell that is still here.
    this.#edges = this.#edges
      .filter((known) => known.time > this.#settled - EDGE_MEMORY_SECONDS && known.time !== time)
      .concat({ time, edge })
      .toSorted((a, b) => a.time - b.time);
  }

  #edgeKnownAt(time: number): Edge {
    return this.#edges.find((known) => known.time === time)?.edge;
  }

  /** What lies around a cell; asked once, so that two cuts in one cell agree on how its energy lies. */
  #around(index: number): Surroundings {
    const cell = this.#cells[index];
    if (cell === undefined) return NOTHING_AROUND;
    let around = this.#surroundings.get(cell);
    if (around === undefined) {
      around = surroundingsOf(this.#cells, index, this.#edges);
      this.#surroundings.set(cell, around);
    }
    return around;
  }

  /** What cutting at `time` leaves uncertain on either side; the same for both. */
  #edgeAt(time: number): number {
    for (let index = Math.max(0, this.#head - 2); index < this.#cells.length; index += 1) {
      const cell = this.#cells[index];
      if (cell === undefined || cell.start > time) break;
      if (cell.kind === 'gap' || cell.end < time) continue;
      // A cut at the limit of two cells is a cut at the end of the earlier one, unless nothing follows it.
      return cutUncertainty(cell, time, this.#around(index), this.#edgeKnownAt(time));
    }
    return 0;
  }

  #bridgingInterval(gap: PublishedGap, power: Beside): Interval {
    const duration = gap.end - gap.start;
    const energy = power.watts * duration;
    return {
      uuid: this.#options.uuid,
      startSeconds: instant(gap.start),
      endSeconds: instant(gap.end),
      method: 'counter',
      energyJoules: joules(energy),
      observedSeconds: seconds(duration),
      gapSeconds: {},
      gapEstimateJoules: joules(-gap.estimateJoules),
      gapEstimateUncertaintyJoules: joules(-gap.estimateUncertaintyJoules),
      bridgedSeconds: seconds(duration),
      uncertainty: {
        ...NO_UNCERTAINTY,
        ...withDoubt(
          systematicParts(this.#options.trust, energy, duration),
          power.doubtWatts * duration,
        ),
      },
      sampleCount: 0,
      counterJoules: joules(energy),
      wallOffsetSeconds: this.#options.wallOffsetSeconds(),
    };
  }

  /** A gap that was not published yet becomes measured; a published part of it stays a gap. */
  #bridgedCells(cell: GapCell, { watts: power, doubtWatts }: Beside): Cell[] {
    const start = Math.max(cell.start, this.#settled);
    const level = levelCell(start, cell.end, power);
    const measured = {
      ...level,
      method: 'counter',
      counterJoules: level.energyJoules,
      doubtJoules: doubtWatts * lengthOf(level),
    } as const;
    return start > cell.start ? [clipGap(cell, cell.start, start), measured] : [measured];
  }
}

const NOTHING: readonly Interval[] = [];

/**
 * The pieces of one gap err together: their uncertainties add up before they are squared. What each takes back when it
 * is bridged is therefore its share of that square, so that all of them take back all of it.
 */
function withSharesOfVariance(pieces: readonly PublishedGap[]): readonly PublishedGap[] {
  let next: { readonly start: number; readonly joules: number } | undefined;
  return pieces
    .toReversed()
    .map((piece) => {
      const later = next?.start === piece.end ? next.joules : 0;
      const own = piece.estimateUncertaintyJoules;
      next = { start: piece.start, joules: later + own };
      return { ...piece, estimateUncertaintyJoules: Math.sqrt(own * own + 2 * own * later) };
    })
    .toReversed();
}

const withDoubt = (parts: SystematicParts, doubtJoules: number): SystematicParts => ({
  ...parts,
  gainJoules: Math.hypot(parts.gainJoules, doubtJoules),
});

/** Adds up the cells of one interval. */
class IntervalSum {
  energyJoules = 0;
  observedSeconds = 0;
  /** Of the observed time, what the counter told. */
  counterSeconds = 0;
  counterJoules = 0;
  integralJoules = 0;
  aliasJoules = 0;
  doubtJoules = 0;
  varianceJoulesSquared = 0;
  estimateJoules = 0;
  estimateUncertaintyJoules = 0;
  samples = 0;
  minWatts = Infinity;
  maxWatts = -Infinity;
  readonly gapSeconds: Partial<Record<GapReason, number>> = {};

  /** Adds the part of a cell within [from, to), which holds `energyJoules`. */
  addMeasured(cell: MeasuredCell, energyJoules: number, from: number, to: number): void {
    const duration = to - from;
    const share = duration / lengthOf(cell);
    const energyShare = cell.energyJoules === 0 ? share : energyJoules / cell.energyJoules;
    this.energyJoules += energyJoules;
    this.observedSeconds += duration;
    if (cell.method === 'counter') this.counterSeconds += duration;
    this.counterJoules += cell.counterJoules * energyShare;
    this.integralJoules += cell.integralJoules * energyShare;
    this.aliasJoules += cell.aliasJoules * share;
    this.doubtJoules += cell.doubtJoules * share;
    this.varianceJoulesSquared += cell.varianceJoulesSquared * share;
    if (to === cell.end) this.samples += cell.samples;
    this.minWatts = Math.min(this.minWatts, cell.minWatts);
    this.maxWatts = Math.max(this.maxWatts, cell.maxWatts);
  }

  addGap(gap: GapCell): void {
    this.gapSeconds[gap.reason] = (this.gapSeconds[gap.reason] ?? 0) + lengthOf(gap);
    this.estimateJoules += gap.estimateJoules;
    this.estimateUncertaintyJoules += gap.estimateUncertaintyJoules;
  }
}
