// One reading of one GPU, as the worker takes it: at most two native calls, the time taken between them.

import { READING_STATUS, type ReadingStatus } from '../model.ts';
import { fromMegahertz, fromMillijoules, fromMilliwatts, fromPercent } from '../units.ts';
import {
  FIELD,
  FieldRequest,
  SCOPE,
  type Answer,
  type NvmlHandle,
  type NvmlLibrary,
} from './nvml-abi.ts';
import { type ReadPlan, valueOf } from './nvml-probe.ts';
import { isPermanent, NVML, statusOf } from './nvml-return.ts';
import { monotonicSeconds, type RingRow, STALE_READ_SECONDS } from './nvml-shared.ts';

/** The number of a status in a batch's column. */
const statusCode = (status: ReadingStatus): number => READING_STATUS.indexOf(status);

const OK = statusCode('ok');

/** A row without a value. */
export function failedRow(slot: number, status: ReadingStatus): RingRow {
  return {
    slot,
    monotonicSeconds: monotonicSeconds(),
    status: statusCode(status),
    instantWatts: Number.NaN,
    averageWatts: Number.NaN,
    drawWatts: Number.NaN,
    counterJoules: Number.NaN,
    durationSeconds: Number.NaN,
  };
}

/** Reads one GPU by its plan; keeps the driver's buffers between readings. */
export class DeviceReader {
  /** The newest reading. */
  readonly row: RingRow;
  readonly #library: NvmlLibrary;
  readonly #plan: ReadPlan;
  readonly #request: FieldRequest | undefined;
  readonly #positions: {
    readonly instant: number;
    readonly average: number;
    readonly energy: number;
  };
  readonly #unsupportedGauges = new Set<string>();
  #temperatureVersioned = false;
  #sound = false;
  #failure: number = NVML.success;

  constructor(library: NvmlLibrary, plan: ReadPlan, slot: number) {
    this.row = failedRow(slot, 'no-data');
    this.#library = library;
    this.#plan = plan;
    const ids = [
      ...(plan.instant ? [FIELD.instantMilliwatts] : []),
      ...(plan.average ? [FIELD.averageMilliwatts] : []),
      ...(plan.counter === 'field' ? [FIELD.energyMillijoules] : []),
    ];
    this.#positions = {
      instant: ids.indexOf(FIELD.instantMilliwatts),
      average: ids.indexOf(FIELD.averageMilliwatts),
      energy: ids.indexOf(FIELD.energyMillijoules),
    };
    const fields = ids.map((id) => ({ id, scope: SCOPE.gpu }));
    this.#request = fields.length === 0 ? undefined : new FieldRequest(fields);
  }

  /**
   * Takes a reading into `row`, which is used again by the next. Returns 0, or the first failure's code where nothing
   * could be read: one register that answers is a reading.
   */
  read(handle: NvmlHandle): number {
    this.#sound = false;
    this.#failure = NVML.success;
    const started = monotonicSeconds();
    if (this.#request !== undefined) this.#library.fieldValues(handle, this.#request);
    const draw = this.#plan.draw ? this.#library.powerMilliwatts(handle) : undefined;
    const hasCounterCall = this.#plan.counter === 'call';
    const between = monotonicSeconds();
    const counterCode = hasCounterCall ? this.#library.readEnergy(handle) : NVML.success;
    const ended = hasCounterCall ? monotonicSeconds() : between;

    const { row } = this;
    // With two calls, the moment between them is the nearest to both; with one, its middle.
    row.monotonicSeconds = hasCounterCall ? between : (started + ended) / 2;
    row.instantWatts = fromMilliwatts(this.#field(this.#positions.instant));
    row.averageWatts = fromMilliwatts(this.#field(this.#positions.average));
    row.drawWatts = fromMilliwatts(draw === undefined ? Number.NaN : this.#answered(draw));
    row.counterJoules = fromMillijoules(
      hasCounterCall && this.#answers(counterCode)
        ? this.#library.energyRead()
        : this.#field(this.#positions.energy),
    );
    if (!this.#sound) {
      const code = this.#failure === NVML.success ? NVML.notSupported : this.#failure;
      return this.#fail(statusOf(code), code);
    }
    if (ended - started > STALE_READ_SECONDS) return this.#fail('timeout', NVML.success);
    row.status = OK;
    return NVML.success;
  }

  /** Reads the slow values in the order of GAUGES; NaN where there is none. */
  gauges(handle: NvmlHandle): number[] {
    const utilization = this.#gauge('utilization', () => this.#library.utilizationPercent(handle));
    const memory = this.#gauge('memory', () => this.#library.memoryBytes(handle));
    const temperature = this.#gauge('temperature', () => this.#temperature(handle));
    const clock = this.#gauge('clock', () => this.#library.smClockMegahertz(handle));
    const limit = this.#gauge('limit', () => this.#library.enforcedLimitMilliwatts(handle));
    return [
      fromPercent(utilization ?? Number.NaN),
      memory?.used ?? Number.NaN,
      memory?.total ?? Number.NaN,
      temperature ?? Number.NaN,
      fromMegahertz(clock ?? Number.NaN),
      fromMilliwatts(limit ?? Number.NaN),
    ];
  }

  /** The field's value; NaN where it was not asked for or has failed. */
  #field(position: number): number {
    if (position < 0 || this.#request === undefined) return Number.NaN;
    return this.#answers(this.#request.code(position)) ? this.#request.value(position) : Number.NaN;
  }

  #answered(answer: Answer<number>): number {
    if (answer.kind === 'value') this.#sound = true;
    else this.#answers(answer.code);
    return answer.kind === 'value' ? answer.value : Number.NaN;
  }

  #answers(code: number): boolean {
    if (code === NVML.success) this.#sound = true;
    else if (this.#failure === NVML.success) this.#failure = code;
    return code === NVML.success;
  }

  #fail(status: ReadingStatus, code: number): number {
    Object.assign(this.row, failedRow(this.row.slot, status));
    return code;
  }

  #temperature(handle: NvmlHandle): Answer<number> {
    if (!this.#temperatureVersioned) {
      const answer = this.#library.temperatureCelsius(handle);
      if (answer.kind === 'value' || !isPermanent(answer.code)) return answer;
      this.#temperatureVersioned = true;
    }
    return this.#library.temperatureVersionedCelsius(handle);
  }

  #gauge<T>(name: string, ask: () => Answer<T>): T | undefined {
    if (this.#unsupportedGauges.has(name)) return undefined;
    const answer = ask();
    if (answer.kind === 'failed' && isPermanent(answer.code)) this.#unsupportedGauges.add(name);
    return valueOf(answer);
  }
}
