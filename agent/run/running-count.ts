// A count that a job prints as it goes, such as its steps. Pure; apart from the pattern that finds it, whose RE2 takes
// long to load.

/** How many steps and tokens have been seen to pass; absent while nothing tells. */
export interface Progress {
  readonly steps?: number;
  readonly tokens?: number;
}

/** A place in a count; undefined: before its first value. */
export type CountPosition = number | undefined;

/**
 * Follows a count that a log prints: increases are counted, and a fall begins anew (a bar per epoch). The first line
 * stands for work, too: for as much as the next one adds (`step 10`, `step 20`: each ten), but never for more than it
 * says, so that a resumed job does not bring its past along.
 */
export class RunningCount {
  #newest: number | undefined;
  #firstShare: number | undefined;
  #sinceFirst = 0;

  see(value: number): void {
    if (this.#newest === undefined) {
      // Of 0 or 1 nothing can have been before; for more, the next value tells.
      if (value <= 1) this.#firstShare = value;
    } else {
      const added = value >= this.#newest ? value - this.#newest : value;
      if (added > 0) this.#firstShare ??= Math.min(this.#newest, added);
      this.#sinceFirst += added;
    }
    this.#newest = value;
  }

  /** What has passed in all; undefined while that cannot be said. */
  get counted(): number | undefined {
    return this.since(undefined);
  }

  get position(): CountPosition {
    return this.#newest === undefined ? undefined : this.#sinceFirst;
  }

  /** What has passed since a position; undefined while that cannot be said. */
  since(position: CountPosition): number | undefined {
    if (position !== undefined) return this.#sinceFirst - position;
    return this.#firstShare === undefined ? undefined : this.#firstShare + this.#sinceFirst;
  }
}
