// Whose row it is: by UUID, by index or bus, or by turns; and the rows and facts of each device found so far.

import type { Device } from '../../model.ts';
import type { SourceEvent } from '../source.ts';
import { missingReason } from './cell.ts';
import type { Columns } from './columns.ts';
import type { FactName } from './titles.ts';
import { deviceRows, type DeviceRows } from './device-rows.ts';
import { deviceOf, gaugesOf, type FactCell } from './facts.ts';

/** A device of a log. */
interface TracedDevice {
  readonly device: Device;
  readonly rows: DeviceRows;
  /** Its newest row, which has its newest slow values. */
  lastCells: readonly string[];
}

/** The devices of one file. */
export interface TracedDevices {
  readonly count: number;
  /** Rows that came out of order so far. */
  readonly disorderCount: number;
  /** How many rows of an unfinished round there are, where devices take turns. */
  readonly turn: number;
  /** The device of a row, new ones included; undefined when the row names none. */
  of(cells: readonly string[], columns: Columns): TracedDevice | undefined;
  /** A row was not understood, and where devices take turns it may have been one's. */
  skipTurn(columns: Columns): void;
  /** New devices, and the rows that can be handed on. */
  take(final: boolean, columns: Columns, wallOffsetSeconds: number): SourceEvent[];
}

/** No devices yet. `gpuCount` GPUs take turns where no column tells them apart. */
export function tracedDevices(gpuCount: number, uuidPrefix: string): TracedDevices {
  const devices = new Map<string, TracedDevice>();
  const uuidByIndex = new Map<string, string>();
  let turn = 0;
  let announcedCount = 0;

  const skipTurn = (columns: Columns): void => {
    if (takesTurns(columns)) turn = (turn + 1) % gpuCount;
  };

  return {
    get count() {
      return devices.size;
    },
    get disorderCount() {
      return [...devices.values()].reduce((sum, { rows }) => sum + rows.disorderCount, 0);
    },
    get turn() {
      return turn;
    },
    of(cells, columns) {
      const key = takesTurns(columns) ? String(turn) : identityOf(cells, columns, uuidByIndex);
      skipTurn(columns);
      if (key === undefined) return undefined;
      const known = devices.get(key);
      if (known !== undefined) {
        known.lastCells = cells;
        return known;
      }
      const traced = newDevice(key, devices.size, cells, columns, uuidPrefix);
      devices.set(key, traced);
      return traced;
    },
    skipTurn,
    take(final, columns, wallOffsetSeconds) {
      const events: SourceEvent[] = [];
      const all = [...devices.values()];
      if (all.length > announcedCount) {
        events.push({ kind: 'devices', devices: all.map(({ device }) => device) });
        announcedCount = all.length;
      }
      for (const { rows, lastCells } of all) {
        const batch = rows.take(final, gaugesOf(factCells(lastCells, columns)), wallOffsetSeconds);
        if (batch !== undefined) events.push({ kind: 'batch', batch });
      }
      return events;
    },
  };
}

const takesTurns = (columns: Columns): boolean =>
  columns.uuidAt === undefined &&
  columns.indexAt === undefined &&
  columns.facts.pciBusId === undefined;

const factCells =
  (cells: readonly string[], columns: Columns): FactCell =>
  (name: FactName) => {
    const at = columns.facts[name];
    return at === undefined ? undefined : cells[at];
  };

function identityOf(
  cells: readonly string[],
  columns: Columns,
  uuidByIndex: Map<string, string>,
): string | undefined {
  const { uuidAt, indexAt } = columns;
  const index = indexAt === undefined ? undefined : (cells[indexAt] ?? '').trim();
  if (uuidAt !== undefined) {
    const uuid = (cells[uuidAt] ?? '').trim();
    // A GPU off the bus may lose its UUID in the answer, and keeps its place.
    if (missingReason(uuid) !== undefined) return uuidByIndex.get(index ?? '');
    if (index !== undefined) uuidByIndex.set(index, uuid);
    return uuid;
  }
  const key = index ?? factCells(cells, columns)('pciBusId')?.trim();
  return key === undefined || missingReason(key) !== undefined ? undefined : key;
}

function newDevice(
  key: string,
  order: number,
  cells: readonly string[],
  columns: Columns,
  uuidPrefix: string,
): TracedDevice {
  const isUuid = columns.uuidAt !== undefined || /^(?:GPU|MIG)-/i.test(key);
  const said = Number(columns.indexAt === undefined ? key : (cells[columns.indexAt] ?? '').trim());
  const index = Number.isInteger(said) ? said : order;
  const uuid = isUuid ? key : `${uuidPrefix}${key}`;
  const device = deviceOf({ uuid, index, source: 'replay' }, factCells(cells, columns));
  return { device, rows: deviceRows(uuid), lastCells: cells };
}
