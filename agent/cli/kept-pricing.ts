// The options that price a run, as the ledger keeps them: a report re-opens them, and may be told to change some.

import { existsSync } from 'node:fs';
import { resolve } from 'node:path';

import { resolveStored, UsageError } from '../config.ts';
import { OPTIONS, type Config, type OptionKey } from '../options.ts';
import { present } from '../report/present.ts';
import type { ReportOptionChange } from '../report/report.ts';

/** A file that a run was priced with. */
interface LostFile {
  readonly key: OptionKey;
  readonly path: string;
}

/** The options that say what energy costs and emits. */
export const PRICING_KEYS: readonly OptionKey[] = [
  'price',
  'currency',
  'tariff',
  'priceGap',
  'tariffTimeZone',
  'siteLoad',
  'demandMinutes',
  'zone',
  'grid',
  'atYear',
  'contract',
  'pue',
];

/** What changes a run's bill when it is asked for again; the host's power is energy beside the GPUs'. */
const REPRICING_KEYS: readonly OptionKey[] = [...PRICING_KEYS, 'hostWatts'];

/** Options that add lines to a report without changing the price of energy. */
export const EXTRA_KEYS: readonly OptionKey[] = [
  'wue',
  'ewif',
  'embodiedKilograms',
  'rentPerGpuHour',
  'inputs',
  'socialCostPerTonne',
  'dataPath',
];

const FILE_KEYS: ReadonlySet<OptionKey> = new Set([
  'tariff',
  'siteLoad',
  'grid',
  'contract',
  'inputs',
]);
/** What a new option makes void of what was kept: one price or a file of them, one zone or a grid of one's own. */
const REPLACED: Partial<Readonly<Record<OptionKey, readonly OptionKey[]>>> = {
  price: ['tariff', 'priceGap', 'tariffTimeZone', 'siteLoad', 'demandMinutes'],
  tariff: ['price', 'currency', 'priceGap', 'tariffTimeZone', 'siteLoad', 'demandMinutes'],
  zone: ['grid', 'atYear'],
  grid: ['zone', 'atYear'],
  // Hardware is rented or owned; a new file may say that it is owned.
  inputs: ['rentPerGpuHour'],
};

/** What a run's books are kept under; files by their whole path, because a report is asked for from anywhere. */
export const pricingFacts = (config: Config): Readonly<Record<string, unknown>> => ({
  pricing: Object.fromEntries(
    [...REPRICING_KEYS, ...EXTRA_KEYS].flatMap((key) => {
      const value = config[key];
      if (value === undefined) return [];
      return [[key, FILE_KEYS.has(key) && typeof value === 'string' ? resolve(value) : value]];
    }),
  ),
});

/**
 * What was kept, with what is asked for now in its place.
 * @throws UsageError when a ledger holds what no option takes
 */
export async function keptPricing(facts: unknown, asked: Config): Promise<Config> {
  const kept: Partial<Record<OptionKey, unknown>> = { ...(await resolveStored(facts)) };
  for (const [key, replaced] of Object.entries(REPLACED)) {
    if (asked[key as OptionKey] === undefined) continue;
    for (const other of replaced) delete kept[other];
  }
  return { ...(kept as Config), ...asked };
}

/** How an option is written on the command line, `--` included. */
export const flagOf = (key: OptionKey): string => OPTIONS[key].flags.split(' ')[0] ?? key;

/** The pricing options in which what is asked for now differs from what was kept. @throws as keptPricing */
export async function changedPricing(
  facts: unknown,
  asked: Config,
): Promise<readonly ReportOptionChange[]> {
  const kept = await resolveStored(facts);
  const now = await keptPricing(facts, asked);
  return REPRICING_KEYS.flatMap((key) => {
    const [before, after] = [shownValue(kept[key]), shownValue(now[key])];
    if (before === after) return [];
    return [{ option: flagOf(key), ...present({ before, after }) }];
  });
}

const shownValue = (value: Config[OptionKey]): string | number | undefined =>
  typeof value === 'number' || value === undefined ? value : String(value);

/** Whether anything is asked for that changes what a run costs or emits. */
export const isRepriced = (asked: Config): boolean =>
  REPRICING_KEYS.some((key) => asked[key] !== undefined);

/** The pricing files that what was kept names, that nothing asked for takes the place of, and that are not there any more. */
export const lostFiles = (merged: Config, asked: Config): readonly LostFile[] =>
  [...FILE_KEYS].flatMap((key) => {
    const path = merged[key];
    const isLost = typeof path === 'string' && asked[key] === undefined && !existsSync(path);
    return isLost ? [{ key, path }] : [];
  });

/** A run cannot be priced anew without the file that it was priced with. */
export function lostFileError({ key, path }: LostFile): UsageError {
  const flag = flagOf(key);
  const others = Object.entries(REPLACED).filter(([, replaced]) => replaced.includes(key));
  const mends = [flag, ...others.map(([other]) => flagOf(other as OptionKey))].join(' or ');
  return new UsageError(
    `${flag} ${path}, which the run was priced with, is not there any more. Put it back, or give ${mends} for another.`,
  );
}
