// From the lines of devices to the whole: energy and E_compute. Books and merged reports are added up alike.

import type { GapReason, Provenance } from '../model.ts';
import { toKilowattHours } from '../units.ts';
import { coverageOf } from './device.ts';
import { figure, knownFigure, rootOfSquares, secondsFigure, sum, sumIfKnown } from './figure.ts';
import { present } from './present.ts';
import type {
  ReportCompute,
  ReportDevice,
  ReportEnergy,
  ReportHost,
  ReportUncertainty,
} from './report.ts';

/** What the whole is made of. */
export interface Parts {
  readonly devices: readonly ReportDevice[];
  readonly hosts: readonly ReportHost[];
  readonly powerUsageEffectiveness: { readonly value: number; readonly provenance: Provenance };
}

const total = <Key extends string>(
  lines: readonly Readonly<Partial<Record<Key, number>>>[],
  key: Key,
): number => sum(lines.map((line) => line[key] ?? 0));

/** Devices that were measured: the others' energy stands apart. */
export const measuredOf = (devices: readonly ReportDevice[]): readonly ReportDevice[] =>
  devices.filter(({ method }) => method !== 'modelled');

// Gains and offsets of different boards are independent of each other (MEASUREMENT.md §4.8).
function componentsOfAll(lines: readonly ReportDevice[]): ReportUncertainty {
  const all = (key: keyof ReportUncertainty): number =>
    figure(rootOfSquares(lines.map((line) => line.uncertaintyComponents[key])));
  return {
    gainJoules: all('gainJoules'),
    offsetJoules: all('offsetJoules'),
    aliasJoules: all('aliasJoules'),
    edgeJoules: all('edgeJoules'),
    independentJoules: all('independentJoules'),
  };
}

function gapsOfAll(lines: readonly ReportDevice[]): ReportEnergy['gapSecondsByReason'] {
  const byReason: Partial<Record<GapReason, number>> = {};
  for (const { gapSecondsByReason } of lines) {
    for (const [reason, length] of Object.entries(gapSecondsByReason) as [GapReason, number][]) {
      byReason[reason] = secondsFigure((byReason[reason] ?? 0) + length);
    }
  }
  return byReason;
}

/** The weakest provenance among host components. */
function hostProvenanceOf(hosts: readonly ReportHost[]): Provenance | undefined {
  const kinds: readonly Provenance[] = ['assumed', 'modelled', 'derived', 'measured'];
  return kinds.find((kind) => hosts.some(({ provenance }) => provenance === kind));
}

function hostEnergyOf(
  hosts: readonly ReportHost[],
): Pick<ReportEnergy, 'hostJoules' | 'hostUncertaintyJoules' | 'hostProvenance'> {
  if (hosts.length === 0) return {};
  return present({
    hostJoules: figure(total(hosts, 'energyJoules')),
    hostUncertaintyJoules: figure(rootOfSquares(hosts.map((line) => line.uncertaintyJoules))),
    hostProvenance: hostProvenanceOf(hosts),
  });
}

function gapEstimateOfAll(
  lines: readonly ReportDevice[],
): Pick<ReportEnergy, 'gapEstimateJoules' | 'gapEstimateUncertaintyJoules'> {
  const estimated = lines.filter(({ gapEstimateJoules }) => gapEstimateJoules !== undefined);
  if (estimated.length === 0) return {};
  return {
    gapEstimateJoules: figure(total(estimated, 'gapEstimateJoules')),
    gapEstimateUncertaintyJoules: figure(
      rootOfSquares(estimated.map((line) => line.gapEstimateUncertaintyJoules ?? 0)),
    ),
  };
}

/** The report's `energy`. */
export function energyOfAll({ devices, hosts, powerUsageEffectiveness }: Parts): ReportEnergy {
  const measured = measuredOf(devices);
  const modelled = devices.filter(({ method }) => method === 'modelled');
  const gpuJoules = figure(total(measured, 'energyJoules'));
  const itJoules = figure(
    gpuJoules + total(modelled, 'energyJoules') + total(hosts, 'energyJoules'),
  );
  const observedSeconds = secondsFigure(total(measured, 'observedSeconds'));
  const gapSeconds = secondsFigure(total(measured, 'gapSeconds'));
  const bridgedSeconds = secondsFigure(total(measured, 'bridgedSeconds'));
  return {
    gpuJoules,
    gpuUncertaintyJoules: figure(rootOfSquares(measured.map((line) => line.uncertaintyJoules))),
    gpuUncertaintyComponents: componentsOfAll(measured),
    ...gapEstimateOfAll(measured),
    ...(modelled.length > 0 && { modelledJoules: figure(total(modelled, 'energyJoules')) }),
    ...hostEnergyOf(hosts),
    itJoules,
    facilityJoules: figure(itJoules * powerUsageEffectiveness.value),
    powerUsageEffectiveness: powerUsageEffectiveness.value,
    powerUsageEffectivenessProvenance: powerUsageEffectiveness.provenance,
    coverageRatio: coverageOf(observedSeconds, gapSeconds),
    observedSeconds,
    gapSeconds,
    gapSecondsByReason: gapsOfAll(measured),
    ...(bridgedSeconds > 0 && { bridgedSeconds }),
  };
}

/** The report's `compute`: E_compute, T, P, and k̂ where every GPU's rated power is known and was measured. */
export function computeOfAll(
  { devices, hosts }: Parts,
  energy: ReportEnergy,
  trainingSeconds: number,
): ReportCompute {
  const means = [...devices, ...hosts]
    .map(({ powerMeanWatts }) => powerMeanWatts)
    .filter((power) => power !== undefined);
  const rated = sumIfKnown(devices.map(({ ratedPowerWatts }) => ratedPowerWatts));
  const ratedJoules = sumIfKnown(
    devices.map((line) =>
      line.method === 'modelled' || line.ratedPowerWatts === undefined
        ? undefined
        : line.ratedPowerWatts * line.observedSeconds,
    ),
  );
  const isKnown = ratedJoules !== undefined && ratedJoules > 0;
  return present({
    energyKilowattHours: figure(toKilowattHours(energy.facilityJoules)),
    trainingSeconds,
    powerMeanWatts: means.length > 0 ? figure(sum(means)) : undefined,
    ratedPowerWatts: devices.length > 0 ? knownFigure(rated) : undefined,
    k: isKnown ? figure(energy.facilityJoules / ratedJoules) : undefined,
  });
}
