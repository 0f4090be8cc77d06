// The live line on a terminal: rewritten once a second, gone when the report comes.

import { isObserved } from '../account/gpu-energy.ts';
import { combine, type Totals } from '../account.ts';
import type { Config } from '../options.ts';
import type { Pipeline } from '../pipeline.ts';
import { present } from '../report/present.ts';
import { formatProgress, type Progress } from '../report/progress.ts';
import type { DeviceSnapshot } from '../snapshot.ts';
import type { Context } from './context.ts';
import type { Pricing } from './pricing.ts';

/** The live line. */
export interface ProgressLine extends Disposable {
  /** Takes the figures now; the returned function shows them. */
  compose(pipeline: Pipeline): () => void;
  /** Steps seen so far, from the output of CMD. */
  setSteps(steps: number): void;
}

const CLEAR_LINE = '\r\u001B[K';

/** Opens the line on stderr; undefined where nobody would see it. */
export function openProgress(options: {
  readonly config: Config;
  readonly context: Context;
  readonly pricing: Pricing;
}): ProgressLine | undefined {
  const { config, context, pricing } = options;
  const screen = context.stderr;
  if (!screen.isTerminal || config.quiet === true) return undefined;
  let steps: number | undefined;
  let isShown = false;
  return {
    compose(pipeline) {
      const progress = progressOf(pipeline, pricing.tariff.currency);
      if (progress === undefined) return () => undefined;
      const line = formatProgress(
        {
          ...progress,
          ...(steps === undefined ? {} : { steps }),
          ...(config.totalSteps === undefined ? {} : { totalSteps: config.totalSteps }),
        },
        screen.columns - 1,
      );
      return () => {
        isShown = true;
        screen.write(`${CLEAR_LINE}${line}\r`);
      };
    },
    setSteps(count) {
      steps = count;
    },
    [Symbol.dispose]: () => {
      if (isShown) screen.write(CLEAR_LINE);
    },
  };
}

/** What of a pipeline a line needs. */
type Watched = Pick<Pipeline, 'firstSeconds' | 'lastSeconds' | 'devices' | 'health'>;

/** What is known so far; undefined while nothing is. */
export function progressOf(pipeline: Watched, currency: string): Progress | undefined {
  const { firstSeconds, lastSeconds } = pipeline;
  const gpus = pipeline.devices().filter(({ device }) => device.kind === 'gpu');
  if (firstSeconds === undefined || lastSeconds === undefined || gpus.length === 0)
    return undefined;
  const totals = combine(gpus.map((gpu) => gpu.totals));
  const gapSeconds =
    Object.values(totals.gapSeconds).reduce((sum, gap) => sum + gap, 0) - totals.bridgedSeconds;
  const powers = gpus.map(({ powerWatts }) => powerWatts).filter((power) => power !== undefined);
  const known = totals.observedSeconds + gapSeconds;
  // Before the first settled second there is no energy to show, which is not an energy of 0.
  if (known === 0) return undefined;
  const trouble = pipeline
    .health()
    .find((source) => !source.up && source.lastSuccessSeconds !== undefined);
  return {
    // An agent, and a resumed run, go on with joules from before: their time goes on with them.
    elapsedSeconds: Math.max(lastSeconds - firstSeconds, known / gpus.length),
    ...(powers.length < gpus.length
      ? {}
      : { powerWatts: powers.reduce((sum, power) => sum + power, 0) }),
    // The energy of some of the GPUs beside the power of all would pass for the energy of all.
    ...(gpus.every(hasSettled) && isObserved(totals) ? billOf(totals, currency) : {}),
    coverageRatio: totals.observedSeconds / known,
    ...(trouble === undefined ? {} : { trouble: `${trouble.kind} silent` }),
  };
}

/** Whether anything of this GPU's time is final, be it a gap. */
const hasSettled = ({ totals }: DeviceSnapshot): boolean =>
  isObserved(totals) || Object.values(totals.gapSeconds).some((gap) => gap > 0);

const billOf = (totals: Totals, currency: string): Partial<Progress> =>
  present({
    gpuJoules: totals.energyJoules,
    uncertaintyJoules: totals.uncertaintyJoules,
    energyCost:
      totals.costAmount === undefined ? undefined : totals.costAmount - (totals.creditAmount ?? 0),
    currency,
    locationBasedGrams: totals.locationBasedGrams,
  });
