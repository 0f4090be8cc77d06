// What the ledger keeps of attribution: plain JSON, exact. A checkpoint holds everything, the record of a slot what it
// changed; values are absolute, so a later record simply replaces what an earlier one said.

import { z } from 'zod';

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

const amountsRow = z.tuple([
  z.number(),
  z.number().nullable(),
  z.number().nullable(),
  z.number().nullable(),
  z.number().nullable(),
]);
const attributionRecord = z.object({
  jobs: z.array(
    z.object({
      number: z.number(),
      kind: z.string(),
      jobId: z.string(),
      user: z.string().optional(),
      byUtilization: z.boolean(),
      byPresence: z.boolean(),
    }),
  ),
  gone: z.array(z.number()),
  devices: z.array(
    z.object({
      uuid: z.string(),
      unattributed: amountsRow,
      debtJoules: z.number(),
      idle: z.object({ emptyWatts: z.number().optional(), lowestWatts: z.number().optional() }),
      jobs: z.array(z.tuple([z.number(), amountsRow])),
    }),
  ),
});

/** A record out of a ledger; undefined when it is none that this Wattmeter knows. */
export function decodeAttribution(value: unknown): AttributionRecord | undefined {
  const parsed = attributionRecord.safeParse(value);
  // JSON has no explicit undefined: what the schema lets through is the type.
  return parsed.success ? (parsed.data as AttributionRecord) : undefined;
}

const CELL = { cost: [1, 2], location: [3], market: [4] } as const;

/** The record with these charges of a device's shares at nothing, as its own counters are. */
export const withSharesAnew = (
  record: AttributionRecord,
  anewOf: (uuid: string) => Iterable<keyof typeof CELL>,
): AttributionRecord => ({
  ...record,
  devices: record.devices.map((line) => {
    const cells = new Set<number>([...anewOf(line.uuid)].flatMap((charged) => CELL[charged]));
    const anew = (row: AmountsRow): AmountsRow =>
      row.map((cell, at) => (cells.has(at) ? 0 : cell)) as unknown as AmountsRow;
    return {
      ...line,
      unattributed: anew(line.unattributed),
      jobs: line.jobs.map(([number, row]) => [number, anew(row)] as const),
    };
  }),
});
