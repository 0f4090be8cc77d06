// When a sample of the driver's ring was made, on our own timeline. Its stamp is of a clock that we know nothing about:
// only the distances of stamps are believed, and the place of all of them together is found from when each was first
// seen. A sample that is new in an answer was made after the question before, and not later than this answer.

// How fast two clocks may part: what they said once is worth less with time. NTP slews by 500 ppm at most.
const DRIFT_RATIO = 2e-4;

/** The questions between which samples were made, seconds of CLOCK_MONOTONIC. */
export interface Bracket {
  /** When the question began that did not show them. */
  readonly after: number;
  /** When the answer had come that did. */
  readonly until: number;
}

/** Our time minus the stamps', known within bounds that every answer narrows. */
export class StampClock {
  #lower = Number.NEGATIVE_INFINITY;
  #upper = Number.POSITIVE_INFINITY;
  #at = Number.NEGATIVE_INFINITY;

  /** How far off a time may be, either way; infinite before the first answer. */
  get doubtSeconds(): number {
    return (this.#upper - this.#lower) / 2;
  }

  /** Forgets what it knew: somebody set the clock of the stamps. */
  reset(): void {
    this.#lower = Number.NEGATIVE_INFINITY;
    this.#upper = Number.POSITIVE_INFINITY;
  }

  /**
   * New samples, stamped from `first` to `last`, were made within the bracket. Returns false where no clock could have
   * stamped them so: then nothing is known any more.
   */
  observe(first: number, last: number, { after, until }: Bracket): boolean {
    const lower = after - first;
    const upper = until - last;
    const slack = DRIFT_RATIO * (until - this.#at);
    this.#at = until;
    if (lower > upper) {
      this.reset();
      return false;
    }
    this.#lower = Math.max(lower, this.#lower - slack);
    this.#upper = Math.min(upper, this.#upper + slack);
    // The clock of the stamps was set meanwhile: the newest answer is what counts.
    if (this.#lower > this.#upper) [this.#lower, this.#upper] = [lower, upper];
    return true;
  }

  /** The time of a stamp, within the bracket, once an answer was observed. */
  timeOf(stamp: number, { after, until }: Bracket): number {
    const time = stamp + (this.#lower + this.#upper) / 2;
    return Math.min(Math.max(time, after), until);
  }
}
