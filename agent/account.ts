// The fold of charged intervals into totals per device, run and window. Conservation holds here: the parts add up to
// their whole. Pure.

import type { IntervalColumns, RowSpan } from './interval-columns.ts';
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
import {
  idleTotalsOf,
  newIdleTally,
  tallyIdle,
  tallyIdleRows,
  type IdleTally,
  type IdleTotals,
} from './account/idle.ts';
import { rowsByDevice, tallyRows } from './account/tally-rows.ts';
import { newTally, tallyInterval, tallyXid, type Tally } from './account/tally.ts';
import { totalsOfTally } from './account/totals.ts';
import { createWarningList, type WarningList } from './account/warnings.ts';
import { createWindowFolder } from './account/windows.ts';

export { combine } from './account/combine.ts';

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
  /** Extremes that one device showed; absent over several, because nobody saw the extremes of their sum. */
  readonly powerMaxWatts?: Watts;
  readonly powerMinWatts?: Watts;
  readonly sampleCount: number;
  /** Counter and samples side by side, over the intervals that have both: comparedSeconds of observed time. */
  readonly counterJoules?: Joules;
  readonly integralJoules?: Joules;
  readonly comparedSeconds?: Seconds;
  /** What most of the observed time was measured by; absent over devices that differ. */
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
  /** The idle part of the totals; absent where no utilisation was ever told. */
  readonly idle?: IdleTotals;
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
  /** @throws when the interval's device was never introduced. */
  add(interval: ChargedInterval): void;
  /** Adds charged rows of any devices, in their order: the same, to the last bit, as one by one. */
  addRows(columns: IntervalColumns, span: RowSpan, uuidOf: (device: number) => string): void;
  /** A window has begun and its end is not known yet; `addWindow` of the same name and start closes it. */
  openWindow(name: string, startSeconds: Instant): void;
  /** A whole window: before its intervals, or after them if it was opened or began only minutes ago. */
  addWindow(window: Window): void;
  addWarning(warning: Warning, uuid?: string): void;
  /** The driver reported an error of a device; one that nobody introduced has none. */
  addXid(uuid: string, xid: number): void;
  totalsOf(uuid: string): Totals | undefined;
  /** How often the driver reported each XID of a device. */
  xidErrorsOf(uuid: string): Readonly<Record<string, number>>;
  books(end: { readonly endSeconds: Instant; readonly exitCode?: number }): Books;
  /** The devices' running totals as plain JSON, from which `createAccount` goes on to the last bit. */
  toCheckpoint(): AccountCheckpoint;
}

/** An account's devices at one moment: plain data, exact in JSON. Windows and warnings are not in it. */
export interface AccountCheckpoint {
  readonly devices: readonly {
    readonly device: Device;
    readonly sensor: Sensor;
    readonly tally: Tally;
    /** Absent in checkpoints of a Wattmeter that did not know it: its time is then unknown. */
    readonly idle?: IdleTally;
  }[];
}

interface Line {
  device: Device;
  sensor: Sensor;
  readonly tally: Tally;
  readonly idle: IdleTally;
  readonly warnings: WarningList;
}

/**
 * Opens the books of a run: empty, or going on where a checkpoint of earlier ones stopped. Where it is known that no
 * window will be announced (`hasWindows` false), nothing is remembered for one.
 */
export function createAccount(
  run: Run,
  checkpoint?: AccountCheckpoint,
  { hasWindows = true }: { readonly hasWindows?: boolean } = {},
): Account {
  const lines = new Map<string, Line>();
  const windows = createWindowFolder();
  const warnings = createWarningList();
  const lineOf = (uuid: string): Line => {
    const line = lines.get(uuid);
    if (line === undefined) throw new Error(`Device ${uuid} has an interval but no introduction.`);
    return line;
  };
  const addDevice = (
    device: Device,
    sensor: Sensor,
    tally: Tally = newTally(),
    idle: IdleTally = newIdleTally(),
  ): void => {
    const known = lines.get(device.uuid);
    if (known === undefined) {
      lines.set(device.uuid, { device, sensor, tally, idle, warnings: createWarningList() });
    } else {
      known.device = device;
      known.sensor = sensor;
    }
    if (hasWindows && countsInWindows(device)) windows.addDevice(device.uuid);
  };
  for (const line of structuredClone(checkpoint?.devices ?? [])) {
    addDevice(line.device, line.sensor, restoredTally(line.tally), line.idle);
  }

  return {
    addDevice: (device, sensor) => addDevice(device, sensor),
    add(interval) {
      const line = lineOf(interval.uuid);
      tallyInterval(line.tally, interval);
      tallyIdle(line.idle, interval);
      windows.add(interval);
    },
    addRows(columns, span, uuidOf) {
      for (const [device, rows] of rowsByDevice(columns, span).entries()) {
        if (rows === undefined) continue;
        const line = lineOf(uuidOf(device));
        tallyRows(line.tally, columns, rows, uuidOf);
        tallyIdleRows(line.idle, columns, rows);
      }
      windows.addRows(columns, span, uuidOf);
    },
    openWindow: (name, startSeconds) => windows.open(name, startSeconds),
    addWindow: (window) => windows.close(window),
    addWarning(warning, uuid) {
      const line = uuid === undefined ? undefined : lines.get(uuid);
      (line?.warnings ?? warnings).add(warning);
    },
    addXid(uuid, xid) {
      const line = lines.get(uuid);
      if (line !== undefined) tallyXid(line.tally, xid);
    },
    totalsOf(uuid) {
      const line = lines.get(uuid);
      return line && totalsOfTally(line.tally);
    },
    xidErrorsOf: (uuid) => ({ ...lines.get(uuid)?.tally.xidErrors }),
    books: ({ endSeconds, exitCode }) => ({
      run,
      endSeconds,
      ...(exitCode === undefined ? {} : { exitCode }),
      devices: [...lines.values()].map(booksOfLine),
      windows: windows.books(endSeconds),
      warnings: [...warnings.all(), ...incompleteWindows(windows.incompleteNames())],
    }),
    toCheckpoint: () => ({
      devices: [...lines.values()].map(({ device, sensor, tally, idle }) =>
        structuredClone({ device, sensor, tally, idle }),
      ),
    }),
  };
}

function booksOfLine({ device, sensor, tally, idle, warnings }: Line): DeviceBooks {
  const idleTotals = idleTotalsOf(idle);
  return {
    device,
    sensor,
    totals: totalsOfTally(tally),
    ...(idleTotals === undefined ? {} : { idle: idleTotals }),
    warnings: warnings.all(),
  };
}

/** A tally from a checkpoint; sums that its Wattmeter did not know yet begin at nothing. */
function restoredTally(tally: Tally): Tally {
  const fresh = newTally();
  return { ...fresh, ...tally, sums: { ...fresh.sums, ...tally.sums } };
}

/** A window is over the run's measured GPUs: host components and modelled devices stand apart (INTERFACE.md). */
const countsInWindows = (device: Device): boolean =>
  device.kind === 'gpu' && device.powerOrigin === 'measured';

function incompleteWindows(names: readonly string[]): Warning[] {
  if (names.length === 0) return [];
  return [
    {
      code: 'window-incomplete',
      message: `${names.length === 1 ? '1 window was' : `${names.length} windows were`} announced so late that the energy is not exact, the first is "${names[0]}". Announce a window when it begins and when it ends.`,
    },
  ];
}
