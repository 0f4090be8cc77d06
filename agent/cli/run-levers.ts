// The levers of a measured run: its finished report and the schedules behind it, joined to the models of estimate/.

import { runLeversOf, type MeasuredRun, type RunLever } from '../estimate/run-levers.ts';
import { figure } from '../report/figure.ts';
import { hardwareOf } from '../report/hardware.ts';
import { present } from '../report/present.ts';
import type { Report, ReportLever } from '../report/report.ts';
import { socialPriceOf } from '../report/social.ts';
import { endsOf } from '../report/spread.ts';
import { instantOf } from '../report/time.ts';
import type { Schedule } from '../schedule.ts';
import { after } from '../units.ts';
import type { Pricing } from './pricing.ts';

type LeverPricing = Pick<Pricing, 'tariff' | 'grid' | 'inputs' | 'feeds'>;

/** The report with its levers, where there are any. */
export function withLevers(report: Report, pricing: LeverPricing): Report {
  const run = measuredRunOf(report, pricing);
  const levers = run === undefined ? [] : runLeversOf(run).map(leverOf);
  return levers.length === 0 ? report : { ...report, levers };
}

function measuredRunOf(
  report: Report,
  { tariff, grid, inputs, feeds }: LeverPricing,
): MeasuredRun | undefined {
  const { energy, compute, cost, carbon, run, devices, social } = report;
  if (energy.gpuJoules === undefined || compute.energyKilowattHours === undefined) return undefined;
  const hardware = hardwareOf(cost);
  // A live service knows no other hour than those that it was asked in.
  const isSeries = feeds.length === 0;
  return present({
    gpuJoules: energy.gpuJoules,
    hostJoules: energy.hostJoules,
    powerUsageEffectiveness: energy.powerUsageEffectiveness,
    facilityKilowattHours: compute.energyKilowattHours,
    gpuHours: (devices.length * run.durationSeconds) / 3600,
    startSeconds: instantOf(run.startTime),
    durationSeconds: run.durationSeconds,
    currency: cost.currency,
    hardware: hardware && {
      perGpuHourCost: hardware.perGpuHourCost ?? 0,
      isRented: hardware.includesEnergy,
    },
    pricePerKilowattHour: cost.pricePerKilowattHourMean,
    gramsPerKilowattHour:
      'missing' in carbon ? undefined : carbon.intensityGramsPerKilowattHourMean,
    // A price in blocks depends on what was used before: another hour has no price of its own.
    price: isSeries && tariff.tiers === undefined ? changing(tariff.price, report) : undefined,
    intensity: isSeries && !('missing' in grid) ? changing(grid.intensity, report) : undefined,
    regions: inputs?.regions,
    social: social && socialPriceOf(social),
  });
}

/** The schedule, where it changes within a day of the run: else no start is better than another. */
function changing(schedule: Schedule, { run }: Report): Schedule | undefined {
  const start = instantOf(run.startTime);
  const change = schedule.nextChange(start);
  return change !== undefined && change < after(start, SECONDS_PER_DAY + run.durationSeconds)
    ? schedule
    : undefined;
}

const SECONDS_PER_DAY = 86_400;

const leverOf = (lever: RunLever): ReportLever => {
  const { savedKilowattHours: saved, savedCost, savedGrams } = lever;
  const known = (value: number | undefined): number | undefined =>
    value === undefined ? undefined : figure(value);
  return {
    id: lever.id,
    name: lever.name,
    ...(saved !== undefined && {
      savedKilowattHours: figure(saved.mid),
      ...endsOf(saved, 'lowSavedKilowattHours', 'highSavedKilowattHours'),
    }),
    ...present({
      savedCost: known(savedCost),
      savedGrams: known(savedGrams),
      breakEvenPricePerKilowattHour: known(lever.breakEvenPricePerKilowattHour),
    }),
    breakEven: lever.breakEven,
    provenance: 'modelled',
    source: lever.source,
  };
};
