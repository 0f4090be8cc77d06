// One device's way through the stages: its meter, opened with its first reading; where its intervals are cut; and what
// the books have been told of it. Pure.

import type { Account } from '../account.ts';
import type { Meter, MeterOptions } from '../meter/meter.ts';
import type { Batch, ChargedInterval, Device, DeviceSource, Gauges, Interval } from '../model.ts';
import type { DeviceSnapshot } from '../snapshot.ts';
import { instant, type Instant } from '../units.ts';
import { createRegisterRatio, type RegisterRatio } from './register-ratio.ts';
import type { DeviceBelief, OpenSettlement } from './settlement.ts';
import { createUtilizationReadings, type UtilizationReadings } from './utilization.ts';

/** A device under way. */
export interface Lane {
  device: Device;
  readonly source: DeviceSource;
  meter: Meter | undefined;
  gauges: Gauges;
  /** Whether its source still lists it. */
  present: boolean;
  /** Up to where price changes have been handed to the meter as cuts. */
  pricedSeconds: Instant;
  readonly ratio: RegisterRatio;
  readonly utilization: UtilizationReadings;
  /** What the books were last told of the device. */
  told: DeviceBelief | undefined;
  warnedCount: number;
}

/** The stages that every lane leads through; cli/ chooses which. */
export interface LaneOptions {
  createMeter(options: MeterOptions): Meter;
  charge(interval: Interval): ChargedInterval;
  /** The next instant after `time` at which a price or an intensity changes: intervals are cut there. */
  nextChange(time: Instant): Instant | undefined;
  calibrationOf?(device: Device): MeterOptions['calibration'];
  readonly slotSeconds: number;
  readonly samplingPeriodSeconds?: number;
  /** Start of a run; absent: each device starts with its first reading. */
  readonly startSeconds?: Instant;
}

/** A place where every device's intervals end; `edge`: a load is known to start or end exactly there. */
export interface Cut {
  readonly time: Instant;
  readonly edge: 'start' | 'end' | undefined;
}

/** What the lanes of one pipeline share. */
export interface SharedWay {
  readonly options: LaneOptions;
  readonly settlement: OpenSettlement;
  /** Cuts asked for before a device's meter exists still hold for it. */
  readonly cuts: Cut[];
  /** The end of the run, once it is known: what is metered after it is not the run's. */
  endSeconds: Instant | undefined;
}

/** A lane whose device has not been metered yet. */
export const createLane = (device: Device, source: DeviceSource): Lane => ({
  device,
  source,
  meter: undefined,
  gauges: {},
  present: true,
  pricedSeconds: instant(0),
  ratio: createRegisterRatio(),
  utilization: createUtilizationReadings(),
  told: undefined,
  warnedCount: 0,
});

/**
 * Meters a batch; returns its last instant, or undefined where it is empty. A lane without a meter gets one that starts at
 * `opensAt`, or with the batch.
 */
export function addToLane(
  lane: Lane,
  batch: Batch,
  opensAt: Instant | undefined,
  way: SharedWay,
): Instant | undefined {
  const firstReading = batch.timeSeconds[0];
  const lastReading = batch.timeSeconds[batch.length - 1];
  if (firstReading === undefined || lastReading === undefined) return undefined;
  if (batch.gauges !== undefined) lane.gauges = { ...lane.gauges, ...batch.gauges };
  lane.utilization.add(batch);
  const meter = lane.meter ?? openMeter(lane, opensAt ?? instant(firstReading), way);
  cutAtChanges(lane, meter, instant(lastReading), way.options);
  book(lane, meter, meter.add(batch), way);
  return instant(lastReading);
}

/** Lets time pass without a reading. A lane without a meter gets one that starts at `opensAt`, or stays without. */
export function advanceLane(
  lane: Lane,
  time: Instant,
  opensAt: Instant | undefined,
  way: SharedWay,
): void {
  const meter = meterOf(lane, opensAt, way);
  if (meter === undefined) return;
  cutAtChanges(lane, meter, time, way.options);
  book(lane, meter, meter.advance(time), way);
}

/** Closes the lane's meter at `end`, or where it stands; `opensAt` as in advanceLane. */
export function finishLane(
  lane: Lane,
  end: Instant | undefined,
  opensAt: Instant | undefined,
  way: SharedWay,
): void {
  const meter = meterOf(lane, opensAt, way);
  if (meter === undefined) return;
  const until = end ?? meter.settledSeconds;
  cutAtChanges(lane, meter, until, way.options);
  book(lane, meter, meter.finish(until), way);
}

/** A place in the past is cut already, or cannot be cut any more. */
export function cutLane({ meter }: Lane, { time, edge }: Cut): void {
  if (meter !== undefined && time > meter.settledSeconds) meter.cut(time, edge);
}

const meterOf = (lane: Lane, opensAt: Instant | undefined, way: SharedWay): Meter | undefined =>
  lane.meter ?? (opensAt === undefined ? undefined : openMeter(lane, opensAt, way));

/** A meter from the start of the run or, without one, from `firstReading` on. */
function openMeter(lane: Lane, firstReading: Instant, way: SharedWay): Meter {
  const { options, cuts } = way;
  const { slotSeconds } = options;
  // NVML may tell more readings than were asked for: the driver's ring keeps every refresh.
  const samplingPeriodSeconds = lane.source === 'nvml' ? undefined : options.samplingPeriodSeconds;
  const startSeconds = options.startSeconds ?? firstReading;
  const calibration = options.calibrationOf?.(lane.device);
  const meter = options.createMeter({
    device: lane.device,
    startSeconds,
    slotSeconds,
    ...(samplingPeriodSeconds === undefined ? {} : { samplingPeriodSeconds }),
    ...(calibration === undefined ? {} : { calibration }),
  });
  for (const { time, edge } of cuts) if (time > startSeconds) meter.cut(time, edge);
  lane.pricedSeconds = startSeconds;
  lane.meter = meter;
  introduce(lane, meter, way);
  return meter;
}

function cutAtChanges(lane: Lane, meter: Meter, until: Instant, options: LaneOptions): void {
  let change = options.nextChange(lane.pricedSeconds);
  while (change !== undefined && change <= until) {
    if (change > meter.settledSeconds) meter.cut(change);
    lane.pricedSeconds = change;
    change = options.nextChange(change);
  }
}

/** Tells the books of a device before its first interval, and again when the device or the sensor's model changes. */
function introduce(lane: Lane, { sensor }: Meter, { settlement }: SharedWay): void {
  const { device, told } = lane;
  if (told?.device === device && told.sensor === sensor) return;
  lane.told = { device, sensor };
  settlement.introduce(lane.told);
}

function book(lane: Lane, meter: Meter, intervals: readonly Interval[], way: SharedWay): void {
  const { options, settlement, endSeconds } = way;
  if (intervals.length > 0) introduce(lane, meter, way);
  for (const metered of intervals) {
    const interval = lane.utilization.attach(metered);
    if (endSeconds !== undefined && interval.startSeconds >= endSeconds) continue;
    settlement.add(options.charge(interval));
    lane.ratio.add(interval);
  }
  for (const warning of meter.warnings.slice(lane.warnedCount)) {
    settlement.warn(warning, lane.device.uuid);
    lane.warnedCount++;
  }
}

/** The device as it stands; undefined before its meter is open. */
export function snapshotOf(lane: Lane, account: Account): DeviceSnapshot | undefined {
  const { device, meter, gauges, present } = lane;
  const totals = account.totalsOf(device.uuid);
  if (totals === undefined || meter === undefined) return undefined;
  const ratio = lane.ratio.value();
  return {
    device,
    sensor: meter.sensor,
    ...(meter.powerWatts === undefined ? {} : { powerWatts: meter.powerWatts }),
    gauges,
    totals,
    xidErrors: account.xidErrorsOf(device.uuid),
    ...(ratio === undefined ? {} : { hardwareToIntegralRatio: ratio }),
    present,
  };
}
