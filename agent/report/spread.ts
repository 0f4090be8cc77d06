// A figure that stands on somebody's assumptions has a low and a high end: how the report reckons with them and writes
// them down.

import { figure } from './figure.ts';

/** low ≤ mid ≤ high; all three alike where there is no spread. */
export interface Spread {
  readonly low: number;
  readonly mid: number;
  readonly high: number;
}

/** A figure without a spread. */
export const exact = (value: number): Spread => ({ low: value, mid: value, high: value });

/** a × b, of figures ≥ 0. */
export const times = (a: Spread, b: Spread): Spread => ({
  low: a.low * b.low,
  mid: a.mid * b.mid,
  high: a.high * b.high,
});

/** The spread times a number ≥ 0. */
export const scaledBy = (spread: Spread, factor: number): Spread => times(spread, exact(factor));

/** a + b + … */
export const together = (parts: readonly Spread[]): Spread => ({
  low: parts.reduce((sum, { low }) => sum + low, 0),
  mid: parts.reduce((sum, { mid }) => sum + mid, 0),
  high: parts.reduce((sum, { high }) => sum + high, 0),
});

/** The ends under the names that the JSON gives them; none where there is no spread. */
export const endsOf = <Low extends string, High extends string>(
  { low, high }: Spread,
  lowKey: Low,
  highKey: High,
): Partial<Record<Low | High, number>> =>
  low === high
    ? {}
    : ({ [lowKey]: figure(low), [highKey]: figure(high) } as Record<Low | High, number>);
