// The cells of one step of the counter: its energy in the shape that the power readings give, or as one box.

import { cellWatts, levelCell, lengthOf, unseenInside, type MeasuredCell } from './cell.ts';

/** Where a step lies, and how well its ends are known. */
type StepFrame = Pick<MeasuredCell, 'startTimingSeconds' | 'endTimingSeconds'> & {
  readonly step: { readonly start: number; readonly end: number };
};

/** What a step holds. */
interface StepEnergy {
  readonly energyJoules: number;
  /** By the power readings; NaN where they do not cover the step. */
  readonly integralJoules: number;
  /** Systematic doubt: the two sources disagree. */
  readonly doubtJoules: number;
}

/** Adds something up over cells. */
export const sumOver = (
  cells: readonly MeasuredCell[],
  of: (cell: MeasuredCell) => number,
): number => cells.reduce((total, cell) => total + of(cell), 0);

/** Power readings over [start, end), with short holes closed at the power beside them. */
export function withoutHoles(
  cells: readonly MeasuredCell[],
  start: number,
  end: number,
): readonly MeasuredCell[] {
  const closed: MeasuredCell[] = [];
  let reached = start;
  for (const cell of cells) {
    if (cell.start > reached) closed.push(heldFrom(cell, reached, cell.start));
    closed.push(cell);
    reached = cell.end;
  }
  const last = closed.at(-1);
  if (last !== undefined && end > reached) closed.push(heldFrom(last, reached, end));
  return closed;
}

function heldFrom(beside: MeasuredCell, start: number, end: number): MeasuredCell {
  const power = cellWatts(beside);
  return { ...beside, ...levelCell(start, end, power), integralJoules: power * (end - start) };
}

/** The step's energy in the shape of the power readings that cover it. */
export function shapedStep(
  shape: readonly MeasuredCell[],
  { energyJoules, integralJoules, doubtJoules }: StepEnergy,
  frame: StepFrame,
): readonly MeasuredCell[] {
  const scale = energyJoules / integralJoules;
  return shape.map((cell) => {
    const scaledJoules = cell.integralJoules * scale;
    return {
      ...cell,
      energyJoules: scaledJoules,
      method: cell.method === 'modelled' ? 'modelled' : 'counter',
      counterJoules: scaledJoules,
      aliasJoules: 0,
      doubtJoules: doubtJoules / shape.length,
      varianceJoulesSquared: 0,
      ...frame,
    };
  });
}

/** The step as one box; `under` are the power readings in it, whole or not. */
export function flatStep(
  under: readonly MeasuredCell[],
  { energyJoules, integralJoules, doubtJoules }: StepEnergy,
  frame: StepFrame,
): MeasuredCell {
  const { start, end } = frame.step;
  const power = energyJoules / (end - start);
  return {
    ...levelCell(start, end, power),
    profile: 'box',
    minWatts: under.length > 0 ? Math.min(...under.map(({ minWatts }) => minWatts)) : power,
    maxWatts: under.length > 0 ? Math.max(...under.map(({ maxWatts }) => maxWatts)) : power,
    swingWatts: under.at(-1)?.swingWatts ?? 0,
    samples: sumOver(under, ({ samples }) => samples),
    method: 'counter',
    counterJoules: energyJoules,
    integralJoules,
    doubtJoules,
    sharingJoules: unseenInside(power, end - start),
    ...frame,
  };
}

/** The longest stretch whose inside nobody saw: a held value says as much as many short cells. */
export const longestUnseen = (shape: readonly MeasuredCell[]): number =>
  Math.max(0, ...shape.map((cell) => (cell.profile === 'level' ? 0 : lengthOf(cell))));
