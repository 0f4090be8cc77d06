// The ledger of one run: its directory, its journal locked by its writer, and its summary once it is closed.

import { mkdirSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';

import type { Run } from '../model.ts';
import type { Instant, Joules } from '../units.ts';
import { createColumnsWriter, type ColumnsWriter } from './columns-writer.ts';
import { journalFile } from './journal-file.ts';
import { Journal, type JournalStart, type LedgerFault } from './journal.ts';
import { causeOf } from './ledger-error.ts';
import { lockForWriting } from './lock.ts';
import { JOURNAL_VERSION, type RunRecord, type Writer } from './records.ts';
import { newRunId } from './run-id.ts';
import {
  DIRECTORY_MODE,
  FILE_MODE,
  makeDirectory,
  makeDirectoryNow,
  runColumnsPath,
  runDirectory,
  runJournalPath,
  runsDirectory,
  syncDirectory,
} from './state-dir.ts';
import { writeSummary } from './summary.ts';
import { createDeviceNumbers, createWriter, type LedgerWriter } from './writer.ts';

/** What closes a run's books. */
export interface RunEnd {
  readonly endSeconds: Instant;
  readonly exitCode?: number;
  /** Σ of the measured GPUs, for the list of runs. */
  readonly gpuJoules?: Joules;
  /** Expanded, k = 2. */
  readonly uncertaintyJoules?: Joules;
}

/** The open books of one run. */
export interface RunLedger extends LedgerWriter {
  readonly run: Run;
  /** Where its journal is, and its socket may be; it may not exist while the disk refuses. */
  readonly directory: string;
  /** Closes the books; false when part of them stayed in memory because the disk refused. Never rejects. */
  close(end: RunEnd): Promise<boolean>;
}

/** What a run's ledger needs. */
export interface RunLedgerOptions {
  readonly stateDirectory: string;
  readonly writer: Writer;
  readonly flushSeconds: number;
  readonly onFault: (fault: LedgerFault) => void;
}

// CMD has exited and its exit code waits.
const CLOSE_SECONDS = 0.5;
const SEAL_SECONDS = 0.2;

/**
 * A new run's id, its directory made at once because the path of its socket is handed to CMD. Never throws: where the
 * directory cannot be made, the id will do, and the ledger says why later.
 */
function reserveRun(stateDirectory: string, startSeconds: Instant): string {
  for (;;) {
    const id = newRunId(startSeconds);
    try {
      makeDirectoryNow(runsDirectory(stateDirectory));
      mkdirSync(runDirectory(stateDirectory, id), { mode: DIRECTORY_MODE });
      return id;
    } catch (error) {
      if (causeOf(error) !== 'EEXIST') return id;
    }
  }
}

/** A run's id, and whether its directory is there to hold a socket. */
export interface ReservedRun {
  readonly id: string;
  readonly hasDirectory: boolean;
}

/**
 * The same for a wrapped command, which waits for no file system: a directory that is not made in time is left to the
 * journal, which goes on trying. Never rejects.
 */
export async function reserveRunInTime(
  stateDirectory: string,
  startSeconds: Instant,
  patienceSeconds: number,
  make: (path: string) => Promise<void> = makeDirectory,
): Promise<ReservedRun> {
  const id = newRunId(startSeconds);
  const made = make(runDirectory(stateDirectory, id)).then(
    () => true,
    () => false,
  );
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), patienceSeconds * 1e3);
  });
  const hasDirectory = await Promise.race([made, late]);
  clearTimeout(timer);
  return { id, hasDirectory };
}

/** Takes back a run that never came to be: nothing was measured, and nothing is kept of it. */
export async function withdrawRun(stateDirectory: string, id: string): Promise<void> {
  await rm(runDirectory(stateDirectory, id), { recursive: true, force: true }).catch(
    () => undefined,
  );
}

/**
 * Opens the books of a new run at once: its id and directory are known on return, its journal is created meanwhile.
 * Never throws: where the state directory cannot be written, the books are in memory and `onFault` hears it.
 */
export function createRunLedger(
  options: RunLedgerOptions & {
    /** With the id that `reserveRun` gave, or without one. */
    readonly run: Omit<Run, 'id'> & { readonly id?: string };
  },
): RunLedger {
  const { stateDirectory } = options;
  const id = options.run.id ?? reserveRun(stateDirectory, options.run.startSeconds);
  const run: Run = { ...options.run, id };
  const columns = createColumnsWriter(runColumnsPath(stateDirectory, id));
  const journal = openRunJournal(options, id, columns, () => createJournal(stateDirectory, id));
  const head: RunRecord = {
    kind: 'run',
    version: JOURNAL_VERSION,
    run,
    writer: options.writer,
  };
  void journal.append(head, true);
  columns.addRecord(head);
  const writer = createWriter(() => journal, createDeviceNumbers(), columns);
  return runLedger(options, run, { journal, columns, writer });
}

/** The open files of a run, and the hand on them. */
interface RunFiles {
  readonly journal: Journal;
  readonly columns: ColumnsWriter;
  readonly writer: LedgerWriter;
}

/** The ledger of a run whose journal is open. */
export function runLedger(
  options: RunLedgerOptions,
  run: Run,
  { journal, columns, writer }: RunFiles,
): RunLedger {
  const { stateDirectory } = options;
  return {
    ...writer,
    run,
    directory: runDirectory(stateDirectory, run.id),
    async close(end) {
      const last: RunRecord = { kind: 'end', ...end };
      void journal.append(last, true);
      columns.addRecord(last);
      if (!(await journal.close(CLOSE_SECONDS))) {
        void columns.abandon();
        return false;
      }
      await within(SEAL_SECONDS, columns.seal(journal.writtenBytes));
      try {
        await writeSummary(stateDirectory, { ...run, state: 'closed', ...end });
        return true;
      } catch {
        // The journal is whole and says the same; `recover` writes the summary when the disk allows.
        return true;
      }
    },
  };
}

/** The journal of a run, on the file that `openFile` opens. */
export function openRunJournal(
  options: RunLedgerOptions,
  id: string,
  columns: ColumnsWriter,
  openFile: () => Promise<JournalStart>,
): Journal {
  const { stateDirectory, flushSeconds, onFault } = options;
  return new Journal({
    path: runJournalPath(stateDirectory, id),
    open: openFile,
    flushSeconds,
    onFault: (fault) => {
      // A journal that lost records is not what the columns hold.
      if (fault.kind === 'caught-up' && fault.droppedRecords > 0) void columns.abandon();
      onFault(fault);
    },
  });
}

/** Waits for a promise that never rejects, but not for long. */
async function within(limitSeconds: number, promise: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limitSeconds * 1e3);
  });
  await Promise.race([promise, late]);
  clearTimeout(timer);
}

/** Creates a journal that is locked from the moment it can be seen under its name. */
async function createJournal(stateDirectory: string, id: string): Promise<JournalStart> {
  await makeDirectory(runDirectory(stateDirectory, id));
  const path = runJournalPath(stateDirectory, id);
  const file = await open(`${path}.new`, 'w', FILE_MODE);
  try {
    // Nobody else opens this name: the lock is refused only where locks do not exist, and then the books go on without.
    await lockForWriting(file.fd).catch(() => false);
    await rename(`${path}.new`, path);
    await syncDirectory(runDirectory(stateDirectory, id));
    return { file: journalFile(file), lengthBytes: 0, nextSequence: 0 };
  } catch (error) {
    await file.close();
    throw error;
  }
}
