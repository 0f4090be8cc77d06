// docs/files.md against the program: every example goes through its real reader, every error line that the page shows
// is made again, and every option has its row.

import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { afterAll, describe, expect, test } from 'vitest';

import { createJobMapping } from '../../agent/attribution/job-mapping.ts';
import { readContract } from '../../agent/carbon/contract-file.ts';
import { marketIntensity } from '../../agent/carbon/contract.ts';
import { seriesGrid } from '../../agent/carbon/series-grid.ts';
import type { Context } from '../../agent/cli/context.ts';
import { openPricing } from '../../agent/cli/pricing.ts';
import { resolveConfig } from '../resolve-config.ts';
import { acquisitionKilowattHours } from '../../agent/estimate/energy.ts';
import { readPlan } from '../../agent/estimate/plan.ts';
import { readRunInputs } from '../../agent/estimate/run-inputs-file.ts';
import { ownedPerGpuHour } from '../../agent/estimate/run-inputs.ts';
import { openFeed } from '../../agent/feed/open.ts';
import { readCalibrations } from '../../agent/ledger/calibrations.ts';
import { OPTIONS } from '../../agent/options.ts';
import { readSiteLoad, readTariff, type TariffOptions } from '../../agent/price/read.ts';
import type { Tariff } from '../../agent/price/tariff.ts';
import { constantSchedule } from '../../agent/schedule.ts';
import { parseColumnMapping } from '../../agent/source/log/column-mapping.ts';
import { logReader, type LogOptions } from '../../agent/source/log/read-log.ts';
import { TRACE_COLUMNS } from '../../agent/source/trace-columns.ts';
import { readWebConfig } from '../../exporter/web-config.ts';
import { makeCertificates } from '../exporter/certificates.ts';
import { openStandIn } from '../feed/stand-in.ts';
import { at } from '../price/at.ts';
import { readAll, readingsOf, temporaryFolder, writeLog } from '../source/reading.ts';
import { testClock } from '../source/test-clock.ts';
import { needProgram } from '../system-program.ts';

const docs = resolve(import.meta.dirname, '../../docs');
const page = readFileSync(join(docs, 'files.md'), 'utf8');
const pathOf = (name: string): string => join(docs, 'examples', name);
const example = (name: string): string => readFileSync(pathOf(name), 'utf8');
/** The example with one thing wrong in it. */
function broken(name: string, wrong: string | RegExp, instead: string): string {
  const text = example(name);
  const changed = text.replace(wrong, instead);
  if (changed === text) throw new Error(`${name} does not hold ${wrong}.`);
  return changed;
}

const folder = temporaryFolder();
afterAll(() => folder[Symbol.dispose]());

const tariff = (name: string, text = example(name), options: Partial<TariffOptions> = {}): Tariff =>
  readTariff(text, { fileName: name, timeZone: 'UTC', ...options });
const grid = (name: string, text = example(name)) =>
  seriesGrid(text, { fileName: name, timeZone: 'UTC', gap: 'error' });
const feed = (name: string, environment: Record<string, string> = {}, text = example(name)) =>
  openFeed(text, name, { clock: testClock(at('2026-03-28T00:10Z')), environment });
const config = (text: string) =>
  resolveConfig({}, {}, writeLog(folder.path, text, 'wattmeter.yml'));
const log = (file: string, options: LogOptions) =>
  readAll(logReader(file, options).events(new AbortController().signal));

describe('the example of', () => {
  test('wattmeter.yml names options, nested or dotted', async () => {
    expect(await resolveConfig({}, {}, pathOf('wattmeter.yml'))).toMatchObject({
      pue: 1.25,
      retainSamples: 14 * 86_400,
      webConfigFile: '/etc/wattmeter/web.config.yml',
      webListenAddress: ['127.0.0.1:10360', '[::1]:10360'],
      label: ['team=nlp', 'cluster=a'],
    });
  });

  test('zones lets the last match win', () => {
    const { price, demand, fixed, currency } = tariff('tariff-zones.yml');
    const priceAt = (time: string) => price.valueAt(at(time, 'Europe/Berlin'));
    expect(priceAt('2026-07-01T06:59')).toBe(0.21);
    expect(priceAt('2026-07-01T18:00')).toBe(0.29);
    expect(priceAt('2026-12-01T18:00')).toBe(0.34);
    expect(priceAt('2026-12-25T18:00')).toBe(0.21);
    expect(currency).toBe('EUR');
    expect(demand?.[0]?.blocks).toEqual([[{ ratePerKilowatt: 9.5 }]]);
    expect(fixed).toEqual([{ name: 'meter', amount: 12.5, per: 'month' }]);
  });

  test('a price series adds network, levies and tax, in its own time zone', () => {
    const { price, currency, name } = tariff('tariff-series.csv');
    expect(price.valueAt(at('2026-03-28T00:30', 'Europe/Berlin'))).toBeCloseTo(0.191_828, 9);
    expect({ currency, name }).toEqual({ currency: 'EUR', name: 'day-ahead plus network' });
  });

  test('a price series in JSON', () => {
    const { price } = tariff('tariff-series.json');
    expect(price.valueAt(at('2026-03-28T01:30Z'))).toBe(0.21);
  });

  test('an OpenEI tariff has tiers, demand and a fixed charge', () => {
    const { price, tiers, demand, fixed, currency } = tariff('tariff-urdb.json');
    expect(price.valueAt(at('2026-03-27T08:00Z'))).toBeCloseTo(0.142, 12);
    expect(price.valueAt(at('2026-03-28T08:00Z'))).toBeCloseTo(0.082, 12);
    expect(tiers?.blocks[0]?.[0]?.upToKilowattHours).toBe(5000);
    expect(demand?.map(({ kind }) => kind)).toEqual(['flat']);
    expect(fixed?.[0]).toMatchObject({ amount: 25, per: 'month' });
    expect(currency).toBe('USD');
  });

  test.each([
    ['feed-price.yml', 'octopus E-1R-AGILE-24-10-01-C', 'GBP/kWh'],
    ['feed-grid.yml', 'electricity-maps DE', 'g/kWh'],
    ['feed-own.yml', 'json https://prices.example.org/today', 'EUR/kWh'],
  ])('%s opens a feed', async (name, service, unit) => {
    const { adapter } = await feed(name, { ELECTRICITY_MAPS_TOKEN: 'secret' });
    expect(adapter).toMatchObject({ name: service, unit });
  });

  test("a price server's own answer is understood", async () => {
    const body: unknown = JSON.parse(example('feed-own-answer.json'));
    await using server = await openStandIn([{ status: 200, body }]);
    const own = await feed(
      'feed-own.yml',
      {},
      broken('feed-own.yml', 'https://prices.example.org', server.url),
    );
    expect((await own.refresh(new AbortController().signal)).lastError).toBeUndefined();
    expect(own.schedule.valueAt(at('2026-03-28T01:30Z'))).toBe(0.21);
  });

  test('a grid series says zone, data set and vintage', () => {
    const { intensity, ...about } = grid('grid-series.csv');
    expect(intensity.valueAt(at('2026-03-28T01:30Z'))).toBe(386.5);
    expect(about).toMatchObject({ zone: 'DEU', vintage: 'March 2026' });
  });

  test('a site load is in kW', () => {
    const load = readSiteLoad(example('site-load.csv'), { fileName: 'x', timeZone: 'UTC' });
    expect(load.valueAt(at('2026-03-20T00:00Z'))).toBe(310);
  });

  test('a contract leaves the rest to the residual mix', () => {
    const contract = readContract(example('contract.yml'), 'contract.yml');
    const { intensity } = marketIntensity(contract, constantSchedule(400));
    expect(intensity.valueAt(at('2026-03-20T00:00Z'))).toBeCloseTo(0.3 * 590, 9);
  });

  test('a plan is read whole', () => {
    const plan = readPlan(example('plan.yml'), 'plan.yml');
    expect(plan.training.map(({ kind }) => kind)).toEqual(['gpu-hours', 'gpu-hours', 'formula']);
    expect(plan.powerUsageEffectiveness).toEqual({ low: 1.1, mid: 1.2, high: 1.4 });
  });

  test('inputs beside the measurement are read whole', () => {
    const inputs = readRunInputs(example('inputs.yml'), 'inputs.yml');
    // 28,000 × 0.9 ÷ (5 × 8760 × 0.7) + 0.35
    expect(ownedPerGpuHour(inputs)?.mid).toBeCloseTo(1.171_918, 6);
    expect(acquisitionKilowattHours(inputs.data)?.mid).toBeCloseTo(4.8, 12);
    expect(Object.keys(inputs).toSorted()).toEqual([
      'coincidentPeaks',
      'currency',
      'data',
      'fileName',
      'hardware',
      'labelling',
      'regions',
    ]);
  });

  test('calibrations are believed', () => {
    copyFileSync(pathOf('calibrations.json'), join(folder.path, 'calibrations.json'));
    const [known] = readCalibrations(folder.path).values();
    expect(known).toMatchObject({ gain: 1.021, offsetWatts: -2.4 });
  });

  test('a job-mapping directory has a file per GPU and a job per line', async () => {
    const mapping = createJobMapping(pathOf('job-mapping'));
    expect(await mapping.refresh()).toEqual({ kind: 'read', fileCount: 2 });
    expect(mapping.jobsOf({ index: 0, uuid: 'GPU-a' })).toEqual(['4711']);
    expect(mapping.jobsOf({ index: 1, uuid: 'GPU-b' })).toEqual(['4712', '4713']);
  });

  test('web.config.yml brings TLS, users, headers and a rate limit', async (context) => {
    makeCertificates(needProgram(context, 'openssl'), folder.path);
    const path = join(folder.path, 'web.config.yml');
    copyFileSync(pathOf('web.config.yml'), path);
    const { tls, users, headers, rateLimit } = await readWebConfig(path);
    expect(tls?.clientAuth).toBe('RequireAndVerifyClientCert');
    expect([...users.keys()]).toEqual(['prometheus']);
    expect(headers['X-Frame-Options']).toBe('deny');
    expect(rateLimit).toEqual({ intervalSeconds: 0.1, burst: 50 });
  });

  test('a trace has the columns that record writes', async () => {
    const titles = TRACE_COLUMNS.map(({ title }) => title);
    expect(example('trace.csv').split('\n')[0]?.split(', ')).toEqual(titles);
    const readings = readingsOf(
      await log(pathOf('trace.csv'), {}),
      'GPU-51a71a7e-0000-4000-8000-000000000000',
    );
    expect(readings.map(({ status }) => status)).toEqual(['ok', 'ok', 'gpu-lost']);
  });

  test('a foreign log is read with the mapping that the page gives', async () => {
    const mapping = /--columns '([^']+)'/.exec(page)?.[1] ?? '';
    const said = await log(pathOf('foreign-log.csv'), { columns: parseColumnMapping(mapping) });
    expect(readingsOf(said, 'trace-0').map(({ watts }) => watts)).toEqual([301.5, 302.1, 299.8]);
  });
});

/** Each makes one of the error lines of the page. */
const MISTAKES: Readonly<Record<string, () => unknown>> = {
  'an unknown option': () => config('period_seconds: 1\n'),
  'an option out of its range': () => config('pue: 0.9\n'),
  'a variable': () => resolveConfig({}, { WATTMETER_PRICE: 'ten' }, '/dev/null'),
  'hours without a zone': () =>
    tariff('tariff-zones.yml', broken('tariff-zones.yml', /^.*the rest\n/m, '')),
  'a hole in a series': () =>
    tariff('tariff-series.csv', broken('tariff-series.csv', /^.*T01:00,.*T02:00,.*\n/m, '')),
  'an undefined period': () =>
    tariff(
      'tariff-urdb.json',
      broken('tariff-urdb.json', /,\s*\[\s*\{\s*"rate": 0.13[^\]]*\]/, ''),
    ),
  'a token that is not there': () => feed('feed-grid.yml'),
  'a unit of something else': () =>
    grid('grid-series.csv', broken('grid-series.csv', 'gCO2eq/kWh', 'g/km')),
  'a load without a unit': () =>
    readSiteLoad(broken('site-load.csv', ' [kW]', ''), {
      fileName: 'site-load.csv',
      timeZone: 'UTC',
    }),
  'energy matched twice': () =>
    marketIntensity(
      readContract(broken('contract.yml', 'share: 0.6', 'share: 0.95'), 'contract.yml'),
      constantSchedule(400),
    ),
  'hardware that works more than all the time': () =>
    readRunInputs(broken('inputs.yml', 'high: 0.9', 'high: 1.9'), 'inputs.yml'),
  'a negative amount': () => readPlan(broken('plan.yml', '118000', '-1'), 'plan.yml'),
  'a password in clear': async () => {
    const path = join(folder.path, 'users.yml');
    writeFileSync(path, 'basic_auth_users: { prometheus: secret }\n');
    return readWebConfig(path);
  },
  'columns that nobody knows': () => log(pathOf('foreign-log.csv'), {}),
};

describe('the page shows the error line of', () => {
  test.each(Object.entries(MISTAKES))('%s', async (_, make) => {
    const message = await Promise.resolve()
      .then(make)
      .then(
        () => 'nothing was refused',
        (error: unknown) => (error instanceof Error ? error.message : String(error)),
      );
    const shown = message
      .replaceAll(`${folder.path}/`, '')
      .replaceAll(`${join(docs, 'examples')}/`, '');
    expect(page).toContain(shown);
  });
});

test('a price feed in another currency than --currency is refused', async () => {
  const none = { isTerminal: false, columns: 80, write: () => undefined };
  const context = {
    stdout: none,
    stderr: none,
    environment: { STATE_DIRECTORY: folder.path },
  } as unknown as Context;
  const asked = { tariff: pathOf('feed-price.yml'), currency: 'EUR' };
  await expect(openPricing(asked, context, testClock())).rejects.toThrow(
    'is in GBP, not in EUR. Leave --currency out: currencies are never converted.',
  );
});

test('the page has a row for every option and every example', () => {
  const rows = page.split('\n').filter((line) => line.startsWith('|'));
  const missing = Object.values(OPTIONS)
    .map(({ flags }) => flags.split(' ')[0]?.slice(2) ?? '')
    .filter((name) => !rows.some((row) => row.includes(`\`${name}\``)));
  expect(missing).toEqual([]);
  expect(page.split('\n').length).toBeLessThanOrEqual(370);
});
