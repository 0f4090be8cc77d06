// The first source of a list that really has devices: an NVML that is not there makes way for nvidia-smi.

import type { Clock } from '../clock.ts';
import type { SourceKind } from '../model.ts';
import { after } from '../units.ts';
import { SourceError, type Source, type SourceEvent } from './source.ts';

/** How to choose. */
export interface Candidates {
  /** Each makes a fresh source; it is disposed of when it turns out to have nothing. */
  readonly open: readonly (() => Promise<Source>)[];
  readonly clock: Clock;
  /** Begin again when none is available, instead of giving up. */
  readonly waits: boolean;
  readonly retrySeconds?: number;
}

/** A source that stands for another. */
export interface ChosenSource extends Source {
  /** The one that is being tried, or that was chosen: for what only it can do. */
  readonly current: Source | undefined;
}

const RETRY_SECONDS = 30;

/** The first of its candidates to announce devices; a candidate that throws before that makes way for the next. */
export function bestAvailable(candidates: Candidates): ChosenSource {
  const { clock } = candidates;
  let current: Source | undefined;

  /** Events of one candidate; returns its failure if it never had devices. */
  async function* attempt(
    source: Source,
    signal: AbortSignal,
  ): AsyncGenerator<SourceEvent, SourceError | undefined, void> {
    let hasDevices = false;
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
      return current?.kind ?? 'nvml';
    },
    get current() {
      return current;
    },
    async *events(signal) {
      for (;;) {
        const failures: Failure[] = [];
        for (const open of candidates.open) {
          current = await open();
          const failure = yield* attempt(current, signal);
          if (failure === undefined || signal.aborted) return;
          failures.push({ kind: current.kind, error: failure });
          await current[Symbol.asyncDispose]();
        }
        const failure = noneOf(failures);
        if (!candidates.waits) throw failure;
        // Told of the first choice, which the driver mostly brings when it comes: another would be down for ever.
        current = undefined;
        yield { kind: 'fault', reason: failure.reason, message: failure.message };
        const again = after(clock.now(), candidates.retrySeconds ?? RETRY_SECONDS);
        await clock.sleepUntil(again, signal).catch(() => undefined);
        if (signal.aborted) return;
      }
    },
    async [Symbol.asyncDispose]() {
      await current?.[Symbol.asyncDispose]();
    },
  };
}

interface Failure {
  readonly kind: SourceKind;
  readonly error: SourceError;
}

/** One line: each source's reason in a few words; the whole of each is the doctor's to tell. */
function noneOf(failures: readonly Failure[]): SourceError {
  const tried = failures.map(({ kind, error }) => `${kind} ${error.reason.replaceAll('-', ' ')}`);
  const message = `No GPU can be measured: ${tried.join(', ')}. What to do: wattmeter doctor. Or replay a recording: --source replay --trace FILE.`;
  return new SourceError(message, {
    fate: 'fatal',
    reason: failures[0]?.error.reason ?? 'no-source',
    cause: failures.map(({ error }) => error),
  });
}
