// The contract of a grid: how much CO₂e a kilowatt-hour carries at an instant, and who says so. Pure.

import type { Provenance } from '../model.ts';
import type { Schedule } from '../schedule.ts';
import type { CloudRegion } from './cloud-regions.ts';

/** Carbon intensity of a grid zone over time, in g CO₂e per kWh: yearly or hourly averages over the life cycle. */
export interface Grid {
  readonly zone: string;
  /** The cloud region that was asked for, where it was one. */
  readonly region?: CloudRegion;
  readonly dataset: string;
  /** Which year, release or window the figures stand for, in the data set's own words. */
  readonly vintage: string;
  readonly provenance: Provenance;
  /** Location-based. */
  readonly intensity: Schedule;
  /** Market-based, where a contract for the energy is given (contract.ts); shown beside, never mixed. */
  readonly market?: MarketIntensity;
}

/** Market-based intensity, and the contract behind it. */
export interface MarketIntensity {
  /** What was bought and what stands for the rest, in words. */
  readonly method: string;
  /** Where the contract was read. */
  readonly source: string;
  readonly intensity: Schedule;
}
