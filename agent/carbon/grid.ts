// The contract of a grid: how much CO₂e a kilowatt-hour carries at an instant, and who says so. Pure.

import type { Provenance } from '../model.ts';
import type { Schedule } from '../schedule.ts';

/** Location-based carbon intensity over time, in g CO₂e per kWh. */
export interface Grid {
  readonly zone: string;
  readonly dataset: string;
  /** Which year, release or window the figures stand for, in the data set's own words. */
  readonly vintage: string;
  readonly provenance: Provenance;
  readonly intensity: Schedule;
}
