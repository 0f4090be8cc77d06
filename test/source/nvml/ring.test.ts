// The driver's ring of samples in place of a register that polls are too sparse for, or came too late for. Simulated.

import { expect, test } from 'vitest';

import {
  simulatedUuid,
  trueEnergy,
  type Fault,
  type GpuScenario,
  type SimulatedGpu,
} from '../../doubles/gpu-scenario.ts';
import { buildStandIn } from '../../doubles/libnvidia-ml.ts';
import { type Collected, collect, originIn } from './harness.ts';
import { gapsOf, meteredGpu } from './metered.ts';

/** W/T 10/20 ms and no counter; polls of 10 Hz meet one refresh in five. */
const pascal: SimulatedGpu = {
  name: 'Tesla P100-PCIE-16GB',
  architecture: 4,
  base: 60,
  loads: [{ kind: 'square', from: -10, to: Infinity, watts: 200, period: 0.13, duty: 0.5 }],
  draw: { window: 0.01, period: 0.02 },
  limit: [250, 250],
};
const ring = { of: 'draw', span: 2 } as const;
const forEver = { from: -10, to: Infinity } as const;
const withoutRegister: Fault = { kind: 'unsupported', feature: 'draw', ...forEver };
const at5 = { from: 5, to: Infinity } as const;

// The origin lies before the first call: a ring that has just begun to fill is not read.
const machine = (gpus: readonly SimulatedGpu[]): GpuScenario => ({
  originNanoseconds: originIn(-2),
  gpus,
});

const isSound = (collected: Collected, index: number): boolean =>
  collected.readings(simulatedUuid(index)).every(({ status }) => status === 'ok');

/** Relative errors of the whole and of its worst second. */
function errorsOf(
  collected: Collected,
  index: number,
  from: number,
  to: number,
): { whole: number; second: number } {
  const measured = meteredGpu(collected, index, from, to);
  const apart = (energy: number, start: number, end: number): number =>
    Math.abs(energy / trueEnergy(pascal, start, end) - 1);
  const seconds = measured.intervals.map(({ energyJoules, startSeconds, endSeconds }) =>
    apart(energyJoules, startSeconds, endSeconds),
  );
  return { whole: apart(measured.energyJoules, from, to), second: Math.max(...seconds) };
}

test.concurrent('every refresh is told where polls are sparser, whatever clock stamps it, and none twice', async (context) => {
  const told: Record<string, SimulatedGpu> = {
    plainly: { ...pascal, samples: ring },
    'by a clock that is off and drifts': {
      ...pascal,
      samples: { ...ring, offset: 12_345.678, drift: 5e-5 },
    },
    'by a clock that is set back an hour': {
      ...pascal,
      samples: ring,
      faults: [{ kind: 'stamp-step', ...at5, seconds: -3600 }],
    },
    'by a clock that is set ahead an hour': {
      ...pascal,
      samples: ring,
      faults: [{ kind: 'stamp-step', ...at5, seconds: 3600 }],
    },
    'without a register': { ...pascal, samples: ring, faults: [withoutRegister] },
  };
  const names = Object.keys(told);
  const [late, none, other] = [names.length, names.length + 1, names.length + 2];
  const collected = await collect({
    library: buildStandIn(context),
    scenario: machine([
      ...Object.values(told),
      // Not one sample in the ring is younger than half a second: no clock can have stamped them.
      { ...pascal, samples: { ...ring, batch: 0.5 } },
      pascal,
      { ...pascal, instant: { window: 0.1, period: 0.1 }, samples: ring },
    ]),
    options: { periodSeconds: 0.1 },
    until: (_, seconds) => seconds > 11.5,
  });
  const bare = errorsOf(collected, none, 3, 10);
  expect(bare.second).toBeGreaterThan(0.02);
  names.forEach((name, index) => {
    const errors = errorsOf(collected, index, 3, 10);
    expect([name, errors.whole < 0.005]).toEqual([name, true]);
    expect([name, errors.second < 0.025, errors.second < bare.second]).toEqual([name, true, true]);
    expect([name, isSound(collected, index)]).toEqual([name, true]);
    expect(gapsOf(meteredGpu(collected, index, 3, 10))).toEqual({});
    // Two polls where the value changes, one where it does not, each refresh once: 50 in a second.
    const readings = collected.readings(simulatedUuid(index)).filter(({ time }) => time < 10);
    const changes = readings.filter(
      ({ power }, at) => at > 0 && power.draw !== readings[at - 1]?.power.draw,
    );
    const span = (readings.at(-1)?.time ?? 0) - (readings[0]?.time ?? 0);
    expect(Math.abs((readings.length - changes.length) / span / 50 - 1)).toBeLessThan(0.02);
  });
  // Between bursts: what cannot be placed is given up for the register, and what is another register is never taken for it.
  const last = (index: number): number =>
    collected.readings(simulatedUuid(index)).filter(({ time }) => time > 5.5 && time < 10).length;
  for (const index of [late, none, other]) expect(last(index)).toBeLessThan(60);
});

const hung = (to: number, span: number): SimulatedGpu => ({
  ...pascal,
  samples: { ...ring, span },
  faults: [{ kind: 'hang', from: 3, to }],
});

test.concurrent('what a call that hung for 1.5 s has hidden is told afterwards, and is no gap', async (context) => {
  const collected = await collect({
    library: buildStandIn(context),
    scenario: machine([{ ...pascal, samples: ring }, hung(4.5, 2)]),
    until: (_, seconds) => seconds > 6.5,
  });
  expect(collected.of('fault').map(({ reason }) => reason)).toEqual(['timeout']);
  for (const index of [0, 1]) {
    expect(isSound(collected, index)).toBe(true);
    const errors = errorsOf(collected, index, 2.5, 5.5);
    expect(errors.whole).toBeLessThan(0.01);
    expect(errors.second).toBeLessThan(0.025);
    expect(gapsOf(meteredGpu(collected, index, 2.5, 5.5))).toEqual({});
  }
});

test.concurrent('what a longer hang has hidden stays a gap by its name: what was called one is final', async (context) => {
  const collected = await collect({
    library: buildStandIn(context),
    scenario: machine([hung(6, 1.2)]),
    until: (_, seconds) => seconds > 8,
  });
  const measured = meteredGpu(collected, 0, 2.5, 7);
  const { timeout = 0, ...others } = gapsOf(measured);
  expect(others).toEqual({});
  expect(timeout).toBeGreaterThan(1.5);
  expect(timeout).toBeLessThan(3.1);
  expect(measured.observedSeconds + timeout).toBeCloseTo(4.5, 6);
  const mean = measured.energyJoules / measured.observedSeconds;
  expect(Math.abs(mean / 160 - 1)).toBeLessThan(0.1);
});

test.concurrent('a ring that has just begun is read once it holds enough, and one that goes is left for the register', async (context) => {
  const collected = await collect({
    library: buildStandIn(context),
    scenario: {
      originNanoseconds: originIn(0),
      gpus: [
        { ...pascal, samples: { ...ring, from: 2 } },
        {
          ...pascal,
          samples: { ...ring, span: 0.1 },
          faults: [{ kind: 'unsupported', feature: 'samples', from: 2, to: Infinity }],
        },
      ],
    },
    options: { periodSeconds: 0.04 },
    until: (_, seconds) => seconds > 7.5,
  });
  // Polls stand 40 ms apart, refreshes and the polls around them less than 20.
  const isDense = (index: number, from: number, to: number): boolean => {
    const readings = collected
      .readings(simulatedUuid(index))
      .filter(({ time }) => time > from && time < to);
    return readings.length > 40 * (to - from);
  };
  // Between the bursts, a second and three after the session's start.
  expect([isDense(0, 1.5, 2.9), isDense(0, 6, 7)]).toEqual([false, true]);
  expect([isDense(1, 3.6, 4.5), isDense(1, 6, 7)]).toEqual([false, false]);
  for (const index of [0, 1]) {
    expect(isSound(collected, index)).toBe(true);
    expect(gapsOf(meteredGpu(collected, index, 1, 6.5))).toEqual({});
  }
});
