// One reading of one GPU, as the worker takes it: at most two native calls, the time taken between them.

import { READING_STATUS, type ReadingStatus } from '../model.ts';
import { fromMegahertz, fromMillijoules, fromMilliwatts, fromPercent } from '../units.ts';
import {
  type Answer,
  FIELD,
  type NvmlHandle,
  type NvmlLibrary,
  SCOPE,
  valueOf,
} from './nvml-abi.ts';
import { isPlausiblePower } from './log/cell.ts';
import type { ReadPlan } from './nvml-probe.ts';
import { isPermanent, NVML, statusOf } from './nvml-return.ts';
import { type PushRow, registerReader, RingReader } from './nvml-ring.ts';
import { failedRow, monotonicSeconds, type RingRow, STALE_READ_SECONDS } from './nvml-shared.ts';
import { FieldRequest } from './nvml-structs.ts';

const OK: number = READING_STATUS.indexOf('ok');

/** Reads one GPU by its plan; keeps the driver's buffers between readings. */
export class DeviceReader {
  readonly #row: RingRow;
  readonly #library: NvmlLibrary;
  readonly #handle: NvmlHandle;
  readonly #plan: ReadPlan;
  #ring: RingReader | undefined;
  readonly #request: FieldRequest | undefined;
  readonly #positions: {
    readonly instant: number;
    readonly average: number;
    readonly energy: number;
  };
  readonly #unsupportedGauges = new Set<string>();
  #temperatureVersioned = false;
  #sound = false;
  #implausible = false;
  #failure: number = NVML.success;

  constructor(library: NvmlLibrary, handle: NvmlHandle, plan: ReadPlan, slot: number) {
    this.#row = failedRow(slot, 'no-data');
    this.#library = library;
    this.#handle = handle;
    this.#plan = plan;
    if (plan.ring !== undefined) {
      const { field } = plan.ring;
      const register = plan[field] ? registerReader(library, handle, field) : undefined;
      this.#ring = new RingReader(library, slot, plan.ring, register);
    }
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

  /** Whether it tells what happened between two readings, too. */
  get readsRing(): boolean {
    return this.#ring !== undefined;
  }

  /** Whether a ring was read and is given up: registers are read instead. */
  get hasLostRing(): boolean {
    return this.#plan.ring !== undefined && this.#ring === undefined;
  }

  /** Pushes what there is to tell since the last time. Returns 0, or the code of a failure of everything asked. */
  read(push: PushRow): number {
    const code = this.#ring === undefined ? this.#readRegisters() : this.#readRing(push);
    if (this.#ring === undefined || code !== NVML.success) push(this.#row);
    if (this.#ring?.isLost === true) this.#ring = undefined;
    return code;
  }

  get #hasRegister(): boolean {
    return this.#plan.instant || this.#plan.average || this.#plan.draw;
  }

  #readRing(push: PushRow): number {
    const code = this.#ring?.take(this.#handle, push) ?? NVML.notSupported;
    if (code === NVML.success) return code;
    if (isPermanent(code) && this.#hasRegister) {
      this.#ring = undefined;
      return this.#readRegisters();
    }
    this.#fail(statusOf(code), code);
    this.#ring?.skipTo(this.#row.monotonicSeconds);
    return code;
  }

  /** Takes a reading into the row. Fails with the first failure's code: one register that answers is a reading. */
  #readRegisters(): number {
    this.#sound = false;
    this.#implausible = false;
    this.#failure = NVML.success;
    const started = monotonicSeconds();
    if (this.#request !== undefined) this.#library.fieldValues(this.#handle, this.#request);
    const draw = this.#plan.draw ? this.#library.powerMilliwatts(this.#handle) : undefined;
    const hasCounterCall = this.#plan.counter === 'call';
    const between = monotonicSeconds();
    const counterCode = hasCounterCall ? this.#library.readEnergy(this.#handle) : NVML.success;
    const ended = hasCounterCall ? monotonicSeconds() : between;

    const row = this.#row;
    // With two calls, the moment between them is the nearest to both; with one, its middle.
    row.monotonicSeconds = hasCounterCall ? between : (started + ended) / 2;
    row.instantWatts = this.#power(this.#field(this.#positions.instant));
    row.averageWatts = this.#power(this.#field(this.#positions.average));
    row.drawWatts = this.#power(draw === undefined ? Number.NaN : this.#answered(draw));
    row.counterJoules = this.#energy(
      hasCounterCall && this.#answers(counterCode)
        ? this.#library.energyRead()
        : this.#field(this.#positions.energy),
    );
    if (!this.#sound) {
      const code = this.#failure === NVML.success ? NVML.noData : this.#failure;
      return this.#fail(this.#implausible ? 'implausible' : statusOf(code), code);
    }
    if (ended - started > STALE_READ_SECONDS) return this.#fail('timeout', NVML.success);
    row.status = OK;
    return NVML.success;
  }

  /** Reads the slow values in the order of GAUGES; NaN where there is none. */
  gauges(): number[] {
    const handle = this.#handle;
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
    if (answer.kind === 'failed') this.#answers(answer.code);
    return answer.kind === 'value' ? answer.value : Number.NaN;
  }

  #answers(code: number): boolean {
    if (code !== NVML.success && this.#failure === NVML.success) this.#failure = code;
    return code === NVML.success;
  }

  /** A power that a board can have makes the reading a good one. */
  #power(milliwatts: number): number {
    const power = fromMilliwatts(milliwatts);
    if (Number.isNaN(power)) return power;
    const isPlausible = isPlausiblePower(power);
    if (isPlausible) this.#sound = true;
    else this.#implausible = true;
    return isPlausible ? power : Number.NaN;
  }

  #energy(millijoules: number): number {
    if (!Number.isNaN(millijoules)) this.#sound = true;
    return fromMillijoules(millijoules);
  }

  #fail(status: ReadingStatus, code: number): number {
    Object.assign(this.#row, failedRow(this.#row.slot, status));
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
