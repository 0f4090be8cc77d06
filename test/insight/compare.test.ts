import { describe, expect, test } from 'vitest';

import { known } from '../known.ts';
import { formatComparison } from '../../agent/insight/compare-text.ts';
import { compareRuns, failuresAbove } from '../../agent/insight/compare.ts';
import { widthOf } from '../../agent/display/line.ts';
import { buildReport } from '../../agent/report/build.ts';
import type { Report } from '../../agent/report/report.ts';
import { booksOf, deviceOf, fourFull, inputOf, lineOf, nothing } from '../report/books.ts';

const named = (name: string, report: Report): Report => ({
  ...report,
  run: { ...report.run, name },
});
const runOf = (name: string, powerWatts: number, uuid?: string): Report => {
  const line = lineOf(0, powerWatts);
  const device = uuid === undefined ? line.device : deviceOf(0, { uuid });
  return named(name, buildReport(inputOf(booksOf([{ ...line, device }]))));
};

const energyOf = (...reports: readonly Report[]) =>
  compareRuns(reports).rows.find(({ quantity }) => quantity === 'gpu-energy')?.values;

describe('compareRuns()', () => {
  test('finds a small difference on the same board, whose gain and offset cancel', () => {
    const [, other] = energyOf(runOf('a', 300), runOf('b', 303)) ?? [];
    expect(other?.differenceRatio).toBeCloseTo(0.01, 9);
    // 2·√((0.025·3 W·t)² + 2·(12 J)²) against 300 W·t
    expect(other?.differenceUncertaintyRatio).toBeCloseTo(
      (2 * Math.hypot(0.025 * 3 * 1448.5, 12, 12)) / (300 * 1448.5),
      9,
    );
    expect(other?.verdict).toBe('more');
  });

  test('does not claim the same difference between two boards', () => {
    const [, other] = energyOf(runOf('a', 300), runOf('b', 303, 'GPU-other')) ?? [];
    expect(other?.differenceUncertaintyRatio).toBeGreaterThan(0.05);
    expect(other?.verdict).toBe('within-uncertainty');
  });

  test('says less where it is less, and nothing of the baseline', () => {
    const [base, other] = energyOf(runOf('a', 300), runOf('b', 200)) ?? [];
    expect(base).not.toHaveProperty('differenceRatio');
    expect(other?.verdict).toBe('less');
  });

  test('knows joules per step where both counted steps', () => {
    const a = buildReport(fourFull);
    const b = {
      ...a,
      windows: a.windows.map((window) => ({ ...window, gpuJoules: known(window.gpuJoules) * 2 })),
    };
    const row = compareRuns([a, b]).rows.find(({ quantity }) => quantity === 'energy-per-step');
    expect(row?.values[0]?.value).toBeCloseTo((1235.4 * 600) / 1200, 6);
    expect(row?.values[1]?.differenceRatio).toBeCloseTo(1, 9);
  });

  test('compares no costs in different currencies, and says so', () => {
    const euro = { ...runOf('b', 300), cost: { ...runOf('b', 300).cost, currency: 'EUR' } };
    const comparison = compareRuns([runOf('a', 300), euro]);
    const cost = comparison.rows.find(({ quantity }) => quantity === 'cost');
    expect(cost?.values[1]).not.toHaveProperty('differenceRatio');
    expect(comparison.cautions).toContainEqual(expect.stringContaining('different currencies'));
  });

  test('wants two runs', () => {
    expect(() => compareRuns([runOf('a', 300)])).toThrow(/Name at least two/);
  });
});

describe('failuresAbove()', () => {
  test.each([
    [5, 310, 0],
    [5, 315, 0],
    [5, 316, 1],
    [0, 250, 0],
    [0, 301, 1],
  ])('with a limit of %d percent, %d W after 300 W are %d failures', (limit, powerWatts, count) => {
    const comparison = compareRuns([runOf('a', 300), runOf('b', powerWatts)]);
    expect(failuresAbove(comparison, limit)).toHaveLength(count);
  });

  test('has no mercy with a run that was not measured', () => {
    const comparison = compareRuns([runOf('a', 300), named('dark', buildReport(nothing))]);
    expect(failuresAbove(comparison, 1000)).toEqual([
      { run: 'dark', reason: 'its GPU energy cannot be compared with the first run' },
    ]);
    expect(comparison.cautions).toEqual(['dark: its energy was not measured.']);
  });
});

describe('formatComparison()', () => {
  const comparison = compareRuns([
    runOf('baseline', 300),
    runOf('with a name that is much too long for a column', 303),
    named('four GPUs', buildReport(fourFull)),
    named('dark', buildReport(nothing)),
  ]);

  test('prints its golden file', async () => {
    await expect(formatComparison(comparison)).toMatchFileSnapshot('golden/comparison.txt');
  });

  test('keeps within 80 columns', () => {
    for (const line of formatComparison(comparison).split('\n')) {
      expect(widthOf(line)).toBeLessThanOrEqual(80);
    }
  });
});
