// How the tests of the meter run it and add up what it says.

import type { UncertaintyComponents } from '../../agent/account.ts';
import { newTally, tallyInterval } from '../../agent/account/tally.ts';
import { totalsOfTally } from '../../agent/account/totals.ts';
import type { Batch, ChargedInterval, Device, Interval } from '../../agent/model.ts';
import { createMeter, type MeterOptions } from '../../agent/meter/meter.ts';
import { instant, kilowattHours, watts } from '../../agent/units.ts';
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
  /** Expanded, k = 2, as the two below. */
  readonly gapEstimateUncertaintyJoules: number;
  readonly uncertaintyJoules: number;
  /** Without gain and offset, which a calibration removes. */
  readonly placingUncertaintyJoules: number;
  readonly components: UncertaintyComponents;
}

const uncharged = (interval: Interval): ChargedInterval => ({
  ...interval,
  charge: { facilityKilowattHours: kilowattHours(0) },
});

/** What the intervals amount to, by the rules of the account. */
export function totalsOf(intervals: readonly Interval[]): Measured {
  const tally = newTally();
  for (const interval of intervals) tallyInterval(tally, uncharged(interval));
  const totals = totalsOfTally(tally);
  const { aliasJoules, edgeJoules, independentJoules } = totals.components;
  const gapSeconds = Object.values(totals.gapSeconds).reduce((sum, seconds) => sum + seconds, 0);
  return {
    intervals,
    ...totals,
    gapSeconds: gapSeconds - totals.bridgedSeconds,
    placingUncertaintyJoules: 2 * Math.hypot(aliasJoules, edgeJoules, independentJoules),
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
