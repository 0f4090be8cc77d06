// The jobs that are told apart, at most so many: what each has drawn on each device. Jobs beyond that share one line,
// `other`; jobs that ended long ago are folded into one, `ended`. Pure.

import type { Charge } from '../model.ts';
import { addAmounts, addShare, amountsOf, newAmounts, rowOf, totalsOf } from './amounts.ts';
import type { Amounts, AmountTotals } from './amounts.ts';
import { jobKey, type Basis, type Job } from './job.ts';
import type { AmountsRow, JobRecord } from './record.ts';

/** What one job has drawn on one device. */
export interface JobLine extends AmountTotals {
  readonly job: Job;
  readonly uuid: string;
  readonly basis: Basis | 'mixed';
}

/** A share that goes to a job. */
export interface Credit {
  readonly uuid: string;
  readonly energyJoules: number;
  /** Of the interval's charge. */
  readonly ratio: number;
  readonly charge: Charge;
  readonly basis: Basis;
}

/** What changed since the last question. */
export interface TableChanges {
  readonly jobs: readonly JobRecord[];
  readonly gone: readonly number[];
  /** Rows of the table that changed: uuid, job, amounts. */
  readonly rows: readonly (readonly [uuid: string, number: number, amounts: AmountsRow])[];
}

/** The jobs and their lines. */
export interface JobTable {
  /** The job is alive at `seconds`; what is said of it is brought up to date. */
  see(job: Job, seconds: number): void;
  credit(job: Job, credit: Credit): void;
  lines(): JobLine[];
  /** Joules of all jobs on a device. */
  amountsOn(uuid: string): Amounts;
  /** Whether any job has gone to `other` for want of room. */
  readonly isFull: boolean;
  everything(): TableChanges;
  takeChanges(): TableChanges;
  restore(changes: TableChanges): void;
}

/** Bounds of a table. */
export interface JobTableOptions {
  readonly maxJobs: number;
  /** How long a job keeps its own line after it was last seen. */
  readonly keepEndedSeconds: number;
}

interface Entry {
  readonly number: number;
  job: Job;
  /** Undefined after a restart: counted from the first look on. */
  seenSeconds: number | undefined;
  byUtilization: boolean;
  byPresence: boolean;
  readonly lines: Map<string, Amounts>;
}

// Where room is wanted a job that has been gone for a few scrapes makes it.
const MAKE_ROOM_AFTER_SECONDS = 300;
const RETIRE_EVERY_SECONDS = 600;
const OTHER: Job = { kind: 'other', jobId: 'other' };

/** Creates an empty table. */
export function createJobTable(options: JobTableOptions): JobTable {
  return new Table(options);
}

class Table implements JobTable {
  readonly #options: JobTableOptions;
  readonly #entries = new Map<string, Entry>();
  /** Jobs that found no room, by when they were last seen: they stay in `other` for as long as they live. */
  readonly #overflow = new Map<string, number>();
  readonly #changedJobs = new Set<Entry>();
  readonly #changedLines = new Map<Entry, Set<string>>();
  #gone: number[] = [];
  #nextNumber = 0;
  #nowSeconds = Number.NEGATIVE_INFINITY;
  #retiredSeconds = Number.NEGATIVE_INFINITY;
  #isFull = false;

  constructor(options: JobTableOptions) {
    this.#options = options;
  }

  get isFull(): boolean {
    return this.#isFull;
  }

  see(job: Job, seconds: number): void {
    this.#nowSeconds = Math.max(this.#nowSeconds, seconds);
    const key = jobKey(job);
    if (this.#overflow.has(key)) this.#overflow.set(key, seconds);
    const entry = this.#entries.get(key);
    if (entry !== undefined) {
      entry.seenSeconds = seconds;
      if (job.user !== undefined && entry.job.user !== job.user) {
        entry.job = job;
        this.#changedJobs.add(entry);
      }
    }
    if (seconds - this.#retiredSeconds >= RETIRE_EVERY_SECONDS) {
      this.#retiredSeconds = seconds;
      this.#retire(this.#options.keepEndedSeconds);
    }
  }

  credit(job: Job, credit: Credit): void {
    const entry = this.#entryFor(job);
    const line = lineOn(entry, credit.uuid);
    addShare(line, credit.energyJoules, credit.ratio, credit.charge);
    this.#touch(entry, credit.uuid);
    const isNews = credit.basis === 'utilization' ? !entry.byUtilization : !entry.byPresence;
    if (!isNews) return;
    if (credit.basis === 'utilization') entry.byUtilization = true;
    else entry.byPresence = true;
    this.#changedJobs.add(entry);
  }

  lines(): JobLine[] {
    return [...this.#entries.values()].flatMap((entry) =>
      [...entry.lines].map(([uuid, amounts]) => ({
        job: entry.job,
        uuid,
        ...totalsOf(amounts),
        basis: basisOf(entry),
      })),
    );
  }

  amountsOn(uuid: string): Amounts {
    const all = newAmounts();
    for (const { lines } of this.#entries.values()) {
      const line = lines.get(uuid);
      if (line !== undefined) addAmounts(all, line);
    }
    return all;
  }

  everything(): TableChanges {
    const entries = [...this.#entries.values()];
    return {
      jobs: entries.map(recordOf),
      gone: [],
      rows: entries.flatMap(({ number, lines }) =>
        [...lines].map(([uuid, amounts]) => [uuid, number, rowOf(amounts)] as const),
      ),
    };
  }

  takeChanges(): TableChanges {
    const changes: TableChanges = {
      jobs: [...this.#changedJobs].map(recordOf),
      gone: this.#gone,
      rows: [...this.#changedLines].flatMap(([entry, uuids]) =>
        [...uuids].map((uuid) => [uuid, entry.number, rowOf(lineOn(entry, uuid))] as const),
      ),
    };
    this.#changedJobs.clear();
    this.#changedLines.clear();
    this.#gone = [];
    return changes;
  }

  restore({ jobs, gone, rows }: TableChanges): void {
    const byNumber = new Map([...this.#entries.values()].map((entry) => [entry.number, entry]));
    for (const { number, byUtilization, byPresence, ...job } of jobs) {
      const known = byNumber.get(number);
      const entry = known ?? { number, job, seenSeconds: undefined, lines: new Map() };
      const next: Entry = { ...entry, job, byUtilization, byPresence };
      byNumber.set(number, next);
      this.#entries.set(jobKey(job), next);
      this.#nextNumber = Math.max(this.#nextNumber, number + 1);
    }
    for (const [uuid, number, amounts] of rows) {
      byNumber.get(number)?.lines.set(uuid, amountsOf(amounts));
    }
    for (const number of gone) {
      const entry = byNumber.get(number);
      if (entry !== undefined) this.#entries.delete(jobKey(entry.job));
    }
  }

  #entryFor(job: Job): Entry {
    const key = jobKey(job);
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    if (this.#overflow.has(key)) return this.#otherEntry();
    if (this.#ownLines() >= this.#options.maxJobs) {
      this.#retire(MAKE_ROOM_AFTER_SECONDS);
      if (this.#ownLines() >= this.#options.maxJobs) {
        this.#isFull = true;
        this.#overflow.set(key, this.#nowSeconds);
        return this.#otherEntry();
      }
    }
    return this.#newEntry(job);
  }

  /** How many jobs have a line of their own. */
  #ownLines(): number {
    let shared = 0;
    for (const { job } of this.#entries.values()) if (isShared(job)) shared += 1;
    return this.#entries.size - shared;
  }

  #otherEntry(): Entry {
    return this.#entries.get(jobKey(OTHER)) ?? this.#newEntry(OTHER);
  }

  #newEntry(job: Job): Entry {
    const entry: Entry = {
      number: this.#nextNumber,
      job,
      seenSeconds: this.#nowSeconds,
      byUtilization: false,
      byPresence: false,
      lines: new Map(),
    };
    this.#nextNumber += 1;
    this.#entries.set(jobKey(job), entry);
    this.#changedJobs.add(entry);
    return entry;
  }

  /**
   * Folds jobs that nobody has seen for so long into one. The fold is a new line each time, `ended-N`: were it one that
   * grows, what a job had drawn would count as drawn once more when it is folded (Prometheus's increase()).
   */
  #retire(afterSeconds: number): void {
    const now = this.#nowSeconds;
    for (const [key, seconds] of this.#overflow) {
      if (now - seconds > afterSeconds) this.#overflow.delete(key);
    }
    const entries = [...this.#entries.values()];
    for (const entry of entries) entry.seenSeconds ??= now;
    const over = entries.filter(
      ({ job, seenSeconds }) => !isShared(job) && now - (seenSeconds ?? now) > afterSeconds,
    );
    if (over.length === 0) return;
    const fold = this.#newEntry({ kind: 'ended', jobId: `ended-${this.#nextNumber}` });
    for (const entry of [...entries.filter(({ job }) => job.kind === 'ended'), ...over]) {
      for (const [uuid, amounts] of entry.lines) {
        addAmounts(lineOn(fold, uuid), amounts);
        this.#touch(fold, uuid);
      }
      fold.byUtilization ||= entry.byUtilization;
      fold.byPresence ||= entry.byPresence;
      this.#entries.delete(jobKey(entry.job));
      this.#changedJobs.delete(entry);
      this.#changedLines.delete(entry);
      this.#gone.push(entry.number);
    }
  }

  #touch(entry: Entry, uuid: string): void {
    const uuids = this.#changedLines.get(entry) ?? new Set();
    this.#changedLines.set(entry, uuids.add(uuid));
  }
}

const isShared = (job: Job): boolean => job.kind === 'other' || job.kind === 'ended';

function lineOn(entry: Entry, uuid: string): Amounts {
  const known = entry.lines.get(uuid);
  if (known !== undefined) return known;
  const fresh = newAmounts();
  entry.lines.set(uuid, fresh);
  return fresh;
}

const recordOf = ({ number, job, byUtilization, byPresence }: Entry): JobRecord => ({
  number,
  ...job,
  byUtilization,
  byPresence,
});

function basisOf({ byUtilization, byPresence }: Entry): Basis | 'mixed' {
  if (byUtilization && byPresence) return 'mixed';
  return byUtilization ? 'utilization' : 'presence';
}
