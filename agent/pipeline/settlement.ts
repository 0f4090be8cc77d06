// What becomes final between two settlements: collected here, handed over as one ledger entry. Pure.

import type { Account } from '../account.ts';
import type { ChargedInterval, Device, Sensor, Warning } from '../model.ts';

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

/** The settlement that is still open; what it takes is in the account at once. */
export interface OpenSettlement {
  introduce(belief: DeviceBelief): void;
  add(interval: ChargedInterval): void;
  warn(warning: Warning, uuid?: string): void;
  readonly intervalCount: number;
  /** Closes it and opens the next. */
  take(): Settlement;
}

/** Opens the first settlement of an account. */
export function openSettlement(account: Account): OpenSettlement {
  let devices = new Map<string, DeviceBelief>();
  let intervals: ChargedInterval[] = [];
  let warnings: DeviceWarning[] = [];
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
    get intervalCount() {
      return intervals.length;
    },
    take() {
      const settlement = { devices: [...devices.values()], intervals, warnings };
      devices = new Map();
      intervals = [];
      warnings = [];
      return settlement;
    },
  };
}
