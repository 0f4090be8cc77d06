// The grams of rows of intervals: to the last bit what charge.ts makes of them one by one. Pure.

import type { IntervalColumns, RowSpan } from '../interval-columns.ts';
import { stepsOf, type Schedule } from '../schedule.ts';
import { instant, kilowattHours } from '../units.ts';
import { emittedBy } from './charge.ts';
import type { Grid } from './grid.ts';

/** Puts grams beside the rows' facility energy; NaN, an unknown, where the grid has a gap or there is none. */
export function emitRows(columns: IntervalColumns, span: RowSpan, grid: Grid | undefined): void {
  const { locationBasedGrams, marketBasedGrams } = columns.numbers;
  emitInto(locationBasedGrams, columns, span, grid?.intensity);
  emitInto(marketBasedGrams, columns, span, grid?.market?.intensity);
}

function emitInto(
  grams: Float64Array,
  { numbers }: IntervalColumns,
  { from, to }: RowSpan,
  intensity: Schedule | undefined,
): void {
  if (intensity === undefined) {
    grams.fill(NaN, from, to);
    return;
  }
  const intensityOver = stepsOf(intensity);
  for (let row = from; row < to; row += 1) {
    const offset = numbers.wallOffsetSeconds[row] ?? 0;
    const startSeconds = instant((numbers.startSeconds[row] ?? NaN) + offset);
    const endSeconds = instant((numbers.endSeconds[row] ?? NaN) + offset);
    const energy = kilowattHours(numbers.facilityKilowattHours[row] ?? NaN);
    const one = intensityOver(startSeconds, endSeconds);
    const use = { startSeconds, endSeconds, facilityKilowattHours: energy };
    grams[row] = one === undefined ? (emittedBy(use, intensity) ?? NaN) : energy * one;
  }
}
