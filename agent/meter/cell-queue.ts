// Cells that wait for the counter, in order of time.

import { clipCell, type Cell } from './cell.ts';

// The front is cut off when so many used cells have gathered there.
const COMPACT_COUNT = 64;

/** First in, first out, and cut at any moment. */
export class CellQueue {
  #cells: Cell[] = [];
  #head = 0;

  push(cell: Cell): void {
    this.#cells.push(cell);
  }

  /** Takes the cells before `time`, cutting the one that straddles it. */
  take(time: number): Cell[] {
    const taken: Cell[] = [];
    for (;;) {
      const cell = this.#cells[this.#head];
      if (cell === undefined || cell.start >= time) break;
      if (cell.end <= time) {
        taken.push(cell);
        this.#head += 1;
        continue;
      }
      taken.push(clipCell(cell, cell.start, time));
      this.#cells[this.#head] = clipCell(cell, time, cell.end);
      break;
    }
    if (this.#head > COMPACT_COUNT || this.#head === this.#cells.length) {
      this.#cells = this.#cells.slice(this.#head);
      this.#head = 0;
    }
    return taken;
  }
}
