// The catalogue of stored runs: listed from summaries; where there is none, from the two ends of the journal.

import { open, readdir, type FileHandle } from 'node:fs/promises';

import type { Run } from '../model.ts';
import type { RunSummary } from '../snapshot.ts';
import { instant, type Instant } from '../units.ts';
import { decodeRecord } from './decode.ts';
import { decodeFrame } from './frame.ts';
import { causeOf, LedgerError } from './ledger-error.ts';
import { hasWriter } from './lock.ts';
import type { LedgerRecord } from './records.ts';
import { isRunId } from './run-id.ts';
import { runJournalPath, runsDirectory } from './state-dir.ts';
import { readSummary } from './read-summary.ts';

// Enough for a header with a long command line, and for the last slots of 72 GPUs.
const END_BYTES = 128 * 1024;
// Some at a time: faster than one, and the event loop breathes in between.
const READ_TOGETHER = 32;

/** Ids of the runs in a state directory, oldest first; none when there is no such directory. */
export async function runIds(stateDirectory: string): Promise<string[]> {
  const directory = runsDirectory(stateDirectory);
  try {
    return (await readdir(directory)).filter(isRunId).toSorted();
  } catch (error) {
    if (causeOf(error) === 'ENOENT') return [];
    const message = `Cannot list the runs in ${directory}: ${causeOf(error)}. May you read it?`;
    throw new LedgerError('unreadable', message, { cause: error });
  }
}

/** All stored runs, oldest first. @throws LedgerError when the state directory cannot be read. */
export async function listRuns(stateDirectory: string): Promise<RunSummary[]> {
  const ids = await runIds(stateDirectory);
  const summaries: RunSummary[] = [];
  for (let from = 0; from < ids.length; from += READ_TOGETHER) {
    const some = ids.slice(from, from + READ_TOGETHER);
    const read = await Promise.all(some.map((id) => summaryOf(stateDirectory, id)));
    summaries.push(...read.filter((one) => one !== undefined));
  }
  return summaries;
}

/**
 * The run whose id or name `query` is, of several of one name the newest; undefined when there is none.
 * @throws LedgerError when the state directory cannot be read.
 */
export async function findNamedRun(
  stateDirectory: string,
  query: string,
): Promise<RunSummary | undefined> {
  if (isRunId(query)) {
    const run = await summaryOf(stateDirectory, query);
    if (run !== undefined) return run;
  }
  const named = (await listRuns(stateDirectory)).filter(({ name }) => name === query);
  return named.toSorted((a, b) => a.startSeconds - b.startSeconds).at(-1);
}

/**
 * The one run that `query` means: an id, a name, or the beginning of an id.
 * @throws LedgerError when there is none, or when several ids begin so.
 */
export async function findRun(stateDirectory: string, query: string): Promise<RunSummary> {
  const named = await findNamedRun(stateDirectory, query);
  if (named !== undefined) return named;
  const ids = (await runIds(stateDirectory)).filter((id) => query !== '' && id.startsWith(query));
  const [id] = ids;
  if (id !== undefined && ids.length > 1) {
    const message = `Cannot tell which run "${query}" is: ${ids.length} ids begin so, among them ${id} and ${ids.at(-1)}. Give more of the id.`;
    throw new LedgerError('ambiguous', message);
  }
  const begun = id === undefined ? undefined : await summaryOf(stateDirectory, id);
  if (begun !== undefined) return begun;
  const message = `Cannot find a run "${query}" in ${stateDirectory}: no id begins so and no run has that name. List them with: wattmeter runs`;
  throw new LedgerError('not-found', message);
}

/** One run's summary; undefined when there is nothing of it to read. */
export async function summaryOf(
  stateDirectory: string,
  id: string,
): Promise<RunSummary | undefined> {
  const closed = await readSummary(stateDirectory, id);
  if (closed !== undefined) return closed;
  try {
    await using file = await open(runJournalPath(stateDirectory, id), 'r');
    return await summaryOfJournal(file);
  } catch {
    return undefined;
  }
}

async function summaryOfJournal(file: FileHandle): Promise<RunSummary | undefined> {
  const { size } = await file.stat();
  const head = recordsIn(await readAt(file, 0)).find((record) => record.kind === 'run');
  if (head === undefined) return undefined;
  const tail = recordsIn(await readAt(file, Math.max(0, size - END_BYTES)));
  // A segment after the last end has opened the books again.
  const last = tail.findLast((record) => record.kind === 'end' || record.kind === 'resume');
  if (last?.kind === 'end') {
    const { kind: _kind, ...end } = last;
    return { ...head.run, state: 'closed', ...end };
  }
  // Where nobody can tell whether a writer lives, nobody says that it is dead.
  if (await hasWriter(file.fd).catch(() => true)) return { ...head.run, state: 'open' };
  return { ...head.run, state: 'interrupted', endSeconds: newestEnd(head.run, tail) };
}

async function readAt(file: FileHandle, position: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(END_BYTES), 0, END_BYTES, position);
  return buffer.subarray(0, bytesRead);
}

/** The sound records among some lines; the first and the last line may be cut and then fail their checksum. */
function recordsIn(bytes: Buffer): LedgerRecord[] {
  const records: LedgerRecord[] = [];
  let start = 0;
  for (;;) {
    const end = bytes.indexOf(0x0a, start);
    if (end < 0) return records;
    const frame = decodeFrame(bytes.subarray(start, end));
    const record = frame && decodeRecord(frame.record);
    if (record !== undefined) records.push(record);
    start = end + 1;
  }
}

function newestEnd(run: Run, records: readonly LedgerRecord[]): Instant {
  let newest: number = run.startSeconds;
  for (const record of records) {
    if (record.kind !== 'slot') continue;
    // The third column of a row is its end (slot-rows.ts).
    for (const row of record.rows)
      if (typeof row[2] === 'number') newest = Math.max(newest, row[2]);
  }
  return instant(newest);
}
