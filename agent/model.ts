// The vocabulary that every stage shares: types and closed lists, no behaviour.
// Readings travel in batches, everything after the meter works on intervals (ARCHITECTURE.md).

import type { Grams, Instant, Joules, KilowattHours, Seconds, Watts } from './units.ts';

/** Where readings come from. */
export const SOURCE_KINDS = [
  'nvml',
  'nvidia-smi',
  'hwmon',
  'rapl',
  'amd-smi',
  'tpu',
  'replay',
] as const;
export type SourceKind = (typeof SOURCE_KINDS)[number];
/** What a device is read from; `constant` is a configured power that nobody reads (--host-watts). */
export type DeviceSource = SourceKind | 'constant';

/** What a device's energy stands for: a whole accelerator, or a component of the host (RAPL, a power meter). */
export type DeviceKind = 'gpu' | 'host';

/** One thing that draws power. Its identity is `uuid`, never `index`. */
export interface Device {
  readonly uuid: string;
  /** Position in the source's own order; a label for people, not an identity. */
  readonly index: number;
  readonly kind: DeviceKind;
  /** Marketing name, e.g. `NVIDIA A100-SXM4-80GB`; `unknown` when the source does not say. */
  readonly model: string;
  readonly source: DeviceSource;
  readonly driverVersion?: string;
  readonly pciBusId?: string;
  /** The limit in force now. */
  readonly powerLimitWatts?: Watts;
  /** The board's default power limit: the rated power of k̂_compute (ECONOMICS.md §1). */
  readonly ratedPowerWatts?: Watts;
  readonly memoryTotalBytes?: number;
  /** `modelled` when power is computed from something else (TPU duty cycle), not read from a sensor. */
  readonly powerOrigin: 'measured' | 'modelled';
}

/**
 * Status of one reading: `ok`, or why there is none. The codes in a batch's `status` column are positions in this
 * list, so new reasons go to the end: journals keep the numbers.
 */
export const READING_STATUS = [
  'ok',
  'not-supported',
  'gpu-lost',
  'reset-required',
  'unknown-error',
  'no-permission',
  'timeout',
  'driver-not-loaded',
  'no-data',
  'malformed',
  'implausible',
] as const;
export type ReadingStatus = (typeof READING_STATUS)[number];

/**
 * Why time went unmeasured: a failed reading's reason; `no-reading` when the source fell silent; `suspended` when the
 * machine slept; `edge` when a run's first or last reading was too far from its edge (docs/measurement.md §4.7).
 */
export type GapReason = Exclude<ReadingStatus, 'ok'> | 'no-reading' | 'suspended' | 'edge';

/** Which register a power column was read from; they differ in window and coverage (docs/measurement.md §1). */
export type PowerField = 'draw' | 'instant' | 'average';

/** Slow values of a device, read about once a second; absent means unknown. */
export interface Gauges {
  readonly utilizationRatio?: number;
  readonly memoryUsedBytes?: number;
  readonly memoryTotalBytes?: number;
  readonly temperatureCelsius?: number;
  readonly smClockHertz?: number;
  readonly powerLimitWatts?: Watts;
}

/**
 * Readings of one device in time order, as columns of equal length: one tick when live, thousands of rows from a log.
 * NaN in a column means "not in this reading"; a row whose status is not `ok` holds no power and no counter.
 */
export interface Batch {
  readonly uuid: string;
  readonly length: number;
  /** Instants on one timeline (clock.ts), ascending; equal instants are allowed, the later row wins. */
  readonly timeSeconds: Float64Array;
  /** Positions in READING_STATUS. */
  readonly status: Uint8Array;
  /** Watts per register. */
  readonly powerWatts: Partial<Readonly<Record<PowerField, Float64Array>>>;
  /** Joules since the driver was loaded: only differences mean anything, and it may restart. */
  readonly counterJoules?: Float64Array;
  /** Utilisation row by row, 0–1, where a log has it so; NaN in a row without. Live sources say it in their gauges. */
  readonly utilizationRatio?: Float64Array;
  /** The newest slow values at the end of the batch. */
  readonly gauges?: Gauges;
  /** Wall clock minus timeline at the batch's end; other than 0 only after somebody set the clock. */
  readonly wallOffsetSeconds?: number;
}

/** Every stated uncertainty is expanded by it, U = 2u: about 95 % (docs/measurement.md §4.8). */
export const COVERAGE_FACTOR = 2;

/** How an interval's joules came to be. Journals hold positions in this list: new methods go to its end. */
export const METHODS = ['counter', 'integral', 'modelled'] as const;
export type Method = (typeof METHODS)[number];

/**
 * Standard uncertainties (k = 1) of one interval, kept apart by how they combine (docs/measurement.md §4.8).
 * gain, offset and alias are shared by all intervals of one device: they add linearly. An edge is shared with
 * opposite sign by the neighbour across the cut, so only the outermost two edges of a contiguous stretch count.
 */
export interface UncertaintyParts {
  readonly gainJoules: number;
  readonly offsetJoules: number;
  readonly aliasJoules: number;
  readonly startEdgeJoules: number;
  readonly endEdgeJoules: number;
  /** Variance of what is independent from interval to interval (missed refreshes, counter quantum). */
  readonly independentJoulesSquared: number;
}

/**
 * Energy of one device over [startSeconds, endSeconds): the currency after the meter. Published intervals are final;
 * a hole that the hardware counter bridges afterwards comes as one more interval with `bridgedSeconds`.
 */
export interface Interval {
  readonly uuid: string;
  readonly startSeconds: Instant;
  readonly endSeconds: Instant;
  readonly method: Method;
  /** Measured energy of the observed part; gaps are left out. */
  readonly energyJoules: Joules;
  readonly observedSeconds: Seconds;
  /** Seconds unmeasured, by reason; empty when all was observed. */
  readonly gapSeconds: Partial<Readonly<Record<GapReason, number>>>;
  /** What the gaps probably held, never part of energyJoules. Negative in a bridging interval, which takes it back. */
  readonly gapEstimateJoules: Joules;
  /** Standard uncertainty (k = 1) of the estimate. */
  readonly gapEstimateUncertaintyJoules: Joules;
  /** Seconds of earlier gaps that this late interval fills; 0 ordinarily. */
  readonly bridgedSeconds: Seconds;
  readonly uncertainty: UncertaintyParts;
  readonly powerMaxWatts?: Watts;
  readonly powerMinWatts?: Watts;
  readonly sampleCount: number;
  /** The two methods side by side where both exist over the observed part. */
  readonly counterJoules?: Joules;
  readonly integralJoules?: Joules;
  /** Mean of the utilisation readings taken during the interval, 0–1; absent where none was. */
  readonly utilizationRatio?: number;
  readonly wallOffsetSeconds: number;
}

/** What the meter believes about a device's sensor, and why. */
export interface Sensor {
  readonly field: PowerField | 'counter' | 'unknown';
  readonly windowSeconds?: number;
  readonly periodSeconds?: number;
  /** inferred: from when values change; table: by board and driver; assumed: neither was possible. */
  readonly origin: 'inferred' | 'table' | 'assumed' | 'calibrated';
}

/** Money and grams of one interval, at the price and intensity in force when its energy was used. */
export interface Charge {
  /** PUE × IT energy. */
  readonly facilityKilowattHours: KilowattHours;
  /** Σ energy × price over slices with a price ≥ 0. */
  readonly costAmount?: number;
  /** What negative prices gave back, as a positive number. */
  readonly creditAmount?: number;
  /** Price × the standard uncertainty parts that are shared by one device, in currency (k = 1). */
  readonly gainCostAmount?: number;
  readonly offsetCostAmount?: number;
  readonly aliasCostAmount?: number;
  readonly locationBasedGrams?: Grams;
  readonly marketBasedGrams?: Grams;
}

/** An interval with its charge. */
export interface ChargedInterval extends Interval {
  readonly charge: Charge;
}

/** A process that computes on a GPU, as the driver lists it; absent means that the driver does not say. */
export interface GpuProcess {
  readonly pid: number;
  readonly usedBytes?: number;
  /** MIG instances; absent without MIG. */
  readonly gpuInstance?: number;
  readonly computeInstance?: number;
  /** Its use of the SMs since the last look, 0 to 1. */
  readonly smUtilizationRatio?: number;
}

/** All processes of one GPU at one look; an empty list says that nobody is there. */
export interface DeviceProcesses {
  readonly uuid: string;
  readonly processes: readonly GpuProcess[];
}

/** A named stretch of a run: an epoch, a phase, a step range. */
export interface Window {
  readonly name: string;
  readonly startSeconds: Instant;
  readonly endSeconds: Instant;
  readonly steps?: number;
  readonly tokens?: number;
}

/** A measured run: one wrapped command, one replayed trace, or an agent's life. */
export interface Run {
  readonly id: string;
  readonly name?: string;
  readonly command?: readonly string[];
  readonly host: string;
  readonly startSeconds: Instant;
  readonly labels: Readonly<Record<string, string>>;
}

/** Something the reader of a report must know. `code` is stable, kebab-case; `message` is a sentence. */
export interface Warning {
  readonly code: string;
  readonly message: string;
}

/** Where a figure comes from: every figure carries one (ARCHITECTURE.md). */
export type Provenance = 'measured' | 'derived' | 'assumed' | 'modelled';

/** A line of input that was not understood; never dropped in silence. */
export interface MalformedLine {
  readonly line: number;
  readonly reason: string;
}
