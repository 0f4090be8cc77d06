// What surrounds a plan, read and looked up as for a run: zone, series of the user's own, contract, the making of a GPU,
// other places.

import { basename } from 'node:path';

import { openClock } from '../clock.ts';
import { UsageError } from '../config.ts';
import { durationOf } from '../estimate/basis.ts';
import type { Plan, PlannedRegion } from '../estimate/plan.ts';
import { exactly, type Range } from '../estimate/range.ts';
import { bestStart, meanFrom, stretchOf, type Stretch } from '../estimate/shift.ts';
import type {
  PlanSeries,
  RegionFacts,
  Surroundings,
  ZoneIntensity,
} from '../estimate/surroundings.ts';
import { InputError } from '../input-error.ts';
import { formatInstant, isTimeProblem, readInstant } from '../local-time.ts';
import type { Config } from '../options.ts';
import type { Tariff } from '../price/tariff.ts';
import { present } from '../report/present.ts';
import { meanOver, type Schedule } from '../schedule.ts';
import { instant, type Instant } from '../units.ts';
import type { Context } from './context.ts';
import { openPricing, refreshFeeds, type Pricing } from './pricing.ts';
import { readInput } from './read-input.ts';

const SECONDS_PER_HOUR = 3600;

/** How the user's series are to be looked at. */
export interface SeriesChoice {
  /** `--start`: when the training would begin. */
  readonly start?: string;
  /** `--within`: how many hours may be waited. */
  readonly withinHours?: number;
  /** When the run that is planned from began: the start that is compared with, where the series knows it. */
  readonly measuredStart?: Instant;
}

/** Reads and looks up what the plan and the options name. @throws UsageError, InputError */
export async function surroundingsOf(
  plan: Plan,
  config: Config,
  choice: SeriesChoice,
  context: Context,
): Promise<Surroundings> {
  const pricing = await pricingOf(plan, config, context);
  const now = openClock().now();
  const planned = plannedStart(choice, config.tariffTimeZone ?? pricing.tariff.timeZone);
  const series = seriesOf(pricing, config, choice, { planned, now });
  const regions = await regionsOf(plan, { config, context, series, now: planned ?? now });
  return present({
    zone: await zoneOf(plan, config, context),
    series,
    market: marketOf(pricing, series ?? { fromSeconds: now, toSeconds: instant(now + 1) }),
    embodied: await embodiedOf(plan),
    regions,
  });
}

/** Tariff, grid and contract as the options name them, the plan's zone included. */
async function pricingOf(plan: Plan, config: Config, context: Context): Promise<Pricing> {
  const { price, tariff, priceGap, tariffTimeZone, grid, atYear, contract, currency } = config;
  const pricing = await openPricing(
    present({
      tariff,
      // Refused beside a tariff, as everywhere.
      price: tariff === undefined ? undefined : price,
      priceGap,
      tariffTimeZone,
      grid,
      contract,
      currency: tariff === undefined ? undefined : currency,
      zone: plan.zone,
      atYear: grid === undefined ? atYear : undefined,
    }),
    context,
    openClock(),
  );
  await refreshFeeds(pricing, context);
  return pricing;
}

/** The figure of the plan's zone: what counts without a series, and what one is held against. */
async function zoneOf(
  { zone }: Plan,
  { grid: gridFile, atYear }: Config,
  context: Context,
): Promise<ZoneIntensity | undefined> {
  if (zone === undefined || gridFile !== undefined) return undefined;
  const clock = openClock();
  const { grid } = await openPricing({ zone, ...present({ atYear }) }, context, clock);
  if ('missing' in grid) return undefined;
  const gramsPerKilowattHour = grid.intensity.valueAt(clock.now());
  if (gramsPerKilowattHour === undefined) return undefined;
  return { zone: grid.zone, gramsPerKilowattHour, source: `${grid.dataset}: ${grid.vintage}` };
}

/** The series that --tariff and --grid name; undefined without both. @throws InputError */
function seriesOf(
  { tariff, grid }: Pricing,
  config: Config,
  choice: SeriesChoice,
  { planned, now }: { readonly planned: Instant | undefined; readonly now: Instant },
): PlanSeries | undefined {
  const timeZone = config.tariffTimeZone ?? tariff.timeZone;
  const price = config.tariff === undefined ? undefined : priceOf(tariff);
  const carbon =
    config.grid === undefined || 'missing' in grid
      ? undefined
      : { schedule: grid.intensity, zone: grid.zone, source: basename(config.grid) };
  const schedules = [price, carbon].filter((each) => each !== undefined);
  if (schedules.length === 0) return undefined;
  // What holds for ever is looked at from when the training would begin.
  const stretch = commonStretch(schedules, planned ?? now);
  const { startSeconds, ...wanted } = stretchWanted(stretch, choice, planned);
  return { ...wanted, ...present({ price, carbon, startSeconds, timeZone }) };
}

function priceOf(tariff: Tariff): NonNullable<PlanSeries['price']> {
  if (tariff.tiers !== undefined)
    throw new InputError(
      tariff.source,
      'its price depends on what the month has used already',
      'Give a plan one price (--price), or a tariff without tiers',
    );
  return { schedule: tariff.price, currency: tariff.currency, source: tariff.source };
}

/** The stretch of which all of them speak. @throws InputError when there is none */
function commonStretch(
  series: readonly { readonly schedule: Schedule; readonly source: string }[],
  now: Instant,
): Stretch {
  const stretches = series.map(({ schedule, source }) => {
    const stretch = stretchOf(schedule, now);
    if (stretch !== undefined) return stretch;
    throw new InputError(source, 'there is no value in it', 'Give it rows, or leave it out');
  });
  const fromSeconds = instant(Math.max(...stretches.map((each) => each.fromSeconds)));
  const toSeconds = instant(Math.min(...stretches.map((each) => each.toSeconds)));
  if (fromSeconds < toSeconds) return { fromSeconds, toSeconds };
  throw new InputError(
    series.map(({ source }) => source).join(' and '),
    'they have no time in common',
    'Give prices and intensities of the same days',
  );
}

/** When the training would begin unless it is shifted; undefined: at any time. @throws UsageError */
function plannedStart(
  { start, measuredStart }: SeriesChoice,
  timeZone = 'UTC',
): Instant | undefined {
  if (start === undefined) return measuredStart;
  const time = readInstant(start, timeZone);
  if (isTimeProblem(time)) throw new UsageError(`--start: ${time.problem}. ${time.mend}.`);
  return time;
}

/** The stretch in which the training may run. @throws UsageError where it is asked to begin outside of it */
function stretchWanted(
  { fromSeconds: first, toSeconds: last }: Stretch,
  { start, withinHours = Infinity }: SeriesChoice,
  planned: Instant | undefined,
): Stretch & { readonly startSeconds?: Instant } {
  const isWithin = planned !== undefined && planned >= first && planned < last;
  if (start !== undefined && !isWithin)
    throw new UsageError(
      `--start ${start}: the series speak of ${formatInstant(first)} to ${formatInstant(last)}. Give a time within.`,
    );
  // A run that was measured is compared with other times of the series, earlier ones too.
  const fromSeconds = start === undefined ? first : (planned ?? first);
  const until = fromSeconds + withinHours * SECONDS_PER_HOUR;
  return {
    fromSeconds,
    toSeconds: instant(Math.min(last, until)),
    ...(isWithin && planned < until ? { startSeconds: planned } : {}),
  };
}

/** Mean of the contract's intensity over the stretch. */
function marketOf({ grid }: Pricing, stretch: Stretch): Surroundings['market'] {
  if ('missing' in grid || grid.market === undefined) return undefined;
  const { intensity, source, method } = grid.market;
  const mean = meanOver(intensity, stretch.fromSeconds, stretch.toSeconds);
  if (mean === undefined) return undefined;
  return { gramsPerKilowattHour: exactly(mean.positive), source: `${source}: ${method}` };
}

async function embodiedOf({ gpuModel }: Plan): Promise<Surroundings['embodied']> {
  if (gpuModel === undefined) return undefined;
  const { embodiedFigureOf } = await import('../carbon/embodied.ts');
  const figure = embodiedFigureOf(gpuModel);
  if (figure === undefined) return undefined;
  const { lowKilograms: low, kilogramsPerGpu: mid, highKilograms: high, source } = figure;
  return { kilogramsPerGpu: { low, mid, high }, source };
}

interface Looker {
  readonly config: Config;
  readonly context: Context;
  /** What the plan itself is held against. */
  readonly series: PlanSeries | undefined;
  /** From when on a schedule is looked at that never ends. */
  readonly now: Instant;
}

async function regionsOf(plan: Plan, looker: Looker): Promise<Surroundings['regions']> {
  const facts: Record<string, RegionFacts> = {};
  for (const [name, region] of Object.entries(plan.regions ?? {})) {
    const found = await regionOf(region, plan, looker);
    if (found !== undefined) facts[name] = found;
  }
  return facts;
}

/** What a place's zone and files say: of a series, by when within its own stretch the training starts. */
async function regionOf(
  region: PlannedRegion,
  plan: Plan,
  looker: Looker,
): Promise<RegionFacts | undefined> {
  const { config, context } = looker;
  const clock = openClock();
  const said: RegionFacts[] = [];
  if (region.zone !== undefined) {
    const { grid } = await openPricing({ zone: region.zone }, context, clock);
    if (!('missing' in grid))
      said.push(
        present({
          gramsPerKilowattHour: spreadOf(grid.intensity, plan, looker),
          source: `${grid.zone}: ${grid.dataset}, ${grid.vintage}`,
        }),
      );
  }
  for (const file of region.files ?? []) {
    const isGrid = await holdsIntensities(file);
    const shared = present({ priceGap: config.priceGap, tariffTimeZone: config.tariffTimeZone });
    const named = isGrid ? { grid: file } : { tariff: file };
    const { tariff, grid } = await openPricing({ ...shared, ...named }, context, clock);
    if (!isGrid)
      said.push(
        present({
          pricePerKilowattHour: spreadOf(priceOf(tariff).schedule, plan, looker),
          currency: tariff.currency,
          source: tariff.source,
        }),
      );
    else if (!('missing' in grid))
      said.push(
        present({
          gramsPerKilowattHour: spreadOf(grid.intensity, plan, looker),
          source: basename(file),
        }),
      );
  }
  if (said.length === 0) return undefined;
  return Object.assign({}, ...said, {
    source: said.map(({ source }) => source).join('; '),
  }) as RegionFacts;
}

/**
 * What a schedule comes to at the planned start; else low, mid and high at its best start, at any, at its worst, of the
 * times that the plan may choose from; else its mean. Undefined where it has no value.
 */
function spreadOf(schedule: Schedule, plan: Plan, { series, now }: Looker): Range | undefined {
  const durationSeconds = durationOf(plan);
  const stretch = stretchOf(schedule, now);
  if (stretch === undefined) return undefined;
  const { fromSeconds, toSeconds } = sharedStretch(stretch, series);
  if (durationSeconds !== undefined) {
    const start = series?.startSeconds;
    const then = start === undefined ? undefined : meanFrom(schedule, start, durationSeconds);
    if (then !== undefined) return exactly(then);
    const starts = bestStart(schedule, fromSeconds, toSeconds, durationSeconds);
    if (starts !== undefined)
      return { low: starts.mean, mid: starts.averageMean, high: starts.worstMean };
  }
  const mean = meanOver(schedule, fromSeconds, toSeconds);
  return mean === undefined ? undefined : exactly(mean.positive + mean.negative);
}

/** The part of a stretch that the plan's own series speaks of too; all of it where that is none. */
function sharedStretch(stretch: Stretch, series: PlanSeries | undefined): Stretch {
  if (series === undefined) return stretch;
  const fromSeconds = instant(Math.max(stretch.fromSeconds, series.fromSeconds));
  const toSeconds = instant(Math.min(stretch.toSeconds, series.toSeconds));
  return fromSeconds < toSeconds ? { fromSeconds, toSeconds } : stretch;
}

/** Whether a file holds intensities rather than prices: its unit says so. @throws InputError when it does not say */
async function holdsIntensities(file: string): Promise<boolean> {
  const text = readInput(file, '--regions');
  const { looksLikeDocument, readDocument, readSeries } = await import('../series-file.ts');
  if (looksLikeDocument(text)) {
    const document = readDocument(text, basename(file));
    const isTariff =
      typeof document === 'object' &&
      document !== null &&
      ['zones', 'energyratestructure', 'items'].some((key) => key in document);
    if (isTariff) return false;
  }
  const { unit = '' } = readSeries(text, {
    fileName: basename(file),
    timeZone: 'UTC',
    gap: 'hold',
  });
  if (/^(?:k?g|t|lbs?)(?:\b|CO)/i.test(unit)) return true;
  if (/^[a-z]{3}\s*\//i.test(unit)) return false;
  throw new InputError(
    basename(file),
    'it does not say whether it holds prices or intensities',
    'Write the unit beside the values: value [EUR/kWh], or value [g/kWh]',
  );
}
