// Parts of a batch, and a batch moved in time: views where possible, copies where values change.

import type { Batch, PowerField } from '../model.ts';

const POWER_FIELDS: readonly PowerField[] = ['draw', 'instant', 'average'];

/** Rows [from, to) of a batch, on the same memory. Only the part with the last row keeps the gauges. */
export function sliceBatch(batch: Batch, from: number, to: number): Batch {
  const { gauges, ...rest } = batch;
  const powerWatts: Partial<Record<PowerField, Float64Array>> = {};
  for (const field of POWER_FIELDS) {
    const column = batch.powerWatts[field];
    if (column !== undefined) powerWatts[field] = column.subarray(from, to);
  }
  return {
    ...rest,
    length: to - from,
    timeSeconds: batch.timeSeconds.subarray(from, to),
    status: batch.status.subarray(from, to),
    powerWatts,
    ...(batch.counterJoules !== undefined && {
      counterJoules: batch.counterJoules.subarray(from, to),
    }),
    ...(batch.utilizationRatio !== undefined && {
      utilizationRatio: batch.utilizationRatio.subarray(from, to),
    }),
    ...(gauges !== undefined && to === batch.length && { gauges }),
  };
}

/** The batch `bySeconds` later, its counter `byJoules` higher. */
export function shiftBatch(batch: Batch, bySeconds: number, byJoules: number): Batch {
  if (bySeconds === 0 && byJoules === 0) return batch;
  return {
    ...batch,
    timeSeconds: batch.timeSeconds.map((time) => time + bySeconds),
    ...(batch.counterJoules !== undefined && {
      counterJoules: batch.counterJoules.map((value) => value + byJoules),
    }),
  };
}
