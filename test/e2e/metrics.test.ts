// The metrics that are promised, name by name, type by type, label by label, held against live agents that show each of
// them at least once.

import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { dirname } from 'node:path';

import { expect, test, vi } from 'vitest';

import { buildStandIn, SCENARIO_VARIABLE, writeScenario } from '../doubles/libnvidia-ml.ts';
import { ask } from '../exporter/client.ts';
import { openStandIn } from '../feed/stand-in.ts';
import { freePort } from './scrape.ts';
import { ANY_PORT, urlOf, workplaces } from './wattmeter.ts';

const GPU = ['gpu', 'uuid'] as const;

/** A rename of any of these breaks somebody's dashboard: CHANGELOG.md. */
const PROMISED: readonly (readonly [name: string, type: string, labels: readonly string[]])[] = [
  ['wattmeter_gpu_energy_joules_total', 'counter', GPU],
  ['wattmeter_gpu_energy_uncertainty_joules', 'gauge', GPU],
  ['wattmeter_gpu_power_watts', 'gauge', GPU],
  ['wattmeter_gpu_power_limit_watts', 'gauge', GPU],
  ['wattmeter_gpu_rated_power_watts', 'gauge', GPU],
  [
    'wattmeter_gpu_info',
    'gauge',
    [...GPU, 'model', 'driver_version', 'pci_bus_id', 'source', 'method'],
  ],
  ['wattmeter_gpu_utilization_ratio', 'gauge', GPU],
  ['wattmeter_gpu_xid_errors_total', 'counter', [...GPU, 'xid']],
  ['wattmeter_gpu_memory_used_bytes', 'gauge', GPU],
  ['wattmeter_gpu_memory_total_bytes', 'gauge', GPU],
  ['wattmeter_gpu_temperature_celsius', 'gauge', GPU],
  ['wattmeter_gpu_sm_clock_hertz', 'gauge', GPU],
  ['wattmeter_gpu_observed_seconds_total', 'counter', GPU],
  ['wattmeter_gpu_gap_seconds_total', 'counter', [...GPU, 'reason']],
  ['wattmeter_gpu_hardware_to_integral_energy_ratio', 'gauge', GPU],
  ['wattmeter_gpu_energy_cost_total', 'counter', [...GPU, 'currency']],
  ['wattmeter_gpu_energy_credit_total', 'counter', [...GPU, 'currency']],
  ['wattmeter_gpu_carbon_location_based_grams_total', 'counter', GPU],
  ['wattmeter_gpu_carbon_market_based_grams_total', 'counter', GPU],
  ['wattmeter_host_energy_joules_total', 'counter', ['component']],
  ['wattmeter_host_energy_uncertainty_joules', 'gauge', ['component']],
  ['wattmeter_electricity_price_per_kilowatt_hour', 'gauge', ['currency', 'tariff']],
  [
    'wattmeter_grid_carbon_intensity_grams_per_kilowatt_hour',
    'gauge',
    ['zone', 'dataset', 'vintage'],
  ],
  ['wattmeter_power_usage_effectiveness', 'gauge', []],
  ['wattmeter_job_gpu_energy_joules_total', 'counter', ['kind', 'job_id', 'user', 'uuid']],
  ['wattmeter_job_info', 'gauge', ['kind', 'job_id', 'name']],
  ['wattmeter_unattributed_gpu_energy_joules_total', 'counter', ['uuid']],
  ['wattmeter_run_gpu_energy_joules_total', 'counter', ['run', 'name']],
  ['wattmeter_source_up', 'gauge', ['source']],
  ['wattmeter_source_last_success_timestamp_seconds', 'gauge', ['source']],
  ['wattmeter_source_errors_total', 'counter', ['source', 'reason']],
  ['wattmeter_source_read_duration_seconds', 'histogram', ['source', 'le']],
  ['wattmeter_samples_total', 'counter', ['source']],
  ['wattmeter_run_budget_used_ratio', 'gauge', ['run', 'name', 'kind']],
  ['wattmeter_price_age_seconds', 'gauge', []],
  ['wattmeter_grid_intensity_age_seconds', 'gauge', []],
  ['wattmeter_build_info', 'gauge', ['version', 'revision', 'node_version']],
];

/** Only a kubelet tells names of pods: its labels stand in exporter/golden/full.prom. */
const UNSEEN: ReadonlySet<string> = new Set(['wattmeter_job_info']);

const open = workplaces();

const patience = { timeout: 45_000, interval: 200 };

/** Scrapes until every one of these metrics has a series. */
const scrapeUntil = (url: string, names: readonly string[]): Promise<string> =>
  vi.waitFor(async () => {
    const { text } = await ask(`${url}/metrics`);
    for (const name of names) expect(text).toMatch(new RegExp(`^${name}[{ ]`, 'm'));
    return text;
  }, patience);

/** Opens a run as a batch system's prolog does. */
const register = (socketPath: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const sent = request({ socketPath, path: '/v1/runs', method: 'POST' }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    sent.once('error', reject);
    sent.end('{"id":"slurm-4711","name":"train","gpus":["0"]}');
  });

const rowsAround = (value: number, now = Date.now()): object[] => [
  {
    start: new Date(now - 3.6e6).toISOString(),
    end: new Date(now + 3.6e6).toISOString(),
    value,
  },
];

/** An agent on simulated NVML with live prices, a grid, a contract, a host, a job and a registered run. */
async function everythingOfAnAgent(library: string): Promise<string> {
  const place = open();
  const worker = spawn('sleep', ['120'], { stdio: 'ignore' });
  const sensor = { window: 0.025, period: 0.1 };
  const gpu = {
    base: 200,
    draw: sensor,
    instant: sensor,
    counter: { period: 0.02 },
    limit: [400, 450],
  } as const;
  // One of them falls after the agent has asked for such events.
  const xids = [2, 4, 8, 16].map((at) => ({ at, code: 48 }));
  const process = { pid: worker.pid ?? 0, from: 0, to: Infinity, smPercent: 80, bytes: 1e9 };
  const scenario = writeScenario({
    originNanoseconds: globalThis.process.hrtime.bigint(),
    gpus: [{ ...gpu, processes: [process], xids }],
  });
  await using prices = await openStandIn([{ status: 200, body: { rows: rowsAround(0.3) } }]);
  await using grid = await openStandIn([{ status: 200, body: { rows: rowsAround(344) } }]);
  const feed = (name: string, url: string, unit: string): string => {
    const path = place.path(name);
    writeFileSync(
      path,
      `feed: json\nurl: ${url}/now\nunit: ${unit}\nrows: rows\neverySeconds: 900\n`,
    );
    return path;
  };
  const contract = place.path('contract.yml');
  writeFileSync(contract, 'instruments:\n  - { name: wind, share: 1, gramsPerKilowattHour: 0 }\n');
  const options = [
    `--tariff=${feed('price.yml', prices.url, 'EUR/kWh')}`,
    `--grid=${feed('grid.yml', grid.url, 'g/kWh')}`,
    `--contract=${contract}`,
    '--host-watts=150',
    '--pue=1.2',
  ];
  await using agent = place.start(
    ['agent', '--source', 'nvml', '--state-dir', place.stateDirectory, ...ANY_PORT, ...options],
    { env: { LD_LIBRARY_PATH: dirname(library), [SCENARIO_VARIABLE]: scenario } },
  );
  try {
    const url = await urlOf(agent);
    await scrapeUntil(url, ['wattmeter_gpu_energy_joules_total']);
    expect(await register(`${place.stateDirectory}/wattmeter.sock`)).toBe(201);
    return await scrapeUntil(url, [
      'wattmeter_job_gpu_energy_joules_total',
      'wattmeter_run_gpu_energy_joules_total',
      'wattmeter_price_age_seconds',
      'wattmeter_grid_intensity_age_seconds',
      'wattmeter_gpu_hardware_to_integral_energy_ratio',
      'wattmeter_gpu_xid_errors_total',
    ]);
  } finally {
    worker.kill();
  }
}

/** An agent whose nvidia-smi failed once. */
async function errorsOfAnAgent(): Promise<string> {
  const place = open({ faults: [{ kind: 'exit', code: 15, launch: 1, fromCycle: 5 }] });
  await using agent = place.start(['agent', '--state-dir', place.stateDirectory, ...ANY_PORT]);
  return await scrapeUntil(await urlOf(agent), ['wattmeter_source_errors_total']);
}

/** A wrapped command that is served while it runs. */
async function budgetOfARun(): Promise<string> {
  const place = open();
  const address = `127.0.0.1:${await freePort()}`;
  const options = ['--serve', '--web.listen-address', address, '--budget-kilowatt-hours', '1'];
  await using _run = place.start(['run', ...options, '--', 'sleep', '20'], { stdio: 'ignore' });
  return await scrapeUntil(`http://${address}`, ['wattmeter_run_budget_used_ratio']);
}

/** Metric → its type, and the label names of its series; a histogram's lines are one metric. */
function shapesIn(expositions: readonly string[]): Map<string, { type: string; labels: string[] }> {
  const shapes = new Map<string, { type: string; labels: string[] }>();
  for (const line of expositions.flatMap((text) => text.split('\n'))) {
    const [, declared, type = ''] = /^# TYPE (wattmeter_\w+) (\w+)$/.exec(line) ?? [];
    if (declared !== undefined && !shapes.has(declared)) shapes.set(declared, { type, labels: [] });
    const [, series = '', inside = ''] = /^(wattmeter_\w+?)(?:\{(.*)\})? \S+$/.exec(line) ?? [];
    const shape = shapes.get(series) ?? shapes.get(series.replace(/_bucket$/, ''));
    if (series === '' || shape === undefined) continue;
    shape.labels = [...inside.matchAll(/(\w+)="(?:[^"\\]|\\.)*"/g)].map(([, label = '']) => label);
  }
  return shapes;
}

test('every promised metric is shown by a live Wattmeter, with its type and labels, and no other', async (context) => {
  const library = buildStandIn(context);
  const expositions = await Promise.all([
    everythingOfAnAgent(library),
    errorsOfAnAgent(),
    budgetOfARun(),
  ]);
  const shapes = shapesIn(expositions);
  for (const [name, type, labels] of PROMISED) {
    if (UNSEEN.has(name)) continue;
    const series = type === 'histogram' ? `${name}_bucket` : name;
    expect(expositions.join('\n')).toMatch(new RegExp(`^${series}[{ ]`, 'm'));
    expect([name, shapes.get(name)?.type, shapes.get(name)?.labels.toSorted()]).toEqual([
      name,
      type,
      labels.toSorted(),
    ]);
  }
  expect([...shapes.keys()].toSorted()).toEqual(PROMISED.map(([name]) => name).toSorted());
}, 120_000);
