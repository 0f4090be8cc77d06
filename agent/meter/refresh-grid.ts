// When does a register refresh? Learnt from brackets [last poll with the old value, first poll with the new one],
// by a least-squares line through their middles that forgets slowly, so that it follows a drifting clock.

/** The grid u₀ + k·T of a register's refreshes, learnt while it is read. */
export interface RefreshGrid {
  /** The value changed after `previous` and not later than `time`. */
  change(previous: number, time: number): void;
  /** Refresh period, once it could be inferred; the last one while it is being inferred anew. */
  readonly periodSeconds: number | undefined;
  /** Whether the phase is known well enough at `time` to place a refresh. */
  lockedAt(time: number): boolean;
  /** Standard uncertainty of the phase at `time`. */
  phaseUncertaintySeconds(time: number): number;
  /** The last refresh at or before `time`; only meaningful where locked. */
  lastRefresh(time: number): number;
}

interface Bracket {
  readonly middle: number;
  readonly width: number;
}

// About 50 refreshes are remembered: long enough for sub-millisecond phase, short enough for real drift.
const MEMORY = 0.98;
const CANDIDATE_COUNT = 24;
const DENSE_WIDTH_RATIO = 0.65;
const BURST_WIDTH_RATIO = 0.25;
const TOLERANCE_RATIO = 0.15;
// Real refreshes wander a little around their grid (±1 to 2 ms of 100 on an RTX 3090).
const JITTER_RATIO = 0.02;
const LOCK_PHASE_RATIO = 0.12;
const CONSISTENT_FLOOR = 0.6;
const PLAUSIBLE_SECONDS = [0.004, 3] as const;

/** Creates a grid that knows nothing yet. */
export function createRefreshGrid(): RefreshGrid {
  const candidates: Bracket[] = [];
  let fit: Fit | undefined;
  let consistent = 1;
  let lastPeriod: number | undefined;

  const startFit = (): void => {
    fit = firstFit(candidates);
    if (fit !== undefined) consistent = 1;
  };

  const follow = (current: Fit, bracket: Bracket): void => {
    const { period } = current;
    if (bracket.width > DENSE_WIDTH_RATIO * period) return;
    const steps = Math.round((bracket.middle - current.phase()) / period);
    if (steps < 1) {
      consistent *= MEMORY;
      return;
    }
    const phaseDoubt = current.phaseUncertainty(bracket.middle);
    if (phaseDoubt > period / 4) {
      current.restart(bracket);
      return;
    }
    const residual = bracket.middle - current.phase() - steps * period;
    const fits =
      Math.abs(residual) <= bracket.width / 2 + TOLERANCE_RATIO * period + 2 * phaseDoubt;
    consistent = 0.95 * consistent + (fits ? 0.05 : 0);
    current.add(bracket, steps);
    if (consistent < CONSISTENT_FLOOR) {
      lastPeriod = current.period;
      fit = undefined;
      candidates.length = 0;
    }
  };

  return {
    change(previous, time) {
      const bracket = { middle: (previous + time) / 2, width: time - previous };
      if (fit !== undefined) {
        follow(fit, bracket);
        return;
      }
      candidates.push(bracket);
      if (candidates.length > CANDIDATE_COUNT) candidates.shift();
      startFit();
    },
    get periodSeconds() {
      return fit?.period ?? lastPeriod;
    },
    lockedAt: (time) =>
      fit !== undefined && fit.phaseUncertainty(time) < LOCK_PHASE_RATIO * fit.period,
    phaseUncertaintySeconds: (time) => fit?.phaseUncertainty(time) ?? Infinity,
    lastRefresh(time) {
      if (fit === undefined) return time;
      return fit.phase() + Math.floor((time - fit.phase()) / fit.period) * fit.period;
    },
  };
}

/** A period and its first fit from brackets that are narrow against it; undefined while they do not agree. */
function firstFit(brackets: readonly Bracket[]): Fit | undefined {
  const gaps = brackets.slice(1).map((bracket, index) => {
    const before = brackets[index] ?? bracket;
    const gap = bracket.middle - before.middle;
    return { gap, ratio: Math.max(bracket.width, before.width) / gap };
  });
  const burst = gaps.filter(({ ratio }) => ratio <= BURST_WIDTH_RATIO);
  const dense = gaps.filter(({ ratio }) => ratio <= DENSE_WIDTH_RATIO);
  const usable = burst.length >= 2 ? burst : dense;
  if (usable.length < (usable === burst ? 2 : 6)) return undefined;
  const sorted = usable.map(({ gap }) => gap).toSorted((a, b) => a - b);
  let period = sorted[Math.floor(sorted.length * 0.4)] ?? 0;
  for (let round = 0; round < 3; round += 1) {
    let time = 0;
    let steps = 0;
    for (const gap of sorted) {
      time += gap;
      steps += Math.max(1, Math.round(gap / period));
    }
    period = time / steps;
  }
  if (!(period >= PLAUSIBLE_SECONDS[0] && period <= PLAUSIBLE_SECONDS[1])) return undefined;
  const agreeing = usable.filter(({ gap, ratio }) => {
    const steps = Math.max(1, Math.round(gap / period));
    return Math.abs(gap - steps * period) <= ratio * gap + TOLERANCE_RATIO * period;
  });
  if (agreeing.length < 0.75 * usable.length) return undefined;
  return fitThrough(brackets, period);
}

function fitThrough(brackets: readonly Bracket[], period: number): Fit | undefined {
  const narrow = brackets.filter(({ width }) => width <= DENSE_WIDTH_RATIO * period);
  const first = narrow[0];
  if (first === undefined) return undefined;
  const fit = new Fit(first, period);
  for (const bracket of narrow.slice(1)) {
    const steps = Math.round((bracket.middle - fit.phase()) / fit.period);
    if (steps >= 1) fit.add(bracket, steps);
  }
  return fit;
}

/** Exponentially forgetting line middle = phase + k·period, with k = 0 at the newest bracket. */
class Fit {
  #origin: number;
  #period: number;
  #weight: number;
  #steps = 0;
  #stepsSquared: number;
  #times = 0;
  #products: number;
  #offset = 0;

  constructor(first: Bracket, period: number) {
    this.#origin = first.middle;
    this.#period = period;
    this.#weight = this.#weightOf(first);
    // The first guess of the period counts like one bracket ten refreshes away, so that two brackets do not undo it.
    this.#stepsSquared = this.#weight * 25;
    this.#products = this.#stepsSquared * period;
  }

  get period(): number {
    return this.#period;
  }

  /** The refresh at the newest bracket. */
  phase(): number {
    return this.#origin + this.#offset;
  }

  phaseUncertainty(time: number): number {
    const steps = Math.abs(time - this.phase()) / this.#period;
    const spread = Math.max(
      this.#stepsSquared - (this.#steps * this.#steps) / this.#weight,
      Number.MIN_VALUE,
    );
    const distance = steps - this.#steps / this.#weight;
    return Math.sqrt(1 / this.#weight + (distance * distance) / spread);
  }

  add(bracket: Bracket, steps: number): void {
    const shift = bracket.middle - this.#origin;
    const weight = this.#weightOf(bracket);
    this.#products =
      this.#products - steps * this.#times - shift * this.#steps + steps * shift * this.#weight;
    this.#stepsSquared += steps * (steps * this.#weight - 2 * this.#steps);
    this.#steps -= steps * this.#weight;
    this.#times -= shift * this.#weight;
    this.#weight = this.#weight * MEMORY + weight;
    this.#steps *= MEMORY;
    this.#times *= MEMORY;
    this.#stepsSquared *= MEMORY;
    this.#products *= MEMORY;
    this.#origin = bracket.middle;
    this.#solve();
  }

  /** The phase was lost in a long time without a change; the period is kept as a strong first guess. */
  restart(bracket: Bracket): void {
    this.#origin = bracket.middle;
    this.#offset = 0;
    this.#weight = this.#weightOf(bracket);
    this.#steps = 0;
    this.#times = 0;
    this.#stepsSquared = this.#weight * 400;
    this.#products = this.#stepsSquared * this.#period;
  }

  #weightOf(bracket: Bracket): number {
    const jitter = JITTER_RATIO * this.#period;
    return 1 / ((bracket.width * bracket.width) / 12 + jitter * jitter);
  }

  #solve(): void {
    const determinant = this.#weight * this.#stepsSquared - this.#steps * this.#steps;
    if (!(determinant > 0)) return;
    this.#period = (this.#weight * this.#products - this.#steps * this.#times) / determinant;
    this.#offset = (this.#times - this.#period * this.#steps) / this.#weight;
  }
}
