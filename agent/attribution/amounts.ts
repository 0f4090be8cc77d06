// What a job, or nobody, has drawn on one device: joules, and the same share of the device's money and grams. Pure.

import { addTo, newSum, valueOf, type Sum } from '../sum.ts';
import type { Charge } from '../model.ts';
import { grams, joules, type Grams, type Joules } from '../units.ts';
import type { AmountsRow } from './record.ts';

const CHARGES = ['costAmount', 'creditAmount', 'locationBasedGrams', 'marketBasedGrams'] as const;
type ChargeKey = (typeof CHARGES)[number];

/** Running sums; a charge that part of the energy lacked is lacking for good. */
export interface Amounts {
  readonly energyJoules: Sum;
  readonly charges: Record<ChargeKey, Sum | undefined>;
}

/** The sums as the views show them. */
export interface AmountTotals {
  readonly energyJoules: Joules;
  readonly costAmount?: number;
  readonly creditAmount?: number;
  readonly locationBasedGrams?: Grams;
  readonly marketBasedGrams?: Grams;
}

/** Nothing yet. */
export const newAmounts = (): Amounts => ({
  energyJoules: newSum(),
  charges: {
    costAmount: newSum(),
    creditAmount: newSum(),
    locationBasedGrams: newSum(),
    marketBasedGrams: newSum(),
  },
});

/** Adds joules, and `ratio` of the charge of the interval that they are a share of. */
export function addShare(
  amounts: Amounts,
  energyJoules: number,
  ratio: number,
  charge: Charge,
): void {
  addTo(amounts.energyJoules, energyJoules);
  // A price gives a cost or a credit; the other one is then nothing.
  const isPriced = charge.costAmount !== undefined || charge.creditAmount !== undefined;
  const whole: Record<ChargeKey, number | undefined> = {
    costAmount: isPriced ? (charge.costAmount ?? 0) : undefined,
    creditAmount: isPriced ? (charge.creditAmount ?? 0) : undefined,
    locationBasedGrams: charge.locationBasedGrams,
    marketBasedGrams: charge.marketBasedGrams,
  };
  for (const key of CHARGES)
    addKnown(amounts, key, energyJoules === 0 ? 0 : times(whole[key], ratio));
}

const times = (value: number | undefined, ratio: number): number | undefined =>
  value === undefined ? undefined : value * ratio;

function addKnown(amounts: Amounts, key: ChargeKey, value: number | undefined): void {
  const sum = amounts.charges[key];
  if (sum === undefined) return;
  if (value === undefined) amounts.charges[key] = undefined;
  else addTo(sum, value);
}

/** Adds everything of `others`. */
export function addAmounts(amounts: Amounts, others: Amounts): void {
  addTo(amounts.energyJoules, valueOf(others.energyJoules));
  for (const key of CHARGES) {
    const sum = others.charges[key];
    addKnown(amounts, key, sum === undefined ? undefined : valueOf(sum));
  }
}

/** The sums as they stand. */
export function totalsOf({ energyJoules, charges }: Amounts): AmountTotals {
  const { costAmount, creditAmount, locationBasedGrams, marketBasedGrams } = charges;
  return {
    energyJoules: joules(valueOf(energyJoules)),
    ...(costAmount !== undefined && { costAmount: valueOf(costAmount) }),
    ...(creditAmount !== undefined && { creditAmount: valueOf(creditAmount) }),
    ...(locationBasedGrams !== undefined && {
      locationBasedGrams: grams(valueOf(locationBasedGrams)),
    }),
    ...(marketBasedGrams !== undefined && { marketBasedGrams: grams(valueOf(marketBasedGrams)) }),
  };
}

/** As the ledger keeps them: exactly what the views showed. */
export function rowOf(amounts: Amounts): AmountsRow {
  const { costAmount, creditAmount, locationBasedGrams, marketBasedGrams } = amounts.charges;
  const cell = (sum: Sum | undefined): number | null => (sum === undefined ? null : valueOf(sum));
  return [
    valueOf(amounts.energyJoules),
    cell(costAmount),
    cell(creditAmount),
    cell(locationBasedGrams),
    cell(marketBasedGrams),
  ];
}

/** Sums that go on from a row. */
export function amountsOf([energyJoules, cost, credit, location, market]: AmountsRow): Amounts {
  const sum = (cell: number | null): Sum | undefined =>
    cell === null ? undefined : { total: cell, carry: 0 };
  return {
    energyJoules: { total: energyJoules, carry: 0 },
    charges: {
      costAmount: sum(cost),
      creditAmount: sum(credit),
      locationBasedGrams: sum(location),
      marketBasedGrams: sum(market),
    },
  };
}
