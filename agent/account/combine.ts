// How totals join: of different devices, whose errors are independent; and of one device's late share with what is
// already settled, whose errors are common (docs/measurement.md §4.8). Pure.

import type { Totals, UncertaintyComponents } from '../account.ts';
import type { GapReason } from '../model.ts';
import { grams, joules, kilowattHours, seconds } from '../units.ts';
import { rootOfSquares, sumOf } from '../sum.ts';
import { expandedUncertainty } from './totals.ts';

type Join = (values: readonly number[]) => number;

/**
 * Totals over different devices: quantities add, uncertainties join as root of squares; order matters to rounding
 * only. Power extremes and method are absent where the devices leave them unknown: nobody saw the sum's own peak.
 */
export function combine(totals: readonly Totals[]): Totals {
  const [only] = totals;
  return totals.length === 1 && only !== undefined ? only : join(totals, rootOfSquares);
}

/** Totals of one stretch and of a late part of it: uncertainties add linearly, an upper bound for independent parts. */
export function combineLinearly(settled: Totals, late: Totals): Totals {
  const { powerMaxWatts, powerMinWatts } = settled;
  return {
    ...join([settled, late], sumOf),
    ...(powerMaxWatts === undefined ? {} : { powerMaxWatts }),
    ...(powerMinWatts === undefined ? {} : { powerMinWatts }),
  };
}

function join(totals: readonly Totals[], joinUncertainty: Join): Totals {
  const add = (pick: (one: Totals) => number): number => sumOf(totals.map(pick));
  const components = joinComponents(totals, joinUncertainty);
  const method = totals[0]?.method;
  return {
    energyJoules: joules(add((one) => one.energyJoules)),
    uncertaintyJoules: expandedUncertainty(components),
    components,
    observedSeconds: seconds(add((one) => one.observedSeconds)),
    gapSeconds: joinGaps(totals),
    bridgedSeconds: seconds(add((one) => one.bridgedSeconds)),
    gapEstimateJoules: joules(add((one) => one.gapEstimateJoules)),
    gapEstimateUncertaintyJoules: joules(
      joinUncertainty(totals.map((one) => one.gapEstimateUncertaintyJoules)),
    ),
    sampleCount: add((one) => one.sampleCount),
    ...joinComparison(totals),
    ...(method !== undefined && totals.every((one) => one.method === method) ? { method } : {}),
    facilityKilowattHours: kilowattHours(add((one) => one.facilityKilowattHours)),
    ...joinCharges(totals, joinUncertainty),
  };
}

function joinComponents(totals: readonly Totals[], joinUncertainty: Join): UncertaintyComponents {
  const of = (key: keyof UncertaintyComponents): ReturnType<typeof joules> =>
    joules(joinUncertainty(totals.map((one) => one.components[key])));
  return {
    gainJoules: of('gainJoules'),
    offsetJoules: of('offsetJoules'),
    aliasJoules: of('aliasJoules'),
    edgeJoules: of('edgeJoules'),
    independentJoules: of('independentJoules'),
  };
}

function joinGaps(totals: readonly Totals[]): Totals['gapSeconds'] {
  const reasons = new Set(totals.flatMap((one) => Object.keys(one.gapSeconds) as GapReason[]));
  return Object.fromEntries(
    [...reasons].map((reason) => [reason, sumOf(totals.map((one) => one.gapSeconds[reason] ?? 0))]),
  );
}

function joinComparison(totals: readonly Totals[]): Partial<Totals> {
  const compared = totals.filter((one) => one.comparedSeconds !== undefined);
  if (compared.length === 0) return {};
  return {
    counterJoules: joules(sumOf(compared.map((one) => one.counterJoules ?? 0))),
    integralJoules: joules(sumOf(compared.map((one) => one.integralJoules ?? 0))),
    comparedSeconds: seconds(sumOf(compared.map((one) => one.comparedSeconds ?? 0))),
  };
}

function joinCharges(totals: readonly Totals[], joinUncertainty: Join): Partial<Totals> {
  const cost = known(totals, 'costAmount');
  const uncertainty = known(totals, 'uncertaintyCostAmount');
  const location = known(totals, 'locationBasedGrams');
  const market = known(totals, 'marketBasedGrams');
  return {
    ...(cost === undefined
      ? {}
      : {
          costAmount: sumOf(cost),
          creditAmount: sumOf(totals.map((one) => one.creditAmount ?? 0)),
        }),
    ...(cost === undefined || uncertainty === undefined
      ? {}
      : { uncertaintyCostAmount: joinUncertainty(uncertainty) }),
    ...(location === undefined ? {} : { locationBasedGrams: grams(sumOf(location)) }),
    ...(market === undefined ? {} : { marketBasedGrams: grams(sumOf(market)) }),
  };
}

type ChargeKey = 'costAmount' | 'uncertaintyCostAmount' | 'locationBasedGrams' | 'marketBasedGrams';

/** The values of a charge, or undefined when some energy has none, or nothing has any. */
function known(totals: readonly Totals[], key: ChargeKey): number[] | undefined {
  const values: number[] = [];
  for (const one of totals) {
    const value = one[key];
    if (value !== undefined) values.push(value);
    else if (one.energyJoules !== 0) return undefined;
  }
  return values.length > 0 ? values : undefined;
}
