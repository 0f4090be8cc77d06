// A grid of the user's own: intensities as start,end,value rows, the shape that prices have too. Pure.

import { z } from 'zod';

import { InputError, inputErrorOf } from '../input-error.ts';
import { formatInstant } from '../local-time.ts';
import { mapSchedule, slicesOf } from '../schedule.ts';
import { readSeries, type SeriesFile } from '../series-file.ts';
import type { GapPolicy } from '../series.ts';
import type { Grid } from './grid.ts';

/** What may stand beside the rows; what does not is said to be unstated. */
const aboutGrid = z.object({
  zone: z.string().optional(),
  dataset: z.string().optional(),
  vintage: z.string().optional(),
});

/** g/kWh per unit. A pound is 453.59237 g exactly, so lb/MWh × 0.45359237 (ECONOMICS.md §3). */
const GRAMS_PER_KILOWATT_HOUR_BY_UNIT: ReadonlyMap<string, number> = new Map([
  ['g/kwh', 1],
  ['kg/mwh', 1],
  ['kg/kwh', 1000],
  ['t/mwh', 1000],
  ['lb/mwh', 0.45359237],
  ['lbs/mwh', 0.45359237],
]);
// gCO2eq/kWh, g CO2e / kWh and kgCO₂/MWh mean the same as without the gas.
const GAS = /\s*CO(?:2|₂)-?(?:eq?)?\s*/i;

/** How to read the file. */
export interface SeriesGridOptions {
  readonly fileName: string;
  /** Zone of times that carry none. */
  readonly timeZone: string;
  readonly gap: GapPolicy;
  /** The grid zone, where the file does not name it. */
  readonly zone?: string;
}

/**
 * Reads an intensity series (see readSeries): g CO₂e per kWh unless the unit says otherwise.
 * @throws InputError naming file, row or instant, and mend
 */
export function seriesGrid(text: string, options: SeriesGridOptions): Grid {
  const { fileName } = options;
  const file = readSeries(text, options);
  const about = aboutGrid.safeParse(file.about);
  if (!about.success) throw inputErrorOf(fileName, about.error.issues, 'Give it as a text');
  const factor = factorOf(file, fileName);
  refuseNegative(file, fileName);
  const { zone, dataset = fileName, vintage } = about.data;
  return {
    zone: zone ?? options.zone ?? 'not named in the file',
    dataset,
    vintage: vintage ?? spanOf(file),
    provenance: 'derived',
    intensity: mapSchedule(file.series.schedule, (value) => value * factor),
  };
}

function spanOf({ series }: SeriesFile): string {
  const span = `${formatInstant(series.startSeconds)} to ${formatInstant(series.endSeconds)}`;
  const held = series.held.length > 0 ? ', held where rows are missing' : '';
  return `series of ${series.rowCount} values, ${span}${held}`;
}

function factorOf({ unit }: SeriesFile, fileName: string): number {
  if (unit === undefined) return 1;
  const plain = unit.replace(GAS, '').replaceAll(/\s/g, '').toLowerCase();
  const factor = GRAMS_PER_KILOWATT_HOUR_BY_UNIT.get(plain);
  if (factor !== undefined) return factor;
  throw new InputError(
    fileName,
    `'${unit}' is no unit of carbon intensity`,
    'Write g/kWh, kg/MWh, t/MWh or lb/MWh',
  );
}

function refuseNegative({ series }: SeriesFile, fileName: string): void {
  for (const slice of slicesOf(series.schedule, series.startSeconds, series.endSeconds)) {
    if (slice.value === undefined || slice.value >= 0) continue;
    throw new InputError(
      fileName,
      `the intensity at ${formatInstant(slice.startSeconds)} is ${slice.value}`,
      'Write 0 or more',
    );
  }
}
