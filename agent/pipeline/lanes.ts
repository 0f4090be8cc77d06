// All devices of a pipeline, side by side: which of them are there, their cuts, and the span of what was metered. Pure.

import type { Batch, Device, DeviceSource } from '../model.ts';
import { instant, type Instant } from '../units.ts';
import {
  addToLane,
  advanceLane,
  createLane,
  cutLane,
  finishLane,
  type Lane,
  type LaneOptions,
  type SharedWay,
} from './lane.ts';
import type { OpenSettlement } from './settlement.ts';

/** The lanes of one pipeline. */
export interface Lanes {
  /** A source's devices are those that it lists now; one that it lists no more stays, as vanished. */
  list(source: DeviceSource, devices: readonly Device[]): void;
  /** Whether the device is one of those that are measured. */
  has(uuid: string): boolean;
  /** Meters a batch; returns its last instant, or undefined where nobody wants it. */
  add(batch: Batch): Instant | undefined;
  /** Lets time pass for a source's devices. */
  advance(source: DeviceSource, time: Instant): void;
  cut(time: Instant, edge?: 'start' | 'end'): void;
  /** As `cut`; and what is metered after `time` is not the run's. */
  end(time: Instant): void;
  suspended(startSeconds: Instant, endSeconds: Instant): void;
  /** Closes every meter at `end`, or all at the last reading of any. */
  finish(end?: Instant): void;
  all(): readonly Lane[];
  /** First and last instants of what was metered; undefined before the first reading. */
  readonly firstSeconds: Instant | undefined;
  readonly lastSeconds: Instant | undefined;
}

const MAX_REMEMBERED_CUTS = 1000;
// How far a first reading answers for the time before it (docs/measurement.md §4.7).
const EDGE_SECONDS = 2;

/** No lane yet; what the lanes make final goes into `settlement`. */
export function createLanes(options: LaneOptions, settlement: OpenSettlement): Lanes {
  const lanes = new Map<string, Lane>();
  const way: SharedWay = { options, settlement, cuts: [], endSeconds: undefined };
  let first: Instant | undefined;
  let last: Instant | undefined;

  /** When a lane that never had a reading starts; undefined: it does not. */
  const opensAt = (source: DeviceSource, time: Instant | undefined): Instant | undefined => {
    if (source === 'constant') return first ?? time;
    // A run's device that never answered is a gap from its start, not absent from it.
    return options.startSeconds === undefined ? undefined : time;
  };
  /** A log's GPU that comes up later than the others was not read until then: a gap, not a shorter log of its own. */
  const opensLateAt = (lane: Lane, { timeSeconds }: Batch): Instant | undefined => {
    const firstReading = timeSeconds[0];
    const isLate = first !== undefined && (firstReading ?? first) - first > EDGE_SECONDS;
    return lane.source === 'replay' && isLate ? first : undefined;
  };
  const cut = (time: Instant, edge?: 'start' | 'end'): void => {
    way.cuts.push({ time, edge });
    if (way.cuts.length > MAX_REMEMBERED_CUTS) way.cuts.shift();
    for (const lane of lanes.values()) cutLane(lane, { time, edge });
  };

  return {
    list: (source, devices) => listDevices(lanes, source, devices),
    has: (uuid) => lanes.has(uuid),
    add(batch) {
      const lane = lanes.get(batch.uuid);
      const lastReading = lane && addToLane(lane, batch, opensLateAt(lane, batch), way);
      if (lastReading === undefined) return undefined;
      const firstReading = instant(batch.timeSeconds[0] ?? lastReading);
      if (first === undefined || firstReading < first) first = firstReading;
      if (last === undefined || lastReading > last) last = lastReading;
      return lastReading;
    },
    advance(source, time) {
      for (const lane of lanes.values())
        if (lane.source === source) advanceLane(lane, time, opensAt(source, time), way);
    },
    cut,
    end(time) {
      way.endSeconds = time;
      cut(time, 'end');
    },
    suspended(startSeconds, endSeconds) {
      for (const lane of lanes.values()) lane.meter?.suspended(startSeconds, endSeconds);
    },
    finish(end) {
      for (const lane of lanes.values())
        finishLane(lane, end ?? last, opensAt(lane.source, end), way);
    },
    all: () => [...lanes.values()],
    get firstSeconds() {
      return first;
    },
    get lastSeconds() {
      return last;
    },
  };
}

function listDevices(
  lanes: Map<string, Lane>,
  source: DeviceSource,
  listed: readonly Device[],
): void {
  const uuids = new Set(listed.map((device) => device.uuid));
  for (const lane of lanes.values())
    if (lane.source === source) lane.present = uuids.has(lane.device.uuid);
  for (const device of listed) {
    const known = lanes.get(device.uuid);
    if (known === undefined) lanes.set(device.uuid, createLane(device, source));
    else known.device = device;
  }
}
