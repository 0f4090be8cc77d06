// How the tests of the meter run it and add up what it says.

import type { Batch, Device, Interval, UncertaintyParts } from '../../agent/model.ts';
import { createMeter, type MeterOptions } from '../../agent/meter/meter.ts';
import { instant, watts } from '../../agent/units.ts';
import { expandedUncertainty, joinParts, NO_UNCERTAINTY } from '../../agent/meter/uncertainty.ts';
import { UUID } from './simulated-sensor.ts';

export const device = (facts: Partial<Device> = {}): Device => ({
  uuid: UUID,
  index: 0,
  kind: 'gpu',
  model: 'NVIDIA GeForce RTX 3090',
  source: 'nvidia-smi',
  driverVersion: '535.54.03',
  powerLimitWatts: watts(400),
  powerOrigin: 'measured',
  ...facts,
});

export interface Measured {
  readonly intervals: readonly Interval[];
  readonly energyJoules: number;
  readonly observedSeconds: number;
  readonly gapSeconds: number;
  readonly gapEstimateJoules: number;
  readonly gapEstimateUncertaintyJoules: number;
  readonly parts: UncertaintyParts;
  /** Expanded, k = 2. */
  readonly uncertaintyJoules: number;
}

export function totalsOf(intervals: readonly Interval[]): Measured {
  const sum = (of: (interval: Interval) => number): number =>
    intervals.reduce((total, interval) => total + of(interval), 0);
  const inOrder = intervals.filter((interval) => interval.observedSeconds > 0);
  const first = inOrder[0];
  const parts = inOrder
    .slice(1)
    .reduce(
      (joined, interval) => joinParts(joined, interval.uncertainty),
      first?.uncertainty ?? NO_UNCERTAINTY,
    );
  return {
    intervals,
    energyJoules: sum((interval) => interval.energyJoules),
    observedSeconds: sum((interval) => interval.observedSeconds),
    gapSeconds: sum(
      (interval) =>
        Object.values(interval.gapSeconds).reduce((total, seconds) => total + seconds, 0) -
        interval.bridgedSeconds,
    ),
    gapEstimateJoules: sum((interval) => interval.gapEstimateJoules),
    gapEstimateUncertaintyJoules: sum((interval) => interval.gapEstimateUncertaintyJoules),
    parts,
    uncertaintyJoules: expandedUncertainty(parts),
  };
}

export interface MeteringOptions extends Partial<Omit<MeterOptions, 'startSeconds'>> {
  readonly start: number;
  readonly end: number;
  readonly cuts?: readonly number[];
}

/** Runs a meter over whole batches and closes its books. */
export function metered(batches: readonly Batch[], options: MeteringOptions): Measured {
  const { start, end, cuts = [], ...rest } = options;
  const meter = createMeter({
    device: device(),
    slotSeconds: 1,
    ...rest,
    startSeconds: instant(start),
  });
  for (const cut of cuts) meter.cut(instant(cut));
  meter.cut(instant(end), 'end');
  const intervals = batches.flatMap((batch) => meter.add(batch));
  intervals.push(...meter.finish(instant(end)));
  return totalsOf(intervals.filter((interval) => interval.endSeconds <= end));
}

/** The energy of [start, end) by intervals that were cut there. */
export const energyWithin = (measured: Measured, start: number, end: number): number =>
  measured.intervals
    .filter((interval) => interval.startSeconds >= start && interval.endSeconds <= end)
    .reduce((sum, interval) => sum + interval.energyJoules, 0);
