// Starts CMD and waits for it, touching nothing of what it would be without Wattmeter: its stdio, process group,
// terminal, environment, descriptors, limits and ignored signals. It depends on no pipe and no life of ours.

import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { fstatSync } from 'node:fs';
import { constants } from 'node:os';

import type { Warning } from '../model.ts';
import type { Instant } from '../units.ts';
import type { LaunchFacts } from './launch.ts';
import { lookUpCommand, refusedStart, type CannotRun } from './lookup.ts';
import { restoring } from './restore.ts';

/** What to start, and with what. */
export interface JobPlan {
  readonly command: readonly [string, ...string[]];
  readonly launch: LaunchFacts;
  /** Added to CMD's environment, e.g. WATTMETER_SOCKET. */
  readonly environment: Readonly<Record<string, string>>;
  /** Descriptors that CMD gets as stdout and stderr instead of Wattmeter's own (--step-pattern). */
  readonly output?: { readonly stdout: number; readonly stderr: number };
  readonly now: () => Instant;
}

/** How CMD ended. */
export interface JobEnd {
  readonly endSeconds: Instant;
  /** CMD's own code, or 128 + N when signal N ended it. */
  readonly exitCode: number;
  readonly signal?: NodeJS.Signals;
}

/** The running CMD. */
export interface Job {
  readonly pid: number;
  readonly startSeconds: Instant;
  readonly warnings: readonly Warning[];
  /** Resolves when CMD itself ends, whoever still holds its output; never rejects. */
  readonly ended: Promise<JobEnd>;
  /** Sends CMD a signal; false when it has already ended. */
  send(signal: NodeJS.Signals): boolean;
}

/** The job, or why there is none. */
export type JobStart = { readonly kind: 'started'; readonly job: Job } | CannotRun;

const EXIT_BY_SIGNAL = 128;

/** Starts CMD; resolves as soon as the kernel has executed it or refused to. */
export async function startJob(plan: JobPlan): Promise<JobStart> {
  const [name] = plan.command;
  const environment = { ...plan.launch.environment, ...plan.environment };
  const lookup = lookUpCommand(name, environment['PATH']);
  if (lookup.kind === 'cannot-run') return lookup;
  const { command, warnings } = restoring(plan.command, plan.launch);
  const [file, ...args] = command;
  let child: ChildProcess;
  try {
    child = spawn(file, args, { stdio: stdioOf(plan), env: environment });
  } catch (error) {
    return refusedStart(name, error);
  }
  const startSeconds = plan.now();
  const ended = endOf(child, plan.now);
  const { pid } = child;
  if (pid === undefined) return refusedStart(name, await errorOf(child));
  // From here on an error event can only be a signal that came too late.
  child.on('error', () => undefined);
  return {
    kind: 'started',
    job: { pid, startSeconds, warnings, ended, send: (signal) => child.kill(signal) },
  };
}

function stdioOf(plan: JobPlan): StdioOptions {
  const stdio: (number | 'ignore')[] = [0, plan.output?.stdout ?? 1, plan.output?.stderr ?? 2];
  for (const fd of plan.launch.descriptors.filter(isOpen)) {
    while (stdio.length < fd) stdio.push('ignore');
    stdio[fd] = fd;
  }
  return stdio;
}

function isOpen(fd: number): boolean {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
}

const errorOf = (child: ChildProcess): Promise<Error> =>
  new Promise((resolve) => child.once('error', resolve));

function endOf(child: ChildProcess, now: () => Instant): Promise<JobEnd> {
  return new Promise((resolve) => {
    child.once('exit', (code, signal) => {
      const endSeconds = now();
      resolve(
        signal === null
          ? { endSeconds, exitCode: code ?? 0 }
          : { endSeconds, exitCode: EXIT_BY_SIGNAL + constants.signals[signal], signal },
      );
    });
  });
}
