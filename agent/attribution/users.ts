// Names of users by number: /etc/passwd, and for those of a directory service (LDAP, SSSD) one `getent` at a time in
// the background. A name that is not known yet is the number; it comes with a later look.

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** Names users. */
export interface UserNames {
  /** The name, or undefined while nobody has told it. */
  nameOf(userId: number): string | undefined;
}

/** Asks a directory for a user; undefined when it does not know. */
export type UserLookup = (userId: number) => Promise<string | undefined>;

/** Where names are found. */
export interface UserNamesOptions {
  readonly passwdFile?: string;
  readonly lookUp?: UserLookup;
}

const LOOKUP_DEADLINE_SECONDS = 3;
const MAX_USERS = 10_000;

/** Creates the names; the file is read at the first question. */
export function createUserNames(options: UserNamesOptions = {}): UserNames {
  const lookUp = options.lookUp ?? askGetent;
  // Undefined stands for a user nobody knows: asked once, not every second.
  const names = new Map<number, string | undefined>();
  let wanted: number[] = [];
  let isAsking = false;
  let isFileRead = false;

  const askNext = (): void => {
    const userId = wanted.shift();
    if (userId === undefined || isAsking) return;
    isAsking = true;
    void lookUp(userId)
      .catch(() => undefined)
      .then((name) => {
        names.set(userId, name);
        isAsking = false;
        askNext();
        return undefined;
      });
  };

  return {
    nameOf(userId) {
      if (!isFileRead) {
        isFileRead = true;
        for (const [id, name] of readPasswd(options.passwdFile ?? '/etc/passwd'))
          names.set(id, name);
      }
      if (!names.has(userId) && names.size < MAX_USERS) {
        names.set(userId, undefined);
        wanted = [...wanted, userId];
        if (!isAsking) askNext();
      }
      return names.get(userId);
    },
  };
}

function readPasswd(path: string): [number, string][] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return [];
  }
  return text.split('\n').flatMap((line): [number, string][] => {
    const [name, , id] = line.split(':');
    return name !== undefined && name !== '' && id !== undefined && /^\d+$/.test(id)
      ? [[Number(id), name]]
      : [];
  });
}

const askGetent: UserLookup = (userId) =>
  new Promise((resolve) => {
    const child = execFile('getent', ['passwd', String(userId)], (failure, stdout) => {
      clearTimeout(timer);
      resolve(failure === null ? nonEmpty(stdout.split(':')[0]) : undefined);
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), LOOKUP_DEADLINE_SECONDS * 1e3);
    // A directory that does not answer must not hold up our exit.
    timer.unref();
    child.unref();
    for (const stream of [child.stdout, child.stderr]) {
      if (stream !== null && 'unref' in stream && typeof stream.unref === 'function') {
        stream.unref();
      }
    }
  });

const nonEmpty = (text: string | undefined): string | undefined =>
  text === undefined || text.trim() === '' ? undefined : text.trim();
