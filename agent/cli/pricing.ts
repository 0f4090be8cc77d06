// Config → what energy costs and emits: reads the tariff and grid files, and joins price and carbon into a charge.

import { readFileSync } from 'node:fs';
import { basename } from 'node:path';

import { emissionsOf } from '../carbon/charge.ts';
import type { Grid } from '../carbon/grid.ts';
import { UsageError } from '../config.ts';
import type { ChargedInterval, Interval, Provenance, Warning } from '../model.ts';
import type { Config } from '../options.ts';
import { priceInterval } from '../price/charge.ts';
import { flatTariff } from '../price/flat.ts';
import type { Tariff } from '../price/tariff.ts';
import { after, instant, type Instant } from '../units.ts';

/** Everything that turns joules into money and grams. */
export interface Pricing {
  readonly tariff: Tariff;
  readonly grid: Grid | { readonly missing: string };
  readonly powerUsageEffectiveness: { readonly value: number; readonly provenance: Provenance };
  readonly warnings: readonly Warning[];
  /** A fresh charger: tiers remember the month's energy, so each run or report has its own. */
  createCharger(): (interval: Interval) => ChargedInterval;
  /** When a price or an intensity next changes. */
  nextChange(time: Instant): Instant | undefined;
}

/** Reads what the options name. @throws UsageError, InputError */
export async function openPricing(config: Config): Promise<Pricing> {
  const tariff = await openTariff(config);
  const grid = await openGrid(config);
  const pue = config.pue ?? 1;
  return {
    tariff,
    grid,
    powerUsageEffectiveness: {
      value: pue,
      provenance: config.pue === undefined ? 'assumed' : 'derived',
    },
    warnings: tariff.notes ?? [],
    createCharger: () => charger(tariff, grid, pue),
    nextChange: (time) =>
      earliest(
        tariff.price.nextChange(time),
        'missing' in grid ? undefined : grid.intensity.nextChange(time),
      ),
  };
}

function charger(
  tariff: Tariff,
  grid: Grid | { readonly missing: string },
  pue: number,
): (interval: Interval) => ChargedInterval {
  return (interval) => {
    // Prices are told by the wall clock; an interval's own time may differ after somebody set it.
    const offset = interval.wallOffsetSeconds;
    const walled =
      offset === 0
        ? interval
        : {
            ...interval,
            startSeconds: after(interval.startSeconds, offset),
            endSeconds: after(interval.endSeconds, offset),
          };
    const money = priceInterval(walled, tariff, pue);
    const use = {
      startSeconds: walled.startSeconds,
      endSeconds: walled.endSeconds,
      facilityKilowattHours: money.facilityKilowattHours,
    };
    const carbon = 'missing' in grid ? {} : emissionsOf(use, grid);
    return { ...interval, charge: { ...money, ...carbon } };
  };
}

async function openTariff(config: Config): Promise<Tariff> {
  if (config.tariff === undefined) {
    return flatTariff({
      ...(config.price === undefined ? {} : { pricePerKilowattHour: config.price }),
      ...(config.currency === undefined ? {} : { currency: config.currency }),
    });
  }
  if (config.price !== undefined)
    throw new UsageError(
      '--price and --tariff exclude each other: one price or a file of them. Leave one out.',
    );
  const { readTariff, readSiteLoad } = await import('../price/read.ts');
  const timeZone = config.tariffTimeZone ?? localTimeZone();
  return readTariff(readInput(config.tariff, '--tariff'), {
    fileName: basename(config.tariff),
    timeZone,
    timeZoneGiven: config.tariffTimeZone !== undefined,
    ...(config.currency === undefined ? {} : { currency: config.currency }),
    ...(config.priceGap === undefined ? {} : { priceGap: config.priceGap }),
    ...(config.siteLoad === undefined
      ? {}
      : {
          siteLoadKilowatts: readSiteLoad(readInput(config.siteLoad, '--site-load'), {
            fileName: basename(config.siteLoad),
            timeZone,
          }),
        }),
  });
}

async function openGrid(config: Config): Promise<Grid | { readonly missing: string }> {
  if (config.grid !== undefined) {
    const { seriesGrid } = await import('../carbon/series-grid.ts');
    return seriesGrid(readInput(config.grid, '--grid'), {
      fileName: basename(config.grid),
      timeZone: config.tariffTimeZone ?? localTimeZone(),
      gap: config.priceGap ?? 'error',
      ...(config.zone === undefined ? {} : { zone: config.zone }),
    });
  }
  if (config.zone === undefined) {
    if (config.atYear !== undefined)
      throw new UsageError('--at-year needs --zone: which grid is meant? Give --zone DEU, say.');
    return { missing: 'no grid zone given: --zone ISO3 (such as DEU) or --grid FILE' };
  }
  const { co2jsGrid } = await import('../carbon/co2js.ts');
  return co2jsGrid({
    zone: config.zone,
    ...(config.atYear === undefined ? {} : { atYear: config.atYear }),
  });
}

/** The machine's zone; said in the report wherever it is used. */
export const localTimeZone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone;

/** A whole small text file. @throws UsageError */
export function readInput(path: string, option: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new UsageError(
      `Cannot read ${option} ${path} (${code}). Does it exist, and may you read it?`,
    );
  }
}

function earliest(...times: readonly (Instant | undefined)[]): Instant | undefined {
  const known = times.filter((time) => time !== undefined);
  return known.length === 0 ? undefined : instant(Math.min(...known));
}

/** The options that say what energy costs and emits, as the ledger keeps them: a report re-opens them. */
export const PRICING_KEYS: readonly (keyof Config)[] = [
  'price',
  'currency',
  'tariff',
  'priceGap',
  'tariffTimeZone',
  'siteLoad',
  'zone',
  'grid',
  'atYear',
  'pue',
];

/** What a run's books were kept under. */
export const pricingFacts = (config: Config): Readonly<Record<string, unknown>> => ({
  pricing: Object.fromEntries(
    PRICING_KEYS.flatMap((key) => (config[key] === undefined ? [] : [[key, config[key]]])),
  ),
});
