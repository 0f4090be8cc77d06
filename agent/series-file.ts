// The reader of series files, CSV or JSON or YAML: text in, checked rows and the file's own words about itself out.
// Prices, grid intensities and site loads share it. Pure.

import { parse as parseCsv } from 'csv-parse/sync';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';

import { InputError } from './input-error.ts';
import { instantReader, isTimeProblem, isTimeZone, type TimeProblem } from './local-time.ts';
import { seriesOf, type GapPolicy, type Series, type SeriesRow } from './series.ts';
import type { Instant } from './units.ts';

/** How to read a series. */
export interface SeriesOptions {
  /** For messages, and as the source of every figure. */
  readonly fileName: string;
  /** Zone of times that carry none; a `timeZone` in the file wins. */
  readonly timeZone: string;
  readonly gap?: GapPolicy;
}

/** A series with what its file says about itself. */
export interface SeriesFile {
  readonly series: Series;
  /** The zone of its times that carry none. */
  readonly timeZone: string;
  /** Unit of the values as written, e.g. `EUR/MWh` or `g/kWh`; absent when the file does not say. */
  readonly unit?: string;
  /** Everything else that stands beside the rows (currency, network, zone, dataset, …), for the caller to check. */
  readonly about: Readonly<Record<string, unknown>>;
}

interface RawRow {
  readonly cells: readonly [start: string, end: string, value: string];
  readonly row: number;
}

interface RawFile {
  readonly rows: readonly RawRow[];
  readonly about: Readonly<Record<string, unknown>>;
  readonly unit?: string;
}

const timeCell = z.union([z.string(), z.number()]);
const jsonRow = z.object({ start: timeCell, end: timeCell, value: timeCell });
const HEADER_UNIT = /^[^[(]*[[(]([^\])]+)[\])]\s*$/;
const DELIMITERS = [',', ';', '\t'] as const;
type Delimiter = (typeof DELIMITERS)[number];
const EXAMPLE = 'Write columns start,end,value, e.g. 2026-01-01T00:00Z,2026-01-01T01:00Z,0.25';

/**
 * Reads `start,end,value` rows: CSV (a header is optional; `value [EUR/MWh]` names the unit; leading `# key: value`
 * lines describe the file), or JSON/YAML, an array of { start, end, value } or an object that holds it under `rows`.
 * @throws InputError naming file, row and mend
 */
export function readSeries(text: string, options: SeriesOptions): SeriesFile {
  const { fileName } = options;
  const raw = looksLikeDocument(text) ? fromDocument(text, fileName) : fromCsv(text, fileName);
  const timeZone = zoneOf(raw.about['timeZone'], options);
  const readInstant = instantReader(timeZone);
  const rows = raw.rows.map((row) => readRow(row, fileName, readInstant));
  const unit = raw.unit ?? raw.about['unit'];
  return {
    series: seriesOf(rows, fileName, options.gap ?? 'error'),
    timeZone,
    about: raw.about,
    ...(typeof unit === 'string' ? { unit: unit.trim() } : {}),
  };
}

/** A JSON or YAML document's value. @throws InputError when it is neither */
export function readDocument(text: string, fileName: string): unknown {
  try {
    // JSON is YAML too, but a year of rows takes the YAML parser seconds.
    const plain = withoutMark(text);
    return /^\s*[[{]/.test(plain) ? JSON.parse(plain) : parseYaml(plain);
  } catch (error) {
    const cause = error instanceof Error ? error.message.split('\n', 1)[0] : String(error);
    throw new InputError(fileName, `it is no valid JSON or YAML (${cause})`, 'Mend it there');
  }
}

/** Whether the text is JSON or a YAML mapping or list rather than a CSV. */
export function looksLikeDocument(text: string): boolean {
  const lines = withoutMark(text).split('\n');
  const line = lines.find((each) => each.trim() !== '' && !each.startsWith('#')) ?? '';
  return /^\s*[[{]/.test(line) || /^(?:---|- |[A-Za-z]\w*\s*:(?:\s|$))/.test(line);
}

/** Text without the byte order mark that some spreadsheets put first. */
const withoutMark = (text: string): string => text.replace(/^\u{FEFF}/u, '');

function fromDocument(text: string, fileName: string): RawFile {
  const document = readDocument(text, fileName);
  const parsed = z
    .union([z.array(z.unknown()), z.looseObject({ rows: z.array(z.unknown()) })])
    .safeParse(document);
  if (!parsed.success) throw new InputError(fileName, 'there are no rows in it', EXAMPLE);
  const list = Array.isArray(parsed.data) ? parsed.data : parsed.data.rows;
  const about = Array.isArray(parsed.data) ? {} : omitRows(parsed.data);
  return { rows: list.map((row, position) => documentRow(row, position + 1, fileName)), about };
}

function omitRows(document: { rows: unknown } & Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(document).filter(([key]) => key !== 'rows'));
}

function documentRow(value: unknown, row: number, fileName: string): RawRow {
  const parsed = jsonRow.safeParse(value);
  if (!parsed.success) {
    const key = parsed.error.issues[0]?.path.join('.') ?? '';
    throw new InputError(
      `${fileName} row ${row}`,
      key === '' ? 'it is no { start, end, value }' : `"${key}" is missing or no text or number`,
      'Give each row start, end and value',
    );
  }
  const { start, end, value: amount } = parsed.data;
  return { cells: [String(start), String(end), String(amount)], row };
}

function fromCsv(text: string, fileName: string): RawFile {
  const lines = withoutMark(text).split(/\r?\n/);
  const comments = lines.filter((line) => line.startsWith('#')).map((line) => line.slice(1));
  const rows = lines.map((line) => (line.startsWith('#') ? '' : line));
  const delimiter = delimiterOf(rows.find((row) => row.trim() !== '') ?? '');
  // Without quotes a CSV is what it looks like, and a year of quarter-hours is read ten times as fast.
  const records = text.includes('"')
    ? quotedRecords(rows.join('\n'), delimiter, fileName)
    : plainRecords(rows, delimiter);
  const [first, ...rest] = records;
  const hasHeader = first !== undefined && !/^[\d"]/.test((first.cells[0] ?? '').trim());
  const order = hasHeader ? columnsOf(first.cells, fileName) : [0, 1, 2];
  const unit = hasHeader ? HEADER_UNIT.exec(first.cells[order[2] ?? 2] ?? '')?.[1] : undefined;
  const shape = { order, most: hasHeader ? first.cells.length : order.length };
  return {
    rows: (hasHeader ? rest : records).map((record) => csvRow(record, shape, fileName)),
    about: aboutOf(comments),
    ...(unit === undefined ? {} : { unit }),
  };
}

interface CsvRecord {
  readonly cells: readonly string[];
  readonly row: number;
}

/** What comes first of the three: in `a;b;0,25` the comma is a decimal one, and no price of 0. */
function delimiterOf(row: string): Delimiter {
  const found = DELIMITERS.filter((each) => row.includes(each));
  return found.toSorted((a, b) => row.indexOf(a) - row.indexOf(b))[0] ?? ',';
}

function quotedRecords(text: string, delimiter: Delimiter, fileName: string): CsvRecord[] {
  try {
    const parsed = parseCsv(text, {
      bom: true,
      delimiter,
      info: true,
      relax_column_count: true,
      skip_empty_lines: true,
      trim: true,
    }) as unknown as { record: string[]; info: { lines: number } }[];
    return parsed.map(({ record, info }) => ({ cells: record, row: info.lines }));
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw new InputError(fileName, `it is no valid CSV (${cause})`, EXAMPLE);
  }
}

function plainRecords(lines: readonly string[], delimiter: Delimiter): CsvRecord[] {
  const records: CsvRecord[] = [];
  for (const [at, line] of lines.entries()) {
    if (line.trim() === '') continue;
    records.push({ cells: line.split(delimiter).map((cell) => cell.trim()), row: at + 1 });
  }
  return records;
}

function columnsOf(header: readonly string[], fileName: string): readonly number[] {
  const names = header.map((cell) => cell.toLowerCase());
  const start = names.findIndex((name) => name.startsWith('start'));
  const end = names.findIndex((name) => name.startsWith('end'));
  const known = names.findIndex((name) => /^(?:value|price|intensity|load|power)\b/.test(name));
  if (start < 0 || end < 0 || known < 0) {
    throw new InputError(`${fileName} row 1`, `the columns are ${header.join(',')}`, EXAMPLE);
  }
  return [start, end, known];
}

/** Where a row's cells stand, and how many it may have. */
interface RowShape {
  readonly order: readonly number[];
  readonly most: number;
}

function csvRow(record: CsvRecord, { order, most }: RowShape, fileName: string): RawRow {
  const { length } = record.cells;
  const [start, end, value] = order.map((position) => record.cells[position] ?? '');
  // A cell too many is half a number whose decimal or thousands mark was taken for a separator.
  const isTooLong = record.cells.slice(most).some((cell) => cell !== '');
  if (
    start === undefined ||
    end === undefined ||
    value === undefined ||
    value === '' ||
    isTooLong
  ) {
    const cause = isTooLong ? `it has ${length} cells, not ${most}` : 'it has no value';
    throw new InputError(`${fileName} row ${record.row}`, cause, EXAMPLE);
  }
  return { cells: [start, end, value], row: record.row };
}

/** The `# key: value` lines of a CSV, each on its own: a comment in prose must not hide a `network: 0.08` beside it. */
function aboutOf(comments: readonly string[]): Record<string, unknown> {
  const about: Record<string, unknown> = {};
  for (const comment of comments) {
    const [, key, value] = /^\s*([A-Za-z]\w*)\s*:(.*)$/.exec(comment) ?? [];
    if (key !== undefined && value !== undefined) about[key] = scalarOf(value);
  }
  return about;
}

function scalarOf(text: string): unknown {
  try {
    return parseYaml(text);
  } catch {
    return text.trim();
  }
}

function zoneOf(named: unknown, options: SeriesOptions): string {
  const zone = typeof named === 'string' ? named : options.timeZone;
  if (isTimeZone(zone)) return zone;
  throw new InputError(
    options.fileName,
    `the time zone "${zone}" is unknown`,
    'Write an IANA name such as Europe/Berlin or UTC',
  );
}

type ReadInstant = (text: string) => Instant | TimeProblem;

function readRow(raw: RawRow, fileName: string, readInstant: ReadInstant): SeriesRow {
  const place = `${fileName} row ${raw.row}`;
  const [start, end, value] = raw.cells;
  return {
    startSeconds: readTime(readInstant(start), place),
    endSeconds: readTime(readInstant(end), place),
    value: readNumber(value, place),
    row: raw.row,
  };
}

function readTime(time: Instant | TimeProblem, place: string): Instant {
  if (isTimeProblem(time)) throw new InputError(place, time.problem, time.mend);
  return time;
}

function readNumber(text: string, place: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (Number.isFinite(value)) return value;
  throw new InputError(
    place,
    `the value "${text.trim().slice(0, 40)}" is no finite number`,
    'Write a number with a decimal point',
  );
}
