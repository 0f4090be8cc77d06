// How standard uncertainties combine over the parts of one device's time (MEASUREMENT.md §4.8, after the GUM). The meter
// and whoever adds intervals up use the same rules.

import type { UncertaintyParts } from '../model.ts';
import type { Trust } from './boards.ts';

/** The coverage factor of every stated uncertainty: U = 2u. */
const COVERAGE_FACTOR = 2;

/** No uncertainty at all: the start of a sum. */
export const NO_UNCERTAINTY: UncertaintyParts = {
  gainJoules: 0,
  offsetJoules: 0,
  aliasJoules: 0,
  startEdgeJoules: 0,
  endEdgeJoules: 0,
  independentJoulesSquared: 0,
};

/**
 * The parts of two adjoining stretches of one device taken together: gain, offset and alias add linearly because they
 * are shared; the edge between the two belongs to both with opposite sign and cancels.
 */
export function joinParts(earlier: UncertaintyParts, later: UncertaintyParts): UncertaintyParts {
  return {
    gainJoules: earlier.gainJoules + later.gainJoules,
    offsetJoules: earlier.offsetJoules + later.offsetJoules,
    aliasJoules: earlier.aliasJoules + later.aliasJoules,
    startEdgeJoules: earlier.startEdgeJoules,
    endEdgeJoules: later.endEdgeJoules,
    independentJoulesSquared: earlier.independentJoulesSquared + later.independentJoulesSquared,
  };
}

/** Standard uncertainty (k = 1) of one stretch of one device. */
function standardUncertainty(parts: UncertaintyParts): number {
  return Math.sqrt(
    parts.gainJoules ** 2 +
      parts.offsetJoules ** 2 +
      parts.aliasJoules ** 2 +
      parts.startEdgeJoules ** 2 +
      parts.endEdgeJoules ** 2 +
      parts.independentJoulesSquared,
  );
}

/** Expanded uncertainty (k = 2) of one stretch of one device. */
export const expandedUncertainty = (parts: UncertaintyParts): number =>
  COVERAGE_FACTOR * standardUncertainty(parts);

/** What gain and offset contribute: both scale with what was measured, and are the same for all of a device's time. */
export function systematicParts(
  trust: Trust,
  energyJoules: number,
  observedSeconds: number,
): { gainJoules: number; offsetJoules: number } {
  return {
    gainJoules: trust.gainUncertainty * Math.abs(energyJoules),
    offsetJoules: trust.offsetUncertaintyWatts * observedSeconds,
  };
}
