// The pipeline's hand on a journal: what the account is told, the ledger is told, in the same order, so that reading it
// back through a new account gives the same books.

import type { ChargedInterval, Device, Gauges, Sensor, Warning, Window } from '../model.ts';
import type { Instant } from '../units.ts';
import type { ColumnsWriter } from './columns-writer.ts';
import type { Journal, Kept } from './journal.ts';
import type { LedgerRecord, RunRecord } from './records.ts';
import { encodeRow } from './slot-rows.ts';

/** Writes down what happens. Nothing here ever throws or rejects; publish after the promise settles. */
export interface LedgerWriter {
  addDevice(device: Device, sensor: Sensor): Promise<Kept>;
  /** The intervals of one slot, of all devices; each device was introduced before. */
  addSlot(intervals: readonly ChargedInterval[]): Promise<Kept>;
  addGauges(atSeconds: Instant, gauges: ReadonlyMap<string, Gauges>): Promise<Kept>;
  openWindow(name: string, startSeconds: Instant): Promise<Kept>;
  addWindow(window: Window): Promise<Kept>;
  addWarning(warning: Warning, uuid?: string): Promise<Kept>;
  addXid(uuid: string, xid: number, atSeconds: Instant): Promise<Kept>;
  /** What the books are kept under: tariff, zone, PUE, command line… any JSON; a later call adds to it. */
  addFacts(facts: Readonly<Record<string, unknown>>): Promise<Kept>;
}

/** Numbers devices in the order in which a journal introduces them. */
export interface DeviceNumbers {
  numberOf(uuid: string): number | undefined;
  /** The device's number, and whether the journal already says all this of it. */
  introduce(device: Device, sensor: Sensor): { number: number; known: boolean };
  /** Every device as last introduced, for the head of a new segment. */
  all(): { number: number; device: Device; sensor: Sensor }[];
}

/** Numbers for a journal that has introduced `known` already. */
export function createDeviceNumbers(
  known: readonly { readonly device: Device; readonly sensor: Sensor }[] = [],
): DeviceNumbers {
  const lines = new Map<string, { number: number; device: Device; sensor: Sensor }>();
  for (const line of known) lines.set(line.device.uuid, { number: lines.size, ...line });
  return {
    numberOf: (uuid) => lines.get(uuid)?.number,
    introduce(device, sensor) {
      const before = lines.get(device.uuid);
      const number = before?.number ?? lines.size;
      const line = { number, device, sensor };
      lines.set(device.uuid, line);
      return { number, known: JSON.stringify(before) === JSON.stringify(line) };
    },
    all: () => [...lines.values()],
  };
}

/**
 * Writes into whatever journal `journal` returns at the moment, the agent's changing as it rotates, and into the columns
 * where there are some.
 */
export function createWriter(
  journal: () => Journal,
  numbers: DeviceNumbers,
  columns?: ColumnsWriter,
): LedgerWriter {
  const append = (record: RunRecord): Promise<Kept> => {
    columns?.addRecord(record);
    return journal().append(record, true);
  };
  return {
    addDevice(device, sensor) {
      const { number, known } = numbers.introduce(device, sensor);
      if (known) return Promise.resolve('written');
      return append({ kind: 'device', number, device, sensor });
    },
    addSlot(intervals) {
      const rows = intervals.flatMap((interval) => {
        const number = numbers.numberOf(interval.uuid);
        return number === undefined ? [] : [encodeRow(interval, number)];
      });
      if (rows.length === 0) return Promise.resolve('written');
      for (const interval of intervals) columns?.addInterval(interval);
      return journal().append({ kind: 'slot', rows } satisfies LedgerRecord, false);
    },
    addGauges(atSeconds, gauges) {
      const pairs = [...gauges].flatMap(([uuid, values]): [number, Gauges][] => {
        const number = numbers.numberOf(uuid);
        return number === undefined ? [] : [[number, values]];
      });
      const record: LedgerRecord = { kind: 'gauges', atSeconds, gauges: pairs };
      return journal().append(record, false);
    },
    openWindow: (name, startSeconds) => append({ kind: 'window-open', name, startSeconds }),
    addWindow: (window) => append({ kind: 'window', window }),
    addWarning: (warning, uuid) =>
      append({ kind: 'warning', warning, ...(uuid === undefined ? {} : { uuid }) }),
    addXid: (uuid, xid, atSeconds) => append({ kind: 'xid', uuid, xid, atSeconds }),
    addFacts: (facts) => append({ kind: 'facts', facts }),
  };
}
