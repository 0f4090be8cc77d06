// What becomes final between two settlements: collected here, handed over as one ledger entry. Pure.

import type { Account } from '../account.ts';
import type { ChargedInterval, Device, Sensor, Warning } from '../model.ts';
import type { Instant } from '../units.ts';

/** What became final since the last settlement: one ledger entry. */
export interface Settlement {
  /** New or changed devices, before the intervals that name them. */
  readonly devices: readonly DeviceBelief[];
  readonly intervals: readonly ChargedInterval[];
  readonly warnings: readonly DeviceWarning[];
  readonly xids: readonly DeviceXid[];
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

/** An error that the driver reported of a device, by its XID number; what people are told of it. */
export interface DeviceXid {
  readonly uuid: string;
  readonly xid: number;
  readonly atSeconds: Instant;
  readonly warning: Warning;
}

/** The settlement that is still open; what it takes is in the account at once. */
export interface OpenSettlement {
  introduce(belief: DeviceBelief): void;
  add(interval: ChargedInterval): void;
  warn(warning: Warning, uuid?: string): void;
  addXid(xid: DeviceXid): void;
  readonly intervalCount: number;
  /** Closes it and opens the next. */
  take(): Settlement;
}

/** Opens the first settlement of an account. */
export function openSettlement(account: Account): OpenSettlement {
  let devices = new Map<string, DeviceBelief>();
  let intervals: ChargedInterval[] = [];
  let warnings: DeviceWarning[] = [];
  let xids: DeviceXid[] = [];
  return {
    introduce(belief) {
      account.addDevice(belief.device, belief.sensor);
      devices.set(belief.device.uuid, belief);
    },
    add(interval) {
      account.add(interval);
      intervals.push(interval);
    },
    warn(warning, uuid) {
      account.addWarning(warning, uuid);
      warnings.push({ warning, ...(uuid === undefined ? {} : { uuid }) });
    },
    addXid(event) {
      const { uuid, xid, warning } = event;
      account.addXid(uuid, xid);
      account.addWarning(warning, uuid);
      xids.push(event);
    },
    get intervalCount() {
      return intervals.length;
    },
    take() {
      const settlement = { devices: [...devices.values()], intervals, warnings, xids };
      devices = new Map();
      intervals = [];
      warnings = [];
      xids = [];
      return settlement;
    },
  };
}
