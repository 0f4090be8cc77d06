// A real Prometheus over a folder of data, for tests: started on a free port, asked over its API, gone afterwards.

import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';

import { vi } from 'vitest';
import { z } from 'zod';

/** One series of an answer: its labels and its values. */
export interface ResultSeries {
  readonly labels: Readonly<Record<string, string>>;
  readonly values: readonly number[];
}

export interface PrometheusServer extends AsyncDisposable {
  readonly url: string;
  /** An instant query. @throws Error with Prometheus's own words when the query fails. */
  query(expression: string, atSeconds: number): Promise<readonly ResultSeries[]>;
  queryRange(
    expression: string,
    range: { readonly start: number; readonly end: number; readonly step: number },
  ): Promise<readonly ResultSeries[]>;
  /** Values of a label over the series that match. */
  labelValues(label: string, match: string, start: number, end: number): Promise<readonly string[]>;
}

const point = z.tuple([z.number(), z.string()]).transform(([, value]) => Number(value));
const labels = z.record(z.string(), z.string());
const vector = z
  .array(z.object({ metric: labels, value: point }))
  .transform((all) =>
    all.map(({ metric, value }): ResultSeries => ({ labels: metric, values: [value] })),
  );
const matrix = z
  .array(z.object({ metric: labels, values: z.array(point) }))
  .transform((all) => all.map(({ metric, values }): ResultSeries => ({ labels: metric, values })));
const answer = z.discriminatedUnion('status', [
  z.object({ status: z.literal('success'), data: z.unknown() }),
  z.object({ status: z.literal('error'), error: z.string() }),
]);

/** A port that was free a moment ago. */
function freePort(): Promise<number> {
  const server = createServer();
  return new Promise((resolved) => {
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolved(port));
    });
  });
}

/** Starts `program` on the data in `directory`; it is ready when this resolves. */
export async function startPrometheusServer(
  program: string,
  directory: string,
  config = 'scrape_configs: []\n',
): Promise<PrometheusServer> {
  const port = await freePort();
  const configPath = join(directory, 'prometheus.yml');
  writeFileSync(configPath, config);
  const child = spawn(
    program,
    [
      `--config.file=${configPath}`,
      `--storage.tsdb.path=${join(directory, 'data')}`,
      '--storage.tsdb.retention.time=100y',
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=error',
    ],
    { stdio: 'ignore' },
  );
  const ended = new Promise((resolved) => child.once('close', resolved));
  const url = `http://127.0.0.1:${port}`;
  await vi.waitFor(
    async () => {
      if (!(await fetch(`${url}/-/ready`)).ok) throw new Error('Prometheus is not ready yet.');
    },
    { timeout: 40_000, interval: 100 },
  );
  const ask = async (path: string, parameters: Record<string, string>): Promise<unknown> => {
    const response = await fetch(`${url}${path}?${new URLSearchParams(parameters).toString()}`);
    const body = answer.parse(await response.json());
    if (body.status === 'error') throw new Error(`${body.error}: ${JSON.stringify(parameters)}`);
    return body.data;
  };
  return {
    url,
    async query(expression, atSeconds) {
      const data = await ask('/api/v1/query', { query: expression, time: String(atSeconds) });
      return z.object({ result: vector }).parse(data).result;
    },
    async queryRange(expression, { start, end, step }) {
      const data = await ask('/api/v1/query_range', {
        query: expression,
        start: String(start),
        end: String(end),
        step: String(step),
      });
      return z.object({ result: matrix }).parse(data).result;
    },
    async labelValues(label, match, start, end) {
      const data = await ask(`/api/v1/label/${label}/values`, {
        'match[]': match,
        start: String(start),
        end: String(end),
      });
      return z.array(z.string()).parse(data);
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
