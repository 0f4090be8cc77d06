// The bill divided by what was got for it: per GPU-hour, per step, per token.

import { toKilowattHours } from '../units.ts';
import { figure, knownFigure, ratioOf, sum } from './figure.ts';
import { hardwareOf } from './hardware.ts';
import { present } from './present.ts';
import type { Report, ReportPer, ReportPerOne } from './report.ts';

/** Steps and tokens of the whole run, where somebody counted them. */
export interface CountedProgress {
  readonly steps?: number;
  readonly tokens?: number;
}

const SECONDS_PER_HOUR = 3600;

function perOne(
  { energy, cost, carbon, embodied }: Report,
  count: number | undefined,
  hardwareCost: number | undefined,
): ReportPerOne | undefined {
  if (count === undefined || !(count > 0)) return undefined;
  const divided = (value: number | undefined): number | undefined =>
    value === undefined ? undefined : knownFigure(ratioOf(value, count));
  const { facilityJoules } = energy;
  const use = 'missing' in carbon ? undefined : carbon.locationBasedGrams;
  return present({
    count,
    gpuJoules: divided(energy.gpuJoules),
    facilityKilowattHours: divided(
      facilityJoules === undefined ? undefined : toKilowattHours(facilityJoules),
    ),
    energyCost: divided(cost.energyCost),
    hardwareCost: knownFigure(hardwareCost),
    locationBasedGrams: divided(use),
    softwareCarbonIntensityGrams: divided(
      use === undefined || embodied === undefined ? undefined : use + embodied.embodiedGrams,
    ),
  });
}

/** Undefined where nothing was observed and nothing counted. */
export function perOf(report: Report, progress: CountedProgress = {}): ReportPer | undefined {
  const observed = sum(report.devices.map(({ observedSeconds }) => observedSeconds));
  const hardware = hardwareOf(report.cost);
  const share = (count: number | undefined): number | undefined =>
    count === undefined || hardware === undefined ? undefined : hardware.amountCost / count;
  const per: ReportPer = present({
    gpuHour:
      report.energy.facilityJoules === undefined
        ? undefined
        : perOne(report, figure(observed / SECONDS_PER_HOUR), hardware?.perGpuHourCost),
    step: perOne(report, progress.steps, share(progress.steps)),
    token: perOne(report, progress.tokens, share(progress.tokens)),
  });
  return Object.keys(per).length === 0 ? undefined : per;
}
