// A fleet's devices → the same Report that a local run has, each device with its host. Adds nothing that no counter
// counted, and says what the counters could not tell.

import { constantSchedule, type Schedule } from '../schedule.ts';
import type { Provenance, Warning } from '../model.ts';
import { between, toKilowattHours, type Instant } from '../units.ts';
import {
  figure,
  knownFigure,
  meanFigure,
  ratioOf,
  secondsFigure,
  sum,
  sumIfKnown,
} from './figure.ts';
import { gramsOf, type FleetPricing, type PriceInForce } from './fleet-charge.ts';
import {
  currencyOf,
  hasUncertainty,
  hostLineOf,
  lineOf,
  netCostOf,
  type FleetDevice,
} from './fleet-device.ts';
import { fleetFindings, moneyByCurrency } from './fleet-findings.ts';
import type { Span } from './fleet-fold.ts';
import type { GridLabels } from './fleet-rows.ts';
import type { PricePeriodFacts, ReportInput, TariffFacts } from './input.ts';
import { costOf } from './money.ts';
import { nodesOf } from './nodes.ts';
import { present } from './present.ts';
import {
  REPORT_SCHEMA,
  type Report,
  type ReportCarbon,
  type ReportCost,
  type ReportEnergy,
  type ReportRun,
} from './report.ts';
import { isoTime } from './time.ts';
import { computeOfAll, energyOfAll, gramsUncertaintyOf, type Parts } from './total.ts';
import { NOTHING_MEASURED } from './words.ts';

/** What a fleet's report is made of. */
export interface FleetFacts {
  readonly job: string;
  readonly span: Span;
  /** The Prometheus's address without secrets. */
  readonly origin: string;
  readonly devices: readonly FleetDevice[];
  readonly pricing: FleetPricing;
  /** Where prices, or grams, are given now and not the nodes' own. */
  readonly given: {
    readonly tariff?: TariffFacts;
    readonly grid?: ReportInput['grid'];
    readonly pricePeriods?: readonly PricePeriodFacts[];
  };
  readonly warnings: readonly Warning[];
  readonly generatedSeconds: Instant;
  readonly version: string;
}

// As many names as leave room for the times beside them.
const MOST_HOST_LETTERS = 36;
/** The price where nobody gave one (price/flat.ts): exported without saying that it is assumed. */
const ASSUMED_PRICE = 0.1;

/** The report of a fleet's job. */
export function fleetReport(facts: FleetFacts): Report {
  const devices = facts.devices.toSorted(byHostAndIndex);
  const gpus = devices.filter(({ kind }) => kind === 'gpu').map((each) => lineOf(each, facts.span));
  const hosts = devices
    .filter(({ kind }) => kind === 'host')
    .map((each) => hostLineOf(each, facts.span));
  const run = runOf(facts, devices);
  const parts = { devices: gpus, hosts, powerUsageEffectiveness: effectivenessOf(facts, devices) };
  const energy = energyOfFleet(parts, devices);
  const compute = computeOfAll(parts, energy, run.durationSeconds);
  const measured = devices.filter(({ sums }) => sums.enclosed !== undefined);
  return present({
    schema: REPORT_SCHEMA,
    generatedAt: isoTime(facts.generatedSeconds),
    wattmeterVersion: facts.version,
    run,
    energy,
    compute,
    devices: gpus,
    hosts: hosts.length > 0 ? hosts : undefined,
    nodes: nodesOf(gpus, hosts),
    cost: costOfFleet(facts, measured, compute.energyKilowattHours),
    carbon: carbonOfFleet(facts, measured, parts, energy),
    windows: [],
    warnings: [...facts.warnings, ...fleetFindings(devices, energy)],
  });
}

/** A host part whose uncertainty is not in this Prometheus leaves that of all of them unknown. */
function energyOfFleet(parts: Parts, devices: readonly FleetDevice[]): ReportEnergy {
  const { hostUncertaintyJoules, ...energy } = energyOfAll(parts);
  const isKnown = devices.every((device) => device.kind === 'gpu' || hasUncertainty(device));
  return isKnown ? { ...energy, ...present({ hostUncertaintyJoules }) } : energy;
}

const byHostAndIndex = (a: FleetDevice, b: FleetDevice): number =>
  a.host.localeCompare(b.host, 'en', { numeric: true }) ||
  Number(a.labels['gpu'] ?? 0) - Number(b.labels['gpu'] ?? 0) ||
  a.uuid.localeCompare(b.uuid);

function runOf({ job, span, origin }: FleetFacts, devices: readonly FleetDevice[]): ReportRun {
  const hosts = [...new Set(devices.map(({ host }) => host))];
  const names = hosts.join(', ');
  return {
    id: `${job} ${isoTime(span.startSeconds)}`,
    name: job,
    host: names.length <= MOST_HOST_LETTERS ? names : `${hosts.length} nodes`,
    startTime: isoTime(span.startSeconds),
    endTime: isoTime(span.endSeconds),
    durationSeconds: secondsFigure(between(span.startSeconds, span.endSeconds)),
    labels: { job, prometheus: origin },
  };
}

/** One PUE where there is one; of sites that differ, facility ÷ IT energy. */
function effectivenessOf(
  { pricing }: FleetFacts,
  devices: readonly FleetDevice[],
): { readonly value: number; readonly provenance: Provenance } {
  const given = pricing.powerUsageEffectiveness;
  if (given !== undefined) return { value: given, provenance: 'derived' };
  const inForce = new Set(devices.flatMap(({ charged }) => [...charged.effectiveness]));
  const [only] = inForce;
  const facility = sum(devices.map(({ charged }) => charged.facilityKilowattHours));
  const it = toKilowattHours(sum(devices.map(({ sums }) => sums.energyJoules)));
  const value = inForce.size === 1 && only !== undefined ? only : (ratioOf(facility, it) ?? 1);
  // Nodes do not say whether theirs was given; 1 is what nobody gave.
  const isAssumed = inForce.has(undefined) || inForce.has(1) || inForce.size === 0;
  return { value: Math.max(1, figure(value)), provenance: isAssumed ? 'assumed' : 'derived' };
}

function costOfFleet(
  facts: FleetFacts,
  measured: readonly FleetDevice[],
  facilityKilowattHours: number | undefined,
): ReportCost {
  const currencies = [...moneyByCurrency(measured).keys()];
  const tariff = facts.given.tariff ?? exportedTariff(measured);
  const missing = whyNoCost(measured, currencies);
  const totals = measured.map((device) => {
    const { cost, credit } = device.charged.costs.get(tariff.currency) ?? { cost: 0, credit: 0 };
    const uncertaintyCostAmount = lineOf(device, facts.span).uncertaintyCost ?? 0;
    return currencyOf(device) === undefined
      ? { uncertaintyCostAmount }
      : { costAmount: cost, creditAmount: credit, uncertaintyCostAmount };
  });
  return costOf({
    tariff,
    totals,
    startSeconds: facts.span.startSeconds,
    endSeconds: facts.span.endSeconds,
    ...present({ facilityKilowattHours, pricePeriods: facts.given.pricePeriods, missing }),
  });
}

function whyNoCost(
  measured: readonly FleetDevice[],
  currencies: readonly string[],
): string | undefined {
  if (measured.length === 0) return NOTHING_MEASURED;
  if (currencies.length > 1) {
    return `nodes are priced in ${currencies.join(' and ')}, which are listed apart; give --price and --currency to price them alike`;
  }
  const unpriced = measured.filter((device) => netCostOf(device) === undefined);
  if (unpriced.length === 0) return undefined;
  return `${unpriced.length} of ${measured.length} devices have no price for part of their energy; give --price or --tariff`;
}

const UNKNOWN: Schedule = { valueAt: () => undefined, nextChange: () => undefined };

/** The tariff as far as nodes export it: its name, its currency and the price of each moment. */
function exportedTariff(measured: readonly FleetDevice[]): TariffFacts {
  const inForce = new Map<string, PriceInForce>();
  for (const { charged } of measured)
    for (const [key, price] of charged.prices) inForce.set(key, price);
  const prices = [...inForce.values()];
  const [only, ...others] = prices;
  const currencies = [...moneyByCurrency(measured).keys(), ...prices.map((each) => each.currency)];
  const isAssumed = prices.some(
    ({ tariff, perKilowattHour }) => tariff === 'flat' && perKilowattHour === ASSUMED_PRICE,
  );
  return {
    name: joined(prices.map(({ tariff }) => tariff)) || 'not exported',
    source: 'the nodes’ own prices',
    currency: currencies[0] ?? 'XXX',
    provenance: isAssumed ? 'assumed' : 'derived',
    price:
      only === undefined || others.length > 0 ? UNKNOWN : constantSchedule(only.perKilowattHour),
  };
}

const joined = (values: readonly string[]): string => [...new Set(values)].join(', ');

function carbonOfFleet(
  { given, pricing }: FleetFacts,
  measured: readonly FleetDevice[],
  parts: Parts,
  energy: ReportEnergy,
): Report['carbon'] {
  if (energy.facilityJoules === undefined) return { missing: NOTHING_MEASURED };
  const grid = pricing.givesCarbon ? given.grid : exportedGrid(measured);
  if (grid === undefined) return { missing: 'the nodes export no grams: give --zone or --grid' };
  if ('missing' in grid) return grid;
  const location = sumIfKnown(measured.map(({ charged }) => gramsOf(charged.location)));
  if (location === undefined) {
    const without = measured.filter(({ charged }) => gramsOf(charged.location) === undefined);
    return {
      missing: `${without.length} of ${measured.length} devices have no grams for part of their energy: give --zone or --grid`,
    };
  }
  const market = sumIfKnown(measured.map(({ charged }) => gramsOf(charged.market)));
  const facility = toKilowattHours(energy.facilityJoules);
  const intensity = meanFigure(location, facility);
  const method = pricing.givesCarbon ? grid.market?.method : 'as the nodes export it';
  const carbon: ReportCarbon = present({
    locationBasedGrams: figure(location),
    uncertaintyGrams: gramsUncertaintyOf([...parts.devices, ...parts.hosts], energy, intensity),
    marketBasedGrams: knownFigure(market),
    marketBasedMethod: market === undefined ? undefined : method,
    intensityGramsPerKilowattHourMean: intensity,
    zone: grid.zone,
    region: grid.region,
    dataset: grid.dataset,
    vintage: grid.vintage,
    provenance: grid.provenance,
  });
  return carbon;
}

function exportedGrid(measured: readonly FleetDevice[]): ReportInput['grid'] | undefined {
  const grids: GridLabels[] = measured.flatMap(({ charged }) => [...charged.grids.values()]);
  if (grids.length === 0) {
    const isCounted = measured.some(({ charged }) => charged.location.amount > 0);
    const unknown = 'not in this Prometheus';
    return isCounted
      ? { zone: unknown, dataset: unknown, vintage: unknown, provenance: 'derived' }
      : undefined;
  }
  return {
    zone: joined(grids.map(({ zone }) => zone)),
    dataset: joined(grids.map(({ dataset }) => dataset)),
    vintage: joined(grids.map(({ vintage }) => vintage)),
    provenance: 'derived',
  };
}
