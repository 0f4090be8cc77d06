// Lines of one device from several reports as one line. Where their times overlap, the longest line speaks for the
// device, and of the others only what lies outside is added.

import { COVERAGE_FACTOR, type Method, type Warning } from '../model.ts';
import { coverageOf } from './device.ts';
import {
  figure,
  knownFigure,
  perThing,
  rootOfSquares,
  secondsFigure,
  sum,
  sumIfKnown,
} from './figure.ts';
import { idleTimeOfAll } from './idle.ts';
import { present } from './present.ts';
import type { ReportDevice, ReportIdleTime, ReportUncertainty } from './report.ts';

/** A device's line, where and when. */
export interface LineOfReport {
  readonly line: ReportDevice;
  readonly host: string;
  readonly startSeconds: number;
  readonly endSeconds: number;
}

/** The merged lines, each with its host, and what had to be done for them. */
export interface MergedLines {
  readonly lines: readonly (ReportDevice & { readonly host: string })[];
  readonly warnings: readonly Warning[];
}

// Ranks of one job start and end within moments of each other: less than this is not worth a warning.
const NOTABLE_SECONDS = 1;

/** One line per host and UUID. */
export function mergeLines(all: readonly LineOfReport[]): MergedLines {
  const groups = new Map<string, LineOfReport[]>();
  for (const entry of all) {
    const key = JSON.stringify([entry.host, entry.line.uuid]);
    groups.set(key, [...(groups.get(key) ?? []), entry]);
  }
  let repeated = 0;
  let partial = 0;
  const lines = [...groups.values()].map((group) => {
    const shares = sharesOf(group);
    repeated += shares.filter(({ share }) => share === 0).length;
    partial += sum(shares.map(({ proRataSeconds }) => proRataSeconds));
    return mergedLine(shares);
  });
  return {
    lines: lines.filter((line) => line !== undefined),
    warnings: findings(repeated, partial),
  };
}

interface Share extends LineOfReport {
  /** Part of the line that no longer line covers, 0–1. */
  readonly share: number;
  /** How long that part is, when it is neither nothing nor the whole. */
  readonly proRataSeconds: number;
}

interface Span {
  readonly start: number;
  readonly end: number;
}

/** What is left of a span when others are taken out of it. */
const outside = (span: Span, taken: readonly Span[]): Span[] =>
  taken.reduce<Span[]>(
    (rest, { start, end }) =>
      rest.flatMap((piece) =>
        [
          { start: piece.start, end: Math.min(piece.end, start) },
          { start: Math.max(piece.start, end), end: piece.end },
        ].filter((part) => part.end > part.start),
      ),
    [span],
  );

function sharesOf(group: readonly LineOfReport[]): Share[] {
  const longestFirst = group.toSorted(
    (a, b) => b.endSeconds - b.startSeconds - (a.endSeconds - a.startSeconds),
  );
  const taken: Span[] = [];
  return longestFirst.map((entry) => {
    const span = { start: entry.startSeconds, end: entry.endSeconds };
    const length = span.end - span.start;
    const left = sum(outside(span, taken).map(({ start, end }) => end - start));
    const isFirst = taken.length === 0;
    taken.push(span);
    const share = isFirst ? 1 : length > 0 ? left / length : 0;
    return { ...entry, share, proRataSeconds: share > 0 && share < 1 ? left : 0 };
  });
}

type RequiredKey = 'observedSeconds' | 'gapSeconds' | 'sampleCount';
/** A part that was not observed leaves these out; its time stands among the gaps. */
type ObservedKey = 'energyJoules' | 'facilityKilowattHours';
type OptionalKey =
  | 'counterJoules'
  | 'integralJoules'
  | 'energyCost'
  | 'uncertaintyCost'
  | 'locationBasedGrams'
  | 'marketBasedGrams';
/** Lines without a gap leave these out: they hold none. */
type GapKey = 'gapEstimateJoules' | 'gapEstimateUncertaintyJoules' | 'bridgedSeconds';

const totalOf = (shares: readonly Share[], key: RequiredKey): number =>
  figure(sum(shares.map(({ line, share }) => line[key] * share)));

/** Unknown as soon as it is unknown of one line. */
const knownOf = (shares: readonly Share[], key: OptionalKey): number | undefined =>
  knownFigure(
    sumIfKnown(
      shares.map(({ line, share }) => {
        const value = line[key];
        return value === undefined ? undefined : value * share;
      }),
    ),
  );

/** Of the lines that have it. */
function partsOf(shares: readonly Share[], key: GapKey | ObservedKey): number | undefined {
  const having = shares.filter(({ line }) => line[key] !== undefined);
  if (having.length === 0) return undefined;
  return figure(sum(having.map(({ line, share }) => (line[key] ?? 0) * share)));
}

/** Gain, offset and alias are one board's: they add up linearly. The rest is independent (docs/measurement.md §4.8). */
function componentsOf(shares: readonly Share[]): ReportUncertainty {
  const parts = (key: keyof ReportUncertainty): number[] =>
    shares.map(({ line, share }) => (line.uncertaintyComponents?.[key] ?? 0) * share);
  const spread = shares.map(({ line, proRataSeconds }) => {
    const { powerMaxWatts = 0, powerMinWatts = 0 } = line;
    return (proRataSeconds * (powerMaxWatts - powerMinWatts)) / Math.sqrt(12);
  });
  return {
    gainJoules: figure(sum(parts('gainJoules'))),
    offsetJoules: figure(sum(parts('offsetJoules'))),
    aliasJoules: figure(sum(parts('aliasJoules'))),
    // What a pro-rata part really drew lay somewhere between the lowest and the highest power.
    edgeJoules: figure(rootOfSquares([...parts('edgeJoules'), ...spread])),
    independentJoules: figure(rootOfSquares(parts('independentJoules'))),
  };
}

/** Of the parts that know it, each to its share; time of the others stays unknown. */
function idleOfShares(
  shares: readonly Share[],
): Partial<Pick<ReportDevice, 'utilizationRatioMean' | 'idle'>> {
  const times = shares.flatMap(({ line: { idle, utilizationRatioMean = 0 }, share }) =>
    idle === undefined ? [] : [{ time: shareOfIdle(idle, share), utilizationRatioMean }],
  );
  const idle = idleTimeOfAll(times.map(({ time }) => time));
  if (idle === undefined) return {};
  const busy = sum(
    times.map(({ time, utilizationRatioMean }) => time.knownSeconds * utilizationRatioMean),
  );
  return { idle, ...present({ utilizationRatioMean: perThing(busy, idle.knownSeconds) }) };
}

const shareOfIdle = (idle: ReportIdleTime, share: number): ReportIdleTime =>
  Object.fromEntries(
    Object.entries(idle).map(([key, amount]) => [key, amount * share]),
  ) as unknown as ReportIdleTime;

function gapsOf(shares: readonly Share[]): ReportDevice['gapSecondsByReason'] {
  const gaps: Record<string, number> = {};
  for (const { line, share } of shares) {
    for (const [reason, length] of Object.entries(line.gapSecondsByReason)) {
      gaps[reason] = secondsFigure((gaps[reason] ?? 0) + length * share);
    }
  }
  return gaps;
}

/** The least that all of it deserves: one part's integral makes the whole an integral. */
function methodOf(methods: readonly (Method | undefined)[]): Method | undefined {
  const weakestFirst: readonly Method[] = ['modelled', 'integral', 'counter'];
  return weakestFirst.find((method) => methods.includes(method));
}

const extreme = (
  pick: (...values: number[]) => number,
  values: readonly (number | undefined)[],
): number | undefined => {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : pick(...known);
};

function mergedLine(
  shares: readonly Share[],
): (ReportDevice & { readonly host: string }) | undefined {
  const counted = shares.filter(({ share }) => share > 0);
  const [first] = counted;
  if (first === undefined) return undefined;
  if (counted.length === 1) return { ...first.line, host: first.host };
  const { uuid, index, model, source, sensor, driverVersion, ratedPowerWatts } = first.line;
  const lines = counted.map(({ line }) => line);
  const energyJoules = partsOf(counted, 'energyJoules');
  const observed = counted.filter(({ line }) => line.energyJoules !== undefined);
  const observedSeconds = totalOf(counted, 'observedSeconds');
  const gapSeconds = totalOf(counted, 'gapSeconds');
  const uncertaintyComponents = observed.length === 0 ? undefined : componentsOf(observed);
  return present({
    uuid,
    index,
    host: first.host,
    model,
    source,
    sensor,
    driverVersion,
    ratedPowerWatts,
    method: methodOf(lines.map(({ method }) => method)),
    energyJoules,
    uncertaintyJoules:
      uncertaintyComponents &&
      figure(COVERAGE_FACTOR * rootOfSquares(Object.values(uncertaintyComponents))),
    uncertaintyComponents,
    gapEstimateJoules: partsOf(counted, 'gapEstimateJoules'),
    gapEstimateUncertaintyJoules: partsOf(counted, 'gapEstimateUncertaintyJoules'),
    coverageRatio: coverageOf(observedSeconds, gapSeconds),
    observedSeconds,
    gapSeconds,
    gapSecondsByReason: gapsOf(counted),
    bridgedSeconds: partsOf(counted, 'bridgedSeconds'),
    powerMeanWatts: perThing(energyJoules, observedSeconds),
    powerMaxWatts: extreme(
      Math.max,
      lines.map(({ powerMaxWatts }) => powerMaxWatts),
    ),
    powerMinWatts: extreme(
      Math.min,
      lines.map(({ powerMinWatts }) => powerMinWatts),
    ),
    sampleCount: Math.round(totalOf(counted, 'sampleCount')),
    counterJoules: knownOf(counted, 'counterJoules'),
    integralJoules: knownOf(counted, 'integralJoules'),
    facilityKilowattHours: partsOf(counted, 'facilityKilowattHours'),
    energyCost: knownOf(observed, 'energyCost'),
    uncertaintyCost: knownOf(observed, 'uncertaintyCost'),
    locationBasedGrams: knownOf(observed, 'locationBasedGrams'),
    marketBasedGrams: knownOf(observed, 'marketBasedGrams'),
    ...idleOfShares(counted),
    warnings: lines.flatMap(({ warnings }) => warnings),
  });
}

function findings(repeated: number, proRataSeconds: number): Warning[] {
  const found: Warning[] = [];
  if (repeated > 0) {
    const lines = repeated === 1 ? '1 line of a GPU' : `${repeated} lines of GPUs`;
    const message = `${lines} that another report covers ${repeated === 1 ? 'was' : 'were'} counted once.`;
    found.push({ code: 'merge-counted-once', message });
  }
  if (proRataSeconds >= NOTABLE_SECONDS) {
    const length = secondsFigure(proRataSeconds);
    const message = `Reports overlap in part: ${length} GPU-seconds outside the longest were taken at their mean power.`;
    found.push({ code: 'merge-overlap', message });
  }
  return found;
}
