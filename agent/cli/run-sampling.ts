// Readings for a wrapped command: sampling starts before or after CMD does, and what came early waits for the meters.

import type { Clock } from '../clock.ts';
import type { Device, SourceKind } from '../model.ts';
import { sample, type SampledEvent } from '../sampler.ts';
import { SourceError, type Source } from '../source/source.ts';
import { after } from '../units.ts';
import { closeSources } from './sources.ts';

/** The readings of a run. Disposing stops them without waiting for a hung driver. */
export interface RunSampling extends AsyncDisposable {
  readonly sources: readonly Source[];
  /** Resolves with the first good reading, with the reason why there is none, or with neither at the deadline. */
  firstReading(deadlineSeconds: number): Promise<'measuring' | 'silent' | Error>;
  /** Sources that failed for good while others go on, and why. */
  faults(): ReadonlyMap<SourceKind, string>;
  /** Whether there is a good reading of the device by now. */
  hasReadingOf(uuid: string): boolean;
  /** Why it ended for good, where it failed. */
  readonly failure: Error | undefined;
  /** Whether every source has ended or failed for good. */
  readonly isOver: boolean;
  /** The devices that were announced so far. */
  devices(): readonly Device[];
  /** Every event so far, and from now on as it comes. */
  feed(consume: (event: SampledEvent) => void): void;
}

const DISPOSAL_SECONDS = 0.15;
// Until CMD has started nobody consumes: seconds of readings, not hours.
const EARLY_EVENTS = 10_000;

/** A sampling that could not even begin; it says so as one that failed. */
export const failedSampling = (
  error: Error,
  clock: Clock,
  onFailure: (error: Error) => void,
): RunSampling => {
  const none: Source = {
    kind: 'replay',
    // oxlint-disable-next-line require-yield -- it fails before it could
    async *events() {
      throw error;
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
  return startSampling([none], clock, onFailure);
};

/** Starts sampling. `onFailure` hears why it ended for good, if it does, and whether anything was read before. */
export function startSampling(
  sources: readonly Source[],
  clock: Clock,
  onFailure: (error: Error, hasRead: boolean) => void,
): RunSampling {
  const stop = new AbortController();
  const early: SampledEvent[] = [];
  const announced = new Map<SourceKind, readonly Device[]>();
  const waiting = new Set<() => void>();
  const read = new Set<string>();
  const faults = new Map<SourceKind, string>();
  let consume: ((event: SampledEvent) => void) | undefined;
  let outcome: 'measuring' | Error | undefined;

  const decide = (result: 'measuring' | Error): void => {
    outcome ??= result;
    for (const wake of waiting) wake();
  };
  const take = (event: SampledEvent): void => {
    if (event.kind === 'devices') announced.set(event.source, event.devices);
    if (event.kind === 'fault') faults.set(event.source, event.message);
    if (event.kind === 'batch' && event.batch.status.includes(0)) {
      read.add(event.batch.uuid);
      decide('measuring');
    }
    if (consume !== undefined) consume(event);
    else if (early.length < EARLY_EVENTS) early.push(event);
  };
  let isOver = false;
  const ended = (async () => {
    try {
      for await (const event of sample(sources, stop.signal)) take(event);
      isOver = true;
    } catch (error) {
      isOver = true;
      if (stop.signal.aborted) return;
      const failure = error instanceof Error ? error : new Error(String(error));
      decide(failure);
      onFailure(
        failure instanceof SourceError
          ? failure
          : new Error(`Sampling failed: ${failure.stack ?? failure.message}`),
        read.size > 0,
      );
    }
  })();

  return {
    sources,
    get failure() {
      return outcome instanceof Error ? outcome : undefined;
    },
    get isOver() {
      return isOver;
    },
    async firstReading(deadlineSeconds) {
      if (outcome === undefined) {
        const late = new AbortController();
        const deadline = clock
          .sleepUntil(after(clock.now(), deadlineSeconds), late.signal)
          .catch(() => undefined);
        await Promise.race([new Promise<void>((resolve) => waiting.add(resolve)), deadline]);
        late.abort();
      }
      return outcome ?? 'silent';
    },
    devices: () => [...announced.values()].flat(),
    faults: () => faults,
    hasReadingOf: (uuid) => read.has(uuid),
    feed(consumer) {
      for (const event of early.splice(0)) consumer(event);
      consume = consumer;
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await closeSources(sources, DISPOSAL_SECONDS, ended);
    },
  };
}
