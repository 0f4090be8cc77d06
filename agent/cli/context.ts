// What a command is given of the process: streams, environment, the abort signal. main.ts makes it, tests fake it.

import type { Writable } from 'node:stream';

/** A stream that may be a terminal. */
export type Screen = Writable & { readonly isTTY?: boolean; readonly columns?: number };

/** The world of a command. */
export interface Context {
  readonly stdout: Screen;
  readonly stderr: Screen;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Aborts on SIGINT, SIGTERM or SIGHUP, unless the command has taken the signals (`run`). */
  readonly signal: AbortSignal;
  /** From now on signals are the command's own business. */
  releaseSignals(): void;
  /** Instant of the process's start in milliseconds since 1970, for a run's books. */
  readonly version: string;
  readonly revision: string;
}

/** Whether colour may be used: a terminal that does not refuse it (https://no-color.org). */
export const wantsColour = (screen: Screen, context: Context): boolean =>
  screen.isTTY === true &&
  (context.environment['NO_COLOR'] ?? '') === '' &&
  context.environment['TERM'] !== 'dumb';
