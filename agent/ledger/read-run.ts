// A stored run read back: streaming, in the order in which it was measured, so that its intervals can be charged anew
// and folded into the books exactly as if they had been measured so. From its journal, or from its columns, which say the
// same.

import { createAccount, type Account } from '../account.ts';
import type { Charge, ChargedInterval, Interval, Run, Warning } from '../model.ts';
import { instant, type Instant } from '../units.ts';
import type { IntervalColumns, RowSpan } from '../interval-columns.ts';
import { ColumnsError, readColumns, readSeal } from './columns-reader.ts';
import type { ColumnsWriter } from './columns-writer.ts';
import { decodeRecord } from './decode.ts';
import { eachOf } from './each-of.ts';
import { decodeFrame } from './frame.ts';
import { linesOf } from './journal-reader.ts';
import { LedgerError } from './ledger-error.ts';
import {
  damageWarnings,
  NO_DAMAGE,
  readRecords,
  type JournalDamage,
  type LedgerEvent,
  type RecordsEnd,
} from './read-records.ts';
import { JOURNAL_VERSION, type RunRecord } from './records.ts';
import { runColumnsPath, runJournalPath } from './state-dir.ts';

const EVENTS_PER_BREATH = 1024;
// A line says what it is right behind its checksum and number.
const FACTS = '{"kind":"facts"';
const FACTS_WITHIN_BYTES = 48;

/** What stands in a run's journal beside its intervals. */
export interface StoredRun {
  readonly run: Run;
  /** Whether the books were closed; if not, the run is open, or its Wattmeter died. */
  readonly closed: boolean;
  /** The end of the run, or of what is known of it. */
  readonly endSeconds: Instant;
  readonly exitCode?: number;
  /** What the books were kept under, as `addFacts` was told. */
  readonly facts: Readonly<Record<string, unknown>>;
  /** When the run was resumed. */
  readonly resumedSeconds: readonly Instant[];
  /** Damage of the journal itself; what the run warned of is among the events. */
  readonly warnings: readonly Warning[];
}

interface Story {
  run: Run | undefined;
  closed: boolean;
  endSeconds: number;
  exitCode: number | undefined;
  facts: Record<string, unknown>;
  resumedSeconds: Instant[];
}

const newStory = (): Story => ({
  run: undefined,
  closed: false,
  endSeconds: -Infinity,
  exitCode: undefined,
  facts: {},
  resumedSeconds: [],
});

function note(path: string, story: Story, event: RunRecord): void {
  switch (event.kind) {
    case 'run':
      if (event.version > JOURNAL_VERSION) throw tooNew(path, event.version);
      story.run = event.run;
      story.endSeconds = Math.max(story.endSeconds, event.run.startSeconds);
      return;
    case 'resume':
      story.closed = false;
      story.exitCode = undefined;
      story.resumedSeconds.push(event.atSeconds);
      return;
    case 'facts':
      story.facts = { ...story.facts, ...event.facts };
      return;
    case 'end':
      story.closed = true;
      story.endSeconds = event.endSeconds;
      story.exitCode = event.exitCode;
      return;
    case 'agent':
    case 'device':
    case 'window-open':
    case 'window':
    case 'warning':
    case 'xid':
    case 'checkpoint':
    case 'attribution':
      return;
    default:
      event satisfies never;
  }
}

function storedRun(path: string, story: Story, damage: JournalDamage): StoredRun {
  const { run, closed, exitCode, facts, resumedSeconds } = story;
  if (run === undefined) {
    const message = `Cannot read the run in ${path}: it has no header. Its Wattmeter died as it began, or the file is damaged.`;
    throw new LedgerError('unreadable', message);
  }
  return {
    run,
    closed,
    endSeconds: instant(story.endSeconds),
    ...(exitCode === undefined ? {} : { exitCode }),
    facts,
    resumedSeconds,
    warnings: damageWarnings(path, damage),
  };
}

function tooNew(path: string, version: number): LedgerError {
  const message = `Cannot read ${path}: its format ${version} is newer than ${JOURNAL_VERSION}. Read it with the Wattmeter that wrote it, or a newer one.`;
  return new LedgerError('unreadable', message);
}

/** An account refilled from a stored run. */
export interface RefilledRun {
  readonly account: Account;
  readonly stored: StoredRun;
}

/** One that was refilled from the journal, which its writer may go on with. */
export interface RefilledJournal extends RefilledRun {
  readonly journalEnd: RecordsEnd;
}

/**
 * Folds a stored run's journal into a new account: its books are those that were measured, its intervals charged anew by
 * `charge` where there is one. `columns` are told all of it.
 * @throws LedgerError when the run cannot be read.
 */
export async function refillAccount(
  stateDirectory: string,
  id: string,
  {
    columns,
    charge,
  }: { readonly columns?: ColumnsWriter; readonly charge?: ChargeInterval | undefined } = {},
): Promise<RefilledJournal> {
  const path = runJournalPath(stateDirectory, id);
  const fold = createFold(path, columns === undefined ? {} : { columns });
  const breathe = (): Promise<void> | undefined => columns?.written();
  const journalEnd = await readInto(path, fold, {
    breathe,
    ...(charge === undefined ? {} : { charge }),
  });
  return { ...fold.end(journalEnd.damage), journalEnd };
}

/** What an interval costs and emits; it is booked by being asked for. */
export type ChargeInterval = (interval: Interval) => Charge;

/** What charges intervals anew: one by one, or a block of columns at once, which comes to the same. */
interface Charges {
  readonly charge: ChargeInterval;
  chargeRows(columns: IntervalColumns, span: RowSpan, uuidOf: (device: number) => string): void;
}

/**
 * Folds a stored run into a new account as it would have been under another tariff, zone or PUE. `openCharges` is asked
 * again where what was read turns out to be damaged and is read elsewhere. The intervals of `withoutUuid` are left out.
 * @throws LedgerError when the run cannot be read.
 */
export async function rechargeAccount<Opened extends Charges>(
  stateDirectory: string,
  id: string,
  openCharges: () => Promise<Opened>,
  withoutUuid?: string,
): Promise<RefilledRun & { readonly charges: Opened }> {
  const path = runJournalPath(stateDirectory, id);
  const columnsPath = runColumnsPath(stateDirectory, id);
  const seal = await readSeal(columnsPath, path);
  if (seal !== undefined) {
    try {
      const charges = await openCharges();
      const fold = createFold(path, { hasWindows: seal.hasWindows });
      await readColumns(columnsPath, {
        record: (record) => fold.record(record),
        rows(columns, whole, uuidOf) {
          for (const span of spansWithout(withoutUuid, columns, whole, uuidOf)) {
            charges.chargeRows(columns, span, uuidOf);
            fold.rows(columns, span, uuidOf);
          }
        },
      });
      return { ...fold.end(NO_DAMAGE), charges };
    } catch (error) {
      if (!(error instanceof ColumnsError)) throw error;
    }
  }
  const charges = await openCharges();
  const fold = createFold(path);
  const { damage } = await readInto(path, fold, {
    charge: (one) => (one.uuid === withoutUuid ? undefined : charges.charge(one)),
  });
  return { ...fold.end(damage), charges };
}

/** The rows of a span, in stretches without those of one device. */
function spansWithout(
  uuid: string | undefined,
  columns: IntervalColumns,
  { from, to }: RowSpan,
  uuidOf: (device: number) => string,
): readonly RowSpan[] {
  if (uuid === undefined) return [{ from, to }];
  const spans: RowSpan[] = [];
  let start = from;
  for (let row = from; row <= to; row += 1) {
    const isEnd = row === to || uuidOf(columns.numbers.device[row] ?? NaN) === uuid;
    if (!isEnd) continue;
    if (row > start) spans.push({ from: start, to: row });
    start = row + 1;
  }
  return spans;
}

/** What a run's books were kept under, without reading its intervals. @throws LedgerError when it cannot be read. */
export async function readRunFacts(
  stateDirectory: string,
  id: string,
): Promise<Readonly<Record<string, unknown>>> {
  const path = runJournalPath(stateDirectory, id);
  return (await readSeal(runColumnsPath(stateDirectory, id), path))?.facts ?? readFacts(path);
}

/** A run that is being read: its events and intervals become its story and its account. */
interface Fold {
  record(event: RunRecord): void;
  interval(interval: ChargedInterval): void;
  rows(columns: IntervalColumns, span: RowSpan, uuidOf: (device: number) => string): void;
  end(damage: JournalDamage): RefilledRun;
}

function createFold(
  path: string,
  {
    columns,
    hasWindows = true,
  }: {
    readonly columns?: ColumnsWriter;
    readonly hasWindows?: boolean;
  } = {},
): Fold {
  const story = newStory();
  let account: Account | undefined;
  return {
    record(event) {
      note(path, story, event);
      if (event.kind === 'run') account ??= createAccount(event.run, undefined, { hasWindows });
      if (account !== undefined) replay(account, event);
      columns?.addRecord(event);
    },
    interval(interval) {
      story.endSeconds = Math.max(story.endSeconds, interval.endSeconds);
      account?.add(interval);
      columns?.addInterval(interval);
    },
    rows(rows, span, uuidOf) {
      for (let row = span.from; row < span.to; row += 1)
        story.endSeconds = Math.max(story.endSeconds, rows.numbers.endSeconds[row] ?? NaN);
      account?.addRows(rows, span, uuidOf);
    },
    end(damage) {
      const stored = storedRun(path, story, damage);
      // A journal without a header is refused above, so there is an account; a fresh one would do as well.
      const filled = account ?? createAccount(stored.run);
      for (const warning of stored.warnings) filled.addWarning(warning);
      return { account: filled, stored };
    },
  };
}

/**
 * Reads a journal, its intervals charged anew by `charge` where there is one, or left out where that charges nothing;
 * `breathe` is waited for now and then, so
 * that what is made of it can keep up.
 */
function readInto(
  path: string,
  fold: Fold,
  {
    charge,
    breathe,
  }: {
    readonly charge?: (interval: Interval) => Charge | undefined;
    readonly breathe?: () => Promise<void> | undefined;
  },
): Promise<RecordsEnd> {
  let count = 0;
  return eachOf(readRecords(path), (event) => {
    if (event.kind !== 'slot') fold.record(event);
    else if (charge === undefined) for (const one of event.intervals) fold.interval(one);
    else
      for (const one of event.intervals) {
        const anew = charge(one);
        if (anew !== undefined) fold.interval({ ...one, charge: anew });
      }
    count += 1;
    return count % EVENTS_PER_BREATH === 0 ? breathe?.() : undefined;
  });
}

/** The facts of a journal, its other lines passed over unread. */
async function readFacts(path: string): Promise<Readonly<Record<string, unknown>>> {
  let facts: Readonly<Record<string, unknown>> = {};
  for await (const line of linesOf(path)) {
    if (!line.subarray(0, FACTS_WITHIN_BYTES).includes(FACTS)) continue;
    const record = decodeRecord(decodeFrame(line)?.record);
    if (record?.kind === 'facts') facts = { ...facts, ...record.facts };
  }
  return facts;
}

/** Tells an account what a journal tells. */
export function replay(account: Account, event: LedgerEvent): void {
  switch (event.kind) {
    case 'device':
      return account.addDevice(event.device, event.sensor);
    case 'slot':
      for (const interval of event.intervals) account.add(interval);
      return;
    case 'window-open':
      return account.openWindow(event.name, event.startSeconds);
    case 'window':
      return account.addWindow(event.window);
    case 'warning':
      return account.addWarning(event.warning, event.uuid);
    case 'xid':
      return account.addXid(event.uuid, event.xid);
    case 'run':
    case 'agent':
    case 'resume':
    case 'facts':
    case 'checkpoint':
    case 'attribution':
    case 'end':
      return;
    default:
      event satisfies never;
  }
}
