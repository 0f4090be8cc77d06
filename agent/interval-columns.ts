// Charged intervals as columns of doubles: whoever remembers thousands of them, or reads millions back, makes no object
// of each. NaN is absent: no interval holds one, because meters and journals refuse it. Pure.

import { METHODS, type Charge, type ChargedInterval, type Interval, type Method } from './model.ts';
import { grams, instant, joules, kilowattHours, seconds, watts } from './units.ts';

/** What of an interval is a number, in the order in which it is stored; new columns go to the end. */
export const INTERVAL_COLUMNS = [
  'device',
  'startSeconds',
  'endSeconds',
  'method',
  'energyJoules',
  'observedSeconds',
  'gapEstimateJoules',
  'gapEstimateUncertaintyJoules',
  'bridgedSeconds',
  'gainJoules',
  'offsetJoules',
  'aliasJoules',
  'startEdgeJoules',
  'endEdgeJoules',
  'independentJoulesSquared',
  'powerMaxWatts',
  'powerMinWatts',
  'sampleCount',
  'counterJoules',
  'integralJoules',
  'wallOffsetSeconds',
  'utilizationRatio',
] as const;
export type IntervalColumn = (typeof INTERVAL_COLUMNS)[number];
/** What an interval costs and emits; it changes with the tariff, so it is not stored. */
const CHARGE_COLUMNS = [
  'facilityKilowattHours',
  'costAmount',
  'creditAmount',
  'gainCostAmount',
  'offsetCostAmount',
  'aliasCostAmount',
  'locationBasedGrams',
  'marketBasedGrams',
] as const;
/** What has to have a column: what an interval gains later does not compile without one. */
type Numbered =
  | 'device'
  | Exclude<keyof Interval, 'uuid' | 'gapSeconds' | 'uncertainty'>
  | keyof Interval['uncertainty']
  | keyof Charge;

type GapSeconds = Interval['gapSeconds'];

/** Up to `capacity` intervals in the order in which they came, of any number of devices. */
export interface IntervalColumns {
  readonly capacity: number;
  length: number;
  readonly numbers: Readonly<Record<Numbered, Float64Array>>;
  /** Of the rows that have gaps. */
  readonly gaps: (GapSeconds | undefined)[];
}

/** Rows [from, to). */
export interface RowSpan {
  readonly from: number;
  readonly to: number;
}

/** Columns without a row. */
export function newIntervalColumns(capacity: number): IntervalColumns {
  const names = [...INTERVAL_COLUMNS, ...CHARGE_COLUMNS];
  const numbers = Object.fromEntries(names.map((name) => [name, new Float64Array(capacity)]));
  return {
    capacity,
    length: 0,
    numbers: numbers as Record<(typeof names)[number], Float64Array>,
    gaps: Array.from({ length: capacity }),
  };
}

/** Appends an interval of the device that has this number; there must be room. Its charge is set apart. */
export function pushInterval(columns: IntervalColumns, interval: Interval, device: number): void {
  const { numbers: to, length: row } = columns;
  const { uncertainty } = interval;
  to.device[row] = device;
  to.startSeconds[row] = interval.startSeconds;
  to.endSeconds[row] = interval.endSeconds;
  to.method[row] = METHODS.indexOf(interval.method);
  to.energyJoules[row] = interval.energyJoules;
  to.observedSeconds[row] = interval.observedSeconds;
  to.gapEstimateJoules[row] = interval.gapEstimateJoules;
  to.gapEstimateUncertaintyJoules[row] = interval.gapEstimateUncertaintyJoules;
  to.bridgedSeconds[row] = interval.bridgedSeconds;
  to.gainJoules[row] = uncertainty.gainJoules;
  to.offsetJoules[row] = uncertainty.offsetJoules;
  to.aliasJoules[row] = uncertainty.aliasJoules;
  to.startEdgeJoules[row] = uncertainty.startEdgeJoules;
  to.endEdgeJoules[row] = uncertainty.endEdgeJoules;
  to.independentJoulesSquared[row] = uncertainty.independentJoulesSquared;
  to.powerMaxWatts[row] = interval.powerMaxWatts ?? NaN;
  to.powerMinWatts[row] = interval.powerMinWatts ?? NaN;
  to.sampleCount[row] = interval.sampleCount;
  to.counterJoules[row] = interval.counterJoules ?? NaN;
  to.integralJoules[row] = interval.integralJoules ?? NaN;
  to.wallOffsetSeconds[row] = interval.wallOffsetSeconds;
  to.utilizationRatio[row] = interval.utilizationRatio ?? NaN;
  const isGapless = Object.keys(interval.gapSeconds).length === 0;
  columns.gaps[row] = isGapless ? undefined : interval.gapSeconds;
  columns.length = row + 1;
}

/** The interval of a row, as it was pushed; `uuidOf` knows the devices by number. */
export function intervalAt(
  { numbers: from, gaps }: IntervalColumns,
  row: number,
  uuidOf: (device: number) => string,
): Interval {
  const at = (column: Float64Array): number => column[row] ?? NaN;
  const interval: Writable<Interval> = {
    uuid: uuidOf(at(from.device)),
    startSeconds: instant(at(from.startSeconds)),
    endSeconds: instant(at(from.endSeconds)),
    method: methodOf(at(from.method)),
    energyJoules: joules(at(from.energyJoules)),
    observedSeconds: seconds(at(from.observedSeconds)),
    gapSeconds: gaps[row] ?? {},
    gapEstimateJoules: joules(at(from.gapEstimateJoules)),
    gapEstimateUncertaintyJoules: joules(at(from.gapEstimateUncertaintyJoules)),
    bridgedSeconds: seconds(at(from.bridgedSeconds)),
    uncertainty: {
      gainJoules: at(from.gainJoules),
      offsetJoules: at(from.offsetJoules),
      aliasJoules: at(from.aliasJoules),
      startEdgeJoules: at(from.startEdgeJoules),
      endEdgeJoules: at(from.endEdgeJoules),
      independentJoulesSquared: at(from.independentJoulesSquared),
    },
    sampleCount: at(from.sampleCount),
    wallOffsetSeconds: at(from.wallOffsetSeconds),
  };
  // Not spread into the literal above: a year of rows is read so where windows may meet them.
  if (isKnown(from.powerMaxWatts[row])) interval.powerMaxWatts = watts(at(from.powerMaxWatts));
  if (isKnown(from.powerMinWatts[row])) interval.powerMinWatts = watts(at(from.powerMinWatts));
  if (isKnown(from.counterJoules[row])) interval.counterJoules = joules(at(from.counterJoules));
  if (isKnown(from.integralJoules[row])) interval.integralJoules = joules(at(from.integralJoules));
  if (isKnown(from.utilizationRatio[row])) interval.utilizationRatio = at(from.utilizationRatio);
  return interval;
}

/** The interval of a row with the charge beside it. */
export const chargedAt = (
  columns: IntervalColumns,
  row: number,
  uuidOf: (device: number) => string,
): ChargedInterval =>
  Object.assign(intervalAt(columns, row, uuidOf), { charge: chargeAt(columns, row) });

/** Appends rows of other columns with the charges beside them; there must be room. */
export function copyRows(to: IntervalColumns, from: IntervalColumns, rows: Uint16Array): void {
  for (const name of [...INTERVAL_COLUMNS, ...CHARGE_COLUMNS]) {
    const source = from.numbers[name];
    const target = to.numbers[name];
    for (let at = 0; at < rows.length; at += 1)
      target[to.length + at] = source[rows[at] ?? 0] ?? NaN;
  }
  for (const [at, row] of rows.entries()) to.gaps[to.length + at] = from.gaps[row];
  to.length += rows.length;
}

/** The method that a row's number stands for. */
export const methodOf = (number: number): Method => METHODS[number] ?? 'integral';

/** Puts a charge beside the interval of a row. */
export function setCharge({ numbers: to }: IntervalColumns, row: number, charge: Charge): void {
  to.facilityKilowattHours[row] = charge.facilityKilowattHours;
  to.costAmount[row] = charge.costAmount ?? NaN;
  to.creditAmount[row] = charge.creditAmount ?? NaN;
  to.gainCostAmount[row] = charge.gainCostAmount ?? NaN;
  to.offsetCostAmount[row] = charge.offsetCostAmount ?? NaN;
  to.aliasCostAmount[row] = charge.aliasCostAmount ?? NaN;
  to.locationBasedGrams[row] = charge.locationBasedGrams ?? NaN;
  to.marketBasedGrams[row] = charge.marketBasedGrams ?? NaN;
}

/** The charge beside the interval of a row. */
export function chargeAt({ numbers: from }: IntervalColumns, row: number): Charge {
  const at = (column: Float64Array): number => column[row] ?? NaN;
  const charge: Writable<Charge> = {
    facilityKilowattHours: kilowattHours(at(from.facilityKilowattHours)),
  };
  if (isKnown(from.costAmount[row])) charge.costAmount = at(from.costAmount);
  if (isKnown(from.creditAmount[row])) charge.creditAmount = at(from.creditAmount);
  if (isKnown(from.gainCostAmount[row])) charge.gainCostAmount = at(from.gainCostAmount);
  if (isKnown(from.offsetCostAmount[row])) charge.offsetCostAmount = at(from.offsetCostAmount);
  if (isKnown(from.aliasCostAmount[row])) charge.aliasCostAmount = at(from.aliasCostAmount);
  if (isKnown(from.locationBasedGrams[row]))
    charge.locationBasedGrams = grams(at(from.locationBasedGrams));
  if (isKnown(from.marketBasedGrams[row]))
    charge.marketBasedGrams = grams(at(from.marketBasedGrams));
  return charge;
}

/** Whether a cell holds a figure: NaN is an unknown. */
export const isKnown = (cell: number | undefined): boolean => !Number.isNaN(cell);

type Writable<Value> = { -readonly [Key in keyof Value]: Value[Key] };
