// A log without a header: titles guessed from the shapes of its values, or admitted to be unknown.

import { quantityOf, wattsPerUnit } from './cell.ts';
import { titleKind } from './titles.ts';
import { looksLikeTime } from './timestamp.ts';

const UUID = /^(?:GPU|MIG)-[0-9a-f]{8}-/i;
const DATE = /^\d{4}[-/.]?\d{2}[-/.]?\d{2}$|^\d{1,2}[-/.]\d{1,2}[-/.]\d{4}$/;
const CLOCK = /^\d{1,2}:\d{2}:\d{2}(?:[.,]\d+)?$/;

/** Titles for a log that has none: `timestamp`, `power.draw [W]`, `index`, `uuid`, … ; unknown columns are numbered. */
export function inferTitles(rows: readonly (readonly string[])[]): string[] {
  const width = commonest(rows.map((row) => row.length));
  const whole = rows.filter((row) => row.length === width);
  const columns = Array.from({ length: width }, (_, at) =>
    whole.map((row) => (row[at] ?? '').trim()),
  );
  const titles = columns.map((cells, at) => titleBefore(columns, at) ?? titleOf(cells, at));
  if (!titles.some((title) => titleKind(title) === 'power')) nameByDecimals(columns, titles);
  return onlyFirstVaryingPower(columns, titles);
}

function commonest(values: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].reduce((best, entry) => (entry[1] > best[1] ? entry : best), [0, 0])[0];
}

const allMatch = (cells: readonly string[], test: (cell: string) => boolean): boolean =>
  cells.length > 0 && cells.every(test);

/** Most cells: an error token here and there does not hide what a column is. */
const mostMatch = (cells: readonly string[], test: (cell: string) => boolean): boolean =>
  cells.filter(test).length > cells.length / 2;

function titleOf(cells: readonly string[], at: number): string {
  if (mostMatch(cells, (cell) => UUID.test(cell))) return 'uuid';
  if (mostMatch(cells, looksLikeTime)) return 'timestamp';
  if (mostMatch(cells, (cell) => DATE.test(cell))) return 'date';
  if (mostMatch(cells, (cell) => CLOCK.test(cell))) return 'time';
  if (mostMatch(cells, isWatts)) return 'power.draw [W]';
  if (isCycleFromZero(cells)) return 'index';
  return `column ${at + 1}`;
}

function isWatts(cell: string): boolean {
  const unit = quantityOf(cell)?.unit;
  return unit !== undefined && wattsPerUnit(unit) !== undefined;
}

// Some meters write `Time,…,Watts,…`: each value behind its title.
function titleBefore(columns: readonly (readonly string[])[], at: number): string | undefined {
  const label = columns[at - 1]?.[0];
  if (label === undefined || titleKind(label) === undefined) return undefined;
  const isLabel = allMatch(columns[at - 1] ?? [], (cell) => cell === label);
  return isLabel ? label : undefined;
}

// 0, 1, 2, 3, 0, 1, …: anything else that is a small number may be a temperature.
function isCycleFromZero(cells: readonly string[]): boolean {
  const length = cells.indexOf('0', 1);
  return (
    length > 1 &&
    allMatch(
      [...cells.entries()].map(([at, cell]) => (cell === String(at % length) ? '' : cell)),
      (rest) => rest === '',
    )
  );
}

// nvidia-smi's `nounits`: power has two decimals, and nothing else that people log has any.
function nameByDecimals(columns: readonly (readonly string[])[], titles: string[]): void {
  const decimal = columns.flatMap((cells, at) =>
    (titles[at] ?? '').startsWith('column') &&
    mostMatch(cells, (cell) => /^\d+\.\d{1,3}$/.test(cell))
      ? [at]
      : [],
  );
  const [only] = decimal;
  if (decimal.length === 1 && only !== undefined) titles[only] = 'power.draw [W]';
}

// `power.draw, power.limit`: both carry watts, and the limit is the one that never moves.
function onlyFirstVaryingPower(
  columns: readonly (readonly string[])[],
  titles: string[],
): string[] {
  const powers = titles.flatMap((title, at) => (title === 'power.draw [W]' ? [at] : []));
  const varies = (at: number): boolean => new Set(columns[at]).size > 1;
  const chosen = powers.find(varies) ?? powers[0];
  return titles.map((title, at) =>
    title === 'power.draw [W]' && at !== chosen ? `column ${at + 1}` : title,
  );
}
