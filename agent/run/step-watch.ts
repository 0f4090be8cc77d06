// Joins the view of CMD's output with the step pattern: bytes per stream → lines → what they say of the progress.

import { instant, type Instant } from '../units.ts';
import type { OutputChunk } from './output.ts';
import { LineCutter, type StepLine, type StepPattern } from './steps.ts';

/** What a watch reads and whom it tells. */
export interface StepWatchOptions {
  readonly output: { read(): Iterable<OutputChunk> };
  readonly pattern: StepPattern;
  readonly now: () => Instant;
  readonly onLine: (line: StepLine, time: Instant) => void;
}

/** Call `poll` some twenty times a second: that is how exactly an epoch's edge is known. */
export class StepWatch {
  readonly #options: StepWatchOptions;
  readonly #cutters: Map<number, LineCutter> = new Map();
  #polledSeconds = instant(-Infinity);

  constructor(options: StepWatchOptions) {
    this.#options = options;
  }

  /** Reads what is new, up to a bound; true when there was anything. */
  poll(): boolean {
    let hasRead = false;
    const now = this.#options.now();
    for (const { stream, bytes, ageSeconds } of this.#options.output.read()) {
      hasRead = true;
      // Written after the last poll and before now, whatever a file system's clock says.
      const written = Math.max(this.#polledSeconds, Math.min(now - ageSeconds, now));
      const cutter = this.#cutters.get(stream) ?? new LineCutter();
      this.#cutters.set(stream, cutter);
      this.#tell(cutter.cut(bytes), instant(written));
    }
    this.#polledSeconds = now;
    return hasRead;
  }

  /** Reads the rest once CMD has ended and its output is drained. `limit` bounds it where children still write. */
  finish(limit = 64): void {
    for (let reads = 0; reads < limit && this.poll(); reads += 1);
    for (const cutter of this.#cutters.values()) this.#tell(cutter.end(), this.#options.now());
  }

  #tell(lines: Iterable<string>, time: Instant): void {
    for (const line of lines) {
      const said = this.#options.pattern.match(line);
      if (said !== undefined) this.#options.onLine(said, time);
    }
  }
}
