// Whether a GPU sleeps (laptops): reading it would wake it and cost more than it measures, so we look at sysfs first.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const NVIDIA_VENDOR = '0x10de';
const DISPLAY_CLASS = '0x03';

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}

// NVML's `00000000:01:00.0` → sysfs' `0000:01:00.0`.
const sysfsAddress = (pciBusId: string): string =>
  pciBusId.toLowerCase().replace(/^0000(?=.{4}:)/, '');

/** The file that says whether the device at `pciBusId` sleeps; undefined when the kernel never lets it sleep. */
export function runtimeStatusPath(sysfsRoot: string, pciBusId: string): string | undefined {
  const power = join(sysfsRoot, 'bus/pci/devices', sysfsAddress(pciBusId), 'power');
  const path = join(power, 'runtime_status');
  return read(join(power, 'control')) === 'auto' && existsSync(path) ? path : undefined;
}

/** Whether the device sleeps now, by its status file. */
export const isAsleep = (statusPath: string): boolean => read(statusPath) === 'suspended';

/** Whether there are NVIDIA GPUs and all of them sleep: then even initialising the library would wake them. */
export function allAsleep(sysfsRoot: string): boolean {
  const root = join(sysfsRoot, 'bus/pci/devices');
  const gpus = (existsSync(root) ? readdirSync(root) : []).filter(
    (address) =>
      read(join(root, address, 'vendor')) === NVIDIA_VENDOR &&
      (read(join(root, address, 'class')) ?? '').startsWith(DISPLAY_CLASS),
  );
  return gpus.length > 0 && gpus.every((gpu) => isAsleep(join(root, gpu, 'power/runtime_status')));
}
