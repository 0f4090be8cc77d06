// The wire form of a mark, shared by the run's socket and the `mark` command; strict at this untrusted border.

import { z } from 'zod';

import type { Mark } from './windows.ts';

const MAX_NAME_CHARACTERS = 200;
const MAX_COUNT = Number.MAX_SAFE_INTEGER;

const count = z.number().nonnegative().max(MAX_COUNT).optional();
const markSchema = z.strictObject({
  name: z
    .string()
    .min(1)
    .max(MAX_NAME_CHARACTERS)
    // A name is printed in terminals and tables: control characters have no place in it.
    .regex(/^\P{Cc}+$/u, 'a name has no control characters'),
  phase: z.enum(['begin', 'end', 'instant']),
  steps: count,
  tokens: count,
});

/** A mark, or what is wrong with it in one line. */
export type ParsedMark =
  | { readonly kind: 'mark'; readonly mark: Mark }
  | { readonly kind: 'malformed'; readonly message: string };

/** Reads `{name, phase, steps?, tokens?}`. */
export function parseMark(body: unknown): ParsedMark {
  const parsed = markSchema.safeParse(body);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const where = issue?.path.join('.') ?? '';
    return {
      kind: 'malformed',
      message: `Cannot read the mark${where === '' ? '' : `'s ${where}`}: ${issue?.message ?? 'unknown'}. Send {name, phase: begin|end|instant, steps?, tokens?}.`,
    };
  }
  const { name, phase, steps, tokens } = parsed.data;
  return {
    kind: 'mark',
    mark: {
      name,
      phase,
      ...(steps === undefined ? {} : { steps }),
      ...(tokens === undefined ? {} : { tokens }),
    },
  };
}
