// "What will it cost, and what would change that?": a plan through the article's models. Pure; the caller reads files
// and looks up the zone's intensity.

import { InputError } from '../input-error.ts';
import { basisOf, type Basis } from './basis.ts';
import { caseOf, nearestCase } from './cases.ts';
import { checkImplied, checkIntensity, checkPower, checkPublished, type Check } from './checks.ts';
import { costOf, costSections } from './cost.ts';
import { energyOf, type EnergyParts } from './energy.ts';
import type { AsPublished, Estimate, Figure, Section } from './figures.ts';
import { planFromReport } from './from-run.ts';
import { impactOf, impactSections } from './impact.ts';
import { leversOf, openLeversOf } from './levers.ts';
import type { Deployment, Plan } from './plan.ts';
import { sumOf, type Range } from './range.ts';
import type { Surroundings } from './surroundings.ts';
import { verifyPublished, type VerificationRow } from './verify.ts';

/** What of a plan the command line says instead: each key whole, but what has keys of its own one by one. */
export type PlanOverrides = Partial<Omit<Plan, 'name' | 'deployment'>> & {
  readonly deployment?: Partial<Deployment>;
};

/** What is asked for. */
export type EstimateRequest =
  | ({ readonly kind: 'plan'; readonly plan: Plan } & Around)
  | ({ readonly kind: 'case'; readonly name: string } & Around)
  | ({
      readonly kind: 'from-run';
      /** A parsed `wattmeter.report/1`. */
      readonly report: unknown;
      readonly reportName: string;
      readonly scale: number;
    } & Around)
  | { readonly kind: 'verify' };

/** What a plan is amended with, and what surrounds it as `planOf` tells it. */
interface Around {
  readonly overrides?: PlanOverrides;
  readonly surroundings?: Surroundings;
}

/** What came out: an estimate, or published figures recomputed. */
export type EstimateResult =
  | { readonly kind: 'estimate'; readonly estimate: Estimate }
  | { readonly kind: 'verification'; readonly rows: readonly VerificationRow[] };

/** The plan that a request means, overrides applied: its `zone` tells the caller which intensity to look up. */
export function planOf(request: EstimateRequest): Plan | undefined {
  switch (request.kind) {
    case 'plan':
      return amended(request.plan, request.overrides);
    case 'from-run': {
      const plan = planFromReport(request.report, request.reportName, request.scale);
      return amended(plan, request.overrides);
    }
    case 'case': {
      const found = caseOf(request.name);
      if (found === undefined) throw noSuchCase(request.name);
      return found.kind === 'plan' ? amended(found.plan, request.overrides) : undefined;
    }
    case 'verify':
      return undefined;
  }
}

function noSuchCase(name: string): InputError {
  const near = nearestCase(name);
  return new InputError(
    `--case ${name}`,
    'there is no such case',
    `${near === undefined ? '' : `Perhaps ${near} is meant; `}wattmeter estimate --cases lists them`,
  );
}

function amended(plan: Plan, overrides: PlanOverrides = {}): Plan {
  const { data, deployment, water, embodied, ...rest } = overrides;
  const { gramsPerKilowattHour: _grams, marketGramsPerKilowattHour: _market, ...placeless } = plan;
  return {
    // Another zone has intensities of its own.
    ...(overrides.zone === undefined ? plan : placeless),
    ...rest,
    ...(data === undefined ? {} : { data: { ...plan.data, ...data } }),
    ...(embodied === undefined ? {} : { embodied: { ...plan.embodied, ...embodied } }),
    ...(water === undefined ? {} : { water: { ...plan.water, ...water } }),
    ...(deployment === undefined ? {} : { deployment: served(plan.deployment, deployment) }),
  };
}

function served(planned: Deployment | undefined, changes: Partial<Deployment>): Deployment {
  const days = changes.days ?? planned?.days;
  if (days !== undefined) return { ...planned, ...changes, days };
  throw new InputError('The deployment', 'nobody says for how long it serves', 'Give --days too');
}

/** Answers a request. @throws InputError for an unknown case, a report that cannot be planned from, a bad scale */
export function runEstimate(request: EstimateRequest): EstimateResult {
  const plan = planOf(request);
  if (request.kind === 'verify') return { kind: 'verification', rows: verifyPublished() };
  if (plan === undefined) {
    const name = request.kind === 'case' ? request.name : '';
    return { kind: 'verification', rows: verifyPublished().filter((row) => row.id === name) };
  }
  const estimate = estimateOf(plan, request.surroundings ?? {});
  const published = request.kind === 'case' ? asPublished(request.name) : [];
  return {
    kind: 'estimate',
    estimate: published.length === 0 ? estimate : { ...estimate, published },
  };
}

/** What a published run printed, beside what it recomputes to. */
const asPublished = (id: string): AsPublished[] =>
  verifyPublished()
    .filter((row) => row.id === id)
    .flatMap(({ unit, published, recomputed, errorPercent }) =>
      published === undefined || errorPercent === undefined
        ? []
        : [{ unit, published, recomputed, errorPercent }],
    );

function estimateOf(plan: Plan, surroundings: Surroundings): Estimate {
  const basis = basisOf(plan, surroundings);
  const energy = energyOf(basis);
  const cost = costOf(basis, energy);
  const impact = impactOf(basis, energy);
  const [costs, ...deployment] = costSections(basis, energy, cost);
  const levers = leversOf({ basis, energy, cost, impact });
  return {
    name: plan.name,
    currency: basis.currency,
    ...(plan.field === undefined ? {} : { field: plan.field }),
    ...(plan.description === undefined ? {} : { description: plan.description }),
    sections: [
      ...(costs === undefined ? [] : [costs]),
      energySection(basis, energy),
      dataSection(basis, cost.labelling),
      ...deployment,
      ...impactSections(basis, energy, impact),
    ],
    checks: checksOf(basis, energy),
    levers,
    openLevers: openLeversOf(levers),
  };
}

function energySection(basis: Basis, energy: EnergyParts): Section {
  const derived = { unit: 'kWh', provenance: 'derived' } as const;
  const phases = energy.phases.length < 2 ? [] : energy.phases;
  const figures: Figure[] = [
    ...phases.map(({ phase, facilityKilowattHours }, position): Figure => ({
      ...derived,
      key: `phase${position + 1}KilowattHours`,
      label: `  ${phase.name}`,
      value: facilityKilowattHours,
    })),
    ...(energy.phases.length === 0
      ? []
      : [{ ...derived, key: 'computeKilowattHours', label: 'E_compute', value: energy.compute }]),
    ...energy.data.map(({ key, label, kilowattHours, provenance, note }): Figure => ({
      unit: 'kWh',
      provenance,
      key,
      label: `  ${label}`,
      value: kilowattHours,
      ...(note === undefined ? {} : { note }),
    })),
    ...(energy.data.length === 0
      ? []
      : [{ ...derived, key: 'dataKilowattHours', label: 'E_data', value: energy.dataTotal }]),
    ...(energy.data.length === 0 || energy.phases.length === 0
      ? []
      : [
          {
            ...derived,
            key: 'totalKilowattHours',
            label: 'E, their sum',
            value: sumOf(energy.compute, energy.dataTotal),
          },
        ]),
    ...(energy.gpuHours === undefined
      ? []
      : [{ ...derived, key: 'gpuHours', label: 'GPU-hours', value: energy.gpuHours, unit: 'h' }]),
    ...pueFigure(basis),
  ];
  const missing = [
    ...(energy.phases.length > 0 ? [] : ['E_compute is left out: the plan trains nothing.']),
    ...(energy.data.length > 0
      ? []
      : ['E_data is left out: the plan says nothing of moving or keeping data.']),
  ].join(' ');
  const base = { key: 'energy', title: 'Energy: E = E_compute + E_data', figures };
  return missing === '' ? base : { ...base, missing };
}

/** The article's k and an energy at the meter hold PUE already: it is shown where it was applied. */
function pueFigure({ plan, powerUsageEffectiveness }: Basis): Figure[] {
  const applied =
    plan.training.some((phase) => phase.kind === 'gpu-hours') ||
    plan.deployment !== undefined ||
    plan.water !== undefined;
  if (!applied) return [];
  return [
    {
      key: 'powerUsageEffectiveness',
      label: 'at a PUE of',
      value: powerUsageEffectiveness.value,
      unit: '1',
      provenance: powerUsageEffectiveness.provenance,
    },
  ];
}

/** D = S + L has no unit: gigabytes and money stand side by side. */
function dataSection(basis: Basis, labelling: Figure['value'] | undefined): Section {
  const size = basis.plan.data?.sizeGigabytes;
  const derived = { provenance: 'derived' } as const;
  const figures: Figure[] = [
    ...(size === undefined
      ? []
      : [{ ...derived, key: 'sizeGigabytes', label: 'S, size', value: size, unit: 'GB' }]),
    ...(labelling === undefined
      ? []
      : [
          {
            ...derived,
            key: 'labellingCost',
            label: 'L, labelling',
            value: labelling,
            unit: basis.currency,
          },
        ]),
  ];
  return {
    key: 'dataNeed',
    title: 'Data need: D = S + L',
    figures,
    missing: dataNeedNote(size, labelling),
  };
}

function dataNeedNote(size: Range | undefined, labelling: Range | undefined): string {
  if (size !== undefined && labelling !== undefined)
    return 'S and L stand side by side: their sum has no unit.';
  if (size === undefined && labelling === undefined)
    return 'Neither the size of the data nor its labelling is given.';
  return size === undefined ? 'The size of the data is not given.' : 'Labelling is not given.';
}

function checksOf(basis: Basis, energy: EnergyParts): Check[] {
  const { plan, grid } = basis;
  const zone =
    grid?.zoneGramsPerKilowattHour === undefined
      ? undefined
      : { name: grid.zone ?? 'its zone', gramsPerKilowattHour: grid.zoneGramsPerKilowattHour };
  const { statedTonnes = 0 } = plan;
  const { mid: kilowattHours } = energy.compute;
  const pue = basis.powerUsageEffectiveness.value.mid;
  const checks = [
    ...energy.phases.map(({ phase, facilityKilowattHours, gpuHours }) =>
      phase.ratedWatts === undefined || gpuHours === undefined
        ? undefined
        : checkPower(facilityKilowattHours.mid, gpuHours.mid, phase.ratedWatts, pue),
    ),
    grid === undefined ? undefined : checkIntensity(grid.gramsPerKilowattHour.mid, zone),
    statedTonnes > 0 && kilowattHours > 0
      ? checkImplied(statedTonnes, kilowattHours, zone)
      : undefined,
    plan.model === undefined ? undefined : checkPublished(energy.compute.mid, plan.model),
  ];
  return checks.filter((check) => check !== undefined);
}
