// A stored run read back: streaming, in the order in which it was measured, so that its intervals can be charged anew
// and folded into the books exactly as if they had been measured so.

import { createAccount, type Account } from '../account.ts';
import type { ChargedInterval, Run, Warning } from '../model.ts';
import { instant, type Instant } from '../units.ts';
import { eachOf } from './each-of.ts';
import { LedgerError } from './ledger-error.ts';
import { damageWarnings, readRecords, type LedgerEvent, type RecordsEnd } from './read-records.ts';
import { JOURNAL_VERSION } from './records.ts';
import { runJournalPath } from './state-dir.ts';

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
  readonly journalEnd: RecordsEnd;
}

/** Reads a run and calls back for every event in order. @throws LedgerError when there is no readable journal. */
export async function readRun(
  stateDirectory: string,
  id: string,
  onEvent: (event: LedgerEvent) => void = () => undefined,
): Promise<StoredRun> {
  const path = runJournalPath(stateDirectory, id);
  const story = newStory();
  const end = await eachOf(readRecords(path), (event) => {
    note(path, story, event);
    onEvent(event);
  });
  return storedRun(path, story, end);
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

function note(path: string, story: Story, event: LedgerEvent): void {
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
    case 'slot':
      for (const { endSeconds } of event.intervals) {
        story.endSeconds = Math.max(story.endSeconds, endSeconds);
      }
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

function storedRun(path: string, story: Story, journalEnd: RecordsEnd): StoredRun {
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
    warnings: damageWarnings(path, journalEnd.damage),
    journalEnd,
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

/**
 * Folds a stored run into a new account: its books are those that were measured, or, when `charge` is given, those
 * that would have been under another tariff, zone or PUE. @throws LedgerError when the run cannot be read.
 */
export async function refillAccount(
  stateDirectory: string,
  id: string,
  charge: (interval: ChargedInterval) => ChargedInterval = (interval) => interval,
): Promise<RefilledRun> {
  let account: Account | undefined;
  const stored = await readRun(stateDirectory, id, (event) => {
    if (event.kind === 'run') account ??= createAccount(event.run);
    if (account !== undefined) replay(account, event, charge);
  });
  // readRun refuses a journal without a header, so there is one here; a fresh account would do as well.
  account ??= createAccount(stored.run);
  for (const warning of stored.warnings) account.addWarning(warning);
  return { account, stored };
}

/** Tells an account what a journal tells. */
export function replay(
  account: Account,
  event: LedgerEvent,
  charge: (interval: ChargedInterval) => ChargedInterval,
): void {
  switch (event.kind) {
    case 'device':
      return account.addDevice(event.device, event.sensor);
    case 'slot':
      for (const interval of event.intervals) account.add(charge(interval));
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
