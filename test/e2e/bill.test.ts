// The bill of a run through the real command: what stands beside its energy, and how a mistake in any of it is said.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';

import { parse as parseCsv } from 'csv-parse/sync';
import { describe, expect, test } from 'vitest';

import type { Report } from '../../agent/report/report.ts';
import { parseReport } from '../../agent/report/schema.ts';
import { corpusPath, corpusPresent } from '../corpus.ts';
import { openStandIn } from '../feed/stand-in.ts';
import { known } from '../known.ts';
import { type Workplace, workplaces } from './wattmeter.ts';

const open = workplaces();

const jsonOf = async (place: Workplace, args: readonly string[]): Promise<Report> => {
  const { code, stdout, stderr } = await place.run(['report', ...args, '--format', 'json']);
  expect(code, stderr).toBe(0);
  return parseReport(stdout, 'stdout');
};

/** A minute of one GPU: idle at 100 W, from 20 s to 50 s at work at 300 W, idle again. */
function minute(columns = true): string {
  const rows = Array.from({ length: 601 }, (_, tenth) => {
    const time = new Date(Date.UTC(2026, 5, 1, 9) + tenth * 100).toISOString();
    const works = tenth > 200 && tenth <= 500;
    const utilization = columns ? `, ${works ? 100 : 0} %` : '';
    return `${time}, 0, GPU-00000000-aaaa-4000-8000-000000000000, ${works ? 300 : 100}.00 W${utilization}`;
  });
  const title = `timestamp, index, uuid, power.draw.instant [W]${columns ? ', utilization.gpu [%]' : ''}`;
  return `${[title, ...rows].join('\n')}\n`;
}
// The 19 s before the second that ends at work, and the last 10 s: of the second of the change nobody knows enough.
const IDLE_SECONDS = 29;

const INPUTS = `currency: EUR
hardware: { kind: owned, purchasePerGpu: 30000, lifeYears: 5, residualRatio: 0.27, utilisationRatio: 0.5, operationPerGpuHour: 0.4 }
data:
  sizeGigabytes: 160
  acquisitionKilowattHoursPerGigabyte: 0.03
  storage: { terabytes: 2, media: ssd, replication: 3, hours: 10 }
labelling: { personHours: 120, payPerHour: 22, workstationWatts: 125 }
regions: { north: 20 }
`;
const priced = ['--price', '0.36', '--currency', 'EUR', '--zone', 'FRA'];

describe('a log', () => {
  test('tells the idle share, in energy, money and rent; without utilisation nothing is said', async () => {
    const place = open();
    writeFileSync(place.path('minute.csv'), minute());
    writeFileSync(place.path('silent.csv'), minute(false));
    const rented = ['--rent-per-gpu-hour', '3.6'];
    const [told, silent] = await Promise.all([
      jsonOf(place, ['minute.csv', ...priced, ...rented]),
      jsonOf(place, ['silent.csv', ...priced, ...rented]),
    ]);
    const idle = known(told.idle);
    expect(idle.idleSeconds).toBeCloseTo(IDLE_SECONDS, 6);
    expect(idle.knownSeconds).toBeCloseTo(60, 6);
    expect(idle.energyJoules).toBeCloseTo(IDLE_SECONDS * 100, 3);
    expect(idle.energyRatio).toBeCloseTo((IDLE_SECONDS * 100) / known(told.energy.gpuJoules), 9);
    expect(idle.energyCost).toBeCloseTo(((IDLE_SECONDS * 100) / 3.6e6) * 0.36, 9);
    expect(idle.hardwareCost).toBeCloseTo(IDLE_SECONDS * 0.001, 9);
    expect(told.devices[0]?.utilizationRatioMean).toBeCloseTo(0.5, 2);
    expect(silent).not.toHaveProperty('idle');
    expect(silent.energy).toEqual(told.energy);
    expect(silent.cost).toEqual(told.cost);
  });

  test('has beside its energy everything that the inputs give, and nothing measured changes', async () => {
    const place = open();
    writeFileSync(place.path('minute.csv'), minute());
    writeFileSync(place.path('inputs.yml'), INPUTS);
    const [plain, full, own] = await Promise.all([
      jsonOf(place, ['minute.csv', ...priced]),
      jsonOf(place, ['minute.csv', ...priced, '--inputs', 'inputs.yml', '--pue', '1.5']),
      jsonOf(place, ['minute.csv', ...priced, '--social-cost-per-tonne', '100']),
    ]);
    expect(full.energy.gpuJoules).toBe(plain.energy.gpuJoules);
    // (30,000 × 0.73 ÷ 21,900 + 0.4) EUR/h for a minute, and 13 kJ × 1.5 at 0.36.
    const hardware = 1.4 / 60;
    expect(full.cost.otherCosts?.[0]?.amountCost).toBeCloseTo(hardware, 9);
    expect(full.cost.runCost).toBeCloseTo(hardware + known(full.cost.energyCost), 9);
    expect(full.cost.energyCost).toBeCloseTo(
      (known(full.energy.gpuJoules) * 1.5 * 0.36) / 3.6e6,
      9,
    );
    expect(full.acquisition?.energyKilowattHours).toBeCloseTo(4.8, 9);
    expect(full.labelling).toMatchObject({ labellingCost: 2640, energyKilowattHours: 15 });
    expect(full.data?.storedByteHours).toBe(2e13);
    expect(full.data?.energyKilowattHours).toBeCloseTo((20 * 3 * 1.2 * 1.5) / 1000, 9);
    expect(full.levers?.map(({ id }) => id)).toEqual(['power-cap', 'region-north']);
    const grams = known(full.social?.emissionsGrams);
    expect(full.social?.emissionsParts).toEqual([
      'electricity',
      'data',
      'acquisition',
      'labelling',
    ]);
    expect(full.social?.socialCost).toBeCloseTo((grams / 1e6) * 190, 12);
    expect(plain.social).toMatchObject({ currency: 'USD', costPerTonne: 190 });
    expect(own.social).toMatchObject({ currency: 'EUR', costPerTonne: 100, provenance: 'assumed' });
    for (const key of ['acquisition', 'labelling', 'data', 'levers'])
      expect(plain).not.toHaveProperty(key);
  });

  test('knows a region of a cloud, in the text and in CodeCarbon’s columns', async () => {
    const place = open();
    writeFileSync(place.path('minute.csv'), minute());
    const zone = ['minute.csv', '--zone', 'gcp:europe-west4'];
    const [text, csv] = await Promise.all([
      place.run(['report', ...zone]),
      place.run(['report', ...zone, '--format', 'emissions-csv']),
    ]);
    expect(text.stdout.replaceAll(/\s+/g, ' ')).toContain(
      'location-based, gcp:europe-west4 (Eemshaven, NLD) 208.8 g/kWh; Google region-carbon-info: average of 2024, operational emissions (no life cycle)',
    );
    const [row] = parseCsv(csv.stdout, { columns: true }) as Record<string, string>[];
    expect(row).toMatchObject({
      cloud_provider: 'gcp',
      cloud_region: 'europe-west4',
      country_iso_code: 'NLD',
      on_cloud: 'Y',
    });
    expect(Number(row?.['gpu_utilization_percent'])).toBeCloseTo(50, 0);
  });
});

test('a run keeps its steps, its idle part and what stood beside it, and a report prices them anew', async () => {
  const place = open();
  writeFileSync(place.path('minute.csv'), minute());
  writeFileSync(place.path('inputs.yml'), INPUTS);
  const script = 'for s in 1 2 3 4 5; do echo "step $s tokens $((s * 1000))"; sleep 0.7; done';
  const source = ['--source', 'replay', '--trace', 'minute.csv', '--name', 'short', '--quiet'];
  const beside = ['--inputs', 'inputs.yml', '--data-path', 'cloud', '--report-json', 'r.json'];
  const steps = ['--step-pattern', 'step (?<step>[0-9]+) tokens (?<tokens>[0-9]+)'];
  const job = ['--', 'sh', '-c', script];
  const ended = await place.run(['run', ...source, ...priced, ...beside, ...steps, ...job]);
  expect(ended.code, ended.stderr).toBe(0);
  const measured = parseReport(readFileSync(place.path('r.json'), 'utf8'), 'r.json');
  expect(measured.per?.step?.count).toBe(5);
  expect(measured.per?.token?.count).toBe(5000);
  expect(measured.per?.step?.gpuJoules).toBeCloseTo(known(measured.energy.gpuJoules) / 5, 6);
  expect(measured.idle?.idleSeconds).toBeGreaterThan(1);
  expect(measured.data).toHaveProperty('storedByteHours', 2e13);

  const [same, dearer] = await Promise.all([
    jsonOf(place, ['short']),
    jsonOf(place, ['short', '--price', '0.72', '--currency', 'EUR']),
  ]);
  const { generatedAt: _, ...before } = measured;
  const { generatedAt: __, ...after } = same;
  expect(after).toEqual(before);
  expect(dearer.idle?.idleSeconds).toBe(measured.idle?.idleSeconds);
  expect(dearer.idle?.energyCost).toBeCloseTo(2 * known(measured.idle?.energyCost), 12);
  expect(dearer.per?.step?.energyCost).toBeCloseTo(2 * known(measured.per?.step?.energyCost), 12);
});

test('a resumed run goes on in the tiers and peaks of all of it: its own report is the stored one', async () => {
  const place = open();
  const table = Array.from({ length: 12 }, () => Array.from({ length: 24 }, () => 0));
  const tariff = {
    energyratestructure: [[{ rate: 0.1, max: 1e-5 }, { rate: 1 }]],
    energyweekdayschedule: table,
    energyweekendschedule: table,
    flatdemandstructure: [[{ rate: 7 }]],
    flatdemandmonths: Array.from({ length: 12 }, () => 0),
  };
  writeFileSync(place.path('tiers.json'), JSON.stringify(tariff));
  const options = ['--tariff', place.path('tiers.json'), '--tariff-time-zone', 'UTC', '--quiet'];
  await place.run(['run', '--name', 'long', ...options, '--', 'sleep', '2']);
  const file = place.path('resumed.json');
  const resumed = await place.run(
    ['run', '--resume', 'long', ...options, '--report-json', file].concat('--', 'sleep', '2'),
  );
  expect(resumed.code, resumed.stderr).toBe(0);
  const told = parseReport(readFileSync(file, 'utf8'), file);
  // About 400 J: the first 36 J cost 0.10 per kWh, all others 1.
  expect(told.cost.periods?.map(({ pricePerKilowattHour }) => pricePerKilowattHour)).toEqual([
    0.1, 1, 1,
  ]);
  const stored = await jsonOf(place, ['long']);
  expect(told.cost).toEqual(stored.cost);
  expect(told.energy).toEqual(stored.energy);
});

test('a live run tells which of its GPUs sat idle', async () => {
  const place = open({ gpus: [{ utilizationPercent: 0 }, { utilizationPercent: 70 }] });
  const job = ['--report-json', 'r.json', '--quiet', '--', 'sleep', '3'];
  const ended = await place.run(['run', ...job]);
  expect(ended.code, ended.stderr).toBe(0);
  const { devices, idle } = parseReport(readFileSync(place.path('r.json'), 'utf8'), 'r.json');
  const [idling, working] = devices;
  expect(idling?.utilizationRatioMean).toBe(0);
  expect(known(idling?.idle).idleSeconds).toBe(known(idling?.idle).knownSeconds);
  expect(known(idling?.idle).idleSeconds).toBeGreaterThan(0.5);
  expect(working?.utilizationRatioMean).toBeCloseTo(0.7, 9);
  expect(working?.idle).toMatchObject({ idleSeconds: 0, energyJoules: 0 });
  expect(idle?.energyJoules).toBe(idling?.idle?.energyJoules);
});

describe('rent and ownership together', () => {
  const both = ['--rent-per-gpu-hour', '2', '--inputs', 'inputs.yml', '--currency', 'EUR'];
  const line =
    'wattmeter: --rent-per-gpu-hour and the owned hardware of --inputs inputs.yml exclude each other: rent includes energy, owned hardware does not. Leave one out.\n';

  test('are one line and exit code 2, or 125 before the command was started', async () => {
    const place = open();
    writeFileSync(place.path('minute.csv'), minute());
    writeFileSync(place.path('inputs.yml'), INPUTS);
    const [report, run] = await Promise.all([
      place.run(['report', 'minute.csv', ...both]),
      place.run(['run', ...both, '--', 'touch', 'started']),
    ]);
    expect(report).toEqual({ code: 2, stdout: '', stderr: line });
    expect(run).toEqual({ code: 125, stdout: '', stderr: line });
    expect(existsSync(place.path('started'))).toBe(false);
  });
});

const TABLE = JSON.stringify(Array.from({ length: 12 }, () => Array(24).fill(0)));
const urdb = (tables: string): string =>
  `{ "energyratestructure": [[{ "rate": 0.1 }]], ${tables} }`;
/** Each file with what its line must say: where, and how to mend it. */
const BAD_FILES: readonly (readonly [string, string, string, RegExp])[] = [
  [
    'rows that overlap',
    'overlap.csv',
    'start,end,value\n2026-06-01T09:00Z,2026-06-01T11:00Z,1\n2026-06-01T10:00Z,2026-06-01T12:00Z,2\n',
    /^overlap\.csv row 3: it starts at .*, before row 2 ends at .*\. Sort the rows/,
  ],
  [
    'an hour that is missing',
    'hole.csv',
    'start,end,value\n2026-06-01T08:00Z,2026-06-01T09:00Z,1\n2026-06-01T10:00Z,2026-06-01T12:00Z,2\n',
    /^hole\.csv row 3: there is no value from 2026-06-01T09:00:00Z to .*--price-gap hold\.$/,
  ],
  [
    'a run that it does not cover',
    'short.csv',
    'start,end,value\n2026-06-01T08:00Z,2026-06-01T09:00:30Z,1\n',
    /^short\.csv: .*2026-06-01T09:00:30Z/,
  ],
  [
    'a price of NaN',
    'nan.csv',
    'start,end,value\n2026-06-01T08:00Z,2026-06-01T10:00Z,NaN\n',
    /^nan\.csv row 2: the value "NaN" is no finite number\. Write a number/,
  ],
  [
    'an unknown period',
    'period.json',
    urdb(`"energyweekdayschedule": ${TABLE.replace('0', '1')}, "energyweekendschedule": ${TABLE}`),
    /^period\.json at energyweekdayschedule\[0\]\[0\]: period 1 is undefined.*Add period 1/,
  ],
  [
    'a schedule with a hole',
    'holes.json',
    urdb(`"energyweekdayschedule": ${TABLE.replace('0,', '')}, "energyweekendschedule": ${TABLE}`),
    /^holes\.json at energyweekdayschedule\.0: a row of the table needs 24 hours/,
  ],
  [
    'no schedule',
    'none.json',
    urdb(`"energyweekendschedule": ${TABLE}`),
    /^none\.json at energyweekdayschedule: /,
  ],
  [
    'a currency that does not exist',
    'money.yml',
    'currency: XQX\nzones: [{ price: 1 }]\n',
    /^money\.yml: the currency "XQX" is no ISO 4217 code\. Write three letters/,
  ],
  [
    'hours that no zone covers',
    'zones.yml',
    'currency: EUR\nzones: [{ price: 1, days: mon }]\n',
    /^zones\.yml at zones: no zone covers .*Put a zone/,
  ],
];
const BAD_OPTIONS: readonly (readonly [string, readonly string[], RegExp])[] = [
  ['a price of NaN', ['--price', 'NaN'], /^--price must be a number, not "NaN"\.$/],
  ['an unknown currency', ['--currency', 'XQX'], /^--currency must be an ISO 4217 code/],
  ['an unknown zone', ['--zone', 'DUE'], /^Grid zone 'DUE': .*Perhaps .*DEU \(Germany\)/],
  [
    'an unknown region',
    ['--zone', 'aws:us-est-1'],
    /^Cloud region 'aws:us-est-1': .*Perhaps aws:us-east-1/,
  ],
  ['a PUE below 1', ['--pue', '0.9'], /^--pue must be 1 or more, not "0\.9"\.$/],
  [
    'a negative price per tonne',
    ['--social-cost-per-tonne', '-1'],
    /^--social-cost-per-tonne must be 0 or more/,
  ],
  [
    'inputs that are not there',
    ['--inputs', 'nowhere.yml'],
    /^Cannot read --inputs nowhere\.yml \(ENOENT\)/,
  ],
];

describe('a mistake is one line with its place and its mend, and exit code 2', () => {
  test('in a tariff', async () => {
    const place = open();
    writeFileSync(place.path('minute.csv'), minute());
    const said = await Promise.all(
      BAD_FILES.map(async ([, file, text]) => {
        writeFileSync(place.path(file), text);
        const currency = file.endsWith('.csv') ? ['--currency', 'EUR'] : [];
        const zone = ['--tariff-time-zone', 'UTC'];
        return place.run(['report', 'minute.csv', '--tariff', file, ...zone, ...currency]);
      }),
    );
    for (const [position, [what, , , message]] of BAD_FILES.entries()) {
      const ended = known(said[position]);
      expect(ended, what).toMatchObject({ code: 2, stdout: '' });
      expect(ended.stderr, what).toMatch(/^wattmeter: [^\n]+\n$/);
      expect(ended.stderr.replace('wattmeter: ', '').trim(), what).toMatch(message);
    }
  });

  test('in an option or the inputs', async () => {
    const place = open();
    writeFileSync(place.path('minute.csv'), minute());
    writeFileSync(place.path('bad.yml'), INPUTS.replace('terabytes: 2', 'terabytes: many'));
    const cases: typeof BAD_OPTIONS = [
      ...BAD_OPTIONS,
      [
        'inputs with a word for a number',
        ['--inputs', 'bad.yml', '--currency', 'EUR'],
        /^bad\.yml at data\.storage\.terabytes: it is no number ≥ 0/,
      ],
      [
        'inputs in another currency',
        ['--inputs', 'inputs.yml'],
        /^inputs\.yml: its money is in EUR, and the electricity is priced in USD/,
      ],
    ];
    writeFileSync(place.path('inputs.yml'), INPUTS);
    const said = await Promise.all(
      cases.map(([, options]) => place.run(['report', 'minute.csv', ...options])),
    );
    for (const [position, [what, , message]] of cases.entries()) {
      const ended = known(said[position]);
      expect(ended, what).toMatchObject({ code: 2, stdout: '' });
      expect(ended.stderr.replace('wattmeter: ', '').trim(), what).toMatch(message);
    }
  });
});

test.skipIf(!corpusPresent)(
  'a tariff that names a period that it does not define is refused as it stands, and priced once it does',
  async () => {
    const place = open();
    writeFileSync(place.path('minute.csv'), minute());
    const text = readFileSync(corpusPath('tariffs', 'seward_tiered_d28.json'), 'utf8');
    const document = JSON.parse(text) as { energyratestructure: unknown[] };
    writeFileSync(place.path('seward.json'), text);
    document.energyratestructure.push(document.energyratestructure[0]);
    writeFileSync(place.path('mended.json'), JSON.stringify(document));
    const zone = ['--tariff-time-zone', 'America/Chicago'];
    const refused = await place.run(['report', 'minute.csv', '--tariff', 'seward.json', ...zone]);
    expect(refused).toMatchObject({ code: 2, stdout: '' });
    expect(refused.stderr).toMatch(
      /^wattmeter: seward\.json at energyweekdayschedule\[0\]\[0\]: period 1/,
    );
    const { cost, energy } = await jsonOf(place, [
      'minute.csv',
      '--tariff',
      'mended.json',
      ...zone,
    ]);
    expect(cost.energyCost).toBeCloseTo((known(energy.gpuJoules) / 3.6e6) * 0.0933, 9);
  },
);

test('a live service that talks garbage leaves no figure, its reason in the report and its token nowhere', async () => {
  const place = open();
  writeFileSync(place.path('minute.csv'), minute());
  const token = 'sesame-4711';
  await using server = await openStandIn([{ status: 200, body: '<html>' }]);
  writeFileSync(
    place.path('grid.yml'),
    `feed: electricity-maps\nzone: DE\nurl: ${server.url}\ntokenEnvironment: MAPS_TOKEN\n`,
  );
  const { code, stdout, stderr } = await place.run(
    ['report', 'minute.csv', '--grid', 'grid.yml', '--format', 'json'],
    { env: { MAPS_TOKEN: token } },
  );
  expect(code, stderr).toBe(0);
  expect(server.requests[0]?.headers['auth-token']).toBe(token);
  expect(stdout + stderr).not.toContain(token);
  const { carbon, warnings } = parseReport(stdout, 'stdout');
  expect(carbon).toEqual({ missing: expect.stringContaining('no intensity') });
  expect(warnings.map(({ message }) => message).join(' ')).toContain(
    'electricity-maps DE has told no value. electricity-maps DE answered what is no JSON',
  );
});
