// Several reports as one: nodes of a job, ranks of a node, legs of a resumed run. Each GPU is counted once for each
// instant, by host and UUID, however many ranks measured it.

import { InputError } from '../input-error.ts';
import type { Provenance, Warning } from '../model.ts';
import { between, toKilowattHours, type Instant } from '../units.ts';
import {
  figure,
  knownFigure,
  meanFigure,
  ratioOf,
  rootOfSquares,
  secondsFigure,
  sum,
  sumIfKnown,
} from './figure.ts';
import { withBeside } from './beside.ts';
import { mergeLines, type LineOfReport } from './merge-lines.ts';
import { onMachines } from './merge-machines.ts';
import { mergeWindows } from './merge-windows.ts';
import { nodesOf } from './nodes.ts';
import { present } from './present.ts';
import {
  REPORT_SCHEMA,
  type Report,
  type ReportCarbon,
  type ReportCost,
  type ReportDevice,
  type ReportEnergy,
  type ReportHost,
  type ReportRun,
} from './report.ts';
import { socialPriceOf } from './social.ts';
import { instantOf, isoTime } from './time.ts';
import { computeOfAll, energyOfAll, gramsUncertaintyOf, observedOf } from './total.ts';
import { NOTHING_MEASURED } from './words.ts';

/** Who merges, and when. */
export interface MergeFacts {
  readonly generatedSeconds: Instant;
  readonly version: string;
}

/**
 * The report of the reports together.
 * @throws InputError when there are none, or when they are in different currencies
 */
export function mergeReports(given: readonly Report[], facts: MergeFacts): Report {
  const [first, second] = given;
  if (first === undefined)
    throw new InputError('--merge', 'there is no report', 'Name at least one');
  if (second === undefined) return first;
  checkCurrencies(given);
  const reports = onMachines(given);
  const gpus = mergeLines(linesOf(reports, (report) => report.devices));
  const severalHosts = hostsOf(reports).size > 1;
  const devices = severalHosts ? gpus.lines : gpus.lines.map(withoutHost);
  const hostLines = mergeHosts(reports, severalHosts);
  const run = mergeRuns(reports);
  const parts = {
    devices,
    hosts: hostLines,
    powerUsageEffectiveness: effectivenessOf(reports, [...devices, ...hostLines]),
  };
  const energy = energyOfAll(parts);
  const socialPrice = common(
    reports.map(({ social }) => (social === undefined ? undefined : socialPriceOf(social))),
  );
  const core: Report = {
    schema: REPORT_SCHEMA,
    generatedAt: isoTime(facts.generatedSeconds),
    wattmeterVersion: facts.version,
    run,
    energy,
    compute: computeOfAll(parts, energy, run.durationSeconds),
    devices,
    ...(hostLines.length > 0 && { hosts: hostLines }),
    ...present({ nodes: nodesOf(devices, hostLines) }),
    cost: mergeCosts(reports, [...devices, ...hostLines]),
    carbon: mergeCarbon(reports, [...devices, ...hostLines], energy),
    windows: mergeWindows(reports),
    warnings: [
      ...distinctWarnings(reports),
      ...gpus.warnings,
      ...leftOut(reports, socialPrice !== undefined),
    ],
  };
  return withBeside(core, present({ socialPrice }));
}

function checkCurrencies(reports: readonly Report[]): void {
  const currencies = [...new Set(reports.map(({ cost }) => cost.currency))];
  if (currencies.length > 1) {
    throw new InputError(
      '--merge',
      `the reports are in ${currencies.join(' and ')}`,
      'Re-price the runs in one currency first; nothing is converted in silence',
    );
  }
}

function linesOf(
  reports: readonly Report[],
  pick: (report: Report) => readonly ReportDevice[],
): LineOfReport[] {
  return reports.flatMap((report) =>
    pick(report).map((line) => ({
      line,
      host: line.host ?? report.run.host,
      startSeconds: instantOf(report.run.startTime),
      endSeconds: instantOf(report.run.endTime),
    })),
  );
}

/** A report of a whole fleet names its hosts device by device. */
const hostsOf = (reports: readonly Report[]): ReadonlySet<string> =>
  new Set(
    reports.flatMap(({ run, devices, hosts = [] }) => {
      const named = [...devices, ...hosts].flatMap(({ host }) => host ?? []);
      return named.length > 0 ? named : [run.host];
    }),
  );

/** On one host the name of the host says nothing. */
function withoutHost(line: ReportDevice): ReportDevice {
  const { host: _, ...rest } = line;
  return rest;
}

function mergeHosts(reports: readonly Report[], severalHosts: boolean): ReportHost[] {
  const all = reports.flatMap(({ hosts = [] }) => hosts);
  return mergeLines(linesOf(reports, ({ hosts = [] }) => hosts)).lines.map((line) => ({
    ...(severalHosts ? line : withoutHost(line)),
    provenance: weakest(
      all.filter(({ uuid }) => uuid === line.uuid).map(({ provenance }) => provenance),
    ),
  }));
}

/** The value that all have in common. */
function common<Value>(values: readonly Value[]): Value | undefined {
  const [first] = values;
  const text = JSON.stringify(first);
  return values.every((value) => JSON.stringify(value) === text) ? first : undefined;
}

const joined = (values: readonly string[]): string => [...new Set(values)].join(', ');

function mergeRuns(reports: readonly Report[]): ReportRun {
  const runs = reports.map(({ run }) => run);
  const starts = runs.map(({ startTime }) => startTime).toSorted();
  const ends = runs.map(({ endTime }) => endTime).toSorted();
  const startTime = starts[0] ?? '';
  const endTime = ends.at(-1) ?? '';
  const codes = runs.map(({ exitCode }) => exitCode).filter((code) => code !== undefined);
  return present({
    id: joined(runs.map(({ id }) => id)),
    name: common(runs.map(({ name }) => name)),
    command: common(runs.map(({ command }) => command)),
    host: joined(runs.map(({ host }) => host)),
    startTime,
    endTime,
    durationSeconds: secondsFigure(between(instantOf(startTime), instantOf(endTime))),
    // A job of which one rank failed has failed.
    exitCode: codes.length === runs.length ? (codes.find((code) => code !== 0) ?? 0) : undefined,
    labels: Object.fromEntries(
      Object.entries(runs[0]?.labels ?? {}).filter(([key, value]) =>
        runs.every(({ labels }) => labels[key] === value),
      ),
    ),
  });
}

const WEAKEST_FIRST: readonly Provenance[] = ['assumed', 'modelled', 'derived', 'measured'];
const weakest = (kinds: readonly Provenance[]): Provenance =>
  WEAKEST_FIRST.find((kind) => kinds.includes(kind)) ?? 'assumed';

/** Sites differ: their PUE together is facility ÷ IT energy. */
function effectivenessOf(
  reports: readonly Report[],
  lines: readonly ReportDevice[],
): { readonly value: number; readonly provenance: Provenance } {
  const energies = reports.map(({ energy }) => energy);
  const one = common(energies.map((energy) => energy.powerUsageEffectiveness));
  const it = toKilowattHours(sum(lines.map(({ energyJoules = 0 }) => energyJoules)));
  const facility = sum(lines.map(({ facilityKilowattHours = 0 }) => facilityKilowattHours));
  return {
    value: one ?? figure(ratioOf(facility, it) ?? 1),
    provenance: weakest(energies.map((energy) => energy.powerUsageEffectivenessProvenance)),
  };
}

function mergeCosts(reports: readonly Report[], lines: readonly ReportDevice[]): ReportCost {
  const costs = reports.map(({ cost }) => cost);
  const shared = {
    currency: costs[0]?.currency ?? '',
    tariff: {
      name: joined(costs.map(({ tariff }) => tariff.name)),
      source: joined(costs.map(({ tariff }) => tariff.source)),
      provenance: weakest(costs.map(({ tariff }) => tariff.provenance)),
    },
    ...present({ fixedCharges: common(costs.map(({ fixedCharges }) => fixedCharges)) }),
  };
  const observed = observedOf(lines);
  if (observed.length === 0) return { ...shared, missing: NOTHING_MEASURED };
  const energyCost = sumIfKnown(observed.map((line) => line.energyCost));
  if (energyCost === undefined) {
    const missing = costs.map((cost) => cost.missing).filter((why) => why !== undefined);
    return { ...shared, missing: joined(missing) || 'a report has no cost' };
  }
  const facility = sum(observed.map(({ facilityKilowattHours = 0 }) => facilityKilowattHours));
  const metering = rootOfSquares(observed.map(({ uncertaintyCost = 0 }) => uncertaintyCost));
  // One price's error is common to all who pay it.
  const price = sum(costs.map(({ priceUncertaintyCost }) => priceUncertaintyCost ?? 0));
  return {
    ...shared,
    energyCost: figure(energyCost),
    uncertaintyCost: figure(Math.hypot(metering, price)),
    ...(price > 0 && { priceUncertaintyCost: figure(price) }),
    ...present({ pricePerKilowattHourMean: meanFigure(energyCost, facility) }),
  };
}

function mergeCarbon(
  reports: readonly Report[],
  lines: readonly ReportDevice[],
  energy: ReportEnergy,
): Report['carbon'] {
  const known: ReportCarbon[] = [];
  for (const { carbon, run } of reports) {
    if ('missing' in carbon) return { missing: `${run.host}: ${carbon.missing}` };
    known.push(carbon);
  }
  const observed = observedOf(lines);
  const location = sumIfKnown(observed.map(({ locationBasedGrams }) => locationBasedGrams));
  if (location === undefined || energy.facilityJoules === undefined)
    return { missing: 'a report has no grams for one of its devices' };
  const market = known.every(({ marketBasedGrams }) => marketBasedGrams !== undefined)
    ? sumIfKnown(observed.map(({ marketBasedGrams }) => marketBasedGrams))
    : undefined;
  const facility = toKilowattHours(energy.facilityJoules);
  const intensity = meanFigure(location, facility);
  const methods = known.map(({ marketBasedMethod }) => marketBasedMethod);
  return present({
    locationBasedGrams: figure(location),
    uncertaintyGrams: gramsUncertaintyOf(observed, energy, intensity),
    marketBasedGrams: knownFigure(market),
    marketBasedMethod:
      market === undefined ? undefined : joined(methods.filter((method) => method !== undefined)),
    intensityGramsPerKilowattHourMean: intensity,
    zone: joined(known.map(({ zone }) => zone)),
    region: common(known.map(({ region }) => region)),
    dataset: joined(known.map(({ dataset }) => dataset)),
    vintage: joined(known.map(({ vintage }) => vintage)),
    provenance: weakest(known.map(({ provenance }) => provenance)),
  });
}

function distinctWarnings(reports: readonly Report[]): Warning[] {
  const byText = new Map<string, Warning>();
  for (const { warnings } of reports) {
    for (const warning of warnings) byText.set(`${warning.code} ${warning.message}`, warning);
  }
  return [...byText.values()];
}

const BESIDE = ['data', 'embodied', 'water', 'acquisition', 'labelling', 'levers'] as const;

/** Figures that a report holds for its host and not for a device: two ranks would count them twice. */
function leftOut(reports: readonly Report[], isSocialPriced: boolean): Warning[] {
  const keys: string[] = BESIDE.filter((key) =>
    reports.some((report) => report[key] !== undefined),
  );
  // Of the electricity alone it is priced anew, where all agree on the price.
  if (!isSocialPriced && reports.some(({ social }) => social !== undefined)) keys.push('social');
  if (reports.some(({ cost }) => cost.otherCosts !== undefined)) keys.push('otherCosts');
  if (keys.length === 0) return [];
  const message = `Not merged, because ranks of one host would count them twice: ${keys.join(', ')}.`;
  return [{ code: 'merge-left-out', message }];
}
