// The C stand-in and its TypeScript twin tell the same story; only then is the twin's closed form the truth of a test.

import { appendFileSync } from 'node:fs';

import fc from 'fast-check';
import koffi from 'koffi';
import { expect, test, type TestContext } from 'vitest';

import {
  counterJoules,
  sensorWatts,
  trueEnergy,
  truePower,
  type GpuScenario,
  type Load,
  type SimulatedGpu,
} from '../../doubles/gpu-scenario.ts';
import { buildStandIn, writeScenario } from '../../doubles/libnvidia-ml.ts';

const LENGTH_SECONDS = 100;

const time = fc.double({ min: 0, max: LENGTH_SECONDS, noNaN: true });
const watts = fc.double({ min: 1, max: 500, noNaN: true });
const period = fc.double({ min: 0.01, max: 5, noNaN: true });
const ratio = fc.double({ min: 0.05, max: 0.95, noNaN: true });
const span = fc
  .tuple(time, time)
  .map(([a, b]) => ({ from: Math.min(a, b), to: Math.max(a, b) + 0.1 }));

const load: fc.Arbitrary<Load> = fc.oneof(
  fc.tuple(span, watts).map(([at, w]): Load => ({ kind: 'step', ...at, watts: w })),
  fc
    .tuple(span, watts, period, ratio)
    .map(([at, w, p, duty]): Load => ({ kind: 'square', ...at, watts: w, period: p, duty })),
  fc
    .tuple(span, watts, period)
    .map(([at, w, p]): Load => ({ kind: 'sine', ...at, watts: w, period: p })),
  fc.tuple(span, watts).map(([at, w]): Load => ({ kind: 'ramp', ...at, watts: w })),
);

const gpu: fc.Arbitrary<SimulatedGpu> = fc.record({
  base: watts,
  loads: fc.array(load, { maxLength: 8 }),
  instant: fc.record({ window: ratio, period, phase: ratio }),
  average: fc.record({ window: fc.constant(1), period }),
  counter: fc.record({ period, startJoules: fc.double({ min: 0, max: 1e9, noNaN: true }) }),
  gain: fc.double({ min: 0.9, max: 1.1, noNaN: true }),
  offset: fc.double({ min: -20, max: 20, noNaN: true }),
  faults: fc.oneof(
    fc.constant([]),
    time.map((from) => [{ kind: 'counter-reset' as const, from, to: from }]),
    span.map((at) => [{ kind: 'stuck' as const, ...at }]),
  ),
});

/** Values of a refreshed register may differ where a time falls on a refresh to the last bit: such times are left out. */
const nearRefresh = (at: number, each: number, phase = 0): boolean => {
  const part = (((at - phase) / each) % 1) + 1;
  return Math.abs(part - Math.round(part)) < 1e-6;
};

const SYMBOLS = [
  ['load', 'int standin_load(const char *path)'],
  ['power', 'double standin_power(int index, double time)'],
  ['energy', 'double standin_energy(int index, double time)'],
  ['sensor', 'double standin_sensor(int index, int kind, double time)'],
  ['counter', 'double standin_counter(int index, double time)'],
] as const;

const close = (actual: number, wanted: number): void => {
  expect(Math.abs(actual - wanted)).toBeLessThanOrEqual(1e-9 * Math.max(1, Math.abs(wanted)));
};

type Symbols = Record<(typeof SYMBOLS)[number][0], (...given: unknown[]) => number>;

function bind(context: TestContext): Symbols {
  const library = koffi.load(buildStandIn(context));
  return Object.fromEntries(
    SYMBOLS.map(([name, prototype]): [string, unknown] => [name, library.func(prototype)]),
  ) as Symbols;
}

test('stand-in and twin agree on power, energy, registers and counter of any GPU at any time', (context) => {
  const { load, power, energy, sensor, counter } = bind(context);
  fc.assert(
    fc.property(gpu, fc.array(time, { minLength: 20, maxLength: 20 }), (one, times) => {
      const scenario: GpuScenario = { originNanoseconds: 1n, gpus: [one, one] };
      expect(load(writeScenario(scenario))).toBe(0);
      for (const at of times) {
        close(energy(1, at), trueEnergy(one, 0, at));
        if (one.instant === undefined || one.average === undefined) continue;
        if (one.counter === undefined || nearRefresh(at, one.counter.period)) continue;
        if (nearRefresh(at, one.instant.period, one.instant.phase)) continue;
        if (nearRefresh(at, one.average.period)) continue;
        close(power(1, at), truePower(one, at));
        close(sensor(1, 1, at), sensorWatts(one, 'instant', at));
        close(sensor(1, 2, at), sensorWatts(one, 'average', at));
        close(counter(1, at), counterJoules(scenario, one, at));
      }
    }),
    { seed: 20261123, numRuns: 60 },
  );
});

test('the closed form is the integral of the power', () => {
  fc.assert(
    fc.property(gpu, (one) => {
      const steps = 200_000;
      const step = LENGTH_SECONDS / steps;
      let sum = 0;
      for (let i = 0; i < steps; i++) sum += truePower(one, (i + 0.5) * step) * step;
      const exact = trueEnergy(one, 0, LENGTH_SECONDS);
      // Midpoint rule; a jump costs at most half a step of its height.
      expect(Math.abs(sum - exact)).toBeLessThan(1e-3 * Math.max(exact, 1000));
    }),
    { seed: 20261123, numRuns: 5 },
  );
});

test('a scenario that is absent or not understood is refused', (context) => {
  const { load } = bind(context);
  const path = writeScenario({ originNanoseconds: 1n, gpus: [{ base: 10 }] });
  expect(load(path)).toBe(0);
  appendFileSync(path, 'gpu 0 wobble 3\n');
  expect(load(path)).toBe(1);
  expect(load(`${path}.absent`)).toBe(1);
});
