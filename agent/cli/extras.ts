// What stands in a report beside energy, its price and its carbon: water, embodied carbon, rent, demand charges.

import { isObserved } from '../account/gpu-energy.ts';
import type { Totals } from '../account.ts';
import { embodiedOfRun } from '../carbon/embodied.ts';
import { waterLitres } from '../carbon/water.ts';
import type { Device, Run, Warning } from '../model.ts';
import type { Config } from '../options.ts';
import type { DemandCost } from '../price/demand.ts';
import type { ReportInput } from '../report/input.ts';
import { present } from '../report/present.ts';
import type { ReportCostLine } from '../report/report.ts';
import { kilowattHours, toKilowattHours, type Instant } from '../units.ts';
import type { Pricing } from './pricing.ts';

/** What of the books these parts stand on; Books fit, and so does what a fleet's report holds. */
export interface MeasuredUse {
  readonly run: Pick<Run, 'startSeconds'>;
  readonly endSeconds: Instant;
  readonly devices: readonly {
    readonly device: Pick<Device, 'kind' | 'model'>;
    readonly totals: Pick<Totals, 'energyJoules' | 'observedSeconds' | 'bridgedSeconds'>;
  }[];
}

const SECONDS_PER_HOUR = 3600;

/** The parts of a report's input that the options ask for. */
export type ReportExtras = Pick<ReportInput, 'embodied' | 'water' | 'otherCosts'> & {
  readonly warnings: readonly Warning[];
};

/** Works them out from the closed books. */
export function extrasOf(
  books: MeasuredUse,
  config: Config,
  pricing: Pricing,
  demand: readonly DemandCost[],
): ReportExtras {
  const otherCosts = [...rentOf(books, config), ...demandLines(demand, pricing)];
  return {
    ...present({
      embodied: embodiedOf(books, config),
      water: waterOf(books, config, pricing),
      otherCosts: otherCosts.length === 0 ? undefined : otherCosts,
    }),
    warnings: demand.flatMap(({ missing, name }) =>
      missing === undefined
        ? []
        : [
            {
              code: 'demand-unknown',
              message: `The demand charge ${name} is not known: ${missing}.`,
            },
          ],
    ),
  };
}

const gpusOf = (books: MeasuredUse) => books.devices.filter(({ device }) => device.kind === 'gpu');
const durationOf = (books: MeasuredUse): number => books.endSeconds - books.run.startSeconds;

function embodiedOf(books: MeasuredUse, config: Config): ReportInput['embodied'] | undefined {
  const models = gpusOf(books).map(({ device }) => device.model);
  if (models.length === 0) return undefined;
  return embodiedOfRun({
    models,
    reservedSeconds: durationOf(books),
    ...(config.embodiedKilograms === undefined
      ? {}
      : { kilogramsPerGpu: config.embodiedKilograms }),
  });
}

function waterOf(
  books: MeasuredUse,
  config: Config,
  pricing: Pricing,
): ReportInput['water'] | undefined {
  if (config.wue === undefined && config.ewif === undefined) return undefined;
  const observed = books.devices.filter(({ totals }) => isObserved(totals));
  if (observed.length === 0) return undefined;
  const itJoules = observed.reduce((sum, { totals }) => sum + totals.energyJoules, 0);
  const said = [
    config.wue === undefined ? 'WUE 0 (not given)' : `WUE ${config.wue} L/kWh as given`,
    config.ewif === undefined ? 'EWIF 0 (not given)' : `EWIF ${config.ewif} L/kWh as given`,
  ];
  return {
    waterLitres: waterLitres(kilowattHours(toKilowattHours(itJoules)), {
      waterUsageEffectiveness: config.wue ?? 0,
      energyWaterIntensityFactor: config.ewif ?? 0,
      powerUsageEffectiveness: pricing.powerUsageEffectiveness.value,
    }),
    provenance: 'assumed',
    source: said.join(', '),
  };
}

function rentOf(books: MeasuredUse, config: Config): ReportCostLine[] {
  if (config.rentPerGpuHour === undefined) return [];
  const gpuHours = (gpusOf(books).length * durationOf(books)) / SECONDS_PER_HOUR;
  return [
    {
      name: 'rent',
      amountCost: gpuHours * config.rentPerGpuHour,
      provenance: 'derived',
      source: `${config.rentPerGpuHour} per GPU-hour (--rent-per-gpu-hour)`,
      includesEnergy: true,
    },
  ];
}

const demandLines = (demand: readonly DemandCost[], { tariff }: Pricing): ReportCostLine[] =>
  demand.flatMap(({ name, month, amount }) =>
    amount === undefined
      ? []
      : [
          {
            name: `demand ${name} ${month}`,
            amountCost: amount,
            provenance: 'derived' as const,
            source: tariff.source,
            includesEnergy: false,
          },
        ],
  );
