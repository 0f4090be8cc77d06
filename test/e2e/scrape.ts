// Metrics as a scraper sees them, and a real Prometheus to see them.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { ask } from '../exporter/client.ts';

/** Counters of a scrape: `name{labels}` → value. */
export async function scrapeCounters(url: string): Promise<ReadonlyMap<string, number>> {
  const { status, text } = await ask(`${url}/metrics`);
  if (status !== 200) throw new Error(`${url} answered ${status}`);
  const lines = text.split('\n').filter((line) => /^wattmeter_\w+_total[{ ]/.test(line));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(' ');
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}

/** A port that was free a moment ago. */
export function freePort(): Promise<number> {
  const server = createServer();
  return new Promise((resolved) => {
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolved(port));
    });
  });
}

/** One series over the time that Prometheus saw it. */
export interface ScrapedSeries {
  readonly labels: Readonly<Record<string, string>>;
  readonly values: readonly number[];
}

/** A running Prometheus that scrapes one target each second. */
export interface Prometheus extends AsyncDisposable {
  isReady(): Promise<boolean>;
  /** Every sample of a selector, as scraped. */
  samples(selector: string): Promise<readonly ScrapedSeries[]>;
}

/** Starts `program` with a configuration and data of its own. */
export async function startPrometheus(program: string, targetPort: number): Promise<Prometheus> {
  const directory = mkdtempSync(join(tmpdir(), 'wattmeter-e2e-prometheus-'));
  const port = await freePort();
  const config = join(directory, 'prometheus.yml');
  writeFileSync(
    config,
    JSON.stringify({
      global: { scrape_interval: '1s', scrape_timeout: '1s' },
      scrape_configs: [
        { job_name: 'wattmeter', static_configs: [{ targets: [`127.0.0.1:${targetPort}`] }] },
      ],
    }),
  );
  const child = spawn(
    program,
    [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(directory, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=error',
    ],
    { stdio: 'ignore' },
  );
  const ended = new Promise((resolved) => child.once('exit', resolved));
  const at = `http://127.0.0.1:${port}`;
  return {
    isReady: () =>
      ask(`${at}/-/ready`).then(
        ({ status }) => status === 200,
        () => false,
      ),
    async samples(selector) {
      const { text } = await ask(
        `${at}/api/v1/query?query=${encodeURIComponent(`${selector}[1h]`)}`,
      );
      const { data } = JSON.parse(text) as {
        data: { result: { metric: Record<string, string>; values: [number, string][] }[] };
      };
      return data.result.map(({ metric, values }) => ({
        labels: metric,
        values: values.map(([, value]) => Number(value)),
      }));
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
