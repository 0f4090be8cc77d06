// What an interval costs: its facility energy at the price in force when it was used. Pure.

import type { Charge, Interval } from '../model.ts';
import { meanOver } from '../schedule.ts';
import { toKilowattHours } from '../units.ts';
import type { Tariff } from './tariff.ts';

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

/**
 * Prices an interval, its energy spread evenly over it (ECONOMICS.md §2). Slices at a negative price are a credit, so
 * that cost and credit both only grow. The uncertainty parts that a device's intervals share are priced alike, for
 * u(cost)² of MEASUREMENT.md §4.8. Where the tariff has a gap the money is absent, unless no energy was used in it.
 * `powerUsageEffectiveness` (≥ 1) is applied here and nowhere else.
 */
export function priceInterval(
  interval: Interval,
  tariff: Tariff,
  powerUsageEffectiveness: number,
): EnergyCharge {
  const energy = toKilowattHours(interval.energyJoules * powerUsageEffectiveness);
  const price = meanOver(tariff.price, interval.startSeconds, interval.endSeconds);
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
