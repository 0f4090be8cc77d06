// The meter against closed-form truth (simulated sensors), and against every way in which its peers get joules wrong.

import { describe, expect, test } from 'vitest';

import { createConstantMeter } from '../../agent/meter/constant.ts';
import { createMeter } from '../../agent/meter/meter.ts';
import { instant, watts } from '../../agent/units.ts';
import { device, energyWithin, metered } from './metering.ts';
import {
  batchOf,
  constantLoad,
  during,
  pollTimes,
  rampLoad,
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
    ['a ramp of 20 s', rampLoad(200, 3, 23)],
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

describe('meter() does not repeat what others get wrong:', () => {
  const steady: SimulatedSensor = { ...full, load: constantLoad(200) };

  test('a failed read is not 0 W: short failures are bridged between their neighbours', () => {
    const rows = pollTimes(0, 20, 0.05).map((time, index): SimulatedRow =>
      index % 7 === 3 ? { time, status: 'timeout' } : { time },
    );
    const measured = metered([batchOf(steady, rows)], { start: 0.2, end: 19.8 });
    expect(measured.gapSeconds).toBe(0);
    expect(measured.energyJoules).toBeCloseTo(200 * 19.6, 6);
  });

  test('a device that never answers is all gap, with its reason, and no energy', () => {
    const rows = pollTimes(0, 20, 0.05).map((time): SimulatedRow => ({
      time,
      status: 'not-supported',
    }));
    const measured = metered([batchOf(steady, rows)], { start: 0, end: 20 });
    expect(measured.energyJoules).toBe(0);
    expect(measured.observedSeconds).toBe(0);
    expect(measured.gapSeconds).toBeCloseTo(20, 6);
    expect(measured.intervals.every(({ powerMaxWatts }) => powerMaxWatts === undefined)).toBe(true);
  });

  test('mean power is energy ÷ observed time, gaps or not', () => {
    const rows = pollTimes(0, 60, 0.05).filter((time) => time < 10 || time > 31);
    const measured = metered([batchOf(steady, rowsAt(rows))], { start: 0.2, end: 59.8 });
    expect(measured.energyJoules / measured.observedSeconds).toBeCloseTo(200, 6);
    expect(measured.gapSeconds).toBeGreaterThan(20.5);
  });

  test('the gap estimate is the midpoint of the neighbours over the gap', () => {
    const load = sumOf(constantLoad(100), during(constantLoad(200), 20, 99));
    const rows = pollTimes(0, 60, 0.05).filter((time) => time < 10 || time > 31);
    const measured = metered([batchOf({ ...full, load }, rowsAt(rows))], { start: 0.2, end: 59.8 });
    expect(measured.gapEstimateJoules / measured.gapSeconds).toBeCloseTo(200, 6);
    // The board's range, 32 W to 400 W: 368/√12 and 16 W beside the middle.
    expect(measured.gapEstimateUncertaintyJoules / measured.gapSeconds).toBeCloseTo(
      2 * Math.hypot(368 / Math.sqrt(12), 16),
      6,
    );
  });

  test('of duplicate timestamps the later row wins, backward ones are passed over', () => {
    const times = pollTimes(0, 10, 0.05);
    const rows = times.flatMap((time, index): SimulatedRow[] =>
      index % 20 === 10
        ? [{ time, watts: 9999 }, { time }, { time: time - 3, watts: 9999 }]
        : [{ time }],
    );
    const measured = metered([batchOf(steady, rows)], { start: 0.2, end: 9.8 });
    expect(measured.energyJoules).toBeCloseTo(200 * 9.6, 6);
  });

  test('a stuck value counts as read, and is said to be suspicious', () => {
    const load = sumOf(constantLoad(150), sineLoad(50, 3.1));
    const rows = pollTimes(0, 200, 0.05).map((time): SimulatedRow =>
      time > 30 ? { time, watts: 150 } : { time },
    );
    const meter = createMeter({ device: device(), startSeconds: instant(1), slotSeconds: 1 });
    const intervals = [
      ...meter.add(batchOf({ ...full, load }, rows)),
      ...meter.finish(instant(199)),
    ];
    expect(meter.warnings.map(({ code }) => code)).toEqual(['power-unchanged']);
    const late = intervals.filter(({ startSeconds }) => startSeconds > 40);
    expect(
      late.every(
        ({ energyJoules, observedSeconds }) =>
          Math.abs(energyJoules - 150 * observedSeconds) < 1e-6,
      ),
    ).toBe(true);
  });

  test('a hole while the machine slept is called so', () => {
    const times = pollTimes(0, 60, 0.05).filter((time) => time < 10 || time > 40);
    const meter = createMeter({ device: device(), startSeconds: instant(1), slotSeconds: 1 });
    const intervals = meter.add(batchOf(steady, rowsAt(times.filter((time) => time < 10))));
    meter.suspended(instant(10.1), instant(39.9));
    intervals.push(...meter.add(batchOf(steady, rowsAt(times.filter((time) => time > 40)))));
    intervals.push(...meter.finish(instant(59)));
    const reasons = new Set(intervals.flatMap(({ gapSeconds }) => Object.keys(gapSeconds)));
    expect([...reasons]).toEqual(['suspended']);
  });

  test('the first and last reading reach at most 2 s to the edges of the run', () => {
    const rows = rowsAt(pollTimes(5, 20, 0.05));
    const measured = metered([batchOf(steady, rows)], { start: 0, end: 27 });
    expect(measured.intervals[0]?.gapSeconds).toEqual({ edge: 1 });
    expect(measured.intervals.at(-1)?.gapSeconds).toEqual({ edge: 1 });
    expect(measured.observedSeconds).toBeLessThan(19.2);
    expect(measured.observedSeconds).toBeGreaterThan(18.7);
  });

  test('a sparse log is one series, not a row of gaps', () => {
    const measured = metered([batchOf(steady, rowsAt(pollTimes(0, 900, 5, 0.02)))], {
      start: 0,
      end: 900,
    });
    expect(measured.gapSeconds).toBeLessThan(3);
    expect(measured.energyJoules).toBeCloseTo(200 * measured.observedSeconds, 4);
  });

  test('a burst of polls does not make the ordinary spacing a hole', () => {
    const burst = Array.from({ length: 400 }, (_, index) => 10 + index / 500);
    const times = [...pollTimes(0, 30, 0.3), ...burst].toSorted((a, b) => a - b);
    const measured = metered([batchOf(steady, rowsAt(times))], { start: 0.5, end: 29 });
    expect(measured.gapSeconds).toBe(0);
  });
});

describe('meter() while it runs', () => {
  const steady: SimulatedSensor = { ...full, load: constantLoad(200) };

  test.each([
    ['without a counter', steady],
    ['with a counter', { ...steady, counter: { periodSeconds: 0.1 } }],
  ])('%s settles a slot within 2 s of its end', (_name, sensor) => {
    const meter = createMeter({ device: device(), startSeconds: instant(0), slotSeconds: 1 });
    for (const time of pollTimes(0, 30, 0.1, 0.003)) {
      meter.add(batchOf(sensor, [{ time }]));
      if (time > 4) expect(time - meter.settledSeconds).toBeLessThan(3);
    }
  });

  test('lets a gap grow while it lasts', () => {
    const meter = createMeter({ device: device(), startSeconds: instant(0), slotSeconds: 1 });
    meter.add(batchOf(steady, rowsAt(pollTimes(0, 10, 0.05))));
    const intervals = [11, 12, 13, 14, 15].flatMap((time) => meter.advance(instant(time)));
    expect(
      intervals.map(({ gapSeconds }) => gapSeconds['no-reading'] ?? 0).reduce((a, b) => a + b, 0),
    ).toBeGreaterThan(3);
    expect(meter.powerWatts).toBeUndefined();
  });

  test('refuses to cut what it has published', () => {
    const meter = createMeter({ device: device(), startSeconds: instant(0), slotSeconds: 1 });
    meter.add(batchOf(steady, rowsAt(pollTimes(0, 10, 0.05))));
    expect(() => {
      meter.cut(instant(2.5));
    }).toThrow(RangeError);
  });

  test('books a calibrated device by its gain and offset', () => {
    const sensor: SimulatedSensor = {
      ...full,
      load: constantLoad(200),
      gain: 0.95,
      offsetWatts: -4,
    };
    const measured = metered([batchOf(sensor, rowsAt(pollTimes(0, 30, 0.05)))], {
      start: 1,
      end: 29,
      calibration: {
        gain: 0.95,
        offsetWatts: -4,
        gainUncertainty: 0.006,
        offsetUncertaintyWatts: 1,
      },
    });
    expect(measured.energyJoules).toBeCloseTo(200 * 28, 6);
    expect(measured.components.gainJoules).toBeCloseTo(0.006 * 200 * 28, 6);
    expect(measured.components.offsetJoules).toBeCloseTo(28, 6);
  });

  test('modelled power is modelled, whatever reads it', () => {
    const measured = metered([batchOf(steady, rowsAt(pollTimes(0, 30, 1)))], {
      start: 1,
      end: 29,
      device: device({ powerOrigin: 'modelled', source: 'tpu', model: 'TPU v5e' }),
    });
    expect(new Set(measured.intervals.map(({ method }) => method))).toEqual(new Set(['modelled']));
    expect(measured.energyJoules).toBeCloseTo(200 * 28, 6);
  });

  test('a modelled power has no window and no period: 0 would be a figure', () => {
    const meter = createMeter({
      device: device({ powerOrigin: 'modelled', source: 'tpu', model: 'TPU v5e' }),
      startSeconds: instant(0),
      slotSeconds: 1,
    });
    meter.add(batchOf(steady, rowsAt(pollTimes(0, 30, 1))));
    expect(meter.sensor).toEqual({ field: 'instant', origin: expect.any(String) });
  });
});

describe('a constant meter', () => {
  test('books its constant by the passing of time, cut where it is cut', () => {
    const meter = createConstantMeter({
      device: device({ kind: 'host', source: 'constant', powerOrigin: 'modelled' }),
      startSeconds: instant(10),
      slotSeconds: 1,
      powerWatts: watts(300),
    });
    meter.cut(instant(12.25));
    const intervals = [...meter.advance(instant(14)), ...meter.finish(instant(15.5))];
    expect(intervals.map(({ endSeconds }) => endSeconds)).toEqual([
      11, 12, 12.25, 13, 14, 15, 15.5,
    ]);
    expect(intervals.reduce((sum, { energyJoules }) => sum + energyJoules, 0)).toBeCloseTo(1650, 9);
    expect(intervals.every(({ method }) => method === 'modelled')).toBe(true);
  });
});
