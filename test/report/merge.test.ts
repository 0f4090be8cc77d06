import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { known } from '../known.ts';
import type { DeviceBooks } from '../../agent/account.ts';
import { flatTariff } from '../../agent/price/flat.ts';
import { buildReport } from '../../agent/report/build.ts';
import { formatReport } from '../../agent/report/formats.ts';
import { mergeReports } from '../../agent/report/merge.ts';
import type { Report } from '../../agent/report/report.ts';
import { parseReport } from '../../agent/report/schema.ts';
import { instant } from '../../agent/units.ts';
import { booksOf, deviceOf, END, inputOf, lineOf, SENSOR, START, totalsOf } from './books.ts';

const FACTS = { generatedSeconds: instant(END + 10), version: '0.1.0' };

const reportOf = (
  host: string,
  devices: readonly DeviceBooks[],
  facts: { readonly shift?: number; readonly name?: string; readonly pue?: number } = {},
): Report => {
  const { shift = 0, name = 'job', pue = 1 } = facts;
  const books = booksOf(devices);
  const run = {
    ...books.run,
    id: `${host}-${shift}`,
    name,
    host,
    startSeconds: instant(START + shift),
  };
  return buildReport(
    inputOf(
      { ...books, run, endSeconds: instant(END + shift) },
      { powerUsageEffectiveness: { value: pue, provenance: 'derived' } },
    ),
  );
};
const DURATION = END - START;

describe('mergeReports()', () => {
  test('adds up the nodes of a job', () => {
    const merged = mergeReports(
      [reportOf('a', [lineOf(0, 300), lineOf(1, 310)]), reportOf('b', [lineOf(0, 320)])],
      FACTS,
    );
    expect(merged.devices).toHaveLength(3);
    expect(merged.devices.map(({ host }) => host)).toEqual(['a', 'a', 'b']);
    expect(merged.energy.gpuJoules).toBeCloseTo(930 * DURATION, 6);
    expect(merged.run).toMatchObject({
      host: 'a, b',
      name: 'job',
      exitCode: 0,
      durationSeconds: DURATION,
    });
    expect(merged.cost.energyCost).toBeCloseTo(((930 * DURATION) / 3.6e6) * 0.1, 9);
    expect(merged.carbon).toMatchObject({ zone: 'FRA' });
    expect(merged.compute.k).toBeCloseTo(310 / 400, 9);
  });

  test('counts each GPU once however many ranks measured it', () => {
    const devices = [lineOf(0, 300), lineOf(1, 310)];
    const alone = reportOf('a', devices);
    const ranks = [alone, reportOf('a', devices), reportOf('a', devices), reportOf('a', devices)];
    const merged = mergeReports(ranks, FACTS);
    expect(merged.energy).toEqual(alone.energy);
    expect(merged.devices).toEqual(alone.devices);
    expect(merged.warnings).toContainEqual({
      code: 'merge-counted-once',
      message: '6 lines of GPUs that another report covers were counted once.',
    });
  });

  test('adds the legs of a resumed run on one GPU, whose gain and offset they share', () => {
    const legs = [
      reportOf('a', [lineOf(0, 300)]),
      reportOf('a', [lineOf(0, 300)], { shift: DURATION + 60 }),
    ];
    const [device] = mergeReports(legs, FACTS).devices;
    const leg = legs[0]?.devices[0];
    expect(device?.energyJoules).toBeCloseTo(2 * 300 * DURATION, 6);
    expect(known(device?.uncertaintyComponents).gainJoules).toBeCloseTo(
      2 * known(leg?.uncertaintyComponents).gainJoules,
      6,
    );
    expect(known(device?.uncertaintyComponents).edgeJoules).toBeCloseTo(12 * Math.SQRT2, 9);
    expect(device?.powerMeanWatts).toBeCloseTo(300, 9);
    expect(device).not.toHaveProperty('host');
  });

  test('takes only what lies outside the longest where ranks overlap in part, and says so', () => {
    const early = reportOf('a', [lineOf(0, 300)]);
    const late = reportOf('a', [lineOf(0, 300)], { shift: 100 });
    const merged = mergeReports([early, late], FACTS);
    expect(merged.energy.gpuJoules).toBeCloseTo(300 * (DURATION + 100), 6);
    expect(known(merged.energy.gpuUncertaintyComponents).edgeJoules).toBeGreaterThan(
      (100 * (330 - 62)) / Math.sqrt(12) - 1,
    );
    expect(merged.warnings.map(({ code }) => code)).toContain('merge-overlap');
  });

  test('is the whole, in whatever order, however reports are repeated', () => {
    const node = fc.record({
      host: fc.constantFrom('a', 'b', 'c'),
      gpus: fc.integer({ min: 1, max: 4 }),
    });
    fc.assert(
      fc.property(fc.array(node, { minLength: 1, maxLength: 6 }), fc.nat(3), (nodes, copies) => {
        const reports = nodes.map(({ host, gpus }) =>
          reportOf(
            host,
            Array.from({ length: gpus }, (_, index) => lineOf(index, 300 + index)),
          ),
        );
        const repeated = [...reports, ...reports.slice(0, copies)].toReversed();
        const most = new Map<string, number>();
        for (const { host, gpus } of nodes) most.set(host, Math.max(gpus, most.get(host) ?? 0));
        const expected = [...most.values()]
          .flatMap((gpus) => Array.from({ length: gpus }, (_, index) => (300 + index) * DURATION))
          .reduce((total, energy) => total + energy, 0);
        expect(mergeReports(repeated, FACTS).energy.gpuJoules).toBeCloseTo(expected, 5);
      }),
      { seed: 20261123, numRuns: 100 },
    );
  });

  test('sites with different PUE have facility ÷ IT energy together', () => {
    const facility = (index: number, pue: number): DeviceBooks => {
      const line = lineOf(index, 300);
      const kilowattHours = line.totals.facilityKilowattHours * pue;
      return { ...line, totals: { ...line.totals, facilityKilowattHours: kilowattHours as never } };
    };
    const merged = mergeReports(
      [
        reportOf('a', [facility(0, 1.2)], { pue: 1.2 }),
        reportOf('b', [facility(0, 1.4)], { pue: 1.4 }),
      ],
      FACTS,
    );
    expect(merged.energy.powerUsageEffectiveness).toBeCloseTo(1.3, 9);
  });

  test('one report without a cost or grams makes that figure unknown, with the reason', () => {
    const whole = reportOf('a', [lineOf(0, 300)]);
    const { costAmount: _, creditAmount: __, ...totals } = totalsOf(300);
    const unpriced = { device: deviceOf(0), sensor: SENSOR, totals, warnings: [] };
    const partial = { ...reportOf('b', [unpriced]), carbon: { missing: 'no grid zone' } };
    const merged = mergeReports([whole, partial], FACTS);
    expect(merged.cost).not.toHaveProperty('energyCost');
    expect(merged.cost.missing).toContain('no price');
    expect(merged.carbon).toEqual({ missing: 'b: no grid zone' });
  });

  test('a job of which one rank failed has failed', () => {
    const failed = reportOf('b', [lineOf(0, 300)]);
    const merged = mergeReports(
      [reportOf('a', [lineOf(0, 300)]), { ...failed, run: { ...failed.run, exitCode: 137 } }],
      FACTS,
    );
    expect(merged.run.exitCode).toBe(137);
  });

  test('refuses two currencies and an empty list, in one line', () => {
    const euro = { ...inputOf(booksOf([lineOf(0, 1)])), tariff: flatTariff({ currency: 'EUR' }) };
    expect(() => mergeReports([reportOf('a', [lineOf(0, 1)]), buildReport(euro)], FACTS)).toThrow(
      /^--merge: the reports are in USD and EUR\. Re-price[^\n]*$/,
    );
    expect(() => mergeReports([], FACTS)).toThrow(/there is no report/);
  });

  test('prints in every form and comes back through the schema', async () => {
    const merged = mergeReports(
      [reportOf('node-with-a-long-name-1', [lineOf(0, 300)]), reportOf('b', [lineOf(0, 320)])],
      FACTS,
    );
    expect(parseReport(await formatReport(merged, 'json'), 'm.json')).toEqual(merged);
    await expect(await formatReport(merged, 'text')).toMatchFileSnapshot('golden/merged.txt');
    expect(await formatReport(merged, 'focus')).toContain('2026-11-23T08:00:00Z');
  });
});
