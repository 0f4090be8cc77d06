// The next run, planned from a measured one: its report's energy, hours and prices, times a scale. Pure.

import { z } from 'zod';

import { InputError, inputErrorOf } from '../input-error.ts';
import { toKilowattHours } from '../units.ts';
import type { Plan } from './plan.ts';
import { exactly, scaled, type Range } from './range.ts';

const SECONDS_PER_HOUR = 3600;

/** The keys of `wattmeter.report/1` (INTERFACE.md) that a plan needs. */
const measuredReport = z.object({
  run: z.object({
    id: z.string(),
    name: z.string().optional(),
    durationSeconds: z.number().positive(),
  }),
  energy: z.object({
    gpuJoules: z.number().positive('nothing was measured'),
    gpuUncertaintyJoules: z.number().nonnegative(),
    gapEstimateJoules: z.number().nonnegative().default(0),
    gapEstimateUncertaintyJoules: z.number().nonnegative().default(0),
    facilityJoules: z.number().positive(),
    powerUsageEffectiveness: z.number().min(1),
  }),
  devices: z.array(z.object({ method: z.string() })).min(1),
  cost: z
    .object({ currency: z.string(), pricePerKilowattHourMean: z.number().optional() })
    .optional(),
  carbon: z
    .object({
      intensityGramsPerKilowattHourMean: z.number().optional(),
      zone: z.string().optional(),
      region: z.object({ provider: z.string(), name: z.string() }).optional(),
    })
    .optional(),
});

/**
 * A plan of `scale` times the work of a report: energy with its uncertainty and the estimate of its gaps, GPU-hours,
 * and the price and intensity that were in force.
 * @throws InputError when the report lacks them, or `scale` is not above 0
 */
export function planFromReport(report: unknown, reportName: string, scale: number): Plan {
  if (!(Number.isFinite(scale) && scale > 0)) {
    throw new InputError(
      `--scale ${scale}`,
      'it is no number above 0',
      'Give 2 for twice the work',
    );
  }
  const parsed = measuredReport.safeParse(report);
  if (!parsed.success) {
    throw inputErrorOf(reportName, parsed.error.issues, 'Give a report of wattmeter.report/1');
  }
  const { run, energy, devices, cost, carbon } = parsed.data;
  const price = cost?.pricePerKilowattHourMean;
  const grams = carbon?.intensityGramsPerKilowattHourMean;
  const gpus = devices.filter((device) => device.method !== 'modelled').length;
  const hours = (run.durationSeconds / SECONDS_PER_HOUR) * scale;
  // A region's own figure is not its country's: it must be looked up, and judged, as that of the region.
  const region = carbon?.region;
  const zone = region === undefined ? carbon?.zone : `${region.provider}:${region.name}`;
  return {
    name: `${scale} × ${run.name ?? run.id}`,
    description: `Planned from the measured run ${run.id}; ranges are its uncertainty (k = 2).`,
    powerUsageEffectiveness: exactly(energy.powerUsageEffectiveness),
    durationHours: hours,
    training: [
      {
        kind: 'energy',
        name: 'measured run, scaled',
        energyKilowattHours: scaled(measuredKilowattHours(energy), scale),
        gpuHours: exactly(gpus * hours),
      },
    ],
    ...(price === undefined || price < 0 ? {} : { pricePerKilowattHour: exactly(price) }),
    ...(cost === undefined ? {} : { currency: cost.currency }),
    ...(grams === undefined ? {} : { gramsPerKilowattHour: exactly(grams) }),
    ...(zone === undefined ? {} : { zone }),
  };
}

/** Facility energy with its gaps estimated; its uncertainty in the proportion of the GPUs'. */
function measuredKilowattHours(energy: z.infer<typeof measuredReport>['energy']): Range {
  const perGpuJoule = energy.facilityJoules / energy.gpuJoules;
  const gaps = energy.gapEstimateJoules * perGpuJoule;
  const uncertainty =
    Math.hypot(energy.gpuUncertaintyJoules, energy.gapEstimateUncertaintyJoules) * perGpuJoule;
  const mid = energy.facilityJoules + gaps;
  return {
    low: toKilowattHours(Math.max(mid - uncertainty, 0)),
    mid: toKilowattHours(mid),
    high: toKilowattHours(mid + uncertainty),
  };
}
