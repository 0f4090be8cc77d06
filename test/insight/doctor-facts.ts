// A machine without a fault, for tests that break one thing at a time.

import type { DoctorFacts, LookedAtDevice } from '../../agent/insight/doctor.ts';
import type { DeviceSnapshot } from '../../agent/snapshot.ts';
import { joules, kilowattHours, seconds, watts } from '../../agent/units.ts';

/** A device that a look found healthy: 300 W for five seconds, counter and readings alike. */
export function lookedAt(
  facts: Partial<Omit<LookedAtDevice, 'snapshot'>> = {},
  snapshot: Partial<DeviceSnapshot> = {},
  index = 0,
): LookedAtDevice {
  return {
    hasCounter: true,
    isPersistenceOn: true,
    isMigOn: false,
    ...facts,
    snapshot: {
      device: {
        uuid: `GPU-${index}`,
        index,
        kind: 'gpu',
        model: 'NVIDIA H100 80GB HBM3',
        source: 'nvml',
        powerOrigin: 'measured',
      },
      sensor: { field: 'average', windowSeconds: 1, periodSeconds: 0.1, origin: 'inferred' },
      powerWatts: watts(300),
      gauges: {},
      xidErrors: {},
      present: true,
      totals: {
        energyJoules: joules(1500),
        uncertaintyJoules: joules(80),
        components: {
          gainJoules: joules(37),
          offsetJoules: joules(15),
          aliasJoules: joules(0),
          edgeJoules: joules(0),
          independentJoules: joules(0),
        },
        observedSeconds: seconds(5),
        gapSeconds: {},
        bridgedSeconds: seconds(0),
        gapEstimateJoules: joules(0),
        gapEstimateUncertaintyJoules: joules(0),
        sampleCount: 50,
        counterJoules: joules(1503),
        integralJoules: joules(1500),
        comparedSeconds: seconds(5),
        facilityKilowattHours: kilowattHours(0.0004),
      },
      ...snapshot,
    },
  };
}

/** The same with another energy counter. */
export function withCounter(counterJoules: number): LookedAtDevice {
  const device = lookedAt();
  const totals = { ...device.snapshot.totals, counterJoules: joules(counterJoules) };
  return { ...device, snapshot: { ...device.snapshot, totals } };
}

/** Everything well. */
export const healthy: DoctorFacts = {
  driver: {
    moduleVersion: '550.54.15',
    libraryPath: '/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.550.54.15',
    nvidiaSmi: { kind: 'answered', gpuCount: 1, driverVersion: '550.54.15' },
  },
  access: [
    { path: '/dev/nvidiactl', use: 'nvidia', isOpen: true },
    { path: '/dev/nvidia0', use: 'nvidia', isOpen: true },
    { path: '/sys/class/powercap/intel-rapl:0/energy_uj', use: 'rapl', isOpen: true },
    { path: '/sys/class/hwmon/hwmon0/power1_input', use: 'hwmon', isOpen: true },
  ],
  look: {
    outcome: 'measuring',
    source: 'nvml',
    isStuck: false,
    lookSeconds: 5,
    devices: [lookedAt()],
    faults: [],
    warnings: [],
    readSeconds: [0.001, 0.001, 0.002],
    cpuRatio: 0.01,
  },
  clock: { stepSeconds: 0.0001, isSynchronized: true, maximumErrorSeconds: 0.02 },
  disk: {
    kind: 'known',
    value: { path: '/var/lib/wattmeter', exists: true, freeBytes: 50e9, syncSeconds: 0.01 },
  },
  ports: [{ kind: 'known', value: { address: '127.0.0.1:10360', state: 'free' } }],
  ledger: { kind: 'known', value: { runCount: 3, interruptedIds: [] } },
  config: { path: './wattmeter.yml' },
  calibrations: { count: 1 },
};
