// A device's intervals tallied column by column: to the last bit what tally.ts makes of them one by one, which a law holds
// (test/account/tally-rows.test.ts). Only for what is plain, as a year of intervals is; for the rest, tally.ts. Pure.

import {
  chargedAt,
  isKnown,
  methodOf,
  type IntervalColumns,
  type RowSpan,
} from '../interval-columns.ts';
import { addRowsTo, addTo } from '../sum.ts';
import { instant } from '../units.ts';
import { closeGap, learn, sameInstant, tallyInterval, type Stretch, type Tally } from './tally.ts';

/** The rows of each device, at its number. */
export function rowsByDevice(
  { numbers: { device } }: IntervalColumns,
  { from, to }: RowSpan,
): (Uint16Array | undefined)[] {
  const lists: { readonly rows: Uint16Array; count: number }[] = [];
  for (let row = from; row < to; row += 1) {
    const list = (lists[device[row] ?? 0] ??= { rows: new Uint16Array(to - from), count: 0 });
    list.rows[list.count] = row;
    list.count += 1;
  }
  return Array.from(lists, (list) => list?.rows.subarray(0, list.count));
}

/** Adds rows of one device, in their order. */
export function tallyRows(
  tally: Tally,
  columns: IntervalColumns,
  rows: Uint16Array,
  uuidOf: (device: number) => string,
): void {
  const { stretch } = tally;
  if (stretch !== undefined && arePlain(columns, rows, stretch)) {
    tallyPlain(tally, stretch, columns, rows);
    return;
  }
  for (const row of rows) tallyInterval(tally, chargedAt(columns, row, uuidOf));
}

/** Whether all rows go on from the stretch without a gap, by one method, with energy, and are charged alike. */
function arePlain(
  { numbers, gaps }: IntervalColumns,
  rows: Uint16Array,
  stretch: Stretch,
): boolean {
  const first = rows[0] ?? 0;
  const { startSeconds, endSeconds, method, energyJoules, observedSeconds } = numbers;
  const { bridgedSeconds, gapEstimateJoules, locationBasedGrams, marketBasedGrams } = numbers;
  const { costAmount, creditAmount, gainCostAmount, offsetCostAmount, aliasCostAmount } = numbers;
  const hasLocation = isKnown(locationBasedGrams[first]);
  const hasMarket = isKnown(marketBasedGrams[first]);
  let end: number = stretch.endSeconds;
  for (let at = 0; at < rows.length; at += 1) {
    const row = rows[at] ?? 0;
    const isPlain =
      sameInstant(instant(end), instant(startSeconds[row] ?? NaN)) &&
      gaps[row] === undefined &&
      bridgedSeconds[row] === 0 &&
      gapEstimateJoules[row] === 0 &&
      (observedSeconds[row] ?? NaN) > 0 &&
      energyJoules[row] !== 0 &&
      method[row] === method[first] &&
      isKnown(costAmount[row]) &&
      isKnown(creditAmount[row]) &&
      isKnown(gainCostAmount[row]) &&
      isKnown(offsetCostAmount[row]) &&
      isKnown(aliasCostAmount[row]) &&
      isKnown(locationBasedGrams[row]) === hasLocation &&
      isKnown(marketBasedGrams[row]) === hasMarket;
    if (!isPlain) return false;
    end = endSeconds[row] ?? NaN;
  }
  return true;
}

/** The sums that every plain interval adds to, each by the column of its name. */
const ADDED = [
  'energyJoules',
  'observedSeconds',
  'sampleCount',
  'gainJoules',
  'offsetJoules',
  'aliasJoules',
  'independentJoulesSquared',
  'facilityKilowattHours',
  'costAmount',
  'creditAmount',
  'gainCostAmount',
  'offsetCostAmount',
  'aliasCostAmount',
] as const;

function tallyPlain(
  tally: Tally,
  stretch: Stretch,
  columns: IntervalColumns,
  rows: Uint16Array,
): void {
  closeGap(tally);
  tallySums(tally, columns, rows);
  tallyMethod(tally, columns, rows);
  tallyExtremes(tally, columns, rows);
  tallyComparison(tally, columns, rows);
  tallyEdges(tally, stretch, columns, rows);
}

function tallySums(
  { sums, knowledge }: Tally,
  { numbers }: IntervalColumns,
  rows: Uint16Array,
): void {
  for (const key of ADDED) addRowsTo(sums[key], numbers[key], rows);
  const first = rows[0] ?? 0;
  const hasLocation = isKnown(numbers.locationBasedGrams[first]);
  const hasMarket = isKnown(numbers.marketBasedGrams[first]);
  if (hasLocation) addRowsTo(sums.locationBasedGrams, numbers.locationBasedGrams, rows);
  if (hasMarket) addRowsTo(sums.marketBasedGrams, numbers.marketBasedGrams, rows);
  knowledge.cost = learn(knowledge.cost, true, false);
  knowledge.location = learn(knowledge.location, hasLocation, false);
  knowledge.market = learn(knowledge.market, hasMarket, false);
}

function tallyMethod(tally: Tally, { numbers }: IntervalColumns, rows: Uint16Array): void {
  const method = methodOf(numbers.method[rows[0] ?? 0] ?? NaN);
  let sum = tally.methodSeconds[method] ?? 0;
  for (const row of rows) sum += numbers.observedSeconds[row] ?? NaN;
  tally.methodSeconds[method] = sum;
  tally.lastMethod = method;
}

function tallyExtremes(tally: Tally, { numbers }: IntervalColumns, rows: Uint16Array): void {
  let max = tally.powerMaxWatts ?? -Infinity;
  let min = tally.powerMinWatts ?? Infinity;
  for (let at = 0; at < rows.length; at += 1) {
    const row = rows[at] ?? 0;
    const highest = numbers.powerMaxWatts[row] ?? NaN;
    const lowest = numbers.powerMinWatts[row] ?? NaN;
    // NaN, an unknown, is neither.
    if (highest > max) max = highest;
    if (lowest < min) min = lowest;
  }
  if (max > -Infinity) tally.powerMaxWatts = max;
  if (min < Infinity) tally.powerMinWatts = min;
}

function tallyComparison(tally: Tally, { numbers }: IntervalColumns, rows: Uint16Array): void {
  const { counterJoules, integralJoules, observedSeconds } = numbers;
  const compared = rows.filter(
    (row) => isKnown(counterJoules[row]) && isKnown(integralJoules[row]),
  );
  addRowsTo(tally.sums.counterJoules, counterJoules, compared);
  addRowsTo(tally.sums.integralJoules, integralJoules, compared);
  addRowsTo(tally.sums.comparedSeconds, observedSeconds, compared);
}

/** The edges between the rows, and what is independent from row to row: one sum, in the order of the rows. */
function tallyEdges(
  tally: Tally,
  stretch: Stretch,
  { numbers }: IntervalColumns,
  rows: Uint16Array,
): void {
  const sum = tally.sums.uncorrelatedCostAmountSquared;
  const running = { total: +sum.total, carry: +sum.carry };
  let endEdgeCost = stretch.endEdgeCostAmount;
  for (let at = 0; at < rows.length; at += 1) {
    const row = rows[at] ?? 0;
    const price =
      ((numbers.costAmount[row] ?? NaN) - (numbers.creditAmount[row] ?? NaN)) /
      (numbers.energyJoules[row] ?? NaN);
    const moved = endEdgeCost - (numbers.startEdgeJoules[row] ?? NaN) * price;
    addTo(running, moved * moved);
    addTo(running, price * price * (numbers.independentJoulesSquared[row] ?? NaN));
    endEdgeCost = (numbers.endEdgeJoules[row] ?? NaN) * price;
  }
  sum.total = running.total;
  sum.carry = running.carry;
  const last = rows.at(-1) ?? 0;
  stretch.endSeconds = instant(numbers.endSeconds[last] ?? NaN);
  stretch.endEdgeJoules = numbers.endEdgeJoules[last] ?? NaN;
  stretch.endEdgeCostAmount = endEdgeCost;
}
