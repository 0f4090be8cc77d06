// The time in which a GPU sat idle, and what it drew and cost meanwhile: a part of the device's totals, never beside
// them. A stretch between two utilisation readings counts as idle when both say 0 %: the driver's reading speaks of up to
// a second before it, so the second one answers for the stretch and the first for its beginning. Pure.

import { chargedAt, isKnown, type IntervalColumns } from '../interval-columns.ts';
import type { ChargedInterval } from '../model.ts';
import { grams, joules, kilowattHours, seconds } from '../units.ts';
import type { Grams, Instant, Joules, KilowattHours, Seconds } from '../units.ts';
import { addTo, newSum, valueOf, type Sum } from '../sum.ts';
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

/** Adds one interval of the tally's device; intervals come in time order, late ones tell nothing. */
export function tallyIdle(tally: IdleTally, interval: ChargedInterval): void {
  const { utilizationRatio, observedSeconds, bridgedSeconds, startSeconds } = interval;
  const { stretch } = tally;
  if (bridgedSeconds > 0) return;
  const follows = stretch !== undefined && sameInstant(stretch.endSeconds, startSeconds);
  const isGap = observedSeconds <= 0;
  if (stretch !== undefined && (isGap || !follows)) close(tally, stretch, undefined);
  if (isGap) return;
  if (utilizationRatio === undefined) {
    if (tally.stretch !== undefined) extend(tally.stretch, interval);
    return;
  }
  if (tally.stretch !== undefined) close(tally, tally.stretch, utilizationRatio);
  tally.stretch = stretchOf(interval, utilizationRatio);
}

/** The same for charged rows of the device, in their order. */
export function tallyIdleRows(
  tally: IdleTally,
  columns: IntervalColumns,
  rows: Uint16Array,
  uuidOf: (device: number) => string,
): void {
  const { utilizationRatio } = columns.numbers;
  // Where no reading is under judgement and none comes, there is nothing to judge.
  if (tally.stretch === undefined && !rows.some((row) => isKnown(utilizationRatio[row]))) return;
  for (const row of rows) tallyIdle(tally, chargedAt(columns, row, uuidOf));
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

function stretchOf(interval: ChargedInterval, utilizationRatio: number): Stretch {
  const stretch: Stretch = {
    utilizationRatio,
    startSeconds: interval.startSeconds,
    endSeconds: interval.endSeconds,
    amounts: Object.fromEntries(IDLE_AMOUNTS.map((key) => [key, 0])) as Record<Amount, number>,
    lacksCost: false,
    lacksGrams: false,
  };
  extend(stretch, interval);
  return stretch;
}

function extend(stretch: Stretch, interval: ChargedInterval): void {
  const { charge, energyJoules, observedSeconds } = interval;
  const { amounts } = stretch;
  stretch.endSeconds = interval.endSeconds;
  amounts.observedSeconds += observedSeconds;
  amounts.energyJoules += energyJoules;
  amounts.facilityKilowattHours += charge.facilityKilowattHours;
  amounts.costAmount += (charge.costAmount ?? 0) - (charge.creditAmount ?? 0);
  amounts.locationBasedGrams += charge.locationBasedGrams ?? 0;
  if (energyJoules === 0) return;
  stretch.lacksCost ||= charge.costAmount === undefined && charge.creditAmount === undefined;
  stretch.lacksGrams ||= charge.locationBasedGrams === undefined;
}

/** Judges a stretch by the reading at its beginning and the one that ends it; the last of a run has only the first. */
function close(tally: IdleTally, stretch: Stretch, next: number | undefined): void {
  delete tally.stretch;
  const { amounts, utilizationRatio } = stretch;
  if (stretch.endSeconds - stretch.startSeconds > MAX_STRETCH_SECONDS) return;
  addTo(tally.knownSeconds, amounts.observedSeconds);
  addTo(tally.busySeconds, utilizationRatio * amounts.observedSeconds);
  if (utilizationRatio > 0 || (next ?? 0) > 0) return;
  for (const key of IDLE_AMOUNTS) addTo(tally.sums[key], amounts[key]);
  tally.lacksCost ||= stretch.lacksCost;
  tally.lacksGrams ||= stretch.lacksGrams;
}
