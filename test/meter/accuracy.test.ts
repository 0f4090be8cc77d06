// How far from the truth windows are that a job marks anywhere in its load, and whether their ± holds it. Simulated; the
// table lands in docs/accuracy.md, which is kept true by this test (npx vitest run -u test/meter/accuracy.test.ts).

import { beforeAll, describe, expect, test } from 'vitest';

import {
  constantLoad,
  randomNumbers,
  sineLoad,
  squareLoad,
  sumOf,
  type Load,
} from './simulated-sensor.ts';
import { BOARDS, measureWindow, percentile, type Board, type WindowResult } from './windows.ts';

const square =
  (period: number) =>
  (phase: number): Load =>
    sumOf(constantLoad(70), squareLoad(300, period, 0.5, phase * period));
const sine =
  (period: number) =>
  (phase: number): Load =>
    sumOf(constantLoad(200), sineLoad(120, period, phase * period));

interface NamedLoad {
  readonly name: string;
  readonly periodSeconds: number;
  readonly make: (phase: number) => Load;
}

const LOADS: readonly NamedLoad[] = [
  { name: 'steady 240 W', periodSeconds: 0, make: () => constantLoad(240) },
  ...[0.02, 0.05, 0.13, 0.3, 0.43, 1, 2].map((period) => ({
    name: `square ${period} s`,
    periodSeconds: period,
    make: square(period),
  })),
  ...[0.3, 0.7, 2].map((period) => ({
    name: `sine ${period} s`,
    periodSeconds: period,
    make: sine(period),
  })),
];

interface Column {
  readonly title: string;
  readonly boards: readonly Board[];
  readonly counterPeriodSeconds?: number;
  readonly windowSeconds: number;
  readonly draws: number;
  /** Of the truth, for 95 of 100 windows. */
  readonly limit: number;
}

const fullCoverage = BOARDS.filter(
  ({ windowSeconds, periodSeconds }) => windowSeconds >= periodSeconds,
);

const COLUMNS = {
  fast: {
    title: 'counter every 20 ms, 1 s',
    boards: BOARDS,
    counterPeriodSeconds: 0.02,
    windowSeconds: 1,
    draws: 200,
    limit: 0.005,
  },
  slow: {
    title: 'counter every 100 ms, 1 s',
    boards: BOARDS,
    counterPeriodSeconds: 0.1,
    windowSeconds: 1,
    draws: 200,
    limit: 0.005,
  },
  one: {
    title: 'no counter, 1 s',
    boards: fullCoverage,
    windowSeconds: 1,
    draws: 100,
    limit: 0.02,
  },
  five: {
    title: 'no counter, 5 s',
    boards: fullCoverage,
    windowSeconds: 5,
    draws: 60,
    limit: 0.005,
  },
} as const satisfies Record<string, Column>;
type ColumnName = keyof typeof COLUMNS;
const NAMES = Object.keys(COLUMNS) as ColumnName[];

/**
 * Whether a load turns within less than two refreshes and does not average out within one: then nothing in the
 * readings tells how the energy of a refresh that a window cuts lies inside it.
 */
function hides({ periodSeconds }: NamedLoad, column: Column): boolean {
  const refresh = column.counterPeriodSeconds ?? 0.1;
  return periodSeconds < 4 * refresh && periodSeconds >= refresh / 2;
}

/**
 * Whether power steps so rarely that readings twice a refresh cannot learn when the register refreshes: then a step is
 * placed within half a refresh, and one in a window of 1 s is seen.
 */
const isRare = ({ name }: NamedLoad, column: Column): boolean =>
  name === 'square 2 s' && !('counterPeriodSeconds' in column) && column.windowSeconds === 1;

function windowsOf(column: Column, load: NamedLoad, salt: number): WindowResult[] {
  return Array.from({ length: column.draws }, (_, draw) => {
    const random = randomNumbers(7919 * draw + salt);
    const board = column.boards[draw % column.boards.length] ?? BOARDS[0];
    // Not a whole number of any load's periods.
    const windowSeconds = column.windowSeconds * (0.97 + 0.06 * random());
    return measureWindow({ ...column, board, windowSeconds, load: load.make(random()), random });
  });
}

const p95 = (ratios: readonly number[]): number => percentile(ratios, 0.95);

const errorOf = (windows: readonly WindowResult[]): number =>
  p95(windows.map(({ errorJoules, truthJoules }) => Math.abs(errorJoules / truthJoules)));

const naiveErrorOf = (windows: readonly WindowResult[]): number =>
  p95(windows.map(({ naiveErrorJoules, truthJoules }) => Math.abs(naiveErrorJoules / truthJoules)));

const insideOf = (windows: readonly WindowResult[]): number =>
  windows.filter(({ errorJoules, uncertaintyJoules }) => Math.abs(errorJoules) <= uncertaintyJoules)
    .length / windows.length;

const percent = (ratio: number): string => `${(100 * ratio).toFixed(ratio < 0.1 ? 2 : 0)} %`;

type Results = ReadonlyMap<string, Readonly<Record<ColumnName, readonly WindowResult[]>>>;

function table(results: Results): string {
  const header = ['load', ...NAMES.map((name) => COLUMNS[name].title), 'readings each second, 1 s'];
  const rows = LOADS.map((load) => {
    const found = results.get(load.name);
    const cells = NAMES.map((name) => {
      const mark = hides(load, COLUMNS[name]) ? ' *' : isRare(load, COLUMNS[name]) ? ' †' : '';
      return `${percent(errorOf(found?.[name] ?? []))}${mark}`;
    });
    return [load.name, ...cells, percent(naiveErrorOf(found?.one ?? []))];
  });
  const lines = [header, header.map((_, index) => (index === 0 ? '---' : '--:')), ...rows];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

describe('a window that a job marks anywhere in its load', () => {
  const results = new Map<string, Record<ColumnName, WindowResult[]>>();
  const at = (load: NamedLoad, name: ColumnName): readonly WindowResult[] =>
    results.get(load.name)?.[name] ?? [];

  beforeAll(() => {
    for (const [index, load] of LOADS.entries()) {
      const of = (name: ColumnName): WindowResult[] => windowsOf(COLUMNS[name], load, index);
      results.set(load.name, {
        fast: of('fast'),
        slow: of('slow'),
        one: of('one'),
        five: of('five'),
      });
    }
  });

  const cases = NAMES.flatMap((name) =>
    LOADS.map((load) => ({ name, load, title: COLUMNS[name].title, of: load.name })),
  );

  const knowable = cases.filter(
    ({ name, load }) => !hides(load, COLUMNS[name]) && !isRare(load, COLUMNS[name]),
  );

  test.each(knowable)('$title, $of: 95 of 100 within the limit', ({ name, load }) => {
    expect(errorOf(at(load, name))).toBeLessThanOrEqual(COLUMNS[name].limit);
  });

  test.each(cases)('$title, $of: the truth is inside ± in 95 of 100', ({ name, load }) => {
    expect(insideOf(at(load, name))).toBeGreaterThanOrEqual(0.93);
  });

  test('is as the documentation has it', async () => {
    await expect(`${INTRODUCTION}\n${table(results)}\n`).toMatchFileSnapshot(
      '../../docs/accuracy.md',
    );
  });
});

const INTRODUCTION = `# How near the truth a window comes

Error of the energy of a window that is marked anywhere in its load, against the closed-form truth: the value that 95 of
100 windows stay below. Simulated: four boards (window/period 100/100, 1000/100, 25/100 and 10/20 ms; without a counter
the two that see all of the time), random phases, gain and offset removed. The last column is what readings once a
second, each held until the next, would have said.

A star marks loads that turn within less than two refreshes and do not average out within one: two such loads can give
the same readings and differ in a window's energy, so no meter can tell them apart. There the stated ± is wide, and it
holds the truth of at least 93 of 100 windows of each cell, as everywhere in this table. The dagger marks a load that
steps so rarely that two readings a refresh do not teach when the register refreshes.

\`npx vitest run test/meter/accuracy.test.ts\` makes this table and fails when it changes.
`;
