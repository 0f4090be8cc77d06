// Reads what a site has bought (--contract FILE). Pure.

import { z } from 'zod';

import { inputErrorOf } from '../input-error.ts';
import { readDocument } from '../series-file.ts';
import type { Contract } from './contract.ts';

const contractFile = z.strictObject({
  instruments: z
    .array(
      z.strictObject({
        name: z.string().min(1),
        share: z.number(),
        gramsPerKilowattHour: z.number(),
      }),
    )
    .min(1),
  residualGramsPerKilowattHour: z.number().min(0).optional(),
});

const EXAMPLE =
  'Write instruments: a list of name, share (0-1) and gramsPerKilowattHour; and, where known, ' +
  'residualGramsPerKilowattHour';

/** The contract in a YAML or JSON text. @throws InputError naming the file, the place and the mend */
export function readContract(text: string, fileName: string): Contract {
  const parsed = contractFile.safeParse(readDocument(text, fileName));
  if (!parsed.success) throw inputErrorOf(fileName, parsed.error.issues, EXAMPLE);
  const { instruments, residualGramsPerKilowattHour } = parsed.data;
  return {
    source: fileName,
    instruments,
    ...(residualGramsPerKilowattHour !== undefined && { residualGramsPerKilowattHour }),
  };
}
