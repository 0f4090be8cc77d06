// The hardware's energy counter: differences from the first reading on, placed in time by the counter's own grid, and
// joined with the shape that the power readings give. MEASUREMENT.md §2, §4.4 and §4.5.

import type { Warning } from '../model.ts';
import {
  cellWatts,
  clipCell,
  levelCell,
  unseenInside,
  type Cell,
  type CellSink,
  type MeasuredCell,
} from './cell.ts';
import type { Edge } from './split.ts';
import { createDisagreement, type Disagreement } from './disagreement.ts';
import { createRefreshGrid, type RefreshGrid } from './refresh-grid.ts';

/** What bridging needs of the timeline. */
interface GapBook {
  gapSecondsSince(from: number): number;
  bridge(from: number, energyJoules: number): void;
  forgetGaps(): void;
}

interface CounterOptions {
  /** Refresh period until readings show it. */
  readonly assumedPeriodSeconds: number;
  readonly offsetWatts: number;
  readonly gain: number;
  /** Relative standard uncertainty of a sum of sample cells, against which the counter is checked. */
  readonly sampleUncertainty: (
    energyJoules: number,
    seconds: number,
    aliasJoules: number,
  ) => number;
  /** Whether power readings are finer than the counter's steps and see all of the time. */
  readonly shapeIsFiner: (stepSeconds: number, longestCellSeconds: number) => boolean;
  readonly sink: CellSink;
  readonly gaps: GapBook;
}

/** Scales what the power readings say to what the counter says, where there is a counter. */
export interface Counter {
  readonly grid: RefreshGrid;
  readonly warnings: readonly Warning[];
  /** Whether joules come from the counter now. */
  readonly active: boolean;
  readonly seen: boolean;
  /** Newest knot's time, for the end of a run. */
  readonly newestSeconds: number | undefined;
  /** A good reading of the counter, after the one at `previous` (NaN when it is the first). */
  reading(time: number, value: number): void;
  /** Power is thought to step at `time`, where a run starts or ends. */
  edge(time: number, edge: Edge): void;
  /** A cell of the power readings. */
  shape(cell: Cell): void;
  /** Uses even knots that are poorly placed, and passes on what lies beyond the last. */
  finish(): void;
}

/** When a value was made, give or take. */
interface Place {
  readonly time: number;
  readonly uncertainty: number;
}

/** A value of the counter, and when it was read. */
interface Reading {
  readonly previous: number;
  readonly readAt: number;
  readonly seenUntil: number;
}

/** A point of the counter's course: it stood at `value` at `time`, give or take. */
interface Knot extends Place {
  readonly value: number;
  /** When it was first read, when it was last read unchanged, and when the counter was last read before. */
  readonly readAt: number;
  seenUntil: number;
  readonly previous: number;
  /** Nothing before this knot can be told by it: the first, or the first after a restart. */
  readonly baseline: boolean;
  /** Placed for good. */
  readonly final: boolean;
}

// A step is used once it is this much longer than the doubt about its ends, or this long anyway: slots must settle.
const PRECISE_STEP_RATIO = 20;
const PATIENCE_SECONDS = 1.2;
// Without a new step for so long while power readings go on, the counter is not to be waited for.
const STALE_SECONDS = 2;
// Knots wait for a burst of readings that may follow and tell their place better.
const WAIT_SECONDS = 0.35;
const EDGE_BLUR_SECONDS = 0.15;
const REMEMBERED_SECONDS = 60;
// No device draws more: a step beyond it is not energy but a restart, or garbage.
const IMPLAUSIBLE_WATTS = 20_000;
// Refreshes wander a little: a value may be seen so much longer than a period.
const LATE_RATIO = 0.02;
// Nearer to the limits of its bracket than this many standard uncertainties a refresh may lie beyond them.
const CERTAIN = 2.5;
// A step is shaped by power readings that cover so much of it.
const COVERED_RATIO = 0.9;
const MILLIJOULE_STEP = 1e-3;

/** Creates the counter's side of a meter. */
export function createCounter(options: CounterOptions): Counter {
  return new CounterFusion(options);
}

class CounterFusion implements Counter {
  readonly grid: RefreshGrid = createRefreshGrid();
  readonly #options: CounterOptions;
  readonly #disagreement: Disagreement;
  #knots: Knot[] = [];
  #queue: Cell[] = [];
  #head = 0;
  #frontier = -Infinity;
  /** Cells up to here have been given to the sink. */
  #emitted = -Infinity;
  #lastTime = NaN;
  #lastValue = NaN;
  /** Where the counter was left when it fell silent: a later reading may tell what gaps since then held. */
  #left: { time: number; value: number; bookedJoules: number } | undefined;
  #edges: { time: number; edge: Edge }[] = [];
  #stuck = false;
  #restarted = false;

  constructor(options: CounterOptions) {
    this.#options = options;
    this.#disagreement = createDisagreement(options.sampleUncertainty);
  }

  get active(): boolean {
    return this.#knots.length > 0;
  }

  get seen(): boolean {
    return !Number.isNaN(this.#lastValue);
  }

  get newestSeconds(): number | undefined {
    return this.#knots.at(-1)?.time;
  }

  get warnings(): readonly Warning[] {
    return [
      ...this.#disagreement.warnings,
      ...(this.#stuck
        ? [
            {
              code: 'counter-stuck',
              message:
                'The energy counter stood still while power was drawn; energy was integrated from power readings there.',
            },
          ]
        : []),
      ...(this.#restarted
        ? [
            {
              code: 'counter-restarted',
              message:
                'The energy counter restarted, as after a driver reload; its new course was begun afresh, and nothing was counted across the restart.',
            },
          ]
        : []),
    ];
  }

  edge(time: number, edge: Edge): void {
    this.#edges = this.#edges.filter((known) => known.time > this.#frontier - REMEMBERED_SECONDS);
    if (edge !== undefined) this.#edges.push({ time, edge });
  }

  reading(time: number, value: number): void {
    const previous = this.#lastTime;
    const before = this.#lastValue;
    this.#lastTime = time;
    this.#lastValue = value;
    const step = value - before;
    if (step === 0) {
      this.#seenAgain(time);
      return;
    }
    const read = { value, readAt: time, seenUntil: time, previous, final: false };
    const fresh = { ...read, ...this.#locate({ ...read, previous: NaN }), baseline: true };
    if (Number.isNaN(before)) this.#place(fresh);
    else if (step < 0 || !this.#plausible(step, time - previous)) this.#restart(fresh);
    else if (!this.active) this.#return({ ...fresh, ...this.#locate(read) });
    else this.#place({ ...read, ...this.#locate(read), baseline: false });
  }

  shape(cell: Cell): void {
    this.#frontier = cell.end;
    this.#queue.push(cell);
    this.#drain(false);
    const last = this.#knots.at(-1);
    if (last === undefined) this.#passOn(Infinity);
    else if (this.#frontier - last.time > STALE_SECONDS) this.#leave(last);
  }

  finish(): void {
    this.#drain(true);
    this.#passOn(Infinity);
  }

  #plausible(step: number, duration: number): boolean {
    return step <= IMPLAUSIBLE_WATTS * (duration + 2 * this.#options.assumedPeriodSeconds);
  }

  #seenAgain(time: number): void {
    const last = this.#knots.at(-1);
    if (last?.value === this.#lastValue) last.seenUntil = time;
  }

  /**
   * When a value was made: after the reading before it and not later than its own, within one period before it was
   * last seen, and on the grid where the grid leaves one place for it.
   */
  #locate({ previous, readAt, seenUntil }: Reading): Place {
    const { grid } = this;
    const period = grid.periodSeconds ?? this.#options.assumedPeriodSeconds;
    const kept = grid.periodSeconds === undefined ? readAt : seenUntil - LATE_RATIO * period;
    const latest = Math.max(readAt, kept) - period;
    const from = Math.min(readAt, Number.isNaN(previous) ? latest : Math.max(previous, latest));
    const inBracket = { time: (from + readAt) / 2, uncertainty: (readAt - from) / Math.sqrt(12) };
    if (!grid.lockedAt(readAt)) return inBracket;
    const uncertainty = grid.phaseUncertaintySeconds(readAt);
    const margin = CERTAIN * uncertainty;
    const refresh = grid.lastRefresh(readAt + margin);
    if (refresh < from - margin) return inBracket;
    // Two refreshes may have made it: its age is nearly nothing, or nearly a whole period.
    if (refresh - period >= from - margin) return { ...inBracket, uncertainty: period / 2 };
    return {
      time: Math.min(Math.max(refresh, from), readAt),
      uncertainty: Math.min(uncertainty, inBracket.uncertainty),
    };
  }

  #place(knot: Knot): void {
    const last = this.#knots.at(-1);
    if (!knot.baseline && last !== undefined && knot.time <= last.time) return;
    if (knot.baseline && knot.time < Math.max(this.#emitted, last?.time ?? -Infinity)) {
      // Time up to here is told already: the next change of the counter makes a better beginning.
      this.#knots = [];
      this.#passOn(Infinity);
      return;
    }
    this.#knots.push(knot);
    if (knot.baseline) this.#options.gaps.forgetGaps();
    this.#drain(false);
  }

  /** The counter went back or leapt: a driver reload, a reset. Nothing is known across it. */
  #restart(knot: Knot): void {
    this.#restarted = true;
    this.#left = undefined;
    this.#drain(true);
    this.#place(knot);
  }

  /** The counter speaks again: it may know what gaps held meanwhile. */
  #return(knot: Knot): void {
    const left = this.#left;
    this.#left = undefined;
    if (left !== undefined && knot.time > left.time) {
      const { gaps } = this.#options;
      const missing = gaps.gapSecondsSince(left.time);
      const total = this.#corrected(knot.value - left.value, knot.time - left.time);
      // The power readings go on from the gap's end; what they will book up to the knot is not the gap's.
      const booked = Math.max(0, knot.time - this.#frontier);
      const energy = ((total - left.bookedJoules) * missing) / (missing + booked);
      if (missing > 0 && energy >= 0 && energy <= IMPLAUSIBLE_WATTS * missing) {
        gaps.bridge(left.time, energy);
      }
    }
    this.#place(knot);
  }

  /** Stops waiting for the counter. */
  #leave(last: Knot): void {
    this.#left = { time: last.time, value: last.value, bookedJoules: 0 };
    this.#drain(true);
    const drew = this.#queue
      .slice(this.#head)
      .reduce((sum, cell) => sum + (cell.kind === 'measured' ? cell.energyJoules : 0), 0);
    if (drew > 1e3 * MILLIJOULE_STEP && this.#lastTime > last.time + STALE_SECONDS / 2) {
      this.#stuck = true;
    }
    this.#knots = [];
    this.#passOn(Infinity);
  }

  #corrected(step: number, duration: number): number {
    const { gain, offsetWatts } = this.#options;
    return (step - offsetWatts * duration) / gain;
  }

  #drain(atEnd: boolean): void {
    for (;;) {
      const first = this.#knots[0];
      if (first === undefined) return;
      const next = this.#nextKnot(first, atEnd);
      if (next === undefined) return;
      const knot = this.#knots[next];
      if (knot === undefined || this.#frontier < knot.time) return;
      if (knot.baseline) this.#passOn(knot.time);
      else this.#emitStep(first, knot);
      this.#knots = this.#knots.slice(next);
    }
  }

  /** Places a knot with what later readings taught of the grid, once, when that is better. */
  #placedFinally(index: number): Knot | undefined {
    const knot = this.#knots[index];
    if (knot === undefined || knot.final) return knot;
    const placed = { ...knot, ...this.#locate(knot), final: true };
    this.#knots[index] = placed;
    return placed;
  }

  /** The next knot to use: far enough for the doubt about their places, and as near to a run's edge as there is one. */
  #nextKnot(first: Knot, atEnd: boolean): number | undefined {
    let last: number | undefined;
    for (let index = 1; index < this.#knots.length; index += 1) {
      const waiting = this.#knots[index];
      if (waiting === undefined) break;
      if (waiting.baseline) return last ?? index;
      if (!atEnd && this.#lastTime - waiting.readAt < WAIT_SECONDS) break;
      const knot = this.#placedFinally(index) ?? waiting;
      if (knot.time <= (this.#knots[index - 1] ?? first).time) continue;
      const crossed = this.#crossed(this.#knots[index - 1] ?? first, knot);
      if (crossed === 'start' && last !== undefined) return last;
      if (knot.time > this.#frontier) break;
      last = index;
      const duration = knot.time - first.time;
      const needed = Math.max(PRECISE_STEP_RATIO * knot.uncertainty, 2 * first.uncertainty);
      if (crossed !== undefined || duration >= Math.min(PATIENCE_SECONDS, needed)) return index;
    }
    return atEnd ? last : undefined;
  }

  /** E(a) = C(c₁) + P_pre·(a − c₁) and E(b) = C(c₂) − P_post·(c₂ − b) want the knots next to an edge. */
  #crossed(before: Knot, after: Knot): Edge {
    return this.#edges.find(({ time }) => time >= before.time && time < after.time)?.edge;
  }

  /** Power readings blur a run's edge; the counter's own steps on both sides of it do not. */
  #nearEdge(start: number, end: number): boolean {
    return this.#edges.some(
      ({ time }) => time > start - EDGE_BLUR_SECONDS && time < end + EDGE_BLUR_SECONDS,
    );
  }

  /** One step of the counter, with the power readings' shape inside it where they are finer. */
  #emitStep(first: Knot, next: Knot): void {
    this.#passOn(first.time);
    const duration = next.time - first.time;
    const step = this.#corrected(next.value - first.value, duration);
    const timing = {
      startTimingSeconds: first.uncertainty,
      endTimingSeconds: next.uncertainty,
      step: { start: first.time, end: next.time },
    };
    const measured = this.#take(next.time).filter((cell) => cell.kind === 'measured');
    const covered = sum(measured, (cell) => cell.end - cell.start);
    const whole = covered >= COVERED_RATIO * duration;
    const shape = whole ? withoutHoles(measured, first.time, next.time) : measured;
    const integral = whole ? sum(shape, (cell) => cell.integralJoules) : NaN;
    if (whole) {
      this.#disagreement.observe(
        step,
        integral,
        duration,
        sum(shape, (cell) => cell.aliasJoules),
      );
    }
    const doubt = this.#disagreement.doubtRatio * step;
    const fuse =
      integral > 0 &&
      step > 0 &&
      !this.#disagreement.disagrees &&
      !this.#nearEdge(first.time, next.time) &&
      this.#options.shapeIsFiner(duration, Math.max(...shape.map(lengthOf)));
    const sink = (cell: Cell): void => this.#emit(cell);
    if (!fuse) {
      sink(flatStep(first.time, next.time, step, integral, measured, timing, doubt));
      return;
    }
    const scale = step / integral;
    for (const cell of shape) sink(scaled(cell, scale, timing, doubt / shape.length));
  }

  /** Cells up to `time` keep the power readings' own energy. */
  #passOn(time: number): void {
    for (const cell of this.#take(time)) {
      if (this.#left !== undefined && cell.kind === 'measured') {
        const overlap = clipCell(cell, Math.max(cell.start, this.#left.time), cell.end);
        if (cell.end > this.#left.time && overlap.kind === 'measured') {
          this.#left.bookedJoules += overlap.energyJoules;
        }
      }
      this.#emit(cell);
    }
  }

  #emit(cell: Cell): void {
    this.#emitted = cell.end;
    this.#options.sink(cell);
  }

  /** Takes the queued cells before `time`, cutting the one that straddles it. */
  #take(time: number): Cell[] {
    const taken: Cell[] = [];
    for (;;) {
      const cell = this.#queue[this.#head];
      if (cell === undefined || cell.start >= time) break;
      if (cell.end <= time) {
        taken.push(cell);
        this.#head += 1;
        continue;
      }
      taken.push(clipCell(cell, cell.start, time));
      this.#queue[this.#head] = clipCell(cell, time, cell.end);
      break;
    }
    if (this.#head > 64 || this.#head === this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
    return taken;
  }
}

// A held value says as much as many short cells.
const lengthOf = (cell: MeasuredCell): number =>
  cell.profile === 'level' ? 0 : cell.end - cell.start;

const sum = (cells: readonly MeasuredCell[], of: (cell: MeasuredCell) => number): number =>
  cells.reduce((total, cell) => total + of(cell), 0);

/** Power readings over [start, end), with short holes closed at the power beside them. */
function withoutHoles(
  cells: readonly MeasuredCell[],
  start: number,
  end: number,
): readonly MeasuredCell[] {
  const closed: MeasuredCell[] = [];
  let reached = start;
  for (const cell of cells) {
    if (cell.start > reached) closed.push(holeFilled(cell, reached, cell.start));
    closed.push(cell);
    reached = cell.end;
  }
  const last = closed.at(-1);
  if (last !== undefined && end > reached) closed.push(holeFilled(last, reached, end));
  return closed;
}

type Timing = Pick<MeasuredCell, 'startTimingSeconds' | 'endTimingSeconds' | 'step'>;

function holeFilled(beside: MeasuredCell, start: number, end: number): MeasuredCell {
  const power = cellWatts(beside);
  return {
    ...beside,
    start,
    end,
    energyJoules: power * (end - start),
    integralJoules: power * (end - start),
    profile: 'level',
    startWatts: power,
    endWatts: power,
    samples: 0,
  };
}

function scaled(
  cell: MeasuredCell,
  scale: number,
  timing: Timing,
  doubtJoules: number,
): MeasuredCell {
  const energyJoules = cell.integralJoules * scale;
  return {
    ...cell,
    energyJoules,
    method: cell.method === 'modelled' ? 'modelled' : 'counter',
    counterJoules: energyJoules,
    aliasJoules: 0,
    doubtJoules,
    varianceJoulesSquared: 0,
    ...timing,
  };
}

function flatStep(
  start: number,
  end: number,
  energyJoules: number,
  integralJoules: number,
  under: readonly MeasuredCell[],
  timing: Timing,
  doubtJoules: number,
): MeasuredCell {
  const power = energyJoules / (end - start);
  return {
    ...levelCell(start, end, power),
    profile: 'box',
    minWatts: under.length > 0 ? Math.min(...under.map((cell) => cell.minWatts)) : power,
    maxWatts: under.length > 0 ? Math.max(...under.map((cell) => cell.maxWatts)) : power,
    swingWatts: under.at(-1)?.swingWatts ?? 0,
    samples: sum(under, (cell) => cell.samples),
    method: 'counter',
    counterJoules: energyJoules,
    integralJoules,
    doubtJoules,
    sharingJoules: unseenInside(power, end - start),
    ...timing,
  };
}
