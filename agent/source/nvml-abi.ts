// The border to libnvidia-ml.so.1 (LP64): the calls and structs of docs/measurement.md §5, bound by koffi. A symbol that the
// library lacks answers "function missing", so an old driver has fewer features and nothing crashes.
// Only the worker thread calls it: the driver takes 0.3–10 ms a call, and can hang.

import koffi, { type LibraryHandle } from 'koffi';

import { NVML } from './nvml-return.ts';
import {
  type ComputeProcess,
  type FieldRequest,
  knownLong,
  knownWord,
  LONG_PROCESS_BYTES,
  type PowerSample,
  type ProcessUtilization,
  readProcesses,
  readSamples,
  readUtilization,
  SAMPLE_BYTES,
  UTILIZATION_BYTES,
} from './nvml-structs.ts';
import { argumentsOf, NVML_SYMBOLS, type NvmlSymbol, OLDER_NAMES } from './nvml-symbols.ts';

/** A device handle: a pointer that only NVML understands. */
export type NvmlHandle = bigint;

/** What a call gave: a value, or NVML's return code. */
export type Answer<T> =
  | { readonly kind: 'value'; readonly value: T }
  | { readonly kind: 'failed'; readonly code: number };

/** The value, or undefined: for what may be absent. */
export const valueOf = <T>(given: Answer<T>): T | undefined =>
  given.kind === 'value' ? given.value : undefined;

/** Scopes of a power field (nvml.h, NVML_POWER_SCOPE_*). */
export const SCOPE = { gpu: 0, module: 1, memory: 2 } as const;

/** Field ids of nvmlDeviceGetFieldValues (nvml.h, NVML_FI_DEV_*). */
export const FIELD = {
  energyMillijoules: 83,
  averageMilliwatts: 185,
  instantMilliwatts: 186,
  defaultLimitMilliwatts: 189,
} as const;

/** An event of a registered device. */
export interface NvmlEvent {
  readonly device: NvmlHandle;
  /** Of an XID event: its number. */
  readonly data: number;
}

// XID errors, the only events that we register for (nvml.h, nvmlEventTypeXidCriticalError).
const XID_EVENT = 8n;

/** Told before and after every native call, so that the main thread can see one that does not return. */
export interface CallWatch {
  /** `number` is the call's place in NVML_SYMBOLS. */
  enter(number: number): void;
  leave(): void;
}

type Native = (...values: unknown[]) => number;

interface Bound {
  readonly native: Native;
  readonly number: number;
  /** The name that the library has it under: its own, an older one, or none. */
  readonly name: string | undefined;
}

const failed = (code: number): { kind: 'failed'; code: number } => ({ kind: 'failed', code });
const answer = <T>(code: number, value: () => T): Answer<T> =>
  code === NVML.success ? { kind: 'value', value: value() } : failed(code);

/** A success without a value is no data. */
const present = (given: Answer<number>): Answer<number> =>
  given.kind === 'value' && Number.isNaN(given.value) ? failed(NVML.noData) : given;

const PROCESS_ROOM = 32;
const SHORT_PROCESS_CALL = 'nvmlDeviceGetComputeRunningProcesses';
// A ring of 10 s at 10 ms; one that is longer is asked for again.
const SAMPLE_ROOM = 1024;
// No answer of the driver's is longer; a count beyond it is garbage, and not made room for.
const MOST_ENTRIES = 65_536;
const TEXT_BYTES = 128;
// nvmlPciInfo_t: the address in 16 bytes stands first, the whole one last, and only in its newest form.
const PCI_ADDRESS = { offset: 36, length: 32 };
const OLD_PCI_ADDRESS = { offset: 0, length: 16 };
// NVML_STRUCT_VERSION(Memory, 2): size 40, version 2.
const MEMORY_VERSION = 0x0200_0028n;
// NVML_STRUCT_VERSION(Temperature, 1): size 12, version 1.
const TEMPERATURE_VERSION = 0x0100_000c;

/** The library, loaded and bound. Its buffers are reused: one caller, one thread. */
export class NvmlLibrary {
  readonly path: string;
  readonly #library: LibraryHandle;
  readonly #watch: CallWatch;
  readonly #functions = new Map<NvmlSymbol, Bound>();
  #energy: Bound | undefined;
  #fields: Bound | undefined;
  readonly #words = new Uint32Array(8);
  readonly #longs = new BigUint64Array(5);
  #sampleBytes = new Uint8Array(SAMPLE_BYTES * SAMPLE_ROOM);
  readonly #text = new Uint8Array(TEXT_BYTES);

  /** @throws when no library can be loaded from `path` (a soname is looked up as the loader does). */
  constructor(path: string, watch: CallWatch) {
    this.path = path;
    this.#library = koffi.load(path);
    this.#watch = watch;
  }

  init(): number {
    return this.#call('nvmlInit_v2');
  }

  shutdown(): number {
    return this.#call('nvmlShutdown');
  }

  driverVersion(): Answer<string> {
    return this.#string('nvmlSystemGetDriverVersion');
  }

  deviceCount(): Answer<number> {
    const code = this.#call('nvmlDeviceGetCount_v2', this.#words);
    return answer(code, () => this.#word(0));
  }

  handleByIndex(index: number): Answer<NvmlHandle> {
    const code = this.#call('nvmlDeviceGetHandleByIndex_v2', index, this.#longs);
    return answer(code, () => this.#long(0));
  }

  uuid(device: NvmlHandle): Answer<string> {
    return this.#string('nvmlDeviceGetUUID', device);
  }

  name(device: NvmlHandle): Answer<string> {
    return this.#string('nvmlDeviceGetName', device);
  }

  /** As NVML writes it: `00000000:01:00.0`; older drivers have four digits of domain. */
  pciBusId(device: NvmlHandle): Answer<string> {
    const code = this.#call('nvmlDeviceGetPciInfo_v3', device, this.#text);
    const isNew = this.#nameOf('nvmlDeviceGetPciInfo_v3') === 'nvmlDeviceGetPciInfo_v3';
    const { offset, length } = isNew ? PCI_ADDRESS : OLD_PCI_ADDRESS;
    return answer(code, () => textAt(this.#text, offset, length));
  }

  architecture(device: NvmlHandle): Answer<number> {
    return this.#number('nvmlDeviceGetArchitecture', device);
  }

  /** Whether the driver stays initialised without clients. */
  persistenceMode(device: NvmlHandle): Answer<number> {
    return this.#number('nvmlDeviceGetPersistenceMode', device);
  }

  powerMilliwatts(device: NvmlHandle): Answer<number> {
    return this.#number('nvmlDeviceGetPowerUsage', device);
  }

  /** Since the driver was loaded; beyond 2⁵³ mJ (285 years at 1 kW) it would lose its last digits. */
  energyMillijoules(device: NvmlHandle): Answer<number> {
    return present(answer(this.readEnergy(device), () => this.energyRead()));
  }

  // The next three are called for every GPU at every tick: they make no garbage.

  /** Asks for the counter; returns the code. Its value stands in `energyRead` until the next call. */
  readEnergy(device: NvmlHandle): number {
    const bound = (this.#energy ??= this.#bind('nvmlDeviceGetTotalEnergyConsumption'));
    this.#watch.enter(bound.number);
    try {
      return bound.native(device, this.#longs);
    } finally {
      this.#watch.leave();
    }
  }

  /** The counter that `readEnergy` found, mJ; NaN where it succeeded without one. */
  energyRead(): number {
    return knownLong(this.#long(0));
  }

  /** Fills `request`; each entry carries its own code, which is the call's own where the call failed. */
  fieldValues(device: NvmlHandle, request: FieldRequest): number {
    request.reset();
    const bound = (this.#fields ??= this.#bind('nvmlDeviceGetFieldValues'));
    this.#watch.enter(bound.number);
    try {
      const code = bound.native(device, request.length, request.bytes);
      if (code !== NVML.success) request.reset(code);
      return code;
    } finally {
      this.#watch.leave();
    }
  }

  enforcedLimitMilliwatts(device: NvmlHandle): Answer<number> {
    return this.#number('nvmlDeviceGetEnforcedPowerLimit', device);
  }

  defaultLimitMilliwatts(device: NvmlHandle): Answer<number> {
    return this.#number('nvmlDeviceGetPowerManagementDefaultLimit', device);
  }

  /** Share of the last sample period in which a kernel ran, per cent. */
  utilizationPercent(device: NvmlHandle): Answer<number> {
    return this.#number('nvmlDeviceGetUtilizationRates', device);
  }

  memoryBytes(device: NvmlHandle): Answer<{ readonly total: number; readonly used: number }> {
    const code = this.#call('nvmlDeviceGetMemoryInfo', device, this.#longs);
    if (code === NVML.functionMissing) return this.#memoryVersionedBytes(device);
    return answer(code, () => ({ total: Number(this.#long(0)), used: Number(this.#long(2)) }));
  }

  #memoryVersionedBytes(
    device: NvmlHandle,
  ): Answer<{ readonly total: number; readonly used: number }> {
    this.#longs[0] = MEMORY_VERSION;
    const code = this.#call('nvmlDeviceGetMemoryInfo_v2', device, this.#longs);
    return answer(code, () => ({ total: Number(this.#long(1)), used: Number(this.#long(4)) }));
  }

  temperatureCelsius(device: NvmlHandle): Answer<number> {
    const code = this.#call('nvmlDeviceGetTemperature', device, 0, this.#words);
    return answer(code, () => this.#word(0));
  }

  /** The successor of nvmlDeviceGetTemperature, which CUDA 13 deprecates. */
  temperatureVersionedCelsius(device: NvmlHandle): Answer<number> {
    this.#words.set([TEMPERATURE_VERSION, 0, 0]);
    const code = this.#call('nvmlDeviceGetTemperatureV', device, this.#words);
    return answer(code, () => this.#word(2) | 0);
  }

  smClockMegahertz(device: NvmlHandle): Answer<number> {
    const code = this.#call('nvmlDeviceGetClockInfo', device, 1, this.#words);
    return answer(code, () => this.#word(0));
  }

  /** 1 when the GPU is split into MIG instances, which share its power. */
  migMode(device: NvmlHandle): Answer<number> {
    const pending = this.#words.subarray(1);
    const code = this.#call('nvmlDeviceGetMigMode', device, this.#words, pending);
    return answer(code, () => this.#word(0));
  }

  /** The driver's ring of power samples newer than `lastSeen`, oldest first; empty when there are none. */
  powerSamples(device: NvmlHandle, lastSeen: bigint): Answer<readonly PowerSample[]> {
    const room = this.#sampleBytes.length / SAMPLE_BYTES;
    const code = this.#askSamples(device, lastSeen, room, this.#sampleBytes);
    const count = this.#word(1);
    if (code === NVML.notFound) return { kind: 'value', value: [] };
    // A full answer may have been cut short: without a place to write to, the call says how many there are.
    const isShort = code === NVML.insufficientSize || (code === NVML.success && count >= room);
    if (isShort && this.#askSamples(device, lastSeen, 0, null) === NVML.success) {
      const needed = this.#word(1);
      if (needed > room && needed <= MOST_ENTRIES) {
        this.#sampleBytes = new Uint8Array(SAMPLE_BYTES * 2 * needed);
        return this.powerSamples(device, lastSeen);
      }
    }
    return answer(code, () =>
      readSamples(this.#sampleBytes, Math.min(count, room), this.#word(0), lastSeen),
    );
  }

  #askSamples(
    device: NvmlHandle,
    lastSeen: bigint,
    room: number,
    bytes: Uint8Array | null,
  ): number {
    const count = this.#words.subarray(1);
    count[0] = room;
    const given = [device, 0, lastSeen, this.#words, count, bytes];
    return this.#call('nvmlDeviceGetSamples', ...given);
  }

  computeProcesses(
    device: NvmlHandle,
    room: number = PROCESS_ROOM,
  ): Answer<readonly ComputeProcess[]> {
    const bytes = new Uint8Array(LONG_PROCESS_BYTES * room);
    this.#words[0] = room;
    const code = this.#call('nvmlDeviceGetComputeRunningProcesses_v3', device, this.#words, bytes);
    const count = this.#word(0);
    // More processes than we had room for, or more have come since: ask again with twice what it names.
    if (code === NVML.insufficientSize && count > room && count <= MOST_ENTRIES) {
      return this.computeProcesses(device, count * 2);
    }
    const isShort = this.#nameOf('nvmlDeviceGetComputeRunningProcesses_v3') === SHORT_PROCESS_CALL;
    return answer(code, () => readProcesses(bytes, Math.min(count, room), isShort));
  }

  /** SM use per process since `lastSeen` (µs since 1970); empty when no process used the GPU. */
  processUtilization(
    device: NvmlHandle,
    lastSeen: bigint,
    room: number = PROCESS_ROOM,
  ): Answer<readonly ProcessUtilization[]> {
    const bytes = new Uint8Array(UTILIZATION_BYTES * room);
    this.#words[0] = room;
    const code = this.#call(
      'nvmlDeviceGetProcessUtilization',
      device,
      bytes,
      this.#words,
      lastSeen,
    );
    const count = this.#word(0);
    if (code === NVML.notFound) return { kind: 'value', value: [] };
    if (code === NVML.insufficientSize && count > room && count <= MOST_ENTRIES) {
      return this.processUtilization(device, lastSeen, count * 2);
    }
    return answer(code, () => readUtilization(bytes, Math.min(count, room)));
  }

  /** Places for MIG instances; not all of them need to be taken. */
  migDevicePlaces(device: NvmlHandle): Answer<number> {
    return this.#number('nvmlDeviceGetMaxMigDeviceCount', device);
  }

  migDeviceByIndex(device: NvmlHandle, index: number): Answer<NvmlHandle> {
    const code = this.#call('nvmlDeviceGetMigDeviceHandleByIndex', device, index, this.#longs);
    return answer(code, () => this.#long(0));
  }

  createEventSet(): Answer<bigint> {
    return answer(this.#call('nvmlEventSetCreate', this.#longs), () => this.#long(0));
  }

  freeEventSet(events: bigint): number {
    return this.#call('nvmlEventSetFree', events);
  }

  registerXidEvents(device: NvmlHandle, events: bigint): number {
    return this.#call('nvmlDeviceRegisterEvents', device, XID_EVENT, events);
  }

  /** The next event, if one has come: never waits. A failure `timeout` says that there is none. */
  nextEvent(events: bigint): Answer<NvmlEvent> {
    const code = this.#call('nvmlEventSetWait_v2', events, this.#longs, 0);
    return answer(code, () => ({ device: this.#long(0), data: Number(this.#long(2)) }));
  }

  #word(index: number): number {
    return this.#words[index] ?? Number.NaN;
  }

  #nameOf(symbol: NvmlSymbol): string | undefined {
    return this.#functions.get(symbol)?.name;
  }

  #long(index: number): bigint {
    return this.#longs[index] ?? 0n;
  }

  #number(symbol: NvmlSymbol, device: NvmlHandle): Answer<number> {
    const code = this.#call(symbol, device, this.#words);
    return present(answer(code, () => knownWord(this.#word(0))));
  }

  #string(symbol: NvmlSymbol, ...leading: readonly unknown[]): Answer<string> {
    const code = this.#call(symbol, ...leading, this.#text, TEXT_BYTES);
    return answer(code, () => textAt(this.#text, 0, TEXT_BYTES));
  }

  #call(symbol: NvmlSymbol, ...values: unknown[]): number {
    const bound = this.#functions.get(symbol) ?? this.#bind(symbol);
    this.#watch.enter(bound.number);
    try {
      return bound.native(...values);
    } finally {
      this.#watch.leave();
    }
  }

  #bind(symbol: NvmlSymbol): Bound {
    const number = NVML_SYMBOLS.indexOf(symbol);
    const names = [symbol, ...(OLDER_NAMES[symbol] ?? [])];
    const bound = names.map((name) => this.#find(name, symbol)).find((one) => one !== undefined);
    const found: Bound = {
      number,
      native: bound?.native ?? (() => NVML.functionMissing),
      name: bound?.name,
    };
    this.#functions.set(symbol, found);
    return found;
  }

  #find(
    name: string,
    symbol: NvmlSymbol,
  ): { readonly name: string; readonly native: Native } | undefined {
    try {
      return { name, native: this.#library.func(name, 'int32_t', argumentsOf(symbol)) };
    } catch {
      return undefined;
    }
  }
}

function textAt(bytes: Uint8Array, start: number, length: number): string {
  const field = bytes.subarray(start, start + length);
  const end = field.indexOf(0);
  return Buffer.from(field.subarray(0, end < 0 ? length : end)).toString('utf8');
}
