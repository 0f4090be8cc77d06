// The levers that move a training: to another hour of the user's own series, to another place. Pure.

import { InputError } from '../input-error.ts';
import { formatInstant, formatLocal } from '../local-time.ts';
import type { Schedule } from '../schedule.ts';
import type { Instant } from '../units.ts';
import type { Basis, Starts } from './basis.ts';
import { SOCIAL_COST } from './impact.ts';
import type { LeverInput, LeverResult } from './lever.ts';
import { formatNumber } from './number.ts';
import type { PlannedRegion } from './plan.ts';
import { ordered, productOf, scaled, type Range } from './range.ts';
import { meanFrom } from './shift.ts';
import type { PlanSeries, RegionFacts } from './surroundings.ts';

const GRAMS_PER_KILOGRAM = 1000;
const KILOGRAMS_PER_TONNE = 1000;
const SECONDS_PER_HOUR = 3600;

/** Another hour, where there are series, and other places, where the plan names some. */
export const shiftLevers = (input: LeverInput): LeverResult[] =>
  input.energy.phases.length === 0 ? [] : [...timeShift(input), ...regionShift(input)];

type Saved = Pick<LeverResult, 'savedKilowattHours' | 'savedCost' | 'savedKilograms'>;

function timeShift(input: LeverInput): LeverResult[] {
  const { series } = input.basis.surroundings;
  if (series === undefined) return [];
  return (['carbon', 'price'] as const)
    .filter((by) => series[by] !== undefined)
    .map((by) => bestStartLever(input, series, by));
}

const NAMES = {
  carbon: 'Start when the grid is cleanest',
  price: 'Start when electricity is cheapest',
};

function bestStartLever(
  input: LeverInput,
  series: PlanSeries,
  by: 'carbon' | 'price',
): LeverResult {
  const { basis } = input;
  const starts = by === 'carbon' ? basis.carbonStarts : basis.priceStarts;
  const source = series[by]?.source ?? '';
  const base = { id: `time-shift-${by}`, name: NAMES[by] };
  if (starts === undefined) return { ...base, breakEven: whyNoStart(basis, series), source };
  const { startSeconds } = starts.best;
  const saved = savedByStart(input, series, startSeconds);
  const against =
    series.startSeconds === undefined
      ? 'against starting at any time (low: at the best, high: at the worst)'
      : 'against the planned start';
  return {
    ...base,
    name: `${base.name}, ${formatLocal(startSeconds, series.timeZone ?? 'UTC')}`,
    startTime: formatInstant(startSeconds),
    ...saved,
    breakEven: by === 'carbon' ? cleanerBreakEven(input, saved) : cheaperBreakEven(input, saved),
    source: `${source}, ${against}; energy spread evenly over the training`,
  };
}

function whyNoStart({ durationSeconds }: Basis, series: PlanSeries): string {
  if (durationSeconds === undefined)
    return 'unknown: give durationHours, how long the training takes on the clock';
  const hours = (seconds: number): string => formatNumber(seconds / SECONDS_PER_HOUR);
  const span = hours(series.toSeconds - series.fromSeconds);
  return `unknown: the series spans ${span} h, the training takes ${hours(durationSeconds)} h`;
}

/** What a start saves of money and carbon, each where its series is given. */
function savedByStart(
  { basis, energy }: LeverInput,
  series: PlanSeries,
  startSeconds: Instant,
): Saved {
  const perKilowattHour = (
    schedule: Schedule | undefined,
    starts: Starts | undefined,
  ): Range | undefined => {
    const { durationSeconds } = basis;
    if (schedule === undefined || starts === undefined || durationSeconds === undefined) return;
    const then = meanFrom(schedule, startSeconds, durationSeconds);
    if (then === undefined) return undefined;
    const { best, baselineMean } = starts;
    const isPlanned = series.startSeconds !== undefined;
    return {
      low: (isPlanned ? baselineMean : best.mean) - then,
      mid: baselineMean - then,
      high: (isPlanned ? baselineMean : best.worstMean) - then,
    };
  };
  const money = isRented(basis)
    ? undefined
    : perKilowattHour(series.price?.schedule, basis.priceStarts);
  const grams = perKilowattHour(series.carbon?.schedule, basis.carbonStarts);
  return {
    ...(money === undefined ? {} : { savedCost: productOf(energy.compute, money) }),
    ...(grams === undefined
      ? {}
      : { savedKilograms: scaled(productOf(energy.compute, grams), 1 / GRAMS_PER_KILOGRAM) }),
  };
}

const isRented = ({ plan }: Basis): boolean => plan.hardware?.kind === 'rented';

function cheaperBreakEven({ basis }: LeverInput, { savedCost }: Saved): string {
  if (savedCost === undefined) return 'never on rented GPUs: their electricity is the landlord’s';
  return savedCost.mid > 0
    ? `pays while waiting costs less than ${formatNumber(savedCost.mid)} ${basis.currency}`
    : 'never: no start in the series is cheaper';
}

function cleanerBreakEven({ basis }: LeverInput, saved: Saved): string {
  const { savedKilograms, savedCost } = saved;
  if (savedKilograms === undefined || savedKilograms.mid <= 0)
    return 'never: no start in the series is cleaner';
  if (savedCost !== undefined && savedCost.mid < 0) return dearerBreakEven(basis, saved);
  return `pays while waiting costs less than ${worthInWords(basis, savedKilograms.mid)}`;
}

/** Carbon that money buys: what a tonne costs. */
function dearerBreakEven({ currency }: Basis, { savedCost, savedKilograms }: Saved): string {
  const more = -(savedCost?.mid ?? 0);
  const perTonne = (more / (savedKilograms?.mid ?? NaN)) * KILOGRAMS_PER_TONNE;
  return `costs ${formatNumber(more)} ${currency} more: ${formatNumber(perTonne)} ${currency} per tonne saved`;
}

/** What society is spared, in words. */
function worthInWords({ plan }: Basis, kilograms: number): string {
  const { perTonne, currency } = plan.socialCost ?? SOCIAL_COST;
  const worth = (kilograms / KILOGRAMS_PER_TONNE) * perTonne.mid;
  return `${formatNumber(worth)} ${currency} (at ${formatNumber(perTonne.mid)} ${currency}/t)`;
}

function regionShift(input: LeverInput): LeverResult[] {
  const { plan, surroundings } = input.basis;
  return Object.entries(plan.regions ?? {}).map(([name, region]) => {
    const facts = surroundings.regions?.[name];
    const saved = savedByRegion(input, name, region, facts);
    return {
      id: `region-${name}`,
      name: `Region shift to ${name}`,
      ...saved,
      breakEven: regionBreakEven(input, saved),
      source: regionSource(region, facts),
    };
  });
}

/** The same IT energy at the place's PUE, intensity, price and rent, each where it is known. */
function savedByRegion(
  { basis, energy, cost }: LeverInput,
  name: string,
  region: PlannedRegion,
  facts: RegionFacts | undefined,
): Saved {
  const grams = region.gramsPerKilowattHour ?? facts?.gramsPerKilowattHour;
  const price = region.pricePerKilowattHour ?? facts?.pricePerKilowattHour;
  refuseOtherCurrency(basis, name, facts);
  const there =
    region.powerUsageEffectiveness === undefined
      ? energy.compute
      : productOf(energy.computeIt, region.powerUsageEffectiveness);
  const carbonHere = basis.grid && productOf(energy.compute, basis.grid.gramsPerKilowattHour);
  const savedKilograms =
    carbonHere === undefined || grams === undefined
      ? undefined
      : scaled(difference(carbonHere, productOf(there, grams)), 1 / GRAMS_PER_KILOGRAM);
  const electricity =
    price === undefined || isRented(basis)
      ? undefined
      : difference(cost.computeElectricity, productOf(there, price));
  const rent =
    region.ratePerGpuHour === undefined || energy.gpuHours === undefined || !isRented(basis)
      ? undefined
      : cost.hardware &&
        difference(cost.hardware, productOf(energy.gpuHours, region.ratePerGpuHour));
  const savedCost = electricity ?? rent;
  return {
    ...(there === energy.compute ? {} : { savedKilowattHours: difference(energy.compute, there) }),
    ...(savedCost === undefined ? {} : { savedCost }),
    ...(savedKilograms === undefined ? {} : { savedKilograms }),
  };
}

/** Here less there, end by end: both grow with the same energy. */
const difference = (here: Range, there: Range): Range =>
  ordered({ low: here.low - there.low, mid: here.mid - there.mid, high: here.high - there.high });

function refuseOtherCurrency(
  { currency }: Basis,
  name: string,
  facts: RegionFacts | undefined,
): void {
  const other = facts?.currency;
  if (other === undefined || other === currency) return;
  throw new InputError(
    `region ${name}`,
    `its prices are in ${other}, the plan is in ${currency}`,
    'Write both in one currency: nothing is converted',
  );
}

function regionBreakEven({ basis }: LeverInput, saved: Saved): string {
  const { savedCost, savedKilograms } = saved;
  if (savedCost === undefined && savedKilograms === undefined)
    return `unknown: give ${basis.grid === undefined ? "the plan's own grid (zone, gramsPerKilowattHour or --grid)" : 'its gramsPerKilowattHour, its zone, or a file of its intensities'}`;
  const isCleaner = savedKilograms !== undefined && savedKilograms.mid > 0;
  if (savedCost === undefined) {
    if (!isCleaner) return 'never: the grid there is no cleaner';
    const worth = worthInWords(basis, savedKilograms.mid);
    return `pays while moving the data, and the rent or price there, cost no more than ${worth}`;
  }
  if (savedCost.mid > 0)
    return `pays while moving the work costs less than ${formatNumber(savedCost.mid)} ${basis.currency}`;
  return isCleaner ? dearerBreakEven(basis, saved) : 'never: it is dearer there and no cleaner';
}

function regionSource(region: PlannedRegion, facts: RegionFacts | undefined): string {
  const said = [
    region.gramsPerKilowattHour && `${formatNumber(region.gramsPerKilowattHour.mid)} g/kWh`,
    region.pricePerKilowattHour && `${formatNumber(region.pricePerKilowattHour.mid)} per kWh`,
    region.ratePerGpuHour && `${formatNumber(region.ratePerGpuHour.mid)} per GPU-hour`,
    region.powerUsageEffectiveness && `PUE ${formatNumber(region.powerUsageEffectiveness.mid)}`,
  ].filter((part) => part !== undefined);
  const plan = said.length === 0 ? [] : [`${said.join(', ')}, given in the plan`];
  return [...plan, ...(facts === undefined ? [] : [facts.source])].join('; ');
}
