// The hardware's energy counter: differences from the first reading on, placed in time by the counter's own grid, and
// joined with the shape that the power readings give. docs/measurement.md §2, §4.4 and §4.5.

import type { Warning } from '../model.ts';
import { CellQueue } from './cell-queue.ts';
import { clipMeasured, lengthOf, type Cell, type CellSink, type MeasuredCell } from './cell.ts';
import { createDisagreement, type Disagreement } from './disagreement.ts';
import { Knots, type Knot } from './knots.ts';
import { createRefreshGrid, type RefreshGrid } from './refresh-grid.ts';
import type { Edge } from './split.ts';
import { flatStep, longestUnseen, shapedStep, sumOver, withoutHoles } from './step-cells.ts';

/** What bridging needs of the timeline. */
interface GapBook {
  gapSecondsSince(from: number): number;
  bridge(from: number, energyJoules: number, doubtJoules: number): void;
  forgetGaps(): void;
}

interface CounterOptions {
  /** Refresh period, where the device's kind is known for it before readings show it. */
  readonly knownPeriodSeconds?: number;
  readonly gain: number;
  readonly offsetWatts: number;
  /** More than this cannot be energy, but a restart or garbage. */
  readonly highestWatts: number;
  /** What the device may draw over a while. */
  readonly limitWatts: () => number;
  /** Standard uncertainty in joules of a sum of power readings, against which the counter is checked. */
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
  /** A good reading of the counter. */
  reading(time: number, value: number): void;
  /** Power is thought to step at `time`, where a run starts or ends. */
  edge(time: number, edge: Edge): void;
  /** A cell of the power readings. */
  shape(cell: Cell): void;
  /** Uses even knots that are poorly placed, and passes on what lies beyond the last. */
  finish(): void;
}

// Without a new step for so long while power readings go on, or for so many of its usual steps, the counter is not to
// be waited for.
const STALE_SECONDS = 2;
const STALE_STEPS = 3;
const EDGE_BLUR_SECONDS = 0.15;
// Of a first value nobody knows the age: at most this, as on data-centre boards (docs/measurement.md §2).
const FIRST_AGE_SECONDS = 0.1;
// A step is shaped by power readings that cover so much of it.
const COVERED_RATIO = 0.9;
// A counter that misses less than this is not stuck but coarse; one that says nothing for so long is not only slow.
const STUCK_JOULES = 1;
const STUCK_SECONDS = 30;
// Less than this part of what power readings booked meanwhile is no slow counter's step.
const STUCK_RATIO = 0.5;
// A board may draw more than its limit over a short gap.
const BRIDGED_RATIO = 1.2;
// A plausible step may have begun so much before the reading that preceded it.
const STEP_AGE_SECONDS = 0.2;

/** Where the counter was when it was given up, and what power readings have booked since. */
interface Left {
  readonly time: number;
  readonly value: number;
  /** It was read all the while, and stood still. */
  readonly isStanding: boolean;
  bookedJoules: number;
}

/** Creates the counter's side of a meter. */
export function createCounter(options: CounterOptions): Counter {
  return new CounterFusion(options);
}

class CounterFusion implements Counter {
  readonly grid: RefreshGrid = createRefreshGrid();
  readonly #options: CounterOptions;
  readonly #disagreement: Disagreement;
  readonly #knots: Knots;
  readonly #queue = new CellQueue();
  #frontier = -Infinity;
  /** Cells up to here have been given to the sink. */
  #emitted = -Infinity;
  #last = { time: NaN, value: NaN };
  /** When its value was read first, whatever came before. */
  #heldSince = NaN;
  #changedAt = NaN;
  /** How long the counter usually stands between two changes that were seen. */
  #stepSeconds = 0;
  /** Where the counter was when it fell silent: a later reading may tell what gaps since then held. */
  #leftAt: Left | undefined;
  #stuck = false;
  #restarted = false;

  constructor(options: CounterOptions) {
    this.#options = options;
    this.#disagreement = createDisagreement(options.sampleUncertainty);
    this.#knots = new Knots({
      grid: this.grid,
      longestAgeSeconds: () =>
        options.knownPeriodSeconds ?? Math.max(FIRST_AGE_SECONDS, this.#stepSeconds),
      frontier: () => this.#frontier,
    });
  }

  get active(): boolean {
    return this.#knots.first !== undefined;
  }

  get seen(): boolean {
    return !Number.isNaN(this.#last.value);
  }

  get newestSeconds(): number | undefined {
    return this.#knots.newest?.time;
  }

  get warnings(): readonly Warning[] {
    return [
      ...this.#disagreement.warnings,
      ...(this.#stuck ? [STUCK] : []),
      ...(this.#restarted ? [RESTARTED] : []),
    ];
  }

  edge(time: number, edge: Edge): void {
    this.#knots.addEdge(time, edge);
  }

  reading(time: number, value: number): void {
    const { time: previous, value: before } = this.#last;
    const step = value - before;
    if (step === 0) {
      this.#last = { time, value };
      this.#knots.seenAgain(value, time);
      return;
    }
    const isFirst = Number.isNaN(before);
    const isRestart = step < 0 || !this.#isPlausible(step, time - this.#heldSince);
    this.#last = { time, value };
    this.#heldSince = time;
    if (isFirst || isRestart) {
      if (isRestart && !isFirst) this.#restart();
      this.#place(this.#knots.knotOf(value, NaN, time, true));
      return;
    }
    this.#learnStep(time);
    if (this.active) this.#change(this.#knots.knotOf(value, previous, time, false));
    else this.#return(this.#knots.knotOf(value, previous, time, true));
  }

  shape(cell: Cell): void {
    this.#frontier = cell.end;
    this.#queue.push(cell);
    this.#drain(false);
    const { newest } = this.#knots;
    if (newest === undefined) {
      this.#passOn(Infinity);
      if (this.#frontier - (this.#leftAt?.time ?? Infinity) > STUCK_SECONDS) this.#judgeStanding(0);
    } else if (this.#frontier - newest.time > this.#staleSeconds) this.#leave(newest);
  }

  finish(): void {
    this.#disagreement.conclude();
    this.#drain(true);
    this.#passOn(Infinity);
    this.#judgeStanding(0);
  }

  get #staleSeconds(): number {
    return Math.max(STALE_SECONDS, STALE_STEPS * this.#stepSeconds);
  }

  /** Follows how often the counter changes, slowly downwards: a burst of readings sees more than there usually is. */
  #learnStep(time: number): void {
    const step = time - this.#changedAt;
    this.#changedAt = time;
    if (!(step > 0)) return;
    const share = step > this.#stepSeconds ? 0.5 : 0.1;
    this.#stepSeconds += share * (step - this.#stepSeconds);
  }

  #isPlausible(step: number, seconds: number): boolean {
    return step <= this.#options.highestWatts * (seconds + STEP_AGE_SECONDS);
  }

  /** When a first value was made is a guess; when it changed is seen, and may make the better beginning. */
  #change(knot: Knot): void {
    const isBeginning = this.#knots.isBetterBeginning(knot);
    if (isBeginning) this.#knots.clear();
    this.#place({ ...knot, isBaseline: isBeginning });
  }

  #place(knot: Knot): void {
    if (knot.isBaseline && knot.time < Math.max(this.#emitted, this.newestSeconds ?? -Infinity)) {
      // Time up to here is told already: the next change of the counter makes a better beginning.
      this.#knots.clear();
      this.#passOn(Infinity);
      return;
    }
    if (!this.#knots.push(knot)) return;
    if (knot.isBaseline) this.#options.gaps.forgetGaps();
    this.#drain(false);
  }

  /** The counter went back or leapt: a driver reload, a reset. Nothing is known across it. */
  #restart(): void {
    this.#restarted = true;
    this.#leftAt = undefined;
    this.#changedAt = NaN;
    this.#drain(true);
  }

  /** The counter speaks again: it may know what gaps held meanwhile. */
  #return(knot: Knot): void {
    const left = this.#leftAt;
    if (left !== undefined) this.#judgeStanding(knot.value - left.value);
    this.#leftAt = undefined;
    const rest = left === undefined ? undefined : this.#bridge(left, knot);
    if (rest === undefined) {
      this.#place(knot);
      return;
    }
    // What the counter told beyond the gaps is its step from where the readings have got to.
    this.#place({ ...knot, time: this.#frontier, value: knot.value - rest });
    this.#place({ ...knot, isBaseline: false });
  }

  /**
   * Fills the gaps since the counter was left by what it has told meanwhile, beyond what the power readings did. Returns
   * how much of that lies after the gaps, up to the knot; undefined where gaps cannot be filled so.
   */
  #bridge(left: Left, knot: Knot): number | undefined {
    const { gaps, limitWatts, sampleUncertainty, gain, offsetWatts } = this.#options;
    const missing = gaps.gapSecondsSince(left.time);
    const seconds = knot.time - left.time;
    const after = Math.max(0, knot.time - this.#frontier);
    const untold = this.#corrected(knot.value - left.value, seconds) - left.bookedJoules;
    const energy = (untold * missing) / (missing + after);
    const isPossible = energy >= 0 && energy <= BRIDGED_RATIO * limitWatts() * missing;
    if (!(missing > 0) || !isPossible) return undefined;
    // What the power readings were off by meanwhile is in the difference.
    const doubt = sampleUncertainty(left.bookedJoules, Math.max(0, seconds - missing - after), 0);
    gaps.bridge(left.time, energy, doubt);
    return (untold - energy) * gain + offsetWatts * after;
  }

  /** Stops waiting for the counter. */
  #leave({ time, value }: Knot): void {
    const isStanding = this.#last.time > time + this.#staleSeconds / 2;
    this.#leftAt = { time, value, isStanding, bookedJoules: 0 };
    this.#drain(true);
    this.#knots.clear();
    this.#passOn(Infinity);
  }

  /** A counter that was left may be slow: it is stuck where what it tells afterwards lacks what was drawn. */
  #judgeStanding(toldJoules: number): void {
    const left = this.#leftAt;
    if (left?.isStanding !== true || left.bookedJoules <= STUCK_JOULES) return;
    if (toldJoules < STUCK_RATIO * left.bookedJoules) this.#stuck = true;
  }

  #corrected(step: number, seconds: number): number {
    const { gain, offsetWatts } = this.#options;
    return (step - offsetWatts * seconds) / gain;
  }

  #drain(isEnd: boolean): void {
    for (;;) {
      const { first } = this.#knots;
      const next = this.#knots.takeNext(this.#last.time, isEnd);
      if (first === undefined || next === undefined) return;
      if (next.isBaseline) this.#passOn(next.time);
      else this.#emitStep(first, next);
    }
  }

  /** One step of the counter, with the power readings' shape inside it where they are finer. */
  #emitStep(first: Knot, next: Knot): void {
    this.#passOn(first.time);
    const { time: start } = first;
    const { time: end } = next;
    const seconds = end - start;
    const energyJoules = this.#corrected(next.value - first.value, seconds);
    const under = this.#queue.take(end).filter((cell) => cell.kind === 'measured');
    const isWhole = sumOver(under, lengthOf) >= COVERED_RATIO * seconds;
    const shape = isWhole ? withoutHoles(under, start, end) : under;
    const integralJoules = isWhole ? sumOver(shape, (cell) => cell.integralJoules) : NaN;
    if (isWhole) {
      const alias = sumOver(shape, aliasSeen);
      this.#disagreement.observe(energyJoules, integralJoules, seconds, alias);
    }
    const doubtJoules = this.#disagreement.doubtOf(energyJoules);
    const energy = { energyJoules, integralJoules, doubtJoules };
    const frame = {
      startTimingSeconds: first.uncertainty,
      endTimingSeconds: next.uncertainty,
      step: { start, end },
    };
    const isShaped =
      integralJoules > 0 &&
      energyJoules > 0 &&
      !this.#disagreement.disagrees &&
      // Power readings blur a run's edge; the counter's own steps on both sides of it do not.
      !this.#knots.isNearEdge(start, end, EDGE_BLUR_SECONDS) &&
      this.#options.shapeIsFiner(seconds, longestUnseen(shape));
    const cells = isShaped ? shapedStep(shape, energy, frame) : [flatStep(under, energy, frame)];
    for (const cell of cells) this.#emit(cell);
  }

  /** Cells up to `time` keep the power readings' own energy. */
  #passOn(time: number): void {
    for (const cell of this.#queue.take(time)) {
      const left = this.#leftAt;
      if (left !== undefined && cell.kind === 'measured' && cell.end > left.time) {
        left.bookedJoules += clipMeasured(cell, left.time, cell.end).energyJoules;
      }
      this.#emit(cell);
    }
  }

  #emit(cell: Cell): void {
    this.#emitted = cell.end;
    this.#options.sink(cell);
  }
}

/** What a part-time sensor can have missed beside the counter: of a power that it saw standing still, nothing. */
const aliasSeen = (cell: MeasuredCell): number =>
  Math.min(cell.aliasJoules, 0.5 * cell.unseenRatio * cell.swingWatts * lengthOf(cell));

const STUCK: Warning = {
  code: 'counter-stuck',
  message:
    'The energy counter stood still while power was drawn; energy was integrated from power readings there.',
};

const RESTARTED: Warning = {
  code: 'counter-restarted',
  message:
    'The energy counter restarted, as after a driver reload; its new course was begun afresh, and nothing was counted across the restart.',
};
