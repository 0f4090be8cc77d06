// What the ledger keeps of attribution: plain JSON, exact. A checkpoint holds everything, the record of a slot what it
// changed; values are absolute, so a later record simply replaces what an earlier one said.

import type { IdleMemory } from './idle.ts';

/** Joules, cost, credit, location-based and market-based grams; null where part of the energy had none. */
export type AmountsRow = readonly [
  energyJoules: number,
  costAmount: number | null,
  creditAmount: number | null,
  locationBasedGrams: number | null,
  marketBasedGrams: number | null,
];

/** A job, by the number that rows name it by. */
export interface JobRecord {
  readonly number: number;
  readonly kind: string;
  readonly jobId: string;
  readonly user?: string;
  readonly byUtilization: boolean;
  readonly byPresence: boolean;
}

/** One device's shares. */
export interface DeviceRecord {
  readonly uuid: string;
  readonly unattributed: AmountsRow;
  /** What was attributed and is not in the device's own books: withheld from what is unattributed next. */
  readonly debtJoules: number;
  readonly idle: IdleMemory;
  readonly jobs: readonly (readonly [number: number, amounts: AmountsRow])[];
}

/** One record. */
export interface AttributionRecord {
  readonly jobs: readonly JobRecord[];
  /** Numbers of jobs that are no longer told apart. */
  readonly gone: readonly number[];
  readonly devices: readonly DeviceRecord[];
}
