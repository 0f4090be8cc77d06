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
import { monotonicSeconds, type RingRow } from './nvml-shared.ts';

/**
 * A reading that took longer than this came out of a driver that hung: nobody knows when in between its value was true.
 * The main thread relies on it too: a reading not in the ring by then will not come with an older time.
 */
export const STALE_READ_SECONDS = 0.5;

/** The number of a status in a batch's column. */
export const statusCode = (status: ReadingStatus): number => READING_STATUS.indexOf(status);

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

  constructor(library: NvmlLibrary, plan: ReadPlan) {
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

  /** Takes a reading; `code` is the first failure's where nothing could be read, else 0. */
  read(handle: NvmlHandle, slot: number): { readonly row: RingRow; readonly code: number } {
    const started = monotonicSeconds();
    if (this.#request !== undefined) this.#library.fieldValues(handle, this.#request);
    const draw = this.#plan.draw ? this.#library.powerMilliwatts(handle) : undefined;
    const between = monotonicSeconds();
    const counter =
      this.#plan.counter === 'call' ? this.#library.energyMillijoules(handle) : undefined;
    const ended = counter === undefined ? between : monotonicSeconds();

    const instant = this.#field(this.#positions.instant);
    const average = this.#field(this.#positions.average);
    const energy = counter ?? this.#field(this.#positions.energy);
    const answers = [instant, average, draw, energy];
    const code = failureOf(answers);
    if (code !== NVML.success) return { row: failedRow(slot, statusOf(code)), code };
    if (ended - started > STALE_READ_SECONDS) return { row: failedRow(slot, 'timeout'), code };
    return {
      code,
      row: {
        slot,
        // With two calls, the moment between them is the nearest to both; with one, its middle.
        monotonicSeconds: counter === undefined ? (started + ended) / 2 : between,
        status: statusCode('ok'),
        instantWatts: fromMilliwatts(numberOf(instant)),
        averageWatts: fromMilliwatts(numberOf(average)),
        drawWatts: fromMilliwatts(numberOf(draw)),
        counterJoules: fromMillijoules(numberOf(energy)),
        durationSeconds: Number.NaN,
      },
    };
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

  #field(position: number): Answer<number> | undefined {
    if (position < 0 || this.#request === undefined) return undefined;
    const code = this.#request.code(position);
    return code === NVML.success
      ? { kind: 'value', value: this.#request.value(position) }
      : { kind: 'failed', code };
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

const numberOf = (answer: Answer<number> | undefined): number =>
  answer?.kind === 'value' ? answer.value : Number.NaN;

// One register that answers is a reading; only when none does is the reading a failure, with the first reason.
function failureOf(answers: readonly (Answer<number> | undefined)[]): number {
  let code: number = NVML.notSupported;
  let found = false;
  for (const answer of answers) {
    if (answer === undefined) continue;
    if (answer.kind === 'value') return NVML.success;
    if (!found) code = answer.code;
    found = true;
  }
  return code;
}
