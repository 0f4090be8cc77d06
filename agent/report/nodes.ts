// A report of several nodes, node by node: what each node's devices add up to.

import { coverageOf } from './device.ts';
import { knownFigure, secondsFigure, sum, sumIfKnown, sumOfKnown } from './figure.ts';
import { present } from './present.ts';
import type { ReportDevice, ReportHost, ReportNode } from './report.ts';
import { measuredOf, observedOf, uncertaintyOfAll } from './total.ts';

/** One line per host, in the devices' order; undefined where the devices name fewer than two. */
export function nodesOf(
  devices: readonly ReportDevice[],
  hosts: readonly ReportHost[],
): ReportNode[] | undefined {
  const names = new Set([...devices, ...hosts].flatMap(({ host }) => host ?? []));
  if (names.size < 2) return undefined;
  return [...names].map((name) => {
    const ofNode = ({ host }: ReportDevice): boolean => host === name;
    return nodeOf(name, devices.filter(ofNode), hosts.filter(ofNode));
  });
}

function nodeOf(
  host: string,
  devices: readonly ReportDevice[],
  hosts: readonly ReportHost[],
): ReportNode {
  const measured = measuredOf(devices);
  const observed = observedOf(measured);
  const observedHosts = observedOf(hosts);
  const all = observedOf([...devices, ...hosts]);
  const observedSeconds = sum(measured.map((line) => line.observedSeconds));
  const gapSeconds = sum(measured.map((line) => line.gapSeconds));
  return present({
    host,
    gpuCount: devices.length,
    gpuJoules: knownFigure(sumOfKnown(observed.map((line) => line.energyJoules))),
    gpuUncertaintyJoules: observed.length === 0 ? undefined : uncertaintyOfAll(observed),
    hostJoules: knownFigure(sumOfKnown(observedHosts.map((line) => line.energyJoules))),
    coverageRatio: coverageOf(observedSeconds, gapSeconds),
    observedSeconds: secondsFigure(observedSeconds),
    gapSeconds: secondsFigure(gapSeconds),
    facilityKilowattHours: knownFigure(sumOfKnown(all.map((line) => line.facilityKilowattHours))),
    energyCost: knownFigure(sumIfKnown(all.map((line) => line.energyCost))),
    locationBasedGrams: knownFigure(sumIfKnown(all.map((line) => line.locationBasedGrams))),
  });
}
