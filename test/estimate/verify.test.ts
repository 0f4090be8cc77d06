import { readFileSync } from 'node:fs';

import { describe, expect, test } from 'vitest';

import { POWER_CAP_V100 } from '../../agent/estimate/lever-facts.ts';
import { PUBLISHED_RUNS } from '../../agent/estimate/published.ts';
import { formatEstimate } from '../../agent/estimate/text.ts';
import { allHold, verifyPublished } from '../../agent/estimate/verify.ts';
import { corpusPath, corpusPresent } from '../corpus.ts';

interface GoldenRow {
  readonly id: string;
  readonly published_kwh?: number | null;
  readonly published_tco2e?: number | null;
  readonly published_usd?: number | null;
  readonly recomputed_kwh?: number | null;
  readonly recomputed_tco2e?: number | null;
  readonly recomputed_usd?: number | null;
  readonly implied_g_per_kwh?: number | null;
  readonly kwh_error_pct?: number | null;
  readonly tco2e_error_pct?: number | null;
}

describe('verifyPublished()', () => {
  const rows = verifyPublished();

  test('recomputes every printed figure within the error of its rounding', () => {
    expect(rows.filter((row) => !row.holds)).toEqual([]);
    expect(rows.filter((row) => row.published !== undefined).length).toBeGreaterThan(40);
  });

  test("flags Llama 3.3 and the article's 50 GWh as implausible, and nothing else", () => {
    const flagged = rows.filter((row) => row.check !== undefined);
    expect(flagged.map((row) => [row.id, row.check?.code])).toEqual([
      ['llama33-70b', 'carbon-intensity'],
      ['seed-bert-electricity', 'published-energy'],
    ]);
  });

  test('would notice a wrong figure', () => {
    const [first] = PUBLISHED_RUNS;
    if (first?.kind !== 'hours') throw new Error('unexpected table');
    const wrong = verifyPublished([{ ...first, watts: first.watts * 1.1 }]);
    expect(wrong.every((row) => !row.holds)).toBe(true);
    expect(allHold(wrong)).toBe(false);
    expect(allHold(rows)).toBe(true);
    expect(formatEstimate({ kind: 'verification', rows: wrong })).toContain(
      'strubell-tbase: outside the error of 1 %.',
    );
  });

  test('names a source for every row, under an identity of its own', () => {
    const ids = PUBLISHED_RUNS.map((run) => run.id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(PUBLISHED_RUNS.every((run) => run.source.length > 5)).toBe(true);
  });
});

describe.skipIf(!corpusPresent)('against the corpus', () => {
  const golden: { energy_carbon: GoldenRow[]; cost: GoldenRow[] } = corpusPresent
    ? JSON.parse(readFileSync(corpusPath('published', 'training-runs.json'), 'utf8'))
    : { energy_carbon: [], cost: [] };
  const rows = verifyPublished();
  const units = [
    ['kWh', 'recomputed_kwh', 'kwh_error_pct', 'published_kwh'],
    ['t CO2e', 'recomputed_tco2e', 'tco2e_error_pct', 'published_tco2e'],
    ['USD', 'recomputed_usd', undefined, 'published_usd'],
    ['g/kWh', 'implied_g_per_kwh', undefined, undefined],
  ] as const;

  test.each([...golden.energy_carbon, ...golden.cost])(
    '$id recomputes as an independent program did',
    (row) => {
      let compared = 0;
      for (const [unit, key, errorKey, publishedKey] of units) {
        const theirs = row[key];
        const ours = rows.find((each) => each.id === row.id && each.unit === unit);
        if (theirs === undefined || theirs === null) continue;
        compared += 1;
        const printed = publishedKey === undefined ? undefined : row[publishedKey];
        if (printed !== undefined && printed !== null) {
          expect(ours?.published).toBe(printed);
          expect(ours?.holds).toBe(true);
        }
        // Their figures are rounded to three decimals at most, or to one.
        expect(Math.abs((ours?.recomputed ?? NaN) - theirs)).toBeLessThanOrEqual(
          Math.max(0.05, theirs * 1e-6) * (unit === 't CO2e' ? 0.1 : 1),
        );
        const error = errorKey === undefined ? undefined : row[errorKey];
        if (error === undefined || error === null) continue;
        expect(Math.abs((ours?.errorPercent ?? NaN) - error)).toBeLessThanOrEqual(0.0051);
      }
      expect(compared).toBeGreaterThan(0);
    },
  );

  test("the lever's facts of power capping are those of the measurements", () => {
    const jobs = new Map<string, Map<string, { seconds: number; watts: number }>>();
    const [, ...lines] = readFileSync(corpusPath('powercap', 'v100.csv'), 'utf8')
      .trim()
      .split('\n');
    for (const line of lines) {
      const [dataset, network, batch, optimizer, limit = '', seconds, watts] = line.split(',');
      const key = [dataset, network, batch, optimizer].join();
      const limits = jobs.get(key) ?? new Map();
      limits.set(limit, { seconds: Number(seconds), watts: Number(watts) });
      jobs.set(key, limits);
    }
    const outcomes = [...jobs.values()].flatMap((limits) => {
      const [capped, free] = [limits.get('200'), limits.get('250')];
      if (capped === undefined || free === undefined) return [];
      const time = capped.seconds / free.seconds;
      return [{ time, energy: time * (capped.watts / free.watts) }];
    });
    const quartiles = (values: number[]): number[] => {
      const sorted = values.toSorted((a, b) => a - b);
      return [0.25, 0.5, 0.75].map((share) => {
        const at = share * (sorted.length - 1);
        const low = sorted[Math.floor(at)] ?? NaN;
        return low + (at % 1) * ((sorted[Math.ceil(at)] ?? NaN) - low);
      });
    };
    const { best, mid, worst } = POWER_CAP_V100.value;
    const facts = [best, mid, worst];
    expect(outcomes).toHaveLength(68);
    quartiles(outcomes.map((each) => each.energy)).forEach((value, position) => {
      expect(facts[position]?.gpuEnergyRatio).toBeCloseTo(value, 2);
    });
    quartiles(outcomes.map((each) => each.time)).forEach((value, position) => {
      expect(facts[position]?.timeRatio).toBeCloseTo(value, 2);
    });
  });
});
