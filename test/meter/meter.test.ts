// The meter against closed-form truth (simulated sensors), and against every way in which its peers get joules wrong.

import { describe, expect, test } from 'vitest';

import { createMeter } from '../../agent/meter/meter.ts';
import { instant } from '../../agent/units.ts';
import { device, energyWithin, metered } from './metering.ts';
import {
  batchOf,
  constantLoad,
  during,
  pollTimes,
  sineLoad,
  squareLoad,
  sumOf,
  type Load,
  type SimulatedRow,
  type SimulatedSensor,
} from './simulated-sensor.ts';

const rowsAt = (times: readonly number[]): SimulatedRow[] => times.map((time) => ({ time }));
const full = { windowSeconds: 0.1, periodSeconds: 0.1, phaseSeconds: 0.037 };

describe('meter() on a sensor that covers its period', () => {
  test('books repeated equal readings as time that passed: 60 s at 300 W and 60 s at 60 W', () => {
    const load = sumOf(constantLoad(60), during(constantLoad(240), 0, 60));
    const sensor: SimulatedSensor = { ...full, load };
    const rows = rowsAt(pollTimes(0, 120, 0.05));
    const measured = metered([batchOf(sensor, rows)], { start: 0.2, end: 119.8 });
    const truth = load.joules(119.8) - load.joules(0.2);
    // One step without a known grid is placed within half a poll: 240 W × 25 ms of 21,600 J.
    expect(Math.abs(measured.energyJoules - truth)).toBeLessThan(6);
  });

  test('integrates a flat load to its energy', () => {
    const sensor: SimulatedSensor = { ...full, load: constantLoad(300) };
    const measured = metered([batchOf(sensor, rowsAt(pollTimes(0, 60, 0.05)))], {
      start: 0,
      end: 60,
    });
    expect(measured.energyJoules).toBeCloseTo(18_000, 6);
  });

  test.each<[string, Load]>([
    ['a square of 430 ms', squareLoad(250, 0.43, 0.5)],
    ['a square of 1 s', squareLoad(250, 1, 0.3, 0.2)],
    ['a sine of 0.7 s', sumOf(constantLoad(150), sineLoad(100, 0.7))],
  ])('keeps %s within 0.5 %% over 5 s', (_name, varying) => {
    const load = sumOf(constantLoad(80), varying);
    const sensor: SimulatedSensor = { ...full, load };
    const measured = metered([batchOf(sensor, rowsAt(pollTimes(0, 30, 0.02)))], {
      start: 0.5,
      end: 29,
      cuts: [10.31, 15.31],
    });
    const truth = load.joules(15.31) - load.joules(10.31);
    expect(Math.abs(energyWithin(measured, 10.31, 15.31) / truth - 1)).toBeLessThan(0.005);
  });

  test('separates a run from the idle board around it', () => {
    const load = sumOf(constantLoad(60), during(constantLoad(280), 10.043, 16.081));
    const sensor: SimulatedSensor = { ...full, load };
    const measured = metered([batchOf(sensor, rowsAt(pollTimes(5, 20, 0.02)))], {
      start: 10.043,
      end: 16.081,
    });
    const truth = load.joules(16.081) - load.joules(10.043);
    expect(Math.abs(measured.energyJoules / truth - 1)).toBeLessThan(0.001);
  });

  test('gives a window shorter than a refresh its energy and an honest doubt', () => {
    const sensor: SimulatedSensor = { ...full, load: constantLoad(200) };
    const measured = metered([batchOf(sensor, rowsAt(pollTimes(0, 10, 0.05)))], {
      start: 0,
      end: 9,
      cuts: [4.01, 4.03],
    });
    expect(energyWithin(measured, 4.01, 4.03)).toBeCloseTo(4, 6);
  });
});

describe('meter() on failures', () => {
  test('leaves out what failed for long, says why, and estimates it apart', () => {
    const sensor: SimulatedSensor = { ...full, load: constantLoad(200) };
    const rows = pollTimes(0, 60, 0.05).map((time): SimulatedRow =>
      time > 20 && time < 30 ? { time, status: 'unknown-error' } : { time },
    );
    const measured = metered([batchOf(sensor, rows)], { start: 0.2, end: 59.8 });
    expect(measured.gapSeconds).toBeGreaterThan(9.8);
    expect(measured.gapSeconds).toBeLessThan(10.3);
    expect(measured.energyJoules).toBeCloseTo(200 * measured.observedSeconds, 4);
    expect(measured.gapEstimateJoules).toBeCloseTo(200 * measured.gapSeconds, 4);
    const reasons = new Set(
      measured.intervals.flatMap(({ gapSeconds }) => Object.keys(gapSeconds)),
    );
    expect([...reasons]).toEqual(['unknown-error']);
  });

  test('shows no power while readings fail, and never the last value', () => {
    const sensor: SimulatedSensor = { ...full, load: constantLoad(200) };
    const meter = createMeter({ device: device(), startSeconds: instant(0), slotSeconds: 1 });
    meter.add(batchOf(sensor, rowsAt(pollTimes(0, 5, 0.05))));
    expect(meter.powerWatts).toBe(200);
    meter.add(batchOf(sensor, [{ time: 5.1, status: 'gpu-lost' }]));
    expect(meter.powerWatts).toBeUndefined();
  });
});
