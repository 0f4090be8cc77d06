// What a journal holds: one type per line, versioned in the header. Slots, which are nearly all of it, are rows of
// numbers; everything else is written as it is.

import type { AccountCheckpoint } from '../account.ts';
import type { Device, Gauges, Run, Sensor, Warning, Window } from '../model.ts';
import type { Instant, Joules } from '../units.ts';

/** The format that this Wattmeter writes; a reader refuses a journal of a later one. */
export const JOURNAL_VERSION = 1;

/** What wrote a journal, or a segment of one. */
export interface Writer {
  readonly version: string;
  readonly pid: number;
}

/** A cell of a slot's row; null is unknown, an object the gaps by reason. */
export type Cell = number | null | Readonly<Record<string, number>>;

/** One line of a journal. */
export type LedgerRecord =
  /** The head of a run's journal. */
  | { readonly kind: 'run'; readonly version: number; readonly run: Run; readonly writer: Writer }
  /** The head of a segment of the agent's journal; `currency` is what its money is in. */
  | {
      readonly kind: 'agent';
      readonly version: number;
      readonly run: Run;
      readonly writer: Writer;
      readonly currency?: string;
    }
  /** The run goes on here after a hole; its clock has been set anew. */
  | { readonly kind: 'resume'; readonly atSeconds: Instant; readonly writer: Writer }
  /** Introduces a device, or says what has changed; slots name it by number. */
  | {
      readonly kind: 'device';
      readonly number: number;
      readonly device: Device;
      readonly sensor: Sensor;
    }
  /** The intervals of one slot over all devices (slot-rows.ts). */
  | { readonly kind: 'slot'; readonly rows: readonly (readonly Cell[])[] }
  | {
      readonly kind: 'gauges';
      readonly atSeconds: Instant;
      readonly gauges: readonly (readonly [number, Gauges])[];
    }
  | { readonly kind: 'window-open'; readonly name: string; readonly startSeconds: Instant }
  | { readonly kind: 'window'; readonly window: Window }
  | { readonly kind: 'warning'; readonly warning: Warning; readonly uuid?: string }
  /** The driver reported an error of a device. */
  | {
      readonly kind: 'xid';
      readonly uuid: string;
      readonly xid: number;
      readonly atSeconds: Instant;
    }
  /** What the books were kept under (tariff, zone, PUE, …), in the words of whoever keeps them. */
  | { readonly kind: 'facts'; readonly facts: Readonly<Record<string, unknown>> }
  /** The account so far: everything before it is counted in. */
  | {
      readonly kind: 'checkpoint';
      readonly atSeconds: Instant;
      readonly checkpoint: AccountCheckpoint;
    }
  /** Whose energy it was, as attribution keeps it: what a slot changed, or everything after a checkpoint. */
  | { readonly kind: 'attribution'; readonly record: object }
  /** The books are closed; a resume may open them again. */
  | {
      readonly kind: 'end';
      readonly endSeconds: Instant;
      readonly exitCode?: number;
      readonly gpuJoules?: Joules;
      readonly uncertaintyJoules?: Joules;
    };

/** What a journal tells beside its intervals and gauges. */
export type RunRecord = Exclude<LedgerRecord, { kind: 'slot' | 'gauges' }>;
