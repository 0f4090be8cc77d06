// Energy by the price that was in force: the rows of a bill. A price that comes back later is a row of its own. Pure.

import { slicesOf, type Schedule, type Slice } from '../schedule.ts';
import { instant, kilowattHours, type Instant, type KilowattHours } from '../units.ts';

/** Facility energy used while one price was in force. */
interface PricePeriod {
  readonly startSeconds: Instant;
  readonly endSeconds: Instant;
  readonly facilityKilowattHours: KilowattHours;
  readonly pricePerKilowattHour: number;
}

/** Facility energy spread evenly over [start, end). */
interface EnergyUse {
  readonly startSeconds: Instant;
  readonly endSeconds: Instant;
  readonly facilityKilowattHours: KilowattHours;
}

/** Adds up energy price by price, of any number of devices in any order. */
export interface PriceLedger {
  add(use: EnergyUse): void;
  /** In time order, neighbours at the same price joined. Energy without a price is in none of them. */
  periods(): PricePeriod[];
}

interface Tally {
  start: number;
  end: number;
  energy: number;
  readonly price: number;
}

/** An empty ledger over a price schedule. */
export function openPriceLedger(price: Schedule): PriceLedger {
  // A period is known by the instant at which it ends, which every slice of it agrees on.
  const tallies = new Map<number, Tally>();

  const book = (slice: Slice, energy: number): void => {
    const { startSeconds, endSeconds, value } = slice;
    if (value === undefined) return;
    const key: number = price.nextChange(startSeconds) ?? Infinity;
    const tally = tallies.get(key);
    if (tally === undefined) {
      tallies.set(key, { start: startSeconds, end: endSeconds, energy, price: value });
      return;
    }
    tally.start = Math.min(tally.start, startSeconds);
    tally.end = Math.max(tally.end, endSeconds);
    tally.energy += energy;
  };

  return {
    add({ startSeconds, endSeconds, facilityKilowattHours }) {
      const length = endSeconds - startSeconds;
      if (length <= 0) {
        book(
          { startSeconds, endSeconds, value: price.valueAt(startSeconds) },
          facilityKilowattHours,
        );
        return;
      }
      for (const slice of slicesOf(price, startSeconds, endSeconds)) {
        const share = (slice.endSeconds - slice.startSeconds) / length;
        book(slice, facilityKilowattHours * share);
      }
    },
    periods: () => joined([...tallies.values()].toSorted((a, b) => a.start - b.start)),
  };
}

function joined(tallies: readonly Tally[]): PricePeriod[] {
  const periods: Tally[] = [];
  for (const tally of tallies) {
    const last = periods.at(-1);
    if (last !== undefined && last.end === tally.start && last.price === tally.price) {
      last.end = tally.end;
      last.energy += tally.energy;
    } else periods.push({ ...tally });
  }
  return periods.map(({ start, end, energy, price }) => ({
    startSeconds: instant(start),
    endSeconds: instant(end),
    facilityKilowattHours: kilowattHours(energy),
    pricePerKilowattHour: price,
  }));
}
