// ∫ of a schedule from a fixed origin to any later instant, each stretch summed once: a month of a site's load is asked
// for at every interval. Pure.

import type { Schedule } from '../schedule.ts';
import { instant, type Instant } from '../units.ts';

/** ∫ value dt from the origin to `time`, in value × seconds; undefined once the schedule has a gap before it. */
export type RunningIntegral = (time: Instant) => number | undefined;

/** The integral of `schedule` from `origin`, for instants at or after it. */
export function runningIntegral(schedule: Schedule, origin: Instant): RunningIntegral {
  const edges: number[] = [origin];
  const sums: (number | undefined)[] = [0];
  const extendTo = (time: number): void => {
    for (;;) {
      const edge = edges.at(-1) ?? origin;
      const next = schedule.nextChange(instant(edge));
      if (next === undefined || next > time) return;
      const value = schedule.valueAt(instant(edge));
      const sum = sums.at(-1);
      edges.push(next);
      sums.push(value === undefined || sum === undefined ? undefined : sum + value * (next - edge));
    }
  };
  return (time) => {
    extendTo(time);
    const at = lastEdge(edges, time);
    const edge = edges[at] ?? origin;
    const sum = sums[at];
    if (time === edge) return sum;
    const value = schedule.valueAt(instant(edge));
    return value === undefined || sum === undefined ? undefined : sum + value * (time - edge);
  };
}

function lastEdge(edges: readonly number[], time: number): number {
  let low = 0;
  let high = edges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((edges[middle] ?? Infinity) <= time) low = middle + 1;
    else high = middle;
  }
  return Math.max(low - 1, 0);
}
