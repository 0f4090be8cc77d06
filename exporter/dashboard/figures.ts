// From a snapshot to the figures of the page: sums over GPUs, and why a sum is missing. Pure.

import type { DeviceSnapshot, Provenance, Snapshot } from '../../agent/snapshot.ts';

/** A sum, or the reason why there is none. */
export type Sum =
  | { readonly kind: 'known'; readonly value: number; readonly uncertainty?: number }
  | { readonly kind: 'unknown'; readonly reason: string };

/** Everything that is a GPU, whether it is still there or not: energy that was used stays used. */
export const gpusOf = (snapshot: Snapshot): readonly DeviceSnapshot[] =>
  snapshot.devices.filter(({ device }) => device.kind === 'gpu');

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

// Different GPUs err independently of each other.
const rootOfSquares = (values: readonly number[]): number => Math.hypot(...values);

const known = (values: readonly (number | undefined)[]): number[] =>
  values.filter((value) => value !== undefined);

/** Power of all GPUs that report it now, the limit of the same GPUs, and how many they are. */
export interface PowerNow {
  readonly watts: number | undefined;
  readonly limitWatts: number | undefined;
  readonly reporting: number;
  readonly present: number;
  readonly gone: number;
}

/** The limit in force on a GPU. */
export const limitOf = ({ gauges, device }: DeviceSnapshot): number | undefined =>
  gauges.powerLimitWatts ?? device.powerLimitWatts;

/** Sums power over the GPUs that say it. */
export function powerNow(snapshot: Snapshot): PowerNow {
  const gpus = gpusOf(snapshot);
  const present = gpus.filter((gpu) => gpu.present);
  const reporting = present.filter(({ powerWatts }) => powerWatts !== undefined);
  const limits = known(reporting.map(limitOf));
  const any = reporting.length > 0;
  return {
    watts: any ? total(known(reporting.map(({ powerWatts }) => powerWatts))) : undefined,
    limitWatts: any && limits.length === reporting.length ? total(limits) : undefined,
    reporting: reporting.length,
    present: present.length,
    gone: gpus.length - present.length,
  };
}

/** As agent/account/gpu-energy.ts has it, of which a browser can import nothing but types. */
export const isObserved = ({ totals }: DeviceSnapshot): boolean =>
  totals.observedSeconds > 0 || totals.bridgedSeconds > 0;

/** The GPUs that sums are over; the others' time stands in the coverage. */
const observedGpus = (snapshot: Snapshot): readonly DeviceSnapshot[] =>
  gpusOf(snapshot).filter(isObserved);

const NOTHING_READ = 'No power has been read yet: see the sources.';

/** Energy of all GPUs with its expanded uncertainty. */
export function energySum(snapshot: Snapshot): Sum {
  if (gpusOf(snapshot).length === 0)
    return { kind: 'unknown', reason: 'No GPU has been seen yet.' };
  const gpus = observedGpus(snapshot);
  if (gpus.length === 0) return { kind: 'unknown', reason: NOTHING_READ };
  return {
    kind: 'known',
    value: total(gpus.map(({ totals }) => totals.energyJoules)),
    uncertainty: rootOfSquares(gpus.map(({ totals }) => totals.uncertaintyJoules)),
  };
}

/** Seconds of a GPU that stayed unmeasured. */
export const gapSecondsOf = ({ totals }: DeviceSnapshot): number =>
  Math.max(0, total(Object.values(totals.gapSeconds)) - totals.bridgedSeconds);

/** A part of a whole, 0 to 1; undefined where either is unknown or there is no whole. */
export const ratio = (part: number | undefined, whole: number | undefined): number | undefined =>
  part !== undefined && whole !== undefined && whole > 0 ? part / whole : undefined;

/** Measured share of one GPU's time. */
export const coverageOf = (gpu: DeviceSnapshot): number | undefined =>
  ratio(gpu.totals.observedSeconds, gpu.totals.observedSeconds + gapSecondsOf(gpu));

/** Measured share of all GPUs' time. */
export function coverageSum(snapshot: Snapshot): number | undefined {
  const gpus = gpusOf(snapshot);
  const observed = total(gpus.map(({ totals }) => totals.observedSeconds));
  return ratio(observed, observed + total(gpus.map(gapSecondsOf)));
}

/** Cost less credit of all GPUs. */
export function costSum(snapshot: Snapshot): Sum {
  const gpus = observedGpus(snapshot);
  if (snapshot.price === undefined) {
    return { kind: 'unknown', reason: 'No price is in force. Start with --price or --tariff.' };
  }
  const costs = known(gpus.map(({ totals }) => totals.costAmount));
  if (gpus.length === 0) return { kind: 'unknown', reason: NOTHING_READ };
  if (costs.length < gpus.length) {
    return { kind: 'unknown', reason: 'The tariff has no price for part of the energy.' };
  }
  const credits = known(gpus.map(({ totals }) => totals.creditAmount));
  const spreads = known(gpus.map(({ totals }) => totals.uncertaintyCostAmount));
  return {
    kind: 'known',
    value: total(costs) - total(credits),
    ...(spreads.length === gpus.length && { uncertainty: rootOfSquares(spreads) }),
  };
}

/** Location-based carbon of all GPUs. */
export function carbonSum(snapshot: Snapshot): Sum {
  const gpus = observedGpus(snapshot);
  if (snapshot.grid === undefined) {
    return {
      kind: 'unknown',
      reason: 'No grid zone is known. Start with --zone, such as --zone DEU.',
    };
  }
  const masses = known(gpus.map(({ totals }) => totals.locationBasedGrams));
  if (gpus.length === 0) return { kind: 'unknown', reason: NOTHING_READ };
  if (masses.length < gpus.length) {
    return { kind: 'unknown', reason: 'The grid data have no intensity for part of the energy.' };
  }
  return { kind: 'known', value: total(masses) };
}

/** Where the energy of the page comes from: modelled as soon as one GPU's is; undefined without a GPU. */
export function energyProvenance(snapshot: Snapshot): Provenance | undefined {
  const gpus = gpusOf(snapshot);
  if (gpus.length === 0) return undefined;
  return gpus.some(({ device }) => device.powerOrigin === 'modelled') ? 'modelled' : 'measured';
}

/** One job over all GPUs. */
export interface JobSum {
  readonly key: string;
  readonly kind: string;
  readonly jobId: string;
  /** What people call it where that is not its id. */
  readonly name: string | undefined;
  readonly user: string | undefined;
  readonly energyJoules: number;
  readonly gpuCount: number;
}

/** Jobs by energy, the largest first. */
export function jobSums({ jobs = [] }: Snapshot): readonly JobSum[] {
  const sums = new Map<string, JobSum>();
  for (const { kind, jobId, name, user, energyJoules } of jobs) {
    const key = JSON.stringify([kind, jobId, user]);
    const before = sums.get(key);
    sums.set(key, {
      key,
      kind,
      jobId,
      name,
      user,
      energyJoules: (before?.energyJoules ?? 0) + energyJoules,
      gpuCount: (before?.gpuCount ?? 0) + 1,
    });
  }
  return [...sums.values()].toSorted((a, b) => b.energyJoules - a.energyJoules);
}
