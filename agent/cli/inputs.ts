// --inputs and --rent-per-gpu-hour: what the user says of a run's hardware and data, checked before anything is measured.

import { basename } from 'node:path';

import { UsageError } from '../config.ts';
import type { RunInputs } from '../estimate/run-inputs.ts';
import type { Config } from '../options.ts';
import { readInput } from './read-input.ts';

/**
 * The inputs file, where one was given.
 * @throws UsageError, InputError for a file that cannot be used, and where the hardware is both rented and owned
 */
export async function openInputs(config: Config): Promise<RunInputs | undefined> {
  if (config.inputs === undefined) return undefined;
  const { readRunInputs } = await import('../estimate/run-inputs-file.ts');
  const inputs = readRunInputs(readInput(config.inputs, '--inputs'), basename(config.inputs));
  if (inputs.hardware !== undefined && config.rentPerGpuHour !== undefined) {
    throw new UsageError(
      `--rent-per-gpu-hour and the owned hardware of --inputs ${config.inputs} exclude each other: rent includes energy, owned hardware does not. Leave one out.`,
    );
  }
  return inputs;
}

/** Refuses inputs whose money is not the report's. @throws InputError */
export async function checkInputs(inputs: RunInputs | undefined, currency: string): Promise<void> {
  if (inputs === undefined) return;
  const { checkInputsCurrency } = await import('../estimate/run-inputs.ts');
  checkInputsCurrency(inputs, currency);
}
