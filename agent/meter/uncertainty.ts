// Standard uncertainties that more than one part of the meter states (docs/measurement.md §4.8, after the GUM).

import type { UncertaintyParts } from '../model.ts';
import type { Trust } from './boards.ts';

/** No uncertainty at all: the start of a sum. */
export const NO_UNCERTAINTY: UncertaintyParts = {
  gainJoules: 0,
  offsetJoules: 0,
  aliasJoules: 0,
  startEdgeJoules: 0,
  endEdgeJoules: 0,
  independentJoulesSquared: 0,
};

/** What gain and offset contribute, in joules. */
export type SystematicParts = Pick<UncertaintyParts, 'gainJoules' | 'offsetJoules'>;

/** Of a value that may lie anywhere in a range of this width (GUM 4.3.7). */
export const uniformUncertainty = (width: number): number => Math.abs(width) / Math.sqrt(12);

/** What gain and offset contribute: both scale with what was measured, and are the same for all of a device's time. */
export function systematicParts(
  trust: Trust,
  energyJoules: number,
  observedSeconds: number,
): SystematicParts {
  return {
    gainJoules: trust.gainUncertainty * Math.abs(energyJoules),
    offsetJoules: trust.offsetUncertaintyWatts * observedSeconds,
  };
}
