// Runs side by side: what differs, by how much, and whether the difference is more than the measurement's own doubt.
// Pure; the first run is the baseline.

import { InputError } from '../input-error.ts';
import { COVERAGE_FACTOR } from '../model.ts';

/** What a comparison reads of a run; a Report fits (report/report.ts). */
export interface ComparedRun {
  readonly run: { readonly id: string; readonly name?: string; readonly durationSeconds: number };
  readonly energy: {
    readonly gpuJoules?: number;
    readonly gpuUncertaintyJoules?: number;
    readonly coverageRatio: number;
  };
  readonly compute: { readonly energyKilowattHours?: number; readonly powerMeanWatts?: number };
  readonly devices: readonly ComparedDevice[];
  readonly cost: {
    readonly currency: string;
    readonly energyCost?: number;
    readonly uncertaintyCost?: number;
  };
  readonly carbon:
    | { readonly locationBasedGrams: number; readonly uncertaintyGrams: number }
    | { readonly missing: string };
  readonly windows: readonly {
    readonly gpuJoules?: number;
    readonly steps?: number;
    readonly tokens?: number;
  }[];
}

/** What a comparison reads of a device. */
interface ComparedDevice {
  readonly uuid: string;
  readonly host?: string;
  readonly method?: string;
  readonly uncertaintyComponents?: {
    readonly gainJoules: number;
    readonly offsetJoules: number;
    readonly aliasJoules: number;
    readonly edgeJoules: number;
    readonly independentJoules: number;
  };
}

/** Quantities that runs are compared by, in the order in which they are shown. */
const COMPARED_QUANTITIES = [
  'gpu-energy',
  'facility-energy',
  'energy-per-step',
  'energy-per-token',
  'duration',
  'mean-power',
  'cost',
  'carbon',
] as const;
export type ComparedQuantity = (typeof COMPARED_QUANTITIES)[number];

/** Whether a run differs from the baseline by more than the expanded uncertainty of the difference. */
export type Verdict = 'more' | 'less' | 'within-uncertainty';

/** One run's value of a quantity, and its difference from the baseline's. */
export interface ComparedValue {
  readonly value: number;
  /** Expanded, k = 2; absent where the quantity has none. */
  readonly uncertainty?: number;
  /** (value − baseline) ÷ baseline; absent for the baseline itself, and where it is unknown or 0. */
  readonly differenceRatio?: number;
  /** Expanded, k = 2; of GPU energy alone. */
  readonly differenceUncertaintyRatio?: number;
  readonly verdict?: Verdict;
}

/** A quantity over all runs; undefined where a run does not know it. */
interface ComparedRow {
  readonly quantity: ComparedQuantity;
  readonly values: readonly (ComparedValue | undefined)[];
}

/** The runs side by side. */
export interface Comparison {
  readonly runs: readonly ComparedRun[];
  readonly rows: readonly ComparedRow[];
  /** What the reader must know before trusting a difference. */
  readonly cautions: readonly string[];
}

/** Runs that were observed less than this are compared with a caution. */
const FULL_COVERAGE_RATIO = 0.99;

interface Known {
  readonly value: number;
  readonly uncertainty?: number;
}

const known = (value: number | undefined, uncertainty?: number): Known | undefined =>
  value === undefined ? undefined : { value, ...(uncertainty !== undefined && { uncertainty }) };

const isMeasured = ({ energy }: ComparedRun): boolean => energy.gpuJoules !== undefined;

/** Joules per counted thing over the windows that count it. */
function perCounted(run: ComparedRun, count: 'steps' | 'tokens'): number | undefined {
  // A window that counts and was not observed would make each step look cheaper.
  const counted = run.windows.filter(
    (window) => window[count] !== undefined && window.gpuJoules !== undefined,
  );
  const things = counted.reduce((sum, window) => sum + (window[count] ?? 0), 0);
  const energy = counted.reduce((sum, { gpuJoules = 0 }) => sum + gpuJoules, 0);
  return things > 0 ? energy / things : undefined;
}

function valueOf(quantity: ComparedQuantity, run: ComparedRun): Known | undefined {
  const { energy, compute, cost, carbon } = run;
  switch (quantity) {
    case 'gpu-energy':
      return isMeasured(run) ? known(energy.gpuJoules, energy.gpuUncertaintyJoules) : undefined;
    case 'facility-energy':
      return isMeasured(run) ? known(compute.energyKilowattHours) : undefined;
    case 'energy-per-step':
      return known(perCounted(run, 'steps'));
    case 'energy-per-token':
      return known(perCounted(run, 'tokens'));
    case 'duration':
      return known(run.run.durationSeconds);
    case 'mean-power':
      return known(compute.powerMeanWatts);
    case 'cost':
      return isMeasured(run) ? known(cost.energyCost, cost.uncertaintyCost) : undefined;
    case 'carbon':
      return 'missing' in carbon || !isMeasured(run)
        ? undefined
        : known(carbon.locationBasedGrams, carbon.uncertaintyGrams);
  }
}

const identityOf = ({ host, uuid }: ComparedDevice): string => `${host ?? ''} ${uuid}`;

/**
 * Expanded uncertainty (k = 2) of the difference of two runs' GPU energies. On the same boards, measured the same way,
 * gain and offset are the same errors in both runs and cancel in the difference (docs/measurement.md §4.8); on other boards
 * nothing cancels.
 */
function differenceUncertainty(run: ComparedRun, baseline: ComparedRun): number {
  const others = new Map(baseline.devices.map((device) => [identityOf(device), device]));
  const pairs = run.devices.map((device) => ({ device, other: others.get(identityOf(device)) }));
  const areSame =
    run.devices.length === others.size &&
    pairs.every(({ device, other }) => other !== undefined && other.method === device.method);
  if (!areSame) {
    return Math.hypot(
      run.energy.gpuUncertaintyJoules ?? 0,
      baseline.energy.gpuUncertaintyJoules ?? 0,
    );
  }
  const parts = pairs.flatMap(({ device, other }) => {
    const a = device.uncertaintyComponents;
    const b = other?.uncertaintyComponents ?? a;
    if (a === undefined || b === undefined) return [];
    // What a part-time sensor did not see may have gone either way each time: it does not cancel.
    return [
      a.gainJoules - b.gainJoules,
      a.offsetJoules - b.offsetJoules,
      a.aliasJoules + b.aliasJoules,
      a.edgeJoules,
      b.edgeJoules,
      a.independentJoules,
      b.independentJoules,
    ];
  });
  return COVERAGE_FACTOR * Math.hypot(...parts);
}

function compared(
  quantity: ComparedQuantity,
  run: ComparedRun,
  baseline: ComparedRun,
): ComparedValue | undefined {
  const value = valueOf(quantity, run);
  const base = valueOf(quantity, baseline);
  if (value === undefined || run === baseline) return value;
  if (base === undefined || base.value === 0) return value;
  if (quantity === 'cost' && run.cost.currency !== baseline.cost.currency) return value;
  const differenceRatio = (value.value - base.value) / Math.abs(base.value);
  // Of cost and carbon, price and intensity are facts of their own: whether they differ is for their sources to say.
  if (quantity !== 'gpu-energy') return { ...value, differenceRatio };
  const spread = differenceUncertainty(run, baseline);
  const differenceUncertaintyRatio = spread / Math.abs(base.value);
  const verdict = verdictOf(differenceRatio, differenceUncertaintyRatio);
  return { ...value, differenceRatio, differenceUncertaintyRatio, verdict };
}

function verdictOf(difference: number, uncertainty: number): Verdict {
  if (Math.abs(difference) <= uncertainty) return 'within-uncertainty';
  return difference > 0 ? 'more' : 'less';
}

const nameOf = ({ run }: ComparedRun): string => run.name ?? run.id;

function cautionsOf(runs: readonly ComparedRun[]): string[] {
  const cautions: string[] = [];
  for (const run of runs) {
    if (!isMeasured(run)) cautions.push(`${nameOf(run)}: its energy was not measured.`);
    else if (run.energy.coverageRatio < FULL_COVERAGE_RATIO) {
      const percent = (run.energy.coverageRatio * 100).toFixed(1);
      cautions.push(`${nameOf(run)}: only ${percent} % of its time was observed.`);
    }
  }
  if (new Set(runs.map(({ cost }) => cost.currency)).size > 1) {
    cautions.push('The runs are in different currencies; costs are not compared.');
  }
  return cautions;
}

/**
 * Compares runs with the first.
 * @throws InputError for fewer than two
 */
export function compareRuns(runs: readonly ComparedRun[]): Comparison {
  const [baseline] = runs;
  if (baseline === undefined || runs.length < 2) {
    throw new InputError(
      'compare',
      `there is nothing to compare in ${runs.length} run`,
      'Name at least two',
    );
  }
  const rows = COMPARED_QUANTITIES.map((quantity) => ({
    quantity,
    values: runs.map((run) => compared(quantity, run, baseline)),
  })).filter(({ values }) => values.some((value) => value !== undefined));
  return { runs, rows, cautions: cautionsOf(runs) };
}

/** Why a comparison does not pass its limit. */
export interface GateFailure {
  readonly run: string;
  readonly reason: string;
}

/**
 * The runs whose GPU energy is more than `limitPercent` above the baseline's. A run that was not measured fails too: an
 * unknown energy is not a pass.
 */
export function failuresAbove({ runs, rows }: Comparison, limitPercent: number): GateFailure[] {
  const row = rows.find(({ quantity }) => quantity === 'gpu-energy');
  return runs.slice(1).flatMap((run, position) => {
    const ratio = row?.values[position + 1]?.differenceRatio;
    if (ratio === undefined) {
      return [{ run: nameOf(run), reason: 'its GPU energy cannot be compared with the first run' }];
    }
    const percent = ratio * 100;
    if (percent <= limitPercent) return [];
    const reason = `GPU energy is ${percent.toFixed(1)} % above the first run's; the limit is ${limitPercent} %`;
    return [{ run: nameOf(run), reason }];
  });
}
