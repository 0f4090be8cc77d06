// What `top` shows, taken from a pipeline at one moment; the history of power is kept here, one value a draw.

import { combine } from '../account.ts';
import type { Pipeline } from '../pipeline.ts';
import type { DeviceSnapshot, SourceHealth } from '../snapshot.ts';
import type { Instant } from '../units.ts';
import type { Pricing } from './pricing.ts';

/** One moment. */
export interface TopView {
  readonly elapsedSeconds: number;
  /** What is measured is a recording. */
  readonly isReplay: boolean;
  /** All GPUs together; absent when one of them gives no reading. */
  readonly powerWatts?: number;
  /** What the GPUs may take together; absent when a limit is not known. */
  readonly limitWatts?: number;
  /** Oldest first; a gap is undefined. */
  readonly powerHistoryWatts: readonly (number | undefined)[];
  /** Seconds of GPU time that were measured; at 0 no energy is known. */
  readonly observedSeconds: number;
  readonly gpuJoules: number;
  readonly uncertaintyJoules: number;
  readonly coverageRatio: number;
  readonly cost?: {
    readonly amount: number;
    readonly uncertainty?: number;
    readonly currency: string;
    readonly isAssumed: boolean;
  };
  readonly carbon: { readonly grams: number; readonly zone: string } | { readonly missing: string };
  readonly gpus: readonly DeviceSnapshot[];
  readonly sources: readonly SourceHealth[];
  /** The newest trouble, in words. */
  readonly trouble?: string;
}

/** Takes views, one after another. */
export interface TopCamera {
  take(now: Instant, trouble: string | undefined): TopView;
}

const HISTORY_LENGTH = 600;

/** Starts at the first reading. */
export function openCamera(pipeline: Pipeline, pricing: Pricing, isReplay: boolean): TopCamera {
  const history: (number | undefined)[] = [];
  return {
    take(now, trouble) {
      const gpus = pipeline
        .devices()
        .filter(({ device, present }) => device.kind === 'gpu' && present)
        .toSorted((a, b) => a.device.index - b.device.index);
      const powerWatts = sumOfAll(gpus.map((gpu) => gpu.powerWatts));
      const limitWatts = sumOfAll(gpus.map(limitOf));
      // Before the first reading there is nothing to have a gap in.
      if (powerWatts !== undefined || history.length > 0) history.push(powerWatts);
      if (history.length > HISTORY_LENGTH) history.shift();
      return {
        elapsedSeconds: Math.max(0, now - (pipeline.firstSeconds ?? now)),
        isReplay,
        ...(powerWatts === undefined ? {} : { powerWatts }),
        ...(limitWatts === undefined ? {} : { limitWatts }),
        powerHistoryWatts: [...history],
        ...sumsOf(pipeline, pricing),
        gpus,
        sources: pipeline.health(),
        ...(trouble === undefined ? {} : { trouble }),
      };
    },
  };
}

/** The power that a GPU may take now. */
export const limitOf = ({ gauges, device }: DeviceSnapshot): number | undefined =>
  gauges.powerLimitWatts ?? device.powerLimitWatts ?? device.ratedPowerWatts;

/** The sum, unless one is unknown or there is none: a part is no whole. */
function sumOfAll(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 || known.length < values.length
    ? undefined
    : known.reduce((sum, value) => sum + value, 0);
}

type Sums = Pick<
  TopView,
  'observedSeconds' | 'gpuJoules' | 'uncertaintyJoules' | 'coverageRatio' | 'cost' | 'carbon'
>;

/** Energy of all GPUs since the start, vanished ones included, and what it cost and emitted. */
function sumsOf(pipeline: Pipeline, { tariff, grid }: Pricing): Sums {
  const all = pipeline.devices().filter(({ device }) => device.kind === 'gpu');
  if (all.length === 0)
    return {
      observedSeconds: 0,
      gpuJoules: 0,
      uncertaintyJoules: 0,
      coverageRatio: 1,
      carbon: { missing: 'no reading yet' },
    };
  const totals = combine(all.map((gpu) => gpu.totals));
  const gaps = Object.values(totals.gapSeconds).reduce((sum, gap) => sum + gap, 0);
  const known = totals.observedSeconds + gaps - totals.bridgedSeconds;
  const { costAmount, creditAmount, uncertaintyCostAmount, locationBasedGrams } = totals;
  return {
    observedSeconds: totals.observedSeconds,
    gpuJoules: totals.energyJoules,
    uncertaintyJoules: totals.uncertaintyJoules,
    coverageRatio: known > 0 ? totals.observedSeconds / known : 1,
    ...(costAmount === undefined
      ? {}
      : {
          cost: {
            amount: costAmount - (creditAmount ?? 0),
            ...(uncertaintyCostAmount === undefined ? {} : { uncertainty: uncertaintyCostAmount }),
            currency: tariff.currency,
            isAssumed: tariff.provenance === 'assumed',
          },
        }),
    carbon:
      'missing' in grid
        ? { missing: grid.missing }
        : locationBasedGrams === undefined
          ? { missing: 'the grid has no figure for some of the time' }
          : { grams: locationBasedGrams, zone: grid.zone },
  };
}
