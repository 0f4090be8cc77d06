// One GPU's readings between the worker's memory and a batch: rows in, columns out.

import {
  type Batch,
  type Gauges,
  type PowerField,
  READING_STATUS,
  type ReadingStatus,
} from '../model.ts';
import type { RingRow } from './nvml-shared.ts';

/** Readings of one GPU in time order, on their way into a batch; used again after it: garbage costs CPU too. */
export class Rows {
  readonly #times: number[] = [];
  readonly #status: number[] = [];
  readonly #instant: number[] = [];
  readonly #average: number[] = [];
  readonly #draw: number[] = [];
  readonly #counter: number[] = [];

  get length(): number {
    return this.#times.length;
  }

  add(row: Readonly<RingRow>, timeSeconds: number): void {
    this.#times.push(timeSeconds);
    this.#status.push(row.status);
    this.#instant.push(row.instantWatts);
    this.#average.push(row.averageWatts);
    this.#draw.push(row.drawWatts);
    this.#counter.push(row.counterJoules);
  }

  addFailure(timeSeconds: number, status: ReadingStatus): void {
    this.#times.push(timeSeconds);
    this.#status.push(READING_STATUS.indexOf(status));
    for (const column of [this.#instant, this.#average, this.#draw, this.#counter]) {
      column.push(Number.NaN);
    }
  }

  /** Takes the readings out: the columns that hold anything. */
  takeBatch(uuid: string, gauges: Gauges | undefined): Batch {
    const batch = this.#batch(uuid, gauges);
    this.#times.length = 0;
    this.#status.length = 0;
    this.#instant.length = 0;
    this.#average.length = 0;
    this.#draw.length = 0;
    this.#counter.length = 0;
    return batch;
  }

  #batch(uuid: string, gauges: Gauges | undefined): Batch {
    const powerWatts: Partial<Record<PowerField, Float64Array>> = {};
    const instant = columnOf(this.#instant);
    const average = columnOf(this.#average);
    const draw = columnOf(this.#draw);
    const counterJoules = columnOf(this.#counter);
    if (instant !== undefined) powerWatts.instant = instant;
    if (average !== undefined) powerWatts.average = average;
    if (draw !== undefined) powerWatts.draw = draw;
    return {
      uuid,
      length: this.#times.length,
      timeSeconds: new Float64Array(this.#times),
      status: new Uint8Array(this.#status),
      powerWatts,
      ...(counterJoules === undefined ? {} : { counterJoules }),
      ...(gauges === undefined ? {} : { gauges }),
    };
  }
}

const columnOf = (values: readonly number[]): Float64Array | undefined =>
  values.every(Number.isNaN) ? undefined : new Float64Array(values);
