// What an interval emits: its facility energy at the intensity in force when it was used. Pure.

import type { Charge } from '../model.ts';
import { meanOver, type Schedule } from '../schedule.ts';
import { grams, type Grams, type Instant, type KilowattHours } from '../units.ts';
import type { Grid } from './grid.ts';

/** The grams of an interval. */
export type CarbonCharge = Pick<Charge, 'locationBasedGrams' | 'marketBasedGrams'>;

/** Facility energy spread evenly over [start, end): an interval whose energy is already multiplied by PUE. */
export interface EnergyUse {
  readonly startSeconds: Instant;
  readonly endSeconds: Instant;
  readonly facilityKilowattHours: KilowattHours;
}

/** Grams at the intensity in force; undefined where it has a gap. */
export function emittedBy(use: EnergyUse, intensity: Schedule): Grams | undefined {
  const energy = use.facilityKilowattHours;
  const mean = meanOver(intensity, use.startSeconds, use.endSeconds);
  if (mean === undefined) return energy === 0 ? grams(0) : undefined;
  return grams(energy * (mean.positive + mean.negative));
}

/** Location-based and, under a contract, market-based emissions (ECONOMICS.md §3); absent where the grid has a gap. */
export function emissionsOf(use: EnergyUse, grid: Grid): CarbonCharge {
  const locationBasedGrams = emittedBy(use, grid.intensity);
  const marketBasedGrams = grid.market && emittedBy(use, grid.market.intensity);
  return {
    ...(locationBasedGrams !== undefined && { locationBasedGrams }),
    ...(marketBasedGrams !== undefined && { marketBasedGrams }),
  };
}
