// Carbon, water and the cost to society: training, data, labelling, serving and the making of the hardware, location-
// and market-based side by side. Pure.

import type { Basis, PlanGrid } from './basis.ts';
import { embodiedOf, type EmbodiedParts } from './embodied.ts';
import type { EnergyParts } from './energy.ts';
import type { Figure, Section } from './figures.ts';
import type { Plan } from './plan.ts';
import { exactly, ordered, productOf, scaled, shareOf, sumOf, type Range } from './range.ts';

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
  readonly embodied?: EmbodiedParts;
  /** All of the above that are known. */
  readonly total?: Range;
  readonly labellingKilowattHours?: Range;
  /** Training under the plan's renewable contracts. */
  readonly trainingMarketBased?: Range;
}

/** The emissions of a plan. */
export function impactOf(basis: Basis, energy: EnergyParts): ImpactParts {
  const labellingEnergy = labellingKilowattHours(basis.plan);
  const embodied = embodiedOf(basis, energy);
  const made = [embodied?.training, embodied?.serving].filter((part) => part !== undefined);
  const extra = {
    ...(labellingEnergy === undefined ? {} : { labellingKilowattHours: labellingEnergy }),
    ...(embodied === undefined ? {} : { embodied }),
  };
  if (basis.grid === undefined) {
    return { ...extra, ...(made.length === 0 ? {} : { total: sumOf(...made) }) };
  }
  const { grid } = basis;
  const at = (kilowattHours: Range): Range => kilograms(kilowattHours, grid.gramsPerKilowattHour);
  const parts = {
    ...(energy.phases.length === 0 ? {} : { training: at(energy.compute) }),
    ...(energy.data.length === 0 ? {} : { data: at(energy.dataTotal) }),
    ...(energy.acquisition === undefined ? {} : { acquisition: at(energy.acquisition) }),
    ...(labellingEnergy === undefined ? {} : { labelling: at(labellingEnergy) }),
    ...(energy.deployment === undefined ? {} : { deployment: at(energy.deployment) }),
  };
  return {
    ...extra,
    ...parts,
    total: sumOf(...Object.values(parts), ...made),
    ...marketOf(basis, grid, energy),
  };
}

/** The sections of carbon and water. */
export function impactSections(basis: Basis, energy: EnergyParts, impact: ImpactParts): Section[] {
  return [carbonSection(basis, energy, impact), ...waterSection(basis, energy)];
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

/**
 * Under a contract its own intensity; else matched energy at that of the plan's renewables and the rest at the grid's own,
 * no residual mix being known to a plan.
 */
function marketOf(
  { plan, surroundings }: Basis,
  grid: PlanGrid,
  energy: EnergyParts,
): Pick<ImpactParts, 'trainingMarketBased'> {
  const contract = surroundings.market?.gramsPerKilowattHour ?? plan.marketGramsPerKilowattHour;
  const intensity = contract ?? (plan.renewables && matchedIntensity(plan.renewables, grid));
  if (intensity === undefined || energy.phases.length === 0) return {};
  return { trainingMarketBased: kilograms(energy.compute, intensity) };
}

function matchedIntensity(
  { shareRatio: share, gramsPerKilowattHour }: NonNullable<Plan['renewables']>,
  grid: PlanGrid,
): Range {
  const rest = { low: 1 - share.high, mid: 1 - share.mid, high: 1 - share.low };
  const matched = { low: share.high, mid: share.mid, high: share.low };
  // What more is matched the less is left: end by end, not every end with every other.
  const at = (end: 'low' | 'mid' | 'high'): number =>
    matched[end] * gramsPerKilowattHour[end] + rest[end] * grid.gramsPerKilowattHour[end];
  return ordered({ low: at('low'), mid: at('mid'), high: at('high') });
}

/** Where the market-based figure comes from, in words. */
export function marketSource({ plan, surroundings }: Basis): string {
  if (surroundings.market !== undefined) return surroundings.market.source;
  return plan.marketGramsPerKilowattHour === undefined ? "the plan's own contracts" : 'the plan';
}

function carbonSection(basis: Basis, energy: EnergyParts, impact: ImpactParts): Section {
  const { embodied, trainingMarketBased: market } = impact;
  const made = embodied && { provenance: embodied.provenance, note: embodied.source };
  const figures: Figure[] = [
    ...mass('trainingLocationBasedKilograms', 'Training', impact.training),
    ...mass('dataKilograms', 'Data, moved and kept', impact.data),
    ...mass('acquisitionKilograms', 'Data acquisition', impact.acquisition, ASSUMED),
    ...mass('labellingKilograms', 'Labelling at workstations', impact.labelling, ASSUMED),
    ...mass('deploymentKilograms', 'Deployment', impact.deployment),
    ...mass('embodiedKilograms', 'Making the GPUs, their share', embodied?.training, made),
    ...mass('embodiedServingKilograms', '  of those that serve', embodied?.serving, made),
    ...mass('totalKilograms', 'Total', impact.total),
    ...mass('trainingMarketBasedKilograms', 'Training, market-based', market, {
      note: marketSource(basis),
    }),
    ...requestFigure(energy, impact),
    ...socialFigure(basis.plan, impact.total),
    ...intensityFigure(basis.grid),
  ];
  const missing = [
    ...(basis.grid === undefined ? [NO_GRID] : []),
    ...missingEmbodied(basis, energy, impact),
  ].join(' ');
  const base = { key: 'carbon', title: 'Carbon (CO2e, location-based)', figures };
  return missing === '' ? base : { ...base, missing };
}

const ASSUMED = { provenance: 'assumed' } as const;
const NO_GRID =
  'No carbon figure of any energy without its grid: give --zone DEU, say, --grid FILE or gramsPerKilowattHour.';

/** Why a total of carbon holds nothing of the GPUs' making. */
function missingEmbodied(
  { plan, grid }: Basis,
  { gpuHours }: EnergyParts,
  { embodied }: ImpactParts,
): string[] {
  if (embodied === undefined) {
    const unasked = plan.gpuModel === undefined && plan.embodied === undefined;
    if (unasked && (grid === undefined || plan.training.length === 0)) return [];
    const why =
      plan.gpuModel === undefined
        ? 'give gpuModel, or embodied.kilogramsPerGpu'
        : `nothing is published for ${plan.gpuModel} by that name; give the driver's name of the board if that is another, or embodied.kilogramsPerGpu`;
    return [`Making the GPUs is left out: ${why}.`];
  }
  if (gpuHours === undefined && plan.training.length > 0)
    return ['Making the GPUs is left out: a phase names no GPU-hours.'];
  return [];
}

/** SCI = (E · I + M) ÷ R per request, ISO/IEC 21031; M where the GPUs that serve are known. */
function requestFigure({ requests }: EnergyParts, { deployment, embodied }: ImpactParts): Figure[] {
  if (deployment === undefined || requests === undefined || requests.low <= 0) return [];
  const made = embodied?.serving;
  const all = made === undefined ? deployment : sumOf(deployment, made);
  return [
    {
      key: 'sciGramsPerRequest',
      label: 'SCI, per request',
      value: scaled(shareOf(all, requests), GRAMS_PER_KILOGRAM),
      unit: 'g',
      provenance: 'derived',
      note:
        made === undefined
          ? 'operation alone: deployment.gpuCount and gpuModel would add the making'
          : 'operation and making of the GPUs that serve',
    },
  ];
}

function mass(
  key: string,
  label: string,
  value: Range | undefined,
  { provenance = 'derived', note }: Partial<Pick<Figure, 'provenance' | 'note'>> = {},
): Figure[] {
  if (value === undefined) return [];
  return [{ key, label, value, unit: 'kg', provenance, ...(note === undefined ? {} : { note }) }];
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
  const { wueLitresPerKilowattHour: wue, ewifLitresPerKilowattHour: ewif } = basis.plan.water ?? {};
  if (wue === undefined && ewif === undefined) return [];
  const pue = basis.powerUsageEffectiveness.value;
  const perIt = sumOf(wue ?? exactly(0), productOf(pue, ewif ?? exactly(0)));
  const part =
    (wue === undefined && "the power stations' alone: give WUE for the site's") ||
    (ewif === undefined && "the site's alone: give EWIF for the power stations'");
  const it = sumOf(energy.computeIt, energy.deploymentIt ?? exactly(0));
  const figures: Figure[] = [
    {
      key: 'waterLitres',
      label: 'Training and serving',
      value: productOf(it, perIt),
      unit: 'L',
      provenance: 'derived',
      ...(part === false ? {} : { note: part }),
    },
  ];
  return [{ key: 'water', title: 'Water', figures }];
}
