// The one loop that joins the stages: source events in; metered, charged, accounted and recorded intervals out.
// Order is a promise: an interval is written to the ledger before any view shows it.

import type { Account } from './account.ts';
import { createHealthLedger } from './health.ts';
import type { Meter, MeterOptions } from './meter/meter.ts';
import type {
  ChargedInterval,
  Device,
  DeviceSource,
  Gauges,
  Interval,
  Sensor,
  SourceKind,
  Warning,
} from './model.ts';
import type { DeviceSnapshot, SourceHealth } from './snapshot.ts';
import type { SourceEvent } from './source/source.ts';
import { between, instant, seconds, type Instant, type Seconds } from './units.ts';

/** What became final since the last settlement: one ledger entry. */
export interface Settlement {
  /** New or changed devices, before the intervals that name them. */
  readonly devices: readonly DeviceBelief[];
  readonly intervals: readonly ChargedInterval[];
  readonly warnings: readonly DeviceWarning[];
}

/** A device and what the meter believes about its sensor. */
export interface DeviceBelief {
  readonly device: Device;
  readonly sensor: Sensor;
}

/** A warning, of one device or of all. */
export interface DeviceWarning {
  readonly warning: Warning;
  readonly uuid?: string;
}

/** The stages, as the pipeline needs them; cli/ chooses which. */
export interface PipelineOptions {
  readonly account: Account;
  createMeter(options: MeterOptions): Meter;
  charge(interval: Interval): ChargedInterval;
  /** The next instant after `time` at which a price or an intensity changes: intervals are cut there. */
  nextChange(time: Instant): Instant | undefined;
  /**
   * Makes a settlement durable and then renews the views: a view is composed here and now, when the account holds
   * exactly what is recorded, and shown once the record is written. Also called, empty, while time passes. Never throws.
   */
  settle(settlement: Settlement): void;
  /** Which of a source's devices are measured; the others are not looked at. */
  select(devices: readonly Device[]): readonly Device[];
  /** Devices that nobody reads (--host-watts): metered by the passing of time. */
  readonly constants?: readonly Device[];
  calibrationOf?(device: Device): MeterOptions['calibration'];
  /** Stretches in which the machine slept, since the last question. */
  takeSuspensions?(): readonly { readonly startSeconds: Instant; readonly endSeconds: Instant }[];
  readonly slotSeconds: number;
  readonly samplingPeriodSeconds?: number;
  /** Start of a run; absent: each device starts with its first reading. */
  readonly startSeconds?: Instant;
}

/** The joined stages. */
export interface Pipeline {
  consume(source: SourceKind, event: SourceEvent): void;
  /** Intervals of every device are to end at `time`; `edge`: a load is known to start or end exactly there. */
  cut(time: Instant, edge?: 'start' | 'end'): void;
  /** The run ends at `time`: a load ends exactly there, and what is metered after it is not the run's. */
  end(time: Instant): void;
  /** Closes every meter at `end`, or each at its own last reading, and settles. */
  finish(end?: Instant): void;
  /** The devices as they stand. */
  devices(): readonly DeviceSnapshot[];
  health(): readonly SourceHealth[];
  /** First and last instants of what was metered; undefined before the first reading. */
  readonly firstSeconds: Instant | undefined;
  readonly lastSeconds: Instant | undefined;
}

/** One device's way through the pipeline. */
interface Lane {
  device: Device;
  readonly source: DeviceSource;
  meter: Meter | undefined;
  gauges: Gauges;
  present: boolean;
  wallOffsetSeconds: number;
  /** Up to where price changes have been handed to the meter as cuts. */
  pricedSeconds: Instant;
  readonly ratio: RatioWindow;
  /** What the books were last told of the device. */
  told: DeviceBelief | undefined;
  warned: number;
}

// A log at full speed settles in bulk; live, every slot settles (the meter withholds until a slot is final).
const SETTLE_AT_INTERVALS = 4096;
const RATIO_SECONDS = 300;
const MAX_REMEMBERED_CUTS = 1000;

/** Joins the stages; no work is done until events are consumed. */
export function createPipeline(options: PipelineOptions): Pipeline {
  const lanes = new Map<string, Lane>();
  const health = createHealthLedger();
  let pending: ChargedInterval[] = [];
  const changed = new Map<string, DeviceBelief>();
  let warnings: DeviceWarning[] = [];
  let settledSlot = Number.NEGATIVE_INFINITY;
  let first: Instant | undefined;
  let last: Instant | undefined;
  let endSeconds: Instant | undefined;
  // Cuts asked for before a device's meter exists still hold for it.
  const cuts: { readonly time: Instant; readonly edge: 'start' | 'end' | undefined }[] = [];

  const settle = (): void => {
    const settlement = { devices: [...changed.values()], intervals: pending, warnings };
    pending = [];
    changed.clear();
    warnings = [];
    options.settle(settlement);
  };

  /** Tells the books of a device before its first interval, and again when the device or the sensor's model changes. */
  const introduce = (lane: Lane): void => {
    const sensor = lane.meter?.sensor;
    if (sensor === undefined || (lane.told?.device === lane.device && lane.told.sensor === sensor))
      return;
    lane.told = { device: lane.device, sensor };
    options.account.addDevice(lane.device, sensor);
    changed.set(lane.device.uuid, lane.told);
  };

  const take = (lane: Lane, intervals: readonly Interval[]): void => {
    if (intervals.length > 0) introduce(lane);
    for (const interval of intervals) {
      if (endSeconds !== undefined && interval.startSeconds >= endSeconds) continue;
      const charged = options.charge(interval);
      options.account.add(charged);
      pending.push(charged);
      lane.ratio.add(interval);
    }
    for (const warning of lane.meter?.warnings.slice(lane.warned) ?? []) {
      options.account.addWarning(warning, lane.device.uuid);
      warnings.push({ warning, uuid: lane.device.uuid });
      lane.warned++;
    }
  };

  const cutAtChanges = (lane: Lane, meter: Meter, until: Instant): void => {
    let change = options.nextChange(lane.pricedSeconds);
    while (change !== undefined && change <= until) {
      if (change > meter.settledSeconds) meter.cut(change);
      lane.pricedSeconds = change;
      change = options.nextChange(change);
    }
  };

  const openMeter = (lane: Lane, firstReading: Instant): Meter => {
    const start = options.startSeconds ?? firstReading;
    const calibration = options.calibrationOf?.(lane.device);
    const meter = options.createMeter({
      device: lane.device,
      startSeconds: start,
      slotSeconds: options.slotSeconds,
      ...(options.samplingPeriodSeconds === undefined
        ? {}
        : { samplingPeriodSeconds: options.samplingPeriodSeconds }),
      ...(calibration === undefined ? {} : { calibration }),
    });
    for (const { time, edge } of cuts) if (time > start) meter.cut(time, edge);
    lane.pricedSeconds = start;
    lane.meter = meter;
    introduce(lane);
    return meter;
  };

  const addDevices = (source: SourceKind, listed: readonly Device[]): void => {
    const chosen = options.select(listed);
    const uuids = new Set(chosen.map((device) => device.uuid));
    for (const lane of lanes.values())
      if (lane.source === source) lane.present = uuids.has(lane.device.uuid);
    for (const device of chosen) {
      const known = lanes.get(device.uuid);
      if (known === undefined) lanes.set(device.uuid, createLane(device, source));
      else known.device = device;
    }
  };

  const addBatch = (event: SourceEvent & { kind: 'batch' }): void => {
    const { batch } = event;
    const lane = lanes.get(batch.uuid);
    const firstReading = batch.timeSeconds[0];
    const lastReading = batch.timeSeconds[batch.length - 1];
    if (lane === undefined || firstReading === undefined || lastReading === undefined) return;
    if (batch.gauges !== undefined) lane.gauges = { ...lane.gauges, ...batch.gauges };
    lane.wallOffsetSeconds = batch.wallOffsetSeconds ?? lane.wallOffsetSeconds;
    if (first === undefined || firstReading < first) first = instant(firstReading);
    if (last === undefined || lastReading > last) last = instant(lastReading);
    const meter = lane.meter ?? openMeter(lane, instant(firstReading));
    cutAtChanges(lane, meter, instant(lastReading));
    take(lane, meter.add(batch));
    settleAtSlot(instant(lastReading));
  };

  /** Devices without readings live by the others' time. */
  const passTime = (time: Instant): void => {
    for (const lane of lanes.values()) {
      if (lane.source !== 'constant') continue;
      const meter = lane.meter ?? openMeter(lane, first ?? time);
      cutAtChanges(lane, meter, time);
      take(lane, meter.advance(time));
    }
  };

  const settleAtSlot = (time: Instant): void => {
    const slot = Math.floor(time / options.slotSeconds);
    if (slot > settledSlot) passTime(time);
    if (pending.length >= SETTLE_AT_INTERVALS || (slot > settledSlot && pending.length > 0)) {
      settledSlot = slot;
      settle();
    }
  };

  const tick = (source: SourceKind, time: Instant): void => {
    for (const lane of lanes.values()) {
      if (lane.source !== source) continue;
      // A device that never answered is a gap from the start of the run, not absent from it.
      const meter =
        lane.meter ?? (options.startSeconds === undefined ? undefined : openMeter(lane, time));
      if (meter === undefined) continue;
      cutAtChanges(lane, meter, time);
      take(lane, meter.advance(time));
    }
    passTime(time);
    settle();
  };

  for (const device of options.constants ?? [])
    lanes.set(device.uuid, createLane(device, 'constant'));

  const noticeSleep = (): void => {
    for (const { startSeconds, endSeconds } of options.takeSuspensions?.() ?? [])
      for (const lane of lanes.values()) lane.meter?.suspended(startSeconds, endSeconds);
  };

  const cut = (time: Instant, edge?: 'start' | 'end'): void => {
    cuts.push({ time, edge });
    if (cuts.length > MAX_REMEMBERED_CUTS) cuts.shift();
    for (const lane of lanes.values())
      if (lane.meter !== undefined && time > lane.meter.settledSeconds) lane.meter.cut(time, edge);
  };

  return {
    consume(source, event) {
      health.add(source, event);
      noticeSleep();
      switch (event.kind) {
        case 'devices':
          return addDevices(source, event.devices);
        case 'batch':
          return addBatch(event);
        case 'tick':
          return tick(source, event.timeSeconds);
        case 'warning':
          options.account.addWarning(event.warning);
          warnings.push({ warning: event.warning });
          return undefined;
        case 'read':
        case 'fault':
          return undefined;
      }
    },
    cut,
    end(time) {
      endSeconds = time;
      cut(time, 'end');
    },
    finish(end) {
      for (const lane of lanes.values()) {
        const meter =
          lane.meter ??
          (options.startSeconds === undefined || end === undefined
            ? undefined
            : openMeter(lane, end));
        if (meter === undefined) continue;
        cutAtChanges(lane, meter, end ?? last ?? meter.settledSeconds);
        take(lane, meter.finish(end ?? last ?? meter.settledSeconds));
      }
      settle();
    },
    devices: () => [...lanes.values()].flatMap((lane) => snapshotOf(lane, options.account)),
    health: () => health.list(),
    get firstSeconds() {
      return first;
    },
    get lastSeconds() {
      return last;
    },
  };
}

const createLane = (device: Device, source: DeviceSource): Lane => ({
  device,
  source,
  meter: undefined,
  gauges: {},
  present: true,
  wallOffsetSeconds: 0,
  pricedSeconds: instant(0),
  ratio: createRatioWindow(),
  told: undefined,
  warned: 0,
});

function snapshotOf(lane: Lane, account: Account): DeviceSnapshot[] {
  const totals = account.totalsOf(lane.device.uuid);
  if (totals === undefined || lane.meter === undefined) return [];
  const ratio = lane.ratio.value();
  return [
    {
      device: lane.device,
      sensor: lane.meter.sensor,
      ...(lane.meter.powerWatts === undefined ? {} : { powerWatts: lane.meter.powerWatts }),
      gauges: lane.gauges,
      totals,
      ...(ratio === undefined ? {} : { hardwareToIntegralRatio: ratio }),
      present: lane.present,
    },
  ];
}

/** Hardware counter ÷ integrated power over the last minutes, from the intervals that have both. */
interface RatioWindow {
  add(interval: Interval): void;
  value(): number | undefined;
}

function createRatioWindow(): RatioWindow {
  let rows: { endSeconds: Instant; seconds: Seconds; counter: number; integral: number }[] = [];
  return {
    add(interval) {
      const { counterJoules, integralJoules, startSeconds, endSeconds } = interval;
      if (counterJoules === undefined || integralJoules === undefined) return;
      rows.push({
        endSeconds,
        seconds: seconds(between(startSeconds, endSeconds)),
        counter: counterJoules,
        integral: integralJoules,
      });
      if (rows.length > 2 * RATIO_SECONDS)
        rows = rows.filter((row) => endSeconds - row.endSeconds < RATIO_SECONDS);
    },
    value() {
      const newest = rows.at(-1);
      if (newest === undefined) return undefined;
      let counter = 0;
      let integral = 0;
      for (const row of rows) {
        if (newest.endSeconds - row.endSeconds >= RATIO_SECONDS) continue;
        counter += row.counter;
        integral += row.integral;
      }
      return integral > 0 ? counter / integral : undefined;
    },
  };
}
