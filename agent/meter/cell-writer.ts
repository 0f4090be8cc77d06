// Writes cells end to end: each begins where the last one ended.

import type { Cell, CellSink } from './cell.ts';

/** Where the cells of one device have got to. */
export class CellWriter {
  readonly #sink: CellSink;
  #frontier: number;

  constructor(start: number, sink: CellSink) {
    this.#frontier = start;
    this.#sink = sink;
  }

  /** Everything before this has been given to the sink. */
  get frontier(): number {
    return this.#frontier;
  }

  /** Leaves out the time up to `time`; only before the first cell. */
  startAt(time: number): void {
    this.#frontier = time;
  }

  /** Gives the cell that `make` returns for [frontier, end) to the sink; none where that is empty. */
  write(end: number, make: (start: number, seconds: number) => Cell): void {
    const start = this.#frontier;
    if (!(end > start)) return;
    this.#frontier = end;
    this.#sink(make(start, end - start));
  }
}
