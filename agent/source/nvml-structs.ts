// The structs of libnvidia-ml.so.1 (LP64; docs/measurement.md §5), read out of the bytes that its calls fill.

import { NVML } from './nvml-return.ts';

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
  /** NaN where the driver kept no value. */
  readonly milliwatts: number;
}

const FIELD_VALUE_BYTES = 40;
const FIELD_RETURN_OFFSET = 28;
const FIELD_TYPE_OFFSET = 24;
const FIELD_DATA_OFFSET = 32;

// NVML_VALUE_NOT_AVAILABLE (nvml.h): a call may succeed and say no more than that.
const NOT_AVAILABLE = 0xff_ff_ff_ff;
const LONG_NOT_AVAILABLE = 0xff_ff_ff_ff_ff_ff_ff_ffn;

/** An nvmlValue_t of nvmlValueType_t `type`; NaN for a type that we do not know, and where there is no value. */
function valueAt(view: DataView, at: number, type: number): number {
  switch (type) {
    case 0:
      return view.getFloat64(at, true);
    case 1:
      return knownWord(view.getUint32(at, true));
    case 2:
    case 3:
      return knownLong(view.getBigUint64(at, true));
    case 4:
      return Number(view.getBigInt64(at, true));
    case 5:
      return view.getInt32(at, true);
    case 6:
      return view.getUint16(at, true);
    default:
      return Number.NaN;
  }
}

/** The value of a word, or NaN. */
export const knownWord = (value: number): number => (value === NOT_AVAILABLE ? Number.NaN : value);
/** The value of a long word, or NaN. */
export const knownLong = (value: bigint): number =>
  value === LONG_NOT_AVAILABLE ? Number.NaN : Number(value);

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

  /** Marks every entry as unanswered: a driver that skips one it does not know must not leave the last answer standing. */
  reset(code: number = NVML.notSupported): void {
    for (let index = 0; index < this.length; index++) {
      this.#view.setInt32(index * FIELD_VALUE_BYTES + FIELD_RETURN_OFFSET, code, true);
    }
  }

  code(index: number): number {
    return this.#view.getInt32(index * FIELD_VALUE_BYTES + FIELD_RETURN_OFFSET, true);
  }

  /** The entry's value by its own value type; NaN for a type we do not know, and where there is no value. */
  value(index: number): number {
    const at = index * FIELD_VALUE_BYTES;
    const type = this.#view.getInt32(at + FIELD_TYPE_OFFSET, true);
    return valueAt(this.#view, at + FIELD_DATA_OFFSET, type);
  }
}

// nvmlProcessInfo_t: 24 bytes, but 32 in drivers 535.43–535.86 (docs/measurement.md §5): room for the longer. The first of
// its calls, of drivers before 450, knew no MIG: 16 bytes.
const PROCESS_BYTES = 24;
const SHORT_PROCESS_BYTES = 16;
/** Room for one process in any of its forms. */
export const LONG_PROCESS_BYTES = 32;
/** nvmlProcessUtilizationSample_t. */
export const UTILIZATION_BYTES = 32;
/** nvmlSample_t. */
export const SAMPLE_BYTES = 16;

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

/** The processes in an answer of `count`; `isShort`: in the entries of the call that knew no MIG. */
export function readProcesses(
  bytes: Uint8Array,
  count: number,
  isShort: boolean,
): ComputeProcess[] {
  const view = new DataView(bytes.buffer);
  const stride = isShort ? SHORT_PROCESS_BYTES : processStride(view, count);
  return Array.from({ length: count }, (_, index) => {
    const at = index * stride;
    const bytes = view.getBigUint64(at + 8, true);
    const process = {
      pid: view.getUint32(at, true),
      ...(bytes === LONG_NOT_AVAILABLE ? {} : { usedBytes: Number(bytes) }),
    };
    if (isShort) return process;
    const gpuInstance = view.getUint32(at + 16, true);
    const computeInstance = view.getUint32(at + 20, true);
    return {
      ...process,
      ...(gpuInstance === NOT_AVAILABLE ? {} : { gpuInstance }),
      ...(computeInstance === NOT_AVAILABLE ? {} : { computeInstance }),
    };
  });
}

/** The use of the SMs in an answer of `count`. */
export function readUtilization(bytes: Uint8Array, count: number): ProcessUtilization[] {
  const view = new DataView(bytes.buffer);
  return Array.from({ length: count }, (_, index) => ({
    pid: view.getUint32(index * UTILIZATION_BYTES, true),
    timestampMicroseconds: view.getBigUint64(index * UTILIZATION_BYTES + 8, true),
    smPercent: view.getUint32(index * UTILIZATION_BYTES + 16, true),
  }));
}

/** The samples stamped after `lastSeen` in an answer of `count` whose values are of `type`, as the driver orders them. */
export function readSamples(
  bytes: Uint8Array,
  count: number,
  type: number,
  lastSeen: bigint,
): PowerSample[] {
  const view = new DataView(bytes.buffer);
  const samples: PowerSample[] = [];
  for (let index = 0; index < count; index++) {
    const timestampMicroseconds = view.getBigUint64(index * SAMPLE_BYTES, true);
    // A place that was never written bears no time.
    if (timestampMicroseconds <= lastSeen) continue;
    const milliwatts = valueAt(view, index * SAMPLE_BYTES + 8, type);
    samples.push({ timestampMicroseconds, milliwatts });
  }
  return samples;
}
