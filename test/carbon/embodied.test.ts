import { expect, test } from 'vitest';

import { embodiedFigureOf, embodiedGrams, embodiedOfRun } from '../../agent/carbon/embodied.ts';
import { waterLitres } from '../../agent/carbon/water.ts';
import { kilowattHours } from '../../agent/units.ts';

test('embodiedGrams() reproduces the golden case: 1000 kg over 4 years, 1 h', () => {
  const share = { totalKilograms: 1000, reservedSeconds: 3600, lifeYears: 4 };
  expect(embodiedGrams(share)).toBeCloseTo(28.54, 2);
  expect(embodiedGrams({ ...share, reservedRatio: 0.25 })).toBeCloseTo(28.54 / 4, 2);
});

test.each([
  ['NVIDIA H100 80GB HBM3', 164],
  ['NVIDIA B200', 284.25],
  ['NVIDIA A100-SXM4-80GB', 138.8],
  ['A100-PCIE-40GB', 138.8],
])('embodiedFigureOf() knows %s', (model, kilograms) => {
  expect(embodiedFigureOf(model)?.kilogramsPerGpu).toBeCloseTo(kilograms, 6);
  expect(embodiedFigureOf(model)?.source).not.toBe('');
});

test.each(['NVIDIA H100 PCIe', 'NVIDIA GB200', 'NVIDIA H200', 'Tesla V100-SXM2-16GB', 'unknown'])(
  'embodiedFigureOf() has no figure for %s: absent, not a guess',
  (model) => {
    expect(embodiedFigureOf(model)).toBeUndefined();
  },
);

test('embodiedOfRun() adds up the GPUs, with the source and the assumed life', () => {
  const run = { models: ['NVIDIA B200', 'NVIDIA H100 80GB HBM3'], reservedSeconds: 3600 };
  const embodied = embodiedOfRun(run);
  expect(embodied?.embodiedGrams).toBeCloseTo(((284.25 + 164) * 1000) / (4 * 8760), 9);
  expect(embodied?.provenance).toBe('assumed');
  // The whole is labelled assumed: its life needs no label of its own.
  expect(embodied?.source).toMatch(/HGX B200.*HGX H100.* over 4 years$/);
  expect(embodiedOfRun({ ...run, kilogramsPerGpu: 100 })?.source).toMatch(/4 years \(assumed\)$/);
});

test('embodiedOfRun() takes the given kilograms for any hardware, and has none for unknown hardware', () => {
  const run = { models: ['unknown', 'NVIDIA B200'], reservedSeconds: 3600 };
  expect(embodiedOfRun(run)).toBeUndefined();
  expect(embodiedOfRun({ ...run, models: [] })).toBeUndefined();
  expect(embodiedOfRun({ ...run, kilogramsPerGpu: 100, lifeYears: 5 })).toEqual({
    embodiedGrams: (200 * 1000 * 3600) / (5 * 8760 * 3600),
    provenance: 'derived',
    source: '100 kg per GPU as given, over 5 years',
  });
});

test('waterLitres() applies PUE to the power station alone', () => {
  const factors = {
    waterUsageEffectiveness: 1.8,
    energyWaterIntensityFactor: 3,
    powerUsageEffectiveness: 1.5,
  };
  expect(waterLitres(kilowattHours(10), factors)).toBeCloseTo(10 * (1.8 + 4.5), 9);
});
