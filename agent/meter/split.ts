// Where inside a cell its energy lies, when an interval must end in the middle of it. Whatever is given to one side is
// taken from the other, so a cut conserves energy by construction. docs/measurement.md §4.6.

import { cellWatts, type MeasuredCell } from './cell.ts';
import { uniformUncertainty } from './uncertainty.ts';

/** Power beside a cell, and its standard uncertainty from not knowing when it began and ended. */
export interface Beside {
  readonly watts: number;
  readonly doubtWatts: number;
}

/** What is known around a cell that must be cut. */
export interface Surroundings {
  /** Power just before the cell, just after it. */
  readonly before: Beside | undefined;
  readonly after: Beside | undefined;
  /** Power one box farther out; undefined where the next two are not boxes of about the cell's length. */
  readonly earlierWatts: number | undefined;
  readonly laterWatts: number | undefined;
  /** Between the lowest and the highest power in a few cells around, and in the cell itself. */
  readonly swingWatts: number;
  /** Moments inside the cell at which power is thought to step, in order of time. */
  readonly edges: readonly KnownEdge[];
}

/** What is thought to happen to the power at a cut: a run starts, a run ends, or nothing. */
export type Edge = 'start' | 'end' | undefined;

/** A moment at which power is thought to step. */
export interface KnownEdge {
  readonly time: number;
  readonly edge: 'start' | 'end';
}

const clamp = (value: number, low: number, high: number): number =>
  Math.min(Math.max(value, low), high);

/** Energy of the cell before `time`. */
export function energyBefore(cell: MeasuredCell, time: number, around: Surroundings): number {
  if (time <= cell.start) return 0;
  if (time >= cell.end) return cell.energyJoules;
  if (cell.profile !== 'box') return energyBeforeOnRamp(cell, time);
  return around.edges.length > 0
    ? energyBetweenEdges(cell, time, around)
    : energyBeforeInBox(cell, time, around);
}

/** E(a) = P_pre·(a − (u−W)) before a run's start, P_post·(u − b) after its end, and level in between. */
function energyBetweenEdges(cell: MeasuredCell, time: number, around: Surroundings): number {
  let from = { time: cell.start, joules: 0 };
  for (const { time: at, edge } of around.edges) {
    const joules = Math.max(from.joules, energyAtEdge(cell, at, around, edge));
    if (time <= at) return between(from, { time: at, joules }, time);
    from = { time: at, joules };
  }
  return between(from, { time: cell.end, joules: cell.energyJoules }, time);
}

interface Point {
  readonly time: number;
  readonly joules: number;
}

const between = (from: Point, to: Point, time: number): number =>
  to.time > from.time
    ? from.joules + ((to.joules - from.joules) * (time - from.time)) / (to.time - from.time)
    : to.joules;

function energyAtEdge(
  cell: MeasuredCell,
  time: number,
  { before, after }: Surroundings,
  edge: 'start' | 'end',
): number {
  const energy = cell.energyJoules;
  const low = Math.min(0, energy);
  const high = Math.max(0, energy);
  if (edge === 'start' && before !== undefined) {
    return clamp(before.watts * (time - cell.start), low, high);
  }
  if (edge === 'end' && after !== undefined) {
    return energy - clamp(after.watts * (cell.end - time), low, high);
  }
  return (energy * (time - cell.start)) / (cell.end - cell.start);
}

function energyBeforeOnRamp(cell: MeasuredCell, time: number): number {
  const duration = cell.end - cell.start;
  const passed = time - cell.start;
  const area = ((cell.startWatts + cell.endWatts) / 2) * duration;
  if (!(area > 0)) return (cell.energyJoules * passed) / duration;
  const slope = (cell.endWatts - cell.startWatts) / duration;
  return (cell.energyJoules * (cell.startWatts * passed + (slope * passed * passed) / 2)) / area;
}

/**
 * A box between two powers that it lies between is taken for one step from the one to the other, placed where the
 * box's mean says (subcell resolution, Harten 1989): a step's own place instead of a guess. Where power goes on rising
 * or falling beyond a neighbour it is a curve instead. A box higher or lower than both its neighbours is level.
 */
function energyBeforeInBox(cell: MeasuredCell, time: number, around: Surroundings): number {
  const beforeWatts = around.before?.watts;
  const afterWatts = around.after?.watts;
  const power = cellWatts(cell);
  const passed = time - cell.start;
  if (beforeWatts === undefined || afterWatts === undefined) return power * passed;
  if ((power - beforeWatts) * (afterWatts - power) <= 0) return power * passed;
  const curve = curveThrough(power, around);
  const duration = cell.end - cell.start;
  if (curve !== undefined) return duration * curve(passed / duration);
  const step = (duration * (afterWatts - power)) / (afterWatts - beforeWatts);
  return passed <= step ? beforeWatts * passed : beforeWatts * step + afterWatts * (passed - step);
}

// So much of the step across a box, once more beyond a neighbour, shows a trend; less than that on both sides is level.
const TREND_RATIO = 0.1;

/** How power goes on beyond a box's neighbours, as shares of the step across it; undefined where that is not known. */
function trendsBeyond(around: Surroundings): readonly [number, number] | undefined {
  const { earlierWatts, before, after, laterWatts } = around;
  if (earlierWatts === undefined || laterWatts === undefined) return undefined;
  if (before === undefined || after === undefined || before.watts === after.watts) return undefined;
  const across = after.watts - before.watts;
  return [(before.watts - earlierWatts) / across, (laterWatts - after.watts) / across];
}

/** Whether a box holds one step between two powers that were seen to last. */
const isPlainStep = (around: Surroundings): boolean =>
  trendsBeyond(around)?.every((trend) => Math.abs(trend) <= TREND_RATIO) === true;

/**
 * Integral of the parabola that has the box's mean and runs through its limits' powers, over shares of the box from 0
 * to 1 (piecewise parabolic method, Colella and Woodward 1984); undefined where five boxes show no trend.
 */
function curveThrough(
  power: number,
  around: Surroundings,
): ((share: number) => number) | undefined {
  const { earlierWatts = NaN, laterWatts = NaN } = around;
  const { watts: beforeWatts } = around.before ?? { watts: NaN };
  const { watts: afterWatts } = around.after ?? { watts: NaN };
  if (trendsBeyond(around)?.some((trend) => trend > TREND_RATIO) !== true) return undefined;
  const start = (7 * (beforeWatts + power) - (earlierWatts + afterWatts)) / 12;
  const end = (7 * (power + afterWatts) - (beforeWatts + laterWatts)) / 12;
  const bend = 6 * power - 3 * (start + end);
  return (share) =>
    clamp(
      share * (start + share * ((end - start + bend) / 2 - (share * bend) / 3)),
      Math.min(0, power),
      Math.max(0, power),
    );
}

/** Clock error of an edge: when a program started, and when a reading was stamped. */
const CLOCK_UNCERTAINTY_SECONDS = 0.001;

/** Standard uncertainty of the energy before `time` that comes from cutting here (docs/measurement.md §4.6, §4.8). */
export function cutUncertainty(
  cell: MeasuredCell,
  time: number,
  around: Surroundings,
  edge: Edge,
): number {
  const clock = Math.abs(cellWatts(cell)) * CLOCK_UNCERTAINTY_SECONDS;
  if (cell.extension !== undefined) {
    const { towards, uncertaintyJoules } = cell.extension;
    const beyond = towards === 'start' ? cell.end - time : time - cell.start;
    return Math.hypot(clock, (uncertaintyJoules * beyond) / (cell.end - cell.start));
  }
  return Math.hypot(
    clock,
    cell.sharingJoules,
    timingUncertainty(cell, time, around, edge),
    insideUncertainty(cell, time, around, edge),
    unseenUncertainty(cell, time, around),
  );
}

/**
 * What not knowing the cell's limits costs. Late readings of power shift all of it: where power is the same at both
 * ends of a stretch nothing is lost. A step of the counter holds all the energy since the one before, so being late by
 * σ is P·σ; at a run's edge it is the power outside.
 */
function timingUncertainty(
  cell: MeasuredCell,
  time: number,
  { before, after, swingWatts }: Surroundings,
  edge: Edge,
): number {
  const { startTimingSeconds, endTimingSeconds } = cell;
  if (cell.method !== 'counter') {
    const swing = Math.max(cell.swingWatts, swingWatts);
    return (swing * Math.max(startTimingSeconds, endTimingSeconds)) / Math.SQRT2;
  }
  const box = cell.profile === 'box';
  if (box && edge === 'start' && before !== undefined) {
    return Math.hypot(before.watts * startTimingSeconds, before.doubtWatts * (time - cell.start));
  }
  if (box && edge === 'end' && after !== undefined) {
    return Math.hypot(after.watts * endTimingSeconds, after.doubtWatts * (cell.end - time));
  }
  const { start, end } = cell.step ?? cell;
  const share = (time - start) / (end - start);
  const power = Math.abs(cellWatts(cell));
  return power * Math.hypot((1 - share) * startTimingSeconds, share * endTimingSeconds);
}

// Boxes show less of a fast load's swing than there is: of a square of 130 ms in boxes of 100 ms a third.
const HIDDEN_FACTOR = 4;
// A plain step's place follows from its box's mean; that it was only one is not certain.
const PLAIN_FACTOR = 0.25;

/** How far the energy before `share` of a stretch can lie from an even course, when power moves over `swing`. */
const reachJoules = (swingWatts: number, seconds: number, share: number): number =>
  swingWatts * seconds * share * (1 - share);

/** What lies inside a box nobody saw; at a run's edge, how far two readings of it differ. */
function insideUncertainty(
  cell: MeasuredCell,
  time: number,
  around: Surroundings,
  edge: Edge,
): number {
  const duration = cell.end - cell.start;
  const share = (time - cell.start) / duration;
  if (cell.profile !== 'box') {
    return reachJoules(Math.abs(cell.endWatts - cell.startWatts), duration, share) / Math.sqrt(3);
  }
  const found = energyBeforeInBox(cell, time, around);
  const plain = isPlainStep(around);
  const swing = (plain ? PLAIN_FACTOR : HIDDEN_FACTOR) * around.swingWatts;
  const uneven = plain ? 0 : found - share * cell.energyJoules;
  const reach = Math.hypot(reachJoules(swing, duration, share), uneven);
  if (edge === undefined) return reach / Math.sqrt(3);
  const outside = edge === 'start' ? around.before : around.after;
  if (outside === undefined) return unknownOutside(cell, time, edge) / Math.sqrt(3);
  const declared = energyAtEdge(cell, time, around, edge);
  return Math.min(Math.abs(declared - found), reach) / Math.sqrt(3);
}

/** What a box holds beyond a run's edge, where nobody knows the power there: anything up to its mean. */
const unknownOutside = (cell: MeasuredCell, time: number, edge: 'start' | 'end'): number =>
  Math.abs(cellWatts(cell)) * (edge === 'start' ? time - cell.start : cell.end - time);

/** Readings that miss a part of the time share a counter's step out only as well as they see it. */
function unseenUncertainty(cell: MeasuredCell, time: number, { swingWatts }: Surroundings): number {
  if (cell.step === undefined || cell.unseenRatio === 0) return 0;
  const { start, end } = cell.step;
  const share = (time - start) / (end - start);
  return uniformUncertainty(cell.unseenRatio * reachJoules(swingWatts, end - start, share));
}
