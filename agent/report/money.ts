// The report's `cost`. Money that is rounded is added up in decimal, so that a bill's rows sum to its total.

import { Decimal } from 'decimal.js';

import type { Totals } from '../account.ts';
import type { Instant } from '../units.ts';
import { netCostOf } from './device.ts';
import { figure, knownFigure, ratioOf, rootOfSquares, sum, sumIfKnown } from './figure.ts';
import type { PricePeriodFacts, TariffFacts } from './input.ts';
import { present } from './present.ts';
import type { ReportCost, ReportCostLine, ReportPricePeriod } from './report.ts';
import { isoTime } from './time.ts';

// 3.6 µJ: far below any meter, and still few enough digits that kWh × price is exact in a double's decimal form.
const QUANTITY_DECIMALS = 12;
const COVERAGE_FACTOR = 2;
const PERIOD_TOLERANCE = 1e-9;

/** kWh × price, exactly: what a row of a bill is. */
export const exactCost = (
  row: Pick<ReportPricePeriod, 'facilityKilowattHours' | 'pricePerKilowattHour'>,
): Decimal => new Decimal(row.facilityKilowattHours).times(row.pricePerKilowattHour);

/** Σ of the rows, added in decimal and only then a number. */
export const exactTotal = (
  rows: readonly Pick<ReportPricePeriod, 'facilityKilowattHours' | 'pricePerKilowattHour'>[],
): number => rows.reduce((total, row) => total.plus(exactCost(row)), new Decimal(0)).toNumber();

function periodOf(facts: PricePeriodFacts): ReportPricePeriod {
  const row = {
    startTime: isoTime(facts.startSeconds),
    endTime: isoTime(facts.endSeconds),
    facilityKilowattHours: new Decimal(facts.facilityKilowattHours)
      .toDecimalPlaces(QUANTITY_DECIMALS)
      .toNumber(),
    pricePerKilowattHour: facts.pricePerKilowattHour,
  };
  return { ...row, energyCost: exactCost(row).toNumber() };
}

/** The price that holds from start to end, where it is one. */
function onePrice({ price }: TariffFacts, start: Instant, end: Instant): number | undefined {
  const change = price.nextChange(start);
  return change === undefined || change >= end ? price.valueAt(start) : undefined;
}

/** What the cost is made of. */
export interface CostParts {
  readonly tariff: TariffFacts;
  readonly totals: readonly Totals[];
  readonly startSeconds: Instant;
  readonly endSeconds: Instant;
  readonly pricePeriods?: readonly PricePeriodFacts[];
  readonly otherCosts?: readonly ReportCostLine[];
}

// Given periods count only if they hold all the energy: rows of a part would be a bill that is too low.
function periodsOf(parts: CostParts, facility: number): readonly ReportPricePeriod[] | undefined {
  const { tariff, startSeconds, endSeconds, pricePeriods } = parts;
  if (pricePeriods !== undefined) {
    const covered = sum(pricePeriods.map((period) => period.facilityKilowattHours));
    const isWhole = Math.abs(covered - facility) <= PERIOD_TOLERANCE * Math.max(1, facility);
    return isWhole ? pricePeriods.map(periodOf) : undefined;
  }
  const price = onePrice(tariff, startSeconds, endSeconds);
  if (price === undefined) return undefined;
  const facilityKilowattHours = facility as PricePeriodFacts['facilityKilowattHours'];
  return [
    periodOf({ startSeconds, endSeconds, facilityKilowattHours, pricePerKilowattHour: price }),
  ];
}

function meteringUncertainty(totals: readonly Totals[]): number {
  return rootOfSquares(totals.map(({ uncertaintyCostAmount }) => uncertaintyCostAmount ?? 0));
}

/** Prices the run: net cost, its uncertainty, and the rows that it is the sum of. */
export function costOf(parts: CostParts): ReportCost {
  const { tariff, totals, otherCosts } = parts;
  const { name, source, provenance, currency } = tariff;
  const shared = { currency, tariff: { name, source, provenance }, ...present({ otherCosts }) };
  const net = sumIfKnown(totals.map(netCostOf));
  if (net === undefined) {
    return {
      ...shared,
      missing: `${source}: no price for part of the time in which energy was used`,
    };
  }
  const facility = sum(totals.map(({ facilityKilowattHours }) => facilityKilowattHours));
  const credit = sum(totals.map(({ creditAmount }) => creditAmount ?? 0));
  const periods = periodsOf(parts, facility);
  const energyCost = periods === undefined ? figure(net) : exactTotal(periods);
  const priceUncertainty = COVERAGE_FACTOR * Math.abs(net) * (tariff.relativeUncertainty ?? 0);
  const mean = ratioOf(net, facility) ?? onePrice(tariff, parts.startSeconds, parts.endSeconds);
  return {
    ...shared,
    energyCost,
    uncertaintyCost: figure(Math.hypot(meteringUncertainty(totals), priceUncertainty)),
    ...(priceUncertainty > 0 && { priceUncertaintyCost: figure(priceUncertainty) }),
    ...(credit > 0 && { creditCost: figure(credit) }),
    ...present({ pricePerKilowattHourMean: knownFigure(mean), periods }),
  };
}
