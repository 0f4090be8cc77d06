import { readFileSync } from 'node:fs';

import { describe, expect, test } from 'vitest';

import { createDemandMeter } from '../../agent/price/demand.ts';
import { readTariff, type TariffOptions } from '../../agent/price/read.ts';
import type { Tariff } from '../../agent/price/tariff.ts';
import { createPricer } from '../../agent/price/pricer.ts';
import { constantSchedule } from '../../agent/schedule.ts';
import { corpusPath, corpusPresent } from '../corpus.ts';
import { at, costOfOneKilowatt } from './at.ts';

const LOS_ANGELES = 'America/Los_Angeles';
const read = (document: unknown, options: Partial<TariffOptions> = {}): Tariff =>
  readTariff(JSON.stringify(document), { fileName: 'tariff.json', timeZone: 'UTC', ...options });

const constantTable = (period: number): number[][] =>
  Array.from({ length: 12 }, () => Array.from({ length: 24 }, () => period));

const simple = {
  utility: 'Example Power',
  name: 'General',
  energyratestructure: [[{ rate: 0.1, adj: 0.05, unit: 'kWh' }]],
  energyweekdayschedule: constantTable(0),
  energyweekendschedule: constantTable(0),
};

describe('a made-up OpenEI tariff', () => {
  test('adds adj to rate and is in US dollars', () => {
    const tariff = read(simple);
    expect(tariff.price.valueAt(at('2026-05-05T12:00Z'))).toBeCloseTo(0.15, 12);
    expect(tariff).toMatchObject({ currency: 'USD', name: 'Example Power, General' });
  });

  test('is read from the answer of the API too', () => {
    expect(read({ items: [simple] }).name).toBe('Example Power, General');
  });

  test('says that its zone is assumed, unless it was given', () => {
    const codes = (tariff: Tariff) => (tariff.notes ?? []).map((note) => note.code);
    expect(codes(read(simple))).toEqual(['tariff-time-zone-assumed']);
    expect(codes(read(simple, { timeZoneGiven: true }))).toEqual([]);
  });

  test('tells a half-hour zone by its own clock', () => {
    const table = constantTable(0).map((row) => row.map((_, hour) => (hour >= 8 ? 1 : 0)));
    const tariff = read(
      {
        ...simple,
        energyratestructure: [[{ rate: 1 }], [{ rate: 2 }]],
        energyweekdayschedule: table,
        energyweekendschedule: table,
      },
      { timeZone: 'Asia/Kolkata' },
    );
    expect(tariff.price.valueAt(at('2026-03-08T02:29:59Z'))).toBe(1);
    expect(tariff.price.valueAt(at('2026-03-08T02:30:00Z'))).toBe(2);
    expect(tariff.price.nextChange(at('2026-03-08T02:30:00Z'))).toBe(at('2026-03-08T18:30Z'));
    // 7 days of 8 h at 1 and 16 h at 2.
    const [start, end] = [at('2026-03-08T18:30Z'), at('2026-03-15T18:30Z')];
    expect(costOfOneKilowatt(tariff, start, end)).toBeCloseTo(7 * (8 + 32), 9);
  });

  test('prices a coincident peak where it is told when the system peaked', () => {
    const tariff = read(
      { ...simple, coincidentratestructure: [[{ rate: 10 }]] },
      { coincidentPeaks: [at('2026-07-07T17:50Z')] },
    );
    const meter = createDemandMeter(tariff);
    meter.add(at('2026-07-07T17:30Z'), at('2026-07-07T18:30Z'), 8);
    expect(meter.costs()).toEqual([
      {
        kind: 'coincident',
        name: 'coincident demand',
        month: '2026-07',
        period: 0,
        peakWithKilowatts: 8,
        peakWithoutKilowatts: 0,
        amount: 80,
      },
    ]);
  });

  test.each([
    [
      { ...simple, energyweekdayschedule: constantTable(0).slice(1) },
      'tariff.json at energyweekdayschedule: the table needs 12 months. Compare it',
    ],
    [
      { ...simple, energyweekendschedule: constantTable(0).map((row) => row.slice(1)) },
      'tariff.json at energyweekendschedule.0: a row of the table needs 24 hours.',
    ],
    [
      { ...simple, energyweekendschedule: constantTable(3) },
      'tariff.json at energyweekendschedule[0][0]: period 3 is undefined: energyratestructure has 1 (from 0). Add period 3',
    ],
    [
      {
        ...simple,
        flatdemandstructure: [[{ rate: 1 }]],
        flatdemandmonths: [0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
      },
      'tariff.json at flatdemandmonths[2]: period 1 is undefined',
    ],
    [
      { ...simple, energyratestructure: [[{}]] },
      'tariff.json at energyratestructure.0.0: there is neither rate nor adj.',
    ],
    [
      {
        ...simple,
        energyratestructure: [
          [
            { rate: 1, max: 100 },
            { rate: 2, max: 50 },
          ],
        ],
      },
      'tier 1 ends at 50, which is not between its neighbours',
    ],
    [
      { ...simple, demandratestructure: [[{ rate: 1 }, { rate: 2 }]] },
      'tariff.json at demandratestructure: tier 0 ends at no limit, which is not between its',
    ],
    [
      { ...simple, energyratestructure: [[{ rate: 1, unit: 'kWh daily' }]] },
      'its energy is charged per kWh daily',
    ],
    [{ items: [simple, simple] }, 'tariff.json: it holds 2 tariffs.'],
    [
      { ...simple, energyweekdayschedule: undefined },
      'tariff.json at energyweekdayschedule: it is missing. Compare it',
    ],
  ])('is refused in one line when broken (%#)', (document, message) => {
    expect(() => read(document)).toThrow(message);
  });

  test('is refused in another currency: nothing is converted', () => {
    expect(() => read(simple, { currency: 'EUR' })).toThrow(
      'tariff.json: its prices are in USD, not in EUR. Leave --currency out or give USD; currencies are never converted.',
    );
  });
});

describe.skipIf(!corpusPresent)('the real OpenEI tariffs of the corpus', () => {
  const real = (name: string, options: Partial<TariffOptions> = {}): Tariff =>
    readTariff(readFileSync(corpusPath('tariffs', name), 'utf8'), {
      fileName: name,
      timeZone: LOS_ANGELES,
      timeZoneGiven: true,
      ...options,
    });

  test('PECO costs rate + adj, 46.6 times the rate alone, and says what it leaves out', () => {
    const tariff = real('peco_gs_ht.json', { timeZone: 'America/New_York' });
    expect(tariff.price.valueAt(at('2015-02-02T12:00Z'))).toBeCloseTo(0.0699, 12);
    expect(0.0699 / 0.0015).toBeCloseTo(46.6, 10);
    expect(tariff.fixed).toEqual([{ name: 'fixed charge', amount: 298.92, per: 'month' }]);
    expect(tariff.notes?.map((note) => note.code)).toEqual([
      'site-load-assumed',
      'tariff-expired',
      'tariff-part-unpriced',
    ]);
  });

  test('PG&E over the week of the short Sunday: 65 h of part-peak, 102 h of off-peak', () => {
    const tariff = real('pge_e19_tou_secondary.json');
    const [start, end] = [at('2026-03-02T00:00-08:00'), at('2026-03-09T00:00-07:00')];
    expect((end - start) / 3600).toBe(167);
    expect(costOfOneKilowatt(tariff, start, end)).toBeCloseTo(65 * 0.11253 + 102 * 0.09593, 9);
  });

  test('PG&E over the week of the long Sunday, in which the season changes', () => {
    const tariff = real('pge_e19_tou_secondary.json');
    const [start, end] = [at('2026-10-26T00:00-07:00'), at('2026-11-02T00:00-08:00')];
    expect((end - start) / 3600).toBe(169);
    const summer = 55 * 0.08837 + 35 * 0.11883 + 30 * 0.16484 + 24 * 0.08837;
    expect(costOfOneKilowatt(tariff, start, end)).toBeCloseTo(summer + 25 * 0.09593, 9);
  });

  test('PG&E tells its hours in local time, not in UTC', () => {
    const tariff = real('pge_e19_tou_secondary.json');
    expect(tariff.price.valueAt(at('2026-07-07T12:30-07:00'))).toBe(0.16484);
    expect(tariff.price.valueAt(at('2026-07-07T12:30Z'))).toBe(0.08837);
  });

  test('PG&E charges a July peak of 100 kW flat and in its on-peak hours', () => {
    const tariff = real('pge_e19_tou_secondary.json', { siteLoadKilowatts: constantSchedule(50) });
    const meter = createDemandMeter(tariff);
    meter.add(at('2026-07-07T13:00-07:00'), at('2026-07-07T13:15-07:00'), 25);
    const costs = meter.costs();
    expect(costs.map((cost) => [cost.name, cost.period, cost.peakWithKilowatts])).toEqual([
      ['flat demand', 1, 150],
      ['time-of-use demand', 3, 150],
    ]);
    expect(costs[0]?.amount).toBeCloseTo(100 * 19.53, 6);
    expect(costs[1]?.amount).toBeCloseTo(100 * 20.97, 6);
  });

  test('Seward is refused: its table names a period that it does not define', () => {
    expect(() => real('seward_tiered_d28.json')).toThrow(
      'seward_tiered_d28.json at energyweekdayschedule[0][0]: period 1 is undefined: energyratestructure has 1 (from 0). Add period 1 to energyratestructure, or write a defined one there.',
    );
  });

  test('Seward, once its period 1 is that of 0, prices a run over midnight, month end and tier boundary', () => {
    const document = JSON.parse(
      readFileSync(corpusPath('tariffs', 'seward_tiered_d28.json'), 'utf8'),
    );
    document.energyratestructure.push(document.energyratestructure[0]);
    const tariff = read(document, { timeZone: 'America/Chicago' });
    const pricer = createPricer(tariff, [{ month: '2026-01', usedKilowattHours: 900 }]);
    const slices = pricer.price(at('2026-01-31T22:00-06:00'), at('2026-02-01T02:00-06:00'), 400);
    // January has 100 kWh left of its first 1000; February starts again.
    expect(
      slices.map((slice) => [
        slice.endSeconds,
        slice.energyKilowattHours,
        slice.pricePerKilowattHour,
      ]),
    ).toEqual([
      [at('2026-01-31T23:00-06:00'), 100, 0.0933],
      [at('2026-02-01T00:00-06:00'), 100, 0.0747],
      [at('2026-02-01T02:00-06:00'), 200, 0.0933],
    ]);
    expect(pricer.use()).toEqual([
      { month: '2026-01', usedKilowattHours: 1100 },
      { month: '2026-02', usedKilowattHours: 200 },
    ]);
  });
});
