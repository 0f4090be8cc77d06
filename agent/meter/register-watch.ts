// Watches one power register's values come: when they change teaches its refresh grid, how long they stand is for the
// reader to know.

import type { RefreshGrid } from './refresh-grid.ts';

/** What a register's values have shown so far. */
export class RegisterWatch {
  #time = NaN;
  #watts = NaN;
  /** The value before the one it has now. */
  #beforeWatts = NaN;
  #unchangedSince = NaN;
  #longestUnchangedSeconds = 0;
  #changes = 0;

  /** When it was last read; NaN before. */
  get newestSeconds(): number {
    return this.#time;
  }

  get longestUnchangedSeconds(): number {
    return this.#longestUnchangedSeconds;
  }

  /** How often the value changed. */
  get changes(): number {
    return this.#changes;
  }

  /** Another register is read from now on. */
  forget(): void {
    this.#time = NaN;
    this.#watts = NaN;
    this.#beforeWatts = NaN;
    this.#unchangedSince = NaN;
  }

  /** A reading of the register that `grid` belongs to. */
  see(time: number, watts: number, grid: RefreshGrid): void {
    const hasChanged = !Number.isNaN(this.#time) && watts !== this.#watts;
    if (hasChanged) {
      // A load that switches between two powers on a board without noise shows its own period, not the register's.
      if (watts !== this.#beforeWatts) grid.change(this.#time, time);
      this.#beforeWatts = this.#watts;
      this.#changes += 1;
    }
    if (hasChanged || Number.isNaN(this.#unchangedSince)) this.#unchangedSince = time;
    const unchanged = time - this.#unchangedSince;
    this.#longestUnchangedSeconds = Math.max(this.#longestUnchangedSeconds, unchanged);
    this.#time = time;
    this.#watts = watts;
  }
}
