// A trace played again and again as one that never ends: time goes on, counters never go back.

import type { Batch } from '../model.ts';
import { shiftBatch } from './batch-slice.ts';
import type { SourceEvent } from './source.ts';

interface CounterSpan {
  readonly firstJoules: number;
  lastJoules: number;
}

/**
 * Joins passes over one trace. The join is one mean sampling period long, and counters rise over it at their mean rate.
 * Devices and warnings that were said in an earlier pass are not said again.
 */
export async function* repeatTrace(
  pass: () => AsyncGenerator<SourceEvent, void, void>,
  hasAnotherPass: () => boolean,
): AsyncGenerator<SourceEvent, void, void> {
  const said = new Set<string>();
  const counterShift = new Map<string, number>();
  let timeShiftSeconds = 0;
  for (;;) {
    const span = traceSpan();
    for await (const event of pass()) {
      if (event.kind === 'batch') {
        span.see(event.batch);
        const byJoules = counterShift.get(event.batch.uuid) ?? 0;
        yield { kind: 'batch', batch: shiftBatch(event.batch, timeShiftSeconds, byJoules) };
        continue;
      }
      const text = JSON.stringify(event);
      if (!said.has(text)) yield event;
      said.add(text);
    }
    if (!span.canRepeat || !hasAnotherPass()) return;
    timeShiftSeconds += span.passSeconds;
    for (const [uuid, rise] of span.counterRises()) {
      counterShift.set(uuid, (counterShift.get(uuid) ?? 0) + rise);
    }
  }
}

interface TraceSpan {
  see(batch: Batch): void;
  readonly canRepeat: boolean;
  /** From the first row of a pass to the first row of the next. */
  readonly passSeconds: number;
  /** By how much each counter rises from pass to pass. */
  counterRises(): [string, number][];
}

function traceSpan(): TraceSpan {
  let [first, last] = [Infinity, -Infinity];
  const rowCounts = new Map<string, number>();
  const counters = new Map<string, CounterSpan>();

  const joinSeconds = (): number =>
    (last - first) / Math.max(1, Math.max(...rowCounts.values()) - 1);

  return {
    see(batch) {
      first = Math.min(first, batch.timeSeconds[0] ?? first);
      last = Math.max(last, batch.timeSeconds[batch.length - 1] ?? last);
      rowCounts.set(batch.uuid, (rowCounts.get(batch.uuid) ?? 0) + batch.length);
      for (const value of batch.counterJoules ?? []) {
        if (value !== value) continue;
        const known = counters.get(batch.uuid);
        if (known === undefined) {
          counters.set(batch.uuid, { firstJoules: value, lastJoules: value });
        } else known.lastJoules = value;
      }
    },
    get canRepeat() {
      return last > first;
    },
    get passSeconds() {
      return last - first + joinSeconds();
    },
    counterRises() {
      const growth = 1 + joinSeconds() / (last - first);
      return [...counters].map(([uuid, { firstJoules, lastJoules }]) => [
        uuid,
        Math.max(0, lastJoules - firstJoules) * growth,
      ]);
    },
  };
}
