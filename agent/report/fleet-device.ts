// A fleet device's sums as its line of the report. Time that neither scrapes nor the device's own counts account for is
// a gap; time in which only scrapes are missing is a gap that the counter bridges. Pure.

import { COVERAGE_FACTOR, METHODS, READING_STATUS, type GapReason } from '../model.ts';
import { coverageOf } from './device.ts';
import { figure, knownFigure, ratioOf, secondsFigure, sum } from './figure.ts';
import { gramsOf, type FleetCharged } from './fleet-charge.ts';
import type { DeviceSums, Span } from './fleet-fold.ts';
import type { DeviceRows } from './fleet-rows.ts';
import { present } from './present.ts';
import type { ReportDevice, ReportHost, ReportUncertainty } from './report.ts';

/** A device of the fleet, folded. */
export interface FleetDevice extends Pick<
  DeviceRows,
  'host' | 'uuid' | 'kind' | 'labels' | 'info' | 'ratedPowerWatts'
> {
  readonly sums: DeviceSums;
  readonly charged: FleetCharged;
}

// Counters move once a slot and a scrape comes at any time: two of them tell a time to no better than this.
const COUNT_TOLERANCE_SECONDS = 1.5;
// What an unknown sensor deserves (docs/measurement.md §4.8), where the exporter's own uncertainty was not kept.
const PRIOR_GAIN = 0.039;
const PRIOR_OFFSET_WATTS = 6;

/** Seconds of the span, each in one place: observed + Σ gaps − bridged = the span, to the tolerance of the counts. */
interface TimeAccount {
  readonly observedSeconds: number;
  readonly gapSeconds: ReportDevice['gapSecondsByReason'];
  readonly bridgedSeconds: number;
}

/** Accounts for every second of the span. */
function timeAccountOf(sums: DeviceSums, span: Span): TimeAccount {
  const { enclosed } = sums;
  const length = span.endSeconds - span.startSeconds;
  if (enclosed === undefined)
    return { observedSeconds: 0, gapSeconds: { 'no-reading': length }, bridgedSeconds: 0 };
  const covered = enclosed.endSeconds - enclosed.startSeconds;
  const holes = sum(sums.holes.map(({ lengthSeconds }) => lengthSeconds));
  const observed = Math.min(covered, sums.observedSeconds ?? covered - holes);
  const excess = covered - observed - sum(Object.values(sums.gapSeconds));
  const lost = excess > COUNT_TOLERANCE_SECONDS ? excess : 0;
  const bridgedByMeter = excess < -COUNT_TOLERANCE_SECONDS ? -excess : 0;
  // Nobody scraped, but the device counted on: a gap of ours that its counter bridges.
  const bridgedByCounter =
    sums.observedSeconds === undefined
      ? 0
      : sum(sums.holes.map((hole) => Math.min(hole.lengthSeconds, hole.observedSeconds)));
  const gaps: Partial<Record<GapReason, number>> = {};
  const book = (reason: GapReason, seconds: number): void => {
    if (seconds > 0) gaps[reason] = (gaps[reason] ?? 0) + seconds;
  };
  for (const [reason, seconds] of Object.entries(sums.gapSeconds)) book(reasonOf(reason), seconds);
  book('no-reading', lost + bridgedByCounter);
  const limit = Math.max(COUNT_TOLERANCE_SECONDS, 5 * (sums.scrapeSeconds ?? 0));
  for (const edge of [
    enclosed.startSeconds - span.startSeconds,
    span.endSeconds - enclosed.endSeconds,
  ])
    book(edge <= limit ? 'edge' : 'no-reading', edge);
  return {
    observedSeconds: observed,
    gapSeconds: gaps,
    bridgedSeconds: bridgedByMeter + bridgedByCounter,
  };
}

const REASONS: ReadonlySet<string> = new Set([
  ...READING_STATUS.filter((status) => status !== 'ok'),
  'no-reading',
  'suspended',
  'edge',
] satisfies GapReason[]);
const isReason = (text: string): text is GapReason => REASONS.has(text);

/** A reason that this version does not know is still a gap. */
const reasonOf = (text: string): GapReason => (isReason(text) ? text : 'unknown-error');

/** Whether the exporter's uncertainty was kept by the Prometheus. */
export const hasUncertainty = ({ sums }: FleetDevice): boolean =>
  sums.uncertaintyJoules !== undefined;

/** What nodes call the component that --host-watts tells of. */
const ASSUMED_COMPONENT = 'assumed';

function componentsOf({ kind, sums }: FleetDevice, observedSeconds: number): ReportUncertainty {
  const { uncertaintyJoules, energyJoules, edgeJoules } = sums;
  const isPrior = kind === 'gpu' && uncertaintyJoules === undefined;
  return {
    // One figure is exported for all that a counter's parts share; it adds up as a gain does.
    gainJoules: figure(
      isPrior ? PRIOR_GAIN * energyJoules : (uncertaintyJoules ?? 0) / COVERAGE_FACTOR,
    ),
    offsetJoules: isPrior ? figure(PRIOR_OFFSET_WATTS * observedSeconds) : 0,
    aliasJoules: 0,
    edgeJoules: figure(edgeJoules),
    independentJoules: 0,
  };
}

/** The currency that all the energy is priced in; undefined where there is none, or several. */
export function currencyOf({ charged }: FleetDevice): string | undefined {
  const [only, ...others] = charged.costs.keys();
  return others.length === 0 && charged.unpricedJoules === 0 ? only : undefined;
}

/** Cost less credits, where all the energy has one price's currency. */
export function netCostOf(device: FleetDevice): number | undefined {
  const currency = currencyOf(device);
  const sums = currency === undefined ? undefined : device.charged.costs.get(currency);
  return sums === undefined ? undefined : sums.cost - sums.credit;
}

/** The line of a device. */
export function lineOf(device: FleetDevice, span: Span): ReportDevice {
  const { sums, charged, info = {}, labels } = device;
  const { observedSeconds, gapSeconds, bridgedSeconds } = timeAccountOf(sums, span);
  const unbridged = secondsFigure(Math.max(0, sum(Object.values(gapSeconds)) - bridgedSeconds));
  const components = componentsOf(device, observedSeconds);
  const uncertainty = COVERAGE_FACTOR * Math.hypot(...Object.values(components));
  const cost = netCostOf(device);
  const isKnown = sums.enclosed !== undefined;
  return present({
    uuid: device.uuid,
    index: Number(labels['gpu'] ?? 0),
    host: device.host,
    model: info['model'] ?? (device.kind === 'host' ? device.uuid : 'unknown'),
    source: info['source'] ?? 'unknown',
    driverVersion: info['driver_version'] === '' ? undefined : info['driver_version'],
    method: METHODS.find((method) => method === info['method']),
    ...(isKnown && {
      energyJoules: figure(sums.energyJoules),
      uncertaintyJoules: figure(uncertainty),
      uncertaintyComponents: components,
    }),
    coverageRatio: coverageOf(secondsFigure(observedSeconds), unbridged),
    observedSeconds: secondsFigure(observedSeconds),
    gapSeconds: unbridged,
    gapSecondsByReason: Object.fromEntries(
      Object.entries(gapSeconds).map(([reason, length]) => [reason, secondsFigure(length)]),
    ),
    bridgedSeconds: bridgedSeconds > 0 ? secondsFigure(bridgedSeconds) : undefined,
    powerMeanWatts: knownFigure(ratioOf(sums.energyJoules, observedSeconds)),
    ratedPowerWatts: device.ratedPowerWatts,
    sampleCount: sums.scrapeCount,
    sensor: present({
      field:
        device.kind === 'gpu'
          ? 'wattmeter_gpu_energy_joules_total'
          : 'wattmeter_host_energy_joules_total',
      periodSeconds: knownFigure(sums.scrapeSeconds),
      origin: 'scraped',
    }),
    ...(isKnown &&
      present({
        facilityKilowattHours: figure(charged.facilityKilowattHours),
        energyCost: knownFigure(cost),
        uncertaintyCost: costUncertaintyOf(cost, uncertainty, sums.energyJoules),
        locationBasedGrams: knownFigure(gramsOf(charged.location)),
        marketBasedGrams: knownFigure(gramsOf(charged.market)),
      })),
    warnings: [],
  });
}

/** Metering's part: a price turns joules and their uncertainty into money alike. */
function costUncertaintyOf(
  cost: number | undefined,
  uncertainty: number,
  energy: number,
): number | undefined {
  if (cost === undefined) return undefined;
  return energy === 0 ? 0 : figure((Math.abs(cost) * uncertainty) / energy);
}

/** The line of a part of the host: measured, unless its name or a Prometheus without its uncertainty says otherwise. */
export const hostLineOf = (device: FleetDevice, span: Span): ReportHost => ({
  ...lineOf(device, span),
  provenance: device.uuid === ASSUMED_COMPONENT || !hasUncertainty(device) ? 'assumed' : 'measured',
});
