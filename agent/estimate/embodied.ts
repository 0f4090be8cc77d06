// The carbon of making the GPUs, shared out over their life: M = TE · (time used ÷ life), ISO/IEC 21031. Pure.

import type { Provenance } from '../model.ts';
import type { Basis } from './basis.ts';
import type { EnergyParts } from './energy.ts';
import { formatNumber } from './number.ts';
import { exactly, productOf, quotientOf, scaled, type Range } from './range.ts';

const HOURS_PER_YEAR = 8760;
const HOURS_PER_DAY = 24;
const ASSUMED_LIFE_YEARS = exactly(4);
const ASSUMED_UTILISATION = exactly(1);

/** The plan's parts of making its GPUs, kg CO₂e, each where its hours are known. */
export interface EmbodiedParts {
  readonly training?: Range;
  readonly serving?: Range;
  readonly provenance: Provenance;
  readonly source: string;
}

/** Undefined where neither the plan nor anybody published what making its GPUs emits. */
export function embodiedOf(basis: Basis, energy: EnergyParts): EmbodiedParts | undefined {
  const { plan, surroundings } = basis;
  const own = plan.embodied?.kilogramsPerGpu;
  const kilogramsPerGpu = own ?? surroundings.embodied?.kilogramsPerGpu;
  if (kilogramsPerGpu === undefined) return undefined;
  const { embodied = {} } = plan;
  const { lifeYears = ASSUMED_LIFE_YEARS, utilisationRatio = ASSUMED_UTILISATION } = embodied;
  const lifeHours = scaled(productOf(lifeYears, utilisationRatio), HOURS_PER_YEAR);
  const perGpuHour = quotientOf(kilogramsPerGpu, lifeHours);
  const { deployment } = plan;
  const serving =
    deployment?.gpuCount && scaled(productOf(deployment.gpuCount, deployment.days), HOURS_PER_DAY);
  const isGiven = embodied.lifeYears !== undefined && embodied.utilisationRatio !== undefined;
  const made = own === undefined ? (surroundings.embodied?.source ?? '') : 'per GPU as given';
  const years = formatNumber(lifeYears.mid);
  const percent = formatNumber(utilisationRatio.mid * 100);
  return {
    ...(energy.gpuHours === undefined ? {} : { training: productOf(perGpuHour, energy.gpuHours) }),
    ...(serving === undefined ? {} : { serving: productOf(perGpuHour, serving) }),
    provenance: isGiven ? 'derived' : 'assumed',
    source: `${made}, over ${years} years at ${percent} % use${isGiven ? '' : ' (assumed)'}`,
  };
}
