// Gain and offset of a board from two loads that an external meter saw too: reported = gain × true + offset. Pure.

/** A steady load, seen from both sides. */
export interface CalibrationLoad {
  /** What the reference meter showed. */
  readonly meterWatts: number;
  /** Mean of what the board reported. */
  readonly reportedWatts: number;
  /** Standard error (k = 1) of that mean, from its scatter. */
  readonly reportedUncertaintyWatts: number;
}

/** What two loads tell. */
export type CalibrationOutcome =
  | {
      readonly kind: 'calibrated';
      readonly gain: number;
      readonly offsetWatts: number;
      /** Standard uncertainties (k = 1). */
      readonly gainUncertainty: number;
      readonly offsetUncertaintyWatts: number;
    }
  | { readonly kind: 'refused'; readonly message: string };

// What stays after a calibration at two loads: 0.6 % and 1 W, over programs and boards (docs/measurement.md §4.8).
const REMAINING_GAIN_UNCERTAINTY = 0.006;
const REMAINING_OFFSET_UNCERTAINTY_WATTS = 1;
// Of 19 boards the farthest had a gain of −9.5 % and an offset of −22 W (§1): far beyond is another mistake.
const PLAUSIBLE_GAIN = { least: 0.7, most: 1.4 };
const PLAUSIBLE_OFFSET_WATTS = 60;
/** Loads closer together than this leave the gain to the noise. */
const LEAST_SPAN_WATTS = 20;

/**
 * Solves for gain and offset. A meter that is wrong by a share is wrong by it at both loads: that goes into the gain
 * alone and leaves the offset as it is. `meterPercent` is a maker's limit, its standard uncertainty a/√3 (GUM 4.3.7).
 */
export function solveCalibration(
  idle: CalibrationLoad,
  load: CalibrationLoad,
  meterPercent: number,
): CalibrationOutcome {
  const span = load.meterWatts - idle.meterWatts;
  if (span < LEAST_SPAN_WATTS) {
    return refused(
      `The loads are ${span.toFixed(1)} W apart on the meter, of at least ${LEAST_SPAN_WATTS} W. Is --load-watts the power under load, and the load heavy?`,
    );
  }
  const gain = (load.reportedWatts - idle.reportedWatts) / span;
  const offsetWatts = idle.reportedWatts - gain * idle.meterWatts;
  if (gain < PLAUSIBLE_GAIN.least || gain > PLAUSIBLE_GAIN.most) {
    return refused(
      `The GPU reported ${idle.reportedWatts.toFixed(1)} W and ${load.reportedWatts.toFixed(1)} W where the meter showed ${idle.meterWatts} W and ${load.meterWatts} W: a gain of ${gain.toFixed(2)} is no sensor's. Did the meter see this GPU alone, and the load run while it was measured?`,
    );
  }
  if (Math.abs(offsetWatts) > PLAUSIBLE_OFFSET_WATTS) {
    return refused(
      `An offset of ${offsetWatts.toFixed(0)} W is no sensor's. Does the meter see more than this GPU (the whole node, a power supply's losses)?`,
    );
  }
  const idleScatter = idle.reportedUncertaintyWatts;
  const loadScatter = load.reportedUncertaintyWatts;
  return {
    kind: 'calibrated',
    gain,
    offsetWatts,
    gainUncertainty: Math.hypot(
      REMAINING_GAIN_UNCERTAINTY,
      meterPercent / 100 / Math.sqrt(3),
      Math.hypot(idleScatter, loadScatter) / span / gain,
    ),
    offsetUncertaintyWatts: Math.hypot(
      REMAINING_OFFSET_UNCERTAINTY_WATTS,
      Math.hypot(idleScatter * load.meterWatts, loadScatter * idle.meterWatts) / span,
    ),
  };
}

const refused = (message: string): CalibrationOutcome => ({ kind: 'refused', message });

/** Mean and standard error of values that were taken one after another; undefined of fewer than two. */
export function meanOf(
  values: readonly number[],
):
  | { readonly mean: number; readonly standardError: number; readonly deviation: number }
  | undefined {
  const count = values.length;
  if (count < 2) return undefined;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1);
  const deviation = Math.sqrt(variance);
  return { mean, standardError: deviation / Math.sqrt(count), deviation };
}
