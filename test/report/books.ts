// Small fixed books for the report's tests: every number is chosen, none is random.

import type { IdleTotals } from '../../agent/account/idle.ts';
import type { Books, DeviceBooks, Totals } from '../../agent/account.ts';
import { co2jsGrid } from '../../agent/carbon/co2js.ts';
import { marketIntensity, type Contract } from '../../agent/carbon/contract.ts';
import type { Device, Sensor } from '../../agent/model.ts';
import { flatTariff } from '../../agent/price/flat.ts';
import type { ReportInput } from '../../agent/report/input.ts';
import type { ReportLever } from '../../agent/report/report.ts';
import { grams, instant, joules, kilowattHours, seconds, watts } from '../../agent/units.ts';

export const START = instant(Date.parse('2026-11-23T08:00:00Z') / 1e3);
export const END = instant(Date.parse('2026-11-23T08:24:08.500Z') / 1e3);
const DURATION = END - START;

export const deviceOf = (index: number, facts: Partial<Device> = {}): Device => ({
  uuid: `GPU-${String(index).padStart(8, '0')}-1c2d-4e5f-8a9b-${String(index).padStart(12, '0')}`,
  index,
  kind: 'gpu',
  model: 'NVIDIA A100-SXM4-80GB',
  source: 'nvml',
  driverVersion: '550.54.15',
  ratedPowerWatts: watts(400),
  powerOrigin: 'measured',
  ...facts,
});

export const SENSOR: Sensor = {
  field: 'instant',
  windowSeconds: 0.025,
  periodSeconds: 0.1,
  origin: 'inferred',
};

/** Totals of a device that drew `powerWatts` all the time, at 0.10 per kWh and 44.18 g/kWh. */
export function totalsOf(powerWatts: number, facts: Partial<Totals> = {}): Totals {
  const gap = Object.values(facts.gapSeconds ?? {}).reduce((sum, length) => sum + length, 0);
  const observed = DURATION - gap + (facts.bridgedSeconds ?? 0);
  const energy = powerWatts * observed;
  const gain = energy * 0.025;
  const offset = observed * 3;
  const uncertainty = 2 * Math.hypot(gain, offset, 12);
  return {
    energyJoules: joules(energy),
    uncertaintyJoules: joules(uncertainty),
    components: {
      gainJoules: joules(gain),
      offsetJoules: joules(offset),
      aliasJoules: joules(0),
      edgeJoules: joules(12),
      independentJoules: joules(0),
    },
    observedSeconds: seconds(observed),
    gapSeconds: {},
    bridgedSeconds: seconds(0),
    gapEstimateJoules: joules(0),
    gapEstimateUncertaintyJoules: joules(0),
    powerMaxWatts: watts(powerWatts * 1.1),
    powerMinWatts: watts(62),
    sampleCount: Math.round(observed * 10),
    counterJoules: joules(energy * 1.002),
    integralJoules: joules(energy * 0.999),
    method: 'counter',
    facilityKilowattHours: kilowattHours(energy / 3.6e6),
    costAmount: (energy / 3.6e6) * 0.1,
    creditAmount: 0,
    uncertaintyCostAmount: (uncertainty / 3.6e6) * 0.1,
    locationBasedGrams: grams((energy / 3.6e6) * 44.18),
    ...facts,
  };
}

export const lineOf = (
  index: number,
  powerWatts: number,
  totals: Partial<Totals> = {},
): DeviceBooks => ({
  device: deviceOf(index),
  sensor: SENSOR,
  totals: totalsOf(powerWatts, totals),
  warnings: [],
});

export const booksOf = (devices: readonly DeviceBooks[], facts: Partial<Books> = {}): Books => ({
  run: {
    id: '20261123T080000-7f3a',
    name: 'llama-finetune',
    command: ['python', 'train.py', '--epochs', '3'],
    host: 'node-7',
    startSeconds: START,
    labels: { team: 'nlp' },
  },
  endSeconds: END,
  exitCode: 0,
  devices,
  windows: [],
  warnings: [],
  ...facts,
});

export const inputOf = (books: Books, facts: Partial<ReportInput> = {}): ReportInput => ({
  books,
  generatedSeconds: instant(END + 1),
  version: '0.1.0',
  tariff: flatTariff(),
  grid: co2jsGrid({ zone: 'FRA' }),
  powerUsageEffectiveness: { value: 1, provenance: 'assumed' },
  ...facts,
});

/** One GPU, no gap, nothing given: the first bill a newcomer sees. */
export const onePlain: ReportInput = inputOf(booksOf([lineOf(0, 312.4)]), {
  grid: { missing: 'no grid zone was given. Name one with --zone, such as --zone DEU' },
});

/** Four GPUs with a gap, a bridged one, an assumed host, windows, warnings, and everything given. */
export const fourFull: ReportInput = inputOf(
  booksOf(
    [
      lineOf(0, 312.4),
      lineOf(1, 318.9, {
        gapSeconds: { timeout: 8, 'gpu-lost': 3.5 },
        gapEstimateJoules: joules(3200),
        gapEstimateUncertaintyJoules: joules(900),
      }),
      lineOf(2, 305.1, { gapSeconds: { 'no-reading': 5 }, bridgedSeconds: seconds(5) }),
      lineOf(3, 299),
      {
        device: deviceOf(0, {
          uuid: 'host-assumed',
          kind: 'host',
          model: 'host, constant',
          powerOrigin: 'modelled',
        }),
        sensor: { field: 'unknown', origin: 'assumed' },
        totals: totalsOf(250, {
          method: 'modelled',
          uncertaintyJoules: joules(0),
          uncertaintyCostAmount: 0,
        }),
        warnings: [],
      },
    ],
    {
      windows: [
        {
          window: {
            name: 'epoch 1',
            startSeconds: START,
            endSeconds: instant(START + 600),
            steps: 1200,
            tokens: 2_457_600,
          },
          totals: totalsOf(1235.4 * (600 / DURATION)),
        },
        {
          window: { name: 'evaluation', startSeconds: instant(START + 600), endSeconds: END },
          totals: totalsOf(1235.4 * (1 - 600 / DURATION)),
        },
      ],
      warnings: [
        {
          code: 'counter-disagrees',
          message:
            'GPU 3: the hardware counter and the integrated power differ by 3.4 % over the last 60 s. Both are in the report; calibrate with `wattmeter doctor --calibrate`.',
        },
      ],
    },
  ),
  {
    tariff: flatTariff({ pricePerKilowattHour: 0.1, currency: 'EUR' }),
    powerUsageEffectiveness: { value: 1, provenance: 'derived' },
  },
);

/** A part of a line: `idleSeconds` at 62 W, with utilisation known all the time. */
export const idleOf = ({ totals }: DeviceBooks, idleSeconds: number): IdleTotals => {
  const facility = (62 * idleSeconds) / 3.6e6;
  return {
    knownSeconds: totals.observedSeconds,
    utilizationRatioMean: 0.8,
    idleSeconds: seconds(idleSeconds),
    energyJoules: joules(62 * idleSeconds),
    facilityKilowattHours: kilowattHours(facility),
    costAmount: facility * 0.1,
    locationBasedGrams: grams(facility * 44.18),
  };
};

const contract: Contract = {
  source: 'contract.yml',
  instruments: [{ name: 'wind PPA', share: 0.75, gramsPerKilowattHour: 12 }],
};
const france = co2jsGrid({ zone: 'FRA' });

/** The same with every figure that can stand beside, so that no form and no schema forgets one. */
export const everything: ReportInput = {
  ...fourFull,
  books: {
    ...fourFull.books,
    devices: fourFull.books.devices.map((line) => ({
      ...line,
      totals: { ...line.totals, marketBasedGrams: grams(4), creditAmount: 0.001 },
      ...(line.device.kind === 'gpu' && { idle: idleOf(line, 200) }),
    })),
  },
  tariff: {
    ...fourFull.tariff,
    name: 'night and day',
    source: 'tariff.yml',
    relativeUncertainty: 0.01,
    fixed: [{ name: 'meter', amount: 12.5, per: 'month' }],
  },
  grid: {
    ...france,
    region: {
      provider: 'aws',
      name: 'eu-west-3',
      place: 'Paris',
      country: 'FRA',
      gridZone: 'FR',
    },
    market: marketIntensity(contract, france.intensity),
  },
  machine: {
    operatingSystem: 'Linux 6.1',
    cpuModel: 'EPYC 7742',
    cpuCount: 64,
    memoryBytes: 2 ** 40,
  },
  data: {
    energyKilowattHours: 0.02,
    transferredBytes: 2e10,
    storedByteHours: 1e12,
    transferKilowattHours: 0.019,
    storageKilowattHours: 0.001,
    diskReadBytes: 3e9,
    diskWrittenBytes: 1e9,
    k: 0.5,
    provenance: 'modelled',
    method: 'WAN, 0.001 kWh/GB',
  },
  embodied: {
    embodiedGrams: 1890,
    provenance: 'derived',
    source: 'published estimates for the A100',
  },
  water: { waterLitres: 1.2, provenance: 'assumed', source: 'WUE 1.8 L/kWh' },
  acquisition: { kilowattHours: { low: 3, mid: 4.8, high: 6 }, source: '160 GB × 0.03 kWh/GB' },
  labelling: {
    kilowattHours: { low: 14, mid: 14.4, high: 15 },
    amount: { low: 2600, mid: 2640, high: 2700 },
    currency: 'EUR',
    source: '120 person-hours × 120 W at 22 EUR/h',
  },
  socialPrice: {
    perTonne: { low: 120, mid: 190, high: 340 },
    currency: 'USD',
    source: 'US EPA 2023',
  },
  hardware: { kind: 'owned', perGpuHour: { low: 1, mid: 1.2, high: 1.5 }, source: 'inputs.yml' },
  demand: [
    {
      name: 'demand flat 2026-11',
      amountCost: 1.5,
      provenance: 'derived',
      source: 'tariff.yml',
      includesEnergy: false,
    },
  ],
  progress: { steps: 1200, tokens: 2_457_600 },
  inputs: [
    {
      file: 'gpu.csv',
      rows: 57_940,
      malformedCount: 1,
      malformed: [{ line: 7, reason: 'no power' }],
    },
  ],
};

/** Levers with and without each of their figures. */
export const LEVERS: readonly ReportLever[] = [
  {
    id: 'power-cap',
    name: 'Power cap at 80 % of the limit',
    savedKilowattHours: 0.05,
    lowSavedKilowattHours: -0.01,
    highSavedKilowattHours: 0.06,
    savedCost: -0.07,
    savedGrams: 2.2,
    breakEven: 'pays above 1.4 EUR/kWh (0.07 EUR for 0.06 more GPU-hours)',
    breakEvenPricePerKilowattHour: 1.4,
    provenance: 'modelled',
    source: 'quartiles of 68 jobs',
  },
  {
    id: 'region-north',
    name: 'Region shift to north',
    savedGrams: 12,
    breakEven: 'pays while moving the work costs less than 0.0023 USD at 190 USD/t',
    provenance: 'modelled',
    source: '25 g/kWh as given',
  },
];

/** Sixty-four GPUs on one node of a simulator: too many for a line each. */
export const sixtyFour: ReportInput = inputOf(
  booksOf(
    Array.from({ length: 64 }, (_, index) =>
      lineOf(
        index,
        380 + index * 0.75,
        index === 17
          ? {
              gapSeconds: { 'gpu-lost': 300 },
              gapEstimateJoules: joules(118_000),
              gapEstimateUncertaintyJoules: joules(40_000),
            }
          : {},
      ),
    ),
  ),
);

/** Nothing could be measured: the job ran all the same. */
export const nothing: ReportInput = inputOf(booksOf([]));
