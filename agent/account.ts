// The fold of charged intervals into totals per device, run and window. Conservation holds here: the parts add up to
// their whole. Pure.

import type {
  ChargedInterval,
  Device,
  GapReason,
  Method,
  Run,
  Sensor,
  Warning,
  Window,
} from './model.ts';
import type { Instant, Joules, KilowattHours, Grams, Seconds, Watts } from './units.ts';

/** Standard uncertainties (k = 1) of a total, already combined within their kind. */
export interface UncertaintyComponents {
  readonly gainJoules: Joules;
  readonly offsetJoules: Joules;
  readonly aliasJoules: Joules;
  readonly edgeJoules: Joules;
  readonly independentJoules: Joules;
}

/** What a stretch of one device, or of several, adds up to. */
export interface Totals {
  readonly energyJoules: Joules;
  /** Expanded, k = 2. */
  readonly uncertaintyJoules: Joules;
  readonly components: UncertaintyComponents;
  readonly observedSeconds: Seconds;
  /** By reason, ever growing: a bridged gap stays here and is taken off by bridgedSeconds. */
  readonly gapSeconds: Partial<Readonly<Record<GapReason, number>>>;
  readonly bridgedSeconds: Seconds;
  readonly gapEstimateJoules: Joules;
  /** Expanded, k = 2. */
  readonly gapEstimateUncertaintyJoules: Joules;
  readonly powerMaxWatts?: Watts;
  readonly powerMinWatts?: Watts;
  readonly sampleCount: number;
  readonly counterJoules?: Joules;
  readonly integralJoules?: Joules;
  readonly method?: Method;
  readonly facilityKilowattHours: KilowattHours;
  /** Σ at prices ≥ 0; absent when any of the energy had no price. */
  readonly costAmount?: number;
  readonly creditAmount?: number;
  /** Expanded, k = 2, of cost − credit; metering's part (the price's own is added by the report). */
  readonly uncertaintyCostAmount?: number;
  readonly locationBasedGrams?: Grams;
  readonly marketBasedGrams?: Grams;
}

/** One device's line in the books. */
export interface DeviceBooks {
  readonly device: Device;
  readonly sensor: Sensor;
  readonly totals: Totals;
  readonly warnings: readonly Warning[];
}

/** One window's line in the books: a window over all GPUs of the run. */
export interface WindowBooks {
  readonly window: Window;
  readonly totals: Totals;
}

/** Everything a report is made of, folded. */
export interface Books {
  readonly run: Run;
  /** CMD's exit, or the end of what was measured. */
  readonly endSeconds: Instant;
  readonly exitCode?: number;
  readonly devices: readonly DeviceBooks[];
  readonly windows: readonly WindowBooks[];
  readonly warnings: readonly Warning[];
}

/** Accumulates intervals; `books` may be asked at any time and never changes what it returned. */
export interface Account {
  /** Introduces or updates a device; its intervals may come afterwards. */
  addDevice(device: Device, sensor: Sensor): void;
  add(interval: ChargedInterval): void;
  addWindow(window: Window): void;
  addWarning(warning: Warning, uuid?: string): void;
  totalsOf(uuid: string): Totals | undefined;
  books(end: { readonly endSeconds: Instant; readonly exitCode?: number }): Books;
}
