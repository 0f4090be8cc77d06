// A grid of the user's own: intensities as start,end,value rows (series.ts reads and checks them). Pure.

import { InputError } from '../input-error.ts';
import { formatInstant } from '../local-time.ts';
import { seriesOf, type GapPolicy, type SeriesRow } from '../series.ts';
import type { Grid } from './grid.ts';

/** What the file says of itself; what it leaves out is said to be unstated. */
export interface SeriesGridFacts {
  readonly file: string;
  readonly zone?: string;
  readonly dataset?: string;
}

/**
 * A grid whose intensity is in g CO₂e per kWh, row by row.
 * @throws InputError naming the row: overlaps, holes (unless held), and intensities below 0
 */
export function seriesGrid(
  rows: readonly SeriesRow[],
  facts: SeriesGridFacts,
  gap: GapPolicy,
): Grid {
  const negative = rows.find(({ value }) => value < 0);
  if (negative !== undefined) {
    throw new InputError(
      `${facts.file} row ${negative.row}`,
      `the intensity is ${negative.value} g/kWh`,
      'Write grams of CO2e per kWh, 0 or more',
    );
  }
  const series = seriesOf(rows, facts.file, gap);
  const span = `${formatInstant(series.startSeconds)} to ${formatInstant(series.endSeconds)}`;
  return {
    zone: facts.zone ?? 'as in the file',
    dataset: facts.dataset ?? facts.file,
    vintage: `series of ${series.rowCount} values, ${span}${gap === 'hold' ? ', gaps held' : ''}`,
    provenance: 'derived',
    intensity: series.schedule,
  };
}
