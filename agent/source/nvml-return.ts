// What NVML's return codes mean to us: a reading's status, and whether the device, the session or nothing is broken.
// Numbers from nvml.h (nvmlReturn_t).

import type { ReadingStatus } from '../model.ts';

/** The codes that are more than a failed reading. */
export const NVML = {
  success: 0,
  uninitialized: 1,
  invalidArgument: 2,
  notSupported: 3,
  noPermission: 4,
  notFound: 6,
  insufficientSize: 7,
  driverNotLoaded: 9,
  timeout: 10,
  libraryMissing: 12,
  functionMissing: 13,
  gpuLost: 15,
  resetRequired: 16,
  versionMismatch: 18,
  noData: 21,
  argumentVersionMismatch: 25,
  deprecated: 26,
  gpuNotFound: 28,
  unknown: 999,
} as const;

const STATUS_BY_CODE: Readonly<Record<number, ReadingStatus>> = {
  [NVML.success]: 'ok',
  [NVML.uninitialized]: 'driver-not-loaded',
  [NVML.notSupported]: 'not-supported',
  [NVML.noPermission]: 'no-permission',
  [NVML.notFound]: 'no-data',
  [NVML.driverNotLoaded]: 'driver-not-loaded',
  [NVML.timeout]: 'timeout',
  [NVML.libraryMissing]: 'driver-not-loaded',
  [NVML.functionMissing]: 'not-supported',
  [NVML.gpuLost]: 'gpu-lost',
  [NVML.resetRequired]: 'reset-required',
  [NVML.versionMismatch]: 'driver-not-loaded',
  [NVML.noData]: 'no-data',
  [NVML.argumentVersionMismatch]: 'not-supported',
  [NVML.deprecated]: 'not-supported',
  [NVML.gpuNotFound]: 'gpu-lost',
};

/** The status of a reading whose call returned `code`. */
export const statusOf = (code: number): ReadingStatus => STATUS_BY_CODE[code] ?? 'unknown-error';

/** Codes after which the library must be initialised anew before any device can be read. */
export const breaksSession = (code: number): boolean =>
  code === NVML.uninitialized ||
  code === NVML.driverNotLoaded ||
  code === NVML.libraryMissing ||
  code === NVML.versionMismatch;

/** Codes that say a device is gone for now; asking ten times a second does not bring it back. */
export const losesDevice = (code: number): boolean =>
  code === NVML.gpuLost || code === NVML.resetRequired || code === NVML.gpuNotFound;

/** Codes that will not change while the driver stays: the feature is not there, and is not asked for again. */
export const isPermanent = (code: number): boolean =>
  code === NVML.invalidArgument ||
  code === NVML.notSupported ||
  code === NVML.noPermission ||
  code === NVML.functionMissing ||
  code === NVML.argumentVersionMismatch ||
  code === NVML.deprecated;

/** Why the source as a whole fails, kebab-case, for health metrics. */
export function faultReason(code: number): string {
  if (code === NVML.gpuNotFound) return 'no-gpu';
  if (code === NVML.libraryMissing) return 'library-missing';
  return code === NVML.versionMismatch ? 'version-mismatch' : statusOf(code);
}

const EXPLANATION: Readonly<Record<number, string>> = {
  [NVML.uninitialized]: 'the library has lost its session with the driver',
  [NVML.noPermission]: 'no permission (may this user open /dev/nvidiactl and /dev/nvidia*?)',
  [NVML.driverNotLoaded]: 'the NVIDIA driver is not loaded (does `lsmod` list nvidia?)',
  [NVML.libraryMissing]:
    'a library of the driver is missing (is it installed whole, or mounted into the container?)',
  [NVML.gpuLost]: 'the GPU has fallen off the bus; a reset or reboot brings it back',
  [NVML.resetRequired]: 'the GPU needs a reset (`nvidia-smi --gpu-reset`)',
  [NVML.versionMismatch]:
    'library and driver are of different versions; reboot, or reload the kernel module, after a driver update',
  [NVML.gpuNotFound]: 'there is no NVIDIA GPU',
};

/** A code for people: what it means and, where there is one, the mend. */
export const explain = (code: number): string =>
  `${EXPLANATION[code] ?? statusOf(code).replaceAll('-', ' ')} (NVML code ${code})`;
