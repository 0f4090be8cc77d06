// What the reader of a fleet's report must know: said once for all devices that share it. Pure.

import type { Warning } from '../model.ts';
import { formatDuration, formatEnergy, formatMass, formatMoney } from '../display/quantity.ts';
import { hasUncertainty, type FleetDevice } from './fleet-device.ts';
import type { ReportEnergy } from './report.ts';
import { sum } from './figure.ts';
import { gramsOf } from './fleet-charge.ts';

// Below this part of the uncertainty the edges are not worth a sentence.
const NOTABLE_PART = 0.1;
const SHOWN = 5;

/** The first few of many names. */
export function someOf(names: readonly string[]): string {
  const distinct = [...new Set(names)];
  const more = distinct.length > SHOWN ? ` and ${distinct.length - SHOWN} more` : '';
  return `${distinct.slice(0, SHOWN).join(', ')}${more}`;
}

/** Cost less credits by currency, of what is priced. */
export function moneyByCurrency(devices: readonly FleetDevice[]): ReadonlyMap<string, number> {
  const money = new Map<string, number>();
  for (const { charged } of devices) {
    for (const [currency, { cost, credit }] of charged.costs)
      money.set(currency, (money.get(currency) ?? 0) + cost - credit);
  }
  return money;
}

/** What may be wrong with GPUs: whom it concerns, and what it means for the figures. */
interface Finding {
  readonly code: string;
  readonly concerns: (gpu: FleetDevice) => boolean;
  readonly say: (list: string, gpus: readonly FleetDevice[]) => string;
}

const FINDINGS: readonly Finding[] = [
  {
    code: 'fleet-unmeasured',
    concerns: ({ sums }) => sums.enclosed === undefined,
    say: (list) => `No two scrapes of ${list} meet the span: the energy is unknown, not zero.`,
  },
  {
    code: 'fleet-restarted',
    concerns: ({ sums }) => sums.restartCount > 0,
    say: (list) =>
      `Counters of ${list} began anew: what they counted after the last scrape before that is lost, and its time is a gap.`,
  },
  {
    code: 'fleet-went-back',
    concerns: ({ sums }) => sums.wentBackCount > 0,
    say: (list) =>
      `Counters of ${list} went back without beginning anew: the steps in which they did are left out.`,
  },
  {
    code: 'fleet-holes',
    concerns: ({ sums }) => sums.holes.length > 0,
    say: (list, gpus) =>
      `Scrapes of ${list} are missing for up to ${longestHole(gpus)} at a time; their counters tell the energy, not when it was used.`,
  },
  {
    code: 'fleet-no-uncertainty',
    concerns: (gpu) => !hasUncertainty(gpu),
    say: (list) =>
      `The uncertainty of ${list} is not in this Prometheus: that of an unknown sensor is assumed (3.9 % and 6 W, k = 1).`,
  },
  {
    code: 'fleet-no-observed',
    concerns: ({ sums }) => sums.observedSeconds === undefined,
    say: (list) =>
      `The observed time of ${list} is not in this Prometheus: the time that scrapes enclose stands for it.`,
  },
  {
    code: 'fleet-no-info',
    concerns: ({ info }) => info === undefined,
    say: (list) =>
      `wattmeter_gpu_info of ${list} is not in this Prometheus: model, source and method are unknown.`,
  },
  {
    code: 'fleet-no-pue',
    concerns: ({ charged }) => charged.effectiveness.has(undefined),
    say: (list) => `The PUE of ${list} is not in this Prometheus: 1 is assumed. Give --pue.`,
  },
];

/** Everything worth saying of a fleet's counters. */
export function fleetFindings(devices: readonly FleetDevice[], energy: ReportEnergy): Warning[] {
  const gpus = devices.filter(({ kind }) => kind === 'gpu');
  return [
    ...FINDINGS.map((finding) => about(gpus, finding)),
    hostsOf(devices),
    edges(energy),
    byCurrency(gpus),
    byZone(gpus),
  ].filter((warning) => warning !== undefined);
}

function hostsOf(devices: readonly FleetDevice[]): Warning | undefined {
  const bare = devices.filter((device) => device.kind === 'host' && !hasUncertainty(device));
  if (bare.length === 0) return undefined;
  const nodes = someOf(bare.map(({ host }) => host));
  return {
    code: 'fleet-host',
    message: `The uncertainty of host energy (on ${nodes}) is not in this Prometheus: the energy counts as assumed.`,
  };
}

/** A warning about the GPUs that a finding concerns; none when there is none. */
function about(
  gpus: readonly FleetDevice[],
  { code, concerns, say }: Finding,
): Warning | undefined {
  const found = gpus.filter(concerns);
  if (found.length === 0) return undefined;
  const count = found.length === 1 ? '1 GPU' : `${found.length} GPUs`;
  return { code, message: say(`${count} (on ${someOf(found.map(({ host }) => host))})`, gpus) };
}

const longestHole = (gpus: readonly FleetDevice[]): string =>
  formatDuration(
    Math.max(...gpus.flatMap(({ sums }) => sums.holes.map(({ lengthSeconds }) => lengthSeconds))),
  );

function edges({
  gpuUncertaintyJoules,
  gpuUncertaintyComponents,
}: ReportEnergy): Warning | undefined {
  if (gpuUncertaintyJoules === undefined || gpuUncertaintyComponents === undefined)
    return undefined;
  const edge = 2 * gpuUncertaintyComponents.edgeJoules;
  if (edge < NOTABLE_PART * gpuUncertaintyJoules) return undefined;
  return {
    code: 'fleet-edges',
    message: `Start and end lie between scrapes and are interpolated: ${formatEnergy(edge)} of the uncertainty (k = 2) come from that.`,
  };
}

function byCurrency(gpus: readonly FleetDevice[]): Warning | undefined {
  const money = moneyByCurrency(gpus);
  if (money.size <= 1) return undefined;
  const sums = [...money].map(([currency, cost]) => formatMoney(cost, currency)).join('; ');
  return { code: 'fleet-currencies', message: `Cost by currency, not added up: ${sums}.` };
}

function byZone(gpus: readonly FleetDevice[]): Warning | undefined {
  const zones = new Map<string, FleetDevice[]>();
  for (const gpu of gpus) {
    const zone = [...new Set([...gpu.charged.grids.values()].map((grid) => grid.zone))].join('+');
    if (zone !== '') zones.set(zone, [...(zones.get(zone) ?? []), gpu]);
  }
  if (zones.size <= 1) return undefined;
  const sums = [...zones].map(([zone, list]) => {
    const mass = formatMass(sum(list.map(({ charged }) => gramsOf(charged.location) ?? 0)));
    return `${zone} ${mass} (${list.length} GPUs)`;
  });
  return { code: 'fleet-zones', message: `Carbon by grid zone: ${sums.join('; ')}.` };
}
