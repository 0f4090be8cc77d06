// Doctor on each device: what its readings mean, whether counter and readings agree, and what shares its power. Pure.

import { plain } from '../display/line.ts';
import { formatDuration, formatNumber, formatPercent, formatPower } from '../display/quantity.ts';
import type { Sensor } from '../model.ts';
import type { Finding, LookedAtDevice, LookFacts } from './doctor.ts';

const FULL_COVERAGE = 0.95;
// Priors of an uncalibrated board (docs/measurement.md §4.8), and of what a grid of 100 ms leaves open at two edges (§4.4):
// a short look can only complain of what is far outside them.
const GAIN_UNCERTAINTY = 0.039;
const OFFSET_UNCERTAINTY_WATTS = 6;
const COUNTER_PERIOD_SECONDS = 0.1;
const LIMIT = 3;

/** Findings about the devices that a look found. */
export function deviceFindings(look: LookFacts): readonly Finding[] {
  const found = look.devices.flatMap((device) => [
    ...reading(device),
    ...partTime(device),
    ...counter(device),
    ...sharing(device),
    ...errors(device),
  ]);
  // What a source warns of may be known already, by the same code.
  const codes = new Set(found.map(({ code }) => code));
  return [
    ...found,
    ...look.warnings
      .filter(({ code }) => !codes.has(code))
      .map(({ code, message }): Finding => ({
        code,
        area: 'devices',
        severity: 'note',
        thing: 'A source',
        cause: message,
        mend: WARNING_MENDS[code] ?? "Bear it in mind when reading this device's figures.",
      })),
  ];
}

// What a source cannot know of itself: what its user may do about it.
const WARNING_MENDS: Readonly<Record<string, string>> = {
  'no-power-sensor':
    'Nothing on a board without a sensor; on a virtual GPU, measure on the host; else update the driver.',
  'gpu-unavailable': 'Look for Xid lines in dmesg, and whether this user may open /dev/nvidia*.',
  'counter-covers-module': 'Nothing: its power is integrated, and the CPU is not counted twice.',
  'machine-meter-left-out':
    'Nothing where GPUs are measured; for the rest of the node say --host-watts.',
  'tpu-power-unknown': 'Say --tpu-idle-watts and --tpu-max-watts; what is then shown is modelled.',
  'readings-dropped': 'Give Wattmeter a core, or read less often: --period-seconds 0.5.',
};

function about(
  { snapshot: { device } }: LookedAtDevice,
  finding: Omit<Finding, 'area' | 'thing' | 'uuid'>,
): Finding {
  const kind = device.kind === 'gpu' ? 'GPU' : 'Host device';
  return {
    ...finding,
    area: 'devices',
    thing: `${kind} ${device.index} (${plain(device.model)})`,
    uuid: device.uuid,
  };
}

const ORIGINS: Readonly<Record<Sensor['origin'], string>> = {
  inferred: 'inferred from when values change',
  table: 'by the table of boards',
  assumed: 'assumed: this board is not known',
  calibrated: 'calibrated against a meter',
};

function sensorInWords({ field, windowSeconds, periodSeconds, origin }: Sensor): string {
  const window = windowSeconds === undefined ? '' : `, window ${formatDuration(windowSeconds)}`;
  const period = periodSeconds === undefined ? '' : `, period ${formatDuration(periodSeconds)}`;
  return `reads ${field}${window}${period} (${ORIGINS[origin]})`;
}

const RING = ", every refresh of it from the driver's ring of samples";

function reading(device: LookedAtDevice): Finding[] {
  const { snapshot, readsRing } = device;
  const { sensor, powerWatts } = snapshot;
  if (powerWatts === undefined) {
    return [
      about(device, {
        code: 'no-reading',
        severity: 'problem',
        cause: 'gives no power now: its time is a gap, not 0 W',
        mend: 'Ask nvidia-smi -q -d POWER for it, and dmesg for Xid lines; a GPU off the bus needs a reboot.',
      }),
    ];
  }
  return [
    about(device, {
      code: 'sensor',
      severity: 'ok',
      cause: `${sensorInWords(sensor)}${readsRing === true ? RING : ''}, ${formatPower(powerWatts)} now`,
    }),
  ];
}

/** Window and period of a sensor that does not see all of the time. */
function coverageOf({ windowSeconds, periodSeconds }: Sensor): number {
  if (windowSeconds === undefined || periodSeconds === undefined || periodSeconds === 0) return 1;
  return Math.min(1, windowSeconds / periodSeconds);
}

function partTime(device: LookedAtDevice): Finding[] {
  const { sensor, device: facts } = device.snapshot;
  const coverage = coverageOf(sensor);
  if (coverage >= FULL_COVERAGE || device.hasCounter === true) return [];
  return [
    about(device, {
      code: 'sensor-part-time',
      severity: 'note',
      cause: `has a sensor that sees ${formatPercent(coverage)} of the time, and no counter is read: what it misses widens the uncertainty`,
      mend:
        facts.source === 'nvidia-smi'
          ? 'Measure by NVML, which has the energy counter: --source nvml.'
          : 'Runs of many minutes average it out; nothing else does.',
    }),
  ];
}

function counter(device: LookedAtDevice): Finding[] {
  const { totals, device: facts } = device.snapshot;
  if (device.hasCounter === false) {
    return [
      about(device, {
        code: 'counter-missing',
        severity: 'note',
        cause: 'has no energy counter that may be used: power readings are integrated',
        mend: 'Nothing for boards before Volta; on newer ones, update the driver.',
      }),
    ];
  }
  const { counterJoules, integralJoules, comparedSeconds } = totals;
  if (counterJoules === undefined || integralJoules === undefined || !(integralJoules > 0)) {
    return facts.source === 'nvidia-smi'
      ? [
          about(device, {
            code: 'counter-unused',
            severity: 'note',
            cause: 'is read by nvidia-smi, which shows no energy counter',
            mend: 'Measure by NVML where the library can be loaded: --source nvml.',
          }),
        ]
      : [];
  }
  const difference = counterJoules / integralJoules - 1;
  const seconds = comparedSeconds ?? 0;
  const limit = disagreementLimit(integralJoules, seconds);
  const said = `${difference >= 0 ? '+' : ''}${formatNumber(difference * 100, 1)} %`;
  const cause = `has a counter that differs from its power readings by ${said} over ${formatDuration(seconds)}`;
  if (Math.abs(difference) <= limit)
    return [about(device, { code: 'counter-agrees', severity: 'ok', cause })];
  return [
    about(device, {
      code: 'counter-disagrees',
      severity: 'note',
      cause: `${cause}, more than ${formatPercent(limit)}`,
      mend: 'Look again under a steady load; if it stays, hold the board against a meter: --calibrate UUID.',
    }),
  ];
}

/** Relative difference beyond which counter and readings of so short a look contradict each other. */
function disagreementLimit(integralJoules: number, seconds: number): number {
  if (!(seconds > 0)) return Number.POSITIVE_INFINITY;
  const meanWatts = integralJoules / seconds;
  return (
    LIMIT *
    Math.hypot(
      GAIN_UNCERTAINTY,
      OFFSET_UNCERTAINTY_WATTS / meanWatts,
      COUNTER_PERIOD_SECONDS / Math.sqrt(6) / seconds,
    )
  );
}

function sharing(device: LookedAtDevice): Finding[] {
  const { hasModuleScope, isMigOn, isPersistenceOn } = device;
  return [
    ...(isMigOn === true
      ? [
          about(device, {
            code: 'mig',
            severity: 'note',
            cause:
              'is split into MIG instances, which share its power: figures are of the whole GPU',
            mend: 'Nothing: no interface gives the power of an instance.',
          }),
        ]
      : []),
    ...(hasModuleScope === true
      ? [
          about(device, {
            code: 'module-scope',
            severity: 'ok',
            cause: "also reports its whole module's power, which is never added to the GPU's",
          }),
        ]
      : []),
    ...(isPersistenceOn === true
      ? [
          about(device, {
            code: 'persistence',
            severity: 'ok',
            cause: 'has persistence mode on: its driver stays loaded, and its counter running',
          }),
        ]
      : []),
    ...(isPersistenceOn === false
      ? [
          about(device, {
            code: 'persistence-off',
            severity: 'note',
            cause:
              'has persistence mode off: without a client the driver unloads, its counter restarts, and each nvidia-smi wakes it anew',
            mend: 'sudo nvidia-smi -pm 1, or start nvidia-persistenced.',
          }),
        ]
      : []),
  ];
}

// What a program does wrong is no fault of the GPU's (https://docs.nvidia.com/deploy/xid-errors/).
const XIDS_OF_PROGRAMS: ReadonlySet<string> = new Set(['13', '31', '43', '45']);

/** Errors that the driver reported while we looked. */
function errors(device: LookedAtDevice): Finding[] {
  return Object.entries(device.snapshot.xidErrors).map(([xid, count]) =>
    about(device, {
      code: 'gpu-xid',
      severity: XIDS_OF_PROGRAMS.has(xid) ? 'note' : 'problem',
      cause: `had Xid ${xid} reported by the driver ${count === 1 ? 'once' : `${count} times`} while we looked`,
      mend: "dmesg has more of it, NVIDIA's catalogue of XIDs what to do; a GPU that goes on so needs a reset.",
    }),
  );
}
