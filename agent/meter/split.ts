// Where inside a cell its energy lies, when an interval must end in the middle of it. Whatever is given to one side is
// taken from the other, so a cut conserves energy by construction. MEASUREMENT.md §4.6.

import { cellWatts, type MeasuredCell } from './cell.ts';

/** What is known beside a cell that must be cut. */
export interface Surroundings {
  /** Power just before the cell, just after it. */
  readonly beforeWatts: number | undefined;
  readonly afterWatts: number | undefined;
}

/** A run starts or ends at the cut, so power is thought to step exactly there. */
export type Edge = 'start' | 'end' | undefined;

const clamp = (value: number, low: number, high: number): number =>
  Math.min(Math.max(value, low), high);

/** Energy of the cell before `time`. */
export function energyBefore(
  cell: MeasuredCell,
  time: number,
  around: Surroundings,
  edge: Edge,
): number {
  if (time <= cell.start) return 0;
  if (time >= cell.end) return cell.energyJoules;
  return cell.profile === 'box'
    ? energyBeforeInBox(cell, time, around, edge)
    : energyBeforeOnRamp(cell, time);
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
 * box's mean says: E = y·W − P_pre·(a − (u−W)) with the step's own place instead of a guess. A box that is higher or
 * lower than both its neighbours is level, unless a run's edge says where the power stepped.
 */
function energyBeforeInBox(
  cell: MeasuredCell,
  time: number,
  { beforeWatts, afterWatts }: Surroundings,
  edge: Edge,
): number {
  const power = cellWatts(cell);
  const passed = time - cell.start;
  const rest = cell.end - time;
  const low = Math.min(0, cell.energyJoules);
  const high = Math.max(0, cell.energyJoules);
  if (edge === 'start' && beforeWatts !== undefined) {
    return clamp(beforeWatts * passed, low, high);
  }
  if (edge === 'end' && afterWatts !== undefined) {
    return cell.energyJoules - clamp(afterWatts * rest, low, high);
  }
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
  const step = Math.max(
    Math.abs((around.beforeWatts ?? power) - power),
    Math.abs((around.afterWatts ?? power) - power),
    Math.abs(cell.endWatts - cell.startWatts),
  );
  const timing = timingUncertainty(cell, time, around, edge, step);
  if (cell.profile === 'level') return Math.hypot(clock, timing);
  const inside = Math.min(time - cell.start, cell.end - time);
  return Math.hypot(clock, timing, insideUncertainty(cell, time, around, edge, step * inside));
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
  stepWatts: number,
): number {
  const { startTimingSeconds, endTimingSeconds } = cell;
  if (cell.method !== 'counter') return stepWatts * Math.max(startTimingSeconds, endTimingSeconds);
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
  if (edge === undefined) return reachJoules / Math.sqrt(3);
  const declared = energyBefore(cell, time, around, edge);
  const found = energyBefore(cell, time, around, undefined);
  return Math.min(Math.abs(declared - found), reachJoules) / Math.sqrt(3);
}
