// The one door for tariff files: zones, OpenEI or a series, told apart by what is in them. Text in, tariff out. Pure.

import { z } from 'zod';

import { InputError } from '../input-error.ts';
import { mapSchedule, type Schedule } from '../schedule.ts';
import { looksLikeDocument, readDocument, readSeries } from '../series-file.ts';
import type { TariffOptions } from './options.ts';
import { seriesTariff } from './series.ts';
import type { Tariff } from './tariff.ts';
import { isUrdb } from './urdb-file.ts';
import { urdbTariff } from './urdb.ts';
import { zonesTariff } from './zones.ts';

export type { TariffOptions } from './options.ts';

const KILOWATTS_BY_UNIT: ReadonlyMap<string, number> = new Map([
  ['w', 0.001],
  ['kw', 1],
  ['mw', 1000],
]);

/**
 * Reads a tariff file: YAML or JSON with `zones`, an OpenEI URDB tariff, or a `start,end,value` series.
 * @throws InputError in one line: file, row or path, and the mend
 */
export function readTariff(text: string, options: TariffOptions): Tariff {
  if (!looksLikeDocument(text)) return seriesTariff(text, options);
  const document = readDocument(text, options.fileName);
  if (isUrdb(document)) return urdbTariff(document, options);
  if (has(document, 'zones')) return zonesTariff(document, options);
  if (Array.isArray(document) || has(document, 'rows')) return seriesTariff(text, options);
  throw new InputError(
    options.fileName,
    'it is no tariff',
    'Write zones, an OpenEI tariff (energyratestructure) or rows of start,end,value',
  );
}

/** Reads a site's load curve (see readSeries) in kW; a unit of W, kW or MW must stand with the values. */
export function readSiteLoad(
  text: string,
  options: { readonly fileName: string; readonly timeZone: string },
): Schedule {
  const { series, unit } = readSeries(text, options);
  const kilowatts = KILOWATTS_BY_UNIT.get((unit ?? '').toLowerCase());
  if (kilowatts === undefined) {
    throw new InputError(
      options.fileName,
      unit === undefined ? 'the load has no unit' : `the load's unit "${unit}" is no power`,
      'Write it in the header, e.g. start,end,value [kW]',
    );
  }
  return mapSchedule(series.schedule, (value) => value * kilowatts);
}

function has(document: unknown, key: string): boolean {
  return z.looseObject({ [key]: z.array(z.unknown()) }).safeParse(document).success;
}
