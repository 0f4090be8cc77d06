// From the lines of devices to the whole: energy and E_compute. Books and merged reports are added up alike.

import type { GapReason, Provenance } from '../model.ts';
import { toKilowattHours } from '../units.ts';
import { coverageOf } from './device.ts';
import {
  figure,
  knownFigure,
  ratioOf,
  rootOfSquares,
  secondsFigure,
  sum,
  sumIfKnown,
  sumOfKnown,
} from './figure.ts';
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
): number => totalOfKnown(lines, key) ?? 0;

const totalOfKnown = <Key extends string>(
  lines: readonly Readonly<Partial<Record<Key, number>>>[],
  key: Key,
): number | undefined => sumOfKnown(lines.map((line) => line[key]));

type Line = Pick<ReportDevice, 'energyJoules' | 'uncertaintyJoules' | 'uncertaintyComponents'>;

/** Lines of devices that were observed: the others' energy is unknown, and their time stands among the gaps. */
export const observedOf = <Observed extends Line>(
  lines: readonly Observed[],
): readonly Observed[] => lines.filter(({ energyJoules }) => energyJoules !== undefined);

/** Expanded uncertainty (k = 2) of devices together: different boards err independently. */
export const uncertaintyOfAll = (lines: readonly Line[]): number =>
  figure(rootOfSquares(lines.map(({ uncertaintyJoules = 0 }) => uncertaintyJoules)));

/** Expanded uncertainty (k = 2) of the grams of devices together at a mean intensity: data sets state none of their own. */
export const gramsUncertaintyOf = (
  lines: readonly Line[],
  { powerUsageEffectiveness: pue }: Pick<ReportEnergy, 'powerUsageEffectiveness'>,
  gramsPerKilowattHour = 0,
): number => figure(toKilowattHours(pue * uncertaintyOfAll(lines)) * gramsPerKilowattHour);

/** Devices that were measured: the others' energy stands apart. */
export const measuredOf = (devices: readonly ReportDevice[]): readonly ReportDevice[] =>
  devices.filter(({ method }) => method !== 'modelled');

// Gains and offsets of different boards are independent of each other (docs/measurement.md §4.8).
function componentsOfAll(lines: readonly Line[]): ReportUncertainty {
  const all = (key: keyof ReportUncertainty): number =>
    figure(rootOfSquares(lines.map((line) => line.uncertaintyComponents?.[key] ?? 0)));
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
  const observed = observedOf(hosts);
  if (observed.length === 0) return {};
  return present({
    hostJoules: figure(total(observed, 'energyJoules')),
    hostUncertaintyJoules: uncertaintyOfAll(observed),
    hostProvenance: hostProvenanceOf(observed),
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

function gpuEnergyOf(
  measured: readonly ReportDevice[],
): Pick<ReportEnergy, 'gpuJoules' | 'gpuUncertaintyJoules' | 'gpuUncertaintyComponents'> {
  const observed = observedOf(measured);
  if (observed.length === 0) return {};
  return {
    gpuJoules: figure(total(observed, 'energyJoules')),
    gpuUncertaintyJoules: uncertaintyOfAll(observed),
    gpuUncertaintyComponents: componentsOfAll(observed),
  };
}

/** IT energy × PUE; nothing where GPUs were there and none was seen: the host alone would pass for an idle machine. */
function siteEnergyOf(
  known: Pick<ReportEnergy, 'gpuJoules' | 'modelledJoules' | 'hostJoules'>,
  gapSeconds: number,
  effectiveness: number,
): Pick<ReportEnergy, 'itJoules' | 'facilityJoules'> {
  const { gpuJoules, modelledJoules, hostJoules } = known;
  const isBlind = gpuJoules === undefined && modelledJoules === undefined && gapSeconds > 0;
  const it = isBlind ? undefined : sumOfKnown([gpuJoules, modelledJoules, hostJoules]);
  if (it === undefined) return {};
  const itJoules = figure(it);
  return { itJoules, facilityJoules: figure(itJoules * effectiveness) };
}

/** The report's `energy`. */
export function energyOfAll({ devices, hosts, powerUsageEffectiveness }: Parts): ReportEnergy {
  const measured = measuredOf(devices);
  const modelled = devices.filter(({ method }) => method === 'modelled');
  const observedSeconds = secondsFigure(total(measured, 'observedSeconds'));
  const gapSeconds = secondsFigure(total(measured, 'gapSeconds'));
  const bridgedSeconds = secondsFigure(total(measured, 'bridgedSeconds'));
  const known = {
    ...gpuEnergyOf(measured),
    ...gapEstimateOfAll(measured),
    ...present({ modelledJoules: knownFigure(totalOfKnown(modelled, 'energyJoules')) }),
    ...hostEnergyOf(hosts),
  };
  return {
    ...known,
    ...siteEnergyOf(known, gapSeconds, powerUsageEffectiveness.value),
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
  const { facilityJoules } = energy;
  return present({
    energyKilowattHours:
      facilityJoules === undefined ? undefined : figure(toKilowattHours(facilityJoules)),
    trainingSeconds,
    powerMeanWatts: means.length > 0 ? figure(sum(means)) : undefined,
    ratedPowerWatts: devices.length > 0 ? knownFigure(rated) : undefined,
    k:
      facilityJoules === undefined || ratedJoules === undefined
        ? undefined
        : knownFigure(ratioOf(facilityJoules, ratedJoules)),
  });
}
