// What would have changed the bill of a run that was measured, and the point at which it would have paid. They stand in
// the run's own report and not in `estimate --from-run`, which plans the next run: a cap, another hour or another place
// is weighed against the energy, the GPU-hours and the prices of this one, and none of them needs a scale. Only levers
// whose inputs are there are named: the cap where a GPU-hour has a cost (else its extra hours are free and there is no
// point to break even at), the other hour where a price or grid series of the user's own changes, the other place where
// the user gave its intensity. Pure.

import { firstGap, type Schedule } from '../schedule.ts';
import { after, toKilowattHours, type Instant } from '../units.ts';
import { POWER_CAP_V100, type CapOutcome } from './lever-facts.ts';
import { formatNumber } from './number.ts';
import type { Range } from './range.ts';
import { bestStart, type BestStart } from './shift.ts';

/** The run, as far as its levers ask. */
export interface MeasuredRun {
  readonly gpuJoules: number;
  readonly hostJoules?: number;
  readonly powerUsageEffectiveness: number;
  readonly facilityKilowattHours: number;
  readonly gpuHours: number;
  readonly startSeconds: Instant;
  readonly durationSeconds: number;
  readonly currency: string;
  /** What a GPU-hour costs; rented: the energy is in it. */
  readonly hardware?: { readonly perGpuHourCost: number; readonly isRented: boolean };
  /** What the electricity cost per kWh, on average. */
  readonly pricePerKilowattHour?: number;
  readonly gramsPerKilowattHour?: number;
  /** A price that changes; its mean over the run is compared with other starts. */
  readonly price?: Schedule;
  /** An intensity of the user's own that changes. */
  readonly intensity?: Schedule;
  /** Other places by name, g/kWh. */
  readonly regions?: Readonly<Record<string, number>>;
  /** What a tonne costs society. */
  readonly social?: { readonly perTonne: Range; readonly currency: string };
}

/** One lever; a negative saving is an extra cost. */
export interface RunLever {
  readonly id: string;
  readonly name: string;
  readonly savedKilowattHours?: Range;
  readonly savedCost?: number;
  readonly savedGrams?: number;
  /** When it pays, in words. */
  readonly breakEven: string;
  /** The price of electricity above which it pays. */
  readonly breakEvenPricePerKilowattHour?: number;
  readonly source: string;
}

const SECONDS_PER_DAY = 86_400;
const GRAMS_PER_TONNE = 1e6;

/** The levers that this run's facts can speak of. */
export const runLeversOf = (run: MeasuredRun): readonly RunLever[] => [
  ...powerCap(run),
  ...laterStart(run),
  ...otherPlaces(run),
];

/** Energy × ratio and time × ratio of the cap, host included: ECONOMICS.md §5. */
function capSaving(run: MeasuredRun, { gpuEnergyRatio, timeRatio }: CapOutcome): number {
  const { gpuJoules, hostJoules = 0, powerUsageEffectiveness } = run;
  const saved = gpuJoules * (1 - gpuEnergyRatio) + hostJoules * (1 - timeRatio);
  return toKilowattHours(saved * powerUsageEffectiveness);
}

function powerCap(run: MeasuredRun): RunLever[] {
  const { hardware, gpuHours, currency, gramsPerKilowattHour } = run;
  if (hardware === undefined) return [];
  const { best, mid, worst } = POWER_CAP_V100.value;
  const saved = {
    low: capSaving(run, worst),
    mid: capSaving(run, mid),
    high: capSaving(run, best),
  };
  const extra = hardware.perGpuHourCost * gpuHours * (mid.timeRatio - 1);
  // On rented GPUs the electricity that is saved is the landlord's.
  const price = hardware.isRented ? 0 : run.pricePerKilowattHour;
  const breakEvenPrice = saved.mid > 0 ? extra / saved.mid : undefined;
  const hours = `${formatNumber(extra)} ${currency} for ${formatNumber(gpuHours * (mid.timeRatio - 1))} more GPU-hours`;
  return [
    {
      id: 'power-cap',
      name: 'Power cap at 80 % of the limit',
      savedKilowattHours: saved,
      ...(price === undefined ? {} : { savedCost: saved.mid * price - extra }),
      ...(gramsPerKilowattHour === undefined
        ? {}
        : { savedGrams: saved.mid * gramsPerKilowattHour }),
      breakEven:
        breakEvenPrice === undefined
          ? 'never: it saves no energy here'
          : hardware.isRented
            ? `saves carbon, not money, on rented GPUs (${hours}); beside a rent without energy it would pay above ${formatNumber(breakEvenPrice)} ${currency}/kWh`
            : `pays above ${formatNumber(breakEvenPrice)} ${currency}/kWh (${hours})`,
      ...(breakEvenPrice === undefined ? {} : { breakEvenPricePerKilowattHour: breakEvenPrice }),
      source: POWER_CAP_V100.source,
    },
  ];
}

/** The best start within a day of the run's own, energy spread evenly: as far as the series goes. */
function bestWithinDay(
  run: MeasuredRun,
  schedule: Schedule,
): (BestStart & { readonly ownMean: number }) | undefined {
  const { startSeconds, durationSeconds } = run;
  const wanted = after(startSeconds, SECONDS_PER_DAY + durationSeconds);
  const end = firstGap(schedule, startSeconds, wanted) ?? wanted;
  const own = bestStart(
    schedule,
    startSeconds,
    after(startSeconds, durationSeconds),
    durationSeconds,
  );
  const best = bestStart(schedule, startSeconds, end, durationSeconds);
  return own === undefined || best === undefined ? undefined : { ...best, ownMean: own.mean };
}

function laterStart(run: MeasuredRun): RunLever[] {
  const { facilityKilowattHours: energy, currency, price, intensity } = run;
  const levers: RunLever[] = [];
  const cheapest = price && bestWithinDay(run, price);
  if (cheapest !== undefined) {
    const savedCost = energy * (cheapest.ownMean - cheapest.mean);
    levers.push({
      id: 'time-shift-price',
      name: `Start when electricity is cheapest, ${laterBy(run, cheapest)}`,
      savedCost,
      breakEven:
        savedCost > 0
          ? `pays while waiting costs less than ${formatNumber(savedCost)} ${currency}`
          : 'never: no start of the next day is cheaper',
      source: 'the tariff given, energy spread evenly over the run',
    });
  }
  const cleanest = intensity && bestWithinDay(run, intensity);
  if (cleanest !== undefined) {
    const savedGrams = energy * (cleanest.ownMean - cleanest.mean);
    levers.push({
      id: 'time-shift-carbon',
      name: `Start when the grid is cleanest, ${laterBy(run, cleanest)}`,
      savedGrams,
      breakEven:
        savedGrams > 0
          ? `pays while waiting costs less than ${worthOf(run, savedGrams)}`
          : 'never: no start of the next day is cleaner',
      source: 'the grid series given, energy spread evenly over the run',
    });
  }
  return levers;
}

function laterBy({ startSeconds }: MeasuredRun, best: BestStart): string {
  const hours = (best.startSeconds - startSeconds) / 3600;
  return hours === 0 ? 'which was at its own start' : `${formatNumber(hours, 3)} h later`;
}

function otherPlaces(run: MeasuredRun): RunLever[] {
  const { regions = {}, gramsPerKilowattHour: here, facilityKilowattHours } = run;
  if (here === undefined) return [];
  return Object.entries(regions).map(([name, there]) => {
    const savedGrams = facilityKilowattHours * (here - there);
    return {
      id: `region-${name}`,
      name: `Region shift to ${name}`,
      savedGrams,
      breakEven:
        savedGrams > 0
          ? `pays while moving the work costs less than ${worthOf(run, savedGrams)}`
          : 'never: the grid there is no cleaner',
      source: `${formatNumber(there)} g/kWh as given`,
    };
  });
}

/** What society would have been spared, in words. */
function worthOf({ social }: MeasuredRun, savedGrams: number): string {
  if (social === undefined) return 'the carbon is worth';
  const amount = (savedGrams / GRAMS_PER_TONNE) * social.perTonne.mid;
  return `${formatNumber(amount)} ${social.currency} at ${formatNumber(social.perTonne.mid)} ${social.currency}/t`;
}
