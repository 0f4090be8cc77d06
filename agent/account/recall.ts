// What a device's newest intervals were: windows that are announced after the fact reach back to them. Bounded. Pure.

import {
  chargedAt,
  copyRows,
  newIntervalColumns,
  pushInterval,
  setCharge,
  type IntervalColumns,
} from '../interval-columns.ts';
import type { ChargedInterval } from '../model.ts';
import { instant, type Instant } from '../units.ts';

// At least so many are remembered, at most twice: about eight minutes of 1 s slots.
const RECALL_INTERVALS = 512;

/** The newest intervals of one device, copied. */
export interface Recall {
  add(interval: ChargedInterval): void;
  /** The same for charged rows of columns. */
  addRows(columns: IntervalColumns, rows: Uint16Array): void;
  /** What is remembered, the oldest first. */
  intervals(): Generator<ChargedInterval>;
  /** Before this, intervals may have been forgotten. */
  readonly forgottenSeconds: Instant;
}

/** An empty memory of a device. */
export function createRecall(uuid: string): Recall {
  let older: IntervalColumns | undefined;
  let newer: IntervalColumns | undefined;
  let forgottenSeconds = -Infinity;
  /** Columns with room; the older ones are forgotten once the newer are full. */
  const withRoom = (): IntervalColumns => {
    if (newer !== undefined && newer.length < newer.capacity) return newer;
    const emptied = older ?? newIntervalColumns(RECALL_INTERVALS);
    for (const end of emptied.numbers.endSeconds.subarray(0, emptied.length))
      forgottenSeconds = Math.max(forgottenSeconds, end);
    emptied.length = 0;
    older = newer;
    newer = emptied;
    return emptied;
  };
  return {
    add(interval) {
      const columns = withRoom();
      pushInterval(columns, interval, 0);
      setCharge(columns, columns.length - 1, interval.charge);
    },
    addRows(from, rows) {
      for (let done = 0; done < rows.length;) {
        const columns = withRoom();
        const some = rows.subarray(done, done + columns.capacity - columns.length);
        copyRows(columns, from, some);
        done += some.length;
      }
    },
    *intervals() {
      for (const columns of [older, newer].filter((each) => each !== undefined)) {
        for (let row = 0; row < columns.length; row += 1) yield chargedAt(columns, row, () => uuid);
      }
    },
    get forgottenSeconds() {
      return instant(forgottenSeconds);
    },
  };
}
