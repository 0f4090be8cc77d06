// From a running tally to the totals that reports and metrics show. Pure.

import type { Totals, UncertaintyComponents } from '../account.ts';
import { COVERAGE_FACTOR, type GapReason, type Method } from '../model.ts';
import { grams, joules, kilowattHours, seconds, watts } from '../units.ts';
import { rootOfSquares, valueOf } from '../sum.ts';
import { edgeCostVariance, edgeVariance, type SumKey, type Tally } from './tally.ts';

/** What a tally amounts to now. */
export function totalsOfTally(tally: Tally): Totals {
  const of = (key: SumKey): number => valueOf(tally.sums[key]);
  const components = componentsOf(tally);
  const method = methodOf(tally);
  return {
    energyJoules: joules(of('energyJoules')),
    uncertaintyJoules: expandedUncertainty(components),
    components,
    observedSeconds: seconds(of('observedSeconds')),
    gapSeconds: gapsOf(tally),
    bridgedSeconds: seconds(of('bridgedSeconds')),
    gapEstimateJoules: joules(of('gapEstimateJoules')),
    gapEstimateUncertaintyJoules: joules(
      COVERAGE_FACTOR *
        Math.hypot(
          Math.sqrt(Math.max(0, of('gapVarianceJoulesSquared'))),
          tally.openGapUncertaintyJoules,
        ),
    ),
    ...(tally.powerMaxWatts === undefined ? {} : { powerMaxWatts: watts(tally.powerMaxWatts) }),
    ...(tally.powerMinWatts === undefined ? {} : { powerMinWatts: watts(tally.powerMinWatts) }),
    // A share of an interval holds a share of its samples: a count again only here.
    sampleCount: Math.round(of('sampleCount')),
    ...comparisonOf(tally),
    ...(method === undefined ? {} : { method }),
    facilityKilowattHours: kilowattHours(of('facilityKilowattHours')),
    ...chargesOf(tally),
  };
}

/** U = 2·√(Σ components²). */
export const expandedUncertainty = (
  components: UncertaintyComponents,
): Totals['uncertaintyJoules'] =>
  joules(COVERAGE_FACTOR * rootOfSquares(Object.values(components)));

function componentsOf(tally: Tally): UncertaintyComponents {
  const outer = tally.stretch === undefined ? 0 : edgeVariance(tally.stretch);
  return {
    gainJoules: joules(valueOf(tally.sums.gainJoules)),
    offsetJoules: joules(valueOf(tally.sums.offsetJoules)),
    aliasJoules: joules(valueOf(tally.sums.aliasJoules)),
    edgeJoules: joules(Math.sqrt(valueOf(tally.sums.innerEdgeJoulesSquared) + outer)),
    independentJoules: joules(Math.sqrt(valueOf(tally.sums.independentJoulesSquared))),
  };
}

function gapsOf(tally: Tally): Totals['gapSeconds'] {
  const gaps: Partial<Record<GapReason, number>> = {};
  for (const [reason, sum] of Object.entries(tally.gapSeconds)) {
    gaps[reason as GapReason] = valueOf(sum);
  }
  return gaps;
}

function comparisonOf(
  tally: Tally,
): Pick<Totals, 'counterJoules' | 'integralJoules' | 'comparedSeconds'> {
  const compared = valueOf(tally.sums.comparedSeconds);
  if (compared <= 0) return {};
  return {
    counterJoules: joules(valueOf(tally.sums.counterJoules)),
    integralJoules: joules(valueOf(tally.sums.integralJoules)),
    comparedSeconds: seconds(compared),
  };
}

/** The method that most of the observed time was measured by; of a stretch that is all gap, the newest one. */
function methodOf(tally: Tally): Method | undefined {
  let best = tally.lastMethod;
  for (const [method, duration] of Object.entries(tally.methodSeconds)) {
    const longest = best === undefined ? 0 : (tally.methodSeconds[best] ?? 0);
    if (duration > longest) best = method as Method;
  }
  return best;
}

function chargesOf(tally: Tally): Partial<Totals> {
  const of = (key: SumKey): number => valueOf(tally.sums[key]);
  const { cost, location, market } = tally.knowledge;
  return {
    ...(cost === 'some'
      ? {
          costAmount: of('costAmount'),
          creditAmount: of('creditAmount'),
          uncertaintyCostAmount: costUncertaintyOf(tally),
        }
      : {}),
    ...(location === 'some' ? { locationBasedGrams: grams(of('locationBasedGrams')) } : {}),
    ...(market === 'some' ? { marketBasedGrams: grams(of('marketBasedGrams')) } : {}),
  };
}

/** u(cost)² = (Σ p·u_gain)² + (Σ p·u_offset)² + (Σ p·u_alias)² + uncorrelated parts (docs/measurement.md §4.8); U = 2u. */
function costUncertaintyOf(tally: Tally): number {
  const uncorrelated =
    valueOf(tally.sums.uncorrelatedCostAmountSquared) +
    (tally.stretch === undefined ? 0 : edgeCostVariance(tally.stretch));
  const shared = [
    valueOf(tally.sums.gainCostAmount),
    valueOf(tally.sums.offsetCostAmount),
    valueOf(tally.sums.aliasCostAmount),
  ];
  return COVERAGE_FACTOR * rootOfSquares([...shared, Math.sqrt(Math.max(0, uncorrelated))]);
}
