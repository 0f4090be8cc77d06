import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { createDemandMeter } from '../../agent/price/demand.ts';
import { gapOfTariff } from '../../agent/price/gap.ts';
import { readSiteLoad, readTariff, type TariffOptions } from '../../agent/price/read.ts';
import type { Tariff, Tiers } from '../../agent/price/tariff.ts';
import { createPricer } from '../../agent/price/pricer.ts';
import { constantSchedule, meanOver } from '../../agent/schedule.ts';
import { instant } from '../../agent/units.ts';
import { at, costOfOneKilowatt } from './at.ts';

const read = (text: string, options: Partial<TariffOptions> = {}): Tariff =>
  readTariff(text, { fileName: 'tariff.yml', timeZone: 'Europe/Berlin', ...options });

const zones = `
currency: EUR
timeZone: Europe/Berlin
holidays: [2026-12-25]
zones:
  - {name: base, price: 0.20}
  - {name: day, price: 0.30, days: mon-fri, hours: "07:00-20:00"}
  - {name: winter evening, price: 0.40, days: mon-fri, hours: 17-19, months: 10-3}
  - {name: holiday, price: 0.10, days: holiday}
`;

describe('a tariff of zones', () => {
  const tariff = read(zones);

  test.each([
    ['Wednesday morning before seven', '2026-07-01T06:59:59+02:00', 0.2],
    ['Wednesday at seven', '2026-07-01T07:00+02:00', 0.3],
    ['a summer evening', '2026-07-01T18:00+02:00', 0.3],
    ['a winter evening, where the last match wins', '2026-01-07T18:00+01:00', 0.4],
    ['Saturday', '2026-07-04T12:00+02:00', 0.2],
    ['Christmas, a Friday', '2026-12-25T12:00+01:00', 0.1],
    ['the Friday before', '2026-12-18T12:00+01:00', 0.3],
  ])('knows %s', (_, time, price) => {
    expect(tariff.price.valueAt(at(time))).toBe(price);
  });

  test('prices a week of 167 hours', () => {
    const [start, end] = [at('2026-03-23T00:00+01:00'), at('2026-03-30T00:00+02:00')];
    // 5 days of 11 h at 0.3 and 2 h at 0.4; the rest at 0.2.
    const expected = 55 * 0.3 + 10 * 0.4 + (167 - 65) * 0.2;
    expect(costOfOneKilowatt(tariff, start, end)).toBeCloseTo(expected, 9);
  });

  test('splits hours over midnight within the same day', () => {
    const night = read(
      'currency: EUR\nzones: [{price: 1}, {price: 2, days: sat, hours: "22:00-06:00"}]',
    );
    const prices = [
      '2026-07-03T23:00',
      '2026-07-04T05:00',
      '2026-07-04T22:00',
      '2026-07-05T05:00',
    ].map((time) => night.price.valueAt(at(time, 'Europe/Berlin')));
    expect(prices).toEqual([1, 2, 2, 1]);
  });

  test('charges demand only when it says', () => {
    const demand = read(`${zones}demand:\n  - {ratePerKilowatt: 12, days: mon-fri, hours: 8-20}\n`);
    const meter = createDemandMeter(demand, 60);
    meter.add(at('2026-07-01T21:00+02:00'), at('2026-07-01T22:00+02:00'), 500);
    meter.add(at('2026-07-01T19:30+02:00'), at('2026-07-01T20:00+02:00'), 5);
    expect(meter.costs()).toMatchObject([{ peakWithKilowatts: 5, amount: 60 }]);
  });

  test.each([
    [
      'zones: [{price: 1}]',
      'tariff.yml: it does not say its currency. Write currency: EUR in it, or give --currency.',
    ],
    ['currency: XXQ\nzones: [{price: 1}]', 'the currency "XXQ" is no ISO 4217 code'],
    ['currency: EUR\ntimeZone: Moon\nzones: [{price: 1}]', 'the time zone "Moon" is unknown'],
    ['currency: EUR\nzones: [{price: .nan}]', 'tariff.yml at zones.0.price'],
    [
      'currency: EUR\nzones: [{price: 1, days: someday}]',
      'tariff.yml at zones.0.days: "someday" is no list of days',
    ],
    ['currency: EUR\nzones: [{price: 1, hours: 25-26}]', '"25-26" is no list of hours'],
    ['currency: EUR\nzones: [{price: 1, months: 13}]', '"13" is no list of months'],
    ['currency: EUR\nzones: [{price: 1, colour: red}]', 'tariff.yml at zones.0'],
    [
      'currency: EUR\nzones: [{price: 1, hours: 8-24}]',
      'tariff.yml at zones: no zone covers Monday 00:00 in January. Put a zone without',
    ],
    ['currency: EUR', 'tariff.yml: it is no tariff. Write zones'],
    ['zones: [', 'tariff.yml: it is no valid JSON or YAML'],
  ])('is refused in one line when broken: %j', (text, message) => {
    expect(() => read(text)).toThrow(message);
    expect(() => read(text)).toThrow(/^[^\n]+$/);
  });
});

describe('a tariff of a series', () => {
  const wholesale =
    '# network: 0.08\n# levies: 0.02\n# tax: 0.19\nstart,end,value [EUR/MWh]\n' +
    '2026-01-01T00:00Z,2026-01-01T01:00Z,100\n2026-01-01T01:00Z,2026-01-01T02:00Z,-300\n';

  test('adds network, levies and tax to a price per MWh, negative hours too', () => {
    const tariff = read(wholesale);
    expect(tariff.currency).toBe('EUR');
    expect(tariff.price.valueAt(at('2026-01-01T00:30Z'))).toBeCloseTo(0.2 * 1.19, 12);
    expect(tariff.price.valueAt(at('2026-01-01T01:30Z'))).toBeCloseTo(-0.2 * 1.19, 12);
  });

  test('may have other columns, and separators of its own', () => {
    const tariff = read(
      'note;start;end;value [EUR/kWh];\nwinter, cold;2026-01-01;2026-01-02;0.25;\n',
    );
    expect(tariff.price.valueAt(at('2026-01-01T12:00Z'))).toBe(0.25);
  });

  test('adds them beside comments in prose, which say nothing of the price', () => {
    const tariff = read(`# Prices: see a: b\n# of my utility, 2026\n${wholesale}`);
    expect(tariff.price.valueAt(at('2026-01-01T00:30Z'))).toBeCloseTo(0.2 * 1.19, 12);
  });

  test('is in USD, said to be assumed, where nobody names a currency', () => {
    const bare = 'start,end,value\n2026-01-01T00:00Z,2026-01-02T00:00Z,0.2\n';
    const assumed = read(bare);
    expect(assumed).toMatchObject({ currency: 'USD', provenance: 'assumed' });
    expect(assumed.notes).toEqual([
      {
        code: 'currency-assumed',
        message: 'tariff.yml names no currency: its prices are taken as USD (assumed; --currency).',
      },
    ]);
    expect(read(bare, { currency: 'EUR' })).toMatchObject({
      currency: 'EUR',
      provenance: 'derived',
      notes: [],
    });
  });

  test('splits an interval at the change of price', () => {
    const [start, end] = [at('2026-01-01T00:45Z'), at('2026-01-01T01:15Z')];
    const mean = meanOver(read(wholesale).price, start, end);
    expect(mean?.positive).toBeCloseTo(0.119, 12);
    expect(mean?.negative).toBeCloseTo(-0.119, 12);
  });

  test('names the instant from which a run has no price', () => {
    const [start, end] = [at('2026-01-01T01:00Z'), at('2026-01-01T03:00Z')];
    expect(gapOfTariff(read(wholesale), start, end)?.message).toBe(
      'tariff.yml: there is no price at 2026-01-01T02:00:00Z. Add the missing rows, or hold the last price with --price-gap hold.',
    );
    expect(gapOfTariff(read(wholesale, { priceGap: 'hold' }), start, end)).toBeUndefined();
  });

  test('says where it holds the last price', () => {
    const tariff = read(wholesale, { priceGap: 'hold' });
    expect(tariff.notes?.map((note) => note.message)).toEqual([
      'tariff.yml has no price from 2026-01-01T02:00:00Z on: the last one is held there (--price-gap hold).',
    ]);
  });

  test.each([
    [
      'start,end,value [EUR/kW]\n2026-01-01,2026-01-02,1\n',
      'the unit "EUR/kW" is no price of energy',
    ],
    [
      'start,end,value [g/kWh]\n2026-01-01,2026-01-02,1\n',
      'the unit "g/kWh" is no price of energy',
    ],
    ['# currency: EUR\n# tax: 19\n2026-01-01,2026-01-02,1\n', 'Tax is a share such as 0.19'],
    [
      'start;end;value [EUR/kWh]\n2026-01-01;2026-01-02;0,25\n',
      'tariff.yml row 2: the value "0,25" is no finite number. Write a number with a decimal point.',
    ],
    [
      'start;end;value [EUR/kWh]\n"2026-01-01";2026-01-02;0,25\n',
      'tariff.yml row 2: the value "0,25" is no finite number.',
    ],
    [
      'start,end,value [EUR/MWh]\n2026-01-01,2026-01-02,1,250.5\n',
      'tariff.yml row 2: it has 4 cells, not 3. Write columns start,end,value',
    ],
    ['2026-01-01\t2026-01-02\t1\t2\n', 'tariff.yml row 1: it has 4 cells, not 3.'],
    ['start,end,value\n2026-01-01,2026-01-02\n', 'tariff.yml row 2: it has no value.'],
  ])('is refused when broken: %j', (text, message) => {
    expect(() => read(text)).toThrow(message);
  });

  test('prices a year of minutes by its quarter-hours', () => {
    const rows = Array.from({ length: 35_040 }, (_, row) => {
      const start = 1_767_225_600 + row * 900;
      return `${start},${start + 900},${Math.sin(row).toFixed(4)}`;
    });
    const tariff = read(`# currency: EUR\n${rows.join('\n')}\n`);
    let cost = 0;
    for (let minute = 0; minute < 525_600; minute += 1) {
      const start = instant(1_767_225_600 + minute * 60);
      const mean = meanOver(tariff.price, start, instant(start + 60));
      if (mean !== undefined) cost += (mean.positive + mean.negative) / 60;
    }
    const expected = rows.reduce((sum, row) => sum + Number(row.split(',')[2]) * 0.25, 0);
    expect(cost).toBeCloseTo(expected, 6);
  });
});

const tiers: Tiers = {
  period: constantSchedule(0),
  blocks: [
    [
      { upToKilowattHours: 10, pricePerKilowattHour: 1 },
      { upToKilowattHours: 30, pricePerKilowattHour: 2 },
      { pricePerKilowattHour: 3 },
    ],
  ],
};
const tiered = {
  name: 'tiered',
  source: 'test',
  currency: 'EUR',
  provenance: 'derived',
  price: constantSchedule(1),
  tiers,
} as const;
const start = at('2026-05-10T00:00Z');
const amount = (
  slices: readonly { energyKilowattHours: number; pricePerKilowattHour: number | undefined }[],
) =>
  slices.reduce(
    (sum, each) => sum + each.energyKilowattHours * (each.pricePerKilowattHour ?? NaN),
    0,
  );

describe('createPricer()', () => {
  test('prices a tariff without tiers slice by slice', () => {
    const [from, to] = [at('2026-07-01T06:00+02:00'), at('2026-07-01T08:00+02:00')];
    const pricer = createPricer(read(zones));
    expect(
      pricer
        .price(from, to, 4)
        .map((slice) => [slice.energyKilowattHours, slice.pricePerKilowattHour]),
    ).toEqual([
      [2, 0.2],
      [2, 0.3],
    ]);
    expect(pricer.meanOver(from, to, 4)?.positive).toBeCloseTo(0.25, 12);
    expect(pricer.use()).toEqual([]);
  });

  test('walks through all blocks in one interval', () => {
    const slices = createPricer(tiered).price(start, instant(start + 3600), 40);
    expect(amount(slices)).toBeCloseTo(10 + 40 + 30, 9);
    expect(slices.at(-1)?.endSeconds).toBe(start + 3600);
  });

  test('costs a run the sum of its cuts', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 20, noNaN: true }), { minLength: 1, maxLength: 8 }),
        (energies) => {
          const pricer = createPricer(tiered);
          let cut = 0;
          energies.forEach((energy, hour) => {
            const from = instant(start + hour * 3600);
            cut += amount(pricer.price(from, instant(from + 3600), energy));
          });
          const pricedAsMean = createPricer(tiered);
          let mean = 0;
          energies.forEach((energy, hour) => {
            const from = instant(start + hour * 3600);
            const price = pricedAsMean.meanOver(from, instant(from + 3600), energy);
            mean += (price?.positive ?? NaN) * energy;
          });
          expect(mean).toBeCloseTo(cut, 6);
          const whole = energies.reduce((sum, energy) => sum + energy, 0);
          const once = createPricer(tiered).price(start, instant(start + 3600), whole);
          expect(cut).toBeCloseTo(amount(once), 6);
        },
      ),
      { seed: 3 },
    );
  });

  test("fills the blocks with the site's load first", () => {
    // 1 kW since 1 May makes 216 kWh by the tenth: the run starts in the last block.
    const pricer = createPricer({ ...tiered, siteLoadKilowatts: constantSchedule(1) });
    expect(amount(pricer.price(start, instant(start + 3600), 5))).toBeCloseTo(15, 9);
    // On 1 May at 04:00 the site holds 4 kWh; 4 kWh and 2 kWh side by side cross 10 kWh never.
    const may = at('2026-05-01T04:00Z');
    const early = createPricer({ ...tiered, siteLoadKilowatts: constantSchedule(1) });
    expect(amount(early.price(may, instant(may + 7200), 4))).toBeCloseTo(4, 9);
    expect(early.meanOver(instant(may + 7200), instant(may + 10_800), 1)?.positive).toBeCloseTo(
      2,
      9,
    );
  });

  test('has no price where the load of the site is unknown', () => {
    const load = readSiteLoad('start,end,value [W]\n2026-06-01,2026-06-02,1000\n', {
      fileName: 'load.csv',
      timeZone: 'UTC',
    });
    const pricer = createPricer({ ...tiered, siteLoadKilowatts: load });
    expect(pricer.meanOver(start, instant(start + 60), 1)).toBeUndefined();
  });
});

describe('laws of pricing', () => {
  const edge = fc.integer({ min: 1_767_225_600, max: 1_767_225_600 + 86_400 * 365 });
  const energyAt = (tariff: Tariff, from: number, to: number): number => {
    const mean = meanOver(tariff.price, instant(from), instant(to));
    return mean === undefined ? NaN : (mean.positive + mean.negative) * (to - from);
  };

  test('a constant tariff costs price × energy', () => {
    const tariff = read('currency: EUR\nzones: [{price: 0.25}]');
    fc.assert(
      fc.property(edge, edge, (a, b) => {
        fc.pre(a < b);
        expect(energyAt(tariff, a, b)).toBeCloseTo(0.25 * (b - a), 4);
      }),
      { seed: 4, numRuns: 50 },
    );
  });

  test('a run costs the sum of its cuts', () => {
    const tariff = read(zones);
    fc.assert(
      fc.property(edge, edge, edge, (...edges) => {
        const [a = 0, b = 0, c = 0] = edges.toSorted((x, y) => x - y);
        fc.pre(a < b && b < c);
        expect(energyAt(tariff, a, b) + energyAt(tariff, b, c)).toBeCloseTo(
          energyAt(tariff, a, c),
          4,
        );
      }),
      { seed: 5, numRuns: 50 },
    );
  });
});

describe('createDemandMeter()', () => {
  const flat = {
    ...tiered,
    demand: [
      { kind: 'flat', name: 'd', blocks: [[{ ratePerKilowatt: 10 }]], period: constantSchedule(0) },
    ],
  } as const;

  test('costs nothing where the run stays below the peak of the site', () => {
    const load = readSiteLoad(
      'start,end,value [kW]\n2026-05-01,2026-05-02,200\n2026-05-02,2026-06-01,50\n',
      { fileName: 'load.csv', timeZone: 'UTC' },
    );
    const meter = createDemandMeter({ ...flat, siteLoadKilowatts: load });
    meter.add(start, instant(start + 900), 25);
    expect(meter.costs()).toMatchObject([
      { peakWithKilowatts: 200, peakWithoutKilowatts: 200, amount: 0 },
    ]);
  });

  test('adds devices and averages over the window', () => {
    const meter = createDemandMeter(flat);
    for (let gpu = 0; gpu < 2; gpu += 1) meter.add(start, instant(start + 300), 1);
    // 2 kWh within a quarter of an hour are 8 kW.
    expect(meter.costs()).toMatchObject([{ peakWithKilowatts: 8, amount: 80 }]);
  });

  test('charges each month by itself', () => {
    const meter = createDemandMeter(flat);
    meter.add(at('2026-05-31T23:45Z'), at('2026-06-01T00:15Z'), 2);
    expect(meter.costs().map((cost) => [cost.month, cost.amount])).toEqual([
      ['2026-05', 40],
      ['2026-06', 40],
    ]);
  });

  test('says what it cannot know', () => {
    const load = readSiteLoad('start,end,value [kW]\n2026-04-01,2026-05-02,200\n', {
      fileName: 'load.csv',
      timeZone: 'UTC',
    });
    const meter = createDemandMeter({ ...flat, siteLoadKilowatts: load });
    meter.add(start, instant(start + 900), 25);
    expect(meter.costs()).toMatchObject([{ missing: 'the site load does not cover the run' }]);
    expect(meter.costs()[0]).not.toHaveProperty('amount');
  });

  test('refuses windows that do not tile an hour, and loads without a unit', () => {
    expect(() => createDemandMeter(flat, 7)).toThrow('Demand windows of 7 minutes do not tile');
    expect(() =>
      readSiteLoad('2026-04-01,2026-05-02,200\n', { fileName: 'load.csv', timeZone: 'UTC' }),
    ).toThrow('load.csv: the load has no unit. Write it in the header, e.g. start,end,value [kW].');
  });
});
