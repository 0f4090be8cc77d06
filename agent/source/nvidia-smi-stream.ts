// One streaming nvidia-smi: its output as whole lines with the time at which each was taken, and its end.

import type { Clock } from '../clock.ts';
import { after, type Instant } from '../units.ts';
import { startChild, type Ending } from './child.ts';
import type { QueryField } from './nvidia-smi-fields.ts';

/** What to run, and whom to tell. */
export interface StreamOptions {
  readonly command: string;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly fields: readonly QueryField[];
  readonly periodSeconds: number;
  /** Called for each line as soon as it is whole. */
  onLines(lines: readonly TimedLine[]): void;
  onEnd(ending: Ending, said: string): void;
}

/** A line and when it was taken, on the clock's timeline. */
export interface TimedLine {
  readonly text: string;
  readonly timeSeconds: Instant;
}

/** A running query. */
export interface NvidiaSmiStream {
  /** When it last said anything; its start at first. */
  readonly heardSeconds: Instant;
  /** Whether a line has come yet. */
  readonly hasSpoken: boolean;
  readonly kill: (signal: 'SIGTERM' | 'SIGKILL') => void;
}

const SAID_CHARACTERS = 500;
const CLOCK_OF_DAY = / (\d{2}):(\d{2}):(\d{2}(?:\.\d+)?)/;
const DAY_SECONDS = 86_400;
// Rows that waited longer than this in the pipe were held up by us, and are dated back by nvidia-smi's own clock.
const BACKLOG_LIMIT_SECONDS = 60;

/** Starts `nvidia-smi --query-gpu=… -lms N`. */
export function startStream(options: StreamOptions): NvidiaSmiStream {
  const { clock } = options;
  let heardSeconds = clock.now();
  let hasSpoken = false;
  let rest = '';
  let said = '';
  const child = startChild(options.command, streamArguments(options), options.env, (ending) =>
    options.onEnd(ending, said),
  );
  child.process.stdout?.setEncoding('utf8').on('data', (text: string) => {
    heardSeconds = clock.now();
    hasSpoken = true;
    said = (said + text).slice(-SAID_CHARACTERS);
    const lines = (rest + text).split('\n');
    rest = (lines.pop() ?? '').slice(-SAID_CHARACTERS * 8);
    const filled = lines.map((line) => line.trim()).filter((line) => line !== '');
    if (filled.length > 0) options.onLines(dated(filled, heardSeconds));
  });
  child.process.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-SAID_CHARACTERS);
  });
  return {
    get heardSeconds() {
      return heardSeconds;
    },
    get hasSpoken() {
      return hasSpoken;
    },
    kill: child.kill,
  };
}

// nvidia-smi sleeps after each query, which takes 2 to 8 ms (docs/measurement.md §6): the period is sleep and query.
const QUERY_SECONDS = 0.005;

/** How long nvidia-smi is to sleep between two queries that begin a period apart. */
export const sleepSeconds = (periodSeconds: number): number =>
  Math.max(0.001, periodSeconds - QUERY_SECONDS);

function streamArguments(options: StreamOptions): string[] {
  return [
    `--query-gpu=${options.fields.join(',')}`,
    '--format=csv,noheader,nounits',
    '-lms',
    String(Math.round(sleepSeconds(options.periodSeconds) * 1e3)),
  ];
}

/**
 * A reading is dated by its arrival: the pipe is flushed each cycle, and the clock's timeline is the only one that
 * cannot be set. nvidia-smi's own timestamp serves one purpose: when several rows arrive at once because we were busy,
 * the differences between their timestamps say how long each has waited.
 */
function dated(lines: readonly string[], arrival: Instant): TimedLine[] {
  const newest = secondOfDay(lines.at(-1) ?? '');
  return lines.map((text) => {
    const age = (newest - secondOfDay(text) + DAY_SECONDS) % DAY_SECONDS;
    const waited = age > 0 && age < BACKLOG_LIMIT_SECONDS ? age : 0;
    return { text, timeSeconds: after(arrival, -waited) };
  });
}

function secondOfDay(line: string): number {
  const match = CLOCK_OF_DAY.exec(line);
  if (match === null) return Number.NaN;
  return Number(match[1]) * 3600 + Number(match[2]) * 60 + Number(match[3]);
}
