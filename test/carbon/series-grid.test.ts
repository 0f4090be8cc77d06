import { describe, expect, test } from 'vitest';

import { readContract } from '../../agent/carbon/contract-file.ts';
import { seriesGrid } from '../../agent/carbon/series-grid.ts';
import { instant } from '../../agent/units.ts';

const OPTIONS = { fileName: 'grid.csv', timeZone: 'UTC', gap: 'error' } as const;
const at = (time: string) => instant(Date.parse(time) / 1e3);
const rows = (...values: readonly string[]): string =>
  values
    .map((value, hour) => `2026-01-01T0${hour}:00Z,2026-01-01T0${hour + 1}:00Z,${value}`)
    .join('\n');

describe('seriesGrid()', () => {
  test('is a step function in g/kWh that says where it comes from', () => {
    const grid = seriesGrid(rows('100', '300'), { ...OPTIONS, zone: 'DEU' });
    expect(grid.intensity.valueAt(at('2026-01-01T00:59:59Z'))).toBe(100);
    expect(grid.intensity.valueAt(at('2026-01-01T01:00:00Z'))).toBe(300);
    expect(grid.intensity.valueAt(at('2026-01-01T02:00:00Z'))).toBeUndefined();
    expect(grid).toMatchObject({ zone: 'DEU', dataset: 'grid.csv', provenance: 'derived' });
    expect(grid.vintage).toMatch(/^series of 2 values, 2026-01-01T00:00.* to 2026-01-01T02:00/);
  });

  test.each([
    ['g/kWh', 1],
    ['gCO2eq/kWh', 1],
    ['g CO2e / kWh', 1],
    ['kg CO₂/MWh', 1],
    ['t/MWh', 1000],
    ['lb/MWh', 0.45359237],
    ['lbs CO2/MWh', 0.45359237],
  ])('takes values in %s', (unit, factor) => {
    const grid = seriesGrid(`start,end,value [${unit}]\n${rows('200')}`, OPTIONS);
    expect(grid.intensity.valueAt(at('2026-01-01T00:30:00Z'))).toBeCloseTo(200 * factor, 9);
  });

  test('lets the file name its zone and data set', () => {
    const about = '# zone: GBR\n# dataset: national grid\n# vintage: 2025 final\n';
    expect(seriesGrid(about + rows('1'), { ...OPTIONS, zone: 'DEU' })).toMatchObject({
      zone: 'GBR',
      dataset: 'national grid',
      vintage: '2025 final',
    });
  });

  test.each([
    [rows('100', '-5'), /grid\.csv: the intensity at 2026-01-01T01:00.* is -5\. Write 0 or more/],
    [rows('NaN'), /grid\.csv row 1/],
    [`start,end,value [EUR/MWh]\n${rows('1')}`, /'EUR\/MWh' is no unit of carbon intensity/],
    ['', /there is no row/],
  ])('refuses what is no series of intensities, in one line (%#)', (text, message) => {
    expect(() => seriesGrid(text, OPTIONS)).toThrow(message);
    expect(() => seriesGrid(text, OPTIONS)).toThrow(/^[^\n]*$/);
  });
});

describe('readContract()', () => {
  test('reads YAML', () => {
    const text = `
instruments:
  - { name: wind PPA, share: 0.75, gramsPerKilowattHour: 12 }
residualGramsPerKilowattHour: 600
`;
    expect(readContract(text, 'contract.yml')).toEqual({
      source: 'contract.yml',
      instruments: [{ name: 'wind PPA', share: 0.75, gramsPerKilowattHour: 12 }],
      residualGramsPerKilowattHour: 600,
    });
  });

  test.each(['', '[]', 'instruments: []', 'instruments: [{name: a}]', '{'])(
    'refuses %j in one line with the mend',
    (text) => {
      expect(() => readContract(text, 'contract.yml')).toThrow(/^contract\.yml[^\n]*$/);
    },
  );
});
