// Hardware counter ÷ integrated power over the last minutes: two registers of one board that should agree. Pure.

import type { Interval } from '../model.ts';
import type { Instant } from '../units.ts';

const WINDOW_SECONDS = 300;

/** The ratio as it stands. */
export interface RegisterRatio {
  add(interval: Interval): void;
  /** Undefined until an interval had both, and where the power was 0. */
  value(): number | undefined;
}

/** Starts without an interval; those that lack one of the registers are passed over. */
export function createRegisterRatio(): RegisterRatio {
  let rows: { endSeconds: Instant; counterJoules: number; integralJoules: number }[] = [];
  return {
    add({ counterJoules, integralJoules, endSeconds }) {
      if (counterJoules === undefined || integralJoules === undefined) return;
      rows.push({ endSeconds, counterJoules, integralJoules });
      // Thrown away in bulk: twice a window of one-second slots.
      if (rows.length > 2 * WINDOW_SECONDS)
        rows = rows.filter((row) => endSeconds - row.endSeconds < WINDOW_SECONDS);
    },
    value() {
      const newest = rows.at(-1);
      if (newest === undefined) return undefined;
      let counter = 0;
      let integral = 0;
      for (const row of rows) {
        if (newest.endSeconds - row.endSeconds >= WINDOW_SECONDS) continue;
        counter += row.counterJoules;
        integral += row.integralJoules;
      }
      return integral > 0 ? counter / integral : undefined;
    },
  };
}
