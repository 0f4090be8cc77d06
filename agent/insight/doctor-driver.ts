// Doctor on the driver: is there one, does it answer, by which library, and may this user open what it offers. Pure.

import type {
  AccessFacts,
  DoctorFacts,
  DriverFacts,
  Finding,
  LookFacts,
  Refusal,
} from './doctor.ts';

/** Findings about driver and permissions. */
export function driverFindings({ driver, access, look }: DoctorFacts): readonly Finding[] {
  const isHere = hasNvidia(driver, access);
  return [
    ...measuring(look, driver.nvml),
    ...library(driver, look, isHere),
    ...nvidiaSmi(driver, isHere || look.outcome !== 'measuring'),
    ...nvidiaNodes(driver, access),
    ...hostSensors(access),
  ];
}

const hasNvidia = (
  { moduleVersion, nvidiaSmi }: DriverFacts,
  access: readonly AccessFacts[],
): boolean =>
  moduleVersion !== undefined ||
  (nvidiaSmi.kind === 'answered' && nvidiaSmi.gpuCount > 0) ||
  access.some(({ use }) => use === 'nvidia');

const MENDS: Readonly<Record<string, string>> = {
  'library-missing':
    'Install the NVIDIA driver; in a container, start it with --gpus all. If the library lies elsewhere, name its directory in LD_LIBRARY_PATH.',
  'not-installed':
    'Install the NVIDIA driver, which brings nvidia-smi, or put its directory on PATH; in a container, start it with --gpus all.',
  'driver-not-loaded': 'Load the kernel module: sudo modprobe nvidia. Then look at dmesg.',
  'version-mismatch': 'Reboot, or reload the kernel module: a driver update is half done.',
  'no-permission': 'Let this user open /dev/nvidiactl and /dev/nvidia* (group video or render).',
  'no-gpu': 'Seat the GPU, or start the container with --gpus all. lspci shows what is there.',
  timeout: 'Look for Xid lines in dmesg. A reset (nvidia-smi --gpu-reset) or a reboot mends it.',
  'gpu-lost': 'Look for Xid 79 in dmesg: the GPU fell off the bus. A reboot brings it back.',
  'gpu-asleep': 'Nothing: it is read as soon as something uses it.',
};
const DEFAULT_MEND = 'Try nvidia-smi by hand: what it says is what stands in the way.';
const mendOf = ({ reason }: Refusal): string => MENDS[reason] ?? DEFAULT_MEND;

const driver = (finding: Omit<Finding, 'area'>): Finding => ({ area: 'driver', ...finding });

function measuring(look: LookFacts, nvml: Refusal | undefined): Finding[] {
  const gpuCount = look.devices.filter(({ snapshot }) => snapshot.device.kind === 'gpu').length;
  if (look.isStuck) {
    return [
      driver({
        code: 'driver-hangs',
        severity: 'problem',
        thing: 'The NVIDIA driver',
        cause: 'does not return from a call',
        mend: mendOf({ reason: 'timeout', message: '' }),
      }),
    ];
  }
  if (look.outcome === 'measuring') {
    const count = `${gpuCount} GPU${gpuCount === 1 ? '' : 's'}`;
    const [version] = look.devices.flatMap(({ snapshot }) => snapshot.device.driverVersion ?? []);
    const driverVersion = version === undefined ? '' : `, driver ${version}`;
    return [
      driver({
        code: 'measuring',
        severity: gpuCount > 0 ? 'ok' : 'problem',
        thing: 'Measuring',
        cause: `${count} by ${look.source ?? 'an unknown source'}${driverVersion}`,
        ...(gpuCount > 0 ? {} : { mend: mendOf({ reason: 'no-gpu', message: '' }) }),
      }),
    ];
  }
  const failure = look.failure ?? { reason: 'timeout', message: 'No reading came in time.' };
  return [
    driver({
      code: 'nothing-measured',
      severity: 'problem',
      thing: 'Measuring',
      // Each source speaks for itself below, where there is more than one.
      cause: nvml === undefined ? failure.message : 'is not possible: no source gives a reading',
      mend: mendOf(nvml ?? failure),
    }),
  ];
}

function library(
  { libraryPath, moduleVersion, nvml }: DriverFacts,
  look: LookFacts,
  isHere: boolean,
): Finding[] {
  const thing = 'NVML (libnvidia-ml.so.1)';
  if (libraryPath !== undefined && nvml === undefined) {
    const version = moduleVersion === undefined ? '' : `, kernel module ${moduleVersion}`;
    return [driver({ code: 'library', severity: 'ok', thing, cause: `${libraryPath}${version}` })];
  }
  if (nvml === undefined) return [];
  // Where something else is measured and nothing is NVIDIA's, its library is not missed.
  if (!isHere && look.outcome === 'measuring') return [];
  const isSaid = look.outcome !== 'measuring';
  return [
    driver({
      code: `nvml-${nvml.reason}`,
      // Without it there is no energy counter, but nvidia-smi still measures power.
      severity: isSaid ? 'problem' : 'note',
      thing,
      cause: nvml.message,
      mend: mendOf(nvml),
    }),
  ];
}

function nvidiaSmi({ nvidiaSmi: answer }: DriverFacts, isMissed: boolean): Finding[] {
  if (answer.kind === 'answered') {
    const version = answer.driverVersion === undefined ? '' : `, driver ${answer.driverVersion}`;
    const cause = `lists ${answer.gpuCount} GPU${answer.gpuCount === 1 ? '' : 's'}${version}`;
    return [driver({ code: 'nvidia-smi', severity: 'ok', thing: 'nvidia-smi', cause })];
  }
  const isHung = answer.reason === 'timeout';
  if (!isMissed && !isHung) return [];
  return [
    driver({
      code: isHung ? 'nvidia-smi-hangs' : 'nvidia-smi-fails',
      severity: isHung ? 'problem' : 'note',
      thing: 'nvidia-smi',
      cause: answer.message,
      mend: mendOf(answer),
    }),
  ];
}

const permission = (finding: Omit<Finding, 'area'>): Finding => ({
  area: 'permissions',
  ...finding,
});

function nvidiaNodes({ moduleVersion }: DriverFacts, access: readonly AccessFacts[]): Finding[] {
  const nodes = access.filter(({ use }) => use === 'nvidia');
  if (nodes.length === 0 && moduleVersion === undefined) return [];
  if (nodes.length === 0) {
    return [
      permission({
        code: 'nvidia-nodes-missing',
        severity: 'problem',
        thing: '/dev/nvidia*',
        cause: 'there are none, though the kernel module is loaded',
        mend: 'In a container, start it with --gpus all; on the host, run nvidia-modprobe.',
      }),
    ];
  }
  const shut = nodes.filter(({ isOpen }) => !isOpen);
  const names = shut.map(({ path }) => path).join(', ');
  return [
    shut.length === 0
      ? permission({
          code: 'nvidia-nodes',
          severity: 'ok',
          thing: '/dev/nvidia*',
          cause: 'may be opened',
        })
      : permission({
          code: 'nvidia-nodes-shut',
          severity: 'problem',
          thing: names,
          cause: 'may not be opened by this user',
          mend: 'Add the user to the group that owns them (ls -l /dev/nvidia*), or run as a service that may.',
        }),
  ];
}

const HOST_SENSORS = {
  rapl: {
    thing: 'CPU energy counters (RAPL)',
    mend: 'Let a group read them: a udev rule for powercap, or CAP_DAC_READ_SEARCH for the service.',
  },
  hwmon: {
    thing: 'Power sensors (hwmon)',
    mend: 'Let this user read /sys/class/hwmon/*/power* and energy*: they belong to root here.',
  },
} as const;

function hostSensors(access: readonly AccessFacts[]): Finding[] {
  return (['rapl', 'hwmon'] as const).flatMap((use): Finding[] => {
    const files = access.filter((one) => one.use === use);
    const { thing, mend } = HOST_SENSORS[use];
    const shut = files.filter(({ isOpen }) => !isOpen);
    if (files.length === 0) return [];
    if (shut.length === 0) {
      const cause = `${files.length} may be read`;
      return [permission({ code: use, severity: 'ok', thing, cause })];
    }
    const cause = `${shut.length} of ${files.length} may not be read, such as ${shut[0]?.path ?? ''}: the host's energy is missing from the bill`;
    return [permission({ code: `${use}-shut`, severity: 'note', thing, cause, mend })];
  });
}
