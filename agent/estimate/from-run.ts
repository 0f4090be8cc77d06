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
    powerUsageEffectivenessProvenance: z.string().optional(),
  }),
  compute: z.object({ ratedPowerWatts: z.number().positive().optional() }).default({}),
  devices: z
    .array(z.object({ method: z.string().optional(), model: z.string().optional() }))
    .min(1),
  cost: z
    .object({
      currency: z.string(),
      pricePerKilowattHourMean: z.number().optional(),
      tariff: z.object({ provenance: z.string() }).optional(),
    })
    .optional(),
  carbon: z
    .object({
      intensityGramsPerKilowattHourMean: z.number().optional(),
      locationBasedGrams: z.number().optional(),
      marketBasedGrams: z.number().optional(),
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
  const { run, energy, compute, devices, cost, carbon } = parsed.data;
  // What the run's report had assumed is assumed again, and said to be.
  const isPriced = cost?.tariff?.provenance !== 'assumed';
  const price = isPriced ? cost?.pricePerKilowattHourMean : undefined;
  const isPueGiven = energy.powerUsageEffectivenessProvenance !== 'assumed';
  const grams = carbon?.intensityGramsPerKilowattHourMean;
  const gpus = devices.filter((device) => device.method !== 'modelled').length;
  const hours = (run.durationSeconds / SECONDS_PER_HOUR) * scale;
  // A region's own figure is not its country's: it must be looked up, and judged, as that of the region.
  const region = carbon?.region;
  const zone = region === undefined ? carbon?.zone : `${region.provider}:${region.name}`;
  const models = new Set(devices.map(({ model }) => model));
  const [gpuModel] = models.size === 1 ? models : [];
  const rated = compute.ratedPowerWatts;
  return {
    name: `${scale} × ${run.name ?? run.id}`,
    description: `Planned from the measured run ${run.id}; ranges are its uncertainty (k = 2).`,
    ...(isPueGiven ? { powerUsageEffectiveness: exactly(energy.powerUsageEffectiveness) } : {}),
    durationHours: hours,
    ...(gpuModel === undefined ? {} : { gpuModel }),
    training: [
      {
        kind: 'gpu-hours',
        name: 'measured run, scaled',
        gpuHours: exactly(gpus * hours),
        ...wattsOf(energy, gpus * run.durationSeconds),
        ...(rated === undefined ? {} : { ratedWatts: rated / devices.length }),
      },
    ],
    ...(price === undefined ? {} : { pricePerKilowattHour: exactly(price) }),
    ...(cost === undefined || !isPriced ? {} : { currency: cost.currency }),
    ...(grams === undefined ? {} : { gramsPerKilowattHour: exactly(grams) }),
    ...marketOf(carbon, energy.facilityJoules),
    ...(zone === undefined ? {} : { zone }),
  };
}

type MeasuredEnergy = z.infer<typeof measuredReport>['energy'];

/**
 * Mean power of a GPU, what its gaps probably held included, with its uncertainty; and the rest of the node in the same
 * proportion, that of the IT energy.
 */
function wattsOf(
  energy: MeasuredEnergy,
  gpuSeconds: number,
): { readonly wattsPerGpu: Range; readonly hostWattsPerGpu?: Range } {
  const joules = energy.gpuJoules + energy.gapEstimateJoules;
  const uncertainty = Math.hypot(energy.gpuUncertaintyJoules, energy.gapEstimateUncertaintyJoules);
  const wattsPerGpu = scaled(
    { low: Math.max(joules - uncertainty, 0), mid: joules, high: joules + uncertainty },
    1 / gpuSeconds,
  );
  const perGpuJoule = energy.facilityJoules / energy.powerUsageEffectiveness / energy.gpuJoules;
  // What rounding leaves of a node without a host is no host.
  if (perGpuJoule - 1 < 1e-9) return { wattsPerGpu };
  return { wattsPerGpu, hostWattsPerGpu: scaled(wattsPerGpu, perGpuJoule - 1) };
}

function marketOf(
  carbon: z.infer<typeof measuredReport>['carbon'],
  facilityJoules: number,
): { readonly marketGramsPerKilowattHour?: Range } {
  const grams = carbon?.marketBasedGrams;
  if (grams === undefined) return {};
  return { marketGramsPerKilowattHour: exactly(grams / toKilowattHours(facilityJoules)) };
}
