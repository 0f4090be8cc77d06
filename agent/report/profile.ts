// A run's power over time, gathered from its intervals for the drawing in the HTML report: bounded, however long the run.

import type { Interval } from '../model.ts';
import type { PowerSeries } from './power-profile.ts';

/** Gathers intervals into at most MAX_BUCKETS stretches of equal length. */
export interface PowerProfile {
  add(
    interval: Pick<
      Interval,
      'uuid' | 'startSeconds' | 'endSeconds' | 'energyJoules' | 'observedSeconds'
    >,
  ): void;
  /** Power of all devices together, W; NaN where one of them was not observed, because a gap is not 0 W. */
  series(): PowerSeries;
}

interface Bucket {
  joules: number;
  observedSeconds: number;
}

const MAX_BUCKETS = 2048;

/** An empty profile; the first interval is its origin. */
export function createPowerProfile(): PowerProfile {
  const devices = new Map<string, Bucket[]>();
  let origin: number | undefined;
  let widthSeconds = 1;

  const halve = (): void => {
    widthSeconds *= 2;
    for (const [uuid, buckets] of devices) devices.set(uuid, paired(buckets));
  };

  return {
    add(interval) {
      const { uuid, startSeconds, endSeconds, energyJoules, observedSeconds } = interval;
      const spanSeconds = endSeconds - startSeconds;
      if (!(spanSeconds > 0) || observedSeconds <= 0) return;
      origin ??= startSeconds;
      while (endSeconds - origin > MAX_BUCKETS * widthSeconds) halve();
      const buckets = devices.get(uuid) ?? [];
      devices.set(uuid, buckets);
      const first = Math.max(0, Math.floor((startSeconds - origin) / widthSeconds));
      const last = Math.max(first, Math.ceil((endSeconds - origin) / widthSeconds) - 1);
      for (let at = first; at <= last; at += 1) {
        const from = Math.max(startSeconds, origin + at * widthSeconds);
        const to = Math.min(endSeconds, origin + (at + 1) * widthSeconds);
        const share = Math.max(0, to - from) / spanSeconds;
        const bucket = (buckets[at] ??= { joules: 0, observedSeconds: 0 });
        bucket.joules += energyJoules * share;
        bucket.observedSeconds += observedSeconds * share;
      }
    },
    series() {
      const all = [...devices.values()];
      const length = Math.max(0, ...all.map((buckets) => buckets.length));
      const start = origin ?? 0;
      return {
        timeSeconds: Float64Array.from({ length }, (_, at) => start + (at + 0.5) * widthSeconds),
        powerWatts: Float64Array.from({ length }, (_, at) =>
          all.reduce((sum, buckets) => sum + powerOf(buckets[at]), 0),
        ),
      };
    },
  };
}

const powerOf = (bucket: Bucket | undefined): number =>
  bucket === undefined || bucket.observedSeconds <= 0
    ? Number.NaN
    : bucket.joules / bucket.observedSeconds;

function paired(buckets: readonly (Bucket | undefined)[]): Bucket[] {
  const halved: Bucket[] = [];
  for (let at = 0; at < buckets.length; at += 1) {
    const bucket = buckets[at];
    if (bucket === undefined) continue;
    const target = (halved[Math.floor(at / 2)] ??= { joules: 0, observedSeconds: 0 });
    target.joules += bucket.joules;
    target.observedSeconds += bucket.observedSeconds;
  }
  return halved;
}
