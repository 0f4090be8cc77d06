// Line by line from text to readings: one reader per file, remembering its devices and what it did not understand.

import { READING_STATUS, type Device, type ReadingStatus, type Warning } from '../../model.ts';
import type { SourceEvent } from '../source.ts';
import { isPlausiblePower, missingReason, numberOf, powerOf, type Missing } from './cell.ts';
import type { ColumnMapping } from './column-mapping.ts';
import { columnsOf, isHeader, type Columns, type FactName } from './columns.ts';
import { deviceRows, type DeviceRows } from './device-rows.ts';
import { deviceOf, gaugesOf } from './facts.ts';
import { timeText, withoutMark, type Layout } from './layout.ts';
import { excerpt, malformedLines, type MalformedLines } from './malformed.ts';
import { timeline } from './timeline.ts';
import type { TimestampReader } from './timestamp.ts';

/** What the reader of one file needs to know. */
export interface RowReaderOptions {
  readonly file: string;
  readonly layout: Layout;
  readonly times: TimestampReader;
  readonly mapping: ColumnMapping;
  /** GPUs that take turns where no column tells them apart. */
  readonly gpuCount: number;
  /** Before the index, for devices without a UUID: `trace-`. */
  readonly uuidPrefix: string;
}

/** Turns lines into readings. */
export interface RowReader {
  readonly malformed: MalformedLines;
  /** Rows that became readings, failed ones included. */
  readonly rowCount: number;
  /** Rows that wait to be taken. */
  readonly pendingCount: number;
  readonly deviceCount: number;
  read(line: string, lineNumber: number, isUnterminated: boolean): void;
  /** What the rows read so far amount to; `final`: nothing more will come. */
  take(final: boolean): SourceEvent[];
  warnings(): Warning[];
}

interface TracedDevice {
  readonly device: Device;
  readonly rows: DeviceRows;
  lastCells: readonly string[];
}

interface PowerReading {
  readonly status: ReadingStatus;
  readonly draw: number;
  readonly instant: number;
  readonly average: number;
  /** What is wrong with a cell, in words. */
  readonly complaint?: string;
}

const STATUS_CODE: Readonly<Record<string, number>> = Object.fromEntries(
  READING_STATUS.map((status, code) => [status, code]),
);

/** A reader for the rows of one file. */
export function rowReader(options: RowReaderOptions): RowReader {
  const { layout, times } = options;
  const { split } = layout;
  const line = timeline();
  const malformed = malformedLines();
  const devices = new Map<string, TracedDevice>();
  const uuidByIndex = new Map<string, string>();
  let columns = layout.columns;
  let rowCount = 0;
  let pendingCount = 0;
  let turn = 0;
  let announced = 0;
  let previousCells: readonly string[] = [];

  const deviceFor = (cells: readonly string[]): TracedDevice | undefined => {
    const key = identityOf(cells, columns, uuidByIndex) ?? turnOf(columns, turn);
    if (key === undefined) return undefined;
    const known = devices.get(key);
    if (known !== undefined) return known;
    const traced = newDevice(key, devices.size, cells, columns, options.uuidPrefix);
    devices.set(key, traced);
    return traced;
  };

  const refuse = (cells: readonly string[], text: string, at: number, isCut: boolean): void => {
    const bare = text.trimStart().startsWith('#') ? split(withoutMark(text)) : cells;
    if (isHeader(bare) && !bare.some((cell) => times.read(cell) === times.read(cell))) {
      columns = columnsOf(options.file, bare, options.mapping);
      return;
    }
    if (text.trimStart().startsWith('#')) return;
    malformed.add(at, complaintAbout(cells, text, columns, isCut));
    turn = (turn + 1) % options.gpuCount;
  };

  const add = (cells: readonly string[], wallSeconds: number, at: number): void => {
    const traced = deviceFor(cells);
    turn = (turn + 1) % options.gpuCount;
    if (traced === undefined) {
      malformed.add(
        at,
        `"${excerpt(cells[columns.uuidAt ?? columns.indexAt ?? 0] ?? '')}" names no GPU`,
      );
      return;
    }
    const reading = powerReadingOf(cells, columns);
    if (reading.complaint !== undefined) malformed.add(at, reading.complaint);
    if (reading.status !== 'malformed') rowCount += 1;
    const isOk = reading.status === 'ok';
    const monotonic =
      columns.monotonicAt === undefined ? Number.NaN : numberOf(cells[columns.monotonicAt] ?? '');
    traced.rows.add({
      timeSeconds: line.place(wallSeconds, monotonic, traced.rows.newestSeconds),
      status: STATUS_CODE[reading.status] ?? 0,
      drawWatts: isOk ? reading.draw : Number.NaN,
      instantWatts: isOk ? reading.instant : Number.NaN,
      averageWatts: isOk ? reading.average : Number.NaN,
      counterJoules: isOk ? counterOf(cells, columns) : Number.NaN,
    });
    traced.lastCells = cells;
    pendingCount += 1;
  };

  return {
    malformed,
    get rowCount() {
      return rowCount;
    },
    get pendingCount() {
      return pendingCount;
    },
    get deviceCount() {
      return devices.size;
    },
    read(text, at, isUnterminated) {
      if (text === '' || text.trim() === '') return;
      const cells = split(text);
      if (cells.length === columns.count + 1 && cells.at(-1)?.trim() === '') cells.pop();
      const isWhole = cells.length === columns.count;
      const wallSeconds = isWhole ? times.read(timeText(cells, columns)) : Number.NaN;
      if (wallSeconds !== wallSeconds) refuse(cells, text, at, isUnterminated);
      else if (isUnterminated && isCutShort(cells, previousCells)) {
        malformed.add(at, 'the last row is cut short');
      } else add(cells, wallSeconds, at);
      previousCells = cells;
    },
    take(final) {
      const events: SourceEvent[] = [];
      if (devices.size > announced) {
        events.push({
          kind: 'devices',
          devices: [...devices.values()].map(({ device }) => device),
        });
        announced = devices.size;
      }
      for (const { rows, lastCells } of devices.values()) {
        const gauges = gaugesOf(cellAt(lastCells, columns));
        const batch = rows.take(final, gauges, line.wallOffsetSeconds);
        if (batch !== undefined) events.push({ kind: 'batch', batch });
      }
      pendingCount = 0;
      return events;
    },
    warnings: () => warningsOf(options.file, [...devices.values()], line.setBackCount, times),
  };
}

const cellAt =
  (cells: readonly string[], columns: Columns) =>
  (name: FactName): string | undefined => {
    const at = columns.facts[name];
    return at === undefined ? undefined : cells[at];
  };

/** Whose row it is, by UUID, bus or index; undefined when no column says so. */
function identityOf(
  cells: readonly string[],
  columns: Columns,
  uuidByIndex: Map<string, string>,
): string | undefined {
  const { uuidAt, indexAt } = columns;
  const index = indexAt === undefined ? undefined : (cells[indexAt] ?? '').trim();
  if (uuidAt !== undefined) {
    const uuid = (cells[uuidAt] ?? '').trim();
    // A GPU off the bus may lose its UUID in the answer, and keeps its place.
    if (missingReason(uuid) !== undefined) return uuidByIndex.get(index ?? '');
    if (index !== undefined) uuidByIndex.set(index, uuid);
    return uuid;
  }
  const key = index ?? cellAt(cells, columns)('pciBusId')?.trim();
  return key === undefined || missingReason(key) !== undefined ? undefined : key;
}

const turnOf = (columns: Columns, turn: number): string | undefined =>
  columns.uuidAt === undefined &&
  columns.indexAt === undefined &&
  columns.facts.pciBusId === undefined
    ? String(turn)
    : undefined;

function newDevice(
  key: string,
  order: number,
  cells: readonly string[],
  columns: Columns,
  uuidPrefix: string,
): TracedDevice {
  const isUuid = columns.uuidAt !== undefined || /^(?:GPU|MIG)-/i.test(key);
  const said = Number(columns.indexAt === undefined ? key : (cells[columns.indexAt] ?? '').trim());
  const index = Number.isInteger(said) ? said : order;
  const uuid = isUuid ? key : `${uuidPrefix}${key}`;
  const device = deviceOf({ uuid, index, source: 'replay' }, cellAt(cells, columns));
  return { device, rows: deviceRows(uuid), lastCells: cells };
}

function counterOf(cells: readonly string[], columns: Columns): number {
  if (columns.counter === undefined) return Number.NaN;
  return numberOf(cells[columns.counter.at] ?? '') * columns.counter.joulesPerUnit;
}

/**
 * The power of a row. One number makes it a reading; without any, the most telling token says why. A single odd value,
 * such as 1.20 W in a run at 200 W, is kept: what the sensor said is not for the reader to judge.
 */
function powerReadingOf(cells: readonly string[], columns: Columns): PowerReading {
  const values = { draw: Number.NaN, instant: Number.NaN, average: Number.NaN };
  let failure: Missing | undefined;
  let complaint: string | undefined;
  let hasNumber = counterOf(cells, columns) >= 0;
  for (const column of columns.power) {
    const value = powerOf(cells[column.at] ?? '', column.wattsPerUnit);
    const isNumber = typeof value === 'number';
    if (isNumber && (isPlausiblePower(value) || (column.isUnitSure && value >= 0))) {
      values[column.field] = value;
      hasNumber = true;
      continue;
    }
    const reason = isNumber ? 'implausible' : value;
    failure = moreTelling(failure, reason);
    if (isNumber) complaint = `${value} W is no power of a GPU`;
    else if (value === 'malformed') complaint = `"${excerpt(cells[column.at] ?? '')}" is no power`;
  }
  const said = statusCell(cells, columns);
  const status = hasNumber
    ? (said ?? 'ok')
    : said === undefined || said === 'ok'
      ? (failure ?? 'no-data')
      : said;
  return { status, ...values, ...(complaint !== undefined && { complaint }) };
}

/** Why a reading failed says more than that a field does not exist or is empty. */
function moreTelling(known: Missing | undefined, next: Missing): Missing {
  const isVague = known === undefined || known === 'no-data' || known === 'not-supported';
  if (known === 'not-supported' && next === 'no-data') return known;
  return isVague ? next : known;
}

function statusCell(cells: readonly string[], columns: Columns): ReadingStatus | undefined {
  const text = columns.statusAt === undefined ? '' : (cells[columns.statusAt] ?? '').trim();
  return READING_STATUS.find((status) => status === text);
}

function complaintAbout(
  cells: readonly string[],
  text: string,
  columns: Columns,
  isCut: boolean,
): string {
  if (isCut) return 'the last row is cut short';
  if (cells.length !== columns.count) {
    const isSentence = cells.length === 1 || /[a-z]{3,} [a-z]{2,} [a-z]{2,}/i.test(text);
    return isSentence
      ? `a message, no row: "${excerpt(text)}"`
      : `${cells.length} cells where the header has ${columns.count}`;
  }
  return `"${excerpt(timeText(cells, columns))}" is no time`;
}

/** A last row without its line end may have lost part of its last cell: it is shorter in form than those before it. */
function isCutShort(cells: readonly string[], previous: readonly string[]): boolean {
  const shape = (row: readonly string[]): readonly [string, number] => {
    const [, fraction = '', unit = ''] = /(?:\.(\d+))?\s*([^\d.]*)$/.exec(row.at(-1) ?? '') ?? [];
    return [unit.trim(), fraction.length];
  };
  if (previous.length !== cells.length) return false;
  const [unit, decimals] = shape(cells);
  const [usualUnit, usualDecimals] = shape(previous);
  return (
    (usualUnit !== '' && unit !== usualUnit && missingReason(cells.at(-1) ?? '') === undefined) ||
    decimals < usualDecimals
  );
}

function warningsOf(
  file: string,
  devices: readonly TracedDevice[],
  setBackCount: number,
  times: TimestampReader,
): Warning[] {
  const disorder = devices.reduce((sum, { rows }) => sum + rows.disorderCount, 0);
  const found: (Warning | false)[] = [
    disorder > 0 && {
      code: 'rows-out-of-order',
      message: `${file}: ${disorder} rows were older than the row before them and were put in order.`,
    },
    setBackCount > 0 && {
      code: 'clock-set-back',
      message: `${file}: the clock was set back ${setBackCount} times; the rows were taken to follow each other.`,
    },
    times.sawAmbiguous && {
      code: 'ambiguous-local-time',
      message: `${file}: it begins in an hour that the clock went through twice; the first was assumed.`,
    },
    times.sawNonexistent && {
      code: 'nonexistent-local-time',
      message: `${file}: it has times that its time zone skips. Is --trace-time-zone right?`,
    },
  ];
  return found.filter((warning) => warning !== false);
}
