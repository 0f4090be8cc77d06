// Snapshots for tests of the exporter: complete, and bent where a test needs it.

import type {
  DeviceSnapshot,
  Snapshot,
  SnapshotPort,
  SourceHealth,
  Totals,
} from '../../agent/snapshot.ts';
import { grams, instant, joules, kilowattHours, seconds, watts } from '../../agent/units.ts';

/** Totals of a GPU that was observed for an hour but for three seconds. */
export function someTotals(change: Partial<Totals> = {}): Totals {
  return {
    energyJoules: joules(1_234_567.5),
    uncertaintyJoules: joules(12_345),
    components: {
      gainJoules: joules(6000),
      offsetJoules: joules(1500),
      aliasJoules: joules(0),
      edgeJoules: joules(12),
      independentJoules: joules(3),
    },
    observedSeconds: seconds(3597),
    gapSeconds: { 'no-reading': 2, timeout: 1 },
    bridgedSeconds: seconds(0),
    gapEstimateJoules: joules(1029),
    gapEstimateUncertaintyJoules: joules(80),
    powerMaxWatts: watts(398),
    powerMinWatts: watts(61),
    sampleCount: 36_000,
    method: 'counter',
    facilityKilowattHours: kilowattHours(0.377),
    costAmount: 0.0943,
    creditAmount: 0.001,
    uncertaintyCostAmount: 0.0009,
    locationBasedGrams: grams(131.4),
    ...change,
  };
}

/** A GPU by its index, with every value known. */
export function someGpu(index: number, change: Partial<DeviceSnapshot> = {}): DeviceSnapshot {
  return {
    device: {
      uuid: `GPU-${String(index).padStart(8, '0')}-aaaa-bbbb-cccc-0123456789ab`,
      index,
      kind: 'gpu',
      model: 'NVIDIA A100-SXM4-80GB',
      source: 'nvml',
      driverVersion: '570.124.06',
      pciBusId: `00000000:0${index}:00.0`,
      powerLimitWatts: watts(400),
      ratedPowerWatts: watts(400),
      memoryTotalBytes: 85_899_345_920,
      powerOrigin: 'measured',
    },
    sensor: { field: 'counter', windowSeconds: 0.025, periodSeconds: 0.1, origin: 'inferred' },
    powerWatts: watts(312.25 + index),
    gauges: {
      utilizationRatio: 0.57,
      memoryUsedBytes: 42_949_672_960,
      temperatureCelsius: 64,
      smClockHertz: 1_410_000_000,
      powerLimitWatts: watts(350),
    },
    totals: someTotals(),
    xidErrors: { 79: 1 },
    hardwareToIntegralRatio: 0.9987,
    present: true,
    ...change,
  };
}

/** A healthy NVML source. */
export function someSource(change: Partial<SourceHealth> = {}): SourceHealth {
  return {
    kind: 'nvml',
    up: true,
    lastSuccessSeconds: instant(1_780_000_000.5),
    errorsByReason: { timeout: 3 },
    sampleCount: 72_000,
    readDurationBuckets: [100, 900, 990, 995, 998, 999, 999, 1000, 1000, 1000, 1000, 1000, 1000],
    readDurationSumSeconds: 2.5,
    readDurationCount: 1000,
    ...change,
  };
}

/** Two GPUs, one source, a price and a grid. */
export function someSnapshot(change: Partial<Snapshot> = {}): Snapshot {
  return {
    takenSeconds: instant(1_780_000_001),
    startedSeconds: instant(1_779_996_401),
    version: '0.1.0',
    revision: 'abc1234',
    live: true,
    devices: [someGpu(0), someGpu(1)],
    sources: [someSource()],
    openRuns: [],
    budgets: [],
    price: {
      currency: 'EUR',
      tariff: 'day and night',
      perKilowattHour: 0.25,
      provenance: 'measured',
    },
    grid: {
      zone: 'DEU',
      dataset: 'Ember',
      vintage: '2025',
      gramsPerKilowattHour: 344,
      provenance: 'measured',
    },
    powerUsageEffectiveness: 1.1,
    ...change,
  };
}

/** A port whose newest snapshot the test sets. */
export class FakePort implements SnapshotPort {
  readonly #listeners = new Set<(snapshot: Snapshot) => void>();
  #newest: Snapshot | undefined;

  constructor(newest?: Snapshot) {
    this.#newest = newest;
  }

  get listenerCount(): number {
    return this.#listeners.size;
  }

  latest(): Snapshot | undefined {
    return this.#newest;
  }

  publish(snapshot: Snapshot): void {
    this.#newest = snapshot;
    for (const listener of this.#listeners) listener(snapshot);
  }

  subscribe(listener: (snapshot: Snapshot) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
