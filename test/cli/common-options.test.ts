// One set of flags fits every command: those that INTERFACE calls common are taken and checked by all of them.

import { expect, test } from 'vitest';

import { OPTIONS } from '../../agent/options.ts';
import { call } from '../fleet/command.ts';

const COMMANDS: readonly (readonly [string, ...string[]])[] = [
  ['agent'],
  ['start'],
  ['replay', 'trace.csv'],
  ['record', '-o', 'trace.csv'],
  ['report'],
  ['runs'],
  ['recover'],
  ['mark', 'epoch'],
  ['estimate', '--case', 'bert'],
  ['compare', 'a', 'b'],
  ['devices'],
  ['top'],
  ['doctor'],
];
const COMMON = {
  source: 'nvml',
  periodSeconds: '1',
  price: '0.2',
  currency: 'EUR',
  tariff: 'tariff.yml',
  priceGap: 'hold',
  zone: 'DEU',
  grid: 'grid.csv',
  hostWatts: '300',
  tpuIdleWatts: '60',
  tpuMaxWatts: '200',
  atYear: '2024',
  tariffTimeZone: 'UTC',
  siteLoad: 'load.csv',
  demandMinutes: '15',
  wue: '1',
  ewif: '2',
  embodiedKilograms: '150',
  rentPerGpuHour: '2',
  contract: 'contract.yml',
  dataPath: 'wan',
  stateDir: 'state',
  flushSeconds: '1',
  retainSamples: '7d',
  reportJson: 'r.json',
  reportHtml: 'r.html',
  format: 'text',
  gpuCount: '4',
  traceTimeZone: 'UTC',
  columns: 'time=t,power=p',
  quiet: undefined,
  webListenAddress: ':1',
  webConfigFile: 'web.yml',
  webTelemetryPath: '/metrics',
  webMaxRequests: '40',
  webDcgmCompat: undefined,
  attributionMaxJobs: '500',
  attributionJobMappingDir: 'jobs',
} as const satisfies Partial<Record<keyof typeof OPTIONS, string | undefined>>;

const flags = Object.entries(COMMON).flatMap(([key, value]) => {
  const [flag = ''] = OPTIONS[key as keyof typeof COMMON].flags.split(' ');
  return value === undefined ? [flag] : [flag, value];
});

test.each(COMMANDS)('%s takes every common option, and checks it', async (...command) => {
  // The last one is wrong, so that nothing is done.
  const { code, stderr } = await call([...command, ...flags, '--pue', '0.5'], {});
  expect(stderr).toBe('wattmeter: --pue must be 1 or more, not "0.5".\n');
  expect(code).toBe(2);
});

test('run takes them before its command', async () => {
  const { code, stderr } = await call(['run', ...flags, '--pue', '0.5', '--', 'true'], {});
  expect(stderr).toBe('wattmeter: --pue must be 1 or more, not "0.5".\n');
  expect(code).toBe(125);
});

test('what says something of a wrapped command alone is no common option', async () => {
  const { code, stderr } = await call(['runs', '--budget-cost', '5']);
  expect(stderr).toMatch(/^wattmeter: unknown option '--budget-cost'/);
  expect(code).toBe(2);
});

test('--format json is --json of a command that prints no report', async () => {
  const asked = ['estimate', '--case', 'bert'];
  const [json, format, environment] = await Promise.all([
    call([...asked, '--json']),
    call([...asked, '--format', 'json']),
    call(asked, { WATTMETER_FORMAT: 'json' }),
  ]);
  expect(JSON.parse(json.stdout)).toMatchObject({ schema: 'wattmeter.estimate/1' });
  expect(format).toEqual(json);
  expect(environment).toEqual(json);
});

test('a form that only reports have leaves the text, and is said to be one', async () => {
  const [text, markdown] = await Promise.all([
    call(['estimate', '--case', 'bert']),
    call(['estimate', '--case', 'bert', '--format', 'markdown']),
  ]);
  expect(markdown.stdout).toBe(text.stdout);
  expect(markdown.stderr).toBe(
    'wattmeter: --format markdown is a form of reports: this is text.\n',
  );
});
