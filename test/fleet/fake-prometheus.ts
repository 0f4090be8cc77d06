// A stand-in for a Prometheus: stores samples, answers the API's questions as the real one does, and fails on demand.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import type { StoredSeries } from '../../agent/report/fleet-prometheus.ts';

/** What goes wrong: a whole answer in place of the right one, or none at all. */
export type Fault =
  | { readonly status: number; readonly body: string; readonly headers?: Record<string, string> }
  | 'hang'
  | 'cut';

export interface FakePrometheus extends AsyncDisposable {
  readonly url: string;
  readonly requests: { readonly url: URL; readonly authorization: string | undefined }[];
}

export interface FakeOptions {
  readonly series?: readonly StoredSeries[];
  /** Targets of `up`, by job. */
  readonly up?: Readonly<Record<string, readonly string[]>>;
  /** Asked before each answer; undefined: the right answer. */
  readonly fault?: (url: URL, count: number) => Fault | undefined;
  readonly extra?: Readonly<Record<string, unknown>>;
}

/** Starts one on a free port. */
export async function openFakePrometheus(options: FakeOptions = {}): Promise<FakePrometheus> {
  const requests: FakePrometheus['requests'] = [];
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '', 'http://localhost');
    requests.push({ url, authorization: request.headers.authorization });
    const fault = options.fault?.(url, requests.length);
    if (fault === undefined) succeed(response, dataOf(url, options), options);
    else fail(request, response, fault);
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
}

function fail(request: IncomingMessage, response: ServerResponse, fault: Fault): void {
  if (fault === 'hang') return;
  if (fault === 'cut') {
    request.socket.destroy();
    return;
  }
  response.writeHead(fault.status, { 'content-type': 'application/json', ...fault.headers });
  response.end(fault.body);
}

function succeed(response: ServerResponse, data: unknown, { extra = {} }: FakeOptions): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ status: 'success', data, ...extra }));
}

const SELECTOR = /^\{__name__=~"([^"]*)",job="([^"]*)"\}\[(\d+)ms\]$/;
const UP = /^count_over_time\(up\{job="([^"]*)"\}\[\d+ms\]\)$/;

function dataOf(url: URL, { series = [], up = {} }: FakeOptions): unknown {
  const values = /^\/api\/v1\/label\/job\/values$/.test(url.pathname);
  const match = url.searchParams.get('match[]');
  if (values && match === 'up') return Object.keys(up);
  if (values) {
    const having = series.filter(({ labels }) => labels['__name__'] === match);
    return [...new Set(having.map(({ labels }) => labels['job']))];
  }
  const query = url.searchParams.get('query') ?? '';
  const [, upJob] = UP.exec(query) ?? [];
  if (upJob !== undefined) {
    const result = (up[upJob] ?? []).map((instance) => ({ metric: { instance }, value: [0, '1'] }));
    return { resultType: 'vector', result };
  }
  const [, names = '', job, range] = SELECTOR.exec(query) ?? [];
  if (range === undefined) throw new Error(`The stand-in does not understand ${query}.`);
  const end = Number(url.searchParams.get('time'));
  // Prometheus 3 leaves out a sample at the very start of a range.
  const isWithin = ([time]: readonly [number, string]) =>
    time > end - Number(range) / 1e3 && time <= end;
  const wanted = new Set(names.split('|'));
  const result = series
    .filter(({ labels }) => labels['job'] === job && wanted.has(labels['__name__'] ?? ''))
    .map(({ labels, values: all }) => ({ metric: labels, values: all.filter(isWithin) }))
    .filter((one) => one.values.length > 0);
  return { resultType: 'matrix', result };
}
