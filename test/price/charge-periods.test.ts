import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { openPriceLedger } from '../../agent/price/periods.ts';
import { constantSchedule, type Schedule } from '../../agent/schedule.ts';
import { instant, kilowattHours } from '../../agent/units.ts';

const hourly = (prices: readonly (number | undefined)[]): Schedule => ({
  valueAt: (time) => prices[Math.floor(time / 3600)],
  nextChange: (time) => {
    const hour = Math.floor(time / 3600) + 1;
    return hour <= prices.length ? instant(hour * 3600) : undefined;
  },
});
const use = (start: number, end: number, energy: number) => ({
  startSeconds: instant(start),
  endSeconds: instant(end),
  facilityKilowattHours: kilowattHours(energy),
});

describe('openPriceLedger()', () => {
  test('is one period under a flat price', () => {
    const ledger = openPriceLedger(constantSchedule(0.1));
    ledger.add(use(100, 200, 1));
    ledger.add(use(100, 200, 2));
    ledger.add(use(200, 300, 3));
    expect(ledger.periods()).toEqual([
      { startSeconds: 100, endSeconds: 300, facilityKilowattHours: 6, pricePerKilowattHour: 0.1 },
    ]);
  });

  test('splits an interval where the price changes, and joins neighbours at one price', () => {
    const ledger = openPriceLedger(hourly([0.1, 0.1, 0.3, 0.1]));
    ledger.add(use(0, 14_400, 4));
    expect(ledger.periods()).toEqual([
      { startSeconds: 0, endSeconds: 7200, facilityKilowattHours: 2, pricePerKilowattHour: 0.1 },
      {
        startSeconds: 7200,
        endSeconds: 10_800,
        facilityKilowattHours: 1,
        pricePerKilowattHour: 0.3,
      },
      {
        startSeconds: 10_800,
        endSeconds: 14_400,
        facilityKilowattHours: 1,
        pricePerKilowattHour: 0.1,
      },
    ]);
  });

  test('leaves energy without a price out', () => {
    const ledger = openPriceLedger(hourly([0.1, undefined]));
    ledger.add(use(0, 7200, 2));
    expect(ledger.periods()).toHaveLength(1);
    expect(ledger.periods()[0]?.facilityKilowattHours).toBe(1);
  });

  test('asking twice changes nothing, and no energy is lost whatever the cuts and their order', () => {
    const prices = fc.array(fc.constantFrom(-0.1, 0, 0.1, 0.2), { minLength: 4, maxLength: 4 });
    const uses = fc.array(
      fc.tuple(fc.integer({ min: 0, max: 14_000 }), fc.integer({ min: 0, max: 400 }), fc.nat(1000)),
      { maxLength: 40 },
    );
    fc.assert(
      fc.property(prices, uses, (values, rows) => {
        const ledger = openPriceLedger(hourly(values));
        for (const [start, length, energy] of rows) ledger.add(use(start, start + length, energy));
        const periods = ledger.periods();
        expect(ledger.periods()).toEqual(periods);
        const booked = periods.reduce((sum, period) => sum + period.facilityKilowattHours, 0);
        expect(booked).toBeCloseTo(
          rows.reduce((sum, [, , energy]) => sum + energy, 0),
          6,
        );
        for (const [position, period] of periods.entries()) {
          const next = periods[position + 1];
          if (next !== undefined)
            expect(next.startSeconds).toBeGreaterThanOrEqual(period.endSeconds);
        }
      }),
      { seed: 20261123, numRuns: 200 },
    );
  });
});
