// What goes wrong with a driver, and what the NVML source makes of it: a gap with a reason, never an idle GPU.

import { expect, test } from 'vitest';

import {
  simulatedMigUuid,
  simulatedUuid,
  type Fault,
  type GpuScenario,
  type SimulatedGpu,
} from '../../doubles/gpu-scenario.ts';
import { buildStandIn, type Build } from '../../doubles/libnvidia-ml.ts';
import { Collected, collect, openSource, originIn, type Reading } from './harness.ts';

const steady: SimulatedGpu = {
  base: 250,
  draw: { window: 0.1, period: 0.1 },
  instant: { window: 0.1, period: 0.1 },
  average: { window: 0.1, period: 0.1 },
  counter: { period: 0.02, startJoules: 9_000 },
};

const machine = (gpus: readonly SimulatedGpu[], more: Partial<GpuScenario> = {}): GpuScenario => ({
  originNanoseconds: originIn(0),
  gpus,
  ...more,
});

const one = simulatedUuid(0);
const other = simulatedUuid(1);

/** Statuses in order, repeats joined. */
const story = (readings: readonly Reading[]): string[] =>
  readings.map(({ status }) => status).filter((status, index, all) => status !== all[index - 1]);

const allSound = (collected: Collected, uuid: string): void => {
  const readings = collected.readings(uuid);
  expect(story(readings)).toEqual(['ok']);
  for (const { power } of readings) expect(power.instant ?? power.draw).toBeCloseTo(250, 3);
};

test('each failure has its name while it lasts, and the neighbour is read on', async (context) => {
  const at = { from: 0.5, to: 1.2 };
  const cases: { fault: Fault; status: string }[] = [
    { fault: { kind: 'lost', ...at }, status: 'gpu-lost' },
    { fault: { kind: 'reset-required', ...at }, status: 'reset-required' },
    { fault: { kind: 'code', ...at, code: 999 }, status: 'unknown-error' },
    { fault: { kind: 'code', ...at, code: 10 }, status: 'timeout' },
    { fault: { kind: 'code', ...at, code: 4 }, status: 'no-permission' },
    { fault: { kind: 'code', ...at, code: 21 }, status: 'no-data' },
  ];
  const collected = await collect({
    library: buildStandIn(context),
    scenario: machine([...cases.map(({ fault }) => ({ ...steady, faults: [fault] })), steady]),
    until: (_, seconds) => seconds > 3,
  });
  cases.forEach(({ status: wanted }, index) => {
    const readings = collected.readings(simulatedUuid(index));
    expect(story(readings)).toEqual(['ok', wanted, 'ok']);
    for (const { status, power, counter } of readings) {
      if (status === 'ok') continue;
      const values = [power.instant, power.average, power.draw, counter];
      expect(values.filter((value) => value !== undefined && !Number.isNaN(value))).toEqual([]);
    }
  });
  allSound(collected, simulatedUuid(cases.length));
});

test('a GPU that stays lost for this session comes back with the next one', async (context) => {
  const faults: Fault[] = [{ kind: 'sticky-lost', from: 0.5, to: 1 }];
  const collected = await collect({
    library: buildStandIn(context),
    scenario: machine([{ ...steady, faults }, steady]),
    until: (events, seconds) => seconds > 9 || story(events.readings(one)).length === 3,
  });
  expect(story(collected.readings(one))).toEqual(['ok', 'gpu-lost', 'ok']);
  allSound(collected, other);
});

test('a driver reload is a gap by its name; afterwards the counter has restarted', async (context) => {
  const collected = await collect({
    library: buildStandIn(context),
    scenario: machine([steady], { faults: [{ kind: 'not-loaded', from: 0.5, to: 1 }] }),
    until: (events, seconds) => seconds > 9 || story(events.readings(one)).length === 3,
  });
  const readings = collected.readings(one);
  expect(story(readings)).toEqual(['ok', 'driver-not-loaded', 'ok']);
  expect(collected.of('fault')[0]?.reason).toBe('driver-not-loaded');
  const before = readings.find(({ status }) => status === 'ok')?.counter ?? Number.NaN;
  expect(before).toBeGreaterThanOrEqual(9_000);
  expect(readings.at(-1)?.counter).toBeLessThan(2_500);
});

test('a hang of 2.5 s stalls neither the main thread nor the ticks, and is a gap by its name', async (context) => {
  let longest = 0;
  let beat = performance.now();
  const heart = setInterval(() => {
    longest = Math.max(longest, performance.now() - beat);
    beat = performance.now();
  }, 5);
  const collected = await collect({
    library: buildStandIn(context),
    scenario: machine([steady, { ...steady, faults: [{ kind: 'hang', from: 0.55, to: 3 }] }]),
    until: (_, seconds) => seconds > 3.6,
  });
  clearInterval(heart);
  expect(longest).toBeLessThan(1_000);
  expect(collected.of('fault').map(({ reason }) => reason)).toEqual(['timeout']);
  expect(collected.of('fault')[0]?.message).toContain(other);
  const during = collected
    .of('tick')
    .filter(({ timeSeconds }) => timeSeconds > 0.7 && timeSeconds < 2.9);
  expect(during.length).toBeGreaterThan(4);
  for (const uuid of [one, other]) {
    const readings = collected.readings(uuid);
    expect(story(readings)).toEqual(['ok', 'timeout', 'ok']);
    const sound = readings.filter(({ status }) => status === 'ok');
    expect(sound.filter(({ time }) => time > 0.7 && time < 2.9)).toEqual([]);
    for (const { power } of sound) expect(power.instant).toBeCloseTo(250, 3);
  }
});

test('a GPU without power for ever is a device whose time is a gap', async (context) => {
  const { draw: _d, instant: _i, average: _a, counter: _c, ...blind } = steady;
  const collected = await collect({
    library: buildStandIn(context),
    scenario: machine([blind, steady]),
    until: (_, seconds) => seconds > 2.5,
  });
  expect(collected.of('devices')[0]?.devices).toHaveLength(2);
  expect(story(collected.readings(one))).toEqual(['not-supported']);
  expect(collected.readings(one).length).toBeGreaterThanOrEqual(2);
  expect(collected.of('warning').map(({ warning }) => warning.code)).toEqual(['no-power-sensor']);
  allSound(collected, other);
});

test('a GPU whose power this user may not read is a gap that says so', async (context) => {
  const faults = ['draw', 'instant', 'average', 'counter'].map((feature): Fault => ({
    kind: 'unsupported',
    feature,
    code: 4,
    from: -10,
    to: Infinity,
  }));
  const collected = await collect({
    library: buildStandIn(context),
    scenario: machine([{ ...steady, faults }, steady]),
    until: (events) => events.readings(one).length > 12,
  });
  expect(story(collected.readings(one))).toEqual(['no-permission']);
  allSound(collected, other);
});

test('what errors hid at first is found once they have passed', async (context) => {
  const hidden = (feature: string, code: number, to: number): Fault => ({
    kind: 'unsupported',
    feature,
    code,
    from: -10,
    to,
  });
  const collected = await collect({
    library: buildStandIn(context),
    scenario: machine([
      {
        ...steady,
        // Three seconds of errors; then it turns out that there is no such register.
        faults: [
          hidden('instant', 999, 3),
          hidden('average', 999, 3),
          hidden('counter', 999, 3),
        ].concat(
          ['instant', 'average'].map((feature): Fault => ({
            kind: 'unsupported',
            feature,
            from: 3,
            to: Infinity,
          })),
        ),
      },
    ]),
    until: (events, seconds) =>
      seconds > 20 || events.readings(one).some(({ power }) => power.draw !== undefined),
  });
  expect(story(collected.readings(one))).toEqual(['unknown-error', 'ok']);
  expect(collected.readings(one).at(-1)).toMatchObject({ power: { draw: 250 } });
});

test('a stuck value is read as what it is: equal readings, none dropped', async (context) => {
  const gpu: SimulatedGpu = {
    ...steady,
    loads: [{ kind: 'sine', from: 0, to: Infinity, watts: 100, period: 1.7 }],
    faults: [{ kind: 'stuck', from: 0.5, to: Infinity }],
  };
  const collected = await collect({
    library: buildStandIn(context),
    scenario: machine([gpu]),
    until: (_, seconds) => seconds > 2,
  });
  const late = collected.readings(one).filter(({ time }) => time > 0.6);
  expect(late.length).toBeGreaterThan(8);
  expect(new Set(late.map(({ power, counter }) => `${power.instant} ${counter}`)).size).toBe(1);
});

test.for([
  {
    without: ['nvmlDeviceGetFieldValues'],
    registers: ['draw'],
    counter: true,
  },
  {
    without: ['nvmlDeviceGetTotalEnergyConsumption'],
    registers: ['instant', 'average'],
    counter: true,
  },
  {
    without: ['nvmlDeviceGetTotalEnergyConsumption', 'nvmlDeviceGetFieldValues'],
    registers: ['draw'],
    counter: false,
  },
  {
    without: [
      'nvmlDeviceGetTotalEnergyConsumption',
      'nvmlDeviceGetFieldValues',
      'nvmlDeviceGetPowerUsage',
      'nvmlDeviceGetSamples',
      'nvmlDeviceGetTemperature',
    ],
    registers: [],
    counter: false,
  },
] satisfies { without: string[]; registers: string[]; counter: boolean }[])(
  'a library $without has fewer features and does not crash',
  async ({ without, registers, counter }, context) => {
    const library = buildStandIn(context, { without });
    const source = openSource({ scenario: machine([steady]), library });
    const abort = new AbortController();
    let gauges: unknown;
    for await (const event of source.events(abort.signal)) {
      if (event.kind !== 'batch') continue;
      const [facts] = source.inventory();
      expect(facts).toMatchObject({ registers, counter });
      expect(Object.keys(event.batch.powerWatts)).toEqual(registers);
      expect(event.batch.counterJoules !== undefined).toBe(counter);
      gauges ??= event.batch.gauges;
      if (registers.length === 0 || gauges !== undefined) abort.abort();
    }
    if (registers.length > 0) expect(gauges).toMatchObject({ temperatureCelsius: 40 });
  },
);

test('a temperature that only the new call gives is read by the new call', async (context) => {
  const library = buildStandIn(context, { without: ['nvmlDeviceGetTemperature'] });
  const collected = await collect({
    scenario: machine([steady]),
    library,
    until: (events) => events.gauges(one) !== undefined,
  });
  expect(collected.gauges(one)?.temperatureCelsius).toBe(41);
});

test('slow values that a GPU does not have are absent, not zero', async (context) => {
  const faults = ['utilization', 'memory', 'clocks', 'limits'].map((feature): Fault => ({
    kind: 'unsupported',
    from: 0,
    to: Infinity,
    feature,
  }));
  const collected = await collect({
    library: buildStandIn(context),
    scenario: machine([{ ...steady, faults }]),
    until: (events) => events.gauges(one) !== undefined,
  });
  expect(collected.gauges(one)).toEqual({ temperatureCelsius: 40 });
  expect(collected.of('devices')[0]?.devices[0]).not.toHaveProperty('ratedPowerWatts');
});

test('modules are never added up over their GPUs, and memory is part of its GPU', async (context) => {
  const gpu: SimulatedGpu = {
    ...steady,
    name: 'NVIDIA GB200',
    module: { id: 0, extraWatts: 120 },
    memoryRatio: 0.2,
  };
  const source = openSource({ library: buildStandIn(context), scenario: machine([gpu, gpu]) });
  const abort = new AbortController();
  const powers: number[] = [];
  for await (const event of source.events(abort.signal)) {
    if (event.kind !== 'batch') continue;
    powers.push(
      ...(event.batch.powerWatts.instant ?? []),
      ...(event.batch.powerWatts.average ?? []),
    );
    expect(source.inventory()[0]?.scopes).toEqual(['gpu', 'module', 'memory']);
    if (powers.length > 20) abort.abort();
  }
  for (const power of powers) expect(power).toBeCloseTo(250, 3);
});

test('the counter of a GH200, which covers the module, is not taken for the GPU', async (context) => {
  const collected = await collect({
    library: buildStandIn(context),
    scenario: machine([{ ...steady, name: 'NVIDIA GH200 480GB' }]),
    until: (events) => events.readings(one).length > 5,
  });
  expect(collected.of('warning').map(({ warning }) => warning.code)).toEqual([
    'counter-covers-module',
  ]);
  for (const { counter, power } of collected.readings(one)) {
    expect([counter, power.instant]).toEqual([undefined, 250]);
  }
});

test('a GPU split by MIG is one device, says so, and knows its instances', async (context) => {
  const play = {
    library: buildStandIn(context),
    scenario: machine([steady, { ...steady, migInstances: 3 }]),
  };
  const source = openSource(play);
  const abort = new AbortController();
  const collected = new Collected();
  for await (const event of source.events(abort.signal)) {
    collected.add(event);
    if (collected.gauges(other) !== undefined && collected.gauges(one) !== undefined) abort.abort();
  }
  expect(collected.of('devices')[0]?.devices).toHaveLength(2);
  expect(collected.of('warning').map(({ warning }) => warning.code)).toEqual(['mig']);
  allSound(collected, other);
  expect(collected.gauges(other)).not.toHaveProperty('utilizationRatio');
  expect(source.inventory().map(({ migInstances }) => migInstances)).toEqual([
    [],
    [0, 1, 2].map((instance) => simulatedMigUuid(1, instance)),
  ]);
});

test('an error that the driver reports is told once, of its GPU; a driver without events has none', async (context) => {
  const xids = [
    { at: 0.2, code: 48 },
    { at: 1.6, code: 79 },
  ];
  const scenario = machine([
    steady,
    { ...steady, xids },
    {
      ...steady,
      xids,
      faults: [{ kind: 'unsupported', feature: 'events', from: -10, to: Infinity }],
    },
  ]);
  const builds: { build: Build; count: number }[] = [
    { build: {}, count: 2 },
    { build: { without: ['nvmlEventSetWait_v2'] }, count: 2 },
    { build: { without: ['nvmlEventSetCreate'] }, count: 0 },
  ];
  const told = await Promise.all(
    builds.map(async ({ build, count }) => {
      const collected = await collect({
        library: buildStandIn(context, build),
        scenario,
        until: (events, seconds) =>
          seconds > 3 && events.of('batch').length > 8 && events.of('xid').length >= count,
      });
      expect(collected.of('fault')).toEqual([]);
      return collected.of('xid').map(({ uuid, xid, message }) => [uuid, xid, message]);
    }),
  );
  const expected = [
    [other, 48, expect.stringContaining('Xid 48 (a double-bit memory error)')],
    [other, 79, expect.stringMatching(/Xid 79 \(it fell off the bus\) of GPU 1 .*dmesg/)],
  ];
  expect(told).toEqual([expected, expected, []]);
});
