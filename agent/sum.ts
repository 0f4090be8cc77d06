// A sum that forgets nothing small: years of one-second intervals must not drift. Pure.

/** A running sum and what rounding has left out of it (Neumaier 1974). */
export interface Sum {
  total: number;
  carry: number;
}

/** An empty sum. */
export const newSum = (): Sum => ({ total: 0, carry: 0 });

/** Adds `value`, keeping the low-order part that the total cannot hold. */
export function addTo(sum: Sum, value: number): void {
  const next = sum.total + value;
  sum.carry +=
    Math.abs(sum.total) >= Math.abs(value) ? sum.total - next + value : value - next + sum.total;
  sum.total = next;
}

/** Adds the `rows` of a column in their order: bit for bit what `addTo` makes of them one by one. */
export function addRowsTo(sum: Sum, column: Float64Array, rows: Uint16Array): void {
  // The plus says that these are doubles, whatever the sum has seen: the compiler then keeps them in registers.
  const running = { total: +sum.total, carry: +sum.carry };
  for (let at = 0; at < rows.length; at += 1) addTo(running, column[rows[at] ?? 0] ?? 0);
  sum.total = running.total;
  sum.carry = running.carry;
}

/** What the sum amounts to. */
export const valueOf = (sum: Sum): number => sum.total + sum.carry;

/** The sum of `values`, to rounding independent of their order. */
export function sumOf(values: Iterable<number>): number {
  const sum = newSum();
  for (const value of values) addTo(sum, value);
  return valueOf(sum);
}

/** Root of the sum of squares: how independent standard uncertainties combine. */
export const rootOfSquares = (values: readonly number[]): number =>
  Math.sqrt(sumOf(values.map((value) => value * value)));
