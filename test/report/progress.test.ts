import { describe, expect, test } from 'vitest';

import { widthOf } from '../../agent/display/line.ts';
import { formatProgress } from '../../agent/report/progress.ts';

const full = {
  elapsedSeconds: 1448,
  powerWatts: 1240.4,
  gpuJoules: 1.79e6,
  uncertaintyJoules: 48_000,
  energyCost: 0.0497,
  currency: 'USD',
  locationBasedGrams: 22,
  coverageRatio: 1,
};

describe('formatProgress()', () => {
  test('tells time, power, energy, money and grams', () => {
    expect(formatProgress(full)).toBe(
      '24 min 8 s · 1,240 W · 0.497 ± 0.013 kWh · 0.0497 USD · 22.00 g CO2e',
    );
  });

  test('says that there is no reading, not 0 W', () => {
    const { powerWatts: _, ...lost } = full;
    expect(formatProgress({ ...lost, coverageRatio: 0.912 })).toContain(
      'no reading · 0.497 ± 0.013 kWh · 91.2 % seen',
    );
  });

  test('leaves out an energy that nobody knows yet', () => {
    const { gpuJoules: _, uncertaintyJoules: __, energyCost: ___, ...early } = full;
    expect(formatProgress(early)).toBe('24 min 8 s · 1,240 W · 22.00 g CO2e');
  });

  test('counts steps and what is left of them', () => {
    expect(formatProgress({ ...full, steps: 400, totalSteps: 600 })).toContain(
      'step 400/600, 12 min 4 s left',
    );
  });

  test.each([80, 60, 40, 20, 5])('stays within %d columns and keeps the first things', (width) => {
    const busy = {
      ...full,
      trouble: 'nvml: timeout\nagain',
      steps: 1,
      totalSteps: 9,
      coverageRatio: 0.5,
    };
    const line = formatProgress(busy, width);
    expect(widthOf(line)).toBeLessThanOrEqual(width);
    expect(line).not.toContain('\n');
    expect(line.startsWith('24 m')).toBe(true);
  });
});
