import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import type { Feed } from '../../agent/feed/feed.ts';
import { isFeedFile, openFeed } from '../../agent/feed/open.ts';
import { readUnit } from '../../agent/feed/unit.ts';
import { isTimeProblem, readInstant } from '../../agent/local-time.ts';
import type { Instant } from '../../agent/units.ts';
import { jumpingClock, openStandIn, type Answer, type JumpingClock } from './stand-in.ts';

const SECRET = 'very-secret-token';
const signal = new AbortController().signal;
const at = (text: string): Instant => {
  const time = readInstant(text, 'UTC');
  if (isTimeProblem(time)) throw new Error(time.problem);
  return time;
};
const NOW = at('2026-11-23T12:10Z');

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'wattmeter-feed-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

const open = (document: object, clock: JumpingClock = jumpingClock(NOW)): Promise<Feed> =>
  openFeed(JSON.stringify(document), 'feed.yml', {
    clock,
    cacheDirectory: directory,
    environment: { TOKEN: SECRET },
  });

const ok = (body: unknown): Answer => ({ status: 200, body });

const maps = (carbonIntensity: number | null, zone = 'DE'): Answer =>
  ok({
    zone,
    history: [{ zone, carbonIntensity, datetime: '2026-11-23T12:00:00.000Z', isEstimated: true }],
  });
const mapsFile = (url: string) => ({
  feed: 'electricity-maps',
  zone: 'DE',
  tokenEnvironment: 'TOKEN',
  timeoutSeconds: 5,
  url,
});

describe('adapters', () => {
  test('Electricity Maps: hourly g/kWh, the token in its own header', async () => {
    await using server = await openStandIn([maps(302)]);
    const feed = await open(mapsFile(server.url));
    expect(await feed.refresh(signal)).toEqual({
      stale: false,
      ageSeconds: 0,
      newestSeconds: at('2026-11-23T13:00Z'),
    });
    expect(feed.schedule.valueAt(NOW)).toBe(302);
    expect(server.requests[0]?.url).toBe('/v3/carbon-intensity/history?zone=DE');
    expect(server.requests[0]?.headers['auth-token']).toBe(SECRET);
  });

  test('WattTime: logs in, and lb/MWh × 0.45359237 are g/kWh, marginal', async () => {
    await using server = await openStandIn([
      ok({ token: 'bearer' }),
      ok({
        data: [
          { point_time: '2026-11-23T12:05:00+00:00', value: 1000, version: 'x' },
          { point_time: '2026-11-23T12:10:00+00:00', value: 870 },
        ],
        meta: { region: 'CAISO_NORTH', units: 'lbs_co2_per_mwh', data_point_period_seconds: 300 },
      }),
    ]);
    const tokenFile = join(directory, 'token');
    writeFileSync(tokenFile, 'user:password\n');
    const feed = await open({
      feed: 'watttime',
      region: 'CAISO_NORTH',
      tokenFile,
      url: server.url,
    });
    await feed.refresh(signal);
    expect(feed.schedule.valueAt(at('2026-11-23T12:09Z'))).toBeCloseTo(453.592_37, 9);
    expect(feed.schedule.nextChange(at('2026-11-23T12:09Z'))).toBe(NOW);
    expect(feed.adapter.method).toContain('marginal');
    const basic = Buffer.from('user:password').toString('base64');
    expect(server.requests.map(({ headers }) => headers.authorization)).toEqual([
      `Basic ${basic}`,
      'Bearer bearer',
    ]);
  });

  test('UK Carbon Intensity: the actual where known, else the forecast', async () => {
    await using server = await openStandIn([
      ok({
        data: [
          {
            from: '2026-11-23T12:00Z',
            to: '2026-11-23T12:30Z',
            intensity: { forecast: 266, actual: 263, index: 'moderate' },
          },
          {
            from: '2026-11-23T12:30Z',
            to: '2026-11-23T13:00Z',
            intensity: { forecast: 250, actual: null, index: 'moderate' },
          },
        ],
      }),
    ]);
    const feed = await open({ feed: 'uk-carbon-intensity', url: server.url });
    await feed.refresh(signal);
    expect(feed.schedule.valueAt(NOW)).toBe(263);
    expect(feed.schedule.valueAt(at('2026-11-23T12:30Z'))).toBe(250);
    expect(server.requests[0]?.url).toBe('/intensity/2026-11-23T11:40Z/fw24h');
  });

  test('Octopus: pence with VAT in any order, negative ones too, an open end for a fixed tariff', async () => {
    await using server = await openStandIn([
      ok({
        count: 2,
        results: [
          { value_inc_vat: -4.2, valid_from: '2026-11-23T12:30:00Z', valid_to: null },
          {
            value_inc_vat: 24.57,
            valid_from: '2026-11-23T12:00:00Z',
            valid_to: '2026-11-23T12:30:00Z',
          },
        ],
      }),
    ]);
    const feed = await open({
      feed: 'octopus',
      product: 'AGILE-24-10-01',
      tariff: 'E-1R-AGILE-24-10-01-C',
      url: server.url,
    });
    expect((await feed.refresh(signal)).stale).toBe(false);
    expect(feed.adapter.unit).toBe('GBP/kWh');
    expect(feed.schedule.valueAt(NOW)).toBeCloseTo(0.2457, 12);
    expect(feed.schedule.valueAt(at('2026-11-23T14:00Z'))).toBeCloseTo(-0.042, 12);
    expect(server.requests[0]?.url).toContain(
      '/v1/products/AGILE-24-10-01/electricity-tariffs/E-1R-AGILE-24-10-01-C/standard-unit-rates/?period_from=2026-11-22T12%3A10%3A00Z',
    );
  });

  test('JSON: one value at a path, or rows, in the unit named', async () => {
    await using server = await openStandIn([
      ok({ unit: 'EUR/MWh', data: [{ price: 85 }] }),
      ok({ prices: [{ start: '2026-11-23T12:00Z', end: '2026-11-23T13:00Z', value: -20 }] }),
    ]);
    const base = { feed: 'json', url: `${server.url}/p?key=${SECRET}`, unit: 'EUR/MWh' };
    const single = await open({ ...base, value: 'data.0.price', unitPath: 'unit' });
    await single.refresh(signal);
    expect([single.adapter.unit, single.schedule.valueAt(NOW)]).toEqual(['EUR/kWh', 0.085]);
    const rows = await open({ ...base, rows: 'prices', tokenEnvironment: 'TOKEN' });
    await rows.refresh(signal);
    expect(rows.schedule.valueAt(NOW)).toBe(-0.02);
    expect(server.requests[1]?.headers.authorization).toBe(`Bearer ${SECRET}`);
    expect(rows.adapter.name).not.toContain(SECRET);
  });
});

describe('failures', () => {
  test.each<[string, readonly Answer[], RegExp, number]>([
    ['garbage', [ok('<html>')], /answered what is no JSON/, 1],
    ['another shape', [ok({ zone: 'DE' })], /unknown shape at history/, 1],
    ['another zone', [maps(300, 'FR')], /answered for the zone FR/, 1],
    ['a wrong unit', [maps(302_000)], /302000 g\/kWh, which no grid has/, 1],
    [
      'a bad time',
      [ok({ zone: 'DE', history: [{ zone: 'DE', carbonIntensity: 1, datetime: 'now' }] })],
      /"now" is not a time/,
      1,
    ],
    ['no value', [maps(null)], /answered no value/, 1],
    ['a refused token', [{ status: 401, body: {} }], /refused the token \(HTTP 401\)/, 1],
    ['a wrong address', [{ status: 404, body: {} }], /answered HTTP 404/, 1],
    [
      'a redirect',
      [{ status: 302, body: '', headers: { location: 'http://127.0.0.1:9/' } }],
      /cannot be reached/,
      4,
    ],
    ['429 for ever', [{ status: 429, body: {} }], /was asked too often \(HTTP 429\)/, 4],
    ['500 for ever', [{ status: 500, body: {} }], /failed \(HTTP 500\)/, 4],
    ['a cut line', ['cut'], /cannot be reached/, 4],
  ])('%s is said, without the token, and knows no value', async (_, answers, message, asked) => {
    await using server = await openStandIn(answers);
    const clock = jumpingClock(NOW);
    const feed = await open(mapsFile(server.url), clock);
    const state = await feed.refresh(signal);
    expect(state).toMatchObject({ stale: true, lastError: expect.stringMatching(message) });
    expect(state).not.toHaveProperty('ageSeconds');
    expect(JSON.stringify(state)).not.toContain(SECRET);
    expect(server.requests).toHaveLength(asked);
    expect(feed.schedule.valueAt(NOW)).toBeUndefined();
  });

  test('a slow service is given up at the deadline', async () => {
    await using server = await openStandIn(['hang']);
    const feed = await open({ ...mapsFile(server.url), timeoutSeconds: 0.1 });
    const { lastError } = await feed.refresh(signal);
    expect(lastError).toBe('electricity-maps DE did not answer within 0.1 s.');
  });

  test('a service that recovers is waited for with back-off, and as long as it asks', async () => {
    await using server = await openStandIn([
      { status: 500, body: '' },
      { status: 429, body: '', headers: { 'retry-after': '30' } },
      maps(302),
    ]);
    const clock = jumpingClock(NOW);
    const feed = await open(mapsFile(server.url), clock);
    const state = await feed.refresh(signal);
    expect(state.lastError).toBeUndefined();
    expect(clock.waits).toEqual([1, 30]);
  });

  test('a wrong unit of a JSON service is refused', async () => {
    await using server = await openStandIn([ok({ unit: 'EUR/kWh', price: 85 })]);
    const feed = await open({
      feed: 'json',
      url: server.url,
      unit: 'EUR/MWh',
      value: 'price',
      unitPath: 'unit',
    });
    expect((await feed.refresh(signal)).lastError).toContain(
      'answered in the unit "EUR/kWh", not in EUR/MWh',
    );
  });

  test('the last value is held, marked stale, with its age', async () => {
    await using server = await openStandIn([maps(302), { status: 500, body: '' }]);
    const clock = jumpingClock(NOW);
    const feed = await open(mapsFile(server.url), clock);
    await feed.refresh(signal);
    clock.set(NOW + 3 * 3600);
    const state = await feed.refresh(signal);
    expect(state.stale).toBe(true);
    expect(state.lastError).toContain('failed (HTTP 500)');
    expect(state.ageSeconds).toBeGreaterThanOrEqual(3 * 3600);
    expect(feed.schedule.valueAt(clock.now())).toBe(302);
  });
});

describe('the cache', () => {
  test('lets a restart without a network go on with the last known value', async () => {
    await using server = await openStandIn([maps(302), { status: 503, body: '' }]);
    await (await open(mapsFile(server.url))).refresh(signal);
    const clock = jumpingClock(NOW + 7200);
    const restarted = await open(mapsFile(server.url), clock);
    const state = await restarted.refresh(signal);
    expect(restarted.schedule.valueAt(NOW)).toBe(302);
    expect(state).toMatchObject({ stale: true });
    expect(state.ageSeconds).toBeGreaterThanOrEqual(7200);
  });

  test('gives way to a newer answer over the time that it speaks of', async () => {
    const point = (start: string, end: string, value: number) => ({ start, end, value });
    const old = [
      point('2026-11-23T12:00Z', '2026-11-23T12:30Z', 0.1),
      point('2026-11-23T12:30Z', '2026-11-23T13:00Z', 0.2),
      point('2026-11-23T13:00Z', '2026-11-23T14:00Z', 0.3),
    ];
    const newer = [point('2026-11-23T12:00Z', '2026-11-23T13:00Z', 0.5)];
    await using server = await openStandIn([ok({ rows: old }), ok({ rows: newer })]);
    const feed = await open({ feed: 'json', url: server.url, unit: 'EUR/kWh', rows: 'rows' });
    await feed.refresh(signal);
    await feed.refresh(signal);
    const prices = ['12:10', '12:40', '13:10'].map((time) =>
      feed.schedule.valueAt(at(`2026-11-23T${time}Z`)),
    );
    expect(prices).toEqual([0.5, 0.5, 0.3]);
  });

  test('holds no token, and survives being broken', async () => {
    await using server = await openStandIn([maps(302), maps(310)]);
    await (await open(mapsFile(server.url))).refresh(signal);
    const [name = ''] = readdirSync(directory);
    const path = join(directory, name);
    expect(readFileSync(path, 'utf8')).not.toContain(SECRET);
    writeFileSync(path, '{"schema":"wattmeter.feed/1"');
    const feed = await open(mapsFile(server.url));
    await feed.refresh(signal);
    expect(feed.schedule.valueAt(NOW)).toBe(310);
  });

  test('that cannot be written is said and does no harm', async () => {
    await using server = await openStandIn([maps(302)]);
    const file = join(directory, 'file');
    writeFileSync(file, '');
    const feed = await openFeed(JSON.stringify(mapsFile(server.url)), 'feed.yml', {
      clock: jumpingClock(NOW),
      cacheDirectory: file,
      environment: { TOKEN: SECRET },
    });
    const state = await feed.refresh(signal);
    expect(state.lastError).toMatch(/Cannot keep electricity-maps DE in/);
    expect(feed.schedule.valueAt(NOW)).toBe(302);
  });
});

describe('run()', () => {
  test('asks once a period until it is aborted', async () => {
    await using server = await openStandIn([maps(302)]);
    const controller = new AbortController();
    const clock = jumpingClock(NOW);
    const stopping: JumpingClock = {
      ...clock,
      async sleepUntil(time, waitSignal) {
        if (clock.waits.length === 2) controller.abort();
        await clock.sleepUntil(time, waitSignal);
      },
    };
    const feed = await open({ ...mapsFile(server.url), everySeconds: 600 }, stopping);
    await feed.run(controller.signal);
    expect(server.requests).toHaveLength(3);
    expect(clock.waits).toEqual([600, 600]);
  });

  test('lets go of a hanging service when aborted', async () => {
    await using server = await openStandIn(['hang']);
    const controller = new AbortController();
    const feed = await open({ ...mapsFile(server.url), timeoutSeconds: 300 });
    const running = feed.run(controller.signal);
    controller.abort();
    await expect(running).resolves.toBeUndefined();
  });
});

describe('openFeed()', () => {
  test.each([
    [{ feed: 'weather' }, 'feed.yml at feed'],
    [{ feed: 'electricity-maps' }, 'feed.yml at zone'],
    [
      { feed: 'electricity-maps', zone: 'DE' },
      'feed.yml: electricity-maps DE needs a token. Name it with tokenFile',
    ],
    [
      { feed: 'electricity-maps', zone: 'DE', tokenEnvironment: 'ABSENT' },
      'the variable ABSENT is not set',
    ],
    [
      { feed: 'electricity-maps', zone: 'DE', tokenFile: '/nowhere/token' },
      '/nowhere/token cannot be read (ENOENT)',
    ],
    [{ feed: 'electricity-maps', zone: 'DE', token: SECRET }, 'feed.yml'],
    [
      { feed: 'json', url: 'http://localhost/', unit: 'EUR/kW', value: 'x' },
      '"EUR/kW" is no unit of price',
    ],
    [{ feed: 'json', url: 'http://localhost/', unit: 'EUR/kWh' }, 'give either value or rows'],
    [{ feed: 'json', url: 'nowhere', unit: 'EUR/kWh', value: 'x' }, 'feed.yml at url'],
  ])('refuses %j in one line without the token', async (document, message) => {
    const error: unknown = await open(document).catch((reason: unknown) => reason);
    expect(String(error)).toContain(message);
    expect(String(error)).not.toMatch(/\n/);
    expect(String(error)).not.toContain(SECRET);
  });

  test('tells a feed from other files', () => {
    expect(isFeedFile('feed: octopus\nproduct: x\n', 'a.yml')).toBe(true);
    expect(isFeedFile('zones: []\n', 'a.yml')).toBe(false);
    expect(isFeedFile('2026-01-01,2026-01-02,1\n', 'a.csv')).toBe(false);
  });
});

test.each([
  ['g/kWh', 'g/kWh', 1],
  ['kg/MWh', 'g/kWh', 1],
  ['t/MWh', 'g/kWh', 1000],
  ['lb/MWh', 'g/kWh', 0.453_592_37],
  ['p/kWh', 'GBP/kWh', 0.01],
  ['inr/kWh', 'INR/kWh', 1],
  ['EUR/MWh', 'EUR/kWh', 0.001],
])('readUnit() knows %s', (text, unit, factor) => {
  expect(readUnit(text)).toMatchObject({ unit, factor });
});

test('readUnit() knows no QQQ/kWh and no watts', () => {
  expect([readUnit('QQQ/kWh'), readUnit('W'), readUnit('')]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
});
