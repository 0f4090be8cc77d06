// The live line of a running measurement: one line, at most 80 columns, the least important left out first.

import { clip, plain, widthOf } from '../display/line.ts';
import {
  formatDuration,
  formatEnergy,
  formatMass,
  formatMoney,
  formatPercent,
  formatPower,
} from '../display/quantity.ts';

/** What is known so far; absent means unknown. */
export interface Progress {
  readonly elapsedSeconds: number;
  /** All GPUs together; absent when the newest readings failed. */
  readonly powerWatts?: number;
  /** Absent until every GPU has told something, and where none was observed. */
  readonly gpuJoules?: number;
  readonly uncertaintyJoules?: number;
  readonly energyCost?: number;
  readonly currency?: string;
  readonly locationBasedGrams?: number;
  /** Below 1 it is shown. */
  readonly coverageRatio: number;
  readonly steps?: number;
  readonly totalSteps?: number;
  /** The newest trouble, in a few words. */
  readonly trouble?: string;
}

const MAX_WIDTH = 80;
const SEPARATOR = ' · ';

function stepsOf({ steps, totalSteps, elapsedSeconds }: Progress): string {
  if (steps === undefined) return '';
  if (totalSteps === undefined) return `step ${steps}`;
  const left = steps > 0 ? (elapsedSeconds / steps) * (totalSteps - steps) : undefined;
  const end = left === undefined || left < 0 ? '' : `, ${formatDuration(left)} left`;
  return `step ${steps}/${totalSteps}${end}`;
}

/** The line, without a line break. */
export function formatProgress(progress: Progress, width: number = MAX_WIDTH): string {
  const { powerWatts, energyCost, currency, locationBasedGrams, coverageRatio, trouble } = progress;
  const { gpuJoules, uncertaintyJoules } = progress;
  // In the order in which they are given up when the line is too narrow, the last first.
  const parts = [
    formatDuration(progress.elapsedSeconds),
    powerWatts === undefined ? 'no reading' : formatPower(powerWatts),
    gpuJoules === undefined ? '' : formatEnergy(gpuJoules, uncertaintyJoules),
    trouble === undefined ? '' : `! ${plain(trouble)}`,
    coverageRatio < 1 ? `${formatPercent(coverageRatio)} seen` : '',
    stepsOf(progress),
    energyCost === undefined || currency === undefined ? '' : formatMoney(energyCost, currency),
    locationBasedGrams === undefined ? '' : `${formatMass(locationBasedGrams)} CO2e`,
  ].filter((part) => part !== '');
  let line = '';
  for (const part of parts) {
    const longer = line === '' ? part : line + SEPARATOR + part;
    if (widthOf(longer) > Math.min(width, MAX_WIDTH)) break;
    line = longer;
  }
  return line === '' ? clip(parts[0] ?? '', width) : line;
}
