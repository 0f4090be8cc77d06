import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import type { Interval } from '../../agent/model.ts';
import { chargeInterval } from '../../agent/price/charge.ts';
import { flatTariff } from '../../agent/price/flat.ts';
import { createPricer } from '../../agent/price/pricer.ts';
import type { Tariff } from '../../agent/price/tariff.ts';
import type { Schedule } from '../../agent/schedule.ts';
import { instant, joules, seconds } from '../../agent/units.ts';

const interval = (start: number, end: number, energyJoules: number): Interval => ({
  uuid: 'GPU-1',
  startSeconds: instant(start),
  endSeconds: instant(end),
  method: 'integral',
  energyJoules: joules(energyJoules),
  observedSeconds: seconds(end - start),
  gapSeconds: {},
  gapEstimateJoules: joules(0),
  gapEstimateUncertaintyJoules: joules(0),
  bridgedSeconds: seconds(0),
  uncertainty: {
    gainJoules: energyJoules * 0.04,
    offsetJoules: 6 * (end - start),
    aliasJoules: 0,
    startEdgeJoules: 0,
    endEdgeJoules: 0,
    independentJoulesSquared: 0,
  },
  sampleCount: 10,
  wallOffsetSeconds: 0,
});

/** Prices by the hour, from hour 0; a gap before and after. */
const hourly = (prices: readonly (number | undefined)[]): Schedule => ({
  valueAt: (time) => prices[Math.floor(time / 3600)],
  nextChange: (time) => {
    const hour = Math.floor(time / 3600) + 1;
    return hour <= prices.length ? instant(hour * 3600) : undefined;
  },
});
const tariff = (prices: readonly (number | undefined)[]): Tariff => ({
  ...flatTariff({ pricePerKilowattHour: 1, currency: 'EUR' }),
  price: hourly(prices),
});

const charged = (use: Interval, tariffOf: Tariff, powerUsageEffectiveness: number) =>
  chargeInterval(use, createPricer(tariffOf), powerUsageEffectiveness);

describe('chargeInterval()', () => {
  test('multiplies by the PUE once', () => {
    const charge = charged(interval(0, 3600, 3.6e6), flatTariff(), 1.5);
    expect(charge.facilityKilowattHours).toBeCloseTo(1.5, 12);
    expect(charge.costAmount).toBeCloseTo(0.15, 12);
    expect(charge.creditAmount).toBe(0);
  });

  test('splits the energy where the price changes', () => {
    // Half an hour at 0.20 and an hour and a half at 0.40, 2 kWh in all.
    const charge = charged(interval(1800, 9000, 7.2e6), tariff([0.2, 0.4, 0.4]), 1);
    expect(charge.costAmount).toBeCloseTo(0.5 * 0.2 + 1.5 * 0.4, 12);
  });

  test('books a negative price as a credit, never as a negative cost', () => {
    const charge = charged(interval(0, 7200, 7.2e6), tariff([-0.05, 0.3]), 1);
    expect(charge.costAmount).toBeCloseTo(0.3, 12);
    expect(charge.creditAmount).toBeCloseTo(0.05, 12);
  });

  test('prices the uncertainty that intervals share at the net price', () => {
    const charge = charged(interval(0, 7200, 7.2e6), tariff([-0.1, 0.3]), 1.2);
    expect(charge.gainCostAmount).toBeCloseTo(0.04 * 2 * 1.2 * 0.1, 12);
    expect(charge.offsetCostAmount).toBeCloseTo(((6 * 7200) / 3.6e6) * 1.2 * 0.1, 12);
    expect(charge.aliasCostAmount).toBe(0);
  });

  test('leaves the cost absent where the tariff has a gap: unknown is not free', () => {
    const charge = charged(interval(0, 7200, 7.2e6), tariff([0.2, undefined]), 1);
    expect(charge).toEqual({ facilityKilowattHours: 2 });
  });

  test('costs nothing where no energy was used, whatever the price', () => {
    const charge = charged(interval(0, 7200, 0), tariff([undefined, undefined]), 1);
    expect(charge.costAmount).toBe(0);
  });

  test('is the sum of its cuts', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -1, max: 2, noNaN: true }), { minLength: 4, maxLength: 4 }),
        fc.double({ min: 0, max: 1e8, noNaN: true }),
        fc.integer({ min: 1, max: 14_399 }),
        (prices, energy, cut) => {
          const whole = charged(interval(0, 14_400, energy), tariff(prices), 1.3);
          const left = interval(0, cut, (energy * cut) / 14_400);
          const right = interval(cut, 14_400, energy - (energy * cut) / 14_400);
          const parts = [left, right].map((part) => charged(part, tariff(prices), 1.3));
          const sum = (key: 'costAmount' | 'creditAmount' | 'offsetCostAmount'): number =>
            parts.reduce((total, part) => total + (part[key] ?? Number.NaN), 0);
          for (const key of ['costAmount', 'creditAmount', 'offsetCostAmount'] as const) {
            expect(sum(key)).toBeCloseTo(whole[key] ?? Number.NaN, 9);
          }
        },
      ),
      { seed: 20261123, numRuns: 200 },
    );
  });

  test('is price × energy under a constant tariff', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0, max: 5, noNaN: true }),
        fc.double({ min: 0, max: 1e10, noNaN: true }),
        (price, energy) => {
          const flat = flatTariff({ pricePerKilowattHour: price });
          const charge = charged(interval(10, 20, energy), flat, 1.1);
          expect(charge.costAmount).toBe(charge.facilityKilowattHours * price);
        },
      ),
      { seed: 20261123 },
    );
  });
});
