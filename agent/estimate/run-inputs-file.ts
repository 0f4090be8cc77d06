// The reader of an inputs file. Its shapes are a plan's, so that a section may be copied from one. Apart from what it
// reads, because a run without inputs must not wait for a parser. Pure.

import { z } from 'zod';

import { inputErrorOf } from '../input-error.ts';
import { isTimeProblem, readInstant } from '../local-time.ts';
import { readDocument } from '../series-file.ts';
import type { Instant } from '../units.ts';
import { nonzeroRatio, positive, quantity, ratio } from './plan.ts';
import { exactly } from './range.ts';
import type { RunInputs } from './run-inputs.ts';

const inputsFile = z.strictObject({
  currency: z.string().optional(),
  hardware: z
    .strictObject({
      kind: z.literal('owned', 'only owned hardware is written here; rent is --rent-per-gpu-hour'),
      purchasePerGpu: quantity,
      lifeYears: positive,
      residualRatio: ratio.default(exactly(0)),
      utilisationRatio: nonzeroRatio,
      operationPerGpuHour: quantity.default(exactly(0)),
    })
    .optional(),
  data: z
    .strictObject({
      sizeGigabytes: quantity.optional(),
      acquisitionKilowattHoursPerGigabyte: quantity.optional(),
      storage: z
        .strictObject({
          terabytes: quantity,
          media: z.enum(['hdd', 'ssd']),
          replication: positive.default(exactly(1)),
          hours: quantity.optional(),
        })
        .optional(),
    })
    .refine(
      ({ sizeGigabytes: size, acquisitionKilowattHoursPerGigabyte: perGigabyte }) =>
        (size === undefined) === (perGigabyte === undefined),
      'sizeGigabytes and acquisitionKilowattHoursPerGigabyte go together',
    )
    .optional(),
  labelling: z
    .strictObject({
      amount: quantity.optional(),
      personHours: quantity.optional(),
      payPerHour: quantity.optional(),
      workstationWatts: quantity.optional(),
    })
    .refine(
      ({ amount, personHours }) => amount !== undefined || personHours !== undefined,
      'neither personHours nor an amount is given',
    )
    .refine(
      ({ amount, payPerHour }) => amount === undefined || payPerHour === undefined,
      'amount and payPerHour say the same money twice',
    )
    .optional(),
  coincidentPeaks: z
    .array(
      z
        .union(
          [z.iso.datetime({ offset: true }), z.iso.datetime({ offset: true, precision: -1 })],
          {
            error: 'it is no time with a zone, such as 2026-07-07T17:50Z',
          },
        )
        .transform((text, context): Instant => {
          const time = readInstant(text, 'UTC');
          if (!isTimeProblem(time)) return time;
          context.addIssue({ code: 'custom', message: time.problem });
          return z.NEVER;
        }),
    )
    .optional(),
  regions: z.record(z.string(), z.number().nonnegative()).optional(),
});

/** Reads an inputs file, YAML or JSON. @throws InputError naming the path in it and the mend */
export function readRunInputs(text: string, fileName: string): RunInputs {
  const parsed = inputsFile.safeParse(readDocument(text, fileName));
  if (!parsed.success) {
    const mend = 'Give what docs/files.md lists for it, mostly a number ≥ 0 or { low, mid, high }';
    throw inputErrorOf(fileName, parsed.error.issues, mend);
  }
  return { ...parsed.data, fileName };
}
