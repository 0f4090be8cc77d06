// A plan: what somebody knows or assumes about a model's training and use before a GPU is rented. Its shape, and the
// reader of PLAN.yml. Pure.

import { z } from 'zod';

import { InputError, inputErrorOf } from '../input-error.ts';
import { readDocument } from '../series-file.ts';
import { exactly, type Range } from './range.ts';

/** Somebody's pay: an amount, or head count × months × a year's salary ÷ 12. */
export type Person =
  | { readonly role: string; readonly amount: Range }
  | {
      readonly role: string;
      readonly count: Range;
      readonly months: Range;
      readonly salaryPerYear: Range;
    };

/** How the accelerators are paid for. Rent includes their energy, the others do not. */
export type Hardware =
  | { readonly kind: 'bought'; readonly amount: Range }
  | {
      readonly kind: 'owned';
      readonly purchasePerGpu: Range;
      readonly lifeYears: Range;
      readonly residualRatio: Range;
      readonly utilisationRatio: Range;
      readonly operationPerGpuHour: Range;
    }
  | { readonly kind: 'rented'; readonly ratePerGpuHour: Range };

/** Labelling: money, or hours × pay; its hours at a workstation draw power. */
export interface Labelling {
  readonly amount?: Range | undefined;
  readonly personHours?: Range | undefined;
  readonly payPerHour?: Range | undefined;
  readonly workstationWatts?: Range | undefined;
}

/** The article's E = k · T · P: a factor without unit, hours, kilowatts. */
export interface Formula {
  readonly k: Range;
  readonly hours: Range;
  readonly kilowatts: Range;
}

/** A stretch of training, by whichever of the three one knows. */
export type Phase =
  | ({
      readonly kind: 'formula';
      readonly name: string;
      readonly gpuHours?: Range | undefined;
      readonly ratedWatts?: number | undefined;
    } & Formula)
  | {
      readonly kind: 'gpu-hours';
      readonly name: string;
      readonly gpuHours: Range;
      readonly wattsPerGpu: Range;
      readonly hostWattsPerGpu?: Range | undefined;
      /** The board's rated power, for the plausibility check. */
      readonly ratedWatts?: number | undefined;
    }
  | {
      readonly kind: 'energy';
      readonly name: string;
      /** At the meter of the building: PUE is in it. */
      readonly energyKilowattHours: Range;
      readonly gpuHours?: Range | undefined;
      readonly ratedWatts?: number | undefined;
    };

/** Where bytes travel (ECONOMICS.md §4). */
type DataPath = 'wan' | 'cloud' | 'lan';

/** Data: its size, and what moving, keeping and getting it takes. */
export interface PlannedData {
  readonly sizeGigabytes?: Range | undefined;
  readonly formula?: Formula | undefined;
  readonly transfer?:
    | { readonly gigabytes: Range; readonly path: DataPath; readonly year: number }
    | undefined;
  readonly storage?:
    | {
        readonly terabytes: Range;
        readonly hours: Range;
        readonly media: 'hdd' | 'ssd';
        readonly replication: Range;
      }
    | undefined;
  readonly acquisitionKilowattHoursPerGigabyte?: Range | undefined;
}

/** Serving the model. */
export interface Deployment {
  readonly days: Range;
  readonly requestsPerDay?: Range | undefined;
  /** At the server, before PUE. */
  readonly wattHoursPerRequest?: Range | undefined;
  /** GPUs that serve it all the time: their making counts. */
  readonly gpuCount?: Range | undefined;
  readonly cloudCostPerMonth?: Range | undefined;
  readonly operationCostPerMonth?: Range | undefined;
}

/** Another place the work could go to; its zone and files are looked up by the caller. */
export interface PlannedRegion {
  readonly gramsPerKilowattHour?: Range | undefined;
  readonly pricePerKilowattHour?: Range | undefined;
  readonly powerUsageEffectiveness?: Range | undefined;
  /** For GPUs that are rented. */
  readonly ratePerGpuHour?: Range | undefined;
  /** Grid zone, whose intensity is that of a data set. */
  readonly zone?: string | undefined;
  /** Tariffs and series of intensities: each says which it is. */
  readonly files?: readonly string[] | undefined;
}

/** Everything a plan may say; what is absent is unknown, or assumed and said to be. */
export interface Plan {
  readonly name: string;
  readonly field?: string | undefined;
  readonly description?: string | undefined;
  /** What the model is, for comparison with published runs, e.g. `BERT base`. */
  readonly model?: string | undefined;
  /** As its driver names it: what its making emitted is published for some. */
  readonly gpuModel?: string | undefined;
  readonly currency?: string | undefined;
  readonly pricePerKilowattHour?: Range | undefined;
  readonly powerUsageEffectiveness?: Range | undefined;
  readonly zone?: string | undefined;
  readonly gramsPerKilowattHour?: Range | undefined;
  /** Market-based, where a contract is known; else `renewables` makes it. */
  readonly marketGramsPerKilowattHour?: Range | undefined;
  /** How long the training takes on the clock: for shifting it in time. */
  readonly durationHours?: number | undefined;
  /** Tonnes that somebody states for the training, to be checked against its energy. */
  readonly statedTonnes?: number | undefined;
  readonly people?: readonly Person[] | undefined;
  readonly hardware?: Hardware | undefined;
  readonly labelling?: Labelling | undefined;
  readonly data?: PlannedData | undefined;
  readonly training: readonly Phase[];
  readonly deployment?: Deployment | undefined;
  readonly water?:
    | {
        readonly wueLitresPerKilowattHour?: Range | undefined;
        readonly ewifLitresPerKilowattHour?: Range | undefined;
      }
    | undefined;
  /** Making the GPUs; what is absent is that of the GPU's model, 4 years and use all the time. */
  readonly embodied?:
    | {
        readonly kilogramsPerGpu?: Range | undefined;
        readonly lifeYears?: Range | undefined;
        readonly utilisationRatio?: Range | undefined;
      }
    | undefined;
  /** Contracts for renewable energy: the share of energy they match, and its intensity. */
  readonly renewables?:
    | { readonly shareRatio: Range; readonly gramsPerKilowattHour: Range }
    | undefined;
  readonly socialCost?:
    | { readonly perTonne: Range; readonly currency: string; readonly source: string }
    | undefined;
  readonly distillation?:
    | { readonly trainingKilowattHours: Range; readonly wattHoursPerRequest: Range }
    | undefined;
  /** Other places the work could go to, by name. */
  readonly regions?: Readonly<Record<string, PlannedRegion>> | undefined;
}

/** A number ≥ 0, or a range of them: what every quantity in a file may be. */
export const quantity: z.ZodType<Range> = z.union(
  [
    z.number().nonnegative().transform(exactly),
    z
      .strictObject({
        low: z.number().nonnegative(),
        mid: z.number().nonnegative(),
        high: z.number().nonnegative(),
      })
      .refine((range) => range.low <= range.mid && range.mid <= range.high, {
        message: 'low, mid and high must ascend',
      }),
  ],
  { error: 'it is no number ≥ 0 and no range of them' },
);
/** The same above 0. */
export const positive: z.ZodType<Range> = quantity.refine((range) => range.low > 0, {
  message: 'it must be above 0',
});
/** The same up to 1. */
export const ratio: z.ZodType<Range> = quantity.refine((range) => range.high <= 1, {
  message: 'a ratio is at most 1',
});
/** The same above 0 and up to 1. */
export const nonzeroRatio: z.ZodType<Range> = ratio.refine((range) => range.low > 0, {
  message: 'it must be above 0',
});
const pue = quantity.refine((range) => range.low >= 1, { message: 'PUE is at least 1' });
const region = z.union([
  z
    .number()
    .nonnegative()
    .transform((grams) => ({ gramsPerKilowattHour: exactly(grams) })),
  z.strictObject({
    gramsPerKilowattHour: quantity.optional(),
    pricePerKilowattHour: quantity.optional(),
    powerUsageEffectiveness: pue.optional(),
    ratePerGpuHour: quantity.optional(),
    zone: z.string().optional(),
    files: z.array(z.string()).optional(),
  }),
]);
const formula = { k: quantity, hours: quantity, kilowatts: quantity };
const phaseName = z.string().default('training');

const planFile: z.ZodType<Plan> = z.strictObject({
  name: z.string(),
  field: z.string().optional(),
  description: z.string().optional(),
  model: z.string().optional(),
  gpuModel: z.string().optional(),
  currency: z.string().optional(),
  pricePerKilowattHour: quantity.optional(),
  powerUsageEffectiveness: pue.optional(),
  zone: z.string().optional(),
  gramsPerKilowattHour: quantity.optional(),
  marketGramsPerKilowattHour: quantity.optional(),
  durationHours: z.number().positive().optional(),
  statedTonnes: z.number().nonnegative().optional(),
  people: z
    .array(
      z.union([
        z.strictObject({ role: z.string(), amount: quantity }),
        z.strictObject({
          role: z.string(),
          count: quantity,
          months: quantity,
          salaryPerYear: quantity,
        }),
      ]),
    )
    .optional(),
  hardware: z
    .discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('bought'), amount: quantity }),
      z.strictObject({
        kind: z.literal('owned'),
        purchasePerGpu: quantity,
        lifeYears: positive,
        residualRatio: ratio.default(exactly(0)),
        utilisationRatio: nonzeroRatio,
        operationPerGpuHour: quantity.default(exactly(0)),
      }),
      z.strictObject({ kind: z.literal('rented'), ratePerGpuHour: quantity }),
    ])
    .optional(),
  labelling: z
    .strictObject({
      amount: quantity.optional(),
      personHours: quantity.optional(),
      payPerHour: quantity.optional(),
      workstationWatts: quantity.optional(),
    })
    .optional(),
  data: z
    .strictObject({
      sizeGigabytes: quantity.optional(),
      formula: z.strictObject(formula).optional(),
      transfer: z
        .strictObject({
          gigabytes: quantity,
          path: z.enum(['wan', 'cloud', 'lan']),
          year: z.int().min(2000).max(2100),
        })
        .optional(),
      storage: z
        .strictObject({
          terabytes: quantity,
          hours: quantity,
          media: z.enum(['hdd', 'ssd']),
          replication: positive.default(exactly(1)),
        })
        .optional(),
      acquisitionKilowattHoursPerGigabyte: quantity.optional(),
    })
    .optional(),
  training: z
    .array(
      z.discriminatedUnion('kind', [
        z.strictObject({
          kind: z.literal('formula'),
          name: phaseName,
          ...formula,
          gpuHours: quantity.optional(),
          ratedWatts: z.number().positive().optional(),
        }),
        z.strictObject({
          kind: z.literal('gpu-hours'),
          name: phaseName,
          gpuHours: quantity,
          wattsPerGpu: quantity,
          hostWattsPerGpu: quantity.optional(),
          ratedWatts: z.number().positive().optional(),
        }),
        z.strictObject({
          kind: z.literal('energy'),
          name: phaseName,
          energyKilowattHours: quantity,
          gpuHours: quantity.optional(),
          ratedWatts: z.number().positive().optional(),
        }),
      ]),
    )
    .min(1),
  deployment: z
    .strictObject({
      days: quantity,
      requestsPerDay: quantity.optional(),
      wattHoursPerRequest: quantity.optional(),
      gpuCount: quantity.optional(),
      cloudCostPerMonth: quantity.optional(),
      operationCostPerMonth: quantity.optional(),
    })
    .optional(),
  water: z
    .strictObject({
      wueLitresPerKilowattHour: quantity.optional(),
      ewifLitresPerKilowattHour: quantity.optional(),
    })
    .optional(),
  embodied: z
    .strictObject({
      kilogramsPerGpu: quantity.optional(),
      lifeYears: positive.optional(),
      utilisationRatio: nonzeroRatio.optional(),
    })
    .optional(),
  renewables: z.strictObject({ shareRatio: ratio, gramsPerKilowattHour: quantity }).optional(),
  socialCost: z
    .strictObject({ perTonne: quantity, currency: z.string(), source: z.string() })
    .optional(),
  distillation: z
    .strictObject({ trainingKilowattHours: quantity, wattHoursPerRequest: quantity })
    .optional(),
  regions: z.record(z.string(), region).optional(),
});

/** Reads PLAN.yml (or JSON). @throws InputError naming the path in it and the mend */
export function readPlan(text: string, fileName: string): Plan {
  const parsed = planFile.safeParse(readDocument(text, fileName));
  if (!parsed.success) {
    const mend = 'Give what docs/files.md lists for it, mostly a number ≥ 0 or { low, mid, high }';
    throw inputErrorOf(fileName, parsed.error.issues, mend);
  }
  const { currency } = parsed.data;
  if (currency !== undefined && !Intl.supportedValuesOf('currency').includes(currency)) {
    throw new InputError(
      `${fileName} at currency`,
      `"${currency}" is no ISO 4217 code`,
      'Write three capital letters such as USD or EUR',
    );
  }
  return parsed.data;
}
