// A tariff from a series of prices, retail or wholesale: cur/MWh becomes cur/kWh, network, levies and tax are added.
// Pure.

import { z } from 'zod';

import { InputError, inputErrorOf } from '../input-error.ts';
import { formatInstant } from '../local-time.ts';
import type { Warning } from '../model.ts';
import { mapSchedule } from '../schedule.ts';
import { readSeries, type SeriesFile } from '../series-file.ts';
import type { HeldStretch } from '../series.ts';
import { DEFAULT_CURRENCY } from './flat.ts';
import { currencyIfSaid, type TariffOptions } from './options.ts';
import type { Tariff } from './tariff.ts';

/** What may stand beside the rows; network and levies are per kWh, tax is a share (0.19) of everything. */
const aboutPrices = z.object({
  name: z.string().optional(),
  currency: z.string().optional(),
  network: z.number().default(0),
  levies: z.number().default(0),
  tax: z.number().min(0).max(2, 'Tax is a share such as 0.19, not per cent').default(0),
});

/** Energy per unit of price, in kWh. */
const KILOWATT_HOURS_BY_UNIT: ReadonlyMap<string, number> = new Map([
  ['wh', 0.001],
  ['kwh', 1],
  ['mwh', 1000],
]);

/**
 * Reads a price series (see readSeries): values per kWh unless the unit says `EUR/MWh`. Rows alone name no currency: USD
 * is assumed then, and said to be.
 * @throws InputError
 */
export function seriesTariff(text: string, options: TariffOptions): Tariff {
  const { fileName } = options;
  const file = readSeries(text, {
    fileName,
    timeZone: options.timeZone,
    gap: options.priceGap ?? 'error',
  });
  const parsed = aboutPrices.safeParse(file.about);
  if (!parsed.success) {
    throw inputErrorOf(fileName, parsed.error.issues, 'Give a number per kWh, and tax as a share');
  }
  const { name, network, levies, tax } = parsed.data;
  const unit = unitOf(file, fileName);
  const currency = currencyIfSaid(parsed.data.currency ?? unit.currency, options);
  return {
    name: name ?? fileName,
    source: fileName,
    currency: currency ?? DEFAULT_CURRENCY,
    provenance: currency === undefined ? 'assumed' : 'derived',
    price: mapSchedule(
      file.series.schedule,
      (value) => (value / unit.kilowattHours + network + levies) * (1 + tax),
    ),
    timeZone: file.timeZone,
    notes: [
      ...(currency === undefined ? [currencyNote(fileName)] : []),
      ...file.series.held.map((stretch) => heldNote(stretch, fileName)),
    ],
  };
}

interface PriceUnit {
  readonly currency: string | undefined;
  readonly kilowattHours: number;
}

function unitOf(file: SeriesFile, fileName: string): PriceUnit {
  if (file.unit === undefined) return { currency: undefined, kilowattHours: 1 };
  const [currency, energy, ...rest] = file.unit.split('/').map((each) => each.trim());
  const kilowattHours = KILOWATT_HOURS_BY_UNIT.get((energy ?? '').toLowerCase());
  if (kilowattHours === undefined || rest.length > 0 || !/^[A-Za-z]{3}$/.test(currency ?? '')) {
    throw new InputError(
      fileName,
      `the unit "${file.unit}" is no price of energy`,
      'Write a currency per energy, such as EUR/kWh or EUR/MWh',
    );
  }
  return { currency: currency?.toUpperCase(), kilowattHours };
}

const currencyNote = (fileName: string): Warning => ({
  code: 'currency-assumed',
  message: `${fileName} names no currency: its prices are taken as ${DEFAULT_CURRENCY} (assumed; --currency).`,
});

function heldNote(stretch: HeldStretch, fileName: string): Warning {
  const from = formatInstant(stretch.startSeconds);
  const to = stretch.endSeconds === undefined ? 'on' : `to ${formatInstant(stretch.endSeconds)}`;
  return {
    code: 'price-held',
    message: `${fileName} has no price from ${from} ${to}: the last one is held there (--price-gap hold).`,
  };
}
