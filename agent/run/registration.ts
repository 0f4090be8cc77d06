// The wire form of a run's registration with the agent (POST /v1/runs), strict at this untrusted border.

import { z } from 'zod';

const MAX_ID_CHARACTERS = 100;
const MAX_TEXT_CHARACTERS = 1000;
const MAX_LABELS = 64;
const MAX_GPUS = 256;

const text = z
  .string()
  .min(1)
  .max(MAX_TEXT_CHARACTERS)
  .regex(/^\P{Cc}+$/u, 'it has control characters');
const registration = z.strictObject({
  id: z
    .string()
    .max(MAX_ID_CHARACTERS)
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'letters, digits, dots, dashes and underscores only'),
  name: text.optional(),
  labels: z
    .record(text, text)
    .refine((labels) => Object.keys(labels).length <= MAX_LABELS, `at most ${MAX_LABELS} labels`)
    .optional(),
  gpus: z.array(text).max(MAX_GPUS).optional(),
});

/** A run that somebody else starts and ends: a batch system's prolog and epilog. */
export interface Registration {
  /** The other side's own name of the run, such as `slurm-4711`. */
  readonly id: string;
  readonly name?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** UUIDs or indices; absent: all. */
  readonly gpus?: readonly string[] | undefined;
}

/** Reads `{id, name?, labels?, gpus?}`; a string is what is wrong with it. */
export function parseRegistration(body: unknown): Registration | string {
  const parsed = registration.safeParse(body);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const where = issue?.path.join('.') ?? '';
  return `Cannot read the run${where === '' ? '' : `'s ${where}`}: ${issue?.message ?? 'unknown'}. Send {id, name?, labels?, gpus?}.`;
}
