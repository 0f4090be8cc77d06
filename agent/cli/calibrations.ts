// The boards that were calibrated, for whoever meters: read at the first device, and never in the way of a measurement.

import { readCalibrations, type Calibration } from '../ledger/calibrations.ts';
import type { Device, Warning } from '../model.ts';
import type { Config } from '../options.ts';
import type { Context } from './context.ts';
import { stateDirectory } from './state.ts';
import { messageOf } from './errors.ts';

/** Looks a device's calibration up; a file that cannot be believed is a warning, and then nothing is calibrated. */
export function calibrationLookup(
  config: Config,
  context: Context,
  warn: (warning: Warning) => void,
): (device: Device) => Calibration | undefined {
  let known: ReadonlyMap<string, Calibration> | undefined;
  return ({ uuid }) => {
    known ??= readOrWarn(stateDirectory(config, context), warn);
    return known.get(uuid);
  };
}

function readOrWarn(
  directory: string,
  warn: (warning: Warning) => void,
): ReadonlyMap<string, Calibration> {
  try {
    return readCalibrations(directory);
  } catch (error) {
    const cause = messageOf(error);
    warn({
      code: 'calibrations-unreadable',
      message: `${cause} Until then every GPU is measured uncalibrated, with the uncertainty of its kind.`,
    });
    return new Map();
  }
}
