// libtpu's metrics service, played by a local gRPC server that is built from the same facts (docs/measurement.md §7).

import { loadPackageDefinition, Server, ServerCredentials } from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import { afterEach, expect, test } from 'vitest';

import { TPU_SERVICE } from '../../agent/source/tpu-service.ts';
import { tpuSource } from '../../agent/source/tpu.ts';
import { batchesOf, devicesOf, eventsOf, statusesOf, steppingClock } from './polled-harness.ts';

type Values = Readonly<Record<string, Readonly<Record<number, number>>>>;
type Reply = (error: Error | null, answer?: unknown) => void;

const servers: Server[] = [];
afterEach(() => servers.splice(0).forEach((server) => server.forceShutdown()));

/** A metrics service with these values per metric and device; returns its address. */
async function serve(values: () => Values): Promise<string> {
  const definition = fromJSON(TPU_SERVICE, { longs: Number });
  const loaded = loadPackageDefinition(definition);
  expect(loaded).toHaveProperty('tpu.monitoring.runtime.RuntimeMetricService');
  const service = definition['tpu.monitoring.runtime.RuntimeMetricService'];
  if (service === undefined || !('GetRuntimeMetric' in service)) throw new Error('no service');
  const server = new Server();
  server.addService(service as never, {
    GetRuntimeMetric: (call: { request: { metricName: string } }, reply: Reply) => {
      const { metricName } = call.request;
      const known = values()[metricName];
      if (known === undefined) return reply(new Error(`unknown metric ${metricName}`));
      const isDuty = metricName.endsWith('percent');
      const metrics = Object.entries(known).map(([id, value]) => ({
        attribute: { key: 'device-id', value: { intAttr: Number(id) } },
        gauge: isDuty ? { asDouble: value } : { asInt: value },
      }));
      return reply(null, { metric: { name: metricName, metrics } });
    },
  });
  servers.push(server);
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) resolve(`127.0.0.1:${port}`);
      else reject(error);
    });
  });
}

const VALUES: Values = {
  'tpu.runtime.tensorcore.dutycycle.percent': { 0: 0, 1: 40, 2: 100 },
  'tpu.runtime.hbm.memory.usage.bytes': { 0: 0, 1: 5_000_000_000, 2: 6 },
  'tpu.runtime.hbm.memory.total.bytes': { 0: 17e9, 1: 17e9, 2: 17e9 },
};

test('power is modelled between the configured watts, and called modelled', async () => {
  const address = await serve(() => VALUES);
  const watts = { idleWatts: 60, maximumWatts: 260 };
  const source = tpuSource({ clock: steppingClock(), address, ...watts, model: 'TPU v5e' });
  const events = await eventsOf(source, 2);
  expect(devicesOf(events)).toMatchObject(
    [0, 1, 2].map((index) => ({
      uuid: `TPU-${index}`,
      index,
      model: 'TPU v5e',
      source: 'tpu',
      powerOrigin: 'modelled',
    })),
  );
  const powers = [0, 1, 2].map((id) => batchesOf(events, `TPU-${id}`)[0]?.powerWatts.draw?.[0]);
  expect(powers).toEqual([60, 140, 260]);
  expect(batchesOf(events, 'TPU-1')[0]?.gauges).toEqual({
    utilizationRatio: 0.4,
    memoryUsedBytes: 5e9,
    memoryTotalBytes: 17e9,
  });
  expect(events.filter(({ kind }) => kind === 'warning')).toEqual([]);
});

test('without configured watts there is no power, and a warning, but never 0 W', async () => {
  const address = await serve(() => VALUES);
  const events = await eventsOf(tpuSource({ clock: steppingClock(), address }), 2);
  for (const id of [0, 1, 2]) {
    const batches = batchesOf(events, `TPU-${id}`);
    expect(statusesOf(batches)).toEqual(['not-supported', 'not-supported']);
    for (const batch of batches) expect(batch.powerWatts).toEqual({});
    expect(batches[0]?.gauges?.utilizationRatio).toBeDefined();
  }
  const warnings = events.flatMap((event) =>
    event.kind === 'warning' ? [event.warning.code] : [],
  );
  expect(warnings).toEqual(['tpu-power-unknown']);
});

test('memory that the service does not know is absent; duty cycle is read all the same', async () => {
  const { 'tpu.runtime.tensorcore.dutycycle.percent': duty = {} } = VALUES;
  const address = await serve(() => ({ 'tpu.runtime.tensorcore.dutycycle.percent': duty }));
  const options = { clock: steppingClock(), address, idleWatts: 0, maximumWatts: 100 };
  const events = await eventsOf(tpuSource(options), 1);
  expect(batchesOf(events, 'TPU-1')[0]?.gauges).toEqual({ utilizationRatio: 0.4 });
});

test('a service that stops is a gap by its name, and its return is read again', async () => {
  let asked = 0;
  const address = await serve(() => {
    const isDown = asked >= 1 && asked <= 2;
    return isDown ? {} : VALUES;
  });
  const clock = steppingClock(() => {
    asked++;
  });
  const options = { clock, address, idleWatts: 60, maximumWatts: 260 };
  const events = await eventsOf(tpuSource(options), 5);
  const story = statusesOf(batchesOf(events, 'TPU-2')).filter(
    (status, index, all) => status !== all[index - 1],
  );
  expect(story).toEqual(['ok', 'unknown-error', 'ok']);
});

test('a chip that is no longer listed is a gap', async () => {
  let isGone = false;
  const duty = 'tpu.runtime.tensorcore.dutycycle.percent';
  const address = await serve(() => ({ [duty]: isGone ? { 0: 1 } : { 0: 1, 1: 2 } }));
  const clock = steppingClock(() => {
    isGone = true;
  });
  const options = { clock, address, idleWatts: 60, maximumWatts: 260 };
  const events = await eventsOf(tpuSource(options), 3);
  expect(statusesOf(batchesOf(events, 'TPU-1')).at(-1)).toBe('no-data');
  expect(statusesOf(batchesOf(events, 'TPU-0')).at(-1)).toBe('ok');
});

test('where no program uses the TPU, that is what is said', async () => {
  const source = tpuSource({ clock: steppingClock(), address: '127.0.0.1:1' });
  await expect(eventsOf(source, 1)).rejects.toMatchObject({
    fate: 'retry',
    reason: 'unreachable',
    message: expect.stringMatching(/127\.0\.0\.1:1/) as string,
  });
});
