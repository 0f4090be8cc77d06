// What an interval costs: its facility energy at the price in force when it was used. Pure.

import type { Charge, Interval } from '../model.ts';
import { signed, type SignedMean } from '../schedule.ts';
import { toKilowattHours, type KilowattHours } from '../units.ts';
import type { PriceLedger } from './periods.ts';
import type { Pricer } from './pricer.ts';

/** The money of an interval, and the energy it is charged for. */
export type EnergyCharge = Pick<
  Charge,
  | 'facilityKilowattHours'
  | 'costAmount'
  | 'creditAmount'
  | 'gainCostAmount'
  | 'offsetCostAmount'
  | 'aliasCostAmount'
>;

/** What of an interval is priced. */
export type PricedUse = Pick<Interval, 'startSeconds' | 'endSeconds' | 'energyJoules'> & {
  readonly uncertainty: Pick<
    Interval['uncertainty'],
    'gainJoules' | 'offsetJoules' | 'aliasJoules'
  >;
};

/**
 * Prices an interval, its energy spread evenly over it (ECONOMICS.md §2), and books it in the ledger of price periods
 * where there is one. Parts at a negative price are a credit, so that cost and credit both only grow. The uncertainty
 * parts that a device's intervals share are priced alike, for u(cost)² of docs/measurement.md §4.8. Where the tariff has a
 * gap the money is absent, unless no energy was used in it. `powerUsageEffectiveness` (≥ 1) is applied here and nowhere
 * else.
 */
export function chargeInterval(
  interval: PricedUse,
  pricer: Pricer,
  powerUsageEffectiveness: number,
  ledger?: PriceLedger,
): EnergyCharge {
  const energy = toKilowattHours(interval.energyJoules * powerUsageEffectiveness);
  const price = meanPrice(interval, energy, pricer, ledger);
  if (price === undefined) {
    return energy === 0
      ? { facilityKilowattHours: energy, costAmount: 0, creditAmount: 0 }
      : { facilityKilowattHours: energy };
  }
  const { gainJoules, offsetJoules, aliasJoules } = interval.uncertainty;
  const perJoule = toKilowattHours(powerUsageEffectiveness) * (price.positive + price.negative);
  return {
    facilityKilowattHours: energy,
    costAmount: energy * price.positive,
    creditAmount: price.negative === 0 ? 0 : energy * -price.negative,
    gainCostAmount: gainJoules * perJoule,
    offsetCostAmount: offsetJoules * perJoule,
    aliasCostAmount: aliasJoules * perJoule,
  };
}

// A pricer books what it is asked for, so it is asked once: for the mean alone, or for the slices it is made of.
function meanPrice(
  { startSeconds, endSeconds }: PricedUse,
  energy: KilowattHours,
  pricer: Pricer,
  ledger: PriceLedger | undefined,
): SignedMean | undefined {
  const isBooked = ledger !== undefined && energy !== 0 && endSeconds > startSeconds;
  // Nearly every interval lies within one price, and a year of them is to be priced in a second.
  const one = pricer.onePrice(startSeconds, endSeconds, energy);
  if (one !== undefined) {
    if (isBooked)
      ledger.add({
        startSeconds,
        endSeconds,
        energyKilowattHours: energy,
        pricePerKilowattHour: one,
      });
    return signed(one);
  }
  if (!isBooked) return pricer.meanOver(startSeconds, endSeconds, energy);
  let positive = 0;
  let negative = 0;
  let isKnown = true;
  for (const slice of pricer.price(startSeconds, endSeconds, energy)) {
    ledger.add(slice);
    const { pricePerKilowattHour: price } = slice;
    if (price === undefined) isKnown = false;
    else if (price < 0) negative += (price * slice.energyKilowattHours) / energy;
    else positive += (price * slice.energyKilowattHours) / energy;
  }
  return isKnown ? { positive, negative } : undefined;
}
