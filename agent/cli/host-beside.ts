// --host-watts of a stored run: the rest of the node at a constant power, wherever the run's books have intervals, metered
// and charged as while it runs.

import type { Account } from '../account.ts';
import { rechargeAccount, type RefilledRun } from '../ledger/read-run.ts';
import { createConstantMeter } from '../meter/constant.ts';
import { instant, watts } from '../units.ts';
import type { Charges } from './charges.ts';
import { hostDevice } from './metering.ts';
import type { Pricing } from './pricing.ts';

// Short enough for the shortest window of a demand charge; a year of them is read in no time.
const SLOT_SECONDS = 300;
// Intervals follow each other: a longer silence is one between the legs of a run that was resumed.
const SILENCE_SECONDS = 1;

interface Span {
  readonly startSeconds: number;
  endSeconds: number;
}

/** Charges that remember when anything was charged. */
type WatchedCharges = Charges & { readonly spans: readonly Span[] };

function watchCharges(charges: Charges): WatchedCharges {
  const spans: Span[] = [];
  const see = (startSeconds: number, endSeconds: number): void => {
    const last = spans.at(-1);
    if (last === undefined || startSeconds > last.endSeconds + SILENCE_SECONDS)
      spans.push({ startSeconds, endSeconds });
    else last.endSeconds = Math.max(last.endSeconds, endSeconds);
  };
  return {
    ...charges,
    spans,
    charge(interval) {
      see(interval.startSeconds, interval.endSeconds);
      return charges.charge(interval);
    },
    chargeRows(columns, span, uuidOf) {
      const { startSeconds, endSeconds } = columns.numbers;
      for (let row = span.from; row < span.to; row += 1)
        see(startSeconds[row] ?? NaN, endSeconds[row] ?? NaN);
      charges.chargeRows(columns, span, uuidOf);
    },
  };
}

/** A stored run charged anew with the host beside it, in place of the one that it was measured with, if any. */
export async function rechargeWithHost(
  stateDirectory: string,
  id: string,
  parts: { readonly pricing: Pricing; readonly powerWatts: number },
): Promise<RefilledRun & { readonly charges: Charges }> {
  const { pricing, powerWatts } = parts;
  const open = async (): Promise<WatchedCharges> => watchCharges(await pricing.openCharges());
  const run = await rechargeAccount(stateDirectory, id, open, hostDevice.uuid);
  addHost(run.account, run.charges, powerWatts);
  return run;
}

function addHost(account: Account, charges: WatchedCharges, powerWatts: number): void {
  for (const { startSeconds, endSeconds } of charges.spans) {
    const meter = createConstantMeter({
      device: hostDevice,
      startSeconds: instant(startSeconds),
      slotSeconds: SLOT_SECONDS,
      powerWatts: watts(powerWatts),
    });
    account.addDevice(hostDevice, meter.sensor);
    for (const interval of meter.finish(instant(endSeconds)))
      account.add({ ...interval, charge: charges.charge(interval) });
  }
}
