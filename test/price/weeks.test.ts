// Whole runs priced interval by interval, as the pipeline does it, against sums that were made by hand.

import { describe, expect, test } from 'vitest';

import type { Interval } from '../../agent/model.ts';
import { chargeInterval } from '../../agent/price/charge.ts';
import { createDemandMeter } from '../../agent/price/demand.ts';
import { openPriceLedger } from '../../agent/price/periods.ts';
import { createPricer } from '../../agent/price/pricer.ts';
import { readSiteLoad, readTariff } from '../../agent/price/read.ts';
import type { Tariff } from '../../agent/price/tariff.ts';
import { instant, joules, seconds, type Instant } from '../../agent/units.ts';
import { at } from './at.ts';

const QUARTER = 900;

/** A quarter of an hour of a GPU and its host at `kilowatts`. */
const quarter = (startSeconds: number, kilowatts: number): Interval => ({
  uuid: 'GPU-1',
  startSeconds: instant(startSeconds),
  endSeconds: instant(startSeconds + QUARTER),
  method: 'integral',
  energyJoules: joules(kilowatts * 1000 * QUARTER),
  observedSeconds: seconds(QUARTER),
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

/** The bill of a run at 1 kW, or as `kilowattsAt` says. */
function billOf(
  tariff: Tariff,
  start: Instant,
  end: Instant,
  kilowattsAt: (time: number) => number = () => 1,
) {
  const pricer = createPricer(tariff);
  const ledger = openPriceLedger();
  const demand = createDemandMeter(tariff);
  let [cost, credit, energy] = [0, 0, 0];
  for (let time: number = start; time < end; time += QUARTER) {
    const interval = quarter(time, kilowattsAt(time));
    const charge = chargeInterval(interval, pricer, 1, ledger);
    demand.add(interval.startSeconds, interval.endSeconds, charge.facilityKilowattHours);
    cost += charge.costAmount ?? Number.NaN;
    credit += charge.creditAmount ?? Number.NaN;
    energy += charge.facilityKilowattHours;
  }
  return { cost, credit, energy, periods: ledger.periods(), demand: demand.costs() };
}

const table = (row: readonly number[]): readonly (readonly number[])[] =>
  Array.from({ length: 12 }, () => row);
/** Night until 8, day until 20, evening. */
const DAY = Array.from({ length: 24 }, (_, hour) => (hour < 8 ? 0 : hour < 20 ? 1 : 2));
const threeRates = {
  energyratestructure: [[{ rate: 0.06, adj: 0.04 }], [{ rate: 0.3 }], [{ rate: 0.2 }]],
  energyweekdayschedule: table(DAY),
  energyweekendschedule: table(DAY),
};
const urdb = (document: object, timeZone: string): Tariff =>
  readTariff(JSON.stringify(document), { fileName: 'tariff.json', timeZone, timeZoneGiven: true });

describe('a week at 1 kW under three rates by the hour', () => {
  // A day is 8 h at 0.10, 12 h at 0.30 and 4 h at 0.20: 5.20; the hour that comes twice or not at all is at 0.10.
  test.each([
    [
      'in +5:30, which has no summer time',
      'Asia/Kolkata',
      '2026-03-02T00:00+05:30',
      '2026-03-09T00:00+05:30',
      168,
      36.4,
    ],
    [
      'in −8, in which the clocks go forward',
      'America/Los_Angeles',
      '2026-03-02T00:00-08:00',
      '2026-03-09T00:00-07:00',
      167,
      36.3,
    ],
    [
      'in −8, in which the clocks go back',
      'America/Los_Angeles',
      '2026-10-26T00:00-07:00',
      '2026-11-02T00:00-08:00',
      169,
      36.5,
    ],
  ])('%s', (_, timeZone, from, to, hours, expected) => {
    const bill = billOf(urdb(threeRates, timeZone), at(from), at(to));
    expect(bill.energy).toBeCloseTo(hours, 9);
    expect(bill.cost).toBeCloseTo(expected, 9);
    // Three rates a day, the evening and the next night apart.
    expect(bill.periods).toHaveLength(21);
    const rows = bill.periods.reduce(
      (sum, row) => sum + row.facilityKilowattHours * row.pricePerKilowattHour,
      0,
    );
    expect(rows).toBeCloseTo(expected, 9);
  });

  test('changes its rate at half past the hour of UTC in a zone of half an hour', () => {
    const { periods } = billOf(
      urdb(threeRates, 'Asia/Kolkata'),
      at('2026-03-02T00:00Z'),
      at('2026-03-02T06:00Z'),
    );
    expect(periods.map((row) => [row.endSeconds, row.facilityKilowattHours])).toEqual([
      [at('2026-03-02T02:30Z'), 2.5],
      [at('2026-03-02T06:00Z'), 3.5],
    ]);
  });
});

test('a run over midnight and month end fills the tiers of two months', () => {
  const tiers = {
    ...threeRates,
    energyratestructure: [[{ rate: 0.1, max: 4 }, { rate: 0.05 }], [{ rate: 9 }], [{ rate: 0.2 }]],
  };
  const bill = billOf(
    urdb(tiers, 'America/Chicago'),
    at('2026-01-31T22:00-06:00'),
    at('2026-02-01T06:00-06:00'),
  );
  // 2 h of the evening at 0.20 count for January; February begins at its first tier: 4 kWh at 0.10, 2 at 0.05.
  expect(bill.cost).toBeCloseTo(2 * 0.2 + 4 * 0.1 + 2 * 0.05, 9);
  expect(bill.periods.map((row) => row.pricePerKilowattHour)).toEqual([0.2, 0.1, 0.05]);
});

test('a negative hour is a credit, and the net is what the week costs', () => {
  const rows = [
    ['2026-03-02T00:00Z', '2026-03-02T01:00Z', 80],
    ['2026-03-02T01:00Z', '2026-03-02T02:00Z', -120],
    ['2026-03-02T02:00Z', '2026-03-02T03:00Z', 50],
  ];
  const text = `start,end,value [EUR/MWh]\n# network: 0.02\n${rows.map((row) => row.join(',')).join('\n')}`;
  const tariff = readTariff(text, { fileName: 'prices.csv', timeZone: 'UTC' });
  const bill = billOf(tariff, at('2026-03-02T00:00Z'), at('2026-03-02T03:00Z'), () => 2);
  expect(bill.cost).toBeCloseTo(2 * (0.1 + 0.07), 12);
  expect(bill.credit).toBeCloseTo(2 * 0.1, 12);
});

describe('a demand charge', () => {
  const flat = {
    ...threeRates,
    flatdemandstructure: [[{ rate: 8, adj: 2 }]],
    flatdemandmonths: Array(12).fill(0),
  };
  const site = `start,end,value [kW]
2026-03-01T00:00-08:00,2026-03-02T12:00-08:00,40
2026-03-02T12:00-08:00,2026-03-02T13:00-08:00,100
2026-03-02T13:00-08:00,2026-04-01T00:00-07:00,40`;

  test.each([
    ['while the site draws little: the month’s peak stays the site’s own', '02:00', 100, 100, 0],
    ['on top of the site’s peak: all of it is new', '12:00', 100, 130, 300],
    ['alone, on a site of nothing', undefined, 0, 30, 300],
  ])('of a run of 30 kW %s', (_, hour, without, withRun, amount) => {
    const options = { fileName: 'load.csv', timeZone: 'America/Los_Angeles' };
    const tariff = readTariff(JSON.stringify(flat), {
      ...options,
      ...(hour !== undefined && { siteLoadKilowatts: readSiteLoad(site, options) }),
    });
    const start = at(`2026-03-02T${hour ?? '02:00'}-08:00`);
    const [charge] = billOf(tariff, start, instant(start + 3600), () => 30).demand;
    expect(charge?.peakWithoutKilowatts).toBe(without);
    expect(charge?.peakWithKilowatts).toBeCloseTo(withRun, 9);
    expect(charge?.amount).toBeCloseTo(amount, 9);
  });
});
