// --gpus, or what the scheduler gives the job: which of the listed devices a run is about.

import type { Device, Warning } from '../model.ts';
import type { Config } from '../options.ts';
import { selectGpus } from '../run/gpus.ts';
import type { Context } from './context.ts';

/** Which GPUs are the job's, told once; a list that makes no sense here is said and all are measured. */
export function gpuSelector(
  config: Config,
  context: Context,
  warn: (warning: Warning) => void,
): (devices: readonly Device[]) => readonly Device[] {
  let isTold = false;
  return (devices) => {
    const selection = selectGpus({
      ...(config.gpus === undefined ? {} : { option: config.gpus }),
      environment: context.environment,
      devices,
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
