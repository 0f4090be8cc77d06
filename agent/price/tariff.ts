// The contract of a tariff: what a kilowatt-hour costs at an instant, and who says so. Pure.

import type { Provenance } from '../model.ts';
import type { Schedule } from '../schedule.ts';

/** A price of energy over time, in `currency` per kWh of facility energy. */
export interface Tariff {
  readonly name: string;
  /** Where the price comes from: a file's name, an option, a default. */
  readonly source: string;
  /** ISO 4217. */
  readonly currency: string;
  readonly provenance: Provenance;
  readonly price: Schedule;
  /** Standard relative uncertainty of the price, where its source states one. */
  readonly relativeUncertainty?: number;
}
