// The NVML source against a GPU that never was: what it reads is what the model says. Everything here is simulated.

import { expect, test } from 'vitest';

import type { Clock } from '../../../agent/clock.ts';
import { typicalSpacing } from '../../../agent/meter/sampling-period.ts';
import { instant } from '../../../agent/units.ts';
import {
  counterJoules,
  sensorWatts,
  simulatedUuid,
  trueEnergy,
  type GpuScenario,
  type SimulatedGpu,
} from '../../doubles/gpu-scenario.ts';
import { buildStandIn, type Build } from '../../doubles/libnvidia-ml.ts';
import { collect, originIn, type Reading } from './harness.ts';

const trainingLike: SimulatedGpu = {
  base: 60,
  loads: [
    { kind: 'square', from: 0, to: Infinity, watts: 200, period: 0.53, duty: 0.6 },
    { kind: 'sine', from: 0, to: Infinity, watts: 30, period: 0.7 },
    { kind: 'ramp', from: 0.5, to: 1.5, watts: 80 },
  ],
  instant: { window: 0.025, period: 0.1 },
  average: { window: 1, period: 0.1 },
  counter: { period: 0.02, startJoules: 5_000 },
  gain: 1.013,
  offset: 2,
  latency: 0.0003,
  limit: [350, 400],
};

const machine = (gpus: readonly SimulatedGpu[], more: Partial<GpuScenario> = {}): GpuScenario => ({
  originNanoseconds: originIn(0),
  gpus,
  ...more,
});

const uuid = simulatedUuid(0);
const okReadings = (readings: readonly Reading[]): Reading[] =>
  readings.filter(({ status }) => status === 'ok');

// A reading's value is that of some moment around its time; how long a loaded machine may hold a thread between the two.
const SLACK_SECONDS = 0.02;

/** Whether `value` lies between the model's values around `time`, to the last digit that NVML gives. */
function around(value: number | undefined, time: number, model: (t: number) => number): boolean {
  if (value === undefined) return false;
  const values = [-1, -0.5, 0, 0.5, 1].map((part) => model(time + part * SLACK_SECONDS));
  return value >= Math.min(...values) - 0.002 && value <= Math.max(...values) + 0.002;
}

/** Nearly all readings: one that a busy machine delayed between the driver's answer and our clock is not an error. */
function expectNearlyAll(readings: readonly Reading[], holds: (reading: Reading) => boolean): void {
  expect(readings.length).toBeGreaterThan(5);
  expect(readings.filter(holds).length / readings.length).toBeGreaterThan(0.9);
}

test('power registers and counter read what the model shows at that time', async (context) => {
  const library = buildStandIn(context);
  const scenario = machine([trainingLike]);
  const collected = await collect({
    scenario,
    library,
    until: (_, seconds) => seconds > 2.5,
  });
  const readings = collected.readings(uuid);
  expect(okReadings(readings)).toHaveLength(readings.length);
  expectNearlyAll(readings, ({ time, power, counter }) => {
    const { average } = power;
    return (
      around(power.instant, time, (t) => sensorWatts(trainingLike, 'instant', t)) &&
      around(average, time, (t) => sensorWatts(trainingLike, 'average', t)) &&
      around(counter, time, (t) => counterJoules(scenario, trainingLike, t))
    );
  });
  const [first, last] = [readings.at(0), readings.at(-1)];
  if (first?.counter === undefined || last?.counter === undefined) throw new Error('no counter');
  // Gain and offset removed, two refreshes of 20 ms at 350 W are all that may be missing.
  const measured = (last.counter - first.counter - 2 * (last.time - first.time)) / 1.013;
  const truth = trueEnergy(trainingLike, first.time, last.time);
  expect(Math.abs(measured - truth)).toBeLessThan(2 * 0.02 * 380);
});

test('ticks stand on a grid of 0.1 s with a counter, and half the sensor period without', async (context) => {
  const { counter: _, ...counterless } = trainingLike;
  const cases = [
    { gpu: trainingLike, period: 0.1 },
    { gpu: counterless, period: 0.05 },
    { gpu: { ...counterless, architecture: 4 }, period: 0.01 },
  ];
  for (const { gpu, period } of cases) {
    const collected = await collect({
      library: buildStandIn(context),
      scenario: machine([gpu]),
      until: (_events, seconds) => seconds > 1.8,
    });
    // Bursts take little of the time.
    const spacing = typicalSpacing(collected.readings(uuid).map(({ time }) => time));
    expect(spacing).toBeGreaterThan(period * 0.8);
    expect(spacing).toBeLessThan(period * 1.3);
  }
});

test('the device says what it is, and its slow values come once a second', async (context) => {
  const collected = await collect({
    library: buildStandIn(context),
    scenario: machine([{ ...trainingLike, name: 'NVIDIA A100-SXM4-80GB' }]),
    until: (_, seconds) => seconds > 2.3,
  });
  expect(collected.of('devices')).toHaveLength(1);
  expect(collected.of('devices')[0]?.devices[0]).toEqual({
    uuid,
    index: 0,
    kind: 'gpu',
    model: 'NVIDIA A100-SXM4-80GB',
    source: 'nvml',
    driverVersion: '550.54.15',
    pciBusId: '00000000:01:00.0',
    powerLimitWatts: 350,
    ratedPowerWatts: 400,
    memoryTotalBytes: 80 * 2 ** 30,
    powerOrigin: 'measured',
  });
  expect(collected.gauges(uuid)).toMatchObject({
    memoryUsedBytes: 2 ** 30,
    memoryTotalBytes: 80 * 2 ** 30,
    temperatureCelsius: 40,
    smClockHertz: 1.41e9,
    powerLimitWatts: 350,
  });
  const withGauges = collected.of('batch').filter(({ batch }) => batch.gauges !== undefined);
  expect(withGauges.length).toBeGreaterThanOrEqual(2);
  expect(withGauges.length).toBeLessThanOrEqual(4);
  const reads = collected.of('read');
  expect(reads.length).toBeGreaterThan(10);
  for (const { durationSeconds } of reads) expect(durationSeconds).toBeGreaterThan(0.0005);
});

test('64 GPUs are read, each with its own numbers', async (context) => {
  const gpus = Array.from({ length: 64 }, (_, index): SimulatedGpu => ({
    base: 100 + index,
    instant: { window: 0.1, period: 0.1 },
    counter: { period: 0.1, startJoules: 1000 * index },
    latency: 0.0001,
  }));
  const collected = await collect({
    library: buildStandIn(context),
    scenario: machine(gpus, { originNanoseconds: originIn(-5) }),
    until: (events, seconds) => seconds > 7 && events.of('batch').length >= 64,
  });
  expect(collected.of('devices')[0]?.devices).toHaveLength(64);
  gpus.forEach((gpu, index) => {
    const readings = collected.readings(simulatedUuid(index));
    expect(readings.length).toBeGreaterThan(3);
    for (const { status, power } of readings) {
      expect([index, status, power.instant]).toEqual([index, 'ok', gpu.base]);
    }
  });
});

test('a burst reads every few milliseconds and then the grid returns, until a short one after a second', async (context) => {
  const library = buildStandIn(context);
  const scenario = machine([{ ...trainingLike, latency: 0 }]);
  const collected = await collect({
    scenario,
    library,
    onStart: (source) => source.burst(instant(0.6)),
    until: (_, seconds) => seconds > 1.5,
  });
  const times = collected.readings(uuid).map(({ time }) => time);
  const during = times.filter((time) => time < 0.6);
  const steps = during.slice(1).map((time, index) => time - (during[index] ?? 0));
  expect(steps.toSorted((a, b) => a - b)[Math.floor(steps.length / 2)]).toBeLessThan(0.006);
  const afterwards = times.filter((time) => time > 0.65 && time < 0.95).length;
  expect(afterwards).toBeLessThanOrEqual(4);
  expect(afterwards).toBeGreaterThanOrEqual(2);
  // Five ticks, and one refresh of a counter of 100 ms seen by the way.
  expect(times.filter((time) => time > 0.95).length).toBeGreaterThan(15);
});

test('a machine that slept for an hour is an hour later; a wall clock that was set is only said', async (context) => {
  const library = buildStandIn(context);
  const scenario = machine([trainingLike]);
  let slept = 0;
  let set = 0;
  const seconds = (): number => Number(process.hrtime.bigint() - scenario.originNanoseconds) / 1e9;
  const clock: Clock = {
    now: () => instant(seconds() + slept),
    wallOffset: () => set,
    monotonicNanoseconds: () => process.hrtime.bigint(),
    sleepUntil: () => Promise.reject(new Error('not used')),
  };
  const collected = await collect({
    scenario,
    library,
    options: { clock },
    until: (_, at) => {
      if (at > 1) slept = 3600;
      if (at > 2) set = -3600;
      return at > 3;
    },
  });
  const times = collected.readings(uuid).map(({ time }) => time);
  const steps = times.slice(1).map((time, index) => time - (times[index] ?? 0));
  const jumps = steps.filter((step) => step > 1);
  expect(jumps).toHaveLength(1);
  expect(jumps[0]).toBeGreaterThan(3600);
  expect(jumps[0]).toBeLessThan(3601);
  const offsets = collected.of('batch').map(({ batch }) => batch.wallOffsetSeconds);
  expect([offsets.at(0), offsets.at(-1)]).toEqual([0, -3600]);
});

test.for([
  { name: 'five', count: 5, build: {} },
  { name: 'more than there is room for', count: 50, build: {} },
  {
    name: 'five in the long entries of old 535 drivers',
    count: 5,
    build: { hasLongProcesses: true },
  },
  {
    name: 'five by the second call of three',
    count: 5,
    build: { without: ['nvmlDeviceGetComputeRunningProcesses_v3'] },
  },
  {
    name: 'more than there is room for, in the short entries of the first call',
    count: 50,
    build: {
      without: [
        'nvmlDeviceGetComputeRunningProcesses_v2',
        'nvmlDeviceGetComputeRunningProcesses_v3',
      ],
    },
  },
] satisfies { name: string; count: number; build: Build }[])(
  'processes ($name) come with their memory and their share of the SMs',
  async ({ count, build }, context) => {
    const seen: unknown[] = [];
    const processes = Array.from({ length: count }, (_, index) => ({
      pid: 4000 + index,
      from: -1,
      to: Infinity,
      smPercent: index,
      bytes: 1e9 * (index + 1),
    }));
    await collect({
      library: buildStandIn(context, build),
      scenario: machine([{ ...trainingLike, processes }, trainingLike]),
      options: { onProcesses: (devices) => seen.push(devices) },
      until: () => seen.length > 0,
    });
    expect(seen[0]).toEqual([
      {
        uuid,
        processes: processes.map(({ pid, smPercent, bytes }) => ({
          pid,
          usedBytes: bytes,
          smUtilizationRatio: smPercent / 100,
        })),
      },
      { uuid: simulatedUuid(1), processes: [] },
    ]);
  },
);
