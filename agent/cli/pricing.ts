// Config → what energy costs and emits: opens tariff, grid, contract and feeds, and joins price and carbon to a charge.

import { basename, join } from 'node:path';
import { homedir } from 'node:os';

import type { Grid } from '../carbon/grid.ts';
import type { Clock } from '../clock.ts';
import { UsageError } from '../config.ts';
import type { RunInputs } from '../estimate/run-inputs.ts';
import type { Feed } from '../feed/feed.ts';
import { locateStateDirectory } from '../ledger/state-dir.ts';
import type { Provenance, Warning } from '../model.ts';
import type { Config } from '../options.ts';
import { flatTariff } from '../price/flat.ts';
import type { MonthUse } from '../price/pricer.ts';
import type { Tariff } from '../price/tariff.ts';
import { instant, type Instant } from '../units.ts';
import type { Charges, GridOrReason } from './charges.ts';
import type { Context } from './context.ts';
import { checkInputs, openInputs } from './inputs.ts';
import { readInput } from './read-input.ts';

/** Everything that turns joules into money and grams. */
export interface Pricing {
  readonly tariff: Tariff;
  readonly grid: GridOrReason;
  readonly powerUsageEffectiveness: { readonly value: number; readonly provenance: Provenance };
  /** What stands beside the measurement, where it was given. */
  readonly inputs?: RunInputs;
  readonly warnings: readonly Warning[];
  /** Live services behind tariff and grid; nothing has been asked of them yet. */
  readonly feeds: readonly Feed[];
  /** Opens the charging of one run or report: tiers remember the month's energy, so each has its own, from `use` on. */
  openCharges(use?: readonly MonthUse[]): Promise<Charges>;
  /** When a price or an intensity next changes. */
  nextChange(time: Instant): Instant | undefined;
}

/**
 * Opens what the options name. Of a fleet the money may be the nodes' own: whoever knows its currency checks the inputs
 * against it.
 * @throws UsageError, InputError
 */
export async function openPricing(
  config: Config,
  context: Context,
  clock: Clock,
  { isFleet = false }: { readonly isFleet?: boolean } = {},
): Promise<Pricing> {
  const feeds: Feed[] = [];
  const openFeedOf = async (path: string, option: string): Promise<Feed | undefined> => {
    const text = readInput(path, option);
    const { isFeedFile, openFeed } = await import('../feed/open.ts');
    if (!isFeedFile(text, basename(path))) return undefined;
    const feed = await openFeed(text, basename(path), {
      clock,
      cacheDirectory: join(feedDirectory(config, context), 'feeds'),
      environment: context.environment,
    });
    feeds.push(feed);
    return feed;
  };
  const inputs = await openInputs(config);
  const tariff = await openTariff(config, openFeedOf, inputs);
  if (!isFleet) await checkInputs(inputs, tariff.currency);
  const grid = await underContract(await openGrid(config, openFeedOf), config);
  const pue = config.pue ?? 1;
  if (config.demandMinutes !== undefined) await checkDemandMinutes(config.demandMinutes);
  return {
    tariff,
    grid,
    powerUsageEffectiveness: {
      value: pue,
      provenance: config.pue === undefined ? 'assumed' : 'derived',
    },
    ...(inputs === undefined ? {} : { inputs }),
    warnings: tariff.notes ?? [],
    feeds,
    async openCharges(use) {
      // Not at the top of the file: a wrapped command starts before anything is charged.
      const { openCharges } = await import('./charges.ts');
      return openCharges({ tariff, grid, powerUsageEffectiveness: pue }, config, use);
    },
    nextChange: (time) =>
      earliest(
        tariff.price.nextChange(time),
        'missing' in grid ? undefined : grid.intensity.nextChange(time),
      ),
  };
}

async function checkDemandMinutes(minutes: number): Promise<void> {
  const { DEMAND_MINUTES } = await import('../price/demand.ts');
  if (DEMAND_MINUTES.includes(minutes)) return;
  throw new UsageError(
    `--demand-minutes must be one of ${DEMAND_MINUTES.join(', ')}, not ${minutes}.`,
  );
}

type OpenFeedOf = (path: string, option: string) => Promise<Feed | undefined>;

async function openTariff(
  config: Config,
  openFeedOf: OpenFeedOf,
  inputs: RunInputs | undefined,
): Promise<Tariff> {
  if (config.tariff === undefined) {
    return flatTariff({
      ...(config.price === undefined ? {} : { pricePerKilowattHour: config.price }),
      ...(config.currency === undefined ? {} : { currency: config.currency }),
    });
  }
  if (config.price !== undefined) {
    throw new UsageError(
      '--price and --tariff exclude each other: one price or a file of them. Leave one out.',
    );
  }
  const feed = await openFeedOf(config.tariff, '--tariff');
  if (feed !== undefined) return tariffOf(feed, config.tariff, config.currency);
  const { readTariff, readSiteLoad } = await import('../price/read.ts');
  const timeZone = config.tariffTimeZone ?? localTimeZone();
  return readTariff(readInput(config.tariff, '--tariff'), {
    fileName: basename(config.tariff),
    timeZone,
    timeZoneGiven: config.tariffTimeZone !== undefined,
    ...(config.currency === undefined ? {} : { currency: config.currency }),
    ...(config.priceGap === undefined ? {} : { priceGap: config.priceGap }),
    ...(inputs?.coincidentPeaks === undefined ? {} : { coincidentPeaks: inputs.coincidentPeaks }),
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

function tariffOf(feed: Feed, path: string, given: string | undefined): Tariff {
  const { adapter, schedule } = feed;
  if (adapter.quantity !== 'price')
    throw new UsageError(
      `--tariff ${path} names a feed of carbon intensity, not of prices. Give it as --grid.`,
    );
  const currency = adapter.unit.split('/')[0] ?? adapter.unit;
  if (given !== undefined && given !== currency)
    throw new UsageError(
      `--tariff ${path} is in ${currency}, not in ${given}. Leave --currency out: currencies are never converted.`,
    );
  return {
    name: adapter.name,
    source: basename(path),
    currency,
    provenance: 'derived',
    price: schedule,
  };
}

async function openGrid(config: Config, openFeedOf: OpenFeedOf): Promise<GridOrReason> {
  if (config.grid !== undefined) return openOwnGrid(config, config.grid, openFeedOf);
  if (config.zone === undefined) {
    if (config.atYear !== undefined)
      throw new UsageError('--at-year needs --zone: which grid is meant? Give --zone DEU, say.');
    return { missing: 'no grid zone given: --zone ISO3 (such as DEU) or --grid FILE' };
  }
  const { gridOfZone } = await import('../carbon/zone.ts');
  return gridOfZone({
    zone: config.zone,
    ...(config.atYear === undefined ? {} : { atYear: config.atYear }),
  });
}

/** A series or a feed of the user's own; a zone beside it only says where that is. */
async function openOwnGrid(
  config: Config,
  path: string,
  openFeedOf: OpenFeedOf,
): Promise<GridOrReason> {
  const { cloudRegionOf } = await import('../carbon/zone.ts');
  const region = config.zone === undefined ? undefined : cloudRegionOf(config.zone);
  const zone = region?.country ?? config.zone;
  const place = region === undefined ? {} : { region };
  const feed = await openFeedOf(path, '--grid');
  if (feed !== undefined) return { ...gridOf(feed, path, zone), ...place };
  const { seriesGrid } = await import('../carbon/series-grid.ts');
  const grid = seriesGrid(readInput(path, '--grid'), {
    fileName: basename(path),
    timeZone: config.tariffTimeZone ?? localTimeZone(),
    gap: config.priceGap ?? 'error',
    ...(zone === undefined ? {} : { zone }),
  });
  return { ...grid, ...place };
}

function gridOf(feed: Feed, path: string, zone: string | undefined): Grid {
  const { adapter, schedule } = feed;
  if (adapter.quantity !== 'carbon')
    throw new UsageError(
      `--grid ${path} names a feed of prices, not of carbon intensity. Give it as --tariff.`,
    );
  return {
    zone: zone ?? adapter.name,
    dataset: adapter.name,
    vintage: adapter.method,
    provenance: 'derived',
    intensity: schedule,
  };
}

async function underContract(grid: GridOrReason, config: Config): Promise<GridOrReason> {
  if (config.contract === undefined) return grid;
  if ('missing' in grid)
    throw new UsageError(
      '--contract needs a grid for what it does not match: give --zone or --grid too.',
    );
  const { readContract } = await import('../carbon/contract-file.ts');
  const { marketIntensity } = await import('../carbon/contract.ts');
  const contract = readContract(
    readInput(config.contract, '--contract'),
    basename(config.contract),
  );
  return { ...grid, market: marketIntensity(contract, grid.intensity) };
}

const feedDirectory = (config: Config, context: Context): string =>
  locateStateDirectory({
    explicit: config.stateDir,
    environment: context.environment,
    homeDirectory: homedir(),
  });

/** The machine's zone; said in the report wherever it is used. */
const localTimeZone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone;

function earliest(...times: readonly (Instant | undefined)[]): Instant | undefined {
  const known = times.filter((time) => time !== undefined);
  return known.length === 0 ? undefined : instant(Math.min(...known));
}

/** Asks live services once, for figures of what has already been measured. */
export async function refreshFeeds({ feeds }: Pricing, context: Context): Promise<void> {
  await Promise.all(feeds.map((feed) => feed.refresh(context.signal)));
}

/** Keeps asking live services while something is measured, until the signal. */
export function followFeeds({ feeds }: Pricing, signal: AbortSignal): void {
  for (const feed of feeds) void feed.run(signal).catch(() => undefined);
}

/**
 * A tariff that does not cover what was measured is refused where nothing is lost by it: in a report.
 *
 * @throws InputError naming the instant
 */
export async function refuseGap(
  { tariff }: Pricing,
  span: {
    readonly startSeconds?: Instant;
    readonly run?: { readonly startSeconds: Instant };
    readonly endSeconds: Instant;
  },
): Promise<void> {
  const { gapOfTariff } = await import('../price/gap.ts');
  const start = span.startSeconds ?? span.run?.startSeconds;
  const gap = start === undefined ? undefined : gapOfTariff(tariff, start, span.endSeconds);
  if (gap !== undefined) throw gap;
}
