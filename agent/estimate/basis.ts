// A plan with its blanks filled, by its surroundings or by documented assumptions, each remembered as such. Pure.

import { InputError } from '../input-error.ts';
import type { Provenance } from '../model.ts';
import { meanOver, type Schedule } from '../schedule.ts';
import { formatNumber } from './number.ts';
import type { Plan } from './plan.ts';
import { exactly, type Range } from './range.ts';
import { bestStart, meanFrom, type BestStart } from './shift.ts';
import type { PlanSeries, Surroundings } from './surroundings.ts';

/** A quantity, whether the plan gave it, and what it stands on. */
interface Given {
  readonly value: Range;
  readonly provenance: Provenance;
  readonly note?: string;
}

/** The intensity of the plan's grid: its own, its zone's, or that of a series. */
export interface PlanGrid {
  readonly zone?: string;
  readonly gramsPerKilowattHour: Range;
  /** The zone's own figure, where known: what a stated intensity is checked against. */
  readonly zoneGramsPerKilowattHour?: number;
  readonly source: string;
  readonly provenance: Provenance;
}

/** What a series offers to a training that may start at another time. */
export interface Starts {
  readonly best: BestStart;
  /** Of the start that is planned, or of all starts. */
  readonly baselineMean: number;
}

/** What the models compute with. */
export interface Basis {
  readonly plan: Plan;
  readonly currency: string;
  readonly currencyProvenance: Provenance;
  readonly price: Given;
  readonly powerUsageEffectiveness: Given;
  readonly grid?: PlanGrid;
  /** How long the training takes on the clock, where the plan tells. */
  readonly durationSeconds?: number;
  readonly priceStarts?: Starts;
  readonly carbonStarts?: Starts;
  readonly surroundings: Surroundings;
}

const ASSUMED_PRICE = 0.1;
const ASSUMED_CURRENCY = 'USD';
const ASSUMED_PUE = 1;
const SECONDS_PER_HOUR = 3600;

/**
 * Fills the blanks: 0.10 per kWh, US dollars, PUE 1. No zone and no intensity stays unknown.
 * @throws InputError where prices are in another currency than the plan
 */
export function basisOf(plan: Plan, surroundings: Surroundings): Basis {
  const { series } = surroundings;
  const currency = plan.currency ?? series?.price?.currency;
  refuseOtherCurrency(series, currency);
  const durationSeconds = durationOf(plan);
  const priceStarts = startsOf(series?.price?.schedule, series, durationSeconds);
  const carbonStarts = startsOf(series?.carbon?.schedule, series, durationSeconds);
  const grid = gridOf(plan, surroundings, carbonStarts, durationSeconds);
  return {
    plan,
    surroundings,
    currency: currency ?? ASSUMED_CURRENCY,
    currencyProvenance: currency === undefined ? 'assumed' : 'derived',
    price: priceOf(plan, series, priceStarts, durationSeconds),
    powerUsageEffectiveness: given(plan.powerUsageEffectiveness, ASSUMED_PUE),
    ...(grid === undefined ? {} : { grid }),
    ...(durationSeconds === undefined ? {} : { durationSeconds }),
    ...(priceStarts === undefined ? {} : { priceStarts }),
    ...(carbonStarts === undefined ? {} : { carbonStarts }),
  };
}

function refuseOtherCurrency(series: PlanSeries | undefined, currency: string | undefined): void {
  if (series?.price === undefined || series.price.currency === currency) return;
  throw new InputError(
    series.price.source,
    `its prices are in ${series.price.currency}, the plan is in ${currency ?? 'another currency'}`,
    'Write both in one currency: nothing is converted',
  );
}

/** Seconds on the clock: as given, or of phases that are hours themselves, one after the other. */
export function durationOf(plan: Plan): number | undefined {
  if (plan.durationHours !== undefined) return plan.durationHours * SECONDS_PER_HOUR;
  const hours = plan.training.flatMap((phase) =>
    phase.kind === 'formula' ? [phase.hours.mid] : [],
  );
  const isAll = hours.length > 0 && hours.length === plan.training.length;
  return isAll ? hours.reduce((sum, each) => sum + each, 0) * SECONDS_PER_HOUR : undefined;
}

function startsOf(
  schedule: Schedule | undefined,
  series: PlanSeries | undefined,
  durationSeconds: number | undefined,
): Starts | undefined {
  if (schedule === undefined || series === undefined || durationSeconds === undefined) return;
  const { fromSeconds, toSeconds, startSeconds } = series;
  const best = bestStart(schedule, fromSeconds, toSeconds, durationSeconds);
  if (best === undefined) return undefined;
  const planned =
    startSeconds === undefined ? undefined : meanFrom(schedule, startSeconds, durationSeconds);
  return { best, baselineMean: planned ?? best.averageMean };
}

/** What a series comes to for the training, by when it starts. */
function overTime(
  { schedule, source }: { readonly schedule: Schedule; readonly source: string },
  series: PlanSeries,
  starts: Starts | undefined,
  durationSeconds: number | undefined,
): Given | undefined {
  const hours = (seconds: number): string => `${formatNumber(seconds / SECONDS_PER_HOUR)} h`;
  if (starts !== undefined && durationSeconds !== undefined) {
    const { best, baselineMean } = starts;
    const isPlanned = series.startSeconds !== undefined;
    return {
      value: isPlanned
        ? exactly(baselineMean)
        : { low: best.mean, mid: baselineMean, high: best.worstMean },
      provenance: 'derived',
      note: isPlanned
        ? `${source}, over ${hours(durationSeconds)} from the planned start`
        : `${source}, over ${hours(durationSeconds)} from its best start, from any, from its worst`,
    };
  }
  const mean = meanOver(schedule, series.fromSeconds, series.toSeconds);
  if (mean === undefined) return undefined;
  const span = hours(series.toSeconds - series.fromSeconds);
  return {
    value: exactly(mean.positive + mean.negative),
    provenance: 'assumed',
    note:
      durationSeconds === undefined
        ? `the mean of ${source}: give durationHours for what the start makes of it`
        : `the mean of ${source}, which spans ${span} of the ${hours(durationSeconds)}`,
  };
}

function priceOf(
  plan: Plan,
  series: PlanSeries | undefined,
  starts: Starts | undefined,
  durationSeconds: number | undefined,
): Given {
  const own = series?.price && overTime(series.price, series, starts, durationSeconds);
  return own ?? given(plan.pricePerKilowattHour, ASSUMED_PRICE);
}

function given(value: Range | undefined, assumption: number): Given {
  return value === undefined
    ? { value: exactly(assumption), provenance: 'assumed' }
    : { value, provenance: 'derived' };
}

function gridOf(
  plan: Plan,
  { zone, series }: Surroundings,
  starts: Starts | undefined,
  durationSeconds: number | undefined,
): PlanGrid | undefined {
  const name = series?.carbon?.zone ?? plan.zone;
  const zoneParts = {
    ...(name === undefined ? {} : { zone: name }),
    ...(zone === undefined ? {} : { zoneGramsPerKilowattHour: zone.gramsPerKilowattHour }),
  };
  const own = series?.carbon && overTime(series.carbon, series, starts, durationSeconds);
  if (own !== undefined) {
    const { value: gramsPerKilowattHour, provenance, note: source = '' } = own;
    return { ...zoneParts, gramsPerKilowattHour, source, provenance };
  }
  const provenance = 'derived';
  if (plan.gramsPerKilowattHour !== undefined) {
    const { gramsPerKilowattHour } = plan;
    return { ...zoneParts, gramsPerKilowattHour, source: 'the plan', provenance };
  }
  if (zone === undefined) return undefined;
  return {
    ...zoneParts,
    zone: zone.zone,
    gramsPerKilowattHour: exactly(zone.gramsPerKilowattHour),
    source: zone.source,
    provenance,
  };
}
