// Which money and grams of an earlier agent cannot be gone on with: in another currency, or where part of the energy had
// no price or no intensity. They begin at nothing, as a counter that restarts; energy always goes on. Pure.

import type { AccountCheckpoint } from '../account.ts';
import { newSum } from '../sum.ts';
import { CHARGED, type Charged, type SumKey, type Tally } from './tally.ts';

/** By UUID, the charges that begin anew. */
export type ChargesAnew = ReadonlyMap<string, ReadonlySet<Charged>>;

const SUMS_OF: Readonly<Record<Charged, readonly SumKey[]>> = {
  cost: [
    'costAmount',
    'creditAmount',
    'gainCostAmount',
    'offsetCostAmount',
    'aliasCostAmount',
    'uncorrelatedCostAmountSquared',
  ],
  location: ['locationBasedGrams'],
  market: ['marketBasedGrams'],
};

/** What begins anew of each device that a checkpoint holds. */
export function chargesAnew(
  { devices }: AccountCheckpoint,
  { isOtherCurrency }: { readonly isOtherCurrency: boolean },
): ChargesAnew {
  return new Map(
    devices.map(({ device, tally }) => [
      device.uuid,
      new Set(
        CHARGED.filter(
          (charged) =>
            tally.knowledge[charged] === 'missing' || (charged === 'cost' && isOtherCurrency),
        ),
      ),
    ]),
  );
}

/** The checkpoint with these charges at nothing. */
export const withChargesAnew = (
  { devices }: AccountCheckpoint,
  anew: ChargesAnew,
): AccountCheckpoint => ({
  devices: devices.map((line) => ({
    ...line,
    tally: [...(anew.get(line.device.uuid) ?? [])].reduce(tallyAnew, line.tally),
  })),
});

function tallyAnew(tally: Tally, charged: Charged): Tally {
  const empty = Object.fromEntries(SUMS_OF[charged].map((key) => [key, newSum()]));
  const { stretch } = tally;
  return {
    ...tally,
    sums: { ...tally.sums, ...empty },
    knowledge: { ...tally.knowledge, [charged]: 'none' },
    ...(charged === 'cost' &&
      stretch !== undefined && {
        stretch: { ...stretch, startEdgeCostAmount: 0, endEdgeCostAmount: 0 },
      }),
  };
}
