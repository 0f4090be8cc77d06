// Report files come back from anywhere: this border checks them against report.ts before anything trusts a figure.

import { z } from 'zod';

import { InputError } from '../input-error.ts';
import { present } from './present.ts';
import { REPORT_SCHEMA, type Report, type ReportBill, type ReportMachine } from './report.ts';

const number = z.number();
const text = z.string();
const time = z.iso.datetime();
const unknown = z.exactOptional;
const provenance = z.enum(['measured', 'derived', 'assumed', 'modelled']);
const warning = z.object({ code: text, message: text });
const gapReason = z.enum([
  'not-supported',
  'gpu-lost',
  'reset-required',
  'unknown-error',
  'no-permission',
  'timeout',
  'driver-not-loaded',
  'no-data',
  'malformed',
  'implausible',
  'no-reading',
  'suspended',
  'edge',
]);
const gapSecondsByReason = z.partialRecord(gapReason, number);
const uncertaintyComponents = z.object({
  gainJoules: number,
  offsetJoules: number,
  aliasJoules: number,
  edgeJoules: number,
  independentJoules: number,
});

const machine = z.object({
  operatingSystem: unknown(text),
  cpuModel: unknown(text),
  cpuCount: unknown(number),
  memoryBytes: unknown(number),
});
const run = z.object({
  id: text,
  name: unknown(text),
  command: unknown(z.array(text)),
  host: text,
  startTime: time,
  endTime: time,
  durationSeconds: number,
  exitCode: unknown(number),
  labels: z.record(text, text),
  machine: unknown(machine),
});

const energy = z.object({
  gpuJoules: unknown(number),
  gpuUncertaintyJoules: unknown(number),
  gpuUncertaintyComponents: unknown(uncertaintyComponents),
  gapEstimateJoules: unknown(number),
  gapEstimateUncertaintyJoules: unknown(number),
  modelledJoules: unknown(number),
  hostJoules: unknown(number),
  hostUncertaintyJoules: unknown(number),
  hostProvenance: unknown(provenance),
  itJoules: unknown(number),
  facilityJoules: unknown(number),
  powerUsageEffectiveness: number.min(1),
  powerUsageEffectivenessProvenance: provenance,
  coverageRatio: number.min(0).max(1),
  observedSeconds: number,
  gapSeconds: number,
  gapSecondsByReason,
  bridgedSeconds: unknown(number),
});

const idleTime = {
  knownSeconds: number,
  idleSeconds: number,
  energyJoules: number,
  facilityKilowattHours: number,
  energyCost: unknown(number),
  locationBasedGrams: unknown(number),
};
const device = z.object({
  uuid: text,
  index: number,
  host: unknown(text),
  model: text,
  source: text,
  driverVersion: unknown(text),
  method: unknown(z.enum(['counter', 'integral', 'modelled'])),
  energyJoules: unknown(number),
  uncertaintyJoules: unknown(number),
  uncertaintyComponents: unknown(uncertaintyComponents),
  gapEstimateJoules: unknown(number),
  gapEstimateUncertaintyJoules: unknown(number),
  coverageRatio: number.min(0).max(1),
  observedSeconds: number,
  gapSeconds: number,
  gapSecondsByReason,
  bridgedSeconds: unknown(number),
  powerMeanWatts: unknown(number),
  powerMaxWatts: unknown(number),
  powerMinWatts: unknown(number),
  ratedPowerWatts: unknown(number),
  sampleCount: number,
  counterJoules: unknown(number),
  integralJoules: unknown(number),
  sensor: z.object({
    field: text,
    windowSeconds: unknown(number),
    periodSeconds: unknown(number),
    origin: text,
  }),
  facilityKilowattHours: unknown(number),
  energyCost: unknown(number),
  uncertaintyCost: unknown(number),
  locationBasedGrams: unknown(number),
  marketBasedGrams: unknown(number),
  utilizationRatioMean: unknown(number),
  idle: unknown(z.object(idleTime)),
  warnings: z.array(warning),
});

const cost = z.object({
  currency: text,
  energyCost: unknown(number),
  uncertaintyCost: unknown(number),
  priceUncertaintyCost: unknown(number),
  creditCost: unknown(number),
  pricePerKilowattHourMean: unknown(number),
  tariff: z.object({ name: text, source: text, provenance }),
  periods: unknown(
    z.array(
      z.object({
        startTime: time,
        endTime: time,
        facilityKilowattHours: number,
        pricePerKilowattHour: number,
        energyCost: number,
      }),
    ),
  ),
  otherCosts: unknown(
    z.array(
      z.object({
        name: text,
        amountCost: number,
        provenance,
        source: text,
        includesEnergy: z.boolean(),
        lowAmountCost: unknown(number),
        highAmountCost: unknown(number),
        perGpuHourCost: unknown(number),
        energyShareRatio: unknown(number),
      }),
    ),
  ),
  fixedCharges: unknown(
    z.array(z.object({ name: text, amountCost: number, per: z.enum(['day', 'month', 'year']) })),
  ),
  runCost: unknown(number),
  lowRunCost: unknown(number),
  highRunCost: unknown(number),
  runCostParts: unknown(z.array(text)),
  missing: unknown(text),
});

const carbon = z.union([
  z.object({
    locationBasedGrams: number,
    uncertaintyGrams: number,
    marketBasedGrams: unknown(number),
    marketBasedMethod: unknown(text),
    intensityGramsPerKilowattHourMean: unknown(number),
    zone: text,
    region: unknown(
      z.object({ provider: text, name: text, place: text, country: text, gridZone: unknown(text) }),
    ),
    dataset: text,
    vintage: text,
    provenance,
  }),
  z.object({ missing: text }),
]);

const bill = z.object({
  energy: z.object({
    facilityJoules: unknown(number),
    powerUsageEffectiveness: number,
    powerUsageEffectivenessProvenance: provenance,
  }),
  cost: cost.pick({
    currency: true,
    energyCost: true,
    pricePerKilowattHourMean: true,
    tariff: true,
    otherCosts: true,
    runCost: true,
    missing: true,
  }),
  carbon: z.union([
    z.object({
      locationBasedGrams: number,
      marketBasedGrams: unknown(number),
      intensityGramsPerKilowattHourMean: unknown(number),
      zone: text,
      dataset: text,
      vintage: text,
    }),
    z.object({ missing: text }),
  ]),
  waterLitres: unknown(number),
});

const note = { provenance, source: text };
const inputEnergy = {
  lowKilowattHours: unknown(number),
  highKilowattHours: unknown(number),
  locationBasedGrams: unknown(number),
  lowGrams: unknown(number),
  highGrams: unknown(number),
};
const acquisition = z.object({ ...note, energyKilowattHours: number, ...inputEnergy });
const labelling = z.object({
  ...note,
  energyKilowattHours: unknown(number),
  ...inputEnergy,
  labellingCost: unknown(number),
  lowLabellingCost: unknown(number),
  highLabellingCost: unknown(number),
  currency: text,
});
const social = z.object({
  ...note,
  socialCost: number,
  lowSocialCost: unknown(number),
  highSocialCost: unknown(number),
  currency: text,
  costPerTonne: number,
  lowCostPerTonne: unknown(number),
  highCostPerTonne: unknown(number),
  emissionsGrams: number,
  emissionsParts: z.array(text),
});
const idle = z.object({
  ...note,
  ...idleTime,
  timeRatio: number,
  energyRatio: unknown(number),
  hardwareCost: unknown(number),
});
const perOne = z.object({
  count: number,
  gpuJoules: unknown(number),
  facilityKilowattHours: unknown(number),
  energyCost: unknown(number),
  hardwareCost: unknown(number),
  locationBasedGrams: unknown(number),
  softwareCarbonIntensityGrams: unknown(number),
});
const lever = z.object({
  ...note,
  id: text,
  name: text,
  savedKilowattHours: unknown(number),
  lowSavedKilowattHours: unknown(number),
  highSavedKilowattHours: unknown(number),
  savedCost: unknown(number),
  savedGrams: unknown(number),
  breakEven: text,
  breakEvenPricePerKilowattHour: unknown(number),
});
const data = z.object({
  energyKilowattHours: number,
  transferredBytes: unknown(number),
  storedByteHours: unknown(number),
  transferKilowattHours: unknown(number),
  storageKilowattHours: unknown(number),
  diskReadBytes: unknown(number),
  diskWrittenBytes: unknown(number),
  k: unknown(number),
  locationBasedGrams: unknown(number),
  provenance,
  method: unknown(text),
});

/** A report as a file holds it; keys that this version does not know are dropped. */
const reportSchema: z.ZodType<Report> = z.object({
  schema: z.literal(REPORT_SCHEMA),
  generatedAt: time,
  wattmeterVersion: text,
  run,
  energy,
  compute: z.object({
    energyKilowattHours: unknown(number),
    trainingSeconds: number,
    powerMeanWatts: unknown(number),
    ratedPowerWatts: unknown(number),
    k: unknown(number),
  }),
  data: unknown(data),
  devices: z.array(device),
  hosts: unknown(z.array(device.extend({ provenance }))),
  nodes: unknown(
    z.array(
      z.object({
        host: text,
        gpuCount: number,
        gpuJoules: unknown(number),
        gpuUncertaintyJoules: unknown(number),
        hostJoules: unknown(number),
        coverageRatio: number.min(0).max(1),
        observedSeconds: number,
        gapSeconds: number,
        facilityKilowattHours: unknown(number),
        energyCost: unknown(number),
        locationBasedGrams: unknown(number),
      }),
    ),
  ),
  cost,
  carbon,
  embodied: unknown(z.object({ ...note, embodiedGrams: number })),
  water: unknown(z.object({ ...note, waterLitres: number })),
  acquisition: unknown(acquisition),
  labelling: unknown(labelling),
  social: unknown(social),
  idle: unknown(idle),
  per: unknown(
    z.object({ gpuHour: unknown(perOne), step: unknown(perOne), token: unknown(perOne) }),
  ),
  levers: unknown(z.array(lever)),
  windows: z.array(
    z.object({
      name: text,
      startTime: time,
      endTime: time,
      durationSeconds: number,
      gpuJoules: unknown(number),
      uncertaintyJoules: unknown(number),
      coverageRatio: number.min(0).max(1),
      steps: unknown(number),
      tokens: unknown(number),
      joulesPerStep: unknown(number),
      joulesPerToken: unknown(number),
      energyCost: unknown(number),
      locationBasedGrams: unknown(number),
      costPerStep: unknown(number),
      costPerToken: unknown(number),
    }),
  ),
  input: unknown(
    z.object({
      file: text,
      rows: number,
      malformedCount: number,
      malformed: z.array(z.object({ file: unknown(text), line: number, reason: text })),
    }),
  ),
  repriced: unknown(
    z.object({
      options: z.array(
        z.object({
          option: text,
          before: unknown(z.union([text, number])),
          after: unknown(z.union([text, number])),
        }),
      ),
      before: unknown(bill),
    }),
  ),
  warnings: z.array(warning),
});

/**
 * The report in a file's text.
 * @throws InputError in one line: the file, the first thing that is wrong, and the mend
 */
export function parseReport(json: string, fileName: string): Report {
  const mend = 'Write it with `--report-json FILE` or `wattmeter report --format json`';
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw new InputError(fileName, 'it is not JSON', mend);
  }
  const result = reportSchema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const place =
    issue === undefined ? '' : `${issue.path.join('.') || 'the whole'}: ${issue.message}`;
  throw new InputError(fileName, `it is not a ${REPORT_SCHEMA} report (${place})`, mend);
}

/** The machine in a ledger's facts; undefined when it is none that can be understood. */
export function parseMachine(value: unknown): ReportMachine | undefined {
  const parsed = machine.safeParse(value);
  return parsed.success ? present(parsed.data) : undefined;
}

/** The bill in a ledger's facts; undefined when it is none that can be understood. */
export function parseBill(value: unknown): ReportBill | undefined {
  const parsed = bill.safeParse(value);
  return parsed.success ? parsed.data : undefined;
}
