// Where inside a cell its energy lies, when an interval must end in the middle of it. Whatever is given to one side is
// taken from the other, so a cut conserves energy by construction. MEASUREMENT.md §4.6.

import { cellWatts, type MeasuredCell } from './cell.ts';

/** What is known beside a cell that must be cut. */
export interface Surroundings {
  /** Power just before the cell, just after it. */
  readonly beforeWatts: number | undefined;
  readonly afterWatts: number | undefined;
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

/** Energy of the cell before `time`; `edges` are those that lie inside the cell, in order of time. */
export function energyBefore(
  cell: MeasuredCell,
  time: number,
  around: Surroundings,
  edges: readonly KnownEdge[],
): number {
  if (time <= cell.start) return 0;
  if (time >= cell.end) return cell.energyJoules;
  if (cell.profile !== 'box') return energyBeforeOnRamp(cell, time);
  return edges.length > 0
    ? energyBetweenEdges(cell, time, around, edges)
    : energyBeforeInBox(cell, time, around);
}

/** E(a) = P_pre·(a − (u−W)) before a run's start, P_post·(u − b) after its end, and level in between. */
function energyBetweenEdges(
  cell: MeasuredCell,
  time: number,
  around: Surroundings,
  edges: readonly KnownEdge[],
): number {
  let from = { time: cell.start, joules: 0 };
  for (const { time: at, edge } of edges) {
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
  { beforeWatts, afterWatts }: Surroundings,
  edge: 'start' | 'end',
): number {
  const energy = cell.energyJoules;
  const low = Math.min(0, energy);
  const high = Math.max(0, energy);
  if (edge === 'start' && beforeWatts !== undefined) {
    return clamp(beforeWatts * (time - cell.start), low, high);
  }
  if (edge === 'end' && afterWatts !== undefined) {
    return energy - clamp(afterWatts * (cell.end - time), low, high);
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
 * box's mean says: a step's own place instead of a guess. A box higher or lower than both its neighbours is level.
 */
function energyBeforeInBox(
  cell: MeasuredCell,
  time: number,
  { beforeWatts, afterWatts }: Surroundings,
): number {
  const power = cellWatts(cell);
  const passed = time - cell.start;
  if (beforeWatts === undefined || afterWatts === undefined) return power * passed;
  if ((power - beforeWatts) * (afterWatts - power) <= 0) return power * passed;
  const step = ((cell.end - cell.start) * (afterWatts - power)) / (afterWatts - beforeWatts);
  return passed <= step ? beforeWatts * passed : beforeWatts * step + afterWatts * (passed - step);
}

/** Clock error of an edge: when a program started, and when a reading was stamped. */
const CLOCK_UNCERTAINTY_SECONDS = 0.001;

/** Standard uncertainty of the energy before `time` that comes from cutting here (MEASUREMENT.md §4.6, §4.8). */
export function cutUncertainty(
  cell: MeasuredCell,
  time: number,
  around: Surroundings,
  edge: Edge,
): number {
  const power = Math.abs(cellWatts(cell));
  const clock = power * CLOCK_UNCERTAINTY_SECONDS;
  if (cell.extension !== undefined) {
    const { towards, uncertaintyJoules } = cell.extension;
    const beyond = towards === 'start' ? cell.end - time : time - cell.start;
    return Math.hypot(clock, (uncertaintyJoules * beyond) / (cell.end - cell.start));
  }
  const step = stepWatts(cell, around);
  const timing = timingUncertainty(cell, time, around, edge, step);
  if (cell.profile === 'level') return Math.hypot(clock, timing);
  const inside = Math.min(time - cell.start, cell.end - time);
  return Math.hypot(clock, timing, insideUncertainty(cell, time, around, edge, step * inside));
}

// A neighbour that nobody knows may well differ by this.
const UNKNOWN_STEP_RATIO = 0.3;

/** By how much power changes at a cell or inside it; of a box only its neighbours can tell. */
function stepWatts(cell: MeasuredCell, { beforeWatts, afterWatts }: Surroundings): number {
  if (cell.profile !== 'box') return Math.abs(cell.endWatts - cell.startWatts);
  const power = cellWatts(cell);
  const steps = [beforeWatts, afterWatts].map((beside) =>
    beside === undefined ? UNKNOWN_STEP_RATIO * Math.abs(power) : Math.abs(beside - power),
  );
  return Math.max(...steps);
}

/**
 * What not knowing the cell's limits costs. Readings of power: the step between two of them. A step of the counter
 * holds all the energy since the one before, so being late by σ is P·σ; at a run's edge it is the power outside.
 */
function timingUncertainty(
  cell: MeasuredCell,
  time: number,
  { beforeWatts, afterWatts }: Surroundings,
  edge: Edge,
  step: number,
): number {
  const { startTimingSeconds, endTimingSeconds } = cell;
  if (cell.method !== 'counter') return step * Math.max(startTimingSeconds, endTimingSeconds);
  const box = cell.profile === 'box';
  if (box && edge === 'start' && beforeWatts !== undefined) return beforeWatts * startTimingSeconds;
  if (box && edge === 'end' && afterWatts !== undefined) return afterWatts * endTimingSeconds;
  const share = (time - cell.start) / (cell.end - cell.start);
  const power = Math.abs(cellWatts(cell));
  return power * Math.hypot((1 - share) * startTimingSeconds, share * endTimingSeconds);
}

/** |ΔP|·T/(2√3) in the middle of a box, nothing at its limits; at a run's edge, how far two readings of it differ. */
function insideUncertainty(
  cell: MeasuredCell,
  time: number,
  around: Surroundings,
  edge: Edge,
  reachJoules: number,
): number {
  if (edge === undefined || cell.profile !== 'box') return reachJoules / Math.sqrt(3);
  const declared = energyAtEdge(cell, time, around, edge);
  const found = energyBeforeInBox(cell, time, around);
  return Math.min(Math.abs(declared - found), reachJoules) / Math.sqrt(3);
}
