// Laws that hold for any readings: conservation under cuts, and that only what was read matters, not how it was packed.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { READING_STATUS, type Batch, type Interval } from '../../agent/model.ts';
import { createMeter } from '../../agent/meter/meter.ts';
import { instant } from '../../agent/units.ts';
import { device, totalsOf } from './metering.ts';
import { UUID } from './simulated-sensor.ts';

interface Reading {
  readonly time: number;
  readonly status: number;
  readonly watts: number;
  readonly counterJoules: number;
}

/** Readings of any spacing and any kind, with holes, failures, repeated values and a counter that may restart. */
const readings = fc
  .record({
    period: fc.constantFrom(0.01, 0.05, 0.1, 0.5, 5),
    withCounter: fc.boolean(),
    steps: fc.array(
      fc.record({
        late: fc.double({ min: 0, max: 1, noNaN: true }),
        hole: fc.integer({ min: 0, max: 60 }),
        status: fc.integer({ min: 0, max: 40 }),
        level: fc.integer({ min: 0, max: 6 }),
        reset: fc.integer({ min: 0, max: 50 }),
      }),
      { minLength: 5, maxLength: 250 },
    ),
  })
  .map(({ period, withCounter, steps }): Reading[] => {
    let time = 100;
    let counter = 1000;
    return steps.map(({ late, hole, status, level, reset }) => {
      const duration = period * (1 + 0.2 * late + (hole === 60 ? 30 : 0));
      // In 1024ths of a second, which float64 adds exactly wherever the timeline starts.
      time = Math.round((time + duration) * 1024) / 1024;
      const watts = 50 + level * 50;
      counter = reset === 50 ? 0 : counter + watts * duration;
      const failed = status > 0 && status < READING_STATUS.length;
      return {
        time,
        status: failed ? status : 0,
        watts: failed ? NaN : watts,
        counterJoules: failed || !withCounter ? NaN : counter,
      };
    });
  });

const toBatch = (rows: readonly Reading[]): Batch => ({
  uuid: UUID,
  length: rows.length,
  timeSeconds: Float64Array.from(rows, ({ time }) => time),
  status: Uint8Array.from(rows, ({ status }) => status),
  powerWatts: { draw: Float64Array.from(rows, ({ watts }) => watts) },
  counterJoules: Float64Array.from(rows, ({ counterJoules }) => counterJoules),
});

interface Plan {
  readonly cuts?: readonly number[];
  readonly batchRows?: number;
  readonly shiftSeconds?: number;
}

function meterAll(rows: readonly Reading[], plan: Plan = {}): Interval[] {
  const { cuts = [], batchRows = rows.length, shiftSeconds = 0 } = plan;
  const shifted = rows.map((row) => ({ ...row, time: row.time + shiftSeconds }));
  const start = (shifted[0]?.time ?? 0) + 13 / 1024;
  const end = (shifted.at(-1)?.time ?? 0) - 7 / 1024;
  const meter = createMeter({
    device: device({ model: 'unknown' }),
    startSeconds: instant(start),
    slotSeconds: 1,
  });
  for (const share of cuts) meter.cut(instant(start + share * (end - start)));
  const intervals: Interval[] = [];
  for (let row = 0; row < shifted.length; row += batchRows) {
    intervals.push(...meter.add(toBatch(shifted.slice(row, row + batchRows))));
  }
  intervals.push(...meter.finish(instant(end)));
  return intervals.filter(({ endSeconds }) => endSeconds <= end);
}

const shares = fc.array(fc.double({ min: 0.001, max: 0.999, noNaN: true }), { maxLength: 8 });
const RUNS = { numRuns: 150, seed: 20_261_123 };

describe('a meter, whatever it reads,', () => {
  test('tiles time: each interval starts where the last ended, and observed + gaps = elapsed', () => {
    fc.assert(
      fc.property(readings, shares, (rows, cuts) => {
        const intervals = meterAll(rows, { cuts }).filter(
          ({ bridgedSeconds }) => bridgedSeconds === 0,
        );
        for (const [index, interval] of intervals.entries()) {
          const before = intervals[index - 1];
          if (before !== undefined) expect(interval.startSeconds).toBe(before.endSeconds);
          const gaps = Object.values(interval.gapSeconds).reduce((sum, gap) => sum + gap, 0);
          const elapsed = interval.endSeconds - interval.startSeconds;
          expect(Math.abs(interval.observedSeconds + gaps - elapsed)).toBeLessThan(1e-6);
        }
      }),
      RUNS,
    );
  });

  test('conserves energy, time and estimates under any cuts', () => {
    fc.assert(
      fc.property(readings, shares, (rows, cuts) => {
        const whole = totalsOf(meterAll(rows));
        const cut = totalsOf(meterAll(rows, { cuts }));
        const scale = Math.max(1, Math.abs(whole.energyJoules));
        expect(Math.abs(cut.energyJoules - whole.energyJoules) / scale).toBeLessThan(1e-9);
        expect(Math.abs(cut.observedSeconds - whole.observedSeconds)).toBeLessThan(1e-6);
        expect(Math.abs(cut.gapEstimateJoules - whole.gapEstimateJoules)).toBeLessThan(1e-5);
        expect(Math.abs(cut.uncertaintyJoules - whole.uncertaintyJoules) / scale).toBeLessThan(
          1e-9,
        );
      }),
      RUNS,
    );
  });

  test('does not care how readings are packed into batches', () => {
    fc.assert(
      fc.property(readings, fc.integer({ min: 1, max: 40 }), (rows, batchRows) => {
        expect(meterAll(rows, { batchRows })).toEqual(meterAll(rows));
      }),
      RUNS,
    );
  });

  test('does not care when it is', () => {
    fc.assert(
      fc.property(readings, fc.constantFrom(2 ** 14, 2 ** 20, 2 ** 30), (rows, shiftSeconds) => {
        const here = totalsOf(meterAll(rows));
        const there = totalsOf(meterAll(rows, { shiftSeconds }));
        const scale = Math.max(1, Math.abs(here.energyJoules));
        expect(Math.abs(there.energyJoules - here.energyJoules) / scale).toBeLessThan(1e-5);
      }),
      RUNS,
    );
  });

  test('never publishes NaN, and never more power than was read', () => {
    fc.assert(
      fc.property(readings, (rows) => {
        const noCounter = rows.map((row) => ({ ...row, counterJoules: NaN }));
        for (const interval of meterAll(noCounter)) {
          expect(Number.isFinite(interval.energyJoules)).toBe(true);
          expect(Number.isFinite(totalsOf([interval]).uncertaintyJoules)).toBe(true);
          expect(interval.energyJoules).toBeGreaterThanOrEqual(0);
          expect(interval.energyJoules).toBeLessThanOrEqual(350 * interval.observedSeconds + 1e-6);
        }
      }),
      RUNS,
    );
  });
});
