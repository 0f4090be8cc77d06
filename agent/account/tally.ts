// What one device adds up to over one stretch (a run, a window): plain data, so that a checkpoint is its copy.
// How uncertainty parts combine within a device stands here; between devices, in combine.ts (docs/measurement.md §4.8). Pure.

import type { ChargedInterval, GapReason, Method } from '../model.ts';
import type { Instant } from '../units.ts';
import { addTo, newSum, valueOf, type Sum } from '../sum.ts';

/** The quantities that simply add. Variances are of what is independent; the rest of the uncertainty adds linearly. */
export const SUM_KEYS = [
  'energyJoules',
  'observedSeconds',
  'bridgedSeconds',
  'gapEstimateJoules',
  'gapVarianceJoulesSquared',
  'gainJoules',
  'offsetJoules',
  'aliasJoules',
  'independentJoulesSquared',
  'innerEdgeJoulesSquared',
  'sampleCount',
  'comparedSeconds',
  'counterJoules',
  'integralJoules',
  'facilityKilowattHours',
  'costAmount',
  'creditAmount',
  'gainCostAmount',
  'offsetCostAmount',
  'aliasCostAmount',
  'uncorrelatedCostAmountSquared',
  'locationBasedGrams',
  'marketBasedGrams',
] as const;
export type SumKey = (typeof SUM_KEYS)[number];

/** What a charge may lack, and a total then lacks too. */
export const CHARGED = ['cost', 'location', 'market'] as const;
export type Charged = (typeof CHARGED)[number];

/** `some`: known for all the energy so far; `missing`: part of the energy had none, so the total has none. */
export type Knowledge = 'none' | 'some' | 'missing';

/** A contiguous stretch of observed intervals: of its edges only the outermost two count. */
export interface Stretch {
  endSeconds: Instant;
  startEdgeJoules: number;
  endEdgeJoules: number;
  startEdgeCostAmount: number;
  endEdgeCostAmount: number;
}

/** The running state of one device over one stretch of time. */
export interface Tally {
  sums: Record<SumKey, Sum>;
  gapSeconds: Partial<Record<GapReason, Sum>>;
  /** Linear uncertainty of the gap that is still going on: the slots of one gap err together. */
  openGapUncertaintyJoules: number;
  stretch?: Stretch;
  powerMaxWatts?: number;
  powerMinWatts?: number;
  methodSeconds: Partial<Record<Method, number>>;
  lastMethod?: Method;
  knowledge: Record<Charged, Knowledge>;
  /** How often the driver reported each XID. */
  xidErrors: Record<string, number>;
}

// A float64 holds an instant of this century to 0.3 µs, so closer than this is the same instant.
const SAME_INSTANT_SECONDS = 2e-6;

/** Whether two instants are the same, to the resolution of the timeline. */
export const sameInstant = (one: Instant, other: Instant): boolean =>
  Math.abs(one - other) <= SAME_INSTANT_SECONDS;

/** A tally of nothing yet. */
export function newTally(): Tally {
  return {
    sums: Object.fromEntries(SUM_KEYS.map((key) => [key, newSum()])) as Record<SumKey, Sum>,
    gapSeconds: {},
    openGapUncertaintyJoules: 0,
    methodSeconds: {},
    knowledge: { cost: 'none', location: 'none', market: 'none' },
    xidErrors: {},
  };
}

/** Counts an error that the driver reported. */
export function tallyXid({ xidErrors }: Tally, xid: number): void {
  xidErrors[xid] = (xidErrors[xid] ?? 0) + 1;
}

/** Adds one interval of the tally's device; intervals come in time order, bridging ones whenever they come. */
export function tallyInterval(tally: Tally, interval: ChargedInterval): void {
  const price = pricePerJoule(interval);
  tallyEnergy(tally, interval);
  tallyGaps(tally, interval);
  tallyComparison(tally, interval);
  tallyEdges(tally, interval, price);
  tallyCharge(tally, interval, price);
}

function tallyEnergy(tally: Tally, interval: ChargedInterval): void {
  const { sums } = tally;
  addTo(sums.energyJoules, interval.energyJoules);
  addTo(sums.observedSeconds, interval.observedSeconds);
  addTo(sums.bridgedSeconds, interval.bridgedSeconds);
  addTo(sums.sampleCount, interval.sampleCount);
  addTo(sums.gainJoules, interval.uncertainty.gainJoules);
  addTo(sums.offsetJoules, interval.uncertainty.offsetJoules);
  addTo(sums.aliasJoules, interval.uncertainty.aliasJoules);
  addTo(sums.independentJoulesSquared, interval.uncertainty.independentJoulesSquared);
  const { powerMaxWatts: max, powerMinWatts: min } = interval;
  if (max !== undefined) tally.powerMaxWatts = Math.max(tally.powerMaxWatts ?? max, max);
  if (min !== undefined) tally.powerMinWatts = Math.min(tally.powerMinWatts ?? min, min);
  tally.lastMethod = interval.method;
  tally.methodSeconds[interval.method] =
    (tally.methodSeconds[interval.method] ?? 0) + interval.observedSeconds;
}

function tallyGaps(tally: Tally, interval: ChargedInterval): void {
  let gapped = 0;
  // Gaps are rare: no list is made to find that there is none.
  for (const key in interval.gapSeconds) {
    const reason = key as GapReason;
    const duration = interval.gapSeconds[reason] ?? 0;
    gapped += duration;
    const sum = (tally.gapSeconds[reason] ??= newSum());
    addTo(sum, duration);
  }
  addTo(tally.sums.gapEstimateJoules, interval.gapEstimateJoules);
  const uncertainty = interval.gapEstimateUncertaintyJoules;
  if (interval.bridgedSeconds > 0) {
    closeGap(tally);
    // The counter has told what the gap held: its estimate and the estimate's variance are taken back.
    const variance = tally.sums.gapVarianceJoulesSquared;
    addTo(variance, -Math.min(uncertainty * uncertainty, valueOf(variance)));
  } else if (gapped > 0) {
    tally.openGapUncertaintyJoules += uncertainty;
  } else {
    closeGap(tally);
  }
}

/** Books the gap that is going on, if one is. */
export function closeGap(tally: Tally): void {
  addTo(tally.sums.gapVarianceJoulesSquared, tally.openGapUncertaintyJoules ** 2);
  tally.openGapUncertaintyJoules = 0;
}

function tallyComparison(tally: Tally, interval: ChargedInterval): void {
  const { counterJoules, integralJoules } = interval;
  // Only where both exist: otherwise the two sums would speak of different times.
  if (counterJoules === undefined || integralJoules === undefined) return;
  addTo(tally.sums.counterJoules, counterJoules);
  addTo(tally.sums.integralJoules, integralJoules);
  addTo(tally.sums.comparedSeconds, interval.observedSeconds);
}

function tallyEdges(tally: Tally, interval: ChargedInterval, price: number): void {
  if (interval.observedSeconds <= 0) return;
  const { startEdgeJoules, endEdgeJoules } = interval.uncertainty;
  const before = tally.stretch;
  if (before !== undefined && sameInstant(before.endSeconds, interval.startSeconds)) {
    // One clock error moves energy across the cut: it cancels in joules, and in money up to the change of price.
    const moved = before.endEdgeCostAmount - startEdgeJoules * price;
    addTo(tally.sums.uncorrelatedCostAmountSquared, moved * moved);
    before.endSeconds = interval.endSeconds;
    before.endEdgeJoules = endEdgeJoules;
    before.endEdgeCostAmount = endEdgeJoules * price;
    return;
  }
  const next: Stretch = {
    endSeconds: interval.endSeconds,
    startEdgeJoules,
    endEdgeJoules,
    startEdgeCostAmount: startEdgeJoules * price,
    endEdgeCostAmount: endEdgeJoules * price,
  };
  if (before === undefined) {
    tally.stretch = next;
  } else if (interval.startSeconds > before.endSeconds) {
    bookEdges(tally, before);
    tally.stretch = next;
  } else {
    bookEdges(tally, next);
  }
}

function bookEdges(tally: Tally, stretch: Stretch): void {
  addTo(tally.sums.innerEdgeJoulesSquared, edgeVariance(stretch));
  addTo(tally.sums.uncorrelatedCostAmountSquared, edgeCostVariance(stretch));
}

/** Variance of a stretch's outermost edges, J². */
export const edgeVariance = (stretch: Stretch): number =>
  stretch.startEdgeJoules ** 2 + stretch.endEdgeJoules ** 2;

/** The same in currency². */
export const edgeCostVariance = (stretch: Stretch): number =>
  stretch.startEdgeCostAmount ** 2 + stretch.endEdgeCostAmount ** 2;

function tallyCharge(tally: Tally, interval: ChargedInterval, price: number): void {
  const { sums } = tally;
  const { charge, uncertainty } = interval;
  addTo(sums.facilityKilowattHours, charge.facilityKilowattHours);
  addTo(sums.costAmount, charge.costAmount ?? 0);
  addTo(sums.creditAmount, charge.creditAmount ?? 0);
  addTo(sums.gainCostAmount, charge.gainCostAmount ?? price * uncertainty.gainJoules);
  addTo(sums.offsetCostAmount, charge.offsetCostAmount ?? price * uncertainty.offsetJoules);
  addTo(sums.aliasCostAmount, charge.aliasCostAmount ?? price * uncertainty.aliasJoules);
  addTo(sums.uncorrelatedCostAmountSquared, price * price * uncertainty.independentJoulesSquared);
  addTo(sums.locationBasedGrams, charge.locationBasedGrams ?? 0);
  addTo(sums.marketBasedGrams, charge.marketBasedGrams ?? 0);
  const empty = interval.energyJoules === 0;
  const { knowledge } = tally;
  const priced = charge.costAmount !== undefined || charge.creditAmount !== undefined;
  knowledge.cost = learn(knowledge.cost, priced, empty);
  knowledge.location = learn(knowledge.location, charge.locationBasedGrams !== undefined, empty);
  knowledge.market = learn(knowledge.market, charge.marketBasedGrams !== undefined, empty);
}

/** What is known of a charge after energy that has it or lacks it, or after none. */
export function learn(known: Knowledge, present: boolean, empty: boolean): Knowledge {
  if (present) return known === 'missing' ? 'missing' : 'some';
  return empty ? known : 'missing';
}

/** Money per joule of IT energy in this interval (PUE included), from whichever pair of figures states it; 0 unpriced. */
function pricePerJoule(interval: ChargedInterval): number {
  const { charge, uncertainty, energyJoules } = interval;
  if (energyJoules !== 0 && (charge.costAmount ?? charge.creditAmount) !== undefined) {
    return ((charge.costAmount ?? 0) - (charge.creditAmount ?? 0)) / energyJoules;
  }
  if (charge.offsetCostAmount !== undefined && uncertainty.offsetJoules > 0) {
    return charge.offsetCostAmount / uncertainty.offsetJoules;
  }
  return 0;
}
