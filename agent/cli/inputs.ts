// --inputs and --rent-per-gpu-hour: what the user says of a run's hardware and data, checked before anything is measured.

import { basename } from 'node:path';

import { outranks, UsageError, type ResolvedOptions } from '../config.ts';
import type { RunInputs } from '../estimate/run-inputs.ts';
import type { Config } from '../options.ts';
import { readInput } from './read-input.ts';

/** The inputs file, where one was given; beside a rent without its hardware. @throws UsageError, InputError */
export async function openInputs({
  inputs: path,
  rentPerGpuHour,
}: Config): Promise<RunInputs | undefined> {
  if (path === undefined) return undefined;
  const { readRunInputs } = await import('../estimate/run-inputs-file.ts');
  const { hardware, ...inputs } = readRunInputs(readInput(path, '--inputs'), basename(path));
  return hardware === undefined || rentPerGpuHour !== undefined ? inputs : { ...inputs, hardware };
}

/**
 * The options with one way to pay for the hardware: of rent and an inputs file that says it is owned, the one that was
 * asked for at the higher level.
 * @throws UsageError, InputError for a file that cannot be used, and where both stand at one level
 */
export async function withOneHardware(
  config: Config,
  levels: ResolvedOptions['levels'],
): Promise<Config> {
  if (outranks(levels, 'rentPerGpuHour', 'inputs')) return config;
  const { rentPerGpuHour: _, ...owned } = config;
  if ((await openInputs(owned))?.hardware === undefined) return config;
  if (outranks(levels, 'inputs', 'rentPerGpuHour')) return owned;
  throw new UsageError(
    `--rent-per-gpu-hour and the owned hardware of --inputs ${config.inputs} exclude each other: rent includes energy, owned hardware does not. Leave one out.`,
  );
}

/** Refuses inputs whose money is not the report's. @throws InputError */
export async function checkInputs(inputs: RunInputs | undefined, currency: string): Promise<void> {
  if (inputs === undefined) return;
  const { checkInputsCurrency } = await import('../estimate/run-inputs.ts');
  checkInputsCurrency(inputs, currency);
}
