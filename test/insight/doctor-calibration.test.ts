import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { meanOf, solveCalibration } from '../../agent/insight/doctor-calibration.ts';

const at = (meterWatts: number, reportedWatts: number, scatter = 0) => ({
  meterWatts,
  reportedWatts,
  reportedUncertaintyWatts: scatter,
});

describe('solveCalibration()', () => {
  test('finds the gain and offset that made the readings', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.85, max: 1.15, noNaN: true }),
        fc.double({ min: -25, max: 25, noNaN: true }),
        fc.double({ min: 30, max: 120, noNaN: true }),
        fc.double({ min: 60, max: 600, noNaN: true }),
        (gain, offset, idleWatts, span) => {
          const loadWatts = idleWatts + span;
          const outcome = solveCalibration(
            at(idleWatts, gain * idleWatts + offset),
            at(loadWatts, gain * loadWatts + offset),
            1.5,
          );
          expect(outcome.kind).toBe('calibrated');
          if (outcome.kind !== 'calibrated') return;
          expect(outcome.gain).toBeCloseTo(gain, 9);
          expect(outcome.offsetWatts).toBeCloseTo(offset, 6);
        },
      ),
      { seed: 1 },
    );
  });

  test('leaves 0.6 % and 1 W with a perfect meter and steady readings', () => {
    expect(solveCalibration(at(50, 51), at(350, 352), 0)).toMatchObject({
      gainUncertainty: 0.006,
      offsetUncertaintyWatts: 1,
    });
  });

  test("adds the meter's own accuracy, a limit over √3, to the gain alone", () => {
    const outcome = solveCalibration(at(50, 51), at(350, 352), 1.5);
    expect(outcome).toMatchObject({ offsetUncertaintyWatts: 1 });
    if (outcome.kind === 'calibrated')
      expect(outcome.gainUncertainty).toBeCloseTo(Math.hypot(0.006, 0.015 / Math.sqrt(3)), 12);
  });

  test('adds the scatter of the readings to both', () => {
    const calm = solveCalibration(at(50, 51), at(350, 352), 1.5);
    const rough = solveCalibration(at(50, 51, 4), at(350, 352, 4), 1.5);
    if (calm.kind !== 'calibrated' || rough.kind !== 'calibrated') throw new Error('refused');
    expect(rough.gainUncertainty).toBeGreaterThan(calm.gainUncertainty);
    expect(rough.offsetUncertaintyWatts).toBeGreaterThan(calm.offsetUncertaintyWatts);
  });

  test.each([
    ['loads that are hardly apart', at(100, 100), at(110, 110), /10\.0 W apart/],
    ['a load that did not run', at(50, 50), at(350, 52), /no sensor's/],
    ['a meter that sees the whole node', at(250, 50), at(600, 400), /whole node/],
    ['swapped powers', at(350, 350), at(50, 50), /-300\.0 W apart/],
  ])('refuses %s', (_what, idle, load, message) => {
    expect(solveCalibration(idle, load, 1.5)).toEqual({
      kind: 'refused',
      message: expect.stringMatching(message),
    });
  });
});

describe('meanOf()', () => {
  test('gives the mean and how well it is known', () => {
    expect(meanOf([98, 102, 98, 102])).toEqual({
      mean: 100,
      deviation: Math.sqrt(16 / 3),
      standardError: Math.sqrt(16 / 3) / 2,
    });
  });

  test('claims nothing of one value', () => {
    expect(meanOf([100])).toBeUndefined();
  });
});
