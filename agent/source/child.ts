// Other programs as children that can always be got rid of: each leads a process group of its own, is killed with it,
// never holds up our exit, and does not outlive us.

import { spawn, type ChildProcess } from 'node:child_process';

/** A running child and how to end it. */
export interface Child {
  readonly process: ChildProcess;
  /** Asks the whole group to go (SIGTERM), or makes it (SIGKILL). */
  readonly kill: (signal: 'SIGTERM' | 'SIGKILL') => void;
}

/** How a child ended: with a code, by a signal, or without ever having started. */
export type Ending =
  | { readonly kind: 'exited'; readonly code: number }
  | { readonly kind: 'killed'; readonly signal: string }
  | { readonly kind: 'not-started'; readonly error: NodeJS.ErrnoException };

/** Starts a program in a group of its own, its output in pipes; `onEnd` is called exactly once. */
export function startChild(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  onEnd: (ending: Ending) => void,
): Child {
  const child = spawn(command, args, {
    // A group of its own: Ctrl-C at the terminal does not reach it, and its own children die with it.
    detached: true,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const kill = (signal: 'SIGTERM' | 'SIGKILL'): void => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, signal);
    } catch {
      // The group is gone already.
    }
  };
  const killAtExit = (): void => kill('SIGKILL');
  process.once('exit', killAtExit);
  let hasEnded = false;
  const end = (ending: Ending): void => {
    if (hasEnded) return;
    hasEnded = true;
    process.off('exit', killAtExit);
    onEnd(ending);
  };
  child.once('error', (error: NodeJS.ErrnoException) => {
    if (child.pid === undefined) end({ kind: 'not-started', error });
  });
  child.once('close', (code, signal) => {
    end(signal === null ? { kind: 'exited', code: code ?? 0 } : { kind: 'killed', signal });
  });
  // Whoever waits for events keeps the process alive, not a child that may hang for ever.
  child.unref();
  for (const stream of [child.stdout, child.stderr]) {
    if (stream !== null && 'unref' in stream && typeof stream.unref === 'function') stream.unref();
  }
  return { process: child, kill };
}

/** What a short-lived program answered, or that it did not in time. */
export type Answer =
  | {
      readonly kind: 'answered';
      readonly ending: Ending;
      readonly stdout: string;
      readonly stderr: string;
    }
  | { readonly kind: 'late' };

// An inventory of 72 GPUs is a megabyte or two; what floods us is no answer.
const OUTPUT_LIMIT_CHARACTERS = 8 * 1024 * 1024;

/** Runs a program to its end, at most `deadlineSeconds`; then its group is killed and not waited for. */
export function askChild(
  command: string,
  args: readonly string[],
  options: {
    readonly env: NodeJS.ProcessEnv;
    readonly deadlineSeconds: number;
    readonly signal: AbortSignal;
  },
): Promise<Answer> {
  return new Promise((resolve) => {
    const output = { stdout: '', stderr: '' };
    const finish = (answer: Answer): void => {
      clearTimeout(timer);
      options.signal.removeEventListener('abort', giveUp);
      resolve(answer);
    };
    const child = startChild(command, args, options.env, (ending) =>
      finish({ kind: 'answered', ending, ...output }),
    );
    const giveUp = (): void => {
      child.kill('SIGKILL');
      finish({ kind: 'late' });
    };
    const timer = setTimeout(giveUp, options.deadlineSeconds * 1e3);
    options.signal.addEventListener('abort', giveUp, { once: true });
    for (const name of ['stdout', 'stderr'] as const) {
      child.process[name]?.setEncoding('utf8').on('data', (text: string) => {
        if (output[name].length < OUTPUT_LIMIT_CHARACTERS) output[name] += text;
      });
    }
  });
}
