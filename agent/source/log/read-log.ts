// A power log as a stream of devices, batches and warnings, with flat memory whatever its length.

import { SourceError, type InputSummary, type SourceEvent } from '../source.ts';
import type { ColumnMapping } from './column-mapping.ts';
import { layoutOf, timeText, type Layout } from './layout.ts';
import { isRepeatable, linesOf, type LineGroup } from './lines.ts';
import { RowReader } from './row-reader.ts';
import { timestampReader, type TimestampReader } from './timestamp.ts';

/** What a log does not say itself. */
export interface LogOptions {
  /** IANA zone of naive timestamps; default: this machine's, said in a warning. */
  readonly traceTimeZone?: string;
  /** GPUs that take turns, for a log without index and uuid. */
  readonly gpuCount?: number;
  readonly columns?: ColumnMapping;
  /** Rows of one device per batch. */
  readonly batchRows?: number;
  /** Before the index, for devices without a UUID; default `trace-`. */
  readonly uuidPrefix?: string;
}

/** A log being read. */
export interface LogReader {
  /** Devices, batches and warnings. @throws {SourceError} fatal, when it is no log that can be read. */
  events(signal: AbortSignal): AsyncGenerator<SourceEvent, void, void>;
  summary(): InputSummary;
}

const BATCH_ROWS = 4096;
const HEAD_LINES = 2000;

/** A reader of one log; the file is opened by `events`. */
export function logReader(file: string, options: LogOptions = {}): LogReader {
  let rows: RowReader | undefined;

  async function* events(signal: AbortSignal): AsyncGenerator<SourceEvent, void, void> {
    const groups = linesOf(file, signal);
    try {
      const head = await headOf(groups);
      const layout = layoutOf(
        file,
        head.flatMap(({ lines }) => lines),
        options,
      );
      const isSettled = isRepeatable(file)
        ? await settleDateOrder(file, layout, signal)
        : await settleFromPipe(groups, head, layout);
      yield* orderWarning(file, layout, isSettled);
      const order = layout.dateOrder.order ?? 'month-first';
      const times = timestampReader(options.traceTimeZone ?? machineZone(), order);
      const reader = openRows(file, layout, times, options);
      rows = reader;
      const batchRows = options.batchRows ?? BATCH_ROWS;
      for (const group of head) yield* readGroup(reader, group, batchRows);
      yield* zoneWarning(file, options, times.sawNaive);
      for await (const group of groups) yield* readGroup(reader, group, batchRows);
      if (reader.rowCount === 0) throw nothingRead(file, reader);
      // A line that was no row may have stood for one: then nobody can tell.
      if (reader.turn !== 0 && reader.malformed.count === 0)
        throw unfinishedRound(file, reader, options);
      yield* reader.take(true);
      yield* reader.warnings().map((warning) => ({ kind: 'warning', warning }) as const);
    } finally {
      await groups.return(undefined);
    }
  }

  return {
    events,
    summary: () => ({
      file,
      rows: rows?.rowCount ?? 0,
      malformed: rows?.malformed.kept ?? [],
      malformedCount: rows?.malformed.count ?? 0,
    }),
  };
}

function nothingRead(file: string, { malformed }: RowReader): SourceError {
  const [first] = malformed.kept;
  const why = first === undefined ? '' : ` Line ${first.line}: ${first.reason}.`;
  const message = `Cannot read ${file}: none of its ${malformed.count} rows is a reading.${why} Is it a log of power over time?`;
  return new SourceError(message, { fate: 'fatal', reason: 'no-rows' });
}

/** A wrong count would mix the GPUs and multiply their energy; a logger that was cut off leaves a row too few. */
function unfinishedRound(file: string, { turn }: RowReader, { gpuCount }: LogOptions): SourceError {
  const left = turn === 1 ? 'one row is' : `${turn} rows are`;
  const message = `Cannot read ${file} as --gpu-count ${gpuCount}: its rows are no multiple of that, ${left} left over. Is the count right? If the logger was cut off in a round, take its last rows away.`;
  return new SourceError(message, { fate: 'fatal', reason: 'unfinished-round' });
}

async function headOf(groups: AsyncGenerator<LineGroup>): Promise<LineGroup[]> {
  const head: LineGroup[] = [];
  let count = 0;
  while (count < HEAD_LINES) {
    const next = await groups.next();
    if (next.done === true) break;
    head.push(next.value);
    count += next.value.lines.length;
  }
  return head;
}

// A single day may not prove which number is the day: then the whole file is asked before a row is read.
async function settleDateOrder(
  file: string,
  layout: Layout,
  signal: AbortSignal,
): Promise<boolean> {
  if (isOrderKnown(layout)) return true;
  for await (const { lines } of linesOf(file, signal)) {
    if (provesOrder(lines, layout)) return true;
  }
  return false;
}

/** A pipe cannot be asked twice: its lines wait in `head` until one proves the order. */
async function settleFromPipe(
  groups: AsyncGenerator<LineGroup>,
  head: LineGroup[],
  layout: Layout,
): Promise<boolean> {
  while (!isOrderKnown(layout)) {
    const next = await groups.next();
    if (next.done === true) return false;
    head.push(next.value);
    if (provesOrder(next.value.lines, layout)) return true;
  }
  return true;
}

const isOrderKnown = ({ dateOrder }: Layout): boolean =>
  !dateOrder.matters || dateOrder.order !== undefined;

const provesOrder = (lines: readonly string[], { dateOrder, columns, split }: Layout): boolean =>
  lines.some((line) => dateOrder.add(timeText(split(line), columns)));

function openRows(
  file: string,
  layout: Layout,
  times: TimestampReader,
  options: LogOptions,
): RowReader {
  return new RowReader({
    file,
    layout,
    times,
    mapping: options.columns ?? {},
    gpuCount: options.gpuCount ?? 1,
    uuidPrefix: options.uuidPrefix ?? 'trace-',
  });
}

const machineZone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone;

function* readGroup(
  reader: RowReader,
  group: LineGroup,
  batchRows: number,
): Generator<SourceEvent, void, void> {
  for (const [at, line] of group.lines.entries()) {
    reader.read(line, group.firstLine + at, group.isLastUnterminated);
    if (reader.pendingRows >= batchRows) {
      yield* reader.take(false);
    }
  }
}

function* orderWarning(
  file: string,
  { dateOrder }: Layout,
  isSettled: boolean,
): Generator<SourceEvent, void, void> {
  if (isSettled) return;
  const message = `${file}: its dates fit both orders of day and month; month first was assumed${dateOrder.matters ? ', which matters for price and carbon only' : ''}.`;
  yield { kind: 'warning', warning: { code: 'ambiguous-date', message } };
}

function* zoneWarning(
  file: string,
  options: LogOptions,
  sawNaive: boolean,
): Generator<SourceEvent, void, void> {
  if (!sawNaive || options.traceTimeZone !== undefined) return;
  const message = `${file}: its times name no zone; this machine's, ${machineZone()}, was assumed. Say --trace-time-zone if it is another.`;
  yield { kind: 'warning', warning: { code: 'assumed-time-zone', message } };
}
