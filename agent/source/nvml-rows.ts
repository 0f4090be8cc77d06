// One GPU's readings between the worker's memory and a batch: rows in, columns out.

import {
  type Batch,
  type Gauges,
  type PowerField,
  READING_STATUS,
  type ReadingStatus,
} from '../model.ts';
import type { RingRow } from './nvml-shared.ts';

const FIRST_CAPACITY = 8;

/** A column that grows and is used again: garbage, ten times a second, costs more CPU than the readings do. */
class Column {
  #values = new Float64Array(FIRST_CAPACITY);

  set(index: number, value: number): void {
    if (index >= this.#values.length) {
      const longer = new Float64Array(2 * index);
      longer.set(this.#values);
      this.#values = longer;
    }
    this.#values[index] = value;
  }

  /** The first `length` values. */
  take(length: number): Float64Array {
    return this.#values.slice(0, length);
  }

  /** The first `length` values, if any of them is a number. */
  takeIfAny(length: number): Float64Array | undefined {
    for (let index = 0; index < length; index++) {
      if (!Number.isNaN(this.#values[index])) return this.take(length);
    }
    return undefined;
  }
}

/** Readings of one GPU in time order, on their way into a batch. */
export class Rows {
  readonly #times = new Column();
  readonly #status = new Column();
  readonly #instant = new Column();
  readonly #average = new Column();
  readonly #draw = new Column();
  readonly #counter = new Column();
  #length = 0;

  get length(): number {
    return this.#length;
  }

  add(row: Readonly<RingRow>, timeSeconds: number): void {
    const index = this.#length++;
    this.#times.set(index, timeSeconds);
    this.#status.set(index, row.status);
    this.#instant.set(index, row.instantWatts);
    this.#average.set(index, row.averageWatts);
    this.#draw.set(index, row.drawWatts);
    this.#counter.set(index, row.counterJoules);
  }

  addFailure(timeSeconds: number, status: ReadingStatus): void {
    const index = this.#length++;
    this.#times.set(index, timeSeconds);
    this.#status.set(index, READING_STATUS.indexOf(status));
    for (const column of [this.#instant, this.#average, this.#draw, this.#counter]) {
      column.set(index, Number.NaN);
    }
  }

  /** Takes the readings out: the columns that hold anything. */
  takeBatch(uuid: string, gauges: Gauges | undefined, wallOffsetSeconds: number): Batch {
    const length = this.#length;
    this.#length = 0;
    const powerWatts: Partial<Record<PowerField, Float64Array>> = {};
    const instant = this.#instant.takeIfAny(length);
    const average = this.#average.takeIfAny(length);
    const draw = this.#draw.takeIfAny(length);
    const counterJoules = this.#counter.takeIfAny(length);
    if (instant !== undefined) powerWatts.instant = instant;
    if (average !== undefined) powerWatts.average = average;
    if (draw !== undefined) powerWatts.draw = draw;
    return {
      uuid,
      length,
      timeSeconds: this.#times.take(length),
      status: new Uint8Array(this.#status.take(length)),
      powerWatts,
      ...(counterJoules === undefined ? {} : { counterJoules }),
      ...(gauges === undefined ? {} : { gauges }),
      wallOffsetSeconds,
    };
  }
}
