// The keeper of the one nvidia-smi: starts it, listens whether it still lives, ends it when it does not, starts it anew.

import { setImmediate as turn } from 'node:timers/promises';

import type { Clock } from '../clock.ts';
import { after, type Instant } from '../units.ts';
import { askChild } from './child.ts';
import type { EventQueue } from './event-queue.ts';
import { cycleReader, type CycleReader } from './nvidia-smi-cycles.ts';
import { failureOf, silence, type Failure } from './nvidia-smi-failure.ts';
import { fieldsKnownTo, type QueryField } from './nvidia-smi-fields.ts';
import { RowParser } from './nvidia-smi-rows.ts';
import { startStream, type NvidiaSmiStream } from './nvidia-smi-stream.ts';
import { SourceError, type SourceEvent } from './source.ts';

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

/** What to watch, and how. */
export interface WatchOptions {
  readonly clock: Clock;
  readonly periodSeconds: number;
  readonly command?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly waitForDriver?: boolean;
  readonly timing: NvidiaSmiTiming;
}

const REFUSED_FIELD = /Field "([\w.]+)"/;

/** Owns the child; everything it learns goes into the queue, and everything ends when `stop` aborts. */
export class NvidiaSmiWatch {
  readonly #options: WatchOptions;
  readonly #queue: EventQueue<SourceEvent>;
  readonly #stop: AbortSignal;
  readonly #command: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #parser = new RowParser();
  readonly #cycles: CycleReader;
  readonly #refused = new Set<string>();
  #running: NvidiaSmiStream | undefined;
  /** Why the running child is being ended, and since when. */
  #killing: { readonly sinceSeconds: Instant; readonly failure: Failure } | undefined;
  /** Why there are no readings at present. */
  #failure: Failure | undefined;

  constructor(options: WatchOptions, queue: EventQueue<SourceEvent>, stop: AbortSignal) {
    this.#options = options;
    this.#queue = queue;
    this.#stop = stop;
    this.#command = options.command ?? 'nvidia-smi';
    this.#env = options.env ?? process.env;
    const { clock, periodSeconds, timing } = options;
    const { absentSeconds } = timing;
    const parser = this.#parser;
    this.#cycles = cycleReader({ parser, queue, clock, periodSeconds, absentSeconds });
  }

  /** Runs one child after the other, never two at once. @throws {SourceError} when waiting cannot help. */
  async supervise(): Promise<void> {
    const { clock, timing } = this.#options;
    this.#stop.addEventListener('abort', () => this.#running?.kill('SIGKILL'), { once: true });
    let backoffSeconds = timing.backoffSeconds;
    let fields: readonly QueryField[] | undefined;
    while (!this.#stop.aborted) {
      const startedSeconds = clock.now();
      const probed = fields ?? (await this.#probe());
      const isKnown = !('fate' in probed);
      const ended = isKnown ? await this.#stream(probed) : probed;
      if (this.#stop.aborted) return;
      // Another driver may know other fields.
      fields = isKnown && ended.reason !== 'invalid-query' ? probed : undefined;
      this.#report(ended);
      const wasHealthy = clock.now() - startedSeconds > timing.backoffLimitSeconds;
      if (wasHealthy) ({ backoffSeconds } = timing);
      await this.#sleepUntil(after(clock.now(), backoffSeconds));
      backoffSeconds = Math.min(backoffSeconds * 2, timing.backoffLimitSeconds);
    }
  }

  /** Once a tick: lets time pass for the meters, and looks whether the child still lives. */
  async tick(): Promise<void> {
    const { clock, timing } = this.#options;
    for (;;) {
      await this.#sleepUntil(after(clock.now(), timing.tickSeconds));
      // What waits in the pipe is older than this tick and goes first.
      await turn();
      if (this.#stop.aborted) return;
      const now = clock.now();
      this.#replaceIfSilent(now);
      this.#cycles.passTime(now, this.#failure);
    }
  }

  /** The fields to ask for, or why nobody knows. */
  async #probe(): Promise<readonly QueryField[] | Failure> {
    const deadlineSeconds = this.#options.timing.probeDeadlineSeconds;
    const asked = { env: this.#env, deadlineSeconds, signal: this.#stop };
    const answer = await askChild(this.#command, ['--help-query-gpu'], asked);
    if (answer.kind === 'late') return silence(this.#command, deadlineSeconds);
    const fields = fieldsKnownTo(answer.stdout).filter((field) => !this.#refused.has(field));
    if (fields.includes('uuid') && fields.includes('power.draw')) return fields;
    return failureOf(this.#command, answer.ending, `${answer.stdout}\n${answer.stderr}`);
  }

  /** One child from start to end; resolves to why it ended. */
  #stream(fields: readonly QueryField[]): Promise<Failure> {
    const { clock, periodSeconds } = this.#options;
    return new Promise((resolve) => {
      this.#running = startStream({
        command: this.#command,
        env: this.#env,
        clock,
        fields,
        periodSeconds,
        onLines: (lines) => {
          if (this.#cycles.read(lines, fields) > 0) this.#failure = undefined;
        },
        onEnd: (ending, said) => {
          const failure = this.#killing?.failure ?? failureOf(this.#command, ending, said);
          this.#cycles.endChild();
          this.#running = undefined;
          this.#killing = undefined;
          resolve(failure);
        },
      });
    });
  }

  #report(ended: Failure): void {
    const refused =
      ended.reason === 'invalid-query' ? REFUSED_FIELD.exec(ended.message)?.[1] : undefined;
    if (refused !== undefined) this.#refused.add(refused);
    // A program that has worked before is being replaced: it will come back.
    const isNew = this.#parser.devices.length === 0 && refused === undefined;
    const isHopeless = ended.fate === 'fatal' || this.#options.waitForDriver === false;
    if (isNew && isHopeless) throw new SourceError(ended.message, ended);
    // A child replaced for its silence was reported when the silence was found.
    if (this.#failure !== ended) {
      this.#queue.push({ kind: 'fault', reason: ended.reason, message: ended.message });
    }
    this.#failure = ended;
  }

  #replaceIfSilent(now: Instant): void {
    const { timing } = this.#options;
    const child = this.#running;
    if (child === undefined) return;
    if (this.#killing !== undefined) {
      if (now - this.#killing.sinceSeconds >= timing.killGraceSeconds) child.kill('SIGKILL');
      return;
    }
    const silentSeconds = now - child.heardSeconds;
    const limit = child.hasSpoken ? timing.silenceSeconds : timing.startDeadlineSeconds;
    if (silentSeconds < limit) return;
    const failure = silence(this.#command, silentSeconds);
    this.#failure = failure;
    this.#killing = { sinceSeconds: now, failure };
    this.#queue.push({ kind: 'fault', reason: failure.reason, message: failure.message });
    child.kill('SIGTERM');
  }

  async #sleepUntil(time: Instant): Promise<void> {
    try {
      await this.#options.clock.sleepUntil(time, this.#stop);
    } catch (error) {
      if (!this.#stop.aborted) throw error;
    }
  }
}
