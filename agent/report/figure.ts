// Numbers as the report's JSON holds them: full precision, without the noise of binary arithmetic.

// A double holds 15 decimal digits for certain; the 16th and 17th only show how it was added up.
const CERTAIN_DIGITS = 15;
const MICROSECONDS_PER_SECOND = 1e6;

/** A figure without digits that mean nothing: 0.30000000000000004 is 0.3. */
export const figure = (value: number): number => Number(value.toPrecision(CERTAIN_DIGITS));

/** Seconds to the microsecond: instants resolve 0.3 µs (units.ts), so differences of them hold no more. */
export const secondsFigure = (value: number): number =>
  Math.round(value * MICROSECONDS_PER_SECOND) / MICROSECONDS_PER_SECOND;

/** A figure that may be unknown. */
export const knownFigure = (value: number | undefined): number | undefined =>
  value === undefined ? undefined : figure(value);

/** Σ of values; 0 of none. */
export const sum = (values: readonly number[]): number =>
  values.reduce((total, value) => total + value, 0);

/** Σ of the values that are known; unknown where none is. What is left out must be said elsewhere, as gaps are. */
export function sumOfKnown(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : sum(known);
}

/** How independent uncertainties combine: √Σu². */
export const rootOfSquares = (values: readonly number[]): number => Math.hypot(...values);

/** Σ of values of which one is unknown is unknown, and so is that of none. */
export function sumIfKnown(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length > 0 && known.length === values.length ? sum(known) : undefined;
}

/** Energy ÷ count, such as joules per step; unknown where one of them is, or there was nothing to count. */
export const perThing = (
  energy: number | undefined,
  count: number | undefined,
): number | undefined =>
  energy === undefined || count === undefined ? undefined : knownFigure(ratioOf(energy, count));

// Sums of many parts have lost the last digits of a double.
const MEAN_DIGITS = 12;

/** Σ ÷ Σ, such as a mean price, to the digits that sums keep: 0.0999999999999997 is 0.1. */
export function meanFigure(total: number, whole: number): number | undefined {
  const mean = ratioOf(total, whole);
  return mean === undefined ? undefined : Number(mean.toPrecision(MEAN_DIGITS));
}

/** Part ÷ whole; undefined when there is no whole. */
export const ratioOf = (part: number, whole: number): number | undefined =>
  whole === 0 ? undefined : part / whole;
