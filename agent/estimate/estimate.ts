// "What will it cost, and what would change that?": a plan through the article's models. Pure; the caller reads files
// and looks up the zone's intensity.

import { InputError } from '../input-error.ts';
import type { Schedule } from '../schedule.ts';
import type { Instant } from '../units.ts';
import { basisOf, type Basis, type ZoneIntensity } from './basis.ts';
import { CASE_NAMES, caseOf } from './cases.ts';
import { checkIntensity, checkPower, checkPublished, type Check } from './checks.ts';
import { costOf, costSections } from './cost.ts';
import { energyOf, type EnergyParts } from './energy.ts';
import type { Estimate, Figure, Section } from './figures.ts';
import { planFromReport } from './from-run.ts';
import { impactOf, impactSections } from './impact.ts';
import { leversOf } from './levers.ts';
import type { Plan } from './plan.ts';
import { sumOf } from './range.ts';
import { bestStart, type BestStart } from './shift.ts';
import { verifyPublished, type VerificationRow } from './verify.ts';

/** The user's own series, for the levers that shift work in time. */
export interface ShiftSeries {
  readonly price?: Schedule;
  readonly carbon?: Schedule;
  /** The stretch in which the work may run. */
  readonly fromSeconds: Instant;
  readonly toSeconds: Instant;
}

/** What of a plan the command line may set instead. */
export type PlanOverrides = Partial<
  Pick<
    Plan,
    | 'currency'
    | 'pricePerKilowattHour'
    | 'powerUsageEffectiveness'
    | 'zone'
    | 'gramsPerKilowattHour'
    | 'hardware'
  >
>;

/** What is asked for. */
export type EstimateRequest =
  | ({ readonly kind: 'plan'; readonly plan: Plan } & Surroundings)
  | ({ readonly kind: 'case'; readonly name: string } & Surroundings)
  | ({
      readonly kind: 'from-run';
      /** A parsed `wattmeter.report/1`. */
      readonly report: unknown;
      readonly reportName: string;
      readonly scale: number;
    } & Surroundings)
  | { readonly kind: 'verify' };

/** What surrounds a plan. */
interface Surroundings {
  readonly overrides?: PlanOverrides;
  /** Intensity of the plan's zone (see planOf), looked up by the caller. */
  readonly zone?: ZoneIntensity;
  readonly series?: ShiftSeries;
}

/** What came out: an estimate, or published figures recomputed. */
export type EstimateResult =
  | { readonly kind: 'estimate'; readonly estimate: Estimate }
  | { readonly kind: 'verification'; readonly rows: readonly VerificationRow[] };

/** The plan that a request means, overrides applied: its `zone` tells the caller which intensity to look up. */
export function planOf(request: EstimateRequest): Plan | undefined {
  switch (request.kind) {
    case 'plan':
      return { ...request.plan, ...request.overrides };
    case 'from-run': {
      const plan = planFromReport(request.report, request.reportName, request.scale);
      return { ...plan, ...request.overrides };
    }
    case 'case': {
      const found = caseOf(request.name);
      if (found === undefined) {
        throw new InputError(
          `--case ${request.name}`,
          'there is no such case',
          `Give one of ${CASE_NAMES.join(', ')}`,
        );
      }
      return found.kind === 'plan' ? { ...found.plan, ...request.overrides } : undefined;
    }
    case 'verify':
      return undefined;
  }
}

/** Answers a request. @throws InputError for an unknown case, a report that cannot be planned from, a bad scale */
export function runEstimate(request: EstimateRequest): EstimateResult {
  const plan = planOf(request);
  if (request.kind === 'verify') return { kind: 'verification', rows: verifyPublished() };
  if (plan === undefined) {
    const name = request.kind === 'case' ? request.name : '';
    return { kind: 'verification', rows: verifyPublished().filter((row) => row.id === name) };
  }
  return { kind: 'estimate', estimate: estimateOf(plan, request) };
}

function estimateOf(plan: Plan, surroundings: Surroundings): Estimate {
  const basis = basisOf(plan, surroundings.zone);
  const energy = energyOf(basis);
  const cost = costOf(basis, energy);
  const impact = impactOf(basis, energy);
  const shifts = shiftsOf(plan, surroundings.series);
  return {
    name: plan.name,
    currency: basis.currency,
    ...(plan.field === undefined ? {} : { field: plan.field }),
    ...(plan.description === undefined ? {} : { description: plan.description }),
    sections: [
      ...costSections(basis, energy, cost).slice(0, 1),
      energySection(basis, energy),
      dataSection(basis, cost.labelling),
      ...costSections(basis, energy, cost).slice(1),
      ...impactSections(basis, energy, impact),
    ],
    checks: checksOf(basis, energy),
    levers: leversOf({ basis, energy, cost, impact, ...shifts }),
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
    { ...derived, key: 'computeKilowattHours', label: 'E_compute', value: energy.compute },
    ...energy.data.map(({ key, label, kilowattHours, note }): Figure => ({
      ...derived,
      key,
      label: `  ${label}`,
      value: kilowattHours,
      ...(note === undefined || note === '' ? {} : { note }),
    })),
    ...(energy.data.length === 0
      ? []
      : [
          { ...derived, key: 'dataKilowattHours', label: 'E_data', value: energy.dataTotal },
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
  const base = { key: 'energy', title: 'Energy: E = E_compute + E_data', figures };
  if (energy.data.length > 0) return base;
  return {
    ...base,
    missing: 'E_data is left out: the plan says nothing of moving or keeping data.',
  };
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
    missing:
      figures.length === 2
        ? 'S and L stand side by side: their sum has no unit.'
        : 'The plan does not give both size and labelling.',
  };
}

function checksOf(basis: Basis, energy: EnergyParts): Check[] {
  const { plan, grid } = basis;
  const zone =
    grid?.zoneGramsPerKilowattHour === undefined
      ? undefined
      : { name: grid.zone ?? 'its zone', gramsPerKilowattHour: grid.zoneGramsPerKilowattHour };
  const implied =
    plan.statedTonnes === undefined || energy.compute.mid === 0 || plan.statedTonnes === 0
      ? undefined
      : (plan.statedTonnes * 1e6) / energy.compute.mid;
  const pue = basis.powerUsageEffectiveness.value.mid;
  const checks = [
    ...energy.phases.map(({ phase, facilityKilowattHours, gpuHours }) =>
      phase.kind === 'formula' || phase.ratedWatts === undefined || gpuHours === undefined
        ? undefined
        : checkPower(facilityKilowattHours.mid, gpuHours.mid, phase.ratedWatts, pue),
    ),
    grid === undefined ? undefined : checkIntensity(grid.gramsPerKilowattHour.mid, zone),
    implied === undefined ? undefined : checkIntensity(implied, zone),
    plan.model === undefined ? undefined : checkPublished(energy.compute.mid, plan.model),
  ];
  return checks.filter((check) => check !== undefined);
}

function shiftsOf(
  plan: Plan,
  series: ShiftSeries | undefined,
): { priceShift?: BestStart; carbonShift?: BestStart } {
  const hours = plan.durationHours ?? formulaHours(plan);
  if (series === undefined || hours === undefined) return {};
  const best = (schedule: Schedule | undefined): BestStart | undefined =>
    schedule === undefined
      ? undefined
      : bestStart(schedule, series.fromSeconds, series.toSeconds, hours * 3600);
  const priceShift = best(series.price);
  const carbonShift = best(series.carbon);
  return {
    ...(priceShift === undefined ? {} : { priceShift }),
    ...(carbonShift === undefined ? {} : { carbonShift }),
  };
}

function formulaHours(plan: Plan): number | undefined {
  const hours = plan.training.flatMap((phase) =>
    phase.kind === 'formula' ? [phase.hours.mid] : [],
  );
  if (hours.length !== plan.training.length) return undefined;
  return hours.reduce((sum, each) => sum + each, 0);
}
