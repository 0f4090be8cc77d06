// A run priced anew under the tariff that it was measured under is the run that was measured, whatever it was.

import fc from 'fast-check';
import { expect, test } from 'vitest';

import { createAccount } from '../../agent/account.ts';
import { emissionsOf } from '../../agent/carbon/charge.ts';
import { co2jsGrid } from '../../agent/carbon/co2js.ts';
import { rechargeAccount } from '../../agent/ledger/read-run.ts';
import { createRunLedger } from '../../agent/ledger/run-ledger.ts';
import type { Charge, Interval } from '../../agent/model.ts';
import { chargeInterval } from '../../agent/price/charge.ts';
import { flatTariff } from '../../agent/price/flat.ts';
import { createPricer } from '../../agent/price/pricer.ts';
import type { Tariff } from '../../agent/price/tariff.ts';
import { constantSchedule } from '../../agent/schedule.ts';
import { instant } from '../../agent/units.ts';
import { chargedIntervals, device, sensor, START } from '../account-doubles.ts';
import { temporaryDirectory } from './temporary.ts';

const grid = co2jsGrid({ zone: 'FRA' });

/** Prices by the second, none of them at all in some, and in blocks where asked. */
const tariffOf = (prices: readonly (number | undefined)[], isTiered: boolean): Tariff => ({
  ...flatTariff({ pricePerKilowattHour: 1, currency: 'EUR' }),
  price: {
    valueAt: (time) => prices[Math.floor(time - START) % prices.length],
    nextChange: (time) => instant(Math.floor(time - START) + START + 1),
  },
  ...(isTiered && {
    tiers: {
      period: constantSchedule(0),
      blocks: [
        [{ upToKilowattHours: 1e-3, pricePerKilowattHour: 0.1 }, { pricePerKilowattHour: 0.4 }],
      ],
    },
  }),
});

/** Charging as a run or a report opens it. */
function openCharging(tariff: Tariff, pue: number): (interval: Interval) => Charge {
  const pricer = createPricer(tariff);
  return (interval) => {
    const money = chargeInterval(interval, pricer, pue);
    const { startSeconds, endSeconds } = interval;
    const { facilityKilowattHours } = money;
    return { ...money, ...emissionsOf({ startSeconds, endSeconds, facilityKilowattHours }, grid) };
  };
}

/** The same for a run that is read back; so short a one has no columns. */
const openCharges = (tariff: Tariff, pue: number) => () =>
  Promise.resolve({
    charge: openCharging(tariff, pue),
    chargeRows: () => expect.unreachable('a run this short has no columns'),
  });

test('re-pricing with the same tariff, zone and PUE changes nothing, to the last bit', async () => {
  await using state = await temporaryDirectory();
  const price = fc.option(fc.double({ min: -0.5, max: 2, noNaN: true }), { nil: undefined });
  const plan = fc.record({
    intervals: chargedIntervals({ uuids: ['GPU-a', 'GPU-b'] }),
    prices: fc.array(price, { minLength: 1, maxLength: 8 }),
    isTiered: fc.boolean(),
    pue: fc.double({ min: 1, max: 3, noNaN: true }),
  });
  await fc.assert(
    fc.asyncProperty(plan, async ({ intervals, prices, isTiered, pue }) => {
      const tariff = tariffOf(prices, isTiered);
      const ledger = createRunLedger({
        stateDirectory: state.path,
        writer: { version: 'test', pid: 1 },
        flushSeconds: 1,
        onFault: (fault) => expect(fault).toBeUndefined(),
        run: { host: 'node1', startSeconds: instant(START), labels: {} },
      });
      const account = createAccount(ledger.run);
      const charge = openCharging(tariff, pue);
      for (const uuid of ['GPU-a', 'GPU-b']) {
        account.addDevice(device(uuid), sensor);
        void ledger.addDevice(device(uuid), sensor);
      }
      const measured = intervals.map((interval) => ({ ...interval, charge: charge(interval) }));
      for (const interval of measured) account.add(interval);
      void ledger.addSlot(measured);
      const end = { endSeconds: instant(START + 40) };
      await ledger.close(end);
      const anew = await rechargeAccount(state.path, ledger.run.id, openCharges(tariff, pue));
      expect(anew.account.books(anew.stored)).toEqual(account.books(end));
    }),
    { seed: 20261123, numRuns: 40 },
  );
});
