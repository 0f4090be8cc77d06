// The border to libnvidia-ml.so.1 (LP64): the calls and structs of MEASUREMENT.md §5, bound by koffi. A symbol that the
// library lacks answers "function missing", so an old driver has fewer features and nothing crashes.
// Only the worker thread calls it: the driver takes 0.3–10 ms a call, and can hang.

import koffi, { type LibraryHandle } from 'koffi';

import { NVML } from './nvml-return.ts';
import { argumentsOf, NVML_SYMBOLS, type NvmlSymbol } from './nvml-symbols.ts';

/** A device handle: a pointer that only NVML understands. */
export type NvmlHandle = bigint;

/** What a call gave: a value, or NVML's return code. */
export type Answer<T> =
  | { readonly kind: 'value'; readonly value: T }
  | { readonly kind: 'failed'; readonly code: number };

/** Scopes of a power field (nvml.h, NVML_POWER_SCOPE_*). */
export const SCOPE = { gpu: 0, module: 1, memory: 2 } as const;

/** Field ids of nvmlDeviceGetFieldValues (nvml.h, NVML_FI_DEV_*). */
export const FIELD = {
  energyMillijoules: 83,
  averageMilliwatts: 185,
  instantMilliwatts: 186,
  defaultLimitMilliwatts: 189,
} as const;

/** A running compute process; instances are absent without MIG. */
export interface ComputeProcess {
  readonly pid: number;
  /** Absent where the driver does not say. */
  readonly usedBytes?: number;
  readonly gpuInstance?: number;
  readonly computeInstance?: number;
}

/** One process's use of the SMs since the last question, per cent. */
export interface ProcessUtilization {
  readonly pid: number;
  readonly timestampMicroseconds: bigint;
  readonly smPercent: number;
}

/** One entry of the driver's ring of power samples. */
export interface PowerSample {
  readonly timestampMicroseconds: bigint;
  readonly milliwatts: number;
}

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
}

const failed = (code: number): { kind: 'failed'; code: number } => ({ kind: 'failed', code });
const answer = <T>(code: number, value: () => T): Answer<T> =>
  code === NVML.success ? { kind: 'value', value: value() } : failed(code);

const FIELD_VALUE_BYTES = 40;
const FIELD_RETURN_OFFSET = 28;
const FIELD_TYPE_OFFSET = 24;
const FIELD_DATA_OFFSET = 32;

/** A list of fields asked for in one call, and the driver's answers to it. */
export class FieldRequest {
  readonly bytes: Uint8Array;
  readonly length: number;
  readonly #view: DataView;

  constructor(fields: readonly { readonly id: number; readonly scope: number }[]) {
    this.length = fields.length;
    this.bytes = new Uint8Array(FIELD_VALUE_BYTES * fields.length);
    this.#view = new DataView(this.bytes.buffer);
    fields.forEach(({ id, scope }, index) => {
      this.#view.setUint32(index * FIELD_VALUE_BYTES, id, true);
      this.#view.setUint32(index * FIELD_VALUE_BYTES + 4, scope, true);
    });
  }

  /** Marks every entry as unanswered: a driver that skips one must not leave the last answer standing. */
  reset(code: number = NVML.unknown): void {
    for (let index = 0; index < this.length; index++) {
      this.#view.setInt32(index * FIELD_VALUE_BYTES + FIELD_RETURN_OFFSET, code, true);
    }
  }

  code(index: number): number {
    return this.#view.getInt32(index * FIELD_VALUE_BYTES + FIELD_RETURN_OFFSET, true);
  }

  /** The entry's value by its own value type (nvmlValueType_t); NaN for a type we do not know. */
  value(index: number): number {
    const at = index * FIELD_VALUE_BYTES + FIELD_DATA_OFFSET;
    switch (this.#view.getInt32(index * FIELD_VALUE_BYTES + FIELD_TYPE_OFFSET, true)) {
      case 0:
        return this.#view.getFloat64(at, true);
      case 1:
        return this.#view.getUint32(at, true);
      case 2:
      case 3:
        return Number(this.#view.getBigUint64(at, true));
      case 4:
        return Number(this.#view.getBigInt64(at, true));
      case 5:
        return this.#view.getInt32(at, true);
      case 6:
        return this.#view.getUint16(at, true);
      default:
        return Number.NaN;
    }
  }
}

// nvmlProcessInfo_t: 24 bytes, but 32 in drivers 535.43–535.86 (MEASUREMENT.md §5): room for the longer.
const PROCESS_BYTES = 24;
const LONG_PROCESS_BYTES = 32;
const PROCESS_ROOM = 32;
const NO_INSTANCE = 0xff_ff_ff_ff;
const UNKNOWN_BYTES = 0xff_ff_ff_ff_ff_ff_ff_ffn;
const UTILIZATION_BYTES = 32;
const SAMPLE_BYTES = 16;
const SAMPLE_ROOM = 512;
const TEXT_BYTES = 128;
// NVML_STRUCT_VERSION(Temperature, 1): size 12, version 1.
const TEMPERATURE_VERSION = 0x0100_000c;

// PID_MAX_LIMIT of 64-bit Linux.
const MAX_PID = 4_194_304;

/**
 * The bytes between two process entries: in 24-byte entries the second pid stands at 24; in 32-byte ones that is the
 * first entry's protected memory, 0 outside confidential computing.
 */
function processStride(view: DataView, count: number): number {
  if (count < 2) return PROCESS_BYTES;
  const word = view.getUint32(PROCESS_BYTES, true);
  return word > 0 && word <= MAX_PID ? PROCESS_BYTES : LONG_PROCESS_BYTES;
}

function readProcesses(view: DataView, count: number): ComputeProcess[] {
  const stride = processStride(view, count);
  return Array.from({ length: count }, (_, index) => {
    const at = index * stride;
    const bytes = view.getBigUint64(at + 8, true);
    const gpuInstance = view.getUint32(at + 16, true);
    const computeInstance = view.getUint32(at + 20, true);
    return {
      pid: view.getUint32(at, true),
      ...(bytes === UNKNOWN_BYTES ? {} : { usedBytes: Number(bytes) }),
      ...(gpuInstance === NO_INSTANCE ? {} : { gpuInstance }),
      ...(computeInstance === NO_INSTANCE ? {} : { computeInstance }),
    };
  });
}

/** The library, loaded and bound. Its buffers are reused: one caller, one thread. */
export class NvmlLibrary {
  readonly path: string;
  readonly #library: LibraryHandle;
  readonly #watch: CallWatch;
  readonly #functions = new Map<NvmlSymbol, Bound>();
  #energy: Bound | undefined;
  #fields: Bound | undefined;
  readonly #words = new Uint32Array(8);
  readonly #longs = new BigUint64Array(4);
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

  /** As NVML writes it: `00000000:01:00.0`. */
  pciBusId(device: NvmlHandle): Answer<string> {
    const code = this.#call('nvmlDeviceGetPciInfo_v3', device, this.#text);
    return answer(code, () => textAt(this.#text, 36, 32));
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
    return answer(this.readEnergy(device), () => this.energyRead());
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

  /** The counter that `readEnergy` found, mJ. */
  energyRead(): number {
    return Number(this.#long(0));
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
    return answer(code, () => ({ total: Number(this.#long(0)), used: Number(this.#long(2)) }));
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

  /** The driver's ring of power samples newer than `lastSeen`; empty when there are none. */
  powerSamples(device: NvmlHandle, lastSeen: bigint): Answer<readonly PowerSample[]> {
    const bytes = new Uint8Array(SAMPLE_BYTES * SAMPLE_ROOM);
    const count = this.#words.subarray(1);
    count[0] = SAMPLE_ROOM;
    const given = [device, 0, lastSeen, this.#words, count, bytes];
    const code = this.#call('nvmlDeviceGetSamples', ...given);
    if (code === NVML.notFound) return { kind: 'value', value: [] };
    const view = new DataView(bytes.buffer);
    return answer(code, () =>
      Array.from({ length: this.#word(1) }, (_, index) => ({
        timestampMicroseconds: view.getBigUint64(index * SAMPLE_BYTES, true),
        milliwatts: view.getUint32(index * SAMPLE_BYTES + 8, true),
      })),
    );
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
    if (code === NVML.insufficientSize && count > room) {
      return this.computeProcesses(device, count * 2);
    }
    return answer(code, () => readProcesses(new DataView(bytes.buffer), Math.min(count, room)));
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
    if (code === NVML.insufficientSize && count > room) {
      return this.processUtilization(device, lastSeen, count * 2);
    }
    const view = new DataView(bytes.buffer);
    return answer(code, () =>
      Array.from({ length: Math.min(count, room) }, (_, index) => ({
        pid: view.getUint32(index * UTILIZATION_BYTES, true),
        timestampMicroseconds: view.getBigUint64(index * UTILIZATION_BYTES + 8, true),
        smPercent: view.getUint32(index * UTILIZATION_BYTES + 16, true),
      })),
    );
  }

  #word(index: number): number {
    return this.#words[index] ?? Number.NaN;
  }

  #long(index: number): bigint {
    return this.#longs[index] ?? 0n;
  }

  #number(symbol: NvmlSymbol, device: NvmlHandle): Answer<number> {
    const code = this.#call(symbol, device, this.#words);
    return answer(code, () => this.#word(0));
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
    let native: Native;
    try {
      native = this.#library.func(symbol, 'int32_t', argumentsOf(symbol));
    } catch {
      native = () => NVML.functionMissing;
    }
    const bound = { native, number: NVML_SYMBOLS.indexOf(symbol) };
    this.#functions.set(symbol, bound);
    return bound;
  }
}

function textAt(bytes: Uint8Array, start: number, length: number): string {
  const field = bytes.subarray(start, start + length);
  const end = field.indexOf(0);
  return Buffer.from(field.subarray(0, end < 0 ? length : end)).toString('utf8');
}
