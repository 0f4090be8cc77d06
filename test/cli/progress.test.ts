import { expect, test } from 'vitest';

import { progressOf } from '../../agent/cli/progress.ts';
import { formatProgress } from '../../agent/report/progress.ts';
import type { DeviceSnapshot, Totals } from '../../agent/snapshot.ts';
import { instant, joules, seconds, watts } from '../../agent/units.ts';
import { lookedAt } from '../insight/doctor-facts.ts';

const unsettled: Partial<Totals> = {
  observedSeconds: seconds(0),
  bridgedSeconds: seconds(0),
  gapSeconds: {},
  energyJoules: joules(0),
  uncertaintyJoules: joules(0),
};
const settled: Partial<Totals> = {
  ...unsettled,
  observedSeconds: seconds(1),
  energyJoules: joules(71),
  uncertaintyJoules: joules(13),
};
const lost: Partial<Totals> = { ...unsettled, gapSeconds: { 'gpu-lost': 1 } };

function lineOf(...all: readonly Partial<Totals>[]): string | undefined {
  const devices = all.map((totals, index): DeviceSnapshot => {
    const { snapshot } = lookedAt({}, {}, index);
    return { ...snapshot, powerWatts: watts(71), totals: { ...snapshot.totals, ...totals } };
  });
  const progress = progressOf(
    {
      firstSeconds: instant(1e9),
      lastSeconds: instant(1e9 + 1.5),
      devices: () => devices,
      health: () => [],
    },
    'EUR',
  );
  return progress && formatProgress(progress);
}

test('the live line shows no energy before every GPU has told something', () => {
  expect(lineOf(unsettled, unsettled)).toBeUndefined();
  expect(lineOf(settled, unsettled)).toMatch(/^1\.5 s · 142\.0 W$/);
  expect(lineOf(settled, settled)).toMatch(/142 ± \d+ J/);
});

test('a GPU that is lost from the start does not keep the energy of the others back', () => {
  expect(lineOf(settled, lost)).toMatch(/71 ± \d+ J · 50 % seen/);
});

test('a run of nothing but gaps shows no joules', () => {
  expect(lineOf(lost, lost)).toBe('1.5 s · 142.0 W · 0 % seen');
});
