// A stored run whose tariff, grid or contract file is not there any more: its money and grams as they were booked, for
// its joules were charged while it ran. What the bill was made of, price by price, is gone with the file.

import { refillAccount, type RefilledRun } from '../ledger/read-run.ts';
import type { Config } from '../options.ts';
import type { DemandCost } from '../price/demand.ts';
import type { Tariff } from '../price/tariff.ts';
import { present } from '../report/present.ts';
import type { ReportBill } from '../report/report.ts';
import type { Schedule } from '../schedule.ts';
import type { Charges, GridOrReason } from './charges.ts';
import { checkInputs, openInputs } from './inputs.ts';
import type { Pricing } from './pricing.ts';

/** The prices, or intensities, that nobody knows any more. */
const UNKNOWN: Schedule = { valueAt: () => undefined, nextChange: () => undefined };

const tariffOf = ({ cost: { tariff, currency } }: ReportBill): Tariff => ({
  ...tariff,
  currency,
  price: UNKNOWN,
});

function gridOf({ carbon }: ReportBill): GridOrReason {
  if ('missing' in carbon) return carbon;
  const { zone, dataset, vintage, marketBasedGrams } = carbon;
  return {
    zone,
    dataset,
    vintage,
    provenance: 'derived',
    intensity: UNKNOWN,
    ...(marketBasedGrams !== undefined && {
      market: { method: 'as booked', source: 'the ledger', intensity: UNKNOWN },
    }),
  };
}

const DEMAND_LINE = /^demand (.*) (\d{4}-\d{2})$/;

/** What the peaks cost, as it was booked. */
const demandOf = ({ cost }: ReportBill): DemandCost[] =>
  (cost.otherCosts ?? []).flatMap(({ name, amountCost }) => {
    const [, charge, month] = DEMAND_LINE.exec(name) ?? [];
    if (charge === undefined || month === undefined) return [];
    return [{ kind: 'flat' as const, name: charge, month, period: 0, amount: amountCost }];
  });

function chargeNothing(): never {
  throw new Error('What was booked is not charged again.');
}

/** The account of a run under the charges that its ledger keeps, and the pricing that its bill tells of. */
export async function bookedRun(
  stateDirectory: string,
  id: string,
  parts: { readonly bill: ReportBill; readonly config: Config; readonly lost: readonly string[] },
): Promise<RefilledRun & { readonly pricing: Pricing; readonly charges: Charges }> {
  const { bill, config, lost } = parts;
  const inputs = await openInputs(config);
  await checkInputs(inputs, bill.cost.currency);
  const { account, stored } = await refillAccount(stateDirectory, id);
  const charges: Charges = {
    charge: chargeNothing,
    chargeRows: chargeNothing,
    periods: () => [],
    demand: () => demandOf(bill),
    monthUse: () => [],
  };
  return {
    account,
    stored,
    charges,
    pricing: {
      tariff: tariffOf(bill),
      grid: gridOf(bill),
      powerUsageEffectiveness: {
        value: config.pue ?? 1,
        provenance: config.pue === undefined ? 'assumed' : 'derived',
      },
      ...present({ inputs }),
      warnings: [goneNote(lost)],
      feeds: [],
      openCharges: () => Promise.resolve(charges),
      nextChange: () => undefined,
    },
  };
}

const goneNote = (lost: readonly string[]): Pricing['warnings'][number] => ({
  code: 'pricing-file-gone',
  message: `${lost.join(', ')} ${lost.length === 1 ? 'is' : 'are'} not there any more: money and grams are those that were booked when the run was measured.`,
});
