import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import type { Interval } from '../../agent/model.ts';
import { chargeInterval } from '../../agent/price/charge.ts';
import { flatTariff } from '../../agent/price/flat.ts';
import { openPriceLedger } from '../../agent/price/periods.ts';
import { createPricer } from '../../agent/price/pricer.ts';
import type { Tariff } from '../../agent/price/tariff.ts';
import { constantSchedule, type Schedule } from '../../agent/schedule.ts';
import { instant, joules, seconds } from '../../agent/units.ts';

const hourly = (prices: readonly (number | undefined)[]): Schedule => ({
  valueAt: (time) => prices[Math.floor(time / 3600)],
  nextChange: (time) => {
    const hour = Math.floor(time / 3600) + 1;
    return hour <= prices.length ? instant(hour * 3600) : undefined;
  },
});
const tariffOf = (price: Schedule): Tariff => ({ ...flatTariff(), price });
const tiered: Tariff = {
  ...flatTariff(),
  tiers: {
    period: constantSchedule(0),
    blocks: [[{ upToKilowattHours: 2, pricePerKilowattHour: 0.1 }, { pricePerKilowattHour: 0.4 }]],
  },
};

const interval = (start: number, end: number, kilowattHours: number): Interval => ({
  uuid: 'GPU-1',
  startSeconds: instant(start),
  endSeconds: instant(end),
  method: 'integral',
  energyJoules: joules(kilowattHours * 3.6e6),
  observedSeconds: seconds(end - start),
  gapSeconds: {},
  gapEstimateJoules: joules(0),
  gapEstimateUncertaintyJoules: joules(0),
  bridgedSeconds: seconds(0),
  uncertainty: {
    gainJoules: 0,
    offsetJoules: 0,
    aliasJoules: 0,
    startEdgeJoules: 0,
    endEdgeJoules: 0,
    independentJoulesSquared: 0,
  },
  sampleCount: 1,
  wallOffsetSeconds: 0,
});

/** Charges the intervals in order; the money and the rows of the bill. */
function bill(tariff: Tariff, intervals: readonly Interval[]) {
  const pricer = createPricer(tariff);
  const ledger = openPriceLedger();
  const charges = intervals.map((one) => chargeInterval(one, pricer, 1, ledger));
  return { charges, periods: ledger.periods() };
}

const row = (start: number, end: number, energy: number, price: number) => ({
  startSeconds: start,
  endSeconds: end,
  facilityKilowattHours: expect.closeTo(energy, 9) as number,
  pricePerKilowattHour: price,
});

describe('openPriceLedger()', () => {
  test('is one period under a flat price, however many devices', () => {
    const { periods } = bill(flatTariff(), [
      interval(100, 200, 1),
      interval(100, 200, 2),
      interval(200, 300, 3),
    ]);
    expect(periods).toEqual([row(100, 300, 6, 0.1)]);
  });

  test('splits an interval where the price changes, joins neighbours, and knows a price that returns', () => {
    const { periods } = bill(tariffOf(hourly([0.1, 0.1, 0.3, 0.1])), [interval(0, 14_400, 4)]);
    expect(periods).toEqual([
      row(0, 7200, 2, 0.1),
      row(7200, 10_800, 1, 0.3),
      row(10_800, 14_400, 1, 0.1),
    ]);
  });

  test('is one period though the wall clock is slewed all the while', () => {
    // Half a millisecond a second, the most that NTP does.
    const day = Array.from({ length: 86_400 }, (_, second) =>
      interval(second * 1.0005, second * 1.0005 + 1, 0.001),
    );
    expect(bill(flatTariff(), day).periods).toHaveLength(1);
  });

  test('leaves energy without a price out, as the charge does', () => {
    const { charges, periods } = bill(tariffOf(hourly([0.1, undefined])), [interval(0, 7200, 2)]);
    expect(periods).toEqual([row(0, 3600, 1, 0.1)]);
    expect(charges[0]).not.toHaveProperty('costAmount');
  });

  test('puts a late interval where its time was', () => {
    const { periods } = bill(tariffOf(hourly([0.1, 0.3])), [
      interval(0, 1000, 1),
      interval(4000, 5000, 1),
      interval(1000, 2000, 1),
    ]);
    expect(periods).toEqual([row(0, 2000, 2, 0.1), row(4000, 5000, 1, 0.3)]);
  });

  test('follows tiers: the energy above the block is a row of its own', () => {
    const { charges, periods } = bill(tiered, [interval(0, 1000, 1.5), interval(1000, 2000, 1.5)]);
    expect(periods.map((period) => period.pricePerKilowattHour)).toEqual([0.1, 0.4]);
    expect(periods.map((period) => period.facilityKilowattHours)).toEqual([
      expect.closeTo(2, 9),
      expect.closeTo(1, 9),
    ]);
    expect(charges[1]?.costAmount).toBeCloseTo(0.5 * 0.1 + 0.4, 9);
  });

  test('changes no charge, and its rows add up to the charges, whatever the prices and cuts', () => {
    const prices = fc.array(fc.constantFrom(-0.1, 0, 0.1, 0.2), { minLength: 4, maxLength: 4 });
    const cuts = fc.array(fc.tuple(fc.integer({ min: 1, max: 400 }), fc.nat(1000)), {
      maxLength: 30,
    });
    fc.assert(
      fc.property(prices, cuts, (values, lengths) => {
        let from = 0;
        const intervals = lengths.map(([length, energy]) => {
          from += length;
          return interval(from - length, from, energy / 100);
        });
        const tariff = tariffOf(hourly(values));
        const { charges, periods } = bill(tariff, intervals);
        const net = charges.reduce(
          (sum, { costAmount = Number.NaN, creditAmount = 0 }) => sum + costAmount - creditAmount,
          0,
        );
        const rows = periods.reduce(
          (sum, period) => sum + period.facilityKilowattHours * period.pricePerKilowattHour,
          0,
        );
        expect(rows).toBeCloseTo(net, 9);
        for (const [position, one] of intervals.entries()) {
          expect(chargeInterval(one, createPricer(tariff), 1).costAmount).toBeCloseTo(
            charges[position]?.costAmount ?? Number.NaN,
            9,
          );
        }
      }),
      { seed: 20261123, numRuns: 100 },
    );
  });
});
