// A report of several nodes, node by node: what each node's devices add up to.

import { coverageOf } from './device.ts';
import { figure, knownFigure, rootOfSquares, secondsFigure, sum, sumIfKnown } from './figure.ts';
import { present } from './present.ts';
import type { ReportDevice, ReportHost, ReportNode } from './report.ts';
import { measuredOf } from './total.ts';

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
  const all = [...devices, ...hosts];
  const observedSeconds = sum(measured.map((line) => line.observedSeconds));
  const gapSeconds = sum(measured.map((line) => line.gapSeconds));
  return present({
    host,
    gpuCount: devices.length,
    gpuJoules: figure(sum(measured.map((line) => line.energyJoules))),
    gpuUncertaintyJoules: figure(rootOfSquares(measured.map((line) => line.uncertaintyJoules))),
    hostJoules:
      hosts.length === 0 ? undefined : figure(sum(hosts.map((each) => each.energyJoules))),
    coverageRatio: coverageOf(observedSeconds, gapSeconds),
    observedSeconds: secondsFigure(observedSeconds),
    gapSeconds: secondsFigure(gapSeconds),
    facilityKilowattHours: figure(sum(all.map((line) => line.facilityKilowattHours))),
    energyCost: knownFigure(sumIfKnown(all.map((line) => line.energyCost))),
    locationBasedGrams: knownFigure(sumIfKnown(all.map((line) => line.locationBasedGrams))),
  });
}
