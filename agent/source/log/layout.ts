// How a log is laid out, decided from its first lines: separator, titles, columns, order of dates, and whether its
// rows can be told apart. What cannot be read with confidence is refused here, with the way to mend it.

import { parse } from 'csv-parse/sync';

import { SourceError } from '../source.ts';
import { isPlausiblePower, powerOf, quantityOf } from './cell.ts';
import type { ColumnMapping } from './column-mapping.ts';
import { columnsOf, type Columns, type PowerColumn } from './columns.ts';
import { isHeader } from './titles.ts';
import { dateOrderEvidence, type DateOrderEvidence } from './date-order.ts';
import { inferTitles } from './infer-titles.ts';
import { interleavedGpuCount } from './interleaving.ts';
import { looksLikeTime, timestampReader } from './timestamp.ts';

/** Splits a line into its cells. */
type Split = (line: string) => string[];

/** Where everything is. */
export interface Layout {
  readonly split: Split;
  readonly columns: Columns;
  /** The header as it stands in the file. */
  readonly header: string | undefined;
  /** The order of day and month: proven, unproven, or of no matter. */
  readonly dateOrder: DateOrderEvidence;
}

/** What the caller knows about the log. */
export interface LayoutOptions {
  readonly columns?: ColumnMapping;
  readonly gpuCount?: number;
}

const isComment = (line: string): boolean => line.trimStart().startsWith('#');

/** A line without the mark that dmon and some loggers put before their header. */
export const withoutMark = (line: string): string => line.replace(/^\s*#\s*/, '');

/**
 * The layout of a log, from its first lines.
 *
 * @throws {SourceError} fatal, when the lines are no power log, or one that needs more to be said about it.
 */
export function layoutOf(file: string, lines: readonly string[], options: LayoutOptions): Layout {
  const filled = lines.filter((line) => line.trim() !== '');
  if (filled.length === 0) {
    throw new SourceError(
      `Cannot read ${file}: it is empty. Did its logger start, and is it flushed?`,
      { fate: 'fatal', reason: 'empty-file' },
    );
  }
  const split = splitterOf(filled);
  const header = headerIn(filled, split);
  const data = filled.filter((line) => line !== header && !isComment(line)).map(split);
  const titles = header === undefined ? inferTitles(data) : split(withoutMark(header));
  const columns = columnsOf(file, titles, options.columns ?? {});
  const rows = data.filter((cells) => cells.length === columns.count);
  if (rows.length === 0) {
    throw new SourceError(
      `Cannot read ${file}: ${filled.length === 1 ? 'its only line is no row' : `none of its first ${filled.length} lines is a row`} of readings under "${titles.map((title) => title.trim()).join(', ')}". Is it the right file?`,
      { fate: 'fatal', reason: 'no-rows' },
    );
  }
  refuseOtherUnit(file, rows, columns);
  const dateOrder = dateOrderEvidence();
  rows.some((cells) => dateOrder.add(timeText(cells, columns)));
  refuseInterleaved(file, rows, columns, options);
  return { split, columns, header, dateOrder };
}

/** The text of a row's time: one cell, or date and time of day joined. */
export function timeText(cells: readonly string[], columns: Columns): string {
  const text = cells[columns.timeAt] ?? '';
  if (columns.clockAt === undefined) return text;
  return `${text.trim()} ${(cells[columns.clockAt] ?? '').trim()}`;
}

/** The header: a line of known titles, or else a first line without any value over a second one with some. */
function headerIn(lines: readonly string[], split: Split): string | undefined {
  const known = lines.find((line) => isHeader(split(withoutMark(line))));
  if (known !== undefined) return known;
  const [first = '', second = ''] = lines;
  const hasValue = (line: string): boolean =>
    split(line).some((cell) => looksLikeTime(cell) || quantityOf(cell) !== undefined);
  const isSameWidth = split(first).length === split(second).length;
  return isSameWidth && !hasValue(first) && hasValue(second) ? first : undefined;
}

const SEPARATORS = [',', ';', '\t'];

function splitterOf(lines: readonly string[]): Split {
  const separates = (candidate: string): boolean =>
    lines.filter((line) => line.includes(candidate)).length > lines.length / 2;
  const heads = (candidate: string): boolean =>
    lines.some((line) => line.includes(candidate) && isHeader(line.split(candidate)));
  const separator = SEPARATORS.find(heads) ?? SEPARATORS.find(separates);
  if (separator === undefined) return (line) => line.trim().split(/\s+/);
  return (line) => (line.includes('"') ? splitQuoted(line, separator) : line.split(separator));
}

// Only a line with quotes needs the whole grammar of CSV, which alone costs as much time as everything else here.
function splitQuoted(line: string, separator: string): string[] {
  try {
    const [cells] = parse(line, { delimiter: separator, ltrim: true, relax_quotes: true });
    return cells ?? [];
  } catch {
    return line.split(separator);
  }
}

const medianOf = (values: readonly number[]): number | undefined =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

const numbersIn = (rows: readonly (readonly string[])[], column: PowerColumn): number[] =>
  rows
    .map((cells) => powerOf(cells[column.at] ?? '', column.wattsPerUnit))
    .filter((value) => typeof value === 'number');

function refuseOtherUnit(
  file: string,
  rows: readonly (readonly string[])[],
  columns: Columns,
): void {
  for (const column of columns.power) {
    const median = medianOf(numbersIn(rows, column));
    if (column.isUnitSure || median === undefined || isPlausiblePower(median)) continue;
    throw new SourceError(
      `Cannot read ${file}: column "${column.title}" holds values such as ${median} W, which no GPU draws. Say its unit: --columns "power=${column.title.replace(/\s*\[.*$/, '')} [mW]" (or [W] for a meter of a whole machine).`,
      { fate: 'fatal', reason: 'implausible-unit' },
    );
  }
}

function refuseInterleaved(
  file: string,
  rows: readonly (readonly string[])[],
  columns: Columns,
  options: LayoutOptions,
): void {
  const { uuidAt, indexAt, facts } = columns;
  const isTold = uuidAt !== undefined || indexAt !== undefined || facts.pciBusId !== undefined;
  const [column] = columns.power;
  if (isTold || options.gpuCount !== undefined || column === undefined) return;
  const times = timestampReader('UTC', 'month-first');
  const count = interleavedGpuCount(
    rows.map((cells) => times.read(timeText(cells, columns))),
    rows.map((cells) => Number(powerOf(cells[column.at] ?? '', column.wattsPerUnit))),
  );
  if (count === 1) return;
  throw new SourceError(
    `Cannot read ${file}: its rows look like ${count} GPUs in turn, and no column says whose row it is. Say --gpu-count ${count} (or 1, if it is one GPU), or log index or uuid too.`,
    { fate: 'fatal', reason: 'interleaved-rows' },
  );
}
