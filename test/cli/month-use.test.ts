import { expect, test } from 'vitest';

import { openCharges } from '../../agent/cli/charges.ts';
import { monthUseIn, monthUseNoter } from '../../agent/cli/month-use.ts';
import type { LedgerWriter } from '../../agent/ledger/writer.ts';
import { flatTariff } from '../../agent/price/flat.ts';
import type { MonthUse } from '../../agent/price/pricer.ts';
import type { Tariff } from '../../agent/price/tariff.ts';
import { constantSchedule } from '../../agent/schedule.ts';
import { instant } from '../../agent/units.ts';
import { interval } from '../account-doubles.ts';

const tiered: Tariff = {
  ...flatTariff({ pricePerKilowattHour: 0.1, currency: 'EUR' }),
  tiers: {
    period: constantSchedule(0),
    blocks: [[{ upToKilowattHours: 1, pricePerKilowattHour: 0.1 }, { pricePerKilowattHour: 0.4 }]],
  },
};
const chargesFrom = (tariff: Tariff, use?: readonly MonthUse[]) =>
  openCharges({ tariff, grid: { missing: 'none' }, powerUsageEffectiveness: 1 }, {}, use);

/** A ledger that remembers what it was told. */
function openNotes() {
  const facts: Record<string, unknown>[] = [];
  const ledger = {
    addFacts: (added: Record<string, unknown>) => Promise.resolve(facts.push(added)),
  } as unknown as LedgerWriter;
  return { facts, ledger };
}

test('charging goes on in the tiers that an earlier agent had reached', async () => {
  const before = await chargesFrom(tiered);
  // 0.75 of the first kilowatt-hour, then half of the next interval is above it.
  before.charge(interval({ energyJoules: 2.7e6 }));
  const { facts, ledger } = openNotes();
  monthUseNoter(before, ledger, { now: () => instant(0) })();
  const restored = await chargesFrom(tiered, monthUseIn(facts[0] ?? {}));
  expect(restored.charge(interval({ at: 1, energyJoules: 1.8e6 })).costAmount).toBeCloseTo(
    0.25 * 0.1 + 0.25 * 0.4,
    12,
  );
});

test('the use is noted once a minute, and at the end', async () => {
  const charges = await chargesFrom(tiered);
  const { facts, ledger } = openNotes();
  let now = 0;
  const note = monthUseNoter(charges, ledger, { now: () => instant(now) });
  note();
  expect(facts).toEqual([]);
  charges.charge(interval({ energyJoules: 3.6e6 }));
  for (const second of [1, 59, 60, 61, 119]) {
    now = second;
    note();
  }
  expect(facts).toHaveLength(1);
  note({ isLast: true });
  expect(facts[1]).toEqual({ monthUse: [{ month: '2027-01', usedKilowattHours: 1 }] });
});

test('a tariff without tiers notes nothing, and what cannot be understood is nothing', async () => {
  const charges = await chargesFrom(flatTariff());
  charges.charge(interval({}));
  const { facts, ledger } = openNotes();
  monthUseNoter(charges, ledger, { now: () => instant(0) })({ isLast: true });
  expect(facts).toEqual([]);
  expect(monthUseIn({})).toEqual([]);
  expect(monthUseIn({ monthUse: [{ month: '2027-01', usedKilowattHours: -1 }] })).toEqual([]);
});
