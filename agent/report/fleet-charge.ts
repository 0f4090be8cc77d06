// Money and grams of a fleet's device, step by step: as its node exported them, or by a tariff, grid or PUE that is given
// now. Pure apart from what a tariff remembers.

import type { ChargedInterval, Interval } from '../model.ts';
import { grams, joules, seconds, toKilowattHours } from '../units.ts';
import { grown, type Step } from './fleet-fold.ts';
import type { DeviceRow, GridLabels, NodeRow } from './fleet-rows.ts';

/** What replaces what the nodes exported. */
export interface FleetPricing {
  /** Prices an interval of IT energy under its own PUE. */
  charge(interval: Interval): ChargedInterval;
  /** The PUE that `charge` applies. */
  readonly chargedEffectiveness: number;
  /** The currency of `charge`; absent: money is what the nodes exported. */
  readonly currency?: string;
  /** Whether grams come from `charge`. */
  readonly givesCarbon: boolean;
  /** Replaces the nodes' PUE. */
  readonly powerUsageEffectiveness?: number;
}

/** An amount, and the IT energy for which it is not known. */
export interface Known {
  amount: number;
  unknownJoules: number;
}

/** What a device's energy cost and emitted. */
export interface FleetCharged {
  facilityKilowattHours: number;
  /** PUE in force; `undefined` where none was known and 1 was taken. */
  readonly effectiveness: Set<number | undefined>;
  readonly costs: Map<string, { cost: number; credit: number }>;
  unpricedJoules: number;
  readonly location: Known;
  readonly market: Known;
  /** Prices in force, by currency and tariff; at most a few are kept. */
  readonly prices: Map<string, PriceInForce>;
  readonly grids: Map<string, GridLabels>;
}

/** A price that a node exported. */
export interface PriceInForce {
  readonly currency: string;
  readonly tariff: string;
  readonly perKilowattHour: number;
}

// Distinct prices tell a steady one from one that changes: more than a few say nothing new.
const MOST_PRICES = 8;

/** A charge of nothing yet. */
export const newCharge = (): FleetCharged => ({
  facilityKilowattHours: 0,
  effectiveness: new Set(),
  costs: new Map(),
  unpricedJoules: 0,
  location: { amount: 0, unknownJoules: 0 },
  market: { amount: 0, unknownJoules: 0 },
  prices: new Map(),
  grids: new Map(),
});

/** Charges a step of a GPU, whose node counts money and grams itself, or of a host component, whose node does not. */
export function chargeStep(
  charged: FleetCharged,
  step: Step,
  facts: {
    readonly kind: 'gpu' | 'host';
    readonly uuid: string;
    readonly node: NodeRow | undefined;
    readonly pricing: FleetPricing;
  },
): void {
  const { node, pricing, kind } = facts;
  const energy = step.energyJoules * step.share;
  const exported = node?.powerUsageEffectiveness;
  const effectiveness = pricing.powerUsageEffectiveness ?? exported ?? 1;
  charged.effectiveness.add(pricing.powerUsageEffectiveness ?? exported);
  const facility = toKilowattHours(energy * effectiveness);
  charged.facilityKilowattHours += facility;
  noteNode(charged, node, pricing);
  // What a node counted holds its own PUE; another one scales it.
  const scale =
    pricing.powerUsageEffectiveness === undefined
      ? 1
      : exported === undefined
        ? undefined
        : effectiveness / exported;
  const counted = kind === 'gpu' ? countedBy(step, scale) : impliedBy(node, facility);
  const given =
    pricing.currency === undefined && !pricing.givesCarbon
      ? undefined
      : pricing.charge(
          intervalOf(step, facts.uuid, (energy * effectiveness) / pricing.chargedEffectiveness),
        ).charge;
  addMoney(
    charged,
    pricing.currency === undefined
      ? counted.costs
      : costsOf(pricing.currency, given?.costAmount, given?.creditAmount),
    energy,
  );
  addKnown(
    charged.location,
    pricing.givesCarbon ? given?.locationBasedGrams : counted.locationBasedGrams,
    energy,
  );
  const market = pricing.givesCarbon ? given?.marketBasedGrams : counted.marketBasedGrams;
  addKnown(charged.market, market, energy);
}

interface Counted {
  readonly costs: readonly (readonly [
    string,
    { readonly cost: number; readonly credit: number },
  ])[];
  readonly locationBasedGrams?: number | undefined;
  readonly marketBasedGrams?: number | undefined;
}

const costsOf = (
  currency: string,
  cost: number | undefined,
  credit: number | undefined,
): Counted['costs'] =>
  cost === undefined && credit === undefined
    ? []
    : [[currency, { cost: cost ?? 0, credit: credit ?? 0 }]];

function countedBy({ before, after, verdict, share }: Step, scale: number | undefined): Counted {
  if (scale === undefined) return { costs: [] };
  const part = (pick: (row: DeviceRow) => number | undefined): number | undefined => {
    const amount = grown(verdict, pick(before), pick(after));
    return amount === undefined ? undefined : amount * share * scale;
  };
  const costs = Object.keys(after.costByCurrency ?? {}).flatMap((currency) =>
    costsOf(
      currency,
      part((row) => row.costByCurrency?.[currency]),
      part((row) => row.creditByCurrency?.[currency]),
    ),
  );
  return {
    costs,
    locationBasedGrams: part((row) => row.locationBasedGrams),
    marketBasedGrams: part((row) => row.marketBasedGrams),
  };
}

/** Nodes count money and grams of GPUs alone; of the rest of the node, price and intensity in force tell. */
function impliedBy(node: NodeRow | undefined, facility: number): Counted {
  const price = node?.price;
  const amount = price === undefined ? 0 : facility * price.perKilowattHour;
  return {
    costs:
      price === undefined ? [] : costsOf(price.currency, Math.max(0, amount), Math.max(0, -amount)),
    locationBasedGrams:
      node?.grid === undefined ? undefined : facility * node.grid.gramsPerKilowattHour,
  };
}

/** Remembers what the nodes' own figures stand on. */
function noteNode(
  { prices, grids }: FleetCharged,
  node: NodeRow | undefined,
  { currency: given, givesCarbon }: FleetPricing,
): void {
  if (given === undefined && node?.price !== undefined && prices.size < MOST_PRICES) {
    const { currency, tariff, perKilowattHour } = node.price;
    prices.set(`${currency} ${tariff} ${perKilowattHour}`, node.price);
  }
  if (!givesCarbon && node?.grid !== undefined) {
    const { zone, dataset, vintage } = node.grid;
    grids.set(JSON.stringify([zone, dataset, vintage]), { zone, dataset, vintage });
  }
}

function addMoney(charged: FleetCharged, costs: Counted['costs'], energy: number): void {
  if (costs.length === 0) charged.unpricedJoules += energy;
  for (const [currency, { cost, credit }] of costs) {
    const sums = charged.costs.get(currency) ?? { cost: 0, credit: 0 };
    charged.costs.set(currency, { cost: sums.cost + cost, credit: sums.credit + credit });
  }
}

function addKnown(known: Known, amount: number | undefined, energy: number): void {
  if (amount === undefined) known.unknownJoules += energy;
  else known.amount += amount;
}

/** A step as the stages that price know it. Uncertainty is the device's as a whole, so none stands here. */
function intervalOf(step: Step, uuid: string, energy: number): Interval {
  return {
    uuid,
    startSeconds: step.startSeconds,
    endSeconds: step.endSeconds,
    method: 'counter',
    energyJoules: joules(energy),
    observedSeconds: seconds(step.endSeconds - step.startSeconds),
    gapSeconds: {},
    gapEstimateJoules: joules(0),
    gapEstimateUncertaintyJoules: joules(0),
    bridgedSeconds: seconds(0),
    uncertainty: {
      gainJoules: 0,
      offsetJoules: 0,
      aliasJoules: 0,
      startEdgeJoules: 0,
      endEdgeJoules: 0,
      independentJoulesSquared: 0,
    },
    sampleCount: 0,
    wallOffsetSeconds: 0,
  };
}

/** Grams of all the energy; undefined where part of it has none. */
export const gramsOf = ({ amount, unknownJoules }: Known): number | undefined =>
  unknownJoules > 0 ? undefined : grams(amount);
