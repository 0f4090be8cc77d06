// What a lever is, and what it is applied to. Pure.

import type { Basis } from './basis.ts';
import type { CostParts } from './cost.ts';
import type { EnergyParts } from './energy.ts';
import type { ImpactParts } from './impact.ts';
import type { Range } from './range.ts';

/** A lever and what it does to this plan. */
export interface LeverResult {
  readonly id: string;
  readonly name: string;
  readonly savedKilowattHours?: Range;
  /** In the plan's currency: electricity, and rent or amortisation where time is saved. */
  readonly savedCost?: Range;
  readonly savedKilograms?: Range;
  /** When to start, ISO 8601 in UTC, of a shift in time. */
  readonly startTime?: string;
  /** When it pays, or what is missing to say so. */
  readonly breakEven: string;
  readonly source: string;
}

/** A lever that the plan says too little for. */
export interface OpenLever {
  readonly name: string;
  /** What to give. */
  readonly needs: string;
}

/** What the levers look at. */
export interface LeverInput {
  readonly basis: Basis;
  readonly energy: EnergyParts;
  readonly cost: CostParts;
  readonly impact: ImpactParts;
}
