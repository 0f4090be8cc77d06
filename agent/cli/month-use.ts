// How far an agent has got in the tiers of the month, as its ledger keeps it: a restart must not begin the month anew.

import { z } from 'zod';

import type { Clock } from '../clock.ts';
import type { LedgerWriter } from '../ledger/writer.ts';
import type { MonthUse } from '../price/pricer.ts';
import { after, instant, type Instant } from '../units.ts';
import type { Charges } from './charges.ts';

/** What a crash may forget. */
const PERIOD_SECONDS = 60;

const schema = z.array(
  z.object({ month: z.string(), usedKilowattHours: z.number().nonnegative() }),
);

/** The use in a ledger's facts; none where it holds none that can be understood. */
export function monthUseIn({ monthUse }: Readonly<Record<string, unknown>>): readonly MonthUse[] {
  const parsed = schema.safeParse(monthUse);
  return parsed.success ? parsed.data : [];
}

/** Writes the use into the books: now and then when it is called often, always when `isLast`. */
export function monthUseNoter(
  charges: Charges,
  ledger: LedgerWriter,
  clock: Pick<Clock, 'now'>,
): (options?: { readonly isLast?: boolean }) => void {
  let due: Instant = instant(-Infinity);
  return ({ isLast = false } = {}) => {
    const now = clock.now();
    if (now < due && !isLast) return;
    due = after(now, PERIOD_SECONDS);
    const monthUse = charges.monthUse();
    if (monthUse.length > 0) void ledger.addFacts({ monthUse });
  };
}
