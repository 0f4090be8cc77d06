import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import {
  chargeAt,
  intervalAt,
  newIntervalColumns,
  pushInterval,
} from '../../agent/interval-columns.ts';
import type { Interval } from '../../agent/model.ts';
import { chargeInterval } from '../../agent/price/charge.ts';
import { chargeRows } from '../../agent/price/charge-rows.ts';
import { createDemandMeter } from '../../agent/price/demand.ts';
import { flatTariff } from '../../agent/price/flat.ts';
import { openPriceLedger } from '../../agent/price/periods.ts';
import { createPricer } from '../../agent/price/pricer.ts';
import type { Tariff } from '../../agent/price/tariff.ts';
import { constantSchedule, type Schedule } from '../../agent/schedule.ts';
import { instant, joules } from '../../agent/units.ts';
import { interval } from '../account-doubles.ts';

/** A price every ten seconds, some below zero, some unknown; nothing after the last. */
const steps = (prices: readonly (number | undefined)[]): Schedule => ({
  valueAt: (time) => prices[Math.floor(time / 10)],
  nextChange(time) {
    const next = Math.floor(time / 10) + 1;
    return next <= prices.length ? instant(next * 10) : undefined;
  },
});

const demand: Tariff['demand'] = [
  { kind: 'flat', name: 'peak', blocks: [[{ ratePerKilowatt: 10 }]], period: constantSchedule(0) },
];
const tariffs = fc.oneof(
  fc
    .array(fc.constantFrom(-0.05, 0, 0.1, 0.1, 0.31, undefined), { minLength: 1, maxLength: 8 })
    .map((prices): Tariff => ({ ...flatTariff(), price: steps(prices), demand })),
  fc.constant<Tariff>({
    ...flatTariff(),
    tiers: {
      period: constantSchedule(0),
      blocks: [
        [{ upToKilowattHours: 0.002, pricePerKilowattHour: 0.1 }, { pricePerKilowattHour: 0.4 }],
      ],
    },
  }),
);
const uses = fc.array(
  fc.record({
    start: fc.double({ min: 0, max: 60, noNaN: true }),
    length: fc.oneof(fc.constant(0), fc.double({ min: 0.1, max: 15, noNaN: true })),
    energyJoules: fc.oneof(fc.constant(0), fc.double({ min: 1, max: 900, noNaN: true })),
    offset: fc.constantFrom(0, 0, 2.5),
  }),
  { maxLength: 40 },
);

interface Use {
  readonly start: number;
  readonly length: number;
  readonly energyJoules: number;
  readonly offset: number;
}

function intervalOf(use: Use): Interval {
  return {
    ...interval({ gainJoules: use.energyJoules / 50, offsetJoules: 3, aliasJoules: 0.5 }),
    startSeconds: instant(use.start),
    endSeconds: instant(use.start + use.length),
    energyJoules: joules(use.energyJoules),
    wallOffsetSeconds: use.offset,
  };
}

/** Prices the uses as rows and one by one, and holds the two against each other. */
function expectSame(tariff: Tariff, list: readonly Use[]): void {
  const columns = newIntervalColumns(64);
  for (const use of list) pushInterval(columns, intervalOf(use), 0);
  const rowPricing = {
    pricer: createPricer(tariff),
    powerUsageEffectiveness: 1.3,
    ledger: openPriceLedger(),
    demand: createDemandMeter(tariff),
    ...(tariff.tiers === undefined ? { price: tariff.price } : {}),
  };
  chargeRows(columns, { from: 0, to: list.length }, rowPricing);

  const pricer = createPricer(tariff);
  const ledger = openPriceLedger();
  const meter = createDemandMeter(tariff);
  for (let row = 0; row < list.length; row += 1) {
    const one = intervalAt(columns, row, () => 'GPU-a');
    const shifted = {
      ...one,
      startSeconds: instant(one.startSeconds + one.wallOffsetSeconds),
      endSeconds: instant(one.endSeconds + one.wallOffsetSeconds),
    };
    const charge = chargeInterval(shifted, pricer, 1.3, ledger);
    meter.add(shifted.startSeconds, shifted.endSeconds, charge.facilityKilowattHours);
    columns.numbers.locationBasedGrams[row] = NaN;
    columns.numbers.marketBasedGrams[row] = NaN;
    expect(chargeAt(columns, row)).toEqual(charge);
  }
  expect(rowPricing.ledger.periods()).toEqual(ledger.periods());
  expect(rowPricing.demand.costs()).toEqual(meter.costs());
}

describe('chargeRows()', () => {
  test('charges, bills and sees peaks as chargeInterval() does one by one, to the last bit', () => {
    fc.assert(fc.property(tariffs, uses, expectSame), { seed: 53, numRuns: 300 });
  });

  test('bills late energy where chargeInterval() does, though stretches of one price have come to touch', () => {
    const use = (start: number, end: number): Use => ({
      start,
      length: end - start,
      energyJoules: 100 + end,
      offset: 0,
    });
    // A hole that is filled later makes two stretches touch at 10; what follows belongs to both.
    const list = [use(0, 10), use(20, 30), use(10, 20), use(5, 8), use(9, 10), use(30, 31)];
    expectSame(flatTariff(), list);
  });
});
