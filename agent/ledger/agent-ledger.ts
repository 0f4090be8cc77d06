// The agent's ledger: one journal in segments, each with a checkpoint of the account at its head, so that a restart
// reads one segment and goes on where the counters were. A segment is never written to again after its agent died.

import { access, open, readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { createAccount, type Account, type AccountCheckpoint } from '../account.ts';
import { chargesAnew, withChargesAnew, type ChargesAnew } from '../account/charges-anew.ts';
import type { Run } from '../model.ts';
import { toUnixMilliseconds, type Instant } from '../units.ts';
import { eachOf } from './each-of.ts';
import { journalFile } from './journal-file.ts';
import { Journal, type JournalStart, type Kept, type LedgerFault } from './journal.ts';
import { causeOf } from './ledger-error.ts';
import { readRecords, damageWarnings, type LedgerEvent } from './read-records.ts';
import { replay } from './read-run.ts';
import { JOURNAL_VERSION, type LedgerRecord, type Writer } from './records.ts';
import { openReserve, readReserve, type Reserve } from './disk-reserve.ts';
import {
  agentDirectory,
  agentReservePath,
  FILE_MODE,
  lockForAgent,
  makeDirectory,
  syncDirectory,
  unwritable,
} from './state-dir.ts';
import {
  createDeviceNumbers,
  createWriter,
  type DeviceNumbers,
  type LedgerWriter,
} from './writer.ts';

/** What the agent's ledger needs. */
export interface AgentLedgerOptions {
  readonly stateDirectory: string;
  readonly run: Run;
  /** What money is counted in: counters in another currency begin anew. */
  readonly currency: string;
  readonly writer: Writer;
  readonly flushSeconds: number;
  readonly retainSeconds: number;
  readonly onFault: (fault: LedgerFault) => void;
  /** The wall clock: a new UTC day begins a new segment, and segments age by it. */
  readonly now: () => Instant;
  /** A segment of this size is followed by the next. */
  readonly segmentBytes?: number;
  /** How much may wait in memory while the disk refuses. */
  readonly heldBytesLimit?: number;
}

/** The agent's open books. */
export interface AgentLedger extends LedgerWriter {
  /** What earlier agents noted with `addFacts`, the last of each. */
  readonly facts: Facts;
  /** What the last agent kept of attribution, oldest first. */
  readonly attribution: readonly object[];
  /** Writes down what attribution changed; call it right after the slot that changed it. */
  addAttribution(record: object): Promise<Kept>;
  /** Where the whole of attribution is had for the head of a segment; until then the restored records stand there. */
  keepAttribution(toCheckpoint: () => object): void;
  /**
   * Goes on where the last agent stopped. Add a slot's intervals to it and call `addSlot` in one breath, with no await
   * between: a checkpoint taken meanwhile must know both or neither.
   */
  readonly account: Account;
  /** The money and grams that could not be gone on with. */
  readonly chargesAnew: ChargesAnew;
  /** Syncs and lets go of the state directory; false when part stayed in memory. Never rejects. */
  close(): Promise<boolean>;
}

type Facts = Readonly<Record<string, unknown>>;

// A few seconds of reading at a restart, and a few hours of eight GPUs.
const SEGMENT_BYTES = 16 * 1024 * 1024;
// An agent that stops waits so long for its disk.
const CLOSE_SECONDS = 1;
const SEGMENT_NAME = /^\d{8}\.journal$/;
const SECONDS_PER_DAY = 86_400;

/**
 * Takes the state directory for an agent and restores its counters.
 * @throws LedgerError `locked` when another agent has it, `unwritable` when it cannot be written.
 */
export async function openAgentLedger(options: AgentLedgerOptions): Promise<AgentLedger> {
  const lock = await lockForAgent(options.stateDirectory);
  try {
    const directory = agentDirectory(options.stateDirectory);
    const names = await segmentNames(directory);
    const newestNumber = Number.parseInt(names.at(-1) ?? '0', 10);
    const kept = await readReserve(agentReservePath(options.stateDirectory));
    const restored = await restore(directory, names, {
      ...options,
      // Of an agent before the last one it has nothing that the segments lack.
      aside: kept !== undefined && kept.segment >= newestNumber ? kept.records : [],
    });
    const number = Math.max(newestNumber, kept?.segment ?? 0) + 1;
    return await new SegmentedLedger(options, restored, number, lock).open();
  } catch (error) {
    await lock[Symbol.asyncDispose]();
    throw error;
  }
}

class SegmentedLedger {
  readonly #options: AgentLedgerOptions;
  readonly #account: Account;
  readonly #chargesAnew: ChargesAnew;
  #attribution: () => readonly object[];
  #facts: Facts;
  #lock: AsyncDisposable;
  readonly #numbers: DeviceNumbers;
  #number: number;
  #day = 0;
  #journal: Journal;
  #housekeeping: Promise<unknown> = Promise.resolve();
  #reserve: Reserve | undefined;

  constructor(
    options: AgentLedgerOptions,
    restored: Restored,
    number: number,
    lock: AsyncDisposable,
  ) {
    const { account, attribution } = restored;
    this.#options = options;
    this.#account = account;
    this.#chargesAnew = restored.chargesAnew;
    this.#attribution = () => attribution;
    this.#facts = restored.facts;
    this.#lock = lock;
    this.#number = number;
    this.#numbers = createDeviceNumbers(account.toCheckpoint().devices);
    this.#journal = this.#openSegment();
  }

  async open(): Promise<AgentLedger> {
    this.#reserve = await openReserve(agentReservePath(this.#options.stateDirectory));
    await this.#writeHead();
    // What an earlier agent kept aside is in this segment's head, or has to be kept again.
    if (this.#journal.isWriting) await this.#reserve?.clear();
    else await this.#keepAside();
    this.#housekeeping = this.#retire();
    const writer = createWriter(() => this.#journal, this.#numbers);
    return {
      ...writer,
      account: this.#account,
      chargesAnew: this.#chargesAnew,
      attribution: this.#attribution(),
      facts: this.#facts,
      addFacts: (facts) => {
        this.#facts = { ...this.#facts, ...facts };
        return writer.addFacts(facts);
      },
      addAttribution: (record) =>
        this.#journal.append({ kind: 'attribution', record } satisfies LedgerRecord),
      keepAttribution: (toCheckpoint) => {
        this.#attribution = () => [toCheckpoint()];
      },
      addSlot: async (intervals) => {
        const written = writer.addSlot(intervals);
        if (this.#isOver()) this.#rotate();
        const kept = await written;
        // What is shown next must not be lost with the memory that holds it.
        if (kept === 'held') await this.#keepAside();
        return kept;
      },
      close: async () => {
        const whole = await this.#journal.close(CLOSE_SECONDS);
        // Only where the disk answers: an agent that stops must not wait for one that hangs.
        if (whole) await this.#housekeeping;
        await this.#reserve?.[Symbol.asyncDispose]();
        await this.#lock[Symbol.asyncDispose]();
        return whole;
      },
    };
  }

  /** The segment of the number that it has come to; written to from its first record on. */
  #openSegment(): Journal {
    const path = join(
      agentDirectory(this.#options.stateDirectory),
      `${String(this.#number).padStart(8, '0')}.journal`,
    );
    this.#day = dayOf(this.#options.now());
    const { flushSeconds, heldBytesLimit } = this.#options;
    const journal: Journal = new Journal({
      path,
      open: () => createSegment(path),
      flushSeconds,
      ...(heldBytesLimit === undefined ? {} : { heldBytesLimit }),
      onFault: (fault) => {
        // Dropped slots are in the account: a checkpoint brings the stored counters up to it.
        if (fault.kind === 'caught-up' && fault.droppedRecords > 0) void this.#checkpoint(journal);
        if (fault.kind === 'caught-up') void this.#reserve?.clear();
        this.#options.onFault(fault);
        if (fault.kind === 'failing') void this.#replaceRemoved(journal, path);
      },
    });
    return journal;
  }

  /** All that a restart goes on from, where the journal cannot take it. */
  async #keepAside(): Promise<void> {
    const atSeconds = this.#options.now();
    const checkpoint = this.#account.toCheckpoint();
    const attribution = this.#attribution().map(
      (record) => ({ kind: 'attribution', record }) as const,
    );
    await this.#reserve?.keep(this.#number, [
      ...this.#head(),
      { kind: 'checkpoint', atSeconds, checkpoint },
      ...attribution,
    ] satisfies LedgerRecord[]);
  }

  #head(): LedgerRecord[] {
    return [
      {
        kind: 'agent',
        version: JOURNAL_VERSION,
        run: this.#options.run,
        writer: this.#options.writer,
        currency: this.#options.currency,
      },
      ...this.#numbers.all().map((line) => ({ kind: 'device' as const, ...line })),
      { kind: 'facts', facts: this.#facts },
    ];
  }

  #writeHead(): Promise<unknown> {
    const journal = this.#journal;
    for (const record of this.#head()) void journal.append(record, true);
    return this.#checkpoint(journal);
  }

  #checkpoint(journal: Journal): Promise<unknown> {
    const checkpoint = this.#account.toCheckpoint();
    const atSeconds = this.#options.now();
    const written = journal.append(
      { kind: 'checkpoint', atSeconds, checkpoint } satisfies LedgerRecord,
      true,
    );
    for (const record of this.#attribution())
      void journal.append({ kind: 'attribution', record } satisfies LedgerRecord, true);
    return written;
  }

  /** Whether the segment is full, or its day has passed. */
  #isOver(): boolean {
    // While the disk refuses, the next segment would only be held in memory as well.
    if (!this.#journal.isWriting) return false;
    const limit = this.#options.segmentBytes ?? SEGMENT_BYTES;
    return this.#journal.writtenBytes >= limit || dayOf(this.#options.now()) !== this.#day;
  }

  #rotate(): void {
    const over = this.#journal;
    this.#number += 1;
    this.#journal = this.#openSegment();
    void this.#writeHead();
    this.#housekeeping = this.#housekeeping
      .then(() => over.close(CLOSE_SECONDS))
      .then(() => this.#retire());
  }

  /**
   * Begins a segment anew where somebody has removed the one in use, mostly with all of the state directory: the account
   * knows everything that was in it. Without the lock, which has gone as well, the books stay in memory.
   */
  async #replaceRemoved(journal: Journal, path: string): Promise<void> {
    try {
      if (await isThere(path)) return;
      const lock = await lockForAgent(this.#options.stateDirectory);
      await this.#lock[Symbol.asyncDispose]();
      this.#lock = lock;
      if (journal !== this.#journal) return;
      await this.#reserve?.[Symbol.asyncDispose]();
      this.#reserve = await openReserve(agentReservePath(this.#options.stateDirectory));
      this.#rotate();
      this.#options.onFault({ kind: 'caught-up', path, droppedRecords: 0 });
    } catch {
      // The failure of the journal has been said.
    }
  }

  /** Deletes segments that are past their time; never the newest two, one of which has the newest whole checkpoint. */
  async #retire(): Promise<void> {
    const { stateDirectory, retainSeconds, now } = this.#options;
    const directory = agentDirectory(stateDirectory);
    const oldest = toUnixMilliseconds(now()) - retainSeconds * 1e3;
    try {
      for (const name of (await segmentNames(directory)).slice(0, -2)) {
        const path = join(directory, name);
        if ((await stat(path)).mtimeMs < oldest) await rm(path);
      }
    } catch {
      // What cannot be deleted now is tried again at the next rotation.
    }
  }
}

const dayOf = (time: Instant): number => Math.floor(time / SECONDS_PER_DAY);

async function createSegment(path: string): Promise<JournalStart> {
  const file = await open(path, 'w', FILE_MODE);
  await syncDirectory(dirname(path));
  return { file: journalFile(file), lengthBytes: 0, nextSequence: 0 };
}

async function isThere(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (causeOf(error) === 'ENOENT') return false;
    throw error;
  }
}

async function segmentNames(directory: string): Promise<string[]> {
  await makeDirectory(directory);
  try {
    return (await readdir(directory)).filter((name) => SEGMENT_NAME.test(name)).toSorted();
  } catch (error) {
    throw unwritable(directory, error);
  }
}

/** The account as the last agent left it: the newest checkpoint and every slot after it, or what it kept aside later. */
async function restore(
  directory: string,
  names: readonly string[],
  { run, currency, aside }: AgentLedgerOptions & { readonly aside: readonly LedgerRecord[] },
): Promise<Restored> {
  const paths = names.map((name) => join(directory, name));
  const from = await newestWithCheckpoint(paths);
  let account = createAccount(run);
  let attribution: object[] = [];
  let facts: Facts = {};
  let headCurrency: string | undefined;
  let currencyBefore: string | undefined;
  const take = (event: LedgerEvent): void => {
    if (event.kind === 'agent') headCurrency = event.currency;
    if (event.kind === 'checkpoint') {
      // Not the head's without its checkpoint: the sums are then still the segment's before.
      currencyBefore = headCurrency;
      account = createAccount(run, event.checkpoint);
      attribution = [];
    } else if (event.kind === 'attribution') attribution.push(event.record);
    else if (event.kind === 'facts') facts = { ...facts, ...event.facts };
    else if (carriesTotals(event)) replay(account, event);
  };
  for (const path of paths.slice(from)) {
    const end = await eachOf(readRecords(path), take);
    for (const warning of damageWarnings(path, end.damage)) account.addWarning(warning);
  }
  if (isLater(aside, account, run)) {
    for (const record of aside)
      if (record.kind !== 'slot' && record.kind !== 'gauges') take(record);
  }
  // A ledger of an older Wattmeter does not say: its money is taken to be in the same.
  const isOtherCurrency = currencyBefore !== undefined && currencyBefore !== currency;
  return { ...startCharges(account, run, isOtherCurrency), attribution, facts };
}

/** Whether records that were kept aside know more time than the account: an agent may die as its journal catches up. */
function isLater(aside: readonly LedgerRecord[], account: Account, run: Run): boolean {
  const kept = aside.find((record) => record.kind === 'checkpoint');
  return (
    kept !== undefined && toldSeconds(createAccount(run, kept.checkpoint)) > toldSeconds(account)
  );
}

/** Of all devices together, gaps and all: it only grows. */
const toldSeconds = (account: Account): number =>
  account
    .toCheckpoint()
    .devices.map(({ device }) => account.totalsOf(device.uuid))
    .reduce(
      (sum, totals) =>
        sum +
        (totals?.observedSeconds ?? 0) +
        Object.values(totals?.gapSeconds ?? {}).reduce((gaps, gap) => gaps + gap, 0),
      0,
    );

/** Warnings that restoring gave are the new account's as well. */
function startCharges(
  account: Account,
  run: Run,
  isOtherCurrency: boolean,
): Pick<Restored, 'account' | 'chargesAnew'> {
  const checkpoint = account.toCheckpoint();
  const anew = chargesAnew(checkpoint, { isOtherCurrency });
  const started = createAccount(run, withChargesAnew(checkpoint, anew));
  const { warnings } = account.books({ endSeconds: run.startSeconds });
  for (const warning of warnings) started.addWarning(warning);
  return { account: started, chargesAnew: anew };
}

/** What the last agent left. */
interface Restored {
  readonly account: Account;
  readonly chargesAnew: ChargesAnew;
  /** Records since the newest checkpoint, which is followed by all of it. */
  readonly attribution: readonly object[];
  readonly facts: Facts;
}

/** Windows and warnings belonged to the agent that died. */
const carriesTotals = (event: LedgerEvent): boolean =>
  event.kind === 'device' || event.kind === 'slot' || event.kind === 'xid';

/** Place of the newest segment with a whole checkpoint; 0, the oldest, where no later one has any. */
async function newestWithCheckpoint(paths: readonly string[]): Promise<number> {
  for (let at = paths.length - 1; at > 0; at -= 1) {
    const path = paths[at];
    let found: AccountCheckpoint | undefined;
    if (path === undefined) continue;
    await eachOf(readRecords(path), (event) => {
      if (event.kind === 'checkpoint') found = event.checkpoint;
    });
    if (found !== undefined) return at;
  }
  return 0;
}
