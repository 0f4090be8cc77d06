import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

import { averageIntensity } from '@tgwf/co2/data';
import { expect, test } from 'vitest';

import { CO2JS_VERSION, co2jsGrid, yearsAvailable } from '../../agent/carbon/co2js.ts';
import { instant } from '../../agent/units.ts';

const root = resolve(import.meta.dirname, '../..');
const read = (path: string): Record<string, unknown> =>
  JSON.parse(readFileSync(resolve(root, path), 'utf8')) as Record<string, unknown>;

test('the version in reports is the one installed, and the only one that package.json allows', () => {
  expect(read('node_modules/@tgwf/co2/package.json')['version']).toBe(CO2JS_VERSION);
  expect(read('package.json')['dependencies']).toMatchObject({ '@tgwf/co2': CO2JS_VERSION });
});

test('co2jsGrid() names data set, version and that no year is stated', () => {
  const grid = co2jsGrid({ zone: 'FRA' });
  expect(grid.zone).toBe('FRA');
  expect(grid.dataset).toBe('Ember averages in @tgwf/co2 0.19.0');
  expect(grid.vintage).toBe('yearly average; the package states no year');
  expect(grid.intensity.valueAt(instant(0))).toBe(averageIntensity.data['FRA']);
});

test.each([
  ['de', 'DEU'],
  ['DE', 'DEU'],
  ['usa', 'USA'],
  [' IND ', 'IND'],
  ['XK', 'XKX'],
  ['EU', 'EU'],
  ['world', 'WORLD'],
])('co2jsGrid() takes %j for %s', (zone, key) => {
  expect(co2jsGrid({ zone }).zone).toBe(key);
});

test('co2jsGrid() takes a 0 of the package for what it is: a missing value', () => {
  expect(averageIntensity.data['CAF']).toBe(0);
  expect(() => co2jsGrid({ zone: 'CAF' })).toThrow(
    /^Zone CAF: its carbon intensity is missing .* --grid FILE/,
  );
});

test.each([
  ['DUE', /Perhaps .*DEU \(Germany\)/],
  ['Germany', /Perhaps DEU \(Germany\) is meant\./],
  ['korea', /KOR \(Korea/],
  ['Q9', /Give a country as three letters/],
  ['', /Give a country as three letters/],
])('co2jsGrid() refuses %j in one line and says what was perhaps meant', (zone, mend) => {
  expect(() => co2jsGrid({ zone })).toThrow(mend);
  expect(() => co2jsGrid({ zone })).toThrow(/^[^\n]*$/);
});

test('co2jsGrid() has other years only where a data set states them', () => {
  expect(yearsAvailable()).toContain(2024);
  const germany = co2jsGrid({ zone: 'DEU', atYear: 2024 });
  expect(germany).toMatchObject({ zone: 'DEU', vintage: 'yearly average of 2024' });
  expect(germany.dataset).toContain('Electricity Maps');
  const texas = co2jsGrid({ zone: 'US-TEX-ERCO', atYear: 2024 });
  expect(texas.zone).toBe('US-TEX-ERCO');
  expect(() => co2jsGrid({ zone: 'DEU', atYear: 1999 })).toThrow(/^Year 1999: .* of 2021, .* only/);
  expect(() => co2jsGrid({ zone: 'WORLD', atYear: 2024 })).toThrow(/^Zone 'WORLD': .* for 2024/);
});
