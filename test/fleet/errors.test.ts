import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, describe, expect, test } from 'vitest';

import { timeOf } from '../../agent/cli/report-fleet.ts';
import { instant } from '../../agent/units.ts';
import { call, type Called } from './command.ts';
import { openFakePrometheus, type FakeOptions } from './fake-prometheus.ts';
import { every, gpuSeries, START, steady } from './scrapes.ts';

const directory = mkdtempSync(join(tmpdir(), 'wattmeter-fleet-'));
afterAll(() => rmSync(directory, { recursive: true }));

const SERIES = gpuSeries({
  host: 'node-1',
  uuid: 'GPU-1',
  times: every(15, -300, 900),
  at: steady(300),
});
const SPAN = ['--start', String(START), '--end', String(START + 600)];
const SECRET = 'hunter2-hunter2';

async function ask(
  options: FakeOptions,
  flags: readonly string[] = ['--job', 'wattmeter', ...SPAN],
  environment: Readonly<Record<string, string>> = {},
): Promise<Called & { readonly authorizations: readonly (string | undefined)[] }> {
  await using prometheus = await openFakePrometheus(options);
  const called = await call(['report', '--prometheus', prometheus.url, ...flags], environment);
  return { ...called, authorizations: prometheus.requests.map((each) => each.authorization) };
}

/** One line on stderr, nothing on stdout, exit code 2. */
function expectOneLine({ code, stdout, stderr }: Called, pattern: RegExp): void {
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(/^wattmeter: [^\n]+\n$/);
  expect(stderr).toMatch(pattern);
}

describe('a Prometheus that fails', () => {
  test.each([
    ['is down', { fault: () => 'cut' }, /cannot be reached \(.*\)\. Does it run/],
    ['answers no JSON', { fault: () => ({ status: 200, body: '<html>' }) }, /not one of the Prom/],
    [
      'answers another shape',
      {
        fault: () => ({ status: 200, body: '{"status":"success","data":{"resultType":"scalar"}}' }),
      },
      /not one of the Prometheus HTTP API/,
    ],
    [
      'answers samples that are none',
      {
        fault: () => ({
          status: 200,
          body: '{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[["x",1]]}]}}',
        }),
      },
      /not one of the Prometheus HTTP API/,
    ],
    [
      'fails inside',
      { fault: () => ({ status: 500, body: '{"status":"error","error":"out of file handles"}' }) },
      /HTTP 500 \(out of file handles\)/,
    ],
    ['is somewhere else', { fault: () => ({ status: 404, body: 'no' }) }, /HTTP 404.*path prefix/],
    [
      'redirects',
      { fault: () => ({ status: 302, body: '', headers: { location: 'http://127.0.0.1:1/' } }) },
      /cannot be reached \(it redirects\)/,
    ],
    [
      'refuses access',
      { fault: () => ({ status: 401, body: 'no' }) },
      /refused access \(HTTP 401\).*--prometheus-token-file or WATTMETER_PROMETHEUS_TOKEN/,
    ],
    [
      'fails half way',
      {
        series: SERIES,
        fault: (_: URL, count: number) => (count === 2 ? 'cut' : undefined),
      },
      /cannot be reached/,
    ],
    [
      'finds every question too heavy',
      {
        fault: () => ({
          status: 422,
          body: '{"status":"error","error":"query processing would load too many samples into memory"}',
        }),
      },
      /HTTP 422 \(query processing would load too many samples.*shorter span/,
    ],
  ] satisfies [string, FakeOptions, RegExp][])('that %s: one line', async (_, options, pattern) => {
    expectOneLine(await ask(options), pattern);
  });

  test('that is slow: one line, after its time', async () => {
    const flags = ['--job', 'wattmeter', ...SPAN, '--prometheus-timeout-seconds', '0.05'];
    expectOneLine(await ask({ fault: () => 'hang' }, flags), /did not answer within 0.05 seconds/);
  });

  test('that no longer listens: one line with the address and no password', async () => {
    const gone = await openFakePrometheus();
    await gone[Symbol.asyncDispose]();
    const url = gone.url.replace('http://', `http://ops:${SECRET}@`);
    const called = await call(['report', '--prometheus', url, '--job', 'wattmeter', ...SPAN]);
    expectOneLine(called, /Prometheus at http:\/\/127\.0\.0\.1:\d+: .*ECONNREFUSED/);
    expect(called.stderr).not.toContain(SECRET);
  });
});

describe('the secret', () => {
  const file = join(directory, 'token');
  writeFileSync(file, `${SECRET}\n`);
  const flags = ['--job', 'wattmeter', ...SPAN, '--format', 'json'];

  test('goes as a bearer token from a file or the environment, and is printed nowhere', async () => {
    const fromFile = await ask({ series: SERIES }, [...flags, '--prometheus-token-file', file]);
    const fromEnvironment = await ask({ series: SERIES }, flags, {
      WATTMETER_PROMETHEUS_TOKEN: SECRET,
    });
    for (const { code, stdout, stderr, authorizations } of [fromFile, fromEnvironment]) {
      expect(code).toBe(0);
      expect(new Set(authorizations)).toEqual(new Set([`Bearer ${SECRET}`]));
      expect(stdout + stderr).not.toContain(SECRET);
    }
  });

  test('as a password in the address goes as basic authentication, and stands in no report', async () => {
    await using prometheus = await openFakePrometheus({ series: SERIES });
    const url = prometheus.url.replace('http://', `http://ops:${SECRET}@`);
    const called = await call(['report', '--prometheus', url, ...flags]);
    expect(called.code).toBe(0);
    expect(called.stdout).not.toContain(SECRET);
    const basic = `Basic ${Buffer.from(`ops:${SECRET}`).toString('base64')}`;
    expect(prometheus.requests[0]?.authorization).toBe(basic);
  });

  test('that is refused is not printed either', async () => {
    const fault = () => ({ status: 403, body: `{"status":"error","error":"bad ${SECRET}"}` });
    const called = await ask({ fault }, [...flags, '--prometheus-token-file', file]);
    expectOneLine(called, /refused access \(HTTP 403\)/);
    expect(called.stderr).not.toContain(SECRET);
  });

  test.each([
    ['is missing', join(directory, 'nowhere'), /Cannot read --prometheus-token-file .*ENOENT/],
    ['is empty', join(directory, 'empty'), /is empty/],
    ['holds two lines', join(directory, 'lines'), /holds no token/],
  ])('whose file %s: one line', async (_, path, pattern) => {
    writeFileSync(join(directory, 'empty'), '\n');
    writeFileSync(join(directory, 'lines'), 'one\ntwo\n');
    expectOneLine(await ask({}, [...flags, '--prometheus-token-file', path]), pattern);
  });
});

describe('a question that cannot be answered', () => {
  const job = (name: string) => ['--job', name, ...SPAN];
  test.each([
    ['no such job', { series: SERIES }, job('wattmeters'), /no job "wattmeters".*: wattmeter\.$/m],
    [
      'a job that is not Wattmeter’s',
      { series: SERIES, up: { node: ['a'] } },
      job('node'),
      /no target of job "node" exports Wattmeter/,
    ],
    ['no job at all', {}, job('wattmeter'), /there is no job "wattmeter"\. No job has them/],
    [
      'a span before the first sample',
      { series: SERIES },
      ['--job', 'wattmeter', '--start', '2020-01-01T00:00:00Z', '--end', '2020-01-01T01:00:00Z'],
      /no sample of a GPU from 2020-01-01T00:00:00Z to 2020-01-01T01:00:00Z/,
    ],
  ] satisfies [string, FakeOptions, string[], RegExp][])(
    '%s: one line',
    async (_, options, flags, pattern) => expectOneLine(await ask(options, flags), pattern),
  );

  test.each([
    ['no job', ['--start', '-2h'], /needs --job/],
    ['no start', ['--job', 'w'], /needs --start/],
    ['start after end', ['--job', 'w', '--start', '-1h', '--end', '-2h'], /--start must be before/],
    ['start at end', ['--job', 'w', '--start', '-1h', '--end', '-1h'], /--start must be before/],
    ['an end to come', ['--job', 'w', '--start', '-1h', '--end', '9999999999'], /in the future/],
    ['a start that is no time', ['--job', 'w', '--start', 'noon'], /--start: "noon" is not a time/],
    [
      'a label that is none',
      ['--job', 'w', '--start', '-1h', '--host-label', 'a-b'],
      /--host-label/,
    ],
    [
      'no patience',
      ['--job', 'w', '--start', '-1h', '--prometheus-timeout-seconds', 'x'],
      /above 0/,
    ],
    ['a file beside', ['a.json', '--job', 'w', '--start', '-1h'], /takes no runs or files/],
    ['a merge', ['--merge', '--job', 'w', '--start', '-1h'], /takes no runs or files/],
  ])('%s: one line, and nobody is asked', async (_, flags, pattern) => {
    const called = await ask({ series: SERIES }, flags);
    expectOneLine(called, pattern);
    expect(called.authorizations).toEqual([]);
  });

  test.each([
    ['--job', ['--job', 'w']],
    ['--start', ['--start', '-1h']],
    ['--host-label', ['--host-label', 'node']],
  ])('%s without --prometheus: one line', async (flag, argv) => {
    expectOneLine(await call(['report', ...argv]), new RegExp(`${flag} needs --prometheus`));
  });

  test('an address that is none: one line', async () => {
    const argv = ['report', '--prometheus', 'ftp://x', '--job', 'w', '--start', '-1h'];
    expectOneLine(await call(argv), /--prometheus: it must be an http\(s\) address/);
  });
});

describe('timeOf()', () => {
  const now = instant(START);
  test.each([
    ['now', START],
    ['-90s', START - 90],
    ['-2h', START - 7200],
    ['-1.5d', START - 129_600],
    ['2026-05-28T20:00:00Z', Date.UTC(2026, 4, 28, 20) / 1e3],
    ['2026-05-28T20:00:00.250+02:00', Date.UTC(2026, 4, 28, 18) / 1e3 + 0.25],
    [String(START - 5), START - 5],
    [`${START}.5`, START + 0.5],
  ])('reads %s', (text, time) => {
    expect(timeOf(text, '--start', now)).toBeCloseTo(time, 6);
  });
});
