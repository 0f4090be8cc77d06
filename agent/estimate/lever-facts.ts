// What is known about the levers: measured or published ranges, one sourced fact each. Nothing here is applied to a
// plan; levers.ts does. Pure.

import type { Range } from './range.ts';

/** A fact with its source. */
export interface Sourced<T> {
  readonly value: T;
  readonly source: string;
}

/** Outcome of a power cap: energy of the GPU and time of the work, against the board's default limit. */
export interface CapOutcome {
  readonly gpuEnergyRatio: number;
  readonly timeRatio: number;
}

/**
 * V100 at 200 of 250 W: quartiles of energy and of time over the 68 training jobs of Zeus' measurements (You et al.,
 * NSDI 2023; github.com/ml-energy/zeus), the best quartile first.
 */
export const POWER_CAP_V100: Sourced<{
  readonly best: CapOutcome;
  readonly mid: CapOutcome;
  readonly worst: CapOutcome;
}> = {
  value: {
    best: { gpuEnergyRatio: 0.874, timeRatio: 1.009 },
    mid: { gpuEnergyRatio: 0.897, timeRatio: 1.037 },
    worst: { gpuEnergyRatio: 0.989, timeRatio: 1.053 },
  },
  source:
    'Zeus (NSDI 2023), V100 at 200 of 250 W, 68 jobs: quartiles; single jobs -15 to +21 %, an A40 at 100 of 300 W +39 %',
};

/** T after ÷ T before when a trained model is adapted instead of trained anew. */
export const TRANSFER_LEARNING: Sourced<Range> = {
  value: { low: 0.0035, mid: 0.03, high: 0.25 },
  source:
    'Llama 3.2 3B QLoRA 1,600 of 460,000 GPU-h (card); Code Llama 0.5 T after 2 T tokens (arXiv:2308.12950); mid assumed',
};

/** T after ÷ T before when redundant data are left out. */
export const DATA_PRUNING: Sourced<Range> = {
  value: { low: 0.8, mid: 0.9, high: 1 },
  source: 'Sorscher et al. 2022 (arXiv:2206.14486): a fifth of ImageNet pruned; mid assumed',
};

/** Work of a search with successive halving ÷ running all trials to their end, for 81, 27 and 9 trials, η = 3. */
export const SUCCESSIVE_HALVING: Sourced<Range> = {
  value: { low: 5 / 81, mid: 4 / 27, high: 3 / 9 },
  source: 'Successive halving (arXiv:1502.07943): (log3 n + 1) ÷ n of the work of n trials',
};

/** Lifecycle g/kWh of renewable energy: medians of onshore wind, hydropower and utility-scale photovoltaics. */
export const RENEWABLES: Sourced<Range> = {
  value: { low: 11, mid: 24, high: 48 },
  source: 'IPCC AR5 WG III, Annex III (2014): medians, all energy matched',
};

/** Energy per request after ÷ before quantisation: no safe sign. */
export const QUANTISATION: Sourced<Range> = {
  value: { low: 0.89, mid: 1, high: 1.33 },
  source: 'LLM.int8() +17 to +33 %, NF4 at 7B -11 % in one study; mid assumed',
};
