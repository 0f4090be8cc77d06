// A finished report under another price, PUE and zone: every figure from the joules that it holds.

import { expect, test } from 'vitest';

import { co2jsGrid } from '../../agent/carbon/co2js.ts';
import { flatTariff } from '../../agent/price/flat.ts';
import { buildReport } from '../../agent/report/build.ts';
import { underFlat } from '../../agent/report/finished.ts';
import { formatJson } from '../../agent/report/json.ts';
import { parseReport } from '../../agent/report/schema.ts';
import { known } from '../known.ts';
import { booksOf, everything, fourFull, inputOf, lineOf } from './books.ts';

const tariff = flatTariff({ pricePerKilowattHour: 0.4, currency: 'EUR' });
const grid = co2jsGrid({ zone: 'FRA' });
const PUE = 1.5;
const options = [{ option: '--pue', after: PUE }];
const kilowattHours = (joules: number): number => (joules * PUE) / 3.6e6;

test.each([
  ['four GPUs with gaps, a host and windows', fourFull],
  ['a report with everything beside it', everything],
])('%s: lines, windows and wholes come of their own joules', (_, input) => {
  const report = buildReport(input);
  const anew = underFlat(report, { tariff, grid, powerUsageEffectiveness: PUE, options });
  const energy = kilowattHours(known(report.energy.itJoules));
  expect(anew.energy).toMatchObject({
    gpuJoules: report.energy.gpuJoules,
    powerUsageEffectiveness: PUE,
    powerUsageEffectivenessProvenance: 'derived',
  });
  expect(anew.compute.energyKilowattHours).toBeCloseTo(energy, 12);
  expect(anew.cost).toMatchObject({ currency: 'EUR', pricePerKilowattHourMean: 0.4 });
  expect(anew.cost.energyCost).toBeCloseTo(energy * 0.4, 12);
  expect(anew.carbon).toMatchObject({
    zone: 'FRA',
    locationBasedGrams: expect.closeTo(energy * 44.18, 9) as number,
  });
  for (const [position, line] of [...anew.devices, ...(anew.hosts ?? [])].entries()) {
    const before = [...report.devices, ...(report.hosts ?? [])][position];
    const own = kilowattHours(known(before?.energyJoules));
    expect(line.energyCost).toBeCloseTo(own * 0.4, 12);
    expect(line.locationBasedGrams).toBeCloseTo(own * 44.18, 9);
    expect(line).not.toHaveProperty('marketBasedGrams');
  }
  for (const [position, window] of anew.windows.entries()) {
    const own = kilowattHours(known(report.windows[position]?.gpuJoules));
    expect(window.energyCost).toBeCloseTo(own * 0.4, 12);
    expect(window.locationBasedGrams).toBeCloseTo(own * 44.18, 9);
  }
  expect(anew.repriced?.before?.cost.currency).toBe(report.cost.currency);
  // It is a report as any other.
  expect(parseReport(formatJson(anew), 'anew')).toEqual(anew);
});

test('changes nothing that is not asked for', () => {
  const report = buildReport(inputOf(booksOf([lineOf(0, 300), lineOf(1, 200)])));
  const { repriced: _, ...same } = underFlat(report, { options: [] });
  expect(same).toEqual(report);
});
