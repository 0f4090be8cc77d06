// --gpus, or what the scheduler gives the job: which of the listed devices a run is about.

import type { Device, Warning } from '../model.ts';
import type { Config } from '../options.ts';
import { type MigParents, needsMigParents, noneSelected, selectGpus } from '../run/gpus.ts';
import { listMigInstances } from '../source/mig-instances.ts';
import type { Context } from './context.ts';
import type { RunSampling } from './run-sampling.ts';
import { migParentsIn } from './sources.ts';

const FIRST_READING_SECONDS = 10;

/** Which GPUs the job's MIG instances are parts of: asked only where their names do not say, once devices are known. */
export async function migParentsOf(
  config: Config,
  context: Context,
  sampling: RunSampling,
  ended: Promise<unknown> = new Promise(() => undefined),
): Promise<MigParents> {
  const option = config.gpus === undefined ? {} : { option: config.gpus };
  if (!needsMigParents({ ...option, environment: context.environment })) return new Map();
  const signal = AbortSignal.any([context.signal, signalOf(ended)]);
  await Promise.race([ended, sampling.firstReading(FIRST_READING_SECONDS)]);
  const known = migParentsIn(sampling.sources);
  return known.size > 0 ? known : listMigInstances({ signal, env: context.environment });
}

/** Why none of the GPUs that are here is the job's, where that is so. */
export function noneOfTheJob(
  config: Config,
  context: Context,
  { devices, migParents }: { readonly devices: readonly Device[]; readonly migParents: MigParents },
): string | undefined {
  const option = config.gpus === undefined ? {} : { option: config.gpus };
  const { environment } = context;
  const selection = selectGpus({ ...option, environment, devices, migParents });
  return selection.kind === 'selected' ? noneSelected(selection, devices) : undefined;
}

function signalOf(ended: Promise<unknown>): AbortSignal {
  const end = new AbortController();
  void ended.then(() => end.abort());
  return end.signal;
}

/** Which GPUs are the job's, told once; a list that makes no sense here is said and all are measured. */
export function gpuSelector(
  config: Config,
  context: Context,
  migParents: MigParents,
  warn: (warning: Warning) => void,
): (devices: readonly Device[]) => readonly Device[] {
  let isTold = false;
  return (devices) => {
    const selection = selectGpus({
      ...(config.gpus === undefined ? {} : { option: config.gpus }),
      environment: context.environment,
      devices,
      migParents,
    });
    if (selection.kind === 'refused') {
      if (!isTold)
        warn({
          code: 'gpus-unknown',
          message: `${selection.message} Every visible GPU is measured.`,
        });
      isTold = true;
      return devices;
    }
    if (!isTold) selection.warnings.forEach(warn);
    isTold = true;
    return devices.filter(({ kind, uuid }) => kind !== 'gpu' || selection.uuids.has(uuid));
  };
}
