// A plan with its blanks filled by documented assumptions, each one remembered as such. Pure.

import type { Provenance } from '../model.ts';
import type { Plan } from './plan.ts';
import { exactly, type Range } from './range.ts';

/** A quantity and whether the plan gave it. */
interface Given {
  readonly value: Range;
  readonly provenance: Provenance;
}

/** The intensity of the plan's grid, from the plan itself or from the data set of its zone. */
export interface PlanGrid {
  readonly zone?: string;
  readonly gramsPerKilowattHour: Range;
  /** The zone's own figure, where known: what a stated intensity is checked against. */
  readonly zoneGramsPerKilowattHour?: number;
  readonly source: string;
  readonly provenance: Provenance;
}

/** What the models compute with. */
export interface Basis {
  readonly plan: Plan;
  readonly currency: string;
  readonly currencyProvenance: Provenance;
  readonly price: Given;
  readonly powerUsageEffectiveness: Given;
  readonly grid?: PlanGrid;
}

/** The intensity of a zone as the caller's data set has it: agent/carbon knows them, this stage does not. */
export interface ZoneIntensity {
  readonly zone: string;
  readonly gramsPerKilowattHour: number;
  /** Data set and vintage. */
  readonly source: string;
}

const ASSUMED_PRICE = 0.1;
const ASSUMED_CURRENCY = 'USD';
const ASSUMED_PUE = 1;

/** Fills the blanks: 0.10 per kWh, US dollars, PUE 1. No zone and no intensity stays unknown. */
export function basisOf(plan: Plan, zone: ZoneIntensity | undefined): Basis {
  const grid = gridOf(plan, zone);
  return {
    plan,
    currency: plan.currency ?? ASSUMED_CURRENCY,
    currencyProvenance: plan.currency === undefined ? 'assumed' : 'derived',
    price: given(plan.pricePerKilowattHour, ASSUMED_PRICE),
    powerUsageEffectiveness: given(plan.powerUsageEffectiveness, ASSUMED_PUE),
    ...(grid === undefined ? {} : { grid }),
  };
}

function given(value: Range | undefined, assumption: number): Given {
  return value === undefined
    ? { value: exactly(assumption), provenance: 'assumed' }
    : { value, provenance: 'derived' };
}

function gridOf(plan: Plan, zone: ZoneIntensity | undefined): PlanGrid | undefined {
  const zoneParts = {
    ...(plan.zone === undefined ? {} : { zone: plan.zone }),
    ...(zone === undefined ? {} : { zoneGramsPerKilowattHour: zone.gramsPerKilowattHour }),
  };
  if (plan.gramsPerKilowattHour !== undefined) {
    const value = plan.gramsPerKilowattHour;
    return {
      ...zoneParts,
      gramsPerKilowattHour: value,
      source: 'the plan',
      provenance: 'derived',
    };
  }
  if (zone === undefined) return undefined;
  return {
    ...zoneParts,
    zone: zone.zone,
    gramsPerKilowattHour: exactly(zone.gramsPerKilowattHour),
    source: zone.source,
    provenance: 'derived',
  };
}
