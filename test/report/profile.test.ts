import { expect, test } from 'vitest';

import type { Interval } from '../../agent/model.ts';
import { createPowerProfile } from '../../agent/report/profile.ts';
import { instant, joules, seconds } from '../../agent/units.ts';

const interval = (uuid: string, start: number, end: number, watts: number): Interval => ({
  uuid,
  startSeconds: instant(start),
  endSeconds: instant(end),
  method: 'integral',
  energyJoules: joules(watts * (end - start)),
  observedSeconds: seconds(end - start),
  gapSeconds: {},
  gapEstimateJoules: joules(0),
  gapEstimateUncertaintyJoules: joules(0),
  bridgedSeconds: seconds(0),
  uncertainty: {
    gainJoules: 0,
    offsetJoules: 0,
    aliasJoules: 0,
    startEdgeJoules: 0,
    endEdgeJoules: 0,
    independentJoulesSquared: 0,
  },
  sampleCount: 10,
  wallOffsetSeconds: 0,
});

test('createPowerProfile() adds the devices up, second by second', () => {
  const profile = createPowerProfile();
  for (let second = 0; second < 3; second += 1) {
    profile.add(interval('a', 100 + second, 101 + second, 300));
    profile.add(interval('b', 100 + second, 101 + second, 100 * second));
  }
  const { timeSeconds, powerWatts } = profile.series();
  expect([...(timeSeconds as Float64Array)]).toEqual([100.5, 101.5, 102.5]);
  expect([...(powerWatts as Float64Array)]).toEqual([300, 400, 500]);
});

test('createPowerProfile() knows no power where one device was not observed', () => {
  const profile = createPowerProfile();
  profile.add(interval('a', 0, 1, 300));
  profile.add(interval('b', 0, 1, 300));
  profile.add(interval('a', 1, 2, 300));
  expect([...(profile.series().powerWatts as Float64Array)]).toEqual([600, Number.NaN]);
});

test('createPowerProfile() stays small and keeps the mean over a day', () => {
  const profile = createPowerProfile();
  for (let second = 0; second < 86_400; second += 1)
    profile.add(interval('a', second, second + 1, second % 2 === 0 ? 100 : 300));
  const { powerWatts } = profile.series();
  expect(powerWatts.length).toBeLessThanOrEqual(2048);
  for (const power of powerWatts as Float64Array) expect(power).toBeCloseTo(200, 6);
});
