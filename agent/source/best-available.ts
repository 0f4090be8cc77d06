// The first source of a list that really has devices: an NVML that is not there makes way for nvidia-smi.

import type { Clock } from '../clock.ts';
import { after } from '../units.ts';
import { SourceError, type Source, type SourceEvent } from './source.ts';

/** How to choose. */
export interface Candidates {
  readonly sources: readonly [Source, ...Source[]];
  readonly clock: Clock;
  /** Begin again when none is available, instead of giving up. */
  readonly waits: boolean;
  readonly retrySeconds?: number;
}

const RETRY_SECONDS = 30;

/** A source that is the first of its candidates to announce devices; its kind changes until then. */
export function bestAvailable(candidates: Candidates): Source {
  const { sources, clock } = candidates;
  let chosen = sources[0];

  /** Events of one candidate; returns its failure if it never had devices. */
  async function* attempt(
    source: Source,
    signal: AbortSignal,
  ): AsyncGenerator<SourceEvent, SourceError | undefined, void> {
    let hasDevices = false;
    chosen = source;
    try {
      for await (const event of source.events(signal)) {
        hasDevices ||= event.kind === 'devices';
        yield event;
      }
      return undefined;
    } catch (error) {
      if (hasDevices || !(error instanceof SourceError)) throw error;
      return error;
    }
  }

  return {
    get kind() {
      return chosen.kind;
    },
    async *events(signal) {
      for (;;) {
        const failures: SourceError[] = [];
        for (const source of sources) {
          const failure = yield* attempt(source, signal);
          if (failure === undefined || signal.aborted) return;
          failures.push(failure);
        }
        const failure = noneOf(failures);
        if (!candidates.waits) throw failure;
        yield { kind: 'fault', reason: failure.reason, message: failure.message };
        const again = after(clock.now(), candidates.retrySeconds ?? RETRY_SECONDS);
        await clock.sleepUntil(again, signal).catch(() => undefined);
        if (signal.aborted) return;
      }
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(sources.map((source) => source[Symbol.asyncDispose]()));
    },
  };
}

function noneOf(failures: readonly SourceError[]): SourceError {
  const message = `No GPU can be measured. ${failures.map((failure) => failure.message).join(' ')}`;
  return new SourceError(message, {
    fate: 'fatal',
    reason: failures.at(-1)?.reason ?? 'no-source',
    cause: failures,
  });
}
