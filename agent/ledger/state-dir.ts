// Where the ledger lives: the state directory, its layout, and the lock that keeps a second agent out of it.

import { mkdirSync, statSync } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { causeOf, LedgerError } from './ledger-error.ts';
import { lockForWriting } from './lock.ts';

/** Group-readable, so that a monitoring group can read the books; nobody else. */
export const DIRECTORY_MODE = 0o750;
/** The same for files. */
export const FILE_MODE = 0o640;

/**
 * The state directory: what was asked for, else systemd's STATE_DIRECTORY (/var/lib/wattmeter for our unit), else
 * $XDG_STATE_HOME/wattmeter, else ~/.local/state/wattmeter.
 */
export function locateStateDirectory(options: {
  readonly explicit?: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly homeDirectory: string;
}): string {
  const { explicit, environment, homeDirectory } = options;
  if (explicit !== undefined) return explicit;
  const fromSystemd = environment['STATE_DIRECTORY']?.split(':')[0];
  if (fromSystemd) return fromSystemd;
  const stateHome = environment['XDG_STATE_HOME'];
  // The XDG base directory specification: relative paths are to be ignored.
  if (stateHome?.startsWith('/') === true) return join(stateHome, 'wattmeter');
  return join(homeDirectory, '.local/state/wattmeter');
}

/** Where the runs are. */
export const runsDirectory = (stateDirectory: string): string => join(stateDirectory, 'runs');
/** One run's directory: journal, summary, and whatever else belongs to it (its socket). */
export const runDirectory = (stateDirectory: string, id: string): string =>
  join(runsDirectory(stateDirectory), id);
/** One run's journal. */
export const runJournalPath = (stateDirectory: string, id: string): string =>
  join(runDirectory(stateDirectory, id), 'journal');
/** A closed run's intervals as typed columns, so that pricing a year of them anew takes a second (columns.ts). */
export const runColumnsPath = (stateDirectory: string, id: string): string =>
  join(runDirectory(stateDirectory, id), 'columns');
/** What a closed run amounts to, so that a list need not read journals. */
export const runSummaryPath = (stateDirectory: string, id: string): string =>
  join(runDirectory(stateDirectory, id), 'summary.json');
/** Where the agent's segments are. */
export const agentDirectory = (stateDirectory: string): string => join(stateDirectory, 'agent');

/** What the agent's ledger falls back on when its segment cannot grow (disk-reserve.ts). */
export const agentReservePath = (stateDirectory: string): string =>
  join(agentDirectory(stateDirectory), 'reserve');

/** Makes a directory and its parents. @throws LedgerError when it cannot be. */
export async function makeDirectory(path: string): Promise<void> {
  try {
    await makePath(path);
  } catch (error) {
    throw unwritable(path, error);
  }
}

/** The same at once, for a path that a child process is told of. @throws LedgerError when it cannot be. */
export function makeDirectoryNow(path: string): void {
  try {
    makePathNow(path);
  } catch (error) {
    throw unwritable(path, error);
  }
}

// Node's own recursive mkdir never returns where a file system refuses a name with ENOENT, as /proc does.
async function makePath(path: string): Promise<void> {
  try {
    await mkdir(path, DIRECTORY_MODE);
  } catch (error) {
    if (isThere(path, error)) return;
    if (causeOf(error) !== 'ENOENT' || dirname(path) === path) throw error;
    await makePath(dirname(path));
    await mkdir(path, DIRECTORY_MODE).catch((second: unknown) => {
      if (!isThere(path, second)) throw second;
    });
  }
}

function makePathNow(path: string): void {
  try {
    mkdirSync(path, DIRECTORY_MODE);
  } catch (error) {
    if (isThere(path, error)) return;
    if (causeOf(error) !== 'ENOENT' || dirname(path) === path) throw error;
    makePathNow(dirname(path));
    try {
      mkdirSync(path, DIRECTORY_MODE);
    } catch (second) {
      if (!isThere(path, second)) throw second;
    }
  }
}

/** Whether a refusal only says that somebody made the directory before. */
const isThere = (path: string, error: unknown): boolean =>
  causeOf(error) === 'EEXIST' && statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;

/** Makes a new name in a directory survive power loss; where directories cannot be synced, it is left to the system. */
export async function syncDirectory(path: string): Promise<void> {
  try {
    await using directory = await open(path, 'r');
    await directory.sync();
  } catch {
    // The name is there; only its outliving a power cut within seconds is not promised.
  }
}

/** The refusal to write somewhere in the state directory. */
export function unwritable(path: string, error: unknown): LedgerError {
  const message = `Cannot write ${path}: ${causeOf(error)}. Give --state-dir a directory that you may write, on a disk with free space.`;
  return new LedgerError('unwritable', message, { cause: error });
}

/**
 * Keeps other agents out of a state directory for as long as it is held.
 * @throws LedgerError `locked` when another agent has it, `unwritable` when it cannot be written.
 */
export async function lockForAgent(stateDirectory: string): Promise<AsyncDisposable> {
  const path = join(agentDirectory(stateDirectory), 'lock');
  await makeDirectory(agentDirectory(stateDirectory));
  const file = await open(path, 'a', FILE_MODE).catch((error: unknown) => {
    throw unwritable(path, error);
  });
  try {
    if (await lockForWriting(file.fd)) {
      return { [Symbol.asyncDispose]: () => file.close() };
    }
  } catch (error) {
    await file.close();
    throw error;
  }
  await file.close();
  const message = `Cannot keep an agent's ledger in ${stateDirectory}: another agent holds it. Stop that one, or give this one its own --state-dir.`;
  throw new LedgerError('locked', message);
}
