// Rows of intervals priced as columns: to the last bit what charge.ts makes of them one by one. Nearly every row lies
// within one price; the others are charge.ts's. Pure.

import { setCharge, type IntervalColumns, type RowSpan } from '../interval-columns.ts';
import { stepsOf, type Schedule } from '../schedule.ts';
import { instant, joules, toKilowattHours, type Instant } from '../units.ts';
import { chargeInterval } from './charge.ts';
import type { DemandMeter } from './demand.ts';
import { addToPeriod, belongsTo, type OpenPeriod, type PriceLedger } from './periods.ts';
import type { Pricer } from './pricer.ts';

/** What rows are priced with. */
export interface RowPricing {
  readonly pricer: Pricer;
  /** The price that does not depend on what was used before; absent with tiers, which only the pricer knows. */
  readonly price?: Schedule;
  readonly powerUsageEffectiveness: number;
  readonly ledger: PriceLedger;
  readonly demand?: DemandMeter;
}

/** Puts money and facility energy beside the rows' intervals. */
export function chargeRows(columns: IntervalColumns, { from, to }: RowSpan, by: RowPricing): void {
  const { numbers } = columns;
  const { powerUsageEffectiveness: effectiveness, ledger } = by;
  const priceOver = by.price === undefined ? () => undefined : stepsOf(by.price);
  const perJoule = toKilowattHours(effectiveness);
  let period: OpenPeriod | undefined;
  for (let row = from; row < to; row += 1) {
    const offset = numbers.wallOffsetSeconds[row] ?? 0;
    const start = instant((numbers.startSeconds[row] ?? NaN) + offset);
    const end = instant((numbers.endSeconds[row] ?? NaN) + offset);
    const energy = toKilowattHours((numbers.energyJoules[row] ?? NaN) * effectiveness);
    const price = end > start ? priceOver(start, end) : undefined;
    if (price === undefined) {
      chargeOne(columns, row, { start, end }, by);
      period = undefined;
    } else {
      if (energy !== 0) {
        if (period === undefined || !belongsTo(period, start, end, price))
          period = ledger.periodOf(start, end, price);
        addToPeriod(period, start, end, energy);
      }
      numbers.facilityKilowattHours[row] = energy;
      numbers.costAmount[row] = price < 0 ? 0 : energy * price;
      numbers.creditAmount[row] = price < 0 ? energy * -price : 0;
      numbers.gainCostAmount[row] = (numbers.gainJoules[row] ?? NaN) * (perJoule * price);
      numbers.offsetCostAmount[row] = (numbers.offsetJoules[row] ?? NaN) * (perJoule * price);
      numbers.aliasCostAmount[row] = (numbers.aliasJoules[row] ?? NaN) * (perJoule * price);
    }
    by.demand?.add(start, end, energy);
  }
}

function chargeOne(
  columns: IntervalColumns,
  row: number,
  { start, end }: { readonly start: Instant; readonly end: Instant },
  { pricer, powerUsageEffectiveness, ledger }: RowPricing,
): void {
  const { numbers } = columns;
  const at = (column: Float64Array): number => column[row] ?? NaN;
  const use = {
    startSeconds: start,
    endSeconds: end,
    energyJoules: joules(at(numbers.energyJoules)),
    uncertainty: {
      gainJoules: at(numbers.gainJoules),
      offsetJoules: at(numbers.offsetJoules),
      aliasJoules: at(numbers.aliasJoules),
    },
  };
  setCharge(columns, row, chargeInterval(use, pricer, powerUsageEffectiveness, ledger));
}
