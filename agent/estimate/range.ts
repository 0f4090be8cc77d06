// Low, mid and high of a planning figure. Every model here grows with each of its inputs; where a result falls with an
// input the ends are swapped on purpose. Only prices may be below zero. Pure.

/** A figure with its spread; low ≤ mid ≤ high. */
export interface Range {
  readonly low: number;
  readonly mid: number;
  readonly high: number;
}

/** A figure known exactly, or given without a spread. */
export const exactly = (value: number): Range => ({ low: value, mid: value, high: value });

/** a + b + … */
export const sumOf = (...parts: readonly Range[]): Range =>
  parts.reduce((sum, part) => combine(sum, part, (a, b) => a + b), exactly(0));

/** a × b × …, whatever their signs: the least and the most of all ends. */
export const productOf = (...parts: readonly Range[]): Range =>
  parts.reduce((product, part) => {
    const ends = [
      product.low * part.low,
      product.low * part.high,
      product.high * part.low,
      product.high * part.high,
    ];
    return { low: Math.min(...ends), mid: product.mid * part.mid, high: Math.max(...ends) };
  }, exactly(1));

/** a ÷ b, of figures ≥ 0: most over least. */
export const quotientOf = (a: Range, b: Range): Range => ({
  low: a.low / b.high,
  mid: a.mid / b.mid,
  high: a.high / b.low,
});

/** The range times a number, which may be negative. */
export const scaled = (range: Range, factor: number): Range =>
  factor >= 0
    ? { low: range.low * factor, mid: range.mid * factor, high: range.high * factor }
    : { low: range.high * factor, mid: range.mid * factor, high: range.low * factor };

/** part ÷ whole of figures that rise and fall together: end by end, in order. */
export function shareOf(part: Range, whole: Range): Range {
  const ends = [part.low / whole.low, part.high / whole.high];
  const mid = part.mid / whole.mid;
  return { low: Math.min(mid, ...ends), mid, high: Math.max(mid, ...ends) };
}

/** The same with its ends in order, whatever a difference made of them. */
export const ordered = ({ low, mid, high }: Range): Range => ({
  low: Math.min(low, mid, high),
  mid,
  high: Math.max(low, mid, high),
});

/** Whether low, mid and high are one. */
export const isExact = (range: Range): boolean => range.low === range.high;

function combine(a: Range, b: Range, operation: (a: number, b: number) => number): Range {
  return {
    low: operation(a.low, b.low),
    mid: operation(a.mid, b.mid),
    high: operation(a.high, b.high),
  };
}
