import { describe, expect, test } from 'vitest';

import { widthOf } from '../../agent/display/line.ts';
import { buildReport } from '../../agent/report/build.ts';
import type { ReportInput } from '../../agent/report/input.ts';
import { formatText } from '../../agent/report/text.ts';
import { known } from '../known.ts';
import {
  booksOf,
  deviceOf,
  everything,
  fourFull,
  inputOf,
  lineOf,
  nothing,
  onePlain,
  sixtyFour,
  totalsOf,
} from './books.ts';

const GOLDEN: readonly (readonly [string, ReportInput])[] = [
  ['one-plain', onePlain],
  ['four-full', fourFull],
  ['everything', everything],
  ['sixty-four', sixtyFour],
  ['nothing', nothing],
];

const textOf = (input: ReportInput): string => formatText(buildReport(input));

describe('formatText()', () => {
  test.each(GOLDEN)('prints %s as its golden file', async (name, input) => {
    await expect(textOf(input)).toMatchFileSnapshot(`golden/${name}.txt`);
  });

  test.each(GOLDEN)('keeps %s within 80 columns, with no space at a line end', (_, input) => {
    for (const line of textOf(input).split('\n')) {
      expect(widthOf(line)).toBeLessThanOrEqual(80);
      expect(line).toBe(line.trimEnd());
    }
  });

  test('uses colour only when told, and says the same with it', () => {
    const report = buildReport(fourFull);
    const plain = formatText(report);
    const coloured = formatText(report, { colour: true });
    // oxlint-disable-next-line no-control-regex -- colours are escape sequences
    const escapes = /\u001B\[\d+m/g;
    expect(plain).not.toMatch(escapes);
    expect(coloured).toMatch(escapes);
    expect(coloured.replaceAll(escapes, '')).toBe(plain);
  });

  test('marks what was assumed, modelled or left out', () => {
    const plain = textOf(onePlain);
    expect(plain).toMatch(/PUE 1 \(assumed\)/);
    expect(plain).toMatch(/0\.10 USD\/kWh \(assumed\)/);
    expect(plain).toMatch(/Carbon +not known: no grid zone was given/);
    const full = textOf(fourFull);
    expect(full).toMatch(/Host energy .* assumed/);
    expect(full).toMatch(/In the gaps .* modelled; not in any figure above/);
    expect(full).toMatch(/Ember averages in @tgwf\/co2/);
    expect(full).not.toMatch(/EUR\/kWh \(assumed\)/);
  });

  test('never shows a GPU that was not read as one that drew nothing', () => {
    const { method: _, ...empty } = totalsOf(0, { gapSeconds: { 'gpu-lost': 1448.5 } });
    const dead = { ...lineOf(1, 0), totals: { ...empty, sampleCount: 0 } };
    const text = textOf(inputOf(booksOf([lineOf(0, 300), dead])));
    expect(text).toMatch(/1 {2}GPU-0…000001 +not measured/);
    expect(textOf(inputOf(booksOf([dead])))).toMatch(/GPU energy +not measured/);
  });

  test('says that k holds the PUE and the host, and is not mean ÷ rated power', () => {
    const books = booksOf([lineOf(0, 300)]);
    const note = (pue: number): string =>
      textOf({
        ...inputOf(books),
        powerUsageEffectiveness: { value: pue, provenance: 'derived' },
      }).replaceAll(/\s+/g, ' ');
    expect(note(1.3)).toContain(
      'measured: E_compute = k·T·P, P 400.0 W rated; E_compute holds PUE 1.3 ',
    );
    expect(note(1)).not.toContain('E_compute holds');
  });

  test('names no host where it is not known', () => {
    const books = booksOf([lineOf(0, 300)]);
    const text = textOf(inputOf({ ...books, run: { ...books.run, host: 'unknown' } }));
    expect(text).not.toContain('unknown');
    expect(text).toMatch(/^2026-11-23 08:00:00 – /m);
  });

  test('labels modelled accelerators', () => {
    const device = deviceOf(0, { powerOrigin: 'modelled', source: 'tpu', model: 'TPU v4' });
    const line = { ...lineOf(0, 200), device };
    const text = textOf(inputOf(booksOf([line])));
    expect(text).toMatch(/Modelled energy .* ± .* modelled from duty cycle, no sensor/);
    expect(text).not.toMatch(/GPU energy/);
    const flat = text.replaceAll(/\s+/g, ' ');
    for (const label of [
      'E_compute',
      'Energy cost',
      'Carbon \\(CO2e\\)',
      'Per GPU-hour',
      'Mean power',
    ])
      expect(flat).toMatch(new RegExp(`${label} [^;]*(;[^;]*){0,3}; modelled energy`));
    expect(flat).toContain('± is an assumption about the model');
  });

  test('gives the carbon of a modelled accelerator its ±, and calls a mixture partly modelled', () => {
    const device = deviceOf(1, { powerOrigin: 'modelled', source: 'tpu', model: 'TPU v4' });
    const modelled = { ...lineOf(1, 200), device };
    const { carbon, energy, devices } = buildReport(inputOf(booksOf([modelled])));
    const uncertainty = known(devices[0]?.uncertaintyJoules);
    expect(uncertainty).toBeGreaterThan(0);
    expect(carbon).toMatchObject({
      uncertaintyGrams: expect.closeTo((uncertainty / 3.6e6) * 44.18, 9),
    });
    expect(energy).not.toHaveProperty('gpuJoules');
    const mixed = textOf(inputOf(booksOf([lineOf(0, 300), modelled])));
    expect(mixed.replaceAll(/\s+/g, ' ')).toMatch(/E_compute .* partly modelled energy/);
    expect(textOf(inputOf(booksOf([lineOf(0, 300)])))).not.toContain('modelled energy');
  });

  test('prints names from outside on one line, without what a terminal would obey', () => {
    const books = booksOf([lineOf(0, 300)]);
    const run = {
      ...books.run,
      name: 'a\u001B[31m\nb',
      command: ['sh', '-c', 'x\n\u0007y'.repeat(60)],
    };
    const text = textOf(inputOf({ ...books, run }));
    // oxlint-disable-next-line no-control-regex -- colours are escape sequences
    expect(text).not.toMatch(/[\u0000-\u0009\u000B-\u001F]/);
    expect(text.split('\n')[0]).toMatch(/^a \[31m b +exit code 0$/);
    expect(text.split('\n')[1]).toMatch(/…$/);
  });

  test('counts the lines of input that were not understood, and names the first', () => {
    const malformed = Array.from({ length: 5 }, (_, row) => ({
      line: row + 7,
      reason: 'power.draw is "ERR!"',
    }));
    const inputs = [{ file: 'gpu.csv', rows: 14_485, malformed, malformedCount: 1205 }];
    const text = textOf({ ...onePlain, inputs }).replaceAll('\n', ' ');
    expect(text).toContain('gpu.csv, 14,485 rows; 1,205 lines not understood: line 7: power.draw');
    expect(text).toContain('and 1,202 more');
  });
});
