// From readings to joules: the second stage. One meter per device; batches in, final intervals out. Pure.

import type { Batch, Device, Interval, Sensor } from '../model.ts';
import type { Instant, Watts } from '../units.ts';

/** What a meter needs to know of its device. */
export interface MeterOptions {
  readonly device: Device;
  /** Energy before this instant is not counted; readings before it still inform the edge. */
  readonly startSeconds: Instant;
  /** Length of an interval when nothing cuts it. */
  readonly slotSeconds: number;
  /** What the sampler aims at; a hint until readings show the true spacing. */
  readonly samplingPeriodSeconds?: number;
  /** Gain and offset against a reference meter, with their standard uncertainties. */
  readonly calibration?: {
    readonly gain: number;
    readonly offsetWatts: number;
    readonly gainUncertainty: number;
    readonly offsetUncertaintyWatts: number;
  };
}

/** Turns one device's readings into intervals that tile its time. */
export interface Meter {
  readonly sensor: Sensor;
  /** Everything before this has been returned. */
  readonly settledSeconds: Instant;
  /** The newest power; undefined when the newest reading failed or is older than the gap limit. */
  readonly powerWatts: Watts | undefined;
  /** Takes readings; returns the intervals that they made final. */
  add(batch: Batch): Interval[];
  /** Time has passed up to `time` without readings: gaps grow while they last. */
  advance(time: Instant): Interval[];
  /** Intervals are to end at `time` (a run, window, price or job boundary); must not be settled yet. */
  cut(time: Instant): void;
  /** Closes the books at `end`; readings after `end` that were already added serve the edge. */
  finish(end: Instant): Interval[];
}
