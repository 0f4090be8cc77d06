import { describe, expect, test } from 'vitest';

import { emissionsOf } from '../../agent/carbon/charge.ts';
import { marketIntensity, type Contract } from '../../agent/carbon/contract.ts';
import type { Grid } from '../../agent/carbon/grid.ts';
import { constantSchedule, type Schedule } from '../../agent/schedule.ts';
import { instant, kilowattHours } from '../../agent/units.ts';

const gridOf = (intensity: Schedule): Grid => ({
  zone: 'TST',
  dataset: 'test',
  vintage: 'none',
  provenance: 'derived',
  intensity,
});
const use = {
  startSeconds: instant(0),
  endSeconds: instant(7200),
  facilityKilowattHours: kilowattHours(2),
};
const stepAt3600: Schedule = {
  valueAt: (time) => (time < 3600 ? 100 : 300),
  nextChange: (time) => (time < 3600 ? instant(3600) : undefined),
};
const contract: Contract = {
  source: 'contract.yml',
  instruments: [{ name: 'wind PPA', share: 0.75, gramsPerKilowattHour: 12 }],
};

describe('emissionsOf()', () => {
  test('takes each part of the energy at the intensity of its time', () => {
    expect(emissionsOf(use, gridOf(stepAt3600))).toEqual({ locationBasedGrams: 400 });
  });

  test('is absent where the grid has a gap', () => {
    const gap: Schedule = { valueAt: () => undefined, nextChange: () => undefined };
    expect(emissionsOf(use, gridOf(gap))).toEqual({});
  });

  test('shows market-based beside location-based, never mixed', () => {
    const intensity = constantSchedule(400);
    const market = marketIntensity({ ...contract, residualGramsPerKilowattHour: 600 }, intensity);
    const emissions = emissionsOf(use, { ...gridOf(intensity), market });
    expect(emissions.locationBasedGrams).toBe(800);
    expect(emissions.marketBasedGrams).toBeCloseTo(2 * (0.75 * 12 + 0.25 * 600), 9);
    expect(market.method).toBe('75 % wind PPA, the rest at a residual mix of 600 g/kWh');
  });

  test('lets the grid stand for a residual mix that nobody gave, and says so', () => {
    const market = marketIntensity(contract, stepAt3600);
    const emissions = emissionsOf(use, { ...gridOf(stepAt3600), market });
    expect(emissions.marketBasedGrams).toBeCloseTo(2 * (0.75 * 12 + 0.25 * 200), 9);
    expect(market.method).toContain('the rest at the grid average');
  });
});

describe('marketIntensity()', () => {
  test.each([
    [[{ name: 'a', share: 1.2, gramsPerKilowattHour: 0 }], /the share of 'a' is 1.2/],
    [[{ name: 'a', share: 0.5, gramsPerKilowattHour: -1 }], /intensity of 'a' is -1/],
    [
      [
        { name: 'a', share: 0.6, gramsPerKilowattHour: 0 },
        { name: 'b', share: 0.6, gramsPerKilowattHour: 0 },
      ],
      /energy can be matched only once/,
    ],
  ])('refuses a contract that cannot be (%#)', (instruments, message) => {
    const impossible = { source: 'contract.yml', instruments };
    expect(() => marketIntensity(impossible, constantSchedule(1))).toThrow(message);
  });
});
