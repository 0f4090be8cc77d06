// Recorded traces as a source: at once and in their own time, or live, or in a loop that never ends.

import type { Clock } from '../clock.ts';
import { isRepeatable } from './log/lines.ts';
import { logReader, type LogOptions, type LogReader } from './log/read-log.ts';
import { repeatTrace } from './replay-loop.ts';
import { joinSummaries, mergeLogs } from './replay-merge.ts';
import { atPace } from './replay-pace.ts';
import type { InputSummary, Source } from './source.ts';

/** What to replay, and how. */
export interface ReplayOptions {
  readonly files: readonly string[];
  readonly clock: Clock;
  /** Trace seconds per second, or as fast as the consumer pulls. */
  readonly speed: number | 'max';
  /** Begin anew at the end, for ever; a pipe has no second time. */
  readonly loop?: boolean;
  /** Live only: readings get present times, from the start of the replay on, with the trace's own spacing. */
  readonly restampToNow?: boolean;
  readonly log?: LogOptions;
}

// Live, a slow value should not wait for thousands of rows.
const LIVE_BATCH_ROWS = 10;

/** A source that reads traces. A single file's devices without UUID are `trace-0`, …; several files' `trace-1-0`, …. */
export function replaySource(options: ReplayOptions): Source & { inputSummary(): InputSummary } {
  const lifetime = new AbortController();
  let firstPass: LogReader[] | undefined;

  const readers = (): LogReader[] =>
    options.files.map((file, at) =>
      logReader(file, {
        ...(options.speed !== 'max' && { batchRows: LIVE_BATCH_ROWS }),
        ...(options.files.length > 1 && { uuidPrefix: `trace-${at + 1}-` }),
        ...options.log,
      }),
    );

  return {
    kind: 'replay',
    async *events(signal) {
      const stop = AbortSignal.any([signal, lifetime.signal]);
      const pass = () => {
        const logs = readers();
        firstPass ??= logs;
        return mergeLogs(logs, stop);
      };
      const loops = options.loop === true && options.files.every(isRepeatable);
      const trace = repeatTrace(pass, () => loops && !stop.aborted);
      try {
        if (options.speed === 'max') yield* trace;
        else {
          const { clock, speed, restampToNow = false } = options;
          yield* atPace(trace, { clock, speed, restampToNow }, stop);
        }
      } catch (error) {
        if (!stop.aborted) throw error;
      }
    },
    inputSummary: () => joinSummaries((firstPass ?? readers()).map((log) => log.summary())),
    async [Symbol.asyncDispose]() {
      lifetime.abort();
    },
  };
}
