import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, test, vi } from 'vitest';

import { joules } from '../../agent/units.ts';
import { needProgram } from '../system-program.ts';
import { FakePort, someGpu, someSnapshot, someTotals } from './a-snapshot.ts';
import { ask, startTestExporter } from './client.ts';

function freePort(): Promise<number> {
  const server = createServer();
  return new Promise((resolved) => {
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolved(port));
    });
  });
}

interface Prometheus extends AsyncDisposable {
  /** Values of a query, by one label. */
  query(expression: string, label: string): Promise<Record<string, number>>;
}

async function startPrometheus(program: string, target: string): Promise<Prometheus> {
  const directory = mkdtempSync(join(tmpdir(), 'wattmeter-prometheus-'));
  const port = await freePort();
  writeFileSync(
    join(directory, 'prometheus.yml'),
    `global: { scrape_interval: 1s, scrape_timeout: 1s }
scrape_configs:
  - job_name: wattmeter
    static_configs: [{ targets: ['${target}'] }]
`,
  );
  const child = spawn(
    program,
    [
      `--config.file=${join(directory, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(directory, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=error',
    ],
    { stdio: 'ignore' },
  );
  const ended = new Promise((resolved) => child.once('exit', resolved));
  return {
    async query(expression, label) {
      const url = `http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(expression)}`;
      const { data } = JSON.parse((await ask(url)).text) as {
        data: { result: { metric: Record<string, string>; value: [number, string] }[] };
      };
      return Object.fromEntries(
        data.result.map(({ metric, value }) => [metric[label] ?? '', Number(value[1])]),
      );
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

const energyOf = (round: number, index: number): number =>
  1_000_000.25 + index * 1000 + round * 312.5;

const roundSnapshot = (round: number) =>
  someSnapshot({
    devices: [0, 1].map((index) =>
      someGpu(index, { totals: someTotals({ energyJoules: joules(energyOf(round, index)) }) }),
    ),
  });

test('a real Prometheus scrapes what the snapshot says, and sees a GPU vanish', async (context) => {
  const program = needProgram(context, 'prometheus');
  const snapshots = new FakePort(roundSnapshot(0));
  await using exporter = await startTestExporter({ snapshots });
  const target = `127.0.0.1:${String(exporter.addresses[0]?.port)}`;
  await using prometheus = await startPrometheus(program, target);
  const patience = { timeout: 40_000, interval: 250 };

  await vi.waitFor(
    async () => expect(await prometheus.query('up', 'job')).toEqual({ wattmeter: 1 }),
    patience,
  );
  for (const round of [1, 2]) {
    snapshots.publish(roundSnapshot(round));
    await vi.waitFor(async () => {
      expect(await prometheus.query('wattmeter_gpu_energy_joules_total', 'gpu')).toEqual({
        0: energyOf(round, 0),
        1: energyOf(round, 1),
      });
    }, patience);
  }
  expect(
    await prometheus.query(
      'sum(wattmeter_gpu_info * on (uuid) group_left () wattmeter_gpu_power_watts)',
      '',
    ),
  ).toEqual({ '': 312.25 + 313.25 });
  expect(await prometheus.query('resets(wattmeter_gpu_energy_joules_total[1m])', 'gpu')).toEqual({
    0: 0,
    1: 0,
  });
  expect(
    await prometheus.query(
      'histogram_quantile(0.5, wattmeter_source_read_duration_seconds_bucket)',
      'source',
    ),
  ).toEqual({ nvml: expect.closeTo(0.00175, 6) });

  snapshots.publish(someSnapshot({ devices: [someGpu(0), someGpu(1, { present: false })] }));
  await vi.waitFor(async () => {
    expect(Object.keys(await prometheus.query('wattmeter_gpu_power_watts', 'gpu'))).toEqual(['0']);
  }, patience);
});
