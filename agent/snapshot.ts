// The immutable view published after each slot, and the ports the exporter is given. A scrape reads the newest
// snapshot and nothing else: it never measures, resets or writes. Pure.

import type { Totals } from './account.ts';
import type { Device, Gauges, Provenance, Sensor, SourceKind } from './model.ts';
import type { Grams, Instant, Joules, Watts } from './units.ts';

export type { Totals } from './account.ts';
export { isObserved } from './account/gpu-energy.ts';
export type { Device, GapReason, Gauges, Provenance, Sensor, SourceKind } from './model.ts';

/** One device now, and since its counters began. */
export interface DeviceSnapshot {
  readonly device: Device;
  readonly sensor: Sensor;
  /** The newest power; absent when the newest reading failed or is too old: a lost GPU never looks idle. */
  readonly powerWatts?: Watts;
  readonly gauges: Gauges;
  readonly totals: Totals;
  /** How often the driver reported each XID since the counters began. */
  readonly xidErrors: Readonly<Record<string, number>>;
  /** Hardware counter ÷ integrated power over the last minutes. */
  readonly hardwareToIntegralRatio?: number;
  /** False once the source no longer lists it: its series vanish. */
  readonly present: boolean;
}

/** Health of one source since the process began. */
export interface SourceHealth {
  readonly kind: SourceKind;
  readonly up: boolean;
  readonly lastSuccessSeconds?: Instant;
  readonly errorsByReason: Readonly<Record<string, number>>;
  readonly sampleCount: number;
  /** Read durations: cumulative counts per upper bound (READ_DURATION_BOUNDS_SECONDS), sum, count. */
  readonly readDurationBuckets: readonly number[];
  readonly readDurationSumSeconds: number;
  readonly readDurationCount: number;
}

/** Upper bounds of the read-duration histogram, seconds; `+Inf` is implied. */
export const READ_DURATION_BOUNDS_SECONDS: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

/** A run in the catalogue: open, closed, or abandoned by a Wattmeter that died. */
export interface RunSummary {
  readonly id: string;
  readonly name?: string;
  readonly command?: readonly string[];
  readonly host: string;
  readonly state: 'open' | 'closed' | 'interrupted';
  readonly startSeconds: Instant;
  readonly endSeconds?: Instant;
  readonly exitCode?: number;
  readonly gpuJoules?: Joules;
  readonly uncertaintyJoules?: Joules;
  readonly labels: Readonly<Record<string, string>>;
}

/** What part of a run's budget is used. */
export interface BudgetUse {
  readonly runId: string;
  readonly name: string;
  readonly kind: 'energy' | 'cost' | 'co2e';
  readonly usedRatio: number;
}

/** What one job drew on one device since the counters began. */
export interface JobEnergy {
  /** Where the job's name comes from: `slurm`, `pod`, `container`, `unit`, `process`… */
  readonly kind: string;
  readonly jobId: string;
  readonly user?: string;
  /** What people call it where that is not its id: `namespace/name` of a pod. */
  readonly name?: string;
  readonly uuid: string;
  readonly energyJoules: Joules;
  /** Its share of the device's bill; absent when part of it had no price or no intensity. */
  readonly costAmount?: number;
  readonly creditAmount?: number;
  readonly locationBasedGrams?: Grams;
  readonly marketBasedGrams?: Grams;
  /** What its share was worked out from: use of the SMs, mere presence on the GPU, or now this, now that. */
  readonly basis?: 'utilization' | 'presence' | 'mixed';
}

/** What no job answers for on one device: Σ jobs + unattributed = the device. */
export interface UnattributedEnergy {
  readonly uuid: string;
  readonly energyJoules: Joules;
  /** The idle power that is left to no job, and whether it was seen or is a board's usual one. */
  readonly idlePowerWatts?: Watts;
  readonly idleProvenance?: Provenance;
}

/** One part of the host beside its GPUs: `package-0`, `dram-0`, `grace-0`; `assumed` is what --host-watts says of it. */
export interface HostComponent {
  readonly component: string;
  readonly energyJoules: Joules;
  /** Expanded, k = 2. */
  readonly uncertaintyJoules: Joules;
  readonly provenance: Provenance;
}

/** Everything the exporter shows. */
export interface Snapshot {
  readonly takenSeconds: Instant;
  readonly startedSeconds: Instant;
  readonly version: string;
  readonly revision: string;
  /** `replay` when the readings are a recording: the dashboard says so. */
  readonly live: boolean;
  readonly devices: readonly DeviceSnapshot[];
  readonly sources: readonly SourceHealth[];
  readonly openRuns: readonly RunSummary[];
  readonly budgets: readonly BudgetUse[];
  readonly price?: {
    readonly currency: string;
    readonly tariff: string;
    readonly perKilowattHour: number;
    readonly provenance: Provenance;
    readonly ageSeconds?: number;
  };
  readonly grid?: {
    readonly zone: string;
    readonly dataset: string;
    readonly vintage: string;
    readonly gramsPerKilowattHour: number;
    readonly provenance: Provenance;
    readonly ageSeconds?: number;
  };
  readonly powerUsageEffectiveness: number;
  /** `assumed` where nobody said what the facility adds. */
  readonly powerUsageEffectivenessProvenance?: Provenance;
  readonly jobs?: readonly JobEnergy[];
  readonly unattributed?: readonly UnattributedEnergy[];
  readonly host?: readonly HostComponent[];
}

/** Whether anything was read yet; until then a snapshot tells of the sources' health alone. */
export const isSampled = ({ sources }: Snapshot): boolean =>
  sources.some(({ sampleCount }) => sampleCount > 0);

/** How the exporter gets the newest snapshot; undefined before the first source has said anything. */
export interface SnapshotPort {
  latest(): Snapshot | undefined;
  /** Calls back after each publication; returns the unsubscriber. */
  subscribe(listener: (snapshot: Snapshot) => void): () => void;
}

/** The stored runs, read-only. `report` is the JSON report (INTERFACE.md) of one, undefined when there is none. */
export interface RunCatalogue {
  list(): Promise<readonly RunSummary[]>;
  report(id: string): Promise<unknown>;
}
