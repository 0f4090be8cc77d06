// Energy by the price that was in force: the rows of a bill. A price that comes back later is a row of its own. Pure.

import { instant, kilowattHours, type Instant, type KilowattHours } from '../units.ts';
import type { PricedSlice } from './pricer.ts';

/** Facility energy used while one price was in force. */
interface PricePeriod {
  readonly startSeconds: Instant;
  readonly endSeconds: Instant;
  readonly facilityKilowattHours: KilowattHours;
  readonly pricePerKilowattHour: number;
}

/** Adds up energy price by price, of any number of devices, in about the order of time. */
export interface PriceLedger {
  add(slice: PricedSlice): void;
  /** In time order. Energy without a price is in none of them. */
  periods(): PricePeriod[];
}

interface Tally {
  start: number;
  end: number;
  energy: number;
  readonly price: number;
}

/** An empty ledger. */
export function openPriceLedger(): PriceLedger {
  const byPrice = new Map<number, Tally[]>();
  return {
    add({ startSeconds, endSeconds, energyKilowattHours, pricePerKilowattHour: price }) {
      if (price === undefined) return;
      const tallies = byPrice.get(price) ?? [];
      byPrice.set(price, tallies);
      // A late interval (a bridged gap) belongs to an earlier stretch of its price; mostly it is the newest.
      const tally = tallies.findLast(
        ({ start, end }) => startSeconds <= end && start <= endSeconds,
      );
      if (tally === undefined) {
        tallies.push({ start: startSeconds, end: endSeconds, energy: energyKilowattHours, price });
        return;
      }
      tally.start = Math.min(tally.start, startSeconds);
      tally.end = Math.max(tally.end, endSeconds);
      tally.energy += energyKilowattHours;
    },
    periods: () =>
      [...byPrice.values()]
        .flat()
        .toSorted((a, b) => a.start - b.start || a.end - b.end)
        .map(({ start, end, energy, price }) => ({
          startSeconds: instant(start),
          endSeconds: instant(end),
          facilityKilowattHours: kilowattHours(energy),
          pricePerKilowattHour: price,
        })),
  };
}
