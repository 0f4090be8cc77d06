// What garbled readings, slow registers and long silences must not do to the books.

import { describe, expect, test } from 'vitest';

import type { Interval } from '../../agent/model.ts';
import { createConstantMeter } from '../../agent/meter/constant.ts';
import { createMeter, type MeterOptions } from '../../agent/meter/meter.ts';
import { createRefreshGrid } from '../../agent/meter/refresh-grid.ts';
import { RegisterWatch } from '../../agent/meter/register-watch.ts';
import { instant, watts } from '../../agent/units.ts';
import { device, metered, totalsOf } from './metering.ts';
import {
  batchOf,
  constantLoad,
  counterJoules,
  during,
  pollTimes,
  squareLoad,
  sumOf,
  type SimulatedRow,
  type SimulatedSensor,
} from './simulated-sensor.ts';

const full = { windowSeconds: 0.1, periodSeconds: 0.1, phaseSeconds: 0.037 };
const steady: SimulatedSensor = { ...full, load: constantLoad(200) };
const counted: SimulatedSensor = { ...steady, counter: { periodSeconds: 0.1 } };
const rowsAt = (times: readonly number[]): SimulatedRow[] => times.map((time) => ({ time }));

/** Every `each`-th of these rows is replaced. */
const garbled = (
  rows: readonly SimulatedRow[],
  each: number,
  garbage: Partial<SimulatedRow>,
): SimulatedRow[] =>
  rows.map((row, index) => (index % each === each - 1 ? { ...row, ...garbage } : row));

/** Its intervals, and the meter afterwards. */
function run(
  sensor: SimulatedSensor,
  rows: readonly SimulatedRow[],
  end: number,
  options: Partial<MeterOptions> = {},
) {
  const meter = createMeter({
    device: device(),
    startSeconds: instant(0.5),
    slotSeconds: 1,
    ...options,
  });
  const intervals = [...meter.add(batchOf(sensor, rows)), ...meter.finish(instant(end))];
  return { meter, intervals, totals: totalsOf(intervals) };
}

describe('a power that no board can have', () => {
  test.each([
    ['far above any board', 1e6],
    ['negative', -200],
    ['infinite', Infinity],
  ])('is a failed reading: %s', (_, garbage) => {
    const rows = garbled(rowsAt(pollTimes(0, 30, 0.05)), 17, { watts: garbage });
    const { totals } = run(steady, rows, 29.5);
    expect(totals.energyJoules).toBeCloseTo(200 * 29, 6);
    expect(totals.gapSeconds).toBe(0);
  });

  test('is a gap with its reason where there is nothing else', () => {
    const rows = rowsAt(pollTimes(0, 30, 0.05)).map((row) => ({ ...row, watts: 1e6 }));
    const { meter, intervals, totals } = run(steady, rows, 29.5);
    expect(totals).toMatchObject({ energyJoules: 0, observedSeconds: 0 });
    expect(Object.keys(intervals[5]?.gapSeconds ?? {})).toEqual(['implausible']);
    expect(meter.powerWatts).toBeUndefined();
  });

  test('is 0 W where only a calibrated offset makes it negative', () => {
    const calibration = {
      gain: 1,
      offsetWatts: 250,
      gainUncertainty: 0.01,
      offsetUncertaintyWatts: 1,
    };
    const { totals } = run(steady, rowsAt(pollTimes(0, 30, 0.05)), 29.5, { calibration });
    expect(totals.energyJoules).toBe(0);
    expect(totals.observedSeconds).toBeCloseTo(29, 9);
  });
});

test('a reading at no time is passed over', () => {
  const rows = garbled(rowsAt(pollTimes(0, 30, 0.05)), 17, { time: NaN, watts: 400 });
  expect(run(steady, rows, 29.5).totals.energyJoules).toBeCloseTo(200 * 29, 6);
});

describe('silences', () => {
  test('stay gaps however often they come: the limit does not rise with them', () => {
    const times = pollTimes(0, 400, 0.1).filter((time) => time % 10 < 7);
    const { totals } = run(steady, rowsAt(times), 396.5, { samplingPeriodSeconds: 0.1 });
    expect(totals.gapSeconds).toBeGreaterThan(39 * 2.9);
    expect(totals.energyJoules).toBeCloseTo(200 * totals.observedSeconds, 3);
  });

  test('after the first reading are published while they last', () => {
    const meter = createMeter({ device: device(), startSeconds: instant(0), slotSeconds: 1 });
    const rows = pollTimes(0.3, 60, 0.5).map((time, index): SimulatedRow =>
      index === 0 ? { time } : { time, status: 'gpu-lost' },
    );
    const intervals = rows.flatMap((row) => meter.add(batchOf(steady, [row])));
    const totals = totalsOf(intervals);
    expect(totals.observedSeconds).toBeLessThan(3);
    expect(totals.gapSeconds).toBeGreaterThan(40);
    expect(intervals.at(-1)?.gapSeconds).toEqual({ 'gpu-lost': 1 });
  });

  test('of a week are one interval, not one of each second', () => {
    const week = 604_800;
    const rows = rowsAt([...pollTimes(0, 30, 0.1), ...pollTimes(week, week + 30, 0.1)]);
    const { intervals, totals } = run(steady, rows, week + 29.5);
    expect(intervals.length).toBeLessThan(200);
    expect(totals.gapSeconds).toBeGreaterThan(week - 35);
    expect(totals.observedSeconds + totals.gapSeconds).toBeCloseTo(week + 29, 3);
  });

  test('are not bridged by a counter that leaps farther than the board could have driven it', () => {
    const rows = rowsAt([...pollTimes(0, 20, 0.1), ...pollTimes(50, 80, 0.1)]).map((row) =>
      row.time < 50 ? row : { ...row, counterJoules: counterJoules(counted, row.time) + 1e6 },
    );
    const { totals } = run(counted, rows, 79.5);
    expect(totals.energyJoules).toBeLessThan(200 * 50);
    expect(totals.gapSeconds).toBeGreaterThan(29);
  });

  test('that a counter bridges are known within its own doubt, second by second', () => {
    const load = sumOf(constantLoad(60), during(constantLoad(280), 25, 35));
    const sensor = { ...counted, load };
    const rows = rowsAt([...pollTimes(0, 20, 0.1), ...pollTimes(50, 80, 0.1)]);
    const { intervals, totals } = run(sensor, rows, 79.5);
    expect(totals.gapSeconds).toBe(0);
    expect(Math.abs(totals.energyJoules / load.joules(79.5) - 1)).toBeLessThan(0.02);
    // Which seconds of the hole drew the energy nobody saw: each may be idle, or at the limit.
    const inside = intervals.filter(
      ({ startSeconds, endSeconds }) => startSeconds > 22 && endSeconds < 48,
    );
    expect(inside.length).toBeGreaterThan(20);
    for (const one of inside) {
      const truth = load.joules(one.endSeconds) - load.joules(one.startSeconds);
      expect(Math.abs(one.energyJoules - truth)).toBeLessThan(totalsOf([one]).uncertaintyJoules);
    }
  });

  test('in which nothing was observed have no counter as their method', () => {
    const rows = rowsAt(pollTimes(0, 20, 0.1));
    const { intervals } = run(counted, rows, 59.5);
    const empty = intervals.filter(({ observedSeconds }) => observedSeconds === 0);
    expect(empty.length).toBeGreaterThan(0);
    expect(empty.every(({ method }) => method === 'integral')).toBe(true);
  });
});

describe('a counter', () => {
  test('of a device that has nothing else may be garbage for once', () => {
    const sensor = { ...steady, counter: { periodSeconds: 0.001 } };
    const rows = garbled(rowsAt(pollTimes(0, 60, 0.5)), 31, { counterJoules: 1e12 });
    const { totals } = run(
      sensor,
      rows.map((row) => ({ ...row, watts: NaN })),
      59.5,
      {
        device: device({ kind: 'host', source: 'rapl', model: 'package-0' }),
      },
    );
    expect(Math.abs(totals.energyJoules / (200 * totals.observedSeconds) - 1)).toBeLessThan(0.001);
    expect(totals.observedSeconds).toBeGreaterThan(54);
  });

  test.each([1, 4, 10])('that steps every %i s is followed, and not taken for stuck', (period) => {
    const load = sumOf(constantLoad(100), squareLoad(200, 40, 0.5));
    const sensor = { ...steady, load, counter: { periodSeconds: period } };
    const { meter, totals } = run(sensor, rowsAt(pollTimes(0, 200, 0.1)), 199.5);
    const truth = load.joules(199.5) - load.joules(0.5);
    expect(Math.abs(totals.energyJoules / truth - 1)).toBeLessThan(0.003);
    expect(meter.warnings).toEqual([]);
  });

  test('is not said to disagree with a sensor that only sees a part of the time', () => {
    const load = sumOf(constantLoad(60), squareLoad(300, 0.103, 0.5));
    const partTime = { load, windowSeconds: 0.025, periodSeconds: 0.1 };
    const sensor = { ...partTime, counter: { periodSeconds: 0.1, phaseSeconds: 0.02 } };
    const { meter, totals } = run(sensor, rowsAt(pollTimes(0, 120, 0.1)), 119.5, {
      device: device({ model: 'NVIDIA A100-SXM4-80GB' }),
    });
    const truth = load.joules(119.5) - load.joules(0.5);
    expect(Math.abs(totals.energyJoules / truth - 1)).toBeLessThan(0.001);
    expect(meter.warnings.map(({ code }) => code)).not.toContain('counter-disagrees');
  });

  test('is said to disagree with a sensor that sees everything and shows a quarter less', () => {
    const rows = rowsAt(pollTimes(0, 120, 0.1)).map((row) => ({ ...row, watts: 150 }));
    const { meter } = run(counted, rows, 119.5);
    expect(meter.warnings.map(({ code }) => code)).toContain('counter-disagrees');
  });
});

test('a register that takes the place of one that stood still is not called stuck for it', () => {
  const watch = new RegisterWatch();
  const grid = createRefreshGrid();
  watch.see(0, 200, grid);
  watch.see(50, 200, grid);
  watch.forget();
  watch.see(500, 210, grid);
  expect(watch.longestUnchangedSeconds).toBe(50);
});

test('an average over a second is taken apart without powers that no board has, and conserved', () => {
  const load = sumOf(constantLoad(60), during(constantLoad(330), 10, 10.6), squareLoad(50, 3, 0.5));
  const sensor: SimulatedSensor = { ...full, field: 'draw', windowSeconds: 1, load };
  const measured = metered([batchOf(sensor, rowsAt(pollTimes(0, 30, 0.02)))], {
    start: 2,
    end: 28,
    cuts: [10, 10.3, 10.6, 11],
  });
  for (const { energyJoules, observedSeconds } of measured.intervals) {
    expect(energyJoules).toBeGreaterThanOrEqual(0);
    expect(energyJoules).toBeLessThanOrEqual(1.5 * 400 * observedSeconds + 1e-9);
  }
  const truth = load.joules(28) - load.joules(2);
  expect(Math.abs(measured.energyJoules / truth - 1)).toBeLessThan(0.005);
});

test('a constant is not drawn by a machine that sleeps', () => {
  const meter = createConstantMeter({
    device: device({ kind: 'host', source: 'constant', powerOrigin: 'modelled' }),
    startSeconds: instant(0),
    slotSeconds: 1,
    powerWatts: watts(300),
  });
  const intervals: Interval[] = [...meter.advance(instant(10))];
  meter.suspended(instant(10.5), instant(40.5));
  intervals.push(...meter.advance(instant(50)), ...meter.finish(instant(60)));
  const totals = totalsOf(intervals);
  expect(totals.energyJoules).toBeCloseTo(300 * 30, 6);
  expect(totals.gapSeconds).toBeCloseTo(30, 9);
  expect(totals.gapEstimateJoules).toBeCloseTo(150 * 30, 6);
});
