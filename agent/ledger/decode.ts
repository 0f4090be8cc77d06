// The untrusted border of the ledger: what a line's JSON must be before anybody believes it. Only readers load this.

import { z } from 'zod';

import { IDLE_AMOUNTS } from '../account/idle.ts';
import { CHARGED, SUM_KEYS } from '../account/tally.ts';
import type { LedgerRecord } from './records.ts';

const number = z.number();
const text = z.string();
const optionalNumber = number.optional();

// Loose: what a later Wattmeter knows besides is kept, not lost.
const run = z.looseObject({
  id: text,
  name: text.optional(),
  command: z.array(text).optional(),
  host: text,
  startSeconds: number,
  labels: z.record(text, text),
});
const writer = z.object({ version: text, pid: number });
const device = z.looseObject({
  uuid: text,
  index: number,
  kind: z.enum(['gpu', 'host']),
  model: text,
  source: text,
  driverVersion: text.optional(),
  pciBusId: text.optional(),
  powerLimitWatts: optionalNumber,
  ratedPowerWatts: optionalNumber,
  memoryTotalBytes: optionalNumber,
  powerOrigin: z.enum(['measured', 'modelled']),
});
const sensor = z.looseObject({
  field: z.enum(['draw', 'instant', 'average', 'counter', 'unknown']),
  windowSeconds: optionalNumber,
  periodSeconds: optionalNumber,
  origin: z.enum(['inferred', 'table', 'assumed', 'calibrated']),
});
const gauges = z.looseObject({
  utilizationRatio: optionalNumber,
  memoryUsedBytes: optionalNumber,
  memoryTotalBytes: optionalNumber,
  temperatureCelsius: optionalNumber,
  smClockHertz: optionalNumber,
  powerLimitWatts: optionalNumber,
});
const window = z.looseObject({
  name: text,
  startSeconds: number,
  endSeconds: number,
  steps: optionalNumber,
  tokens: optionalNumber,
});
const warning = z.looseObject({ code: text, message: text });

const sum = z.object({ total: number, carry: number });
const tally = z.object({
  // Partial, so that a checkpoint of an older Wattmeter, which knew fewer sums, is still a checkpoint.
  sums: z.partialRecord(z.enum(SUM_KEYS), sum),
  gapSeconds: z.record(text, sum),
  openGapUncertaintyJoules: number,
  stretch: z
    .object({
      endSeconds: number,
      startEdgeJoules: number,
      endEdgeJoules: number,
      startEdgeCostAmount: number,
      endEdgeCostAmount: number,
    })
    .optional(),
  powerMaxWatts: optionalNumber,
  powerMinWatts: optionalNumber,
  methodSeconds: z.record(text, number),
  lastMethod: z.enum(['counter', 'integral', 'modelled']).optional(),
  knowledge: z.record(z.enum(CHARGED), z.enum(['none', 'some', 'missing'])),
  xidErrors: z.record(text, number).optional(),
});
const idle = z.object({
  sums: z.record(z.enum(IDLE_AMOUNTS), sum),
  knownSeconds: sum,
  busySeconds: sum,
  lacksCost: z.boolean(),
  lacksGrams: z.boolean(),
  stretch: z
    .object({
      utilizationRatio: number,
      startSeconds: number,
      endSeconds: number,
      amounts: z.record(z.enum(IDLE_AMOUNTS), number),
      lacksCost: z.boolean(),
      lacksGrams: z.boolean(),
    })
    .optional(),
});
const checkpoint = z.object({
  devices: z.array(z.object({ device, sensor, tally, idle: idle.optional() })),
});

const record = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('run'), version: number, run, writer }),
  z.object({
    kind: z.literal('agent'),
    version: number,
    run,
    writer,
    currency: text.optional(),
  }),
  z.object({ kind: z.literal('resume'), atSeconds: number, writer }),
  z.object({ kind: z.literal('device'), number, device, sensor }),
  z.object({ kind: z.literal('slot'), rows: z.array(z.array(z.unknown())) }),
  z.object({
    kind: z.literal('gauges'),
    atSeconds: number,
    gauges: z.array(z.tuple([number, gauges])),
  }),
  z.object({ kind: z.literal('window-open'), name: text, startSeconds: number }),
  z.object({ kind: z.literal('window'), window }),
  z.object({ kind: z.literal('warning'), warning, uuid: text.optional() }),
  z.object({ kind: z.literal('xid'), uuid: text, xid: number, atSeconds: number }),
  z.object({ kind: z.literal('facts'), facts: z.record(text, z.unknown()) }),
  z.object({ kind: z.literal('checkpoint'), atSeconds: number, checkpoint }),
  // What is in it is attribution's own business, and checked there.
  z.object({ kind: z.literal('attribution'), record: z.looseObject({}) }),
  z.object({
    kind: z.literal('end'),
    endSeconds: number,
    exitCode: optionalNumber,
    gpuJoules: optionalNumber,
    uncertaintyJoules: optionalNumber,
  }),
]);

/** The record in a line's JSON; undefined when it is none that this Wattmeter knows. */
export function decodeRecord(value: unknown): LedgerRecord | undefined {
  if (isSlot(value)) return value;
  const parsed = record.safeParse(value);
  // Branded units are numbers, and JSON has no explicit undefined: what the schema lets through is the type.
  return parsed.success ? (parsed.data as unknown as LedgerRecord) : undefined;
}

/** Slots are nearly all lines, and their rows are checked cell by cell in slot-rows.ts. */
function isSlot(value: unknown): value is Extract<LedgerRecord, { kind: 'slot' }> {
  if (typeof value !== 'object' || value === null) return false;
  const { kind, rows } = value as { kind?: unknown; rows?: unknown };
  return kind === 'slot' && Array.isArray(rows) && rows.every((row) => Array.isArray(row));
}
