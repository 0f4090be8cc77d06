// Utilisation readings of one device on their way to its intervals: which of them were taken during which. Pure.

import type { Batch, Interval } from '../model.ts';

/** Remembers the readings that no interval has taken up yet. */
export interface UtilizationReadings {
  add(batch: Batch): void;
  /** The interval with the mean of the readings taken in (start, end], where there are any. */
  attach(interval: Interval): Interval;
}

/** No readings yet. Intervals ask in order of time; one that comes late finds its readings gone, and has none. */
export function createUtilizationReadings(): UtilizationReadings {
  let times: number[] = [];
  let ratios: number[] = [];
  let head = 0;

  const push = (time: number, ratio: number): void => {
    if (!Number.isFinite(ratio)) return;
    times.push(time);
    ratios.push(ratio);
  };

  return {
    add({ length, timeSeconds, utilizationRatio, gauges }) {
      if (utilizationRatio !== undefined) {
        for (let row = 0; row < length; row += 1)
          push(timeSeconds[row] ?? Number.NaN, utilizationRatio[row] ?? Number.NaN);
        return;
      }
      // Gauges describe the end of their batch.
      const last = timeSeconds[length - 1];
      if (last !== undefined) push(last, gauges?.utilizationRatio ?? Number.NaN);
    },
    attach(interval) {
      const { startSeconds, endSeconds } = interval;
      let at = head;
      while ((times[at] ?? Infinity) <= startSeconds) at += 1;
      let sum = 0;
      let count = 0;
      for (; (times[at] ?? Infinity) <= endSeconds; at += 1) {
        sum += ratios[at] ?? 0;
        count += 1;
      }
      head = at;
      if (head > KEPT_BEHIND) {
        times = times.slice(head);
        ratios = ratios.slice(head);
        head = 0;
      }
      return count === 0 ? interval : { ...interval, utilizationRatio: sum / count };
    },
  };
}

// Forgetting by the thousand keeps the upkeep off each interval.
const KEPT_BEHIND = 4096;
