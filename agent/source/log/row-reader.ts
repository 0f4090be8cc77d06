// Line by line from text to readings: one reader per file, which remembers what it did not understand.

import { READING_STATUS, type Warning } from '../../model.ts';
import { fromPercent } from '../../units.ts';
import type { SourceEvent } from '../source.ts';
import { missingReason, numberOf } from './cell.ts';
import type { ColumnMapping } from './column-mapping.ts';
import { columnsOf, type Columns } from './columns.ts';
import { isHeader } from './titles.ts';
import { timeText, withoutMark, type Layout } from './layout.ts';
import { excerpt, malformedLines, type MalformedLines } from './malformed.ts';
import { powerReadingOf } from './power-reading.ts';
import { timeline, type Timeline } from './timeline.ts';
import type { TimestampReader } from './timestamp.ts';
import { tracedDevices, type TracedDevices } from './traced-devices.ts';

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

const STATUS_CODE: ReadonlyMap<string, number> = new Map(
  READING_STATUS.map((status, code) => [status, code]),
);

/** Turns the lines of one file into readings. */
export class RowReader {
  readonly malformed: MalformedLines = malformedLines();
  readonly #options: RowReaderOptions;
  readonly #timeline: Timeline = timeline();
  readonly #devices: TracedDevices;
  #columns: Columns;
  #previousCells: readonly string[] = [];
  #rowCount = 0;
  #pendingCount = 0;

  constructor(options: RowReaderOptions) {
    this.#options = options;
    this.#columns = options.layout.columns;
    this.#devices = tracedDevices(options.gpuCount, options.uuidPrefix);
  }

  /** Rows that became readings, failed ones included. */
  get rowCount(): number {
    return this.#rowCount;
  }

  /** Rows per device that wait to be taken. */
  get pendingRows(): number {
    return this.#devices.count === 0 ? 0 : this.#pendingCount / this.#devices.count;
  }

  /** How many rows of an unfinished round there are, where GPUs take turns and no column says whose row it is. */
  get turn(): number {
    return this.#devices.turn;
  }

  /** Reads one line; `isUnterminated` when it is the last and has no end. */
  read(text: string, lineNumber: number, isUnterminated: boolean): void {
    if (text === '' || text.trim() === '') return;
    const { layout, times } = this.#options;
    const cells = layout.split(text);
    if (cells.length === this.#columns.count + 1 && cells.at(-1)?.trim() === '') cells.pop();
    const isWhole = cells.length === this.#columns.count;
    const wallSeconds = isWhole ? times.read(timeText(cells, this.#columns)) : Number.NaN;
    if (wallSeconds !== wallSeconds) this.#refuse(cells, text, lineNumber, isUnterminated);
    else if (isUnterminated && isCutShort(cells, this.#previousCells)) {
      this.malformed.add(lineNumber, CUT_SHORT);
      this.#devices.skipTurn(this.#columns);
    } else this.#add(cells, wallSeconds, lineNumber);
  }

  /** What the rows read so far amount to; `final`: nothing more will come. */
  take(final: boolean): SourceEvent[] {
    this.#pendingCount = 0;
    return this.#devices.take(final, this.#columns, this.#timeline.wallOffsetSeconds);
  }

  /** What the reader of a report must know about this file. */
  warnings(): Warning[] {
    const disorderCount = this.#devices.disorderCount;
    return warningsOf(this.#options, disorderCount, this.#timeline.setBackCount);
  }

  #add(cells: readonly string[], wallSeconds: number, lineNumber: number): void {
    const columns = this.#columns;
    const traced = this.#devices.of(cells, columns);
    if (traced === undefined) {
      const cell = cells[columns.uuidAt ?? columns.indexAt ?? columns.facts.pciBusId ?? 0] ?? '';
      this.malformed.add(lineNumber, `"${excerpt(cell)}" names no GPU`);
      return;
    }
    const { status, watts, counterJoules, complaint } = powerReadingOf(cells, columns);
    // A line that is counted as malformed is not counted as a row.
    if (complaint === undefined) this.#rowCount += 1;
    else this.malformed.add(lineNumber, complaint);
    const monotonic =
      columns.monotonicAt === undefined ? Number.NaN : numberOf(cells[columns.monotonicAt] ?? '');
    traced.rows.add({
      timeSeconds: this.#timeline.place(wallSeconds, monotonic, traced.rows.newestSeconds),
      status: STATUS_CODE.get(status) ?? 0,
      drawWatts: watts.draw,
      instantWatts: watts.instant,
      averageWatts: watts.average,
      counterJoules,
      utilizationRatio: utilizationIn(cells, columns),
    });
    this.#pendingCount += 1;
    this.#previousCells = cells;
  }

  /** A line that is no row: another header, a comment, or malformed. */
  #refuse(cells: readonly string[], text: string, lineNumber: number, isCut: boolean): void {
    const { file, layout, mapping } = this.#options;
    const isMarked = text.trimStart().startsWith('#');
    const titles = isMarked ? layout.split(withoutMark(text)) : cells;
    if (isHeader(titles) || text === layout.header) {
      this.#columns = columnsOf(file, titles, mapping);
      return;
    }
    if (isMarked) return;
    this.malformed.add(lineNumber, complaintAbout(cells, text, this.#columns, isCut));
    this.#devices.skipTurn(this.#columns);
  }
}

/** 0–1; NaN where the row has none, or one that no GPU has. */
function utilizationIn(cells: readonly string[], { facts }: Columns): number {
  if (facts.utilization === undefined) return Number.NaN;
  const ratio = fromPercent(numberOf(cells[facts.utilization] ?? ''));
  return ratio >= 0 && ratio <= 1 ? ratio : Number.NaN;
}

const CUT_SHORT = 'the last row is cut short';

function complaintAbout(
  cells: readonly string[],
  text: string,
  columns: Columns,
  isCut: boolean,
): string {
  if (isCut) return CUT_SHORT;
  if (cells.length !== columns.count) {
    const isSentence = cells.length === 1 || /[a-z]{3,} [a-z]{2,} [a-z]{2,}/i.test(text);
    return isSentence
      ? `a message, no row: "${excerpt(text)}"`
      : `${cells.length} cells where the header has ${columns.count}`;
  }
  return `"${excerpt(timeText(cells, columns))}" is no time`;
}

/** A last row without its line end may have lost part of its last cell: unit or decimals that the row before has. */
function isCutShort(cells: readonly string[], previous: readonly string[]): boolean {
  if (previous.length !== cells.length || missingReason(cells.at(-1) ?? '') !== undefined) {
    return false;
  }
  const shape = (row: readonly string[]): readonly [string, number] => {
    const [, fraction = '', unit = ''] = /(?:\.(\d+))?\s*([^\d.]*)$/.exec(row.at(-1) ?? '') ?? [];
    return [unit.trim(), fraction.length];
  };
  const [unit, decimals] = shape(cells);
  const [usualUnit, usualDecimals] = shape(previous);
  return unit !== usualUnit || decimals < usualDecimals;
}

function warningsOf(
  { file, times }: RowReaderOptions,
  disorderCount: number,
  setBackCount: number,
): Warning[] {
  const found: (Warning | false)[] = [
    disorderCount > 0 && {
      code: 'rows-out-of-order',
      message: `${file}: ${disorderCount} rows were older than the row before them and were put in order.`,
    },
    setBackCount > 0 && {
      code: 'clock-set-back',
      message: `${file}: the clock was set back ${setBackCount === 1 ? 'once' : `${setBackCount} times`}; the rows were taken to follow each other.`,
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
