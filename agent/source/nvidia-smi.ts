// Readings from one streaming nvidia-smi: watched, replaced when it falls silent or ends, never two at once.

import type { Clock } from '../clock.ts';
import type { Instant } from '../units.ts';
import { after } from '../units.ts';
import { askChild } from './child.ts';
import { eventQueue, type EventQueue } from './event-queue.ts';
import { failureOf, silence, type Failure } from './nvidia-smi-failure.ts';
import { cycleReader } from './nvidia-smi-cycles.ts';
import { fieldsKnownTo, type QueryField } from './nvidia-smi-fields.ts';
import { rowParser } from './nvidia-smi-rows.ts';
import { startStream, type NvidiaSmiStream } from './nvidia-smi-stream.ts';
import { SourceError, type Source, type SourceEvent } from './source.ts';

/** Deadlines of the watch, seconds. */
export interface NvidiaSmiTiming {
  /** Between two ticks. */
  readonly tickSeconds: number;
  /** `--help-query-gpu` must have answered. */
  readonly probeDeadlineSeconds: number;
  /** The first line must have come: without persistence mode each GPU takes a second or two to wake. */
  readonly startDeadlineSeconds: number;
  /** Silence after which a child that has spoken is replaced. */
  readonly silenceSeconds: number;
  /** Between SIGTERM and SIGKILL. */
  readonly killGraceSeconds: number;
  /** Before the first restart; doubles up to the limit while failures follow each other. */
  readonly backoffSeconds: number;
  readonly backoffLimitSeconds: number;
  /** A GPU that has no row for so long while others have is gone. */
  readonly absentSeconds: number;
}

/** How to run nvidia-smi. */
export interface NvidiaSmiOptions {
  readonly clock: Clock;
  readonly periodSeconds: number;
  /** Default `nvidia-smi`, found on PATH. */
  readonly command?: string;
  readonly env?: NodeJS.ProcessEnv;
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
      const watch = openWatch(options, queue, stop);
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

interface Watch {
  /** Runs one child after the other until stopped. @throws {SourceError} when waiting cannot help. */
  supervise(): Promise<void>;
  /** Once a tick: lets time pass for the meters and looks whether the child still lives. */
  tick(): Promise<void>;
}

function openWatch(
  options: NvidiaSmiOptions,
  queue: EventQueue<SourceEvent>,
  stop: AbortSignal,
): Watch {
  const timing = timingOf(options);
  const command = options.command ?? 'nvidia-smi';
  const env = options.env ?? process.env;
  const { clock } = options;
  const parser = rowParser();
  const reader = cycleReader(parser, queue, options.periodSeconds, timing.absentSeconds);
  let running: NvidiaSmiStream | undefined;
  let killing: { readonly sinceSeconds: Instant; readonly failure: Failure } | undefined;
  let failure: Failure | undefined;

  const probe = async (): Promise<QueryField[] | Failure> => {
    const asked = { env, deadlineSeconds: timing.probeDeadlineSeconds, signal: stop };
    const answer = await askChild(command, ['--help-query-gpu'], asked);
    if (answer.kind === 'late') return silence(command, timing.probeDeadlineSeconds);
    const fields = fieldsKnownTo(answer.stdout);
    if (fields.includes('uuid') && fields.includes('power.draw')) return fields;
    return failureOf(command, answer.ending, `${answer.stdout}\n${answer.stderr}`);
  };

  const stream = (fields: readonly QueryField[]): Promise<Failure> =>
    new Promise((resolve) => {
      reader.restart();
      running = startStream({
        command,
        env,
        clock,
        fields,
        periodSeconds: options.periodSeconds,
        onLines(lines) {
          failure = undefined;
          reader.read(lines, fields);
        },
        onEnd(ending, said) {
          running = undefined;
          const why = killing?.failure ?? failureOf(command, ending, said);
          killing = undefined;
          resolve(why);
        },
      });
    });

  const replaceIfSilent = (now: Instant): void => {
    if (running === undefined) return;
    if (killing !== undefined) {
      if (now - killing.sinceSeconds >= timing.killGraceSeconds) running.kill('SIGKILL');
      return;
    }
    const silentSeconds = now - running.heardSeconds;
    const limit = running.hasSpoken ? timing.silenceSeconds : timing.startDeadlineSeconds;
    if (silentSeconds < limit) return;
    failure = silence(command, silentSeconds);
    killing = { sinceSeconds: now, failure };
    queue.push({ kind: 'fault', reason: failure.reason, message: failure.message });
    running.kill('SIGTERM');
  };

  stop.addEventListener('abort', () => running?.kill('SIGKILL'), { once: true });

  return {
    async supervise() {
      let backoffSeconds = timing.backoffSeconds;
      let fields: QueryField[] | undefined;
      while (!stop.aborted) {
        const startedSeconds = clock.now();
        const probed: QueryField[] | Failure = fields ?? (await probe());
        fields = Array.isArray(probed) ? probed : undefined;
        const ended = Array.isArray(probed) ? await stream(probed) : probed;
        if (stop.aborted) return;
        // A program that has worked before is being replaced: it will come back.
        if (ended.fate === 'fatal' && parser.devices.length === 0)
          throw new SourceError(ended.message, ended);
        // A child replaced for its silence has been reported when the silence was found.
        if (failure !== ended) {
          queue.push({ kind: 'fault', reason: ended.reason, message: ended.message });
        }
        failure = ended;
        // Another driver may know other fields.
        if (ended.reason === 'invalid-query') fields = undefined;
        const wasHealthy = clock.now() - startedSeconds > timing.backoffLimitSeconds;
        if (wasHealthy) backoffSeconds = timing.backoffSeconds;
        await clock.sleepUntil(after(clock.now(), backoffSeconds), stop).catch(ignoreAbort);
        backoffSeconds = Math.min(backoffSeconds * 2, timing.backoffLimitSeconds);
      }
    },
    async tick() {
      let next = after(clock.now(), timing.tickSeconds);
      for (;;) {
        await clock.sleepUntil(next, stop).catch(ignoreAbort);
        // What waits in the pipe is older than this tick and goes first.
        await new Promise((resolve) => setImmediate(resolve));
        if (stop.aborted) return;
        const now = clock.now();
        replaceIfSilent(now);
        reader.passTime(now, failure);
        next = after(now, timing.tickSeconds);
      }
    },
  };
}

const ignoreAbort = (error: unknown): void => {
  if (!(error instanceof Error && error.name === 'AbortError')) throw error;
};
