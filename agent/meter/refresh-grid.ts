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
// A grid is believed when meeting the brackets by chance is less likely than e^-evidence; trying many periods needs more.
const BURST_WIDTH_RATIO = 0.25;
const SEARCH_EVIDENCE = 8;
const EXPECTED_EVIDENCE = 4;
const EXPECTED_STEPS = 5;
const LIKELY_RATIO = 0.2;
const SEARCH_STEP = 0.994;
const SEARCH_TOLERANCE = 0.03;
const MET_SHARE = 0.9;
// Searching is work: after a search in vain the next waits for more brackets.
const SEARCH_PAUSE = 6;
const TOLERANCE_RATIO = 0.15;
// Real refreshes wander a little around their grid (±1 to 2 ms of 100 on an RTX 3090).
const JITTER_RATIO = 0.02;
const LOCK_PHASE_RATIO = 0.12;
const CONSISTENT_FLOOR = 0.6;
const PLAUSIBLE_SECONDS = [0.004, 3] as const;
// Polls sparser than the expected period show when the load changed, not when the register refreshed.
const SPARSE_RATIO = 1.25;
// A steady load leaves a register at one value for several refreshes. A period longer than the expected one is
// believed only where the value changed at nearly each of its refreshes, many times.
const LONGER_RATIO = 1.5;
const LONGER_CHANGES = 16;
const LIVELY_SHARE = 0.8;

/** Creates a grid that knows nothing yet, or only which period to expect. */
export function createRefreshGrid(expectedPeriodSeconds?: number): RefreshGrid {
  const candidates: Bracket[] = [];
  let fit: Fit | undefined;
  let consistent = 1;
  let lastPeriod: number | undefined;

  let pause = 0;
  let searches = 0;

  const startFit = (): void => {
    pause -= 1;
    if (pause > 0) return;
    fit = firstFit(candidates, expectedPeriodSeconds);
    if (fit !== undefined) {
      consistent = 1;
      searches = 0;
      return;
    }
    // The first few brackets are tried one by one: a burst of three tells it all.
    searches += 1;
    if (searches > CANDIDATE_COUNT) pause = SEARCH_PAUSE * (searches - CANDIDATE_COUNT);
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
      if (bracket.width > SPARSE_RATIO * (expectedPeriodSeconds ?? Infinity)) return;
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

/** A grid that meets the brackets, once they are evidence enough; undefined until then. */
function firstFit(brackets: readonly Bracket[], expected: number | undefined): Fit | undefined {
  const most = 1.02 * longestPossible(brackets);
  const quick = periodOfNarrow(brackets);
  let longest = Math.min(most, PLAUSIBLE_SECONDS[1]);
  if (expected !== undefined && expected <= most) {
    if (quick !== undefined && isLonger(brackets, quick.period, expected, most)) {
      return brackets.length < LONGER_CHANGES ? undefined : fitThrough(brackets, quick);
    }
    // Few changes fit several periods; the one that the board is known for is the likeliest.
    const likely = quick !== undefined && Math.abs(quick.period / expected - 1) < LIKELY_RATIO;
    const near = nearExpected(brackets, expected, likely ? 0 : EXPECTED_EVIDENCE);
    if (near !== undefined) return fitThrough(brackets, near);
    longest = Math.min(longest, LONGER_RATIO * expected);
    if (quick !== undefined && quick.period > longest) return undefined;
  }
  if (quick !== undefined) return fitThrough(brackets, quick);
  const found = longestPeriod(brackets, longest, PLAUSIBLE_SECONDS[0]);
  return found === undefined ? undefined : fitThrough(brackets, found);
}

/** Whether a period longer than the expected one explains nearly every change as the next of its refreshes. */
function isLonger(
  brackets: readonly Bracket[],
  period: number,
  expected: number,
  most: number,
): boolean {
  if (period <= LONGER_RATIO * expected || period > most) return false;
  const next = brackets.slice(1).filter((bracket, index) => {
    const gap = bracket.middle - (brackets[index]?.middle ?? bracket.middle);
    return Math.round(gap / period) === 1;
  });
  return next.length >= LIVELY_SHARE * (brackets.length - 1);
}

/** Each change is a refresh of its own, so n changes later at least n periods have passed. */
function longestPossible(brackets: readonly Bracket[]): number {
  let shortest = Infinity;
  for (const [index, { middle, width }] of brackets.entries()) {
    const start = middle - width / 2;
    for (const [later, bracket] of brackets.entries()) {
      if (later <= index) continue;
      const end = bracket.middle + bracket.width / 2;
      shortest = Math.min(shortest, (end - start) / (later - index));
    }
  }
  return shortest;
}

/** Changes seen within a quarter of the time between them give the period away at once. */
function periodOfNarrow(
  brackets: readonly Bracket[],
): { period: number; phase: number } | undefined {
  const gaps: number[] = [];
  for (const [index, bracket] of brackets.entries()) {
    const before = brackets[index - 1];
    if (before === undefined) continue;
    const gap = bracket.middle - before.middle;
    if (Math.max(bracket.width, before.width) <= BURST_WIDTH_RATIO * gap) gaps.push(gap);
  }
  if (gaps.length < 2) return undefined;
  let period = gaps.toSorted((a, b) => a - b)[Math.floor(gaps.length * 0.4)] ?? 0;
  for (let round = 0; round < 3; round += 1) {
    const steps = gaps.map((gap) => Math.max(1, Math.round(gap / period)));
    period = total(gaps) / total(steps);
  }
  const agree = gaps.filter((gap) => {
    const steps = Math.max(1, Math.round(gap / period));
    return Math.abs(gap - steps * period) <= TOLERANCE_RATIO * period + BURST_WIDTH_RATIO * period;
  });
  const plausible = period >= PLAUSIBLE_SECONDS[0] && period <= PLAUSIBLE_SECONDS[1];
  if (!plausible || agree.length < 0.75 * gaps.length) return undefined;
  return { period, phase: brackets.at(-1)?.middle ?? 0 };
}

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

/** The period nearest to the expected one whose grid meets the brackets. */
function nearExpected(
  brackets: readonly Bracket[],
  expected: number,
  evidenceNeeded: number,
): { period: number; phase: number } | undefined {
  for (let step = 0; step <= EXPECTED_STEPS; step += 1) {
    for (const sign of step === 0 ? [1] : [1, -1]) {
      const period = expected * (1 + sign * step * (1 - SEARCH_STEP));
      const phase = phaseMet(brackets, period, evidenceNeeded);
      if (phase !== undefined) return { period, phase };
    }
  }
  return undefined;
}

/** Every fraction of the true period fits as well, so the search goes down from the longest. */
function longestPeriod(
  brackets: readonly Bracket[],
  longest: number,
  shortest: number,
): { period: number; phase: number } | undefined {
  const narrowest = Math.min(...brackets.map(({ width }) => width));
  for (
    let period = longest;
    period >= shortest && narrowest <= DENSE_WIDTH_RATIO * period;
    period *= SEARCH_STEP
  ) {
    const phase = phaseMet(brackets, period, SEARCH_EVIDENCE);
    if (phase !== undefined) return { period, phase };
  }
  return undefined;
}

/** A phase that nearly all brackets contain, if they are evidence enough. */
function phaseMet(
  brackets: readonly Bracket[],
  period: number,
  evidenceNeeded: number,
): number | undefined {
  const usable = brackets.filter(({ width }) => width <= DENSE_WIDTH_RATIO * period);
  if (usable.length < 3) return undefined;
  // How surprising it would be to meet all these brackets by chance. Two of them go to fixing period and phase.
  const surprises = usable
    .map(({ width }) => -Math.log(width / period + 2 * SEARCH_TOLERANCE))
    .toSorted((a, b) => a - b);
  if (total(surprises.slice(0, -2)) < evidenceNeeded) return undefined;
  const { phase, met } = bestPhase(usable, period);
  return met >= MET_SHARE * usable.length ? phase : undefined;
}

/** The phase that the most brackets contain: a sweep over their limits, modulo the period. */
function bestPhase(brackets: readonly Bracket[], period: number): { phase: number; met: number } {
  const origin = brackets.at(-1)?.middle ?? 0;
  const limits: { at: number; change: 1 | -1 }[] = [];
  let open = 0;
  for (const { middle, width } of brackets) {
    const half = width / 2 + SEARCH_TOLERANCE * period;
    const start = positiveRemainder(middle - half - origin, period);
    const end = positiveRemainder(middle + half - origin, period);
    if (end < start) open += 1;
    limits.push({ at: start, change: 1 }, { at: end, change: -1 });
  }
  limits.sort((a, b) => a.at - b.at);
  let met = open;
  let phase = 0;
  for (const [index, { at, change }] of limits.entries()) {
    open += change;
    if (open <= met) continue;
    met = open;
    phase = (at + (limits[index + 1]?.at ?? at)) / 2;
  }
  return { phase: origin + phase, met };
}

const positiveRemainder = (value: number, modulus: number): number =>
  value - Math.floor(value / modulus) * modulus;

function fitThrough(
  brackets: readonly Bracket[],
  { period, phase }: { readonly period: number; readonly phase: number },
): Fit | undefined {
  const narrow = brackets.filter(({ width }) => width <= DENSE_WIDTH_RATIO * period);
  const first = narrow[0];
  if (first === undefined) return undefined;
  const refreshOf = ({ middle }: Bracket): number => Math.round((middle - phase) / period);
  const fit = new Fit(first, period);
  let before = refreshOf(first);
  for (const bracket of narrow.slice(1)) {
    const refresh = refreshOf(bracket);
    if (refresh > before) fit.add(bracket, refresh - before);
    before = Math.max(before, refresh);
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
