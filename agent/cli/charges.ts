// The charging of one run or report: price and carbon joined, interval by interval or a column at a time.

import { emissionsOf } from '../carbon/charge.ts';
import { emitRows } from '../carbon/charge-rows.ts';
import type { Grid } from '../carbon/grid.ts';
import type { IntervalColumns, RowSpan } from '../interval-columns.ts';
import type { Charge, Interval } from '../model.ts';
import type { Config } from '../options.ts';
import { chargeInterval } from '../price/charge.ts';
import { chargeRows } from '../price/charge-rows.ts';
import type { DemandCost } from '../price/demand.ts';
import { openPriceLedger } from '../price/periods.ts';
import { createPricer, type MonthUse } from '../price/pricer.ts';
import type { Tariff } from '../price/tariff.ts';
import type { PricePeriodFacts } from '../report/input.ts';
import { createPowerProfile, type PowerProfile } from '../report/profile.ts';
import { after, instant, joules, seconds } from '../units.ts';

/** A grid, or why there is none. */
export type GridOrReason = Grid | { readonly missing: string };

/** The charging of one run or report. */
export interface Charges {
  /** Books an interval, and says what it costs and emits. */
  charge(interval: Interval): Charge;
  /** The same for rows of columns, to the last bit; their charges are set beside them. */
  chargeRows(columns: IntervalColumns, span: RowSpan, uuidOf: (device: number) => string): void;
  /** The rows of the bill so far. */
  periods(): readonly PricePeriodFacts[];
  /** Power over time so far, where something is to be drawn of it. */
  readonly profile?: PowerProfile;
  /** What the run's peaks cost so far; empty where the tariff has no demand charge. */
  demand(): readonly DemandCost[];
  /** How far the months' tiers are filled; empty where the tariff has none. */
  monthUse(): readonly MonthUse[];
}

/** Opens the charging under a tariff and a grid, its tiers filled as `use` says. */
export async function openCharges(
  parts: {
    readonly tariff: Tariff;
    readonly grid: GridOrReason;
    readonly powerUsageEffectiveness: number;
  },
  config: Config,
  use: readonly MonthUse[] = [],
): Promise<Charges> {
  const { tariff, grid, powerUsageEffectiveness } = parts;
  const demand =
    tariff.demand === undefined
      ? undefined
      : (await import('../price/demand.ts')).createDemandMeter(tariff, config.demandMinutes);
  const pricer = createPricer(tariff, use);
  const ledger = openPriceLedger();
  const rowPricing = {
    pricer,
    powerUsageEffectiveness,
    ledger,
    ...(tariff.tiers === undefined ? { price: tariff.price } : {}),
    ...(demand === undefined ? {} : { demand }),
  };
  const isDrawn = config.format === 'html' || config.reportHtml !== undefined;
  const profile = isDrawn ? createPowerProfile() : undefined;
  return {
    ...(profile === undefined ? {} : { profile }),
    charge(interval) {
      profile?.add(interval);
      // Prices are told by the wall clock; an interval's own time differs from it after somebody set it.
      const offset = interval.wallOffsetSeconds;
      const startSeconds = after(interval.startSeconds, offset);
      const endSeconds = after(interval.endSeconds, offset);
      const onTheWall = { ...interval, startSeconds, endSeconds };
      const money = chargeInterval(onTheWall, pricer, powerUsageEffectiveness, ledger);
      const { facilityKilowattHours } = money;
      demand?.add(startSeconds, endSeconds, facilityKilowattHours);
      if ('missing' in grid) return money;
      const use = { startSeconds, endSeconds, facilityKilowattHours };
      return { ...money, ...emissionsOf(use, grid) };
    },
    chargeRows(columns, span, uuidOf) {
      if (profile !== undefined) drawRows(profile, columns, span, uuidOf);
      chargeRows(columns, span, rowPricing);
      emitRows(columns, span, 'missing' in grid ? undefined : grid);
    },
    periods: () => ledger.periods(),
    demand: () => demand?.costs() ?? [],
    monthUse: () => pricer.use(),
  };
}

function drawRows(
  profile: PowerProfile,
  { numbers }: IntervalColumns,
  { from, to }: RowSpan,
  uuidOf: (device: number) => string,
): void {
  for (let row = from; row < to; row += 1) {
    profile.add({
      uuid: uuidOf(numbers.device[row] ?? NaN),
      startSeconds: instant(numbers.startSeconds[row] ?? NaN),
      endSeconds: instant(numbers.endSeconds[row] ?? NaN),
      energyJoules: joules(numbers.energyJoules[row] ?? NaN),
      observedSeconds: seconds(numbers.observedSeconds[row] ?? NaN),
    });
  }
}
