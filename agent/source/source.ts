// The contract of a source: devices once, then readings for as long as it lasts. First stage of the pipeline.

import type { Batch, Device, MalformedLine, SourceKind, Warning } from '../model.ts';
import type { Instant } from '../units.ts';

/** What a source says, in time order. */
export type SourceEvent =
  /** The devices it will speak of: before any batch, and again whenever the set or a fact of it changes. */
  | { readonly kind: 'devices'; readonly devices: readonly Device[] }
  | { readonly kind: 'batch'; readonly batch: Batch }
  /** Time has passed up to here and nothing older will come: lets a meter see a gap while it lasts. */
  | { readonly kind: 'tick'; readonly timeSeconds: Instant }
  /** Health: it failed and will retry. `reason` is kebab-case, for a metric's label; `message` is for people. */
  | { readonly kind: 'fault'; readonly reason: string; readonly message: string }
  /** One successful read and how long it took (of all devices together). */
  | { readonly kind: 'read'; readonly durationSeconds: number; readonly timeSeconds: Instant }
  | { readonly kind: 'warning'; readonly warning: Warning }
  /** The driver reports an error of a GPU by its XID number; `message` is for people. */
  | {
      readonly kind: 'xid';
      readonly uuid: string;
      readonly xid: number;
      readonly message: string;
      readonly timeSeconds: Instant;
    };

/** What became of an input file: rows read, and each line that was not understood. */
export interface InputSummary {
  readonly file: string;
  readonly rows: number;
  /** Every malformed line up to a bound; `malformedCount` is the whole number. */
  readonly malformed: readonly MalformedLine[];
  readonly malformedCount: number;
}

/**
 * A source of readings. The constructor does no work; `events` opens it, and ends when the source has ended or the
 * signal aborts. It retries by itself what can be retried (saying `fault`), and throws SourceError when it cannot.
 */
export interface Source extends AsyncDisposable {
  readonly kind: SourceKind;
  events(signal: AbortSignal): AsyncGenerator<SourceEvent, void, void>;
  /** Only of sources that read a file. */
  inputSummary?(): InputSummary;
}

/** Whether waiting can mend it. */
export type Fate = 'retry' | 'fatal' | 'ended';

/** Why a source cannot be read; the message names the thing, the cause and the mend. */
export class SourceError extends Error {
  override readonly name = 'SourceError';
  readonly fate: Fate;
  /** Kebab-case reason for metrics and gaps. */
  readonly reason: string;

  constructor(message: string, options: { fate: Fate; reason: string; cause?: unknown }) {
    super(message, { cause: options.cause });
    this.fate = options.fate;
    this.reason = options.reason;
  }
}
