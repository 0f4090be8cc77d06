// `wattmeter agent` and `npm start`: what operators do to a daemon, and what its counters must survive.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { connect, createServer, type AddressInfo } from 'node:net';

import { hashSync } from 'bcryptjs';
import { describe, expect, test, vi } from 'vitest';

import { parseReport } from '../../agent/report/schema.ts';
import { ask } from '../exporter/client.ts';
import { mountSmallDisk } from '../ledger/small-disk.ts';
import { needProgram } from '../system-program.ts';
import { freePort, scrapeCounters, startPrometheus } from './scrape.ts';
import {
  ANY_PORT,
  bundledTrace,
  NO_GPU,
  type Running,
  type RunOptions,
  urlOf,
  type Workplace,
  workplaces,
} from './wattmeter.ts';

const open = workplaces();

const patience = { timeout: 45_000, interval: 100 };

const startAgent = (
  place: Workplace,
  options: readonly string[] = ANY_PORT,
  run: RunOptions = {},
): Running => place.start(['agent', '--state-dir', place.stateDirectory, ...options], run);

const energyOf = (counters: ReadonlyMap<string, number>): number =>
  [...counters]
    .filter(([series]) => series.startsWith('wattmeter_gpu_energy_joules_total'))
    .reduce((sum, [, value]) => sum + value, 0);

const untilEnergy = (url: string, above: number): Promise<ReadonlyMap<string, number>> =>
  vi.waitFor(async () => {
    const counters = await scrapeCounters(url);
    expect(energyOf(counters)).toBeGreaterThan(above);
    return counters;
  }, patience);

test.concurrent('counters go on where they were after each kill -9, never back', async () => {
  const gpus = [
    { load: [{ kind: 'constant', watts: 300 }] },
    { load: [{ kind: 'constant', watts: 90 }] },
  ];
  const place = open({
    gpus: gpus.map((gpu, index) => ({
      ...gpu,
      uuid: `GPU-0000000${index}-aaaa-4000-8000-000000000000`,
    })),
  });
  const options = [...ANY_PORT, '--zone', 'DEU', '--price', '0.3', '--currency', 'EUR'];
  let before: ReadonlyMap<string, number> = new Map();
  for (let round = 0; round < 4; round += 1) {
    await using agent = startAgent(place, options);
    const url = await urlOf(agent);
    const first = await untilEnergy(url, 0);
    // What the process itself counted starts anew with it; what the ledger keeps does not.
    for (const [series, value] of before) {
      if (series.startsWith('wattmeter_source_') || series.startsWith('wattmeter_samples_'))
        continue;
      expect(first.get(series), series).toBeGreaterThanOrEqual(value);
    }
    before = await untilEnergy(url, energyOf(first) + 300);
    agent.kill('SIGKILL');
    expect((await agent.ended).code).toBe('SIGKILL');
  }
  expect([...before.keys()].filter((series) => series.includes('_cost_total'))).toHaveLength(2);
  expect([...before.keys()].filter((series) => series.includes('_grams_total'))).toHaveLength(2);
});

test('counters never go back over kill -9 either while the disk is full', async (context) => {
  const gpus = Array.from({ length: 16 }, () => ({ load: [{ kind: 'constant', watts: 300 }] }));
  const place = open({ gpus });
  using disk = mountSmallDisk(place.directory, '12m');
  if (disk === undefined) return context.skip('mount(8) may not');
  const options = [...ANY_PORT, '--state-dir', disk.path];
  let before = 0;
  for (let round = 0; round < 3; round += 1) {
    await using agent = startAgent(place, options);
    const url = await urlOf(agent);
    const first = energyOf(await untilEnergy(url, 0));
    expect(first).toBeGreaterThanOrEqual(before);
    if (round === 0) spawnSync('dd', ['if=/dev/zero', `of=${disk.path}/filler`, 'bs=4096']);
    // Six seconds: longer than what is left of the page that is being written lasts.
    before = energyOf(await untilEnergy(url, first + (round === 0 ? 6 : 2) * 16 * 300));
    agent.kill('SIGKILL');
    expect((await agent.ended).code).toBe('SIGKILL');
    if (round === 0) expect(agent.stderr).toMatch(/ENOSPC/);
  }
  return undefined;
});

describe.concurrent('refused in one line with exit code 2', () => {
  test('a second agent on one state directory, and the first goes on', async () => {
    const place = open();
    await using agent = startAgent(place);
    const url = await urlOf(agent);
    const second = await place.run(['agent', '--state-dir', place.stateDirectory, ...ANY_PORT]);
    expect(second.code).toBe(2);
    expect(second.stderr).toMatch(/^wattmeter: [^\n]*another agent[^\n]*\n$/);
    await untilEnergy(url, 0);
  });

  test('a port in use, and the state directory is as good as before', async () => {
    const place = open();
    const server = createServer();
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const { port } = server.address() as AddressInfo;
    const listen = ['--web.listen-address', `127.0.0.1:${port}`];
    await using refused = startAgent(place, listen);
    const ended = await refused.ended;
    expect(ended.code).toBe(2);
    expect(ended.stderr).toMatch(
      new RegExp(`^wattmeter: Cannot listen on 127\\.0\\.0\\.1:${port}: [^\\n]+\\n$`),
    );
    await new Promise((closed) => server.close(closed));
    await using agent = startAgent(place, listen);
    const url = await urlOf(agent);
    await untilEnergy(url, 0);
    expect(agent.stderr).toMatch(/^wattmeter: serving [^\n]+\n$/);
  });

  test.each([
    [['--source', 'replay', '--trace', '/nonexistent.csv']],
    [['--source', 'nosuch']],
    [['--state-dir', '/proc/wattmeter']],
    [['--web.config.file', '/nonexistent.yml']],
    [['--flush-seconds', '-1']],
    [['--retain-samples', 'long']],
    [['--trace', 'x.csv', '--source', 'nvidia-smi']],
  ])('%j', async (options) => {
    const place = open();
    const ended = await place.run(['agent', ...ANY_PORT, ...options]);
    expect(ended.code, ended.stderr).toBe(2);
    expect(ended.stdout).toBe('');
    expect(ended.stderr).toMatch(/^wattmeter: [^\n]+\n$/);
  });
});

describe.concurrent('on SIGTERM it ends with 0, soon', () => {
  test.each([
    ['while it samples', {}],
    ['while its driver hangs', { ignoreSigterm: true, faults: [{ kind: 'hang', fromCycle: 5 }] }],
    ['while its driver hung from the start', { ignoreSigterm: true, faults: [{ kind: 'hang' }] }],
    ['while there is no driver', { faults: [{ kind: 'exit', code: 9 }] }],
  ])('%s', async (_, scenario) => {
    const place = open(scenario);
    await using agent = startAgent(place);
    const url = await urlOf(agent);
    if (!JSON.stringify(scenario).includes('faults')) await untilEnergy(url, 0);
    const asked = Date.now();
    agent.kill('SIGTERM');
    const ended = await agent.ended;
    expect(ended.code).toBe(0);
    expect(Date.now() - asked).toBeLessThan(5000);
  });

  test('with a browser on its stream', async () => {
    const place = open();
    await using agent = startAgent(place);
    const url = await urlOf(agent);
    await untilEnergy(url, 0);
    const request = get(`${url}/api/v1/stream`, { agent: false });
    request.on('error', () => undefined);
    const events = await new Promise<string>((resolved) => {
      let text = '';
      request.on('response', (response) =>
        response
          .on('error', () => undefined)
          .on('data', (chunk: Buffer) => {
            text += chunk.toString();
            if (text.split('\n\n').length > 2) resolved(text);
          }),
      );
    });
    expect(events).toMatch(/^data: \{/m);
    const asked = Date.now();
    agent.kill('SIGTERM');
    expect((await agent.ended).code).toBe(0);
    expect(Date.now() - asked).toBeLessThan(5000);
  });
});

test.concurrent('/-/ready is 503 until the first sample and 200 from then on; /-/healthy is 200 throughout', async () => {
  const place = open({ faults: [{ kind: 'delay', seconds: 3, fromCycle: 0, untilCycle: 1 }] });
  await using agent = startAgent(place);
  const url = await urlOf(agent);
  expect((await ask(`${url}/-/ready`)).status).toBe(503);
  expect((await ask(`${url}/-/healthy`)).status).toBe(200);
  await vi.waitFor(async () => expect((await ask(`${url}/-/ready`)).status).toBe(200), patience);
  expect((await ask(`${url}/-/healthy`)).status).toBe(200);
});

test.concurrent.each([
  ['whose driver does not answer', 9, 'driver-not-loaded'],
  ['whose nvidia-smi ends without a word', 0, 'exited'],
])('an agent %s says that its source is down, and knows no joule', async (_name, code, reason) => {
  const place = open({ faults: [{ kind: 'exit', code, fromCycle: 0 }] });
  await using agent = startAgent(place);
  const url = await urlOf(agent);
  const text = await vi.waitFor(async () => {
    const scraped = await ask(`${url}/metrics`);
    expect(scraped.text).toContain('wattmeter_source_up{source="nvidia-smi"} 0\n');
    return scraped.text;
  }, patience);
  expect(text).toMatch(
    new RegExp(`^wattmeter_source_errors_total\\{source="nvidia-smi",reason="${reason}"\\} `, 'm'),
  );
  expect(text).toMatch(/^wattmeter_build_info\{/m);
  expect(text).not.toMatch(/^wattmeter_gpu_/m);
  expect((await ask(`${url}/-/ready`)).status).toBe(503);
  expect((await ask(`${url}/api/v1/snapshot`)).status).toBe(503);
});

test.concurrent('a client that means ill costs no reading, opens nothing and learns nothing', async () => {
  const place = open();
  const config = place.path('web.yml');
  writeFileSync(config, `basic_auth_users:\n  ada: "${hashSync('correct horse', 6)}"\n`);
  const options = [...ANY_PORT, '--web.config.file', config];
  await using agent = startAgent(place, options);
  const url = await urlOf(agent);
  const authorization = (password: string): string =>
    `Basic ${Buffer.from(`ada:${password}`).toString('base64')}`;
  const scrape = async (): Promise<string> => {
    const headers = { authorization: authorization('correct horse') };
    const { status, text } = await ask(`${url}/metrics`, { headers });
    expect(status).toBe(200);
    return text;
  };
  const secondsOf = (text: string, kind: 'observed' | 'gap'): number =>
    Number(new RegExp(`^wattmeter_gpu_${kind}_seconds_total\\S* (\\S+)`, 'm').exec(text)?.[1] ?? 0);
  const observedSeconds = (text: string): number => secondsOf(text, 'observed');
  await vi.waitFor(
    async () => expect(observedSeconds(await scrape())).toBeGreaterThan(1),
    patience,
  );
  const { port } = new URL(url);
  const flood = Array.from({ length: 1000 }, () => {
    const socket = connect(Number(port), '127.0.0.1');
    socket.on('error', () => {}).write('GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: ');
    return socket;
  });
  const refused = await Promise.all(
    [
      ...Array.from({ length: 60 }, (_, attempt) =>
        ask(`${url}/metrics`, { headers: { authorization: authorization(`secret-${attempt}`) } }),
      ),
      ask(`${url}/v1/runs`, { method: 'POST' }),
      ask(`${url}/api/v1/runs/..%2f..%2fweb.yml`),
      ask(`${url}/metrics`, { headers: { cookie: 'c'.repeat(1_000_000) } }),
    ].map((answer) =>
      answer.then(
        ({ status }) => status,
        () => 'cut',
      ),
    ),
  );
  expect(new Set(refused)).not.toContain(200);
  const before = observedSeconds(await scrape());
  await vi.waitFor(
    async () => expect(observedSeconds(await scrape())).toBeGreaterThan(before + 2),
    patience,
  );
  for (const socket of flood) socket.destroy();
  // A busy machine may cost a reading now and then; the flood costs none.
  const after = await scrape();
  expect(secondsOf(after, 'gap')).toBeLessThan(0.2 * observedSeconds(after));
  expect(agent.stderr).toMatch(/^wattmeter: serving [^\n]+\n$/);
});

test.concurrent('promtool has nothing to say about the metrics of an agent that replays', async (context) => {
  const promtool = needProgram(context, 'promtool');
  const place = open();
  const replay = [
    '--source',
    'replay',
    '--trace',
    bundledTrace,
    '--zone',
    'FRA',
    '--host-watts',
    '150',
  ];
  await using agent = startAgent(place, [...ANY_PORT, ...replay]);
  const url = await urlOf(agent);
  await untilEnergy(url, 0);
  const { text } = await ask(`${url}/metrics`);
  const checked = spawnSync(promtool, ['check', 'metrics'], { input: text, encoding: 'utf8' });
  expect(`${checked.stdout}${checked.stderr}`).toBe('');
  expect(checked.status).toBe(0);
  for (const name of [
    'gpu_energy_joules_total',
    'host_energy_joules_total',
    'gpu_power_watts',
    'source_up',
    'build_info',
  ])
    expect(text).toMatch(new RegExp(`^wattmeter_${name}\\{`, 'm'));
});

/** 0 W, 300 W for five seconds, and 0 W again for long: whoever scrapes before and after has seen all of it. */
function traceOfOneLoad(): string {
  const rows = ['timestamp, index, uuid, name, power.draw.instant [W]'];
  for (let tenth = 0; tenth <= 1500; tenth += 1) {
    const time = new Date(Date.UTC(2026, 0, 1) + tenth * 100).toISOString();
    const watts = tenth > 100 && tenth <= 150 ? 300 : 0;
    for (const gpu of [0, 1])
      rows.push(
        `${time}, ${gpu}, GPU-0000000${gpu}-bbbb-4000-8000-000000000000, GPU, ${(watts / (gpu + 1)).toFixed(2)} W`,
      );
  }
  return `${rows.join('\n')}\n`;
}

test.concurrent('a real Prometheus sees each counter grow by what the report says', async (context) => {
  const program = needProgram(context, 'prometheus');
  const place = open();
  const trace = place.path('trace.csv');
  writeFileSync(trace, traceOfOneLoad());
  const priced = ['--price', '0.25', '--currency', 'EUR', '--zone', 'DEU', '--pue', '1.2'];
  const report = parseReport(
    (await place.run(['replay', trace, ...priced, '--format', 'json'])).stdout,
    'stdout',
  );
  expect(report.energy.gpuJoules).toBeCloseTo(2250, 0);

  const port = await freePort();
  await using prometheus = await startPrometheus(program, port);
  await vi.waitFor(async () => expect(await prometheus.isReady()).toBe(true), patience);
  const listen = ['--web.listen-address', `127.0.0.1:${port}`];
  await using agent = startAgent(place, [
    ...listen,
    '--source',
    'replay',
    '--trace',
    trace,
    ...priced,
  ]);
  await urlOf(agent);

  const grown = async (metric: string): Promise<number[]> =>
    (await prometheus.samples(metric))
      .toSorted((a, b) => String(a.labels['gpu']).localeCompare(String(b.labels['gpu'])))
      .map(({ values }) => (values.at(-1) ?? NaN) - (values[0] ?? NaN));
  await vi.waitFor(
    async () => {
      const seen = await prometheus.samples('wattmeter_gpu_energy_joules_total');
      expect(seen).toHaveLength(2);
      // The load is over: two scrapes say the same.
      for (const { values } of seen) {
        expect(values.at(-1)).toBeGreaterThan(0);
        expect(values.at(-1)).toBe(values.at(-3));
      }
    },
    { timeout: 58_000, interval: 1000 },
  );
  const agrees = (measured: readonly number[], said: readonly (number | undefined)[]): void => {
    expect(measured).toHaveLength(said.length);
    measured.forEach((value, gpu) => expect(value / (said[gpu] ?? NaN)).toBeCloseTo(1, 3));
  };
  const { devices } = report;
  agrees(
    await grown('wattmeter_gpu_energy_joules_total'),
    devices.map((one) => one.energyJoules),
  );
  agrees(
    await grown('wattmeter_gpu_energy_cost_total'),
    devices.map((one) => one.energyCost),
  );
  agrees(
    await grown('wattmeter_gpu_carbon_location_based_grams_total'),
    devices.map((one) => one.locationBasedGrams),
  );
}, 120_000);

test.concurrent('a short trace is played again and again, and the counters only rise', async () => {
  const place = open();
  const trace = place.path('trace.csv');
  writeFileSync(trace, traceOfOneLoad().split('\n').slice(0, 41).join('\n'));
  await using agent = startAgent(place, [...ANY_PORT, '--source', 'replay', '--trace', trace]);
  const url = await urlOf(agent);
  const observed = async (): Promise<number> => {
    const counters = await scrapeCounters(url);
    const key = [...counters.keys()].find((series) =>
      series.startsWith('wattmeter_gpu_observed_seconds_total'),
    );
    return counters.get(key ?? '') ?? 0;
  };
  // The trace holds 1.9 s.
  let last = 0;
  await vi.waitFor(async () => {
    const now = await observed();
    expect(now).toBeGreaterThanOrEqual(last);
    last = now;
    expect(now).toBeGreaterThan(5);
  }, patience);
});

describe.concurrent('npm start', () => {
  test.each(['SIGINT', 'SIGTERM'] as const)(
    'says where it is, replays where there is no GPU, and prints the bill on %s with exit code 0',
    async (signal) => {
      const place = open();
      await using start = place.start(['start', ...ANY_PORT], {
        env: { ...NO_GPU, WATTMETER_SOURCE: '' },
      });
      const [, url = ''] = await start.says(/dashboard (http:\S+)/);
      await start.says(/metrics {3}http:\S+\/metrics/);
      expect(start.stderr).toMatch(/replaying .*simulated-training-4gpu.* simulated/);
      await vi.waitFor(
        async () => expect((await ask(`${url}/-/ready`)).status).toBe(200),
        patience,
      );
      expect((await ask(url)).text).toMatch(/<html/);
      await untilEnergy(url.replace(/\/$/, ''), 0);
      start.kill(signal);
      const ended = await start.ended;
      expect(ended.code).toBe(0);
      expect(ended.stdout).toMatch(/GPU energy +\d/);
      expect(ended.stdout).toMatch(/4 × Simulated GPU 700 W · replay/);
      expect((await place.run(['runs'])).stdout).toMatch(/closed/);
    },
  );

  test.each([
    ['SIGINT', 'npm alone'],
    ['SIGTERM', 'npm alone'],
    ['SIGINT', 'its whole group, as a terminal does it'],
    ['SIGTERM', 'its whole group'],
  ] as const)('through npm it ends so, too: %s to %s', async (signal, whom) => {
    const place = open();
    await using start = place.start(['start', '--', ...ANY_PORT], {
      env: { ...NO_GPU, WATTMETER_SOURCE: '' },
      throughNpm: true,
    });
    const [, url = ''] = await start.says(/dashboard (http:\S+)/);
    await untilEnergy(url.replace(/\/$/, ''), 0);
    process.kill(whom === 'npm alone' ? start.pid : -start.pid, signal);
    const ended = await start.ended;
    expect(ended.code, ended.stderr).toBe(0);
    expect(ended.stdout).toMatch(/GPU energy +\d/);
  });

  test('with a GPU it samples that', async () => {
    const place = open();
    await using start = place.start(['start', ...ANY_PORT], { env: { WATTMETER_SOURCE: '' } });
    const [, url = ''] = await start.says(/dashboard (http:\S+)/);
    await untilEnergy(url.replace(/\/$/, ''), 0);
    start.kill('SIGINT');
    const ended = await start.ended;
    expect(ended.code).toBe(0);
    expect(ended.stderr).not.toMatch(/replaying/);
    expect(ended.stdout).toMatch(/1 × Simulated GPU · nvidia-smi/);
  });

  test('a port in use is one line, exit code 2, and leaves no run behind', async () => {
    const place = open();
    const server = createServer();
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const { port } = server.address() as AddressInfo;
    await using start = place.start(['start', '--web.listen-address', `127.0.0.1:${port}`]);
    const ended = await start.ended;
    server.close();
    expect(ended.code).toBe(2);
    expect(ended.stderr).toMatch(/^wattmeter: Cannot listen on [^\n]+\n$/);
    const runs = `${place.stateDirectory}/runs`;
    expect(existsSync(runs) ? readdirSync(runs) : []).toEqual([]);
  });
});
