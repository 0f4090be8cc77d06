// From nvidia-smi's lines to readings: whose row it is, what its power is, and when it was taken.

import { READING_STATUS, type Batch, type Device, type ReadingStatus } from '../model.ts';
import { instant, type Instant } from '../units.ts';
import { isPlausiblePower, missingReason, powerOf, type Missing } from './log/cell.ts';
import type { FactName } from './log/titles.ts';
import { deviceOf, gaugesOf, type FactCell } from './log/facts.ts';
import type { QueryField } from './nvidia-smi-fields.ts';

/** What one line was. */
type RowOutcome =
  | { readonly kind: 'reading'; readonly uuid: string; readonly batch: Batch }
  | { readonly kind: 'not-understood' };

interface Known {
  device: Device;
  factsText: string;
  gaugesAtSeconds: number;
  newestSeconds: number;
  /** What its newest row or sentence said. */
  newestStatus: ReadingStatus;
}

const GAUGES_PERIOD_SECONDS = 1;
const FIELD_OF_FACT: Readonly<Record<FactName, QueryField>> = {
  name: 'name',
  driverVersion: 'driver_version',
  pciBusId: 'pci.bus_id',
  powerLimit: 'enforced.power.limit',
  ratedPower: 'power.default_limit',
  memoryTotal: 'memory.total',
  memoryUsed: 'memory.used',
  utilization: 'utilization.gpu',
  temperature: 'temperature.gpu',
  smClock: 'clocks.current.sm',
};
// Facts stand behind this field; a change in any of them renews the device.
const FACTS_FROM: QueryField = 'enforced.power.limit';
const UUID = /^(?:GPU|MIG)-/;
const BUS_IN_MESSAGE = /GPU ?([0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.\d)/i;

/** Reads the lines of queries; remembers the devices over restarts of the child. */
export class RowParser {
  readonly #known = new Map<string, Known>();
  #devicesVersion = 0;

  /** In the order of their index. */
  get devices(): readonly Device[] {
    return [...this.#known.values()]
      .map(({ device }) => device)
      .toSorted((a, b) => a.index - b.index);
  }

  /** Grows whenever a device or a fact of one is new, or one is forgotten. */
  get devicesVersion(): number {
    return this.#devicesVersion;
  }

  /** What one line says; `arrival` is when it was taken. */
  parse(line: string, fields: readonly QueryField[], arrival: Instant): RowOutcome {
    const cells = cellsOf(line, fields.length);
    const uuid = cells === undefined ? undefined : this.#uuidOf(cells, fields);
    if (cells === undefined || uuid === undefined) return this.#fromMessage(line, arrival);
    const state = this.#renew(uuid, cells, fields);
    const time = inOrder(state, arrival);
    const { status, powerWatts } = powerIn(cells, fields);
    state.newestStatus = status;
    const batch = oneReading(uuid, time, status, powerWatts);
    if (time - state.gaugesAtSeconds < GAUGES_PERIOD_SECONDS) {
      return { kind: 'reading', uuid, batch };
    }
    state.gaugesAtSeconds = time;
    const gauges = gaugesOf(factCells(cells, fields));
    return { kind: 'reading', uuid, batch: gauges === undefined ? batch : { ...batch, gauges } };
  }

  /** A failed reading of every known device. One lost GPU ends nvidia-smi: the others are not read, but not lost. */
  failed(status: Missing, time: Instant): Batch[] {
    const all = [...this.#known.values()];
    const isLost = ({ newestStatus }: Known): boolean => newestStatus === status;
    const isOneOfThem = status === 'gpu-lost' && all.some(isLost);
    return all.map((state) =>
      failedReading(state, isOneOfThem && !isLost(state) ? 'no-data' : status, time),
    );
  }

  /** Forgets a device until its next row. */
  forget(uuid: string): void {
    if (this.#known.delete(uuid)) this.#devicesVersion += 1;
  }

  /** The device of a row, its facts brought up to date. */
  #renew(uuid: string, cells: readonly string[], fields: readonly QueryField[]): Known {
    const factsText = cells.slice(fields.indexOf(FACTS_FROM)).join();
    const before = this.#known.get(uuid);
    if (before?.factsText === factsText) return before;
    const said = Number(cells[fields.indexOf('index')]);
    const index = Number.isInteger(said) ? said : (before?.device.index ?? this.#known.size);
    const device = deviceOf({ uuid, index, source: 'nvidia-smi' }, factCells(cells, fields));
    const renewed = {
      // A lost GPU answers with tokens: what was known of it stays true.
      device: before === undefined ? device : { ...before.device, ...saidFacts(device) },
      factsText,
      gaugesAtSeconds: before?.gaugesAtSeconds ?? -Infinity,
      newestSeconds: before?.newestSeconds ?? -Infinity,
      newestStatus: before?.newestStatus ?? 'no-data',
    };
    this.#known.set(uuid, renewed);
    if (before === undefined || !isSame(before.device, renewed.device)) this.#devicesVersion += 1;
    return renewed;
  }

  #uuidOf(cells: readonly string[], fields: readonly QueryField[]): string | undefined {
    const uuid = (cells[fields.indexOf('uuid')] ?? '').trim();
    if (UUID.test(uuid)) return uuid;
    if (missingReason(uuid) === undefined) return undefined;
    const index = Number(cells[fields.indexOf('index')]);
    return this.devices.find((device) => device.index === index)?.uuid;
  }

  /** nvidia-smi writes a sentence in place of the row of a GPU that it cannot reach, and names its bus. */
  #fromMessage(line: string, time: Instant): RowOutcome {
    const bus = BUS_IN_MESSAGE.exec(line)?.[1]?.toLowerCase();
    const state = [...this.#known.values()].find(
      ({ device }) => bus !== undefined && device.pciBusId?.toLowerCase().endsWith(bus) === true,
    );
    if (state === undefined) return { kind: 'not-understood' };
    const status = /lost/i.test(line) ? 'gpu-lost' : 'unknown-error';
    state.newestStatus = status;
    return { kind: 'reading', uuid: state.device.uuid, batch: failedReading(state, status, time) };
  }
}

/** A device's times never go back. */
function inOrder(state: Known, time: number): number {
  state.newestSeconds = Math.max(state.newestSeconds, time);
  return state.newestSeconds;
}

const failedReading = (state: Known, status: Missing, time: Instant): Batch =>
  oneReading(state.device.uuid, inOrder(state, time), status, {});

/** The facts of a device that its row did say. */
function saidFacts(device: Device): Partial<Device> {
  const { model, ...rest } = device;
  return model === 'unknown' ? rest : device;
}

const isSame = (a: Device, b: Device): boolean => JSON.stringify(a) === JSON.stringify(b);

// A comma more than expected is in the name, which stands last.
function cellsOf(line: string, count: number): string[] | undefined {
  const cells = line.split(', ');
  if (cells.length < count) return undefined;
  return cells.length === count
    ? cells
    : [...cells.slice(0, count - 1), cells.slice(count - 1).join(', ')];
}

const factCells =
  (cells: readonly string[], fields: readonly QueryField[]): FactCell =>
  (fact) => {
    const at = fields.indexOf(FIELD_OF_FACT[fact]);
    return at === -1 ? undefined : cells[at];
  };

const POWER_FIELDS = [
  ['power.draw', 'draw'],
  ['power.draw.average', 'average'],
  ['power.draw.instant', 'instant'],
] as const;

function powerIn(
  cells: readonly string[],
  fields: readonly QueryField[],
): { readonly status: ReadingStatus; readonly powerWatts: Batch['powerWatts'] } {
  const powerWatts: Record<string, Float64Array> = {};
  let failure: Missing | undefined;
  let hasNumber = false;
  for (const [field, name] of POWER_FIELDS) {
    const at = fields.indexOf(field);
    if (at === -1) continue;
    const value = powerOf(cells[at] ?? '', 1);
    if (typeof value === 'number' && isPlausiblePower(value)) {
      powerWatts[name] = Float64Array.of(value);
      hasNumber = true;
    } else {
      const reason = typeof value === 'number' ? 'implausible' : value;
      if (failure === undefined || failure === 'not-supported') failure = reason;
    }
  }
  return hasNumber
    ? { status: 'ok', powerWatts }
    : { status: failure ?? 'not-supported', powerWatts: {} };
}

function oneReading(
  uuid: string,
  time: number,
  status: ReadingStatus,
  powerWatts: Batch['powerWatts'],
): Batch {
  return {
    uuid,
    length: 1,
    timeSeconds: Float64Array.of(instant(time)),
    status: Uint8Array.of(READING_STATUS.indexOf(status)),
    powerWatts,
  };
}
