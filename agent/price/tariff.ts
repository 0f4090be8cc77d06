// The contract of a tariff: what a kilowatt-hour costs at an instant, and who says so. Pure.

import type { Provenance, Warning } from '../model.ts';
import type { Schedule } from '../schedule.ts';
import type { Instant } from '../units.ts';

/** A price of energy over time, in `currency` per kWh of facility energy. */
export interface Tariff {
  readonly name: string;
  /** Where the price comes from: a file's name, an option, a default. */
  readonly source: string;
  /** ISO 4217. */
  readonly currency: string;
  readonly provenance: Provenance;
  /** Per kWh. With `tiers` the first block's price, which nobody may be charged: ask pricer.ts instead. */
  readonly price: Schedule;
  /** Standard relative uncertainty of the price, where its source states one. */
  readonly relativeUncertainty?: number;
  /** The place whose clock and months the tariff follows; UTC where absent. */
  readonly timeZone?: string;
  /** Prices that depend on the energy already used in the month. */
  readonly tiers?: Tiers;
  /** What peaks cost, beside energy: demand.ts. */
  readonly demand?: readonly DemandCharge[];
  /** What is due whether or not there is a run: shown apart, never part of a run's cost. */
  readonly fixed?: readonly FixedCharge[];
  /** Power of the rest of the site in kW, which fills tiers and sets peaks; 0 (assumed) where absent. */
  readonly siteLoadKilowatts?: Schedule;
  /** What the reader of a report must know: held gaps, assumptions, parts that are not priced. */
  readonly notes?: readonly Warning[];
}

/** A price up to an amount of the month's energy. */
export interface EnergyBlock {
  /** Cumulative, over the month; absent: all that is above. */
  readonly upToKilowattHours?: number;
  readonly pricePerKilowattHour: number;
}

/** Blocks of each period of the tariff. The month's energy counts over all periods, the site's load included. */
export interface Tiers {
  /** Position in `blocks`. */
  readonly period: Schedule;
  readonly blocks: readonly (readonly EnergyBlock[])[];
}

/** A price up to a peak power. */
export interface DemandBlock {
  /** Cumulative; absent: all that is above. */
  readonly upToKilowatts?: number;
  readonly ratePerKilowatt: number;
}

/** A monthly charge on the highest mean power over the demand window, per period. */
export interface DemandCharge {
  readonly kind: 'flat' | 'time-of-use' | 'coincident';
  readonly name: string;
  readonly blocks: readonly (readonly DemandBlock[])[];
  /** Position in `blocks`, undefined where nothing is charged. Absent: nobody said when (coincident demand). */
  readonly period?: Schedule;
  /** Instants of the system's peaks, in place of `period`; block list 0 applies. */
  readonly peaks?: readonly Instant[];
}

/** A charge per time. */
export interface FixedCharge {
  readonly name: string;
  readonly amount: number;
  readonly per: 'day' | 'month' | 'year';
}
