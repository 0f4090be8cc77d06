// The time in which a GPU sat idle, and what it drew and cost meanwhile: a part of the device's totals, never beside
// them. A stretch between two utilisation readings counts as idle when both say 0 %: the driver's reading speaks of up to
// a second before it, so the second one answers for the stretch and the first for its beginning. Pure.

import { isKnown, type IntervalColumns } from '../interval-columns.ts';
import type { ChargedInterval } from '../model.ts';
import { grams, instant, joules, kilowattHours, seconds } from '../units.ts';
import type { Grams, Instant, Joules, KilowattHours, Seconds } from '../units.ts';
import { addRowsTo, addTo, newSum, valueOf, type Sum } from '../sum.ts';
import { sameInstant } from './tally.ts';

/** How idle time is told, for whoever shows it. */
export const IDLE_RULE = 'utilisation 0 % at two readings in a row';

/** What of a device's time was idle, as far as its source told of utilisation. */
export interface IdleTotals {
  /** Observed time whose utilisation is known; of the rest nobody can say whether it was idle. */
  readonly knownSeconds: Seconds;
  /** Time-weighted mean over the known time, 0–1. */
  readonly utilizationRatioMean: number;
  readonly idleSeconds: Seconds;
  readonly energyJoules: Joules;
  readonly facilityKilowattHours: KilowattHours;
  /** Net of credits; absent when part of the idle energy had no price. */
  readonly costAmount?: number;
  readonly locationBasedGrams?: Grams;
}

/** What adds up over idle stretches. */
export const IDLE_AMOUNTS = [
  'observedSeconds',
  'energyJoules',
  'facilityKilowattHours',
  'costAmount',
  'locationBasedGrams',
] as const;
type Amount = (typeof IDLE_AMOUNTS)[number];

/** Intervals since the last reading, which the next one will judge: plain data. */
interface Stretch {
  readonly utilizationRatio: number;
  startSeconds: number;
  endSeconds: Instant;
  readonly amounts: Record<Amount, number>;
  lacksCost: boolean;
  lacksGrams: boolean;
}

/** The running state of one device: plain data, so that a checkpoint is its copy. */
export interface IdleTally {
  readonly sums: Record<Amount, Sum>;
  readonly knownSeconds: Sum;
  /** Σ utilisation × seconds. */
  readonly busySeconds: Sum;
  lacksCost: boolean;
  lacksGrams: boolean;
  stretch?: Stretch;
}

// A reading does not answer for longer than this, whatever the sampling: a log at a slower pace tells of no idling.
const MAX_STRETCH_SECONDS = 60;

/** A tally of nothing yet. */
export const newIdleTally = (): IdleTally => ({
  sums: Object.fromEntries(IDLE_AMOUNTS.map((key) => [key, newSum()])) as Record<Amount, Sum>,
  knownSeconds: newSum(),
  busySeconds: newSum(),
  lacksCost: false,
  lacksGrams: false,
});

/** What idleness asks of an interval; NaN is unknown, `costAmount` net of credits. */
type Piece = Record<
  'startSeconds' | 'endSeconds' | 'bridgedSeconds' | 'utilizationRatio' | Amount,
  number
>;
/** Adds one interval of the tally's device; intervals come in time order, late ones tell nothing. */
export function tallyIdle(tally: IdleTally, interval: ChargedInterval): void {
  const { charge } = interval;
  addPiece(tally, {
    startSeconds: interval.startSeconds,
    endSeconds: interval.endSeconds,
    bridgedSeconds: interval.bridgedSeconds,
    utilizationRatio: interval.utilizationRatio ?? NaN,
    observedSeconds: interval.observedSeconds,
    energyJoules: interval.energyJoules,
    facilityKilowattHours: charge.facilityKilowattHours,
    costAmount: netOf(charge.costAmount ?? NaN, charge.creditAmount ?? NaN),
    locationBasedGrams: charge.locationBasedGrams ?? NaN,
  });
}

/** The same for charged rows of the device, in their order. */
export function tallyIdleRows(tally: IdleTally, columns: IntervalColumns, rows: Uint16Array): void {
  const { stretch } = tally;
  const { utilizationRatio } = columns.numbers;
  // Where no reading is under judgement and none comes, there is nothing to judge.
  if (stretch === undefined && !rows.some((row) => isKnown(utilizationRatio[row]))) return;
  if (stretch !== undefined && areReadings(columns, rows, stretch)) {
    tallyReadings(tally, stretch, columns, rows);
    return;
  }
  for (const row of rows) addPiece(tally, pieceAt(columns, row));
}

/** What the tally amounts to now; undefined where no utilisation was ever told. */
export function idleTotalsOf(tally: IdleTally): IdleTotals | undefined {
  const whole = structuredClone(tally);
  if (whole.stretch !== undefined) close(whole, whole.stretch, undefined);
  const known = valueOf(whole.knownSeconds);
  if (known <= 0) return undefined;
  const of = (key: Amount): number => valueOf(whole.sums[key]);
  return {
    knownSeconds: seconds(known),
    utilizationRatioMean: valueOf(whole.busySeconds) / known,
    idleSeconds: seconds(of('observedSeconds')),
    energyJoules: joules(of('energyJoules')),
    facilityKilowattHours: kilowattHours(of('facilityKilowattHours')),
    ...(whole.lacksCost ? {} : { costAmount: of('costAmount') }),
    ...(whole.lacksGrams ? {} : { locationBasedGrams: grams(of('locationBasedGrams')) }),
  };
}

/** Cost less credit; one of them alone leaves the other out, neither is unknown. */
function netOf(costAmount: number, creditAmount: number): number {
  if (!isKnown(costAmount)) return -creditAmount;
  return isKnown(creditAmount) ? costAmount - creditAmount : costAmount;
}

function pieceAt({ numbers }: IntervalColumns, row: number): Piece {
  const at = (column: Float64Array): number => column[row] ?? NaN;
  return {
    startSeconds: at(numbers.startSeconds),
    endSeconds: at(numbers.endSeconds),
    bridgedSeconds: at(numbers.bridgedSeconds),
    utilizationRatio: at(numbers.utilizationRatio),
    observedSeconds: at(numbers.observedSeconds),
    energyJoules: at(numbers.energyJoules),
    facilityKilowattHours: at(numbers.facilityKilowattHours),
    costAmount: netOf(at(numbers.costAmount), at(numbers.creditAmount)),
    locationBasedGrams: at(numbers.locationBasedGrams),
  };
}

function addPiece(tally: IdleTally, piece: Piece): void {
  const { utilizationRatio, observedSeconds, bridgedSeconds, startSeconds } = piece;
  if (bridgedSeconds > 0) return;
  const isGap = observedSeconds <= 0;
  const { stretch } = tally;
  const follows = stretch !== undefined && sameInstant(stretch.endSeconds, instant(startSeconds));
  if (stretch !== undefined && (isGap || !follows)) close(tally, stretch, undefined);
  if (isGap) return;
  if (isKnown(utilizationRatio)) {
    if (tally.stretch !== undefined) close(tally, tally.stretch, utilizationRatio);
    tally.stretch = stretchOf(piece);
  } else if (tally.stretch !== undefined) {
    extend(tally.stretch, piece);
  }
}

/** Whether the rows go on from the stretch without a gap, each with a reading of its own. */
function areReadings({ numbers }: IntervalColumns, rows: Uint16Array, stretch: Stretch): boolean {
  const { startSeconds, endSeconds, observedSeconds, bridgedSeconds, utilizationRatio } = numbers;
  let end: number = stretch.endSeconds;
  for (let at = 0; at < rows.length; at += 1) {
    const row = rows[at] ?? 0;
    const start = startSeconds[row] ?? NaN;
    const isReading =
      sameInstant(instant(end), instant(start)) &&
      bridgedSeconds[row] === 0 &&
      (observedSeconds[row] ?? NaN) > 0 &&
      isKnown(utilizationRatio[row]);
    end = endSeconds[row] ?? NaN;
    if (!isReading || end - start > MAX_STRETCH_SECONDS) return false;
  }
  return true;
}

/** Each row is then a stretch of its own, that the next one ends: to the last bit what they come to one by one. */
function tallyReadings(
  tally: IdleTally,
  stretch: Stretch,
  columns: IntervalColumns,
  rows: Uint16Array,
): void {
  const { observedSeconds, utilizationRatio } = columns.numbers;
  const judged = rows.subarray(0, -1);
  close(tally, stretch, utilizationRatio[rows[0] ?? 0]);
  addRowsTo(tally.knownSeconds, observedSeconds, judged);
  const busy = { total: +tally.busySeconds.total, carry: +tally.busySeconds.carry };
  for (let at = 0; at < judged.length; at += 1) {
    const row = rows[at] ?? 0;
    const ratio = utilizationRatio[row] ?? NaN;
    addTo(busy, ratio * (observedSeconds[row] ?? NaN));
    if (ratio > 0 || (utilizationRatio[rows[at + 1] ?? 0] ?? NaN) > 0) continue;
    addIdle(tally, stretchOf(pieceAt(columns, row)));
  }
  Object.assign(tally.busySeconds, busy);
  tally.stretch = stretchOf(pieceAt(columns, rows.at(-1) ?? 0));
}

function stretchOf(piece: Piece): Stretch {
  const { startSeconds, utilizationRatio } = piece;
  const stretch: Stretch = {
    utilizationRatio,
    startSeconds,
    endSeconds: instant(startSeconds),
    amounts: {
      observedSeconds: 0,
      energyJoules: 0,
      facilityKilowattHours: 0,
      costAmount: 0,
      locationBasedGrams: 0,
    },
    lacksCost: false,
    lacksGrams: false,
  };
  extend(stretch, piece);
  return stretch;
}

function extend(stretch: Stretch, piece: Piece): void {
  const { amounts } = stretch;
  const { costAmount, locationBasedGrams } = piece;
  stretch.endSeconds = instant(piece.endSeconds);
  amounts.observedSeconds += piece.observedSeconds;
  amounts.energyJoules += piece.energyJoules;
  amounts.facilityKilowattHours += piece.facilityKilowattHours;
  amounts.costAmount += isKnown(costAmount) ? costAmount : 0;
  amounts.locationBasedGrams += isKnown(locationBasedGrams) ? locationBasedGrams : 0;
  if (piece.energyJoules === 0) return;
  stretch.lacksCost ||= !isKnown(costAmount);
  stretch.lacksGrams ||= !isKnown(locationBasedGrams);
}

/** Judges a stretch by the reading at its beginning and the one that ends it; the last of a run has only the first. */
function close(tally: IdleTally, stretch: Stretch, next: number | undefined): void {
  delete tally.stretch;
  const { amounts, utilizationRatio } = stretch;
  if (stretch.endSeconds - stretch.startSeconds > MAX_STRETCH_SECONDS) return;
  addTo(tally.knownSeconds, amounts.observedSeconds);
  addTo(tally.busySeconds, utilizationRatio * amounts.observedSeconds);
  if (utilizationRatio > 0 || (next ?? 0) > 0) return;
  addIdle(tally, stretch);
}

function addIdle(tally: IdleTally, { amounts, lacksCost, lacksGrams }: Stretch): void {
  for (const key of IDLE_AMOUNTS) addTo(tally.sums[key], amounts[key]);
  tally.lacksCost ||= lacksCost;
  tally.lacksGrams ||= lacksGrams;
}
