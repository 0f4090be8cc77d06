// How the NVML source begins: with a library, a driver and a GPU that is awake; or it says what is missing.

import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { simulatedUuid, type GpuScenario, type SimulatedGpu } from '../../doubles/gpu-scenario.ts';
import { buildStandIn } from '../../doubles/libnvidia-ml.ts';
import { collect, originIn } from './harness.ts';

const gpu: SimulatedGpu = {
  base: 200,
  instant: { window: 0.1, period: 0.1 },
  counter: { period: 0.1 },
};

const machine = (gpus: readonly SimulatedGpu[], more: Partial<GpuScenario> = {}): GpuScenario => ({
  originNanoseconds: originIn(0),
  gpus,
  ...more,
});

const never = (): boolean => false;

test('a missing library is fatal and says what to look at', async () => {
  const library = '/nonexistent/libnvidia-ml.so.1';
  await expect(collect({ scenario: machine([gpu]), library, until: never })).rejects.toMatchObject({
    fate: 'fatal',
    reason: 'library-missing',
    message: expect.stringMatching(/libnvidia-ml\.so\.1.*LD_LIBRARY_PATH/) as string,
  });
});

test.for([
  { code: 9, reason: 'driver-not-loaded', says: /not loaded/ },
  { code: 18, reason: 'version-mismatch', says: /different versions/ },
  { code: 999, reason: 'unknown-error', says: /999/ },
])('code $code at the start is for the caller to retry', async (row, context) => {
  const faults = [{ kind: 'code' as const, from: -1, to: Infinity, code: row.code }];
  const play = {
    library: buildStandIn(context),
    scenario: machine([gpu], { faults }),
    until: never,
  };
  await expect(collect(play)).rejects.toMatchObject({
    fate: 'retry',
    reason: row.reason,
    message: expect.stringMatching(row.says) as string,
  });
});

test('a machine without a GPU is for the caller to retry', async (context) => {
  const play = { library: buildStandIn(context), scenario: machine([]), until: never };
  await expect(collect(play)).rejects.toMatchObject({ fate: 'retry', reason: 'no-gpu' });
});

test('a driver that comes late is waited for, where that is wanted', async (context) => {
  const collected = await collect({
    library: buildStandIn(context),
    scenario: machine([gpu], { faults: [{ kind: 'not-loaded', from: -1, to: 1 }] }),
    options: { waitForDriver: true },
    until: (events) => events.of('batch').length > 2,
  });
  expect(collected.events[0]?.kind).toBe('fault');
  expect(collected.of('fault')[0]?.reason).toBe('driver-not-loaded');
  expect(collected.of('devices')).toHaveLength(1);
});

test('a driver that hangs at the start is a fault while it hangs, and then its GPUs come', async (context) => {
  const collected = await collect({
    library: buildStandIn(context),
    scenario: machine([gpu], { faults: [{ kind: 'hang', from: -1, to: 2 }] }),
    until: (events) => events.of('batch').length > 2,
  });
  expect(collected.events[0]).toMatchObject({ kind: 'fault', reason: 'timeout' });
  expect(collected.of('fault')[0]?.message).toContain('nvmlInit_v2');
  expect(collected.of('fault')).toHaveLength(1);
  const statuses = collected.readings(simulatedUuid(0)).map(({ status }) => status);
  expect(new Set(statuses)).toEqual(new Set(['ok']));
});

/** A sysfs in which GPU `index` of the stand-in has a runtime power state. */
function sysfs(states: readonly string[]): string {
  const root = mkdtempSync(join(tmpdir(), 'wattmeter-sysfs-'));
  states.forEach((state, index) => {
    const device = join(root, `bus/pci/devices/0000:0${index + 1}:00.0`);
    mkdirSync(join(device, 'power'), { recursive: true });
    writeFileSync(join(device, 'vendor'), '0x10de\n');
    writeFileSync(join(device, 'class'), '0x030200\n');
    writeFileSync(join(device, 'power/control'), 'auto\n');
    writeFileSync(join(device, 'power/runtime_status'), `${state}\n`);
  });
  return root;
}

test('a GPU that sleeps is not woken, not even to ask what it is; once awake it is read', async (context) => {
  const root = sysfs(['suspended', 'active']);
  const status = join(root, 'bus/pci/devices/0000:01:00.0/power/runtime_status');
  const [sleeper, other] = [simulatedUuid(0), simulatedUuid(1)];
  const collected = await collect({
    library: buildStandIn(context),
    scenario: machine([gpu, gpu]),
    options: { sysfsRoot: root },
    until: (events, seconds) => {
      if (seconds > 1.2) writeFileSync(status, 'active\n');
      return (
        seconds > 9 || events.readings(sleeper).filter((one) => one.status === 'ok').length > 3
      );
    },
  });
  const statuses = collected.readings(sleeper).map((one) => one.status);
  expect(statuses.slice(0, 2)).toEqual(['no-data', 'no-data']);
  expect(statuses.at(-1)).toBe('ok');
  expect(new Set(collected.readings(other).map((one) => one.status))).toEqual(new Set(['ok']));
  const told = collected.of('devices').map(({ devices }) => devices[0]);
  expect(told.map((device) => device?.uuid)).toEqual([sleeper, sleeper]);
  expect(told.map((device) => device?.powerLimitWatts)).toEqual([undefined, 400]);
});

test('where every GPU sleeps, the library is not even opened until one is awake', async (context) => {
  const root = sysfs(['suspended']);
  const status = join(root, 'bus/pci/devices/0000:01:00.0/power/runtime_status');
  const collected = await collect({
    library: buildStandIn(context),
    scenario: machine([gpu]),
    options: { sysfsRoot: root },
    until: (events) => {
      if (events.of('fault').length > 0) writeFileSync(status, 'active\n');
      return events.of('batch').length > 0;
    },
  });
  expect(collected.of('fault').map(({ reason }) => reason)).toEqual(['gpu-asleep']);
  expect(collected.events[0]?.kind).toBe('fault');
});
