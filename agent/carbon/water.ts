// Water of a run: what cools the site and what the power station used. Pure.

import type { KilowattHours } from '../units.ts';

/** What water needs to know of the site and its grid. */
export interface WaterFactors {
  /** WUE: litres at the site per kWh of IT energy. */
  readonly waterUsageEffectiveness: number;
  /** EWIF: litres at the power station per kWh of facility energy. */
  readonly energyWaterIntensityFactor: number;
  readonly powerUsageEffectiveness: number;
}

/**
 * Litres = E_IT·(WUE + PUE·EWIF) (ECONOMICS.md §3). WUE is per kWh of IT energy: never of energy that PUE has already
 * inflated.
 */
export function waterLitres(itEnergy: KilowattHours, factors: WaterFactors): number {
  return (
    itEnergy *
    (factors.waterUsageEffectiveness +
      factors.powerUsageEffectiveness * factors.energyWaterIntensityFactor)
  );
}
