// Finds CMD as a shell would, so that 126 and 127 mean what they mean there, before anything is started.

import { accessSync, constants, statSync } from 'node:fs';
import { join } from 'node:path';

/** What a shell would find under a command's name. */
export type Lookup = { readonly kind: 'found'; readonly path: string } | CannotRun;

/** Why CMD cannot be started, and what a shell would exit with. */
export interface CannotRun {
  readonly kind: 'cannot-run';
  /** 126: it is there but cannot be executed; 127: it is not there. */
  readonly exitCode: 126 | 127;
  /** One line: the thing, the cause, the mend. */
  readonly message: string;
}

type FileState = 'executable' | 'folder' | 'not-executable' | 'unreachable' | 'missing';

// What execvp() searches when PATH is not set (glibc's _CS_PATH).
const DEFAULT_PATH = '/bin:/usr/bin';

/** Looks `name` up: as it is when it holds a slash, else in the folders of `searchPath` in order. */
export function lookUpCommand(name: string, searchPath: string | undefined): Lookup {
  if (name.includes('/')) return lookUpPath(name);
  const candidates = (name === '' ? [] : (searchPath ?? DEFAULT_PATH).split(':')).map((folder) => {
    const path = folder === '' ? `./${name}` : join(folder, name);
    return { path, state: stateOf(path) };
  });
  const found = candidates.find(({ state }) => state === 'executable');
  if (found !== undefined) return { kind: 'found', path: found.path };
  const refused = candidates.find(({ state }) => state === 'not-executable');
  if (refused !== undefined) return lookUpPath(refused.path);
  return cannotRun(127, name, 'no such command. Is it installed, and is its folder in PATH?');
}

function lookUpPath(path: string): Lookup {
  switch (stateOf(path)) {
    case 'executable':
      return { kind: 'found', path };
    case 'folder':
      return cannotRun(126, path, 'it is a folder. Name a program in it.');
    case 'not-executable':
      return cannotRun(126, path, 'permission denied. Is it executable (chmod +x)?');
    case 'unreachable':
      return cannotRun(126, path, 'permission denied. May you enter its folder?');
    case 'missing':
      return cannotRun(127, path, 'no such file. Is the path right?');
  }
}

function stateOf(path: string): FileState {
  try {
    if (statSync(path).isDirectory()) return 'folder';
  } catch (error) {
    return ['ENOENT', 'ENOTDIR'].includes(errorCode(error)) ? 'missing' : 'unreachable';
  }
  try {
    accessSync(path, constants.X_OK);
    return 'executable';
  } catch {
    return 'not-executable';
  }
}

/** What became of a start that the kernel refused although the file was there. */
export function refusedStart(name: string, error: unknown): CannotRun {
  const code = errorCode(error);
  return code === 'ENOENT'
    ? cannotRun(127, name, 'the interpreter that its first line names does not exist.')
    : cannotRun(126, name, `the system refuses to start it (${code}).`);
}

const errorCode = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : String(error);

const cannotRun = (exitCode: 126 | 127, name: string, why: string): CannotRun => ({
  kind: 'cannot-run',
  exitCode,
  message: `Cannot run ${name === '' ? "''" : name}: ${why}`,
});
