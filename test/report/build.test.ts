import { describe, expect, test } from 'vitest';

import type { DeviceBooks } from '../../agent/account.ts';
import { constantSchedule } from '../../agent/schedule.ts';
import { flatTariff } from '../../agent/price/flat.ts';
import { buildReport } from '../../agent/report/build.ts';
import { parseReport } from '../../agent/report/schema.ts';
import { grams, instant, joules, kilowattHours, seconds, watts } from '../../agent/units.ts';
import { known } from '../known.ts';
import {
  booksOf,
  deviceOf,
  END,
  fourFull,
  inputOf,
  lineOf,
  nothing,
  onePlain,
  SENSOR,
  sixtyFour,
  START,
  totalsOf,
} from './books.ts';

const sum = (values: readonly number[]): number =>
  values.reduce((total, value) => total + value, 0);

/** The books of a GPU that never answered. */
function silentLine(index: number): DeviceBooks {
  const {
    method: _,
    counterJoules: __,
    ...totals
  } = totalsOf(index, {
    observedSeconds: seconds(0),
    energyJoules: joules(0),
    gapSeconds: { 'not-supported': 1448.5 },
  });
  return { device: deviceOf(index), sensor: SENSOR, totals, warnings: [] };
}

describe('buildReport()', () => {
  test.each([
    ['one GPU', onePlain],
    ['four GPUs and a host', fourFull],
    ['sixty-four GPUs', sixtyFour],
  ])('adds up: %s', (_, input) => {
    const report = buildReport(input);
    const { energy } = report;
    const gpus = sum(report.devices.map((device) => known(device.energyJoules)));
    expect(energy.gpuJoules).toBeCloseTo(gpus, 6);
    expect(energy.itJoules).toBeCloseTo(gpus + (energy.hostJoules ?? 0), 6);
    const { facilityJoules, itJoules, powerUsageEffectiveness } = energy;
    expect(facilityJoules).toBeCloseTo(known(itJoules) * powerUsageEffectiveness, 6);
    expect(report.compute.energyKilowattHours).toBeCloseTo(known(facilityJoules) / 3.6e6, 12);
    expect(energy.gapSeconds).toBeCloseTo(sum(report.devices.map((line) => line.gapSeconds)), 6);
    expect(energy.gpuUncertaintyJoules).toBeCloseTo(
      Math.hypot(...report.devices.map((line) => known(line.uncertaintyJoules))),
      6,
    );
  });

  test('writes times in UTC with milliseconds and the duration between them', () => {
    const { run } = buildReport(onePlain);
    expect(run.startTime).toBe('2026-11-23T08:00:00.000Z');
    expect(run.endTime).toBe('2026-11-23T08:24:08.500Z');
    expect(run.durationSeconds).toBe(1448.5);
  });

  test('reports k of the article as measured: E_compute ÷ rated power × observed time', () => {
    const { compute } = buildReport(onePlain);
    expect(compute.k).toBeCloseTo(312.4 / 400, 9);
    expect(compute.ratedPowerWatts).toBe(400);
    expect(compute.trainingSeconds).toBe(1448.5);
    expect(compute.powerMeanWatts).toBeCloseTo(312.4, 9);
  });

  test('has no k when one rated power is unknown', () => {
    const { ratedPowerWatts: _, ...unrated } = deviceOf(1);
    const books = booksOf([lineOf(0, 300), { ...lineOf(1, 300), device: unrated }]);
    const { compute } = buildReport(inputOf(books));
    expect(compute).not.toHaveProperty('k');
    expect(compute).not.toHaveProperty('ratedPowerWatts');
  });

  test('counts an unbridged gap once, and not what the counter bridged', () => {
    const { energy, devices } = buildReport(fourFull);
    expect(energy.gapSeconds).toBe(11.5);
    expect(energy.bridgedSeconds).toBe(5);
    expect(energy.gapSecondsByReason).toEqual({ timeout: 8, 'gpu-lost': 3.5, 'no-reading': 5 });
    expect(energy.coverageRatio).toBeCloseTo((4 * 1448.5 - 11.5) / (4 * 1448.5), 12);
    expect(energy.gapEstimateJoules).toBe(3200);
    expect(devices[2]?.coverageRatio).toBe(1);
    expect(devices[2]).not.toHaveProperty('gapEstimateJoules');
  });

  test('keeps modelled energy out of gpuJoules, and in the bill', () => {
    const modelled = {
      device: deviceOf(1, { powerOrigin: 'modelled' as const, source: 'tpu' as const }),
      sensor: SENSOR,
      totals: totalsOf(100, { method: 'modelled' as const }),
      warnings: [],
    };
    const { energy, compute } = buildReport(inputOf(booksOf([lineOf(0, 300), modelled])));
    expect(energy.gpuJoules).toBeCloseTo(300 * 1448.5, 6);
    expect(energy.modelledJoules).toBeCloseTo(100 * 1448.5, 6);
    expect(energy.itJoules).toBeCloseTo(400 * 1448.5, 6);
    expect(compute).not.toHaveProperty('k');
  });

  test('a device that was never read has no mean power and no method, and covers nothing', () => {
    const report = buildReport(inputOf(booksOf([silentLine(0)])));
    expect(report.devices[0]).toMatchObject({ coverageRatio: 0, gapSeconds: 1448.5 });
    expect(report.devices[0]).not.toHaveProperty('powerMeanWatts');
    expect(report.devices[0]).not.toHaveProperty('method');
    expect(report.warnings.map(({ code }) => code)).toContain('nothing-measured');
  });

  test('an interval of nothing but gap gives a device no method, and no estimate of what it drew', () => {
    const silent = silentLine(0);
    const totals = {
      ...silent.totals,
      method: 'counter' as const,
      gapEstimateJoules: joules(0),
      gapEstimateUncertaintyJoules: joules(0),
    };
    const { devices, energy } = buildReport(inputOf(booksOf([{ ...silent, totals }])));
    expect(devices[0]).not.toHaveProperty('method');
    expect(devices[0]).not.toHaveProperty('gapEstimateJoules');
    expect(energy).not.toHaveProperty('gapEstimateJoules');
  });

  test('the mean lies between the extremes, though a counter saw what the readings missed', () => {
    const totals = totalsOf(300, { powerMaxWatts: watts(290), powerMinWatts: watts(280) });
    const [device] = buildReport(inputOf(booksOf([{ ...lineOf(0, 300), totals }]))).devices;
    expect(device).toMatchObject({
      powerMeanWatts: 300,
      powerMaxWatts: 300,
      powerMinWatts: 280,
    });
  });

  test('of no idle energy there are grams only where there is a grid', () => {
    const idle = {
      knownSeconds: seconds(100),
      utilizationRatioMean: 1,
      idleSeconds: seconds(0),
      energyJoules: joules(0),
      facilityKilowattHours: kilowattHours(0),
      costAmount: 0,
      locationBasedGrams: grams(0),
    };
    const gramsOf = (totals: DeviceBooks['totals']) =>
      buildReport(inputOf(booksOf([{ ...lineOf(0, 300), totals, idle }]))).devices[0]?.idle
        ?.locationBasedGrams;
    expect(gramsOf(totalsOf(300))).toBe(0);
    expect(gramsOf(withoutGrams())).toBeUndefined();
  });

  test('says why there is no carbon figure', () => {
    expect(buildReport(onePlain).carbon).toEqual({
      missing: expect.stringContaining('no grid zone was given'),
    });
    const gap = inputOf(booksOf([{ ...lineOf(0, 300), totals: withoutGrams() }]));
    expect(buildReport(gap).carbon).toEqual({ missing: expect.stringContaining('no intensity') });
  });

  test('says why there is no cost', () => {
    const { costAmount: _, creditAmount: __, ...totals } = totalsOf(300);
    const { cost } = buildReport(inputOf(booksOf([{ ...lineOf(0, 300), totals }])));
    expect(cost).not.toHaveProperty('energyCost');
    expect(cost.missing).toContain('no price');
  });

  test('adds the uncertainty of the price where its source states one', () => {
    const metering = buildReport(onePlain).cost.uncertaintyCost ?? Number.NaN;
    const tariff = { ...flatTariff(), relativeUncertainty: 0.1 };
    const { cost } = buildReport({ ...onePlain, tariff });
    const price = 2 * 0.1 * (cost.energyCost ?? Number.NaN);
    expect(cost.uncertaintyCost).toBeCloseTo(Math.hypot(metering, price), 9);
    expect(cost.priceUncertaintyCost).toBeCloseTo(price, 9);
  });

  test('the cost is the decimal sum of its price periods, to the last digit', () => {
    const facility = totalsOf(312.4).facilityKilowattHours;
    const middle = instant(START + 600);
    const input = {
      ...onePlain,
      tariff: {
        ...flatTariff(),
        price: {
          valueAt: (time: number) => (time < middle ? 0.1 : 0.3),
          nextChange: (time: number) => (time < middle ? middle : undefined),
        },
      },
      pricePeriods: [
        {
          startSeconds: START,
          endSeconds: middle,
          facilityKilowattHours: kilowattHours(facility / 3),
          pricePerKilowattHour: 0.1,
        },
        {
          startSeconds: middle,
          endSeconds: END,
          facilityKilowattHours: kilowattHours((facility * 2) / 3),
          pricePerKilowattHour: 0.3,
        },
      ],
    };
    const { cost } = buildReport(input);
    expect(cost.periods).toHaveLength(2);
    expect(cost.energyCost).toBeCloseTo((facility / 3) * 0.1 + ((facility * 2) / 3) * 0.3, 10);
    const partial = buildReport({ ...input, pricePeriods: input.pricePeriods.slice(0, 1) });
    expect(partial.cost).not.toHaveProperty('periods');
  });

  test('claims no one price where the money was not made with it: tiers have prices of their own', () => {
    const tiered = lineOf(0, 300, { costAmount: 1 });
    const { cost } = buildReport(inputOf(booksOf([tiered])));
    expect(cost).not.toHaveProperty('periods');
    expect(cost.energyCost).toBe(1);
    expect(cost.pricePerKilowattHourMean).toBeCloseTo(3.6e6 / (300 * 1448.5), 9);
  });

  test('holds no key without a value, no noise and no -0', () => {
    const text = JSON.stringify(buildReport(fourFull));
    expect(text).not.toMatch(/null|undefined|NaN|Infinity|e\+|\d\.\d*(?:0000000|9999999)\d/);
    expect(JSON.parse(text)).toEqual(buildReport(fourFull));
  });

  test('joins the summaries of several input files, each line with its file', () => {
    const summary = (file: string) => ({
      file,
      rows: 10,
      malformedCount: 1,
      malformed: [{ line: 3, reason: 'no power' }],
    });
    expect(buildReport({ ...onePlain, inputs: [summary('a.csv')] }).input).toEqual(
      summary('a.csv'),
    );
    expect(
      buildReport({ ...onePlain, inputs: [summary('a.csv'), summary('b.csv')] }).input,
    ).toEqual({
      file: 'a.csv, b.csv',
      rows: 20,
      malformedCount: 2,
      malformed: [
        { file: 'a.csv', line: 3, reason: 'no power' },
        { file: 'b.csv', line: 3, reason: 'no power' },
      ],
    });
  });

  test('prices a run of no energy at the price in force', () => {
    const tariff = { ...flatTariff(), price: constantSchedule(0.25) };
    const { cost } = buildReport({ ...inputOf(booksOf([lineOf(0, 0)])), tariff });
    expect(cost).toMatchObject({ energyCost: 0, pricePerKilowattHourMean: 0.25 });
  });

  test('has no joules at all where GPUs were there and none was read, not even those of the host', () => {
    const silent = silentLine(0);
    const host = { ...lineOf(1, 200), device: { ...deviceOf(1), kind: 'host' as const } };
    const report = buildReport(inputOf(booksOf([silent, host])));
    for (const key of ['gpuJoules', 'gpuUncertaintyJoules', 'itJoules', 'facilityJoules'])
      expect(report.energy).not.toHaveProperty(key);
    expect(report.energy.hostJoules).toBeGreaterThan(0);
    expect(report.compute).not.toHaveProperty('energyKilowattHours');
    for (const key of ['energyJoules', 'uncertaintyJoules', 'facilityKilowattHours', 'energyCost'])
      expect(report.devices[0]).not.toHaveProperty(key);
    expect(parseReport(JSON.stringify(report), 'silent.json')).toEqual(report);
  });

  test('a window in which nothing was read has no joules, and none per step', () => {
    const window = { name: 'epoch 1', startSeconds: START, endSeconds: END, steps: 10 };
    const books = {
      ...booksOf([silentLine(0)]),
      windows: [{ window, totals: silentLine(0).totals }],
    };
    const [silent] = buildReport(inputOf(books)).windows;
    expect(silent).toMatchObject({ name: 'epoch 1', steps: 10, coverageRatio: 0 });
    for (const key of ['gpuJoules', 'uncertaintyJoules', 'joulesPerStep'])
      expect(silent).not.toHaveProperty(key);
  });

  test('claims neither cost nor grams of energy that nobody measured', () => {
    const report = buildReport(nothing);
    expect(report.cost).not.toHaveProperty('energyCost');
    expect(report.cost.missing).toBe('no energy was measured');
    expect(report.carbon).toEqual({ missing: 'no energy was measured' });
  });
});

function withoutGrams(): ReturnType<typeof totalsOf> {
  const { locationBasedGrams: _, ...totals } = totalsOf(300);
  return totals;
}
