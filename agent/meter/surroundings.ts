// What lies around a cell that an interval cuts: its neighbours' power, how far power moves near it, and the edges that
// are known inside it.

import { cellWatts, lengthOf, type Cell, type MeasuredCell } from './cell.ts';
import type { Beside, KnownEdge, Surroundings } from './split.ts';

// Where the counter begins or ends, or shares its steps out, the cells beyond are cut at any place. A sliver of one says
// little, so they count over about the cell's own length.
const NEIGHBOUR_RATIO = 0.8;
// Boxes that differ less in length are refreshes of one register.
const ALIKE_RATIO = 0.35;
// What power did within this many lengths of a cell says what it may have done inside.
const SWING_REACH = 2.5;

/** Of a cell among its neighbours, all in order of time. */
export function surroundingsOf(
  cells: readonly Cell[],
  index: number,
  edges: readonly KnownEdge[],
): Surroundings {
  const cell = cells[index];
  if (cell?.kind !== 'measured') return NOTHING_AROUND;
  return {
    before: beside(cells, index, cell, -1),
    after: beside(cells, index, cell, 1),
    earlierWatts: beyond(cells, index, cell, -1),
    laterWatts: beyond(cells, index, cell, 1),
    swingWatts: swingAround(cells, index, cell),
    edges: edges.filter(({ time }) => time > cell.start && time < cell.end),
  };
}

/** Of a cell that has no neighbours, or is not cut. */
export const NOTHING_AROUND: Surroundings = {
  before: undefined,
  after: undefined,
  earlierWatts: undefined,
  laterWatts: undefined,
  swingWatts: 0,
  edges: [],
};

type Direction = 1 | -1;

/** Power beside a cell. */
function beside(
  cells: readonly Cell[],
  index: number,
  cell: MeasuredCell,
  direction: Direction,
): Beside | undefined {
  const next = cells[index + direction];
  if (next?.kind !== 'measured') return undefined;
  const length = NEIGHBOUR_RATIO * lengthOf(cell);
  const isWhole = cell.method === next.method && lengthOf(next) >= length;
  const power = isWhole ? nearWatts(next, direction) : meanBeside(cells, index, direction, length);
  return { watts: power, doubtWatts: doubtWattsOf(next, power) };
}

/** Mean power over `length` seconds beside a cell. */
function meanBeside(
  cells: readonly Cell[],
  index: number,
  direction: Direction,
  length: number,
): number {
  let energy = 0;
  let seconds = 0;
  for (let at = index + direction; seconds < length; at += direction) {
    const cell = cells[at];
    if (cell?.kind !== 'measured') break;
    const part = Math.min(lengthOf(cell), length - seconds);
    energy += nearWatts(cell, direction) * part;
    seconds += part;
  }
  return energy / seconds;
}

/** Power of the box beyond the neighbour, where both are of about the cell's length. */
function beyond(
  cells: readonly Cell[],
  index: number,
  cell: MeasuredCell,
  direction: Direction,
): number | undefined {
  const near = cells[index + direction];
  const far = cells[index + 2 * direction];
  return isLike(cell, near) && isLike(cell, far) ? cellWatts(far) : undefined;
}

/** Whether another cell is a box of about the same length, told by the same method. */
const isLike = (cell: MeasuredCell, other: Cell | undefined): other is MeasuredCell =>
  other?.kind === 'measured' &&
  other.profile === 'box' &&
  other.method === cell.method &&
  Math.abs(lengthOf(other) / lengthOf(cell) - 1) < ALIKE_RATIO;

/** Between which powers a cell and those near it lie. */
function swingAround(cells: readonly Cell[], index: number, cell: MeasuredCell): number {
  const { start, end } = cell.step ?? cell;
  const reach = SWING_REACH * (end - start);
  let low = Infinity;
  let high = -Infinity;
  for (const direction of [-1, 1] as const) {
    for (let at = index; ; at += direction) {
      const near = cells[at];
      if (near?.kind !== 'measured') break;
      if (near.end <= start - reach || near.start >= end + reach) break;
      low = Math.min(low, near.minWatts, cellWatts(near));
      high = Math.max(high, near.maxWatts, cellWatts(near));
    }
  }
  return high - low;
}

/** Power of a cell where it meets the one that it lies before (direction -1) or after. */
function nearWatts(cell: MeasuredCell, direction: Direction): number {
  if (cell.profile !== 'ramp') return cellWatts(cell);
  return direction < 0 ? cell.endWatts : cell.startWatts;
}

/** Doubt about a cell's power: a counter's from not knowing how long it took, a reading's from what it averages over. */
function doubtWattsOf(cell: MeasuredCell, power: number): number {
  if (cell.method !== 'counter') {
    return Math.min(cell.swingWatts / Math.sqrt(3), cell.sharingJoules / lengthOf(cell));
  }
  const { start, end } = cell.step ?? cell;
  const timing = Math.hypot(cell.startTimingSeconds, cell.endTimingSeconds);
  return (Math.abs(power) * timing) / (end - start);
}
