import { Spec, Validation } from '@cyclonedx/cyclonedx-library';
import { parse as parseCsv } from 'csv-parse/sync';
import { Decimal } from 'decimal.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parse as parseYaml } from 'yaml';

import { known } from '../known.ts';
import { REPORT_FORMATS } from '../../agent/options.ts';
import { buildReport } from '../../agent/report/build.ts';
import { formatReport } from '../../agent/report/formats.ts';
import type { ReportInput } from '../../agent/report/input.ts';
import type { Report, ReportDevice } from '../../agent/report/report.ts';
import { parseReport } from '../../agent/report/schema.ts';
import { instant, kilowattHours, toKilowattHours } from '../../agent/units.ts';
import { END, everything, fourFull, LEVERS, nothing, onePlain, sixtyFour, START } from './books.ts';

const full: Report = { ...buildReport(everything), levers: LEVERS };
const plain = buildReport(onePlain);
const hostile = (report: Report): Report => ({
  ...report,
  run: { ...report.run, name: '=cmd|"a",<b>\n', labels: { note: '<script>alert(1)</script>' } },
});

type Row = Readonly<Record<string, string>>;
const rowsOf = (csv: string): Row[] => parseCsv(csv, { columns: true }) as Row[];

describe('formatReport()', () => {
  test.each(REPORT_FORMATS)('prints the full report as %s as its golden file', async (format) => {
    const text = await formatReport(full, format);
    expect(text.endsWith('\n')).toBe(true);
    expect(text).not.toMatch(/undefined|NaN|Infinity|\[object|\de\+\d/);
    await expect(text).toMatchFileSnapshot(`golden/full.${format}.golden`);
  });

  test.each([
    'text',
    'json',
    'csv',
    'markdown',
    'html',
    'focus',
    'emissions-csv',
    'eu-ai-act',
  ] as const)('prints what is unknown as unknown: %s', async (format) => {
    for (const input of format === 'focus' ? [onePlain] : [onePlain, nothing]) {
      const text = await formatReport(buildReport(input), format);
      expect(text).not.toMatch(/undefined|NaN|null|\[object/);
    }
  });

  test.each(['text', 'markdown', 'html'] as const)(
    'says what must be known of a GPU and of a host’s part: %s',
    async (format) => {
      const warned = (device: ReportDevice, message: string): ReportDevice => ({
        ...device,
        warnings: [{ code: 'counter-disagrees', message }],
      });
      const [gpu, ...others] = full.devices;
      const [host, ...parts] = full.hosts ?? [];
      if (gpu === undefined || host === undefined) throw new Error('There is one of each.');
      const text = await formatReport(
        {
          ...full,
          devices: [warned(gpu, 'One of a GPU.'), ...others],
          hosts: [{ ...host, ...warned(host, 'One of a part.') }, ...parts],
        },
        format,
      );
      expect(text).toContain(`GPU ${gpu.index}: One of a GPU.`);
      expect(text).toContain(`${host.model}: One of a part.`);
    },
  );

  test('a model card without a carbon figure is refused with the mend', async () => {
    await expect(formatReport(plain, 'model-card')).rejects.toThrow(
      /has no carbon figure .* Give --zone or --grid\.$/,
    );
  });
});

describe('json', () => {
  test.each<readonly [string, ReportInput]>([
    ['one GPU', onePlain],
    ['four GPUs', fourFull],
    ['everything', everything],
    ['sixty-four GPUs', sixtyFour],
    ['nothing', nothing],
  ])('comes back through the schema to the same report: %s', async (_, input) => {
    const report = buildReport(input);
    expect(parseReport(await formatReport(report, 'json'), 'r.json')).toEqual(report);
  });

  test('keeps the levers', async () => {
    expect(parseReport(await formatReport(full, 'json'), 'r.json')).toEqual(full);
  });

  test.each([
    ['{', /^r\.json: it is not JSON\. .*--report-json FILE/],
    ['{}', /^r\.json: it is not a wattmeter\.report\/1 report \(schema:/],
    ['[]', /not a wattmeter\.report\/1 report \(the whole:/],
    [
      JSON.stringify({ ...plain, energy: { ...plain.energy, coverageRatio: 1.5 } }),
      /energy\.coverageRatio/,
    ],
    [
      JSON.stringify({ ...plain, energy: { ...plain.energy, gpuJoules: null } }),
      /energy\.gpuJoules/,
    ],
  ])('is refused in one line when it is something else (%#)', (json, message) => {
    expect(() => parseReport(json, 'r.json')).toThrow(message);
    expect(() => parseReport(json, 'r.json')).toThrow(/^[^\n]*$/);
  });
});

describe('csv', () => {
  test('has a row per device, and an empty cell for what is unknown', async () => {
    const rows = rowsOf(await formatReport(full, 'csv'));
    expect(rows.map((row) => row['kind'])).toEqual(['gpu', 'gpu', 'gpu', 'gpu', 'host']);
    expect(rows.map((row) => Number(row['energy_joules']))).toEqual(
      [...full.devices, ...(full.hosts ?? [])].map(({ energyJoules }) => energyJoules),
    );
    expect(rows[0]?.['gap_estimate_joules']).toBe('');
    expect(rows[1]?.['gap_estimate_joules']).toBe('3200');
  });

  test('lets no name act as a formula in a spreadsheet, and keeps it one cell', async () => {
    const [row] = rowsOf(await formatReport(hostile(full), 'csv'));
    expect(row?.['run_name']).toBe('\'=cmd|"a",<b>\n');
  });
});

/** A run whose price changes at each given share of its time. */
const pricedRun = (
  periods: readonly { readonly share: number; readonly price: number }[],
): ReportInput => {
  const facility = toKilowattHours(known(plain.energy.facilityJoules));
  const whole = periods.reduce((sum, { share }) => sum + share, 0);
  let from: number = START;
  const pricePeriods = periods.map(({ share, price }) => {
    const startSeconds = instant(from);
    from += ((END - START) * share) / whole;
    return {
      startSeconds,
      endSeconds: instant(from),
      facilityKilowattHours: kilowattHours((facility * share) / whole),
      pricePerKilowattHour: price,
    };
  });
  return { ...onePlain, pricePeriods };
};

describe('focus', () => {
  test('rows sum to the report to the last digit, and each is quantity × price', async () => {
    const price = fc.integer({ min: -50_000, max: 300_000 }).map((value) => value / 1e5);
    const period = fc.record({ share: fc.integer({ min: 1, max: 1000 }), price });
    await fc.assert(
      fc.asyncProperty(fc.array(period, { minLength: 1, maxLength: 24 }), async (periods) => {
        const report = buildReport(pricedRun(periods));
        const rows = rowsOf(await formatReport(report, 'focus'));
        expect(rows).toHaveLength(periods.length);
        const Exact = Decimal.clone({ precision: 200 });
        let sum = new Exact(0);
        let quantity = new Exact(0);
        for (const row of rows) {
          const product = new Exact(row['PricingQuantity'] ?? '').times(row['ListUnitPrice'] ?? '');
          expect(row['BilledCost']).toBe(product.toFixed());
          sum = sum.plus(row['BilledCost'] ?? '');
          quantity = quantity.plus(row['PricingQuantity'] ?? '');
        }
        expect(sum.toNumber()).toBe(report.cost.energyCost);
        expect(quantity.toFixed()).toBe(
          new Exact(known(report.compute.energyKilowattHours)).toFixed(),
        );
      }),
      { seed: 20261123, numRuns: 60 },
    );
  });

  test('has the mandatory columns, plain numbers and end-exclusive UTC periods', async () => {
    const text = await formatReport(full, 'focus');
    const [row] = rowsOf(text);
    expect(row).toMatchObject({
      BillingCurrency: 'EUR',
      BillingPeriodStart: '2026-11-01T00:00:00Z',
      BillingPeriodEnd: '2026-12-01T00:00:00Z',
      ChargeCategory: 'Usage',
      ChargeClass: '',
      ChargePeriodStart: '2026-11-23T08:00:00Z',
      PricingUnit: 'kWh',
      ServiceCategory: 'AI and Machine Learning',
      x_RunId: full.run.id,
    });
    const columns = text.split('\n')[0]?.split(',') ?? [];
    expect(columns.findIndex((name) => name.startsWith('x_'))).toBe(columns.length - 9);
    expect(Number(row?.['x_EnergyMeasuredShare'])).toBeCloseTo(
      known(full.energy.gpuJoules) / known(full.energy.itJoules),
      12,
    );
    expect(Number(row?.['x_CarbonLocationBasedKg'])).toBeCloseTo(0.02636, 4);
  });

  test('says that all was measured as a share of 1, though the sums differ in the last digit', async () => {
    const itJoules = known(full.energy.gpuJoules) * (1 - Number.EPSILON);
    const measured = { ...full, hosts: [], energy: { ...full.energy, itJoules } };
    const [row] = rowsOf(await formatReport(measured, 'focus'));
    expect(row?.['x_EnergyMeasuredShare']).toBe('1');
  });

  test('writes one row without a unit price where prices changed and were not kept', async () => {
    const { periods: _, ...cost } = full.cost;
    const [row] = rowsOf(await formatReport({ ...full, cost }, 'focus'));
    expect(row?.['ListUnitPrice']).toBe('');
    expect(Number(row?.['BilledCost'])).toBe(full.cost.energyCost);
  });

  test('refuses a run without a cost', async () => {
    const { energyCost: _, ...cost } = full.cost;
    await expect(formatReport({ ...full, cost }, 'focus')).rejects.toThrow(/has no cost/);
    await expect(formatReport(buildReport(nothing), 'focus')).rejects.toThrow(
      /has no cost \(no energy was measured\)/,
    );
  });
});

describe('emissions-csv', () => {
  test("has CodeCarbon's columns in its order, in kWh, kg and W", async () => {
    const text = await formatReport(full, 'emissions-csv');
    expect(text.split('\n')[0]).toBe(
      'timestamp,project_name,run_id,experiment_id,duration,emissions,emissions_rate,cpu_power,gpu_power,' +
        'ram_power,cpu_energy,gpu_energy,ram_energy,energy_consumed,water_consumed,country_name,' +
        'country_iso_code,region,cloud_provider,cloud_region,os,python_version,codecarbon_version,cpu_count,' +
        'cpu_model,gpu_count,gpu_model,longitude,latitude,ram_total_size,tracking_mode,' +
        'cpu_utilization_percent,gpu_utilization_percent,ram_utilization_percent,ram_used_gb,on_cloud,pue,wue',
    );
    const [row] = rowsOf(text);
    expect(Number(row?.['emissions'])).toBeCloseTo(0.02636, 4);
    expect(Number(row?.['energy_consumed'])).toBeCloseTo(
      known(full.compute.energyKilowattHours),
      12,
    );
    expect(Number(row?.['gpu_energy']) + Number(row?.['cpu_energy'])).toBeCloseTo(
      known(full.compute.energyKilowattHours),
      9,
    );
    expect(row).toMatchObject({ country_name: 'France', country_iso_code: 'FRA', gpu_count: '4' });
  });
});

describe('model-card', () => {
  test('is YAML with grams and their source', async () => {
    const card = parseYaml(await formatReport(full, 'model-card')) as Record<string, unknown>;
    expect(card['co2_eq_emissions']).toMatchObject({
      emissions: 'missing' in full.carbon ? Number.NaN : full.carbon.locationBasedGrams,
      geographical_location: 'FRA',
      hardware_used: '4 x NVIDIA A100-SXM4-80GB',
    });
  });
});

describe('cyclonedx', () => {
  test.each([
    ['with carbon', full],
    ['without carbon', plain],
    ['with names that mean harm', hostile(full)],
  ])('is valid by the schema of CycloneDX 1.6: %s', async (_, report) => {
    const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot6);
    const bom = await formatReport(report, 'cyclonedx');
    expect(await validator.validate(bom)).toBeNull();
    // The validator is awake: the same BOM with a wrong unit is refused.
    expect(await validator.validate(bom.replaceAll('"kWh"', '"MJ"'))).not.toBeNull();
  });
});

describe('eu-ai-act', () => {
  test('states MWh to two significant digits, the basis, the method and hardware-days', async () => {
    const fields = parseYaml(await formatReport(full, 'eu-ai-act')) as Record<string, unknown>;
    expect(fields).toMatchObject({
      training_energy_megawatt_hours: '0.00060',
      measured_or_estimated: 'measured; not measured: host, gaps of 12 GPU-seconds left out',
      training_time_days: '0.017',
      hardware_days: '0.067',
    });
    expect(fields['method']).toContain('hardware energy counter');
  });
});

describe('html', () => {
  test('needs nothing from elsewhere and lets no name act', async () => {
    const html = await formatReport(hostile(full), 'html');
    expect(html).not.toMatch(/<script|<link|<img|src=|href=|@import|url\(/);
    expect(html).toContain('=cmd|&quot;a&quot;,&lt;b&gt;');
  });

  test('draws the power where a series is given, with a hole where nothing was read', async () => {
    const timeSeconds = Array.from({ length: 4000 }, (_, row) => START + row * 0.1);
    const powerWatts = timeSeconds.map((_, row) =>
      row > 1000 && row < 2000 ? Number.NaN : 200 + (row % 50),
    );
    const html = await formatReport(full, 'html', { series: [{ timeSeconds, powerWatts }] });
    const path = /<path d="([^"]+)"/.exec(html)?.[1] ?? '';
    expect(path.match(/M/g)).toHaveLength(2);
    expect(path).not.toContain('NaN');
    expect(html).toContain('at most 249.0 W');
    expect(await formatReport(full, 'html', { series: [] })).not.toContain('<svg');
  });
});

describe('markdown', () => {
  test('is a paragraph for a paper and a table, with names that are no markup', async () => {
    const text = await formatReport(hostile(full), 'markdown');
    expect(text).toMatch(/^## Energy of =cmd\\\|"a",\\<b\\>$/m);
    expect(text).toMatch(/^We measured 0\.496 ± 0\.013 kWh of GPU energy on 4 × NVIDIA A100/m);
    const table = text.split('\n').filter((line) => line.startsWith('|'));
    for (const line of table) expect(line.replaceAll('\\|', '').match(/\|/g)).toHaveLength(4);
  });
});
