// Carbon, water and the cost to society: training, data, labelling, serving and the making of the hardware, location-
// and market-based side by side. Pure.

import type { Basis, PlanGrid } from './basis.ts';
import type { EnergyParts } from './energy.ts';
import type { Figure, Section } from './figures.ts';
import type { Plan } from './plan.ts';
import { exactly, productOf, quotientOf, scaled, sumOf, type Range } from './range.ts';

const HOURS_PER_YEAR = 8760;
const GRAMS_PER_KILOGRAM = 1000;
const KILOGRAMS_PER_TONNE = 1000;

/**
 * US EPA, Report on the Social Cost of Greenhouse Gases (November 2023): emissions of 2020 in dollars of 2020, at
 * discount rates of 2.5, 2.0 and 1.5 %.
 */
export const SOCIAL_COST: NonNullable<Plan['socialCost']> = {
  perTonne: { low: 120, mid: 190, high: 340 },
  currency: 'USD',
  source: 'US EPA 2023, per tonne, dollars of 2020',
};

/** kg CO₂e of a plan, location-based; absent parts are unknown. */
export interface ImpactParts {
  readonly training?: Range;
  readonly data?: Range;
  readonly acquisition?: Range;
  readonly labelling?: Range;
  readonly deployment?: Range;
  readonly embodied?: Range;
  /** All of the above that are known. */
  readonly total?: Range;
  readonly labellingKilowattHours?: Range;
  /** Training under the plan's renewable contracts. */
  readonly trainingMarketBased?: Range;
}

/** The emissions of a plan. */
export function impactOf(basis: Basis, energy: EnergyParts): ImpactParts {
  const labellingEnergy = labellingKilowattHours(basis.plan);
  const embodied = embodiedKilograms(basis.plan, energy.gpuHours);
  const extra = {
    ...(labellingEnergy === undefined ? {} : { labellingKilowattHours: labellingEnergy }),
    ...(embodied === undefined ? {} : { embodied }),
  };
  if (basis.grid === undefined) {
    return { ...extra, ...(embodied === undefined ? {} : { total: embodied }) };
  }
  const { grid } = basis;
  const at = (kilowattHours: Range): Range => kilograms(kilowattHours, grid.gramsPerKilowattHour);
  const parts = {
    training: at(energy.compute),
    ...(energy.data.length === 0 ? {} : { data: at(energy.dataTotal) }),
    ...(energy.acquisition === undefined ? {} : { acquisition: at(energy.acquisition) }),
    ...(labellingEnergy === undefined ? {} : { labelling: at(labellingEnergy) }),
    ...(energy.deployment === undefined ? {} : { deployment: at(energy.deployment) }),
    ...(embodied === undefined ? {} : { embodied }),
  };
  return {
    ...extra,
    ...parts,
    total: sumOf(...Object.values(parts)),
    ...marketOf(basis, grid, energy),
  };
}

/** The sections of carbon and water. */
export function impactSections(basis: Basis, energy: EnergyParts, impact: ImpactParts): Section[] {
  return [carbonSection(basis, impact), ...waterSection(basis, energy)];
}

const kilograms = (kilowattHours: Range, gramsPerKilowattHour: Range): Range =>
  scaled(productOf(kilowattHours, gramsPerKilowattHour), 1 / GRAMS_PER_KILOGRAM);

/** Person-hours × a workstation's power; undefined where the plan lacks one of them. */
export function labellingKilowattHours({ labelling }: Pick<Plan, 'labelling'>): Range | undefined {
  if (labelling?.personHours === undefined || labelling.workstationWatts === undefined) {
    return undefined;
  }
  return scaled(productOf(labelling.personHours, labelling.workstationWatts), 1 / 1000);
}

/** ISO/IEC 21031: M = TE · (time used ÷ life), the life being its hours in use. */
function embodiedKilograms({ embodied }: Plan, gpuHours: Range | undefined): Range | undefined {
  if (embodied === undefined || gpuHours === undefined) return undefined;
  const lifeHours = scaled(
    productOf(embodied.lifeYears, embodied.utilisationRatio),
    HOURS_PER_YEAR,
  );
  return productOf(quotientOf(embodied.kilogramsPerGpu, lifeHours), gpuHours);
}

/** Matched energy at the contracts' intensity, the rest at the grid's own (no residual mix is known to a plan). */
function marketOf(
  basis: Basis,
  grid: PlanGrid,
  energy: EnergyParts,
): Pick<ImpactParts, 'trainingMarketBased'> {
  const { renewables } = basis.plan;
  if (renewables === undefined) return {};
  const { shareRatio: share } = renewables;
  const rest = { low: 1 - share.high, mid: 1 - share.mid, high: 1 - share.low };
  const matched = { low: share.high, mid: share.mid, high: share.low };
  const intensity = sumOf(
    productOf(matched, renewables.gramsPerKilowattHour),
    productOf(rest, grid.gramsPerKilowattHour),
  );
  return { trainingMarketBased: kilograms(energy.compute, intensity) };
}

function carbonSection(basis: Basis, impact: ImpactParts): Section {
  const figures: Figure[] = [
    ...mass('trainingLocationBasedKilograms', 'Training', impact.training),
    ...mass('dataKilograms', 'Data, moved and kept', impact.data),
    ...mass('acquisitionKilograms', 'Data acquisition', impact.acquisition, 'assumed'),
    ...mass('labellingKilograms', 'Labelling at workstations', impact.labelling, 'assumed'),
    ...mass('deploymentKilograms', 'Deployment', impact.deployment),
    ...mass('embodiedKilograms', 'Making the hardware (share)', impact.embodied),
    ...mass('totalKilograms', 'Together', impact.total),
    ...mass('trainingMarketBasedKilograms', 'Training, market-based', impact.trainingMarketBased),
    ...socialFigure(basis.plan, impact.total),
    ...intensityFigure(basis.grid),
  ];
  const base = { key: 'carbon', title: 'Carbon (CO2e, location-based)', figures };
  if (basis.grid !== undefined) return base;
  return {
    ...base,
    missing: 'No grid zone and no gramsPerKilowattHour were given: no carbon figure of any energy.',
  };
}

function mass(
  key: string,
  label: string,
  value: Range | undefined,
  provenance: Figure['provenance'] = 'derived',
): Figure[] {
  return value === undefined ? [] : [{ key, label, value, unit: 'kg', provenance }];
}

function socialFigure(plan: Plan, total: Range | undefined): Figure[] {
  if (total === undefined) return [];
  const social = plan.socialCost ?? SOCIAL_COST;
  return [
    {
      key: 'socialCost',
      label: 'Cost to society (beside C)',
      value: scaled(productOf(total, social.perTonne), 1 / KILOGRAMS_PER_TONNE),
      unit: social.currency,
      provenance: plan.socialCost === undefined ? 'assumed' : 'derived',
      note: social.source,
    },
  ];
}

function intensityFigure(grid: PlanGrid | undefined): Figure[] {
  if (grid === undefined) return [];
  const zone = grid.zone === undefined ? '' : ` of ${grid.zone}`;
  return [
    {
      key: 'intensityGramsPerKilowattHour',
      label: `at an intensity${zone} of`,
      value: grid.gramsPerKilowattHour,
      unit: 'g/kWh',
      provenance: grid.provenance,
      note: grid.source,
    },
  ];
}

/** Water = E_IT · (WUE + PUE · EWIF): WUE counts per IT energy, never per energy that PUE has inflated. */
function waterSection(basis: Basis, energy: EnergyParts): Section[] {
  const { water } = basis.plan;
  if (water === undefined) return [];
  const pue = basis.powerUsageEffectiveness.value;
  const perIt = sumOf(
    water.wueLitersPerKilowattHour,
    productOf(pue, water.ewifLitersPerKilowattHour),
  );
  const it = sumOf(energy.computeIt, energy.deploymentIt ?? exactly(0));
  const figures: Figure[] = [
    {
      key: 'waterLiters',
      label: 'Training and serving',
      value: productOf(it, perIt),
      unit: 'L',
      provenance: 'derived',
    },
  ];
  return [{ key: 'water', title: 'Water', figures }];
}
