// What stands in a report beside energy, its price and its carbon: water, embodied carbon, hardware, demand charges, data
// and labelling, social cost. Joins what was given to what was measured.

import { isObserved } from '../account/gpu-energy.ts';
import type { Totals } from '../account.ts';
import { embodiedOfRun } from '../carbon/embodied.ts';
import { waterLitres } from '../carbon/water.ts';
import { acquisitionKilowattHours } from '../estimate/energy.ts';
import { SOCIAL_COST } from '../estimate/impact.ts';
import { exactly } from '../estimate/range.ts';
import { labellingOf, ownedPerGpuHour } from '../estimate/run-inputs.ts';
import type { Device, DeviceKind, Run, Warning } from '../model.ts';
import type { Config } from '../options.ts';
import type { DemandCost } from '../price/demand.ts';
import type { AcquisitionFacts, BesideFacts, LabellingFacts } from '../report/beside.ts';
import type { HardwareFacts } from '../report/hardware.ts';
import type { CountedProgress } from '../report/per.ts';
import { present } from '../report/present.ts';
import type { Report, ReportCostLine, ReportDevice } from '../report/report.ts';
import type { SocialPrice } from '../report/social.ts';
import type { Traffic } from '../source/traffic.ts';
import { joules, kilowattHours, seconds, toKilowattHours, type Instant } from '../units.ts';
import { dataOf } from './data.ts';
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

/** What a report holds of them. */
export function useOfReport(
  { devices, hosts = [] }: Report,
  span: { readonly startSeconds: Instant; readonly endSeconds: Instant },
): MeasuredUse {
  const used =
    (kind: DeviceKind) =>
    (line: ReportDevice): MeasuredUse['devices'][number] => ({
      device: { kind, model: line.model },
      totals: {
        energyJoules: joules(line.energyJoules ?? 0),
        observedSeconds: seconds(line.observedSeconds),
        bridgedSeconds: seconds(line.bridgedSeconds ?? 0),
      },
    });
  return {
    run: span,
    endSeconds: span.endSeconds,
    devices: [...devices.map(used('gpu')), ...hosts.map(used('host'))],
  };
}

/** What else is known of the run. */
export interface ExtraFacts {
  readonly config: Config;
  readonly pricing: Pick<Pricing, 'tariff' | 'inputs' | 'powerUsageEffectiveness'>;
  readonly demand: readonly DemandCost[];
  /** What it moved, where that was counted. */
  readonly traffic?: Traffic;
  /** Its steps and tokens, where somebody counted them. */
  readonly progress?: CountedProgress;
}

/** The parts of a report that the options ask for, and what has to be said of them. */
export type ReportExtras = BesideFacts & { readonly warnings: readonly Warning[] };

/** Works them out from the closed books. */
export function extrasOf(books: MeasuredUse, facts: ExtraFacts): ReportExtras {
  const { config, pricing, demand, traffic = {}, progress } = facts;
  const { startSeconds } = books.run;
  const data = dataOf({ startSeconds, endSeconds: books.endSeconds }, { config, pricing, traffic });
  return {
    ...present({
      hardware: hardwareOf(config, pricing),
      demand: demandLines(demand, pricing),
      isDemandKnown: demand.every(({ missing }) => missing === undefined),
      embodied: embodiedOf(books, config),
      water: waterOf(books, config, pricing),
      data,
      acquisition: acquisitionOf(pricing),
      labelling: labellingFactsOf(pricing),
      socialPrice: socialPriceOf(config, pricing),
      progress,
    }),
    warnings: [...demandWarnings(demand), ...transferWarnings(config, traffic)],
  };
}

const demandWarnings = (demand: readonly DemandCost[]): Warning[] =>
  demand.flatMap(({ missing, name }) =>
    missing === undefined
      ? []
      : [
          {
            code: 'demand-unknown',
            message: `The demand charge ${name} is not known: ${missing}.`,
          },
        ],
  );

const transferWarnings = ({ dataPath }: Config, { networkBytes }: Traffic): Warning[] =>
  dataPath === undefined || networkBytes !== undefined
    ? []
    : [
        {
          code: 'transfer-unknown',
          message:
            'How many bytes the run moved is not known, so --data-path says nothing of E_data: they are counted live, by wattmeter run.',
        },
      ];

const gpusOf = (books: MeasuredUse) => books.devices.filter(({ device }) => device.kind === 'gpu');
const durationOf = (books: MeasuredUse): number => books.endSeconds - books.run.startSeconds;

function embodiedOf(books: MeasuredUse, config: Config): BesideFacts['embodied'] | undefined {
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
  { powerUsageEffectiveness }: ExtraFacts['pricing'],
): BesideFacts['water'] | undefined {
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
      powerUsageEffectiveness: powerUsageEffectiveness.value,
    }),
    provenance: 'assumed',
    source: said.join(', '),
  };
}

/** Rent or ownership; inputs.ts has refused both together. */
function hardwareOf(
  { rentPerGpuHour }: Config,
  { inputs }: ExtraFacts['pricing'],
): HardwareFacts | undefined {
  if (rentPerGpuHour !== undefined) {
    return {
      kind: 'rented',
      perGpuHour: exactly(rentPerGpuHour),
      source: `${rentPerGpuHour} per GPU-hour (--rent-per-gpu-hour)`,
    };
  }
  const perGpuHour = inputs && ownedPerGpuHour(inputs);
  if (inputs === undefined || perGpuHour === undefined) return undefined;
  return {
    kind: 'owned',
    perGpuHour,
    source: `${Number(perGpuHour.mid.toPrecision(4))} per GPU-hour: its share of purchase and operation (${inputs.fileName})`,
  };
}

const demandLines = (
  demand: readonly DemandCost[],
  { tariff }: ExtraFacts['pricing'],
): ReportCostLine[] =>
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

function acquisitionOf({ inputs }: ExtraFacts['pricing']): AcquisitionFacts | undefined {
  const energy = acquisitionKilowattHours(inputs?.data);
  const { sizeGigabytes: size, acquisitionKilowattHoursPerGigabyte: perGigabyte } =
    inputs?.data ?? {};
  if (inputs === undefined || energy === undefined) return undefined;
  return {
    kilowattHours: energy,
    source: `${size?.mid} GB × ${perGigabyte?.mid} kWh/GB (${inputs.fileName})`,
  };
}

function labellingFactsOf({ inputs, tariff }: ExtraFacts['pricing']): LabellingFacts | undefined {
  if (inputs?.labelling === undefined) return undefined;
  const { personHours, workstationWatts, payPerHour } = inputs.labelling;
  const said = [
    personHours === undefined ? '' : `${personHours.mid} person-hours`,
    workstationWatts === undefined ? '' : `× ${workstationWatts.mid} W`,
    payPerHour === undefined ? '' : `at ${payPerHour.mid} ${tariff.currency}/h`,
  ].filter((part) => part !== '');
  return {
    ...labellingOf(inputs),
    currency: tariff.currency,
    source: [said.join(' '), `(${inputs.fileName})`].filter((part) => part !== '').join(' '),
  };
}

/** The user's own price, or the table that `estimate` has too. */
function socialPriceOf(
  { socialCostPerTonne: own }: Config,
  { tariff }: ExtraFacts['pricing'],
): SocialPrice {
  if (own === undefined) return SOCIAL_COST;
  return {
    perTonne: exactly(own),
    currency: tariff.currency,
    source: '--social-cost-per-tonne',
  };
}
