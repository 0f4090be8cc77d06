// Plans that everybody can run: the article's two cases, one illustrative example per field, and the published runs.
// The examples' figures are made up to be plausible and say so. Pure.

import { editDistance } from '../edit-distance.ts';
import type { Plan, PlannedRegion } from './plan.ts';
import { PUBLISHED_RUNS, type PublishedRun } from './published.ts';
import { exactly, type Range } from './range.ts';

const ofGrams = (grams: number): PlannedRegion => ({ gramsPerKilowattHour: exactly(grams) });
const range = (low: number, mid: number, high: number): Range => ({ low, mid, high });

const EXAMPLE = 'An illustrative plan: its figures are made up to be plausible, not measured.';

/** The article's cases and the examples, by name. */
const PLANS = {
  'worked-example': {
    name: 'Worked example of the article',
    description: 'E_compute = 0.5 × 1000 h × 10 kW and E_data = 0.2 × 500 h × 1 kW.',
    currency: 'USD',
    pricePerKilowattHour: exactly(0.1),
    training: [
      {
        kind: 'formula',
        name: 'training',
        k: exactly(0.5),
        hours: exactly(1000),
        kilowatts: exactly(10),
      },
    ],
    data: { formula: { k: exactly(0.2), hours: exactly(500), kilowatts: exactly(1) } },
  },
  bert: {
    name: 'BERT, the illustrative case of the article',
    description: 'Illustrative: the energy is contradicted by measurements, see below.',
    model: 'BERT base',
    currency: 'USD',
    pricePerKilowattHour: exactly(0.1),
    people: [{ role: 'development over a year', amount: exactly(5_000_000) }],
    hardware: { kind: 'bought', amount: exactly(20_000_000) },
    labelling: { amount: exactly(20_000_000) },
    data: { sizeGigabytes: exactly(16) },
    training: [{ kind: 'energy', name: 'training', energyKilowattHours: exactly(50_000_000) }],
  },
  finance: {
    name: 'Finance: a fraud detector adapted from an open language model',
    field: 'finance',
    description: EXAMPLE,
    currency: 'EUR',
    pricePerKilowattHour: range(0.16, 0.22, 0.3),
    powerUsageEffectiveness: range(1.2, 1.4, 1.6),
    gramsPerKilowattHour: range(300, 340, 380),
    people: [
      {
        role: 'engineers',
        count: exactly(4),
        months: range(4, 6, 9),
        salaryPerYear: exactly(90_000),
      },
    ],
    hardware: {
      kind: 'owned',
      purchasePerGpu: range(25_000, 30_000, 35_000),
      lifeYears: range(3, 4, 5),
      residualRatio: exactly(0.1),
      utilisationRatio: range(0.4, 0.6, 0.8),
      operationPerGpuHour: exactly(0.15),
    },
    labelling: {
      personHours: range(1500, 2500, 4000),
      payPerHour: exactly(35),
      workstationWatts: exactly(80),
    },
    data: {
      sizeGigabytes: exactly(800),
      storage: {
        terabytes: exactly(0.8),
        hours: exactly(8760),
        media: 'ssd',
        replication: exactly(3),
      },
    },
    training: [
      {
        kind: 'gpu-hours',
        name: 'hyper-parameter search',
        gpuHours: range(600, 900, 1400),
        wattsPerGpu: range(350, 450, 550),
        hostWattsPerGpu: exactly(120),
        ratedWatts: 700,
      },
      {
        kind: 'gpu-hours',
        name: 'fine-tuning',
        gpuHours: range(200, 300, 500),
        wattsPerGpu: range(450, 550, 650),
        hostWattsPerGpu: exactly(120),
        ratedWatts: 700,
      },
    ],
    deployment: {
      days: exactly(365),
      requestsPerDay: range(1e6, 2e6, 4e6),
      wattHoursPerRequest: range(0.005, 0.01, 0.03),
      operationCostPerMonth: exactly(6000),
    },
    regions: { 'a hydropower region': ofGrams(25), 'a coal region': ofGrams(650) },
  },
  medicine: {
    name: 'Medicine: segmentation of CT scans',
    field: 'medicine',
    description: EXAMPLE,
    currency: 'EUR',
    pricePerKilowattHour: range(0.18, 0.25, 0.32),
    powerUsageEffectiveness: range(1.3, 1.5, 1.8),
    gramsPerKilowattHour: range(250, 340, 420),
    people: [
      {
        role: 'researchers',
        count: exactly(3),
        months: exactly(18),
        salaryPerYear: exactly(75_000),
      },
    ],
    hardware: { kind: 'bought', amount: exactly(140_000) },
    labelling: {
      personHours: range(4000, 6000, 9000),
      payPerHour: range(80, 110, 150),
      workstationWatts: exactly(120),
    },
    data: {
      sizeGigabytes: exactly(6000),
      storage: {
        terabytes: exactly(6),
        hours: exactly(43_800),
        media: 'hdd',
        replication: exactly(2),
      },
      acquisitionKilowattHoursPerGigabyte: range(0.5, 2, 5),
    },
    training: [
      {
        kind: 'gpu-hours',
        name: 'training',
        gpuHours: range(3000, 5000, 8000),
        wattsPerGpu: range(220, 270, 300),
        hostWattsPerGpu: exactly(100),
        ratedWatts: 300,
      },
    ],
    embodied: {
      kilogramsPerGpu: exactly(150),
      lifeYears: exactly(5),
      utilisationRatio: exactly(0.5),
    },
  },
  environment: {
    name: 'Environment: land-use maps from satellite images',
    field: 'environment',
    description: EXAMPLE,
    currency: 'USD',
    pricePerKilowattHour: range(0.08, 0.12, 0.16),
    powerUsageEffectiveness: range(1.1, 1.2, 1.3),
    gramsPerKilowattHour: range(150, 250, 400),
    people: [
      {
        role: 'scientists',
        count: exactly(5),
        months: exactly(12),
        salaryPerYear: exactly(85_000),
      },
    ],
    hardware: { kind: 'rented', ratePerGpuHour: range(1.2, 2, 3.5) },
    labelling: {
      personHours: range(800, 1200, 2000),
      payPerHour: exactly(25),
      workstationWatts: exactly(80),
    },
    data: {
      sizeGigabytes: exactly(50_000),
      transfer: { gigabytes: exactly(50_000), path: 'wan', year: 2026 },
      storage: {
        terabytes: exactly(50),
        hours: exactly(8760),
        media: 'hdd',
        replication: exactly(2),
      },
    },
    training: [
      {
        kind: 'gpu-hours',
        name: 'training',
        gpuHours: range(5000, 8000, 12_000),
        wattsPerGpu: range(280, 330, 380),
        hostWattsPerGpu: exactly(110),
        ratedWatts: 400,
      },
    ],
    regions: { 'a hydropower region': ofGrams(25) },
  },
  energy: {
    name: 'Energy industry: forecasts of load and wind',
    field: 'energy industry',
    description: EXAMPLE,
    currency: 'EUR',
    pricePerKilowattHour: range(0.05, 0.09, 0.14),
    powerUsageEffectiveness: range(1.15, 1.3, 1.5),
    gramsPerKilowattHour: range(280, 340, 400),
    people: [
      { role: 'engineers', count: exactly(3), months: exactly(9), salaryPerYear: exactly(80_000) },
    ],
    hardware: {
      kind: 'owned',
      purchasePerGpu: range(9000, 11_000, 14_000),
      lifeYears: exactly(5),
      residualRatio: exactly(0.05),
      utilisationRatio: range(0.3, 0.5, 0.7),
      operationPerGpuHour: exactly(0.08),
    },
    data: { sizeGigabytes: exactly(1200) },
    training: [
      {
        kind: 'gpu-hours',
        name: 'architecture search',
        gpuHours: range(1500, 2500, 4000),
        wattsPerGpu: range(200, 240, 280),
        hostWattsPerGpu: exactly(90),
        ratedWatts: 300,
      },
      {
        kind: 'gpu-hours',
        name: 'monthly training over a year',
        gpuHours: range(600, 1000, 1500),
        wattsPerGpu: range(200, 240, 280),
        hostWattsPerGpu: exactly(90),
        ratedWatts: 300,
      },
    ],
    renewables: { shareRatio: range(0.5, 0.8, 1), gramsPerKilowattHour: range(10, 15, 40) },
  },
  technology: {
    name: 'Technology: an assistant of 7 billion parameters',
    field: 'technology',
    description: EXAMPLE,
    currency: 'USD',
    pricePerKilowattHour: range(0.06, 0.08, 0.12),
    powerUsageEffectiveness: range(1.1, 1.15, 1.25),
    gramsPerKilowattHour: range(300, 380, 450),
    people: [
      {
        role: 'engineers',
        count: exactly(20),
        months: exactly(12),
        salaryPerYear: exactly(180_000),
      },
    ],
    hardware: { kind: 'rented', ratePerGpuHour: range(1.8, 2.3, 3.5) },
    labelling: { personHours: range(20_000, 40_000, 80_000), payPerHour: range(20, 30, 45) },
    data: {
      sizeGigabytes: exactly(12_000),
      transfer: { gigabytes: exactly(12_000), path: 'cloud', year: 2026 },
    },
    training: [
      {
        kind: 'gpu-hours',
        name: 'pre-training',
        gpuHours: range(120_000, 180_000, 250_000),
        wattsPerGpu: range(500, 580, 680),
        hostWattsPerGpu: exactly(180),
        ratedWatts: 700,
      },
      {
        kind: 'gpu-hours',
        name: 'alignment',
        gpuHours: range(10_000, 20_000, 40_000),
        wattsPerGpu: range(400, 500, 600),
        hostWattsPerGpu: exactly(180),
        ratedWatts: 700,
      },
    ],
    deployment: {
      days: exactly(365),
      requestsPerDay: range(2e6, 5e6, 2e7),
      wattHoursPerRequest: range(0.1, 0.3, 1),
      gpuCount: range(40, 90, 400),
      cloudCostPerMonth: range(80_000, 150_000, 400_000),
      operationCostPerMonth: exactly(50_000),
    },
    distillation: {
      trainingKilowattHours: range(8000, 15_000, 30_000),
      wattHoursPerRequest: range(0.04, 0.1, 0.4),
    },
    water: {
      wueLitresPerKilowattHour: range(0.2, 1, 1.9),
      ewifLitresPerKilowattHour: range(1, 3, 4.5),
    },
    embodied: {
      kilogramsPerGpu: exactly(164),
      lifeYears: range(3, 4, 6),
      utilisationRatio: range(0.5, 0.7, 0.9),
    },
  },
} satisfies Record<string, Plan>;

/** Names of the cases, the article's first. */
export const CASE_NAMES: readonly string[] = [
  ...Object.keys(PLANS),
  ...PUBLISHED_RUNS.map((run) => run.id),
];

/** Each case with what it is, in the order of CASE_NAMES. */
export const CASES: readonly { readonly name: string; readonly title: string }[] = [
  ...Object.entries(PLANS).map(([name, { name: title }]) => ({ name, title })),
  ...PUBLISHED_RUNS.map(({ id, model, source }) => ({ name: id, title: `${model}: ${source}` })),
];

/** The case that was perhaps meant: one that holds the name or is held by it, else the one with the fewest other letters. */
export function nearestCase(name: string): string | undefined {
  const wanted = plainLetters(name);
  const held = CASE_NAMES.find((each) => {
    const letters = plainLetters(each);
    return wanted.length > 2 && (letters.includes(wanted) || wanted.includes(letters));
  });
  if (held !== undefined) return held;
  const [nearest] = CASE_NAMES.map((each) => ({
    each,
    distance: editDistance(plainLetters(each), wanted),
  })).toSorted((a, b) => a.distance - b.distance);
  return nearest !== undefined && nearest.distance <= MOST_EDITS ? nearest.each : undefined;
}

const MOST_EDITS = 3;
const plainLetters = (name: string): string => name.toLowerCase().replaceAll(/[^a-z0-9]/g, '');

/** A case: a plan, or a published row that only its own arithmetic can show. */
export type Case =
  | { readonly kind: 'plan'; readonly plan: Plan }
  | { readonly kind: 'published'; readonly run: PublishedRun };

/** The case of that name. */
export function caseOf(name: string): Case | undefined {
  const plan = new Map<string, Plan>(Object.entries(PLANS)).get(name);
  if (plan !== undefined) return { kind: 'plan', plan };
  const run = PUBLISHED_RUNS.find((each) => each.id === name);
  if (run === undefined) return undefined;
  return run.kind === 'hours'
    ? { kind: 'plan', plan: publishedPlan(run) }
    : { kind: 'published', run };
}

function publishedPlan(run: Extract<PublishedRun, { kind: 'hours' }>): Plan {
  const { powerUsageEffectiveness: pue, gramsPerKilowattHour: grams, tonnes } = run;
  return {
    name: `${run.model}, as published`,
    description: run.note === undefined ? run.source : `${run.source}; ${run.note}.`,
    model: run.model,
    ...(pue === undefined ? {} : { powerUsageEffectiveness: exactly(pue) }),
    ...(grams === undefined ? {} : { gramsPerKilowattHour: exactly(grams) }),
    ...(tonnes === undefined ? {} : { statedTonnes: tonnes.value }),
    training: [
      {
        kind: 'gpu-hours',
        name: 'training',
        gpuHours: exactly(run.hours),
        wattsPerGpu: exactly(run.watts),
        ...(run.ratedWatts === undefined ? {} : { ratedWatts: run.ratedWatts }),
      },
    ],
  };
}
