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
  const { lifeYears = ASSUMED_LIFE_YEARS, utilisationRatio = ASSUMED_UTILISATION } =
    plan.embodied ?? {};
  const lifeHours = scaled(productOf(lifeYears, utilisationRatio), HOURS_PER_YEAR);
  const perGpuHour = quotientOf(kilogramsPerGpu, lifeHours);
  const { deployment } = plan;
  const serving =
    deployment?.gpuCount && scaled(productOf(deployment.gpuCount, deployment.days), HOURS_PER_DAY);
  const isOwn = own !== undefined && plan.embodied?.lifeYears !== undefined;
  const made = own === undefined ? (surroundings.embodied?.source ?? '') : 'per GPU as given';
  const assumed = plan.embodied?.lifeYears === undefined ? ' (assumed)' : '';
  return {
    ...(energy.gpuHours === undefined ? {} : { training: productOf(perGpuHour, energy.gpuHours) }),
    ...(serving === undefined ? {} : { serving: productOf(perGpuHour, serving) }),
    provenance: isOwn ? 'derived' : 'assumed',
    source: `${made}, over ${formatNumber(lifeYears.mid)} years${assumed}`,
  };
}
