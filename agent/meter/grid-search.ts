// Finds the period and phase of a register's refreshes in the first few brackets of its changes, when nothing or only
// the expected period is known.

/** A change of the register's value: after one poll and not later than the next, in seconds. */
export interface Bracket {
  readonly middle: number;
  readonly width: number;
}

/** Refreshes every `period` seconds, one of them at `phase`. */
export interface Grid {
  readonly period: number;
  readonly phase: number;
}

/** Wider brackets, in periods, say nothing of where in them the change was. */
export const DENSE_WIDTH_RATIO = 0.65;
/** How far from its place on a grid that is being searched a refresh may be met, in periods. */
export const SEARCH_TOLERANCE = 0.03;
// Brackets so narrow beside the time between them are a burst of polls; refreshes wander by so much of a period besides.
const BURST_WIDTH_RATIO = 0.25;
const TOLERANCE_RATIO = 0.15;
// A grid is believed when meeting the brackets by chance is less likely than e^-evidence; trying many periods needs more.
const SEARCH_EVIDENCE = 8;
const EXPECTED_EVIDENCE = 4;
const EXPECTED_STEPS = 5;
const LIKELY_RATIO = 0.2;
const SEARCH_STEP = 0.994;

const MET_SHARE = 0.9;
const PLAUSIBLE_SECONDS = [0.004, 3] as const;
// A steady load leaves a register at one value for several refreshes. A period longer than the expected one is
// believed only where the value changed at nearly each of its refreshes, many times.
const LONGER_RATIO = 1.5;
const LONGER_CHANGES = 16;
const LIVELY_SHARE = 0.8;

/** A grid that meets the brackets, once they are evidence enough; undefined until then. */
export function findGrid(
  brackets: readonly Bracket[],
  expected: number | undefined,
): Grid | undefined {
  const most = longestPossible(brackets);
  const quick = periodOfNarrow(brackets);
  let longest = Math.min(most, PLAUSIBLE_SECONDS[1]);
  if (expected !== undefined && expected <= most) {
    if (quick !== undefined && isLonger(brackets, quick.period, expected, most)) {
      return brackets.length < LONGER_CHANGES ? undefined : quick;
    }
    const met = expectedOnce(brackets, expected);
    if (met !== undefined) return met;
    // Few changes fit several periods; the one that the board is known for is the likeliest.
    const likely = quick !== undefined && Math.abs(quick.period / expected - 1) < LIKELY_RATIO;
    const near = nearExpected(brackets, expected, likely ? 0 : EXPECTED_EVIDENCE);
    if (near !== undefined) return near;
    longest = Math.min(longest, LONGER_RATIO * expected);
    if (quick !== undefined && quick.period > longest) return undefined;
  }
  return quick ?? longestPeriod(brackets, longest, PLAUSIBLE_SECONDS[0]);
}

/** Two changes seen one after the other, one expected period apart: enough where the board is known. */
function expectedOnce(brackets: readonly Bracket[], expected: number): Grid | undefined {
  const [before, last] = brackets.slice(-2);
  if (before === undefined || last === undefined) return undefined;
  const period = last.middle - before.middle;
  const narrow = Math.max(before.width, last.width) <= SEARCH_TOLERANCE * expected;
  const near = Math.abs(period / expected - 1) <= SEARCH_TOLERANCE;
  return narrow && near ? { period, phase: last.middle } : undefined;
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
function periodOfNarrow(brackets: readonly Bracket[]): Grid | undefined {
  const gaps: number[] = [];
  for (const [index, bracket] of brackets.entries()) {
    const before = brackets[index - 1];
    if (before === undefined) continue;
    const gap = bracket.middle - before.middle;
    if ((bracket.width + before.width) / 2 <= BURST_WIDTH_RATIO * gap) gaps.push(gap);
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
): Grid | undefined {
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
): Grid | undefined {
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
