import { gunzipSync } from 'node:zlib';

import { describe, expect, test, vi } from 'vitest';

import type { RunCatalogue, RunSummary } from '../../agent/snapshot.ts';
import { instant, watts } from '../../agent/units.ts';
import { Exporter } from '../../exporter/server.ts';
import { known } from '../known.ts';
import { FakePort, someGpu, someSnapshot } from './a-snapshot.ts';
import { ask, openStream, startTestExporter, urlOf } from './client.ts';

const run: RunSummary = {
  id: 'run-1',
  host: 'node-1',
  state: 'closed',
  startSeconds: instant(1000),
  labels: {},
};
const catalogue: RunCatalogue = {
  list: () => Promise.resolve([run]),
  report: (id) =>
    Promise.resolve(id === run.id ? { schema: 'wattmeter.report/1', run: { id } } : undefined),
};

describe('the routes', () => {
  test('/metrics has the content type that Prometheus knows', async () => {
    await using exporter = await startTestExporter();
    const { status, headers, text } = await ask(urlOf(exporter, '/metrics'));
    expect(status).toBe(200);
    expect(headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(text).toContain('wattmeter_gpu_power_watts{');
    expect(text).toContain('process_cpu_seconds_total ');
  });

  test('/metrics comes as gzip to who asks for it', async () => {
    await using exporter = await startTestExporter();
    const answer = await ask(urlOf(exporter, '/metrics'), {
      headers: { 'Accept-Encoding': 'gzip' },
    });
    expect(answer.headers['content-encoding']).toBe('gzip');
    expect(answer.headers['content-type']).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(gunzipSync(answer.body).toString()).toContain('wattmeter_gpu_power_watts{');
  });

  test.each([
    ['gzip', 'gzip'],
    ['gzip, deflate, br', 'gzip'],
    ['*', 'gzip'],
    ['gzip;q=0', undefined],
    ['br', undefined],
    ['identity', undefined],
    ['', undefined],
  ])(
    '/metrics to who accepts %j is %s, and says what it depends on',
    async (accepted, encoding) => {
      await using exporter = await startTestExporter();
      const answer = await ask(urlOf(exporter, '/metrics'), {
        headers: { 'Accept-Encoding': accepted },
      });
      expect(answer.headers['content-encoding']).toBe(encoding);
      expect(answer.headers.vary).toBe('Accept-Encoding');
      expect(Number(answer.headers['content-length'])).toBe(answer.body.length);
      const body = encoding === undefined ? answer.body : gunzipSync(answer.body);
      expect(body.toString()).toContain('wattmeter_gpu_power_watts{');
    },
  );

  test('HEAD answers with headers alone on every route', async () => {
    await using exporter = await startTestExporter({ runs: catalogue, dcgmCompat: true });
    for (const path of [
      '/metrics',
      '/metrics/dcgm',
      '/',
      '/-/ready',
      '/api/v1/snapshot',
      '/api/v1/stream',
    ]) {
      const { status, body } = await ask(urlOf(exporter, path), { method: 'HEAD' });
      expect({ path, status, length: body.length }).toEqual({ path, status: 200, length: 0 });
    }
  });

  test('the telemetry path moves', async () => {
    await using exporter = await startTestExporter({ telemetryPath: '/probe/metrics' });
    expect((await ask(urlOf(exporter, '/probe/metrics'))).status).toBe(200);
    expect((await ask(urlOf(exporter, '/metrics'))).status).toBe(404);
    expect((await ask(urlOf(exporter, '/'))).text).toContain('href="./probe/metrics"');
  });

  test.each(['/', 'metrics', '/-/healthy', '/api/v1/x', '/metrics/dcgm', '/a b', '/:id', '/*x'])(
    'the telemetry path cannot be %s',
    async (telemetryPath) => {
      await expect(startTestExporter({ telemetryPath })).rejects.toMatchObject({
        name: 'ConfigError',
      });
    },
  );

  test('/metrics/dcgm is there only when it was asked for', async () => {
    await using plain = await startTestExporter();
    await using compatible = await startTestExporter({ dcgmCompat: true });
    expect((await ask(urlOf(plain, '/metrics/dcgm'))).status).toBe(404);
    const { text } = await ask(urlOf(compatible, '/metrics/dcgm'));
    expect(text).toMatch(/^DCGM_FI_DEV_POWER_USAGE\{gpu="0",UUID="GPU-/m);
    expect(text).not.toContain('DCGM_FI_PROF');
  });

  test('/-/ready waits for the first sample, /-/healthy does not', async () => {
    const snapshots = new FakePort();
    await using exporter = await startTestExporter({ snapshots });
    expect((await ask(urlOf(exporter, '/-/ready'))).status).toBe(503);
    expect((await ask(urlOf(exporter, '/api/v1/snapshot'))).status).toBe(503);
    expect((await ask(urlOf(exporter, '/-/healthy'))).status).toBe(200);
    expect((await ask(urlOf(exporter, '/metrics'))).status).toBe(200);
    const [source] = someSnapshot().sources;
    const failing = { ...known(source), up: false, sampleCount: 0 };
    snapshots.publish(someSnapshot({ devices: [], sources: [failing] }));
    expect((await ask(urlOf(exporter, '/-/ready'))).status).toBe(503);
    expect((await ask(urlOf(exporter, '/api/v1/snapshot'))).status).toBe(503);
    expect((await ask(urlOf(exporter, '/metrics'))).text).toMatch(/^wattmeter_source_up\{.*\} 0$/m);
    snapshots.publish(someSnapshot());
    expect((await ask(urlOf(exporter, '/-/ready'))).status).toBe(200);
  });

  test('/api/v1/snapshot is the snapshot, without what is no number', async () => {
    const snapshots = new FakePort(
      someSnapshot({ devices: [someGpu(0, { powerWatts: watts(Number.NaN) })] }),
    );
    await using exporter = await startTestExporter({ snapshots });
    const { headers, text } = await ask(urlOf(exporter, '/api/v1/snapshot'));
    expect(headers['content-type']).toBe('application/json; charset=utf-8');
    const body: unknown = JSON.parse(text);
    expect(body).toMatchObject({ schema: 'wattmeter.snapshot/1', devices: [{ present: true }] });
    expect(text).not.toContain('"powerWatts"');
  });

  test('/api/v1/runs lists, and shows one by its name alone', async () => {
    await using exporter = await startTestExporter({ runs: catalogue });
    expect(JSON.parse((await ask(urlOf(exporter, '/api/v1/runs'))).text)).toEqual({ runs: [run] });
    const report = await ask(urlOf(exporter, '/api/v1/runs/run-1'));
    expect(JSON.parse(report.text)).toEqual({ schema: 'wattmeter.report/1', run: { id: 'run-1' } });
    expect((await ask(urlOf(exporter, '/api/v1/runs/run-2'))).status).toBe(404);
  });

  test('a path that leaves its place finds nothing and asks the catalogue nothing', async () => {
    const report = vi.fn(() => Promise.resolve({ secret: true }));
    await using exporter = await startTestExporter({ runs: { ...catalogue, report } });
    for (const path of [
      '/api/v1/runs/..%2f..%2fetc%2fpasswd',
      '/api/v1/runs/%2e%2e',
      '/api/v1/runs/.hidden',
      '/api/v1/runs/%00',
      '/dashboard/..%2f..%2fpackage.json',
      '/dashboard/../../package.json',
      '/dashboard/%2e%2e%2fserver.js',
    ]) {
      expect((await ask(urlOf(exporter, path), { path })).status).toBe(404);
    }
    expect(report).not.toHaveBeenCalled();
  });

  test('a catalogue that fails is an error of one line without its insides', async () => {
    const list = () => Promise.reject(new Error('/var/lib/wattmeter/secret is torn'));
    await using exporter = await startTestExporter({ runs: { ...catalogue, list } });
    const { status, text } = await ask(urlOf(exporter, '/api/v1/runs'));
    expect(status).toBe(500);
    expect(text).toBe('Internal error: the answer could not be made.\n');
  });
});

describe('over TCP nothing changes', () => {
  test.each(['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND'])(
    '%s is refused everywhere',
    async (method) => {
      await using exporter = await startTestExporter({ runs: catalogue });
      for (const path of ['/', '/metrics', '/v1/marks', '/api/v1/runs/run-1', '/nowhere']) {
        const { status, headers } = await ask(urlOf(exporter, path), { method });
        expect({ path, status, allow: headers.allow }).toEqual({
          path,
          status: 405,
          allow: 'GET, HEAD',
        });
      }
    },
  );

  test('every answer tells a browser to do nothing with it, and not what serves it', async () => {
    await using exporter = await startTestExporter();
    for (const path of ['/', '/metrics', '/api/v1/snapshot', '/nowhere']) {
      const { headers } = await ask(urlOf(exporter, path));
      expect(headers['x-powered-by']).toBeUndefined();
      expect(headers['x-content-type-options']).toBe('nosniff');
      expect(headers['content-security-policy']).toContain("default-src 'none'");
      expect(headers['content-security-policy']).not.toContain('unsafe');
    }
  });
});

describe('at once', () => {
  test('more requests than --web.max-requests get 503, and open streams do not count', async () => {
    let answer: (() => void) | undefined;
    const list = () =>
      new Promise<readonly RunSummary[]>((resolved) => {
        answer = () => resolved([run]);
      });
    await using exporter = await startTestExporter({
      maxRequests: 1,
      runs: { ...catalogue, list },
    });
    const stream = await openStream(urlOf(exporter, '/api/v1/stream'));
    const first = ask(urlOf(exporter, '/api/v1/runs'));
    await vi.waitFor(() => expect(answer).toBeDefined());
    const refused = await ask(urlOf(exporter, '/metrics'));
    expect(refused.status).toBe(503);
    expect(refused.text).toContain('--web.max-requests is 1');
    answer?.();
    expect((await first).status).toBe(200);
    await vi.waitFor(async () => expect((await ask(urlOf(exporter, '/metrics'))).status).toBe(200));
    stream.end();
  });

  test('a scrape that would come too late is 503 in time', async () => {
    const list = () => new Promise<never>(() => {});
    await using exporter = await startTestExporter({ runs: { ...catalogue, list } });
    const headers = { 'X-Prometheus-Scrape-Timeout-Seconds': '0.2' };
    const { status, text } = await ask(urlOf(exporter, '/api/v1/runs'), { headers });
    expect(status).toBe(503);
    expect(text).toContain('scrape timeout of 0.2 s');
    expect((await ask(urlOf(exporter, '/metrics'), { headers })).status).toBe(200);
  });
});

describe('the stream', () => {
  test('begins with history and the newest snapshot, and goes on with each publication', async () => {
    const snapshots = new FakePort();
    await using exporter = await startTestExporter({ snapshots });
    snapshots.publish(someSnapshot({ takenSeconds: instant(100) }));
    snapshots.publish(someSnapshot({ takenSeconds: instant(101) }));
    const stream = await openStream(urlOf(exporter, '/api/v1/stream'));
    await vi.waitFor(() => expect(stream.text()).toContain('event: snapshot'));
    expect(stream.text()).toContain(
      'event: history\ndata: {"timeSeconds":[100,101],"powerWatts":{',
    );
    snapshots.publish(someSnapshot({ takenSeconds: instant(777) }));
    await vi.waitFor(() => expect(stream.text()).toContain('"takenSeconds":777'));
    stream.end();
  });

  test('is refused to one more than it can hold', async () => {
    await using exporter = await startTestExporter();
    const streams = await Promise.all(
      Array.from({ length: 64 }, () => openStream(urlOf(exporter, '/api/v1/stream'))),
    );
    expect((await ask(urlOf(exporter, '/api/v1/stream'))).status).toBe(503);
    expect((await ask(urlOf(exporter, '/metrics'))).status).toBe(200);
    for (const stream of streams) stream.end();
    await vi.waitFor(async () => {
      const stream = await openStream(urlOf(exporter, '/api/v1/stream'));
      expect(stream.text()).toBeDefined();
      stream.end();
    });
  });

  test('leaves the port of snapshots when the exporter stops', async () => {
    const snapshots = new FakePort(someSnapshot());
    const exporter = await startTestExporter({ snapshots });
    expect(snapshots.listenerCount).toBe(1);
    await exporter[Symbol.asyncDispose]();
    expect(snapshots.listenerCount).toBe(0);
  });
});

describe('where it listens', () => {
  test('on several addresses, IPv6 among them, and says which ports the system chose', async () => {
    await using exporter = await startTestExporter({
      listenAddresses: ['127.0.0.1:0', '[::1]:0', ':0'],
    });
    expect(exporter.addresses.map(({ host }) => host)).toEqual(['127.0.0.1', '::1', '::']);
    for (const { url, port } of exporter.addresses) {
      expect(port).toBeGreaterThan(0);
      expect((await ask(`${url}/-/healthy`)).status).toBe(200);
    }
  });

  test('not where another program does, and says so in one line', async () => {
    await using first = await startTestExporter();
    const taken = `127.0.0.1:${String(first.addresses[0]?.port)}`;
    const second = startTestExporter({ listenAddresses: ['127.0.0.1:0', taken] });
    await expect(second).rejects.toMatchObject({
      name: 'ListenError',
      message: `Cannot listen on ${taken}: another program listens there already. Stop it, or choose another --web.listen-address.`,
    });
  });

  test.each([
    '10360',
    'localhost',
    'localhost:',
    ':99999',
    '[::1',
    '[zz]:1',
    '1:2:3',
    '::1:9000',
    '',
  ])('not on %j, which is no address', async (address) => {
    await expect(startTestExporter({ listenAddresses: [address] })).rejects.toMatchObject({
      name: 'ConfigError',
      message: expect.stringMatching(/^--web\.listen-address must be .*not ".*"\.$/),
    });
  });

  test('nowhere before it is started', () => {
    const snapshots = new FakePort(someSnapshot());
    const exporter = new Exporter({ listenAddresses: ['127.0.0.1:0'], snapshots });
    expect(exporter.addresses).toEqual([]);
    expect(snapshots.listenerCount).toBe(0);
  });
});

describe('stopping', () => {
  test('takes at most a second with streams, idle, half-open and unanswered connections', async () => {
    const list = () => new Promise<never>(() => {});
    const exporter = await startTestExporter({ runs: { ...catalogue, list } });
    const stream = await openStream(urlOf(exporter, '/api/v1/stream'));
    const unanswered = ask(urlOf(exporter, '/api/v1/runs')).catch(() => 'cut');
    await vi.waitFor(async () =>
      expect((await ask(urlOf(exporter, '/-/healthy'))).status).toBe(200),
    );
    const start = performance.now();
    await exporter[Symbol.asyncDispose]();
    expect(performance.now() - start).toBeLessThan(1000);
    expect(await unanswered).toBe('cut');
    await stream.done;
    await expect(ask(urlOf(exporter, '/-/healthy'))).rejects.toThrow('ECONNREFUSED');
  });
});
