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
  /**
   * The period that energy of that time and price belongs to, to be added to by `addToPeriod`: for what comes next too,
   * while it belongs there and nothing else is added.
   */
  periodOf(start: Instant, end: Instant, price: number): OpenPeriod;
  /** In time order. Energy without a price is in none of them. */
  periods(): PricePeriod[];
}

/** A row of the bill that still grows. */
export interface OpenPeriod {
  start: number;
  end: number;
  energy: number;
  readonly price: number;
}

// Neighbours touch, though the wall clock was slewed between them (NTP: at most half a millisecond a second) or stepped by
// a hair; no gap is so short.
const TOUCH_SECONDS = 0.05;

/** Whether energy over [start, end) at that price belongs to the period as it stands. */
export const belongsTo = (period: OpenPeriod, start: number, end: number, price: number): boolean =>
  period.price === price &&
  start <= period.end + TOUCH_SECONDS &&
  period.start <= end + TOUCH_SECONDS;

/** Adds kWh over [start, end) to their period. */
export function addToPeriod(period: OpenPeriod, start: number, end: number, energy: number): void {
  period.start = Math.min(period.start, start);
  period.end = Math.max(period.end, end);
  period.energy += energy;
}

/** An empty ledger. */
export function openPriceLedger(): PriceLedger {
  const byPrice = new Map<number, OpenPeriod[]>();
  // As they began, which is nearly their order in time.
  const all: OpenPeriod[] = [];
  let newest: OpenPeriod | undefined;
  const periodOf = (start: Instant, end: Instant, price: number): OpenPeriod => {
    // Stretches of one price may come to touch: the one that was added to last goes on, whoever asks, and however often.
    if (newest === undefined || !belongsTo(newest, start, end, price))
      newest = findOrOpen(start, end, price);
    return newest;
  };
  const findOrOpen = (start: Instant, end: Instant, price: number): OpenPeriod => {
    const periods = byPrice.get(price) ?? [];
    byPrice.set(price, periods);
    // A late interval (a bridged gap) belongs to an earlier stretch of its price; mostly it is the newest.
    const known = periods.findLast((period) => belongsTo(period, start, end, price));
    if (known !== undefined) return known;
    const period = { start, end, energy: 0, price };
    periods.push(period);
    all.push(period);
    return period;
  };
  return {
    periodOf,
    add({ startSeconds, endSeconds, energyKilowattHours, pricePerKilowattHour: price }) {
      if (price === undefined) return;
      const period = periodOf(startSeconds, endSeconds, price);
      addToPeriod(period, startSeconds, endSeconds, energyKilowattHours);
    },
    periods: () =>
      all
        .toSorted((a, b) => a.start - b.start || a.end - b.end)
        .map(({ start, end, energy, price }) => ({
          startSeconds: instant(start),
          endSeconds: instant(end),
          facilityKilowattHours: kilowattHours(energy),
          pricePerKilowattHour: price,
        })),
  };
}
