// The report's `cost`. Money that is rounded is added up in decimal, so that a bill's rows sum to its total.

import { Decimal } from 'decimal.js';

import type { Totals } from '../account.ts';
import { COVERAGE_FACTOR } from '../model.ts';
import { kilowattHours, type Instant } from '../units.ts';
import { netCostOf } from './device.ts';
import { figure, knownFigure, meanFigure, rootOfSquares, sum, sumIfKnown } from './figure.ts';
import type { PricePeriodFacts, TariffFacts } from './input.ts';
import { present } from './present.ts';
import type { ReportCost, ReportFixedCharge, ReportPricePeriod } from './report.ts';
import { isoTime } from './time.ts';
import { NOTHING_MEASURED } from './words.ts';

// Enough that the product of a quantity and a price is never rounded.
const Exact = Decimal.clone({ precision: 100 });
// What a double's decimal form holds for certain, so that a quantity read from JSON is the one that was multiplied.
const CERTAIN_DIGITS = 15;
const PERIOD_TOLERANCE = 1e-9;

type PricedEnergy = Pick<ReportPricePeriod, 'facilityKilowattHours' | 'pricePerKilowattHour'>;

/** kWh × price, exactly: what a row of a bill is. */
export const exactCost = (row: PricedEnergy): Decimal =>
  new Exact(row.facilityKilowattHours).times(row.pricePerKilowattHour);

/** Quantities rounded to the digits of their whole, the largest taking the remainder: they add up to it exactly. */
function roundedToWhole(quantities: readonly number[], whole: number): Decimal[] {
  const total = new Exact(whole);
  const decimals = Math.max(0, CERTAIN_DIGITS - 1 - total.e);
  const rounded = quantities.map((quantity) => new Exact(quantity).toDecimalPlaces(decimals));
  const largest = quantities.indexOf(Math.max(...quantities));
  const rest = rounded.reduce((left, quantity) => left.minus(quantity), total);
  // What is multiplied is the number that the row will show: the rounded ones are theirs already.
  return rounded.map((quantity, position) =>
    position === largest ? new Exact(quantity.plus(rest).toNumber()) : quantity,
  );
}

/** The rows of a bill, and their sum: added in decimal and only then a number. */
interface Bill {
  readonly periods: readonly ReportPricePeriod[];
  readonly totalCost: number;
}

function billOf(periods: readonly PricePeriodFacts[], facilityKilowattHours: number): Bill {
  const quantities = roundedToWhole(
    periods.map((period) => period.facilityKilowattHours),
    facilityKilowattHours,
  );
  let total = new Exact(0);
  const rows = periods.map(({ startSeconds, endSeconds, pricePerKilowattHour }, position) => {
    const quantity = quantities[position] ?? new Exact(0);
    const cost = quantity.times(pricePerKilowattHour);
    total = total.plus(cost);
    return {
      startTime: isoTime(startSeconds),
      endTime: isoTime(endSeconds),
      facilityKilowattHours: quantity.toNumber(),
      pricePerKilowattHour,
      energyCost: cost.toNumber(),
    };
  });
  return { periods: rows, totalCost: total.toNumber() };
}

/** The price that holds from start to end, where it is one. */
function steadyPrice({ tariff, startSeconds, endSeconds }: CostParts): number | undefined {
  const change = tariff.price.nextChange(startSeconds);
  const isSteady = change === undefined || change >= endSeconds;
  return isSteady ? tariff.price.valueAt(startSeconds) : undefined;
}

/** That price, where the money was made with it: blocks of a tiered tariff have prices of their own. */
function onePrice(parts: PricedParts, net: number): number | undefined {
  const price = steadyPrice(parts);
  if (price === undefined) return undefined;
  const missed = Math.abs(net - price * parts.facilityKilowattHours);
  return missed <= PERIOD_TOLERANCE * Math.max(1, Math.abs(net)) ? price : undefined;
}

/** What of a device's totals is money. */
type MoneyTotals = Pick<Totals, 'costAmount' | 'creditAmount' | 'uncertaintyCostAmount'>;

/** What the cost is made of. */
export interface CostParts {
  readonly tariff: TariffFacts;
  readonly totals: readonly MoneyTotals[];
  /** The report's E_compute: what the rows' quantities add up to; absent when no energy was measured. */
  readonly facilityKilowattHours?: number;
  readonly startSeconds: Instant;
  readonly endSeconds: Instant;
  readonly pricePeriods?: readonly PricePeriodFacts[];
  /** Why the energy has no price, where the caller knows better. */
  readonly missing?: string;
}

type PricedParts = CostParts & { readonly facilityKilowattHours: number };

// Given periods count only if they hold all the energy: rows of a part would be a bill that is too low.
function billOfParts(parts: PricedParts, net: number): Bill | undefined {
  const { startSeconds, endSeconds, facilityKilowattHours, pricePeriods } = parts;
  if (pricePeriods !== undefined) {
    const covered = sum(pricePeriods.map((period) => period.facilityKilowattHours));
    const missed = Math.abs(covered - facilityKilowattHours);
    const isWhole = missed <= PERIOD_TOLERANCE * Math.max(1, facilityKilowattHours);
    return isWhole && pricePeriods.length > 0
      ? billOf(pricePeriods, facilityKilowattHours)
      : undefined;
  }
  const price = onePrice(parts, net);
  if (price === undefined) return undefined;
  const whole = {
    startSeconds,
    endSeconds,
    facilityKilowattHours: kilowattHours(facilityKilowattHours),
    pricePerKilowattHour: price,
  };
  return billOf([whole], facilityKilowattHours);
}

function meteringUncertainty(totals: readonly MoneyTotals[]): number {
  return rootOfSquares(totals.map(({ uncertaintyCostAmount }) => uncertaintyCostAmount ?? 0));
}

function fixedOf({ fixed = [] }: TariffFacts): readonly ReportFixedCharge[] | undefined {
  if (fixed.length === 0) return undefined;
  return fixed.map(({ name, amount, per }) => ({ name, amountCost: amount, per }));
}

/** Prices the run: net cost, its uncertainty, and the rows that it is the sum of. */
export function costOf(parts: CostParts): ReportCost {
  const { tariff, totals, facilityKilowattHours } = parts;
  const { name, source, provenance, currency } = tariff;
  const shared = {
    currency,
    tariff: { name, source, provenance },
    ...present({ fixedCharges: fixedOf(tariff) }),
  };
  if (parts.missing !== undefined) return { ...shared, missing: parts.missing };
  if (facilityKilowattHours === undefined) return { ...shared, missing: NOTHING_MEASURED };
  const net = sumIfKnown(totals.map(netCostOf));
  if (net === undefined) {
    return {
      ...shared,
      missing: `${source}: no price for part of the time in which energy was used`,
    };
  }
  const credit = sum(totals.map(({ creditAmount }) => creditAmount ?? 0));
  const bill = billOfParts({ ...parts, facilityKilowattHours }, net);
  const energyCost = bill?.totalCost ?? figure(net);
  const priceUncertainty = COVERAGE_FACTOR * Math.abs(net) * (tariff.relativeUncertainty ?? 0);
  const mean = meanFigure(net, facilityKilowattHours) ?? steadyPrice(parts);
  return {
    ...shared,
    energyCost,
    uncertaintyCost: figure(Math.hypot(meteringUncertainty(totals), priceUncertainty)),
    ...(priceUncertainty > 0 && { priceUncertaintyCost: figure(priceUncertainty) }),
    ...(credit > 0 && { creditCost: figure(credit) }),
    ...present({ pricePerKilowattHourMean: knownFigure(mean), periods: bill?.periods }),
  };
}
