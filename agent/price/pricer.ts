// How a tariff prices energy in the order in which it comes. Tiers depend on the energy already used in the month: the
// one part of pricing that remembers. Pure apart from the count it keeps.

import { calendarOf, type Calendar, type LocalMonth } from '../local-time.ts';
import { meanOver, signed, slicesOf, type Schedule, type SignedMean } from '../schedule.ts';
import { instant, kilowattHours, type Instant, type KilowattHours } from '../units.ts';
import { runningIntegral, type RunningIntegral } from './running-integral.ts';
import type { EnergyBlock, Tariff, Tiers } from './tariff.ts';

const SECONDS_PER_HOUR = 3600;

/** A part of an interval's energy at one price; the parts add up to the interval. */
export interface PricedSlice {
  readonly startSeconds: Instant;
  readonly endSeconds: Instant;
  readonly energyKilowattHours: KilowattHours;
  /** Undefined where the tariff, or the site's load that fills its tiers, has a gap. */
  readonly pricePerKilowattHour: number | undefined;
}

/** Energy of the run so far in a local month, e.g. `2026-03`: what a restarted pricer goes on from. */
export interface MonthUse {
  readonly month: string;
  readonly usedKilowattHours: number;
}

/** Prices facility energy; devices of one slot may come in any order. */
export interface Pricer {
  /** Books kWh at the price that holds over all of [start, end); where several do, or none, undefined and nothing booked. */
  onePrice(start: Instant, end: Instant, energy: number): number | undefined;
  /** Books kWh, spread evenly over [start, end), and says what each part of them costs. */
  price(start: Instant, end: Instant, energy: number): readonly PricedSlice[];
  /** The same as one mean price, split by sign as `meanOver` of a schedule; undefined where any part has no price. */
  meanOver(start: Instant, end: Instant, energy: number): SignedMean | undefined;
  /** Empty for a tariff without tiers. */
  use(): readonly MonthUse[];
}

interface Month {
  readonly month: LocalMonth;
  readonly siteKilowattSeconds: RunningIntegral;
  usedKilowattHours: number;
}

type TieredTariff = Tariff & { readonly tiers: Tiers };

/** A pricer that goes on from `use`: one per run or report, because tiers remember. */
export function createPricer(tariff: Tariff, use: readonly MonthUse[] = []): Pricer {
  const { tiers } = tariff;
  return tiers === undefined ? schedulePricer(tariff) : tierPricer({ ...tariff, tiers }, use);
}

function schedulePricer({ price }: Tariff): Pricer {
  return {
    onePrice: (start, end) =>
      (price.nextChange(start) ?? Infinity) >= end ? price.valueAt(start) : undefined,
    price: (start, end, energy) =>
      [...slicesOf(price, start, end)].map((slice) => ({
        startSeconds: slice.startSeconds,
        endSeconds: slice.endSeconds,
        energyKilowattHours: kilowattHours(
          (energy * (slice.endSeconds - slice.startSeconds)) / (end - start),
        ),
        pricePerKilowattHour: slice.value,
      })),
    meanOver: (start, end) => meanOver(price, start, end),
    use: () => [],
  };
}

function tierPricer(tariff: TieredTariff, use: readonly MonthUse[]): Pricer {
  const calendar = calendarOf(tariff.timeZone ?? 'UTC');
  const months = new Map<string, Month>();
  let newest: Month | undefined;
  const monthAt = (time: Instant): Month => {
    if (newest !== undefined && isWithin(newest.month, time)) return newest;
    const month = calendar.monthAt(time);
    newest = months.get(month.name) ?? openMonth(month, tariff.siteLoadKilowatts, use);
    months.set(month.name, newest);
    return newest;
  };
  const price = (start: Instant, end: Instant, energy: number): PricedSlice[] =>
    [...cuts(start, end, tariff, calendar)].flatMap(([from, to]) => {
      const share = (energy * (to - from)) / (end - start);
      return fill(monthAt(from), tariff.tiers, from, to, share);
    });
  const onePrice = (start: Instant, end: Instant, energy: number): number | undefined =>
    withinOneBlock(tariff, monthAt(start), start, end, energy);
  return {
    onePrice,
    price,
    meanOver: (start, end, energy) => {
      const one = onePrice(start, end, energy);
      return one === undefined ? signedMean(price(start, end, energy), energy) : signed(one);
    },
    use: () => [
      ...use.filter(({ month }) => !months.has(month)),
      ...[...months].map(([month, { usedKilowattHours }]) => ({ month, usedKilowattHours })),
    ],
  };
}

const isWithin = (month: LocalMonth, time: Instant): boolean =>
  time >= month.startSeconds && time < month.endSeconds;

/** Books and prices the ordinary interval, which crosses nothing, at once: a year of them must not take seconds. */
function withinOneBlock(
  { tiers, siteLoadKilowatts }: TieredTariff,
  month: Month,
  start: Instant,
  end: Instant,
  energy: number,
): number | undefined {
  if (siteLoadKilowatts !== undefined || end > month.month.endSeconds) return undefined;
  if ((tiers.period.nextChange(start) ?? Infinity) < end) return undefined;
  const blocks = tiers.blocks[tiers.period.valueAt(start) ?? -1];
  const used = month.usedKilowattHours;
  const block = blocks?.find(({ upToKilowattHours = Infinity }) => upToKilowattHours > used);
  if (block === undefined || used + energy > (block.upToKilowattHours ?? Infinity))
    return undefined;
  month.usedKilowattHours += energy;
  return block.pricePerKilowattHour;
}

function openMonth(
  month: LocalMonth,
  siteLoad: Schedule | undefined,
  use: readonly MonthUse[],
): Month {
  const before = use.find((each) => each.month === month.name);
  return {
    month,
    siteKilowattSeconds:
      siteLoad === undefined ? () => 0 : runningIntegral(siteLoad, month.startSeconds),
    usedKilowattHours: before?.usedKilowattHours ?? 0,
  };
}

/** [start, end) cut where the period, the site's load or the month changes. */
function* cuts(
  start: Instant,
  end: Instant,
  tariff: TieredTariff,
  calendar: Calendar,
): Generator<readonly [Instant, Instant]> {
  let from: number = start;
  while (from < end) {
    const to = Math.min(
      end,
      calendar.monthAt(instant(from)).endSeconds,
      tariff.tiers.period.nextChange(instant(from)) ?? Infinity,
      tariff.siteLoadKilowatts?.nextChange(instant(from)) ?? Infinity,
    );
    yield [instant(from), instant(to)];
    from = to;
  }
}

/** Fills the month's blocks with one cut's energy, run and site side by side; only the run's part is priced. */
function fill(
  month: Month,
  tiers: Tiers,
  from: Instant,
  to: Instant,
  energy: number,
): PricedSlice[] {
  const blocks = tiers.blocks[tiers.period.valueAt(from) ?? -1];
  const siteBefore = month.siteKilowattSeconds(from);
  const siteAfter = month.siteKilowattSeconds(to);
  const slice = (start: number, end: number, share: number, price?: number): PricedSlice => ({
    startSeconds: instant(start),
    endSeconds: instant(end),
    energyKilowattHours: kilowattHours(share),
    pricePerKilowattHour: price,
  });
  const used = month.usedKilowattHours;
  month.usedKilowattHours += energy;
  if (blocks === undefined || siteBefore === undefined || siteAfter === undefined) {
    return [slice(from, to, energy)];
  }
  const both = energy + (siteAfter - siteBefore) / SECONDS_PER_HOUR;
  const slices: PricedSlice[] = [];
  let filled = used + siteBefore / SECONDS_PER_HOUR;
  let done = 0;
  for (const block of blocksFrom(blocks, filled)) {
    const room = (block.upToKilowattHours ?? Infinity) - filled;
    const isLast = both <= 0 || room / both >= 1 - done;
    const share = isLast ? 1 - done : room / both;
    const start = from + done * (to - from);
    done += share;
    const end = isLast ? to : from + done * (to - from);
    slices.push(slice(start, end, energy * share, block.pricePerKilowattHour));
    if (isLast) break;
    filled += room;
  }
  return slices;
}

/** The block that `filled` lies in, and those above; the last one has no upper end whatever it says. */
function blocksFrom(blocks: readonly EnergyBlock[], filled: number): EnergyBlock[] {
  const rest = blocks.filter((block) => (block.upToKilowattHours ?? Infinity) > filled);
  const last = rest.at(-1) ?? blocks.at(-1);
  if (last === undefined) return [];
  return [...rest.slice(0, -1), { pricePerKilowattHour: last.pricePerKilowattHour }];
}

function signedMean(slices: readonly PricedSlice[], energy: number): SignedMean | undefined {
  let positive = 0;
  let negative = 0;
  for (const { energyKilowattHours, pricePerKilowattHour } of slices) {
    if (pricePerKilowattHour === undefined) return undefined;
    // Nothing used: any part's price is the mean.
    const share = energy === 0 ? 1 / slices.length : energyKilowattHours / energy;
    if (pricePerKilowattHour < 0) negative += pricePerKilowattHour * share;
    else positive += pricePerKilowattHour * share;
  }
  return { positive, negative };
}
