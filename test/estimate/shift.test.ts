import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { runEstimate } from '../../agent/estimate/estimate.ts';
import type { Estimate } from '../../agent/estimate/figures.ts';
import type { Plan, PlannedRegion } from '../../agent/estimate/plan.ts';
import { exactly } from '../../agent/estimate/range.ts';
import { bestStart, meanFrom, stretchOf } from '../../agent/estimate/shift.ts';
import type { PlanSeries, Surroundings } from '../../agent/estimate/surroundings.ts';
import { constantSchedule, type Schedule } from '../../agent/schedule.ts';
import { readSeries } from '../../agent/series-file.ts';
import { instant } from '../../agent/units.ts';
import { at } from '../price/at.ts';

const HOUR = 3600;
const T0 = 1e9;
const hourly = (values: readonly number[], gap: 'error' | 'hold' = 'error'): Schedule =>
  readSeries(
    values
      .map((value, hour) => `${T0 + hour * HOUR},${T0 + (hour + 1) * HOUR},${value}`)
      .join('\n'),
    { fileName: 'series.csv', timeZone: 'UTC', gap },
  ).series.schedule;
const within = (hours: number) => [instant(T0), instant(T0 + hours * HOUR)] as const;

describe('bestStart()', () => {
  test('finds the best of all starts, the worst, and what any comes to', () => {
    // Over two hours from 0 h to 2 h the mean goes 200, 100, 250: the trapezoids hold 150 and 175.
    expect(bestStart(hourly([300, 100, 100, 400]), ...within(4), 2 * HOUR)).toEqual({
      startSeconds: T0 + HOUR,
      mean: 100,
      averageMean: 162.5,
      worstMean: 250,
    });
  });

  test('takes a start between the hours where that is best', () => {
    // An hour and a half fits the two cheap hours from 1 h to 1.5 h: the first of equals.
    const best = bestStart(hourly([9, 1, 1, 9]), ...within(4), 1.5 * HOUR);
    expect(best).toMatchObject({ startSeconds: T0 + HOUR, mean: 1 });
    // And 1.5 h before the end of the cheap hour, where the hour before is the lesser evil.
    expect(bestStart(hourly([9, 3, 1, 9]), ...within(4), 1.5 * HOUR)).toMatchObject({
      startSeconds: T0 + 1.5 * HOUR,
      mean: (0.5 * 3 + 1) / 1.5,
    });
  });

  test.each([
    ['does not fit', hourly([1, 2]), 2 * HOUR + 1],
    ['has no length', hourly([1, 2]), 0],
    ['meets a gap', { ...hourly([1, 2]), valueAt: () => undefined }, HOUR],
  ])('is undefined for a job that %s', (_, schedule, duration) => {
    expect(bestStart(schedule, ...within(2), duration)).toBeUndefined();
  });

  test('is not beaten by any start, and any start is between best and worst', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -50, max: 300 }), { minLength: 2, maxLength: 24 }),
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        (values, share) => {
          const schedule = hourly(values);
          const duration = share * values.length * HOUR;
          const found = bestStart(schedule, ...within(values.length), duration);
          if (found === undefined) throw new Error('it fits');
          const room = values.length * HOUR - duration;
          const means = Array.from({ length: 101 }, (__, step) =>
            meanFrom(schedule, instant(T0 + (room * step) / 100), duration),
          );
          for (const mean of means) {
            expect(mean).toBeGreaterThanOrEqual(found.mean - 1e-6);
            expect(mean).toBeLessThanOrEqual(found.worstMean + 1e-6);
          }
          expect(meanFrom(schedule, found.startSeconds, duration)).toBeCloseTo(found.mean, 6);
          expect(found.averageMean).toBeGreaterThanOrEqual(found.mean - 1e-9);
          expect(found.averageMean).toBeLessThanOrEqual(found.worstMean + 1e-9);
        },
      ),
      { seed: 57, numRuns: 100 },
    );
  });
});

describe('stretchOf()', () => {
  const now = instant(T0 + 7 * HOUR);
  test.each([
    ['of its rows', hourly([1, 2, 3]), T0, T0 + 3 * HOUR],
    ['up to the row that is held for ever', hourly([1, 2, 3], 'hold'), T0, T0 + 2 * HOUR],
    ['of a week from now where there is no beginning', constantSchedule(1), now, now + 168 * HOUR],
  ])('is that %s', (_, schedule, from, to) => {
    expect(stretchOf(schedule, now)).toEqual({ fromSeconds: from, toSeconds: to });
  });

  test('is unknown where there is no value', () => {
    const nothing = { valueAt: () => undefined, nextChange: () => undefined };
    expect(stretchOf(nothing, now)).toBeUndefined();
  });
});

const plan: Plan = {
  name: 'six hours',
  currency: 'EUR',
  training: [
    { kind: 'formula', name: 'x', k: exactly(0.8), hours: exactly(6), kilowatts: exactly(40) },
  ],
};
const ENERGY = 0.8 * 6 * 40;

function estimate(changes: Partial<Plan>, surroundings: Surroundings): Estimate {
  const result = runEstimate({ kind: 'plan', plan: { ...plan, ...changes }, surroundings });
  if (result.kind !== 'estimate') throw new Error('This should be an estimate.');
  return result.estimate;
}
const lever = (of: Estimate, id: string) => of.levers.find((each) => each.id === id);
const figure = (of: Estimate, section: string, key: string) =>
  of.sections.find((each) => each.key === section)?.figures.find((each) => each.key === key);

// The night in which the clocks go forward: 22:00 to 04:00 are five hours.
const PRICES = `start,end,value [EUR/kWh]
2026-03-28T00:00,2026-03-28T06:00,0.06
2026-03-28T06:00,2026-03-28T22:00,0.12
2026-03-28T22:00,2026-03-29T04:00,0.03
2026-03-29T04:00,2026-03-30T00:00,0.11
`;
const price = {
  schedule: readSeries(PRICES, { fileName: 'prices.csv', timeZone: 'Europe/Berlin' }).series
    .schedule,
  source: 'prices.csv',
  currency: 'EUR',
};
const carbon = {
  schedule: readSeries(
    '2026-03-27T23:00Z,2026-03-28T10:00Z,450\n2026-03-28T10:00Z,2026-03-28T16:00Z,200\n2026-03-28T16:00Z,2026-03-29T22:00Z,400\n',
    { fileName: 'grid.csv', timeZone: 'UTC' },
  ).series.schedule,
  source: 'grid.csv',
};
const series: PlanSeries = {
  price,
  carbon,
  fromSeconds: at('2026-03-27T23:00Z'),
  toSeconds: at('2026-03-29T22:00Z'),
  timeZone: 'Europe/Berlin',
};

describe('a shift in time', () => {
  const shifted = estimate({}, { series });

  test('starts in the cheap night: five hours at 0.03 and one at 0.11, because the clocks go forward', () => {
    const cheapest = lever(shifted, 'time-shift-price');
    expect(cheapest).toMatchObject({
      name: 'Start when electricity is cheapest, 2026-03-28 22:00+01:00',
      startTime: '2026-03-28T21:00:00Z',
    });
    const best = (5 * 0.03 + 0.11) / 6;
    const cost = figure(shifted, 'cost', 'electricityCost')?.value;
    expect(cost?.low).toBeCloseTo(ENERGY * best, 9);
    expect(cost?.high).toBeCloseTo(ENERGY * 0.12, 9);
    expect(cheapest?.savedCost?.low).toBeCloseTo(0, 9);
    expect(cheapest?.savedCost?.high).toBeCloseTo(ENERGY * (0.12 - best), 9);
    // At that hour the grid has 400 g/kWh, against 450 at the worst.
    expect(cheapest?.savedKilograms?.high).toBeCloseTo((ENERGY * 50) / 1000, 9);
  });

  test('against any start is against the mean of a start in every minute', () => {
    const minutes = (47 - 6) * 60;
    let sum = 0;
    for (let minute = 0.5; minute < minutes; minute += 1) {
      const mean = meanFrom(price.schedule, instant(series.fromSeconds + minute * 60), 6 * HOUR);
      sum += mean ?? NaN;
    }
    const mid = figure(shifted, 'cost', 'pricePerKilowattHour')?.value.mid;
    expect(mid).toBeCloseTo(sum / minutes, 5);
    const best = (5 * 0.03 + 0.11) / 6;
    const saved = lever(shifted, 'time-shift-price')?.savedCost?.mid ?? NaN;
    expect(saved).toBeCloseTo(ENERGY * ((mid ?? NaN) - best), 9);
    expect(lever(shifted, 'time-shift-price')?.breakEven).toMatch(
      /^pays while waiting costs less than 10\.\d+ EUR$/,
    );
  });

  test('to the cleanest hours says what they cost more, per tonne', () => {
    const cleanest = lever(shifted, 'time-shift-carbon');
    expect(cleanest?.startTime).toBe('2026-03-28T10:00:00Z');
    expect(cleanest?.savedKilograms?.high).toBeCloseTo((ENERGY * 250) / 1000, 9);
    expect(cleanest?.savedCost?.low).toBeCloseTo(ENERGY * ((5 * 0.03 + 0.11) / 6 - 0.12), 9);
    expect(cleanest?.breakEven).toMatch(
      /^costs \d\.\d+ EUR more: \d+(\.\d+)? EUR per tonne saved$/,
    );
  });

  test('against a planned start is exact', () => {
    const startSeconds = at('2026-03-28T12:00', 'Europe/Berlin');
    const planned = estimate(
      {},
      { series: { ...series, fromSeconds: startSeconds, startSeconds } },
    );
    expect(figure(planned, 'cost', 'electricityCost')?.value.mid).toBeCloseTo(ENERGY * 0.12, 9);
    const saved = lever(planned, 'time-shift-price')?.savedCost;
    expect(saved?.low).toBeCloseTo(14.72, 9);
    expect(saved?.high).toBeCloseTo(14.72, 9);
    expect(lever(planned, 'time-shift-price')?.source).toContain('against the planned start');
    // From noon on the grid is clean for five of the six hours already.
    expect(lever(planned, 'time-shift-carbon')?.breakEven).toBe(
      'never: no start in the series is cleaner',
    );
  });

  test('on the day of 25 hours has the hour that comes twice', () => {
    const autumn = readSeries(
      'start,end,value\n2026-10-24T12:00+02:00,2026-10-25T00:00+02:00,0.2\n2026-10-25T00:00+02:00,2026-10-25T05:00+01:00,0.01\n2026-10-25T05:00+01:00,2026-10-26T00:00+01:00,0.2\n',
      { fileName: 'autumn.csv', timeZone: 'Europe/Berlin' },
    ).series;
    const autumnal: PlanSeries = {
      price: { ...price, schedule: autumn.schedule },
      fromSeconds: autumn.startSeconds,
      toSeconds: autumn.endSeconds,
      timeZone: 'Europe/Berlin',
    };
    const shift = estimate({}, { series: autumnal });
    // From midnight to five are six hours, all of them cheap.
    expect(figure(shift, 'cost', 'electricityCost')?.value.low).toBeCloseTo(ENERGY * 0.01, 9);
    expect(lever(shift, 'time-shift-price')?.startTime).toBe('2026-10-24T22:00:00Z');
  });

  test('at prices below zero earns money, its ends in order', () => {
    const negative = hourly([0.1, 0.1, -0.05, -0.05, 0.1, 0.1]);
    const short = exactly(2);
    const shift = estimate(
      {
        training: [
          {
            kind: 'formula',
            name: 'x',
            k: exactly(1),
            hours: short,
            kilowatts: { low: 1, mid: 2, high: 3 },
          },
        ],
      },
      {
        series: {
          price: { ...price, schedule: negative },
          fromSeconds: instant(T0),
          toSeconds: instant(T0 + 6 * HOUR),
        },
      },
    );
    const cost = figure(shift, 'cost', 'electricityCost')?.value;
    expect(cost?.low).toBeCloseTo(-0.05 * 6, 9);
    expect(cost?.high).toBeCloseTo(0.1 * 6, 9);
  });

  test.each([
    [
      'without a duration',
      { training: [{ kind: 'energy', name: 'x', energyKilowattHours: exactly(9) }] },
      'unknown: give durationHours',
      'the mean of prices.csv: give durationHours',
    ],
    [
      'longer than the series',
      { durationHours: 460 },
      'unknown: the series spans 47 h, the training takes 460 h',
      'the mean of prices.csv, which spans 47 h of the 460 h',
    ],
  ] as const)('of a training %s says what is missing', (_, changes, breakEven, note) => {
    const unshifted = estimate(changes, { series });
    expect(lever(unshifted, 'time-shift-price')?.breakEven).toContain(breakEven);
    expect(lever(unshifted, 'time-shift-price')?.savedCost).toBeUndefined();
    expect(figure(unshifted, 'cost', 'pricePerKilowattHour')).toMatchObject({
      provenance: 'assumed',
      note: expect.stringContaining(note) as string,
    });
  });

  test('of rented GPUs saves the tenant nothing', () => {
    const hardware = { kind: 'rented', ratePerGpuHour: exactly(2) } as const;
    const rented = lever(estimate({ hardware }, { series }), 'time-shift-price');
    expect(rented?.savedCost).toBeUndefined();
    expect(rented?.breakEven).toContain('never on rented GPUs');
    expect(rented?.savedKilograms?.high).toBeGreaterThan(0);
  });

  test('in another currency than the plan is refused', () => {
    expect(() => estimate({ currency: 'USD' }, { series })).toThrow(
      'prices.csv: its prices are in EUR, the plan is in USD.',
    );
    expect(estimate({ currency: undefined }, { series }).currency).toBe('EUR');
  });
});

describe('a shift in space', () => {
  const here = { pricePerKilowattHour: exactly(0.2), gramsPerKilowattHour: exactly(400) };
  const there = (region: PlannedRegion, changes: Partial<Plan> = {}, facts = {}) =>
    lever(
      estimate({ ...here, ...changes, regions: { north: region } }, { regions: facts }),
      'region-north',
    );

  test('saves E · I − E · I′ and E · p − E · p′', () => {
    const north = there({ gramsPerKilowattHour: exactly(30), pricePerKilowattHour: exactly(0.05) });
    expect(north?.savedKilograms?.mid).toBeCloseTo((ENERGY * 370) / 1000, 9);
    expect(north?.savedCost?.mid).toBeCloseTo(ENERGY * 0.15, 9);
    expect(north?.breakEven).toBe('pays while moving the work costs less than 28.8 EUR');
  });

  test('at another PUE takes other energy', () => {
    const region = { gramsPerKilowattHour: exactly(400), powerUsageEffectiveness: exactly(1.1) };
    const north = there(region, { powerUsageEffectiveness: exactly(1.5) });
    expect(north?.savedKilowattHours?.mid).toBeCloseTo(ENERGY * (1 - 1.1 / 1.5), 9);
    expect(north?.savedKilograms?.mid).toBeCloseTo((ENERGY * 400 * (1 - 1.1 / 1.5)) / 1000, 9);
  });

  test('takes low, mid and high of the files that were read for it, and names them', () => {
    const facts = {
      north: {
        gramsPerKilowattHour: { low: 10, mid: 20, high: 90 },
        pricePerKilowattHour: { low: 0.1, mid: 0.3, high: 0.4 },
        currency: 'EUR',
        source: 'north-grid.csv; north-prices.csv',
      },
    };
    const north = there({ files: ['north-grid.csv', 'north-prices.csv'] }, {}, facts);
    expect(north?.source).toBe('north-grid.csv; north-prices.csv');
    expect(north?.savedKilograms?.low).toBeCloseTo((ENERGY * 310) / 1000, 9);
    expect(north?.savedKilograms?.high).toBeCloseTo((ENERGY * 390) / 1000, 9);
    expect(north?.breakEven).toMatch(/^costs 19\.2 EUR more: 263\.2 EUR per tonne saved$/);
  });

  test('of rented GPUs is a matter of rent', () => {
    const rented: Partial<Plan> = {
      hardware: { kind: 'rented', ratePerGpuHour: exactly(3) },
      training: [
        { kind: 'gpu-hours', name: 'x', gpuHours: exactly(100), wattsPerGpu: exactly(500) },
      ],
    };
    const north = there(
      { pricePerKilowattHour: exactly(0.01), ratePerGpuHour: exactly(2) },
      rented,
    );
    expect(north?.savedCost?.mid).toBeCloseTo(100, 9);
    expect(there({ pricePerKilowattHour: exactly(0.01) }, rented)?.savedCost).toBeUndefined();
  });

  test.each([
    [{ gramsPerKilowattHour: exactly(500) }, here, 'never: the grid there is no cleaner'],
    [
      { gramsPerKilowattHour: exactly(500), pricePerKilowattHour: exactly(0.3) },
      here,
      'never: it is dearer there and no cleaner',
    ],
    [{}, here, 'unknown: give its gramsPerKilowattHour, its zone, or a file of its intensities'],
    [
      { gramsPerKilowattHour: exactly(20) },
      { gramsPerKilowattHour: undefined },
      "unknown: give the plan's own grid",
    ],
  ])('%j has the break-even that can be said', (region, changes, breakEven) => {
    expect(there(region, changes)?.breakEven).toContain(breakEven);
  });

  test('with prices in another currency is refused', () => {
    const facts = { north: { pricePerKilowattHour: exactly(1), currency: 'SEK', source: 'x' } };
    expect(() => there({}, {}, facts)).toThrow(
      'region north: its prices are in SEK, the plan is in EUR.',
    );
  });
});
