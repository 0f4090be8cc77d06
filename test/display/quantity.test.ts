import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { clip, clipMiddle, plain, tableLines, widthOf, wrap } from '../../agent/display/line.ts';
import {
  formatDuration,
  formatEnergy,
  formatMass,
  formatMoney,
  formatPercent,
  formatPower,
  formatValue,
} from '../../agent/display/quantity.ts';

test.each([
  [0, undefined, '0 J'],
  [12.3456, undefined, '12.35 J'],
  [3599, 12, '3,599 ± 12 J'],
  [7200, undefined, '2.000 Wh'],
  [4.4424e6, 172_800, '1.234 ± 0.048 kWh'],
  [3.6e13, 3.6e11, '10,000 ± 100 MWh'],
  [3.6e30, undefined, '1,000,000,000,000,000,000,000 MWh'],
  [-7200, 720, '-2.00 ± 0.20 Wh'],
])('formatEnergy(%d, %d) is %s', (energy, uncertainty, text) => {
  expect(formatEnergy(energy, uncertainty)).toBe(text);
});

test.each([
  [0.00012345, 'USD', undefined, '0.0001235 USD'],
  [12.3, 'USD', undefined, '12.30 USD'],
  [1234.5, 'EUR', 12, '1,234.50 ± 12.00 EUR'],
  [1234.5, 'JPY', 12, '1,235 ± 12 JPY'],
  [-0.05, 'EUR', undefined, '-0.05 EUR'],
])('formatMoney(%d %s ± %d) is %s', (amount, currency, uncertainty, text) => {
  expect(formatMoney(amount, currency, uncertainty)).toBe(text);
});

test.each([
  [0, '0 s'],
  [0.0004, '0.4 ms'],
  [0.85, '850 ms'],
  [12.34, '12.3 s'],
  [59.99, '1 min 0 s'],
  [1448.5, '24 min 9 s'],
  [3599.9, '1 h 0 min'],
  [11_100, '3 h 5 min'],
  [187_200, '2 d 4 h'],
])('formatDuration(%d) is %s', (seconds, text) => {
  expect(formatDuration(seconds)).toBe(text);
});

test.each([
  [1, '100 %'],
  [0.99999, '> 99.9 %'],
  [0.992, '99.2 %'],
  [0.0001, '< 0.1 %'],
  [0, '0 %'],
])('formatPercent(%d) is %s: never rounded to what it is not', (ratio, text) => {
  expect(formatPercent(ratio)).toBe(text);
});

test('no quantity is ever written with an exponent or as minus nothing', () => {
  const number = fc.double({ min: -1e300, max: 1e300, noNaN: true });
  fc.assert(
    fc.property(number, (value) => {
      const texts = [
        formatValue(value),
        formatEnergy(value),
        formatPower(value),
        formatMass(value),
        formatMoney(value, 'USD'),
      ];
      for (const text of texts) {
        expect(text).not.toMatch(/e[+-]?\d|NaN|Infinity|∞/);
        expect(text).not.toMatch(/^-0(?:\.0*)? /);
      }
    }),
    { seed: 20261123 },
  );
});

describe('lines', () => {
  test('clip() and wrap() count columns, not characters', () => {
    expect(clip('日本語の名前', 7)).toBe('日本語…');
    expect(widthOf(clip('👩‍👩‍👧‍👦 family run', 8))).toBeLessThanOrEqual(8);
    expect(wrap('a long sentence that has to be broken', 12)).toEqual([
      'a long',
      'sentence',
      'that has to',
      'be broken',
    ]);
  });

  test('wrap() keeps within its width and loses no word that fits', () => {
    const word = fc.stringMatching(/^[a-z日]{1,8}$/);
    fc.assert(
      fc.property(fc.array(word), fc.integer({ min: 16, max: 60 }), (words, width) => {
        const lines = wrap(words.join(' '), width);
        for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(width);
        expect(lines.join(' ')).toBe(words.join(' '));
      }),
      { seed: 20261123 },
    );
  });

  test('plain() leaves nothing that a terminal would obey', () => {
    expect(plain('a\u001B[31mb\r\nc\u202Ed\u0000')).toBe('a [31mb c d');
  });

  test('tableLines() aligns by what is seen', () => {
    const columns = [
      { title: 'name', align: 'left' },
      { title: 'W', align: 'right' },
    ] as const;
    expect(
      tableLines(columns, [
        ['日本', '1.5'],
        ['b', '10.5'],
      ]),
    ).toEqual(['name     W', '日本   1.5', 'b     10.5']);
  });
});

test.each([
  ['short', 12, 'short'],
  ['GPU-51a71a7e-0000-4000-8000-000000000000', 12, 'GPU-5…000000'],
  ['GPU-51a71a7e-0000-4000-8000-000000000003', 12, 'GPU-5…000003'],
  ['GPU-91a71a7e-0000-4000-8000-000000000003', 12, 'GPU-9…000003'],
  ['日本語の名前です', 9, '日本…です'],
])('clipMiddle() keeps both ends of %s within %i columns', (text, width, clipped) => {
  expect(clipMiddle(text, width)).toBe(clipped);
  expect(widthOf(clipMiddle(text, width))).toBeLessThanOrEqual(width);
});
