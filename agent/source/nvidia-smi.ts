// Readings from one streaming nvidia-smi: watched, replaced when it falls silent or ends, never two at once.

import type { Clock } from '../clock.ts';
import { eventQueue } from './event-queue.ts';
import { NvidiaSmiWatch, type NvidiaSmiTiming } from './nvidia-smi-watch.ts';
import type { Source, SourceEvent } from './source.ts';

/** How to run nvidia-smi. */
export interface NvidiaSmiOptions {
  readonly clock: Clock;
  readonly periodSeconds: number;
  /** Default `nvidia-smi`, found on PATH. */
  readonly command?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Default true: keep trying until there is a driver with GPUs. Otherwise a failure before the first GPU is thrown. */
  readonly waitForDriver?: boolean;
  readonly timing?: Partial<NvidiaSmiTiming>;
}

const SILENCE_PERIODS = 10;

const timingOf = (options: NvidiaSmiOptions): NvidiaSmiTiming => ({
  tickSeconds: 1,
  probeDeadlineSeconds: 10,
  startDeadlineSeconds: 30,
  silenceSeconds: Math.max(5, SILENCE_PERIODS * options.periodSeconds),
  killGraceSeconds: 2,
  backoffSeconds: 1,
  backoffLimitSeconds: 60,
  absentSeconds: 5,
  ...options.timing,
});

/** Readings from nvidia-smi. */
export function nvidiaSmiSource(options: NvidiaSmiOptions): Source {
  const lifetime = new AbortController();
  return {
    kind: 'nvidia-smi',
    async *events(signal) {
      const queue = eventQueue<SourceEvent>();
      const ended = new AbortController();
      const stop = AbortSignal.any([signal, lifetime.signal, ended.signal]);
      stop.addEventListener('abort', () => queue.end(), { once: true });
      if (stop.aborted) return;
      const watch = new NvidiaSmiWatch({ ...options, timing: timingOf(options) }, queue, stop);
      void watch.supervise().catch((error: unknown) => queue.fail(error));
      void watch.tick().catch((error: unknown) => queue.fail(error));
      try {
        yield* queue.pull();
      } finally {
        ended.abort();
      }
    },
    async [Symbol.asyncDispose]() {
      lifetime.abort();
    },
  };
}
