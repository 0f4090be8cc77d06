// The programs that put back what Node changed and then become CMD by exec (same process, same arguments, same
// environment): prlimit(1) for the soft limit of open files, env(1) for ignored signals. None is used when nothing
// differs, and a missing one is a warning, never the end of the job.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

import type { Warning } from '../model.ts';
import type { LaunchFacts } from './launch.ts';
import { lookUpCommand } from './lookup.ts';

/** CMD with what has to be exec'd before it. */
export interface RestoredCommand {
  readonly command: readonly [string, ...string[]];
  readonly warnings: readonly Warning[];
}

/** Puts the restoring programs before `command`. */
export function restoring(
  command: readonly [string, ...string[]],
  facts: LaunchFacts,
): RestoredCommand {
  const searchPath = facts.environment['PATH'];
  const warnings: Warning[] = [];
  let restored = command;
  const limit = facts.openFilesLimit;
  if (limit !== undefined && limit !== ownOpenFilesLimit()) {
    if (lookUpCommand('prlimit', searchPath).kind === 'found') {
      restored = ['prlimit', `--nofile=${limit}:`, '--', ...restored];
    } else {
      warnings.push(notRestored(`the soft limit of open files (${limit})`, 'prlimit (util-linux)'));
    }
  }
  const ignored = facts.ignoredSignals.filter((name) => name !== 'SIGKILL' && name !== 'SIGSTOP');
  if (ignored.length > 0) {
    const names = ignored.map((name) => name.slice('SIG'.length)).join(',');
    if (canIgnore(names, searchPath)) {
      // env(1) takes a command with `=` for an assignment; nice(1) in between, changing nothing, does not.
      const shield = restored[0].includes('=') ? ['nice', '-n', '0', '--'] : [];
      restored = ['env', `--ignore-signal=${names}`, ...shield, ...restored];
    } else {
      warnings.push(notRestored(`the ignored signals ${names}`, 'env (coreutils 8.31 or newer)'));
    }
  }
  return { command: restored, warnings };
}

function ownOpenFilesLimit(): string | undefined {
  const line = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'));
  return line?.[1];
}

function canIgnore(names: string, searchPath: string | undefined): boolean {
  const trial = spawnSync('env', [`--ignore-signal=${names}`, 'true'], {
    stdio: 'ignore',
    env: searchPath === undefined ? {} : { PATH: searchPath },
  });
  return trial.status === 0;
}

const notRestored = (what: string, tool: string): Warning => ({
  code: 'state-not-restored',
  message: `Cannot give the job ${what} that Wattmeter was started with: ${tool} is missing. Install it, or set this inside the job.`,
});
