// What a command is given of the process: screens, environment, the abort signal. main.ts makes it, tests fake it.

import type { Terminal } from './terminal.ts';

/**
 * Standard output or error. It writes synchronously to the descriptor: Node's own streams would turn a pipe that is
 * shared with CMD non-blocking, which CMD would notice.
 */
export interface Screen {
  readonly isTerminal: boolean;
  readonly columns: number;
  write(text: string): void;
}

/** Where signals come from. */
export interface SignalOrigin {
  on(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
  off(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
}

/** The world of a command. */
export interface Context {
  readonly stdout: Screen;
  readonly stderr: Screen;
  readonly environment: NodeJS.ProcessEnv;
  /** Takes over the terminal that stdout is; absent, or undefined, where it is none. */
  openTerminal?(): Terminal | undefined;
  /** Aborts on SIGINT, SIGTERM or SIGHUP, unless the command has taken the signals (`run`). */
  readonly signal: AbortSignal;
  /** From now on signals are the command's own business. */
  takeSignals(): SignalOrigin;
  /** Errors that nobody caught no longer end the process: CMD's exit code is still to be waited for. */
  surviveCrashes(say: (error: unknown) => void): void;
  /** A thread is inside a call that may never return: the process has to leave without waiting for it. */
  leaveAbruptly(): void;
  readonly processId: number;
  kill(pid: number, signal: NodeJS.Signals): unknown;
  readonly version: string;
  readonly revision: string;
}

/** Whether colour may be used: a terminal that does not refuse it (https://no-color.org). */
export const wantsColour = (screen: Screen, context: Context): boolean =>
  screen.isTerminal &&
  (context.environment['NO_COLOR'] ?? '') === '' &&
  context.environment['TERM'] !== 'dumb';
