// How often readings really come, and from which silence on time counts as unmeasured. Adaptive: logs do not say
// their period, nvidia-smi drifts, and bursts around edges must not make the ordinary spacing look like a hole.

const GAP_PERIODS = 5;
const GAP_REFRESHES = 2;
// A longer spacing is believed five times faster than a shorter one is forgotten fifty times slower.
const RISE = 0.2;
const FALL = 0.01;

/** Follows the spacing of readings. */
export interface SamplingPeriod {
  readonly seconds: number;
  observe(spacing: number): void;
  /** No reading for longer than this is a gap: max(5 sampling periods, 2T) (MEASUREMENT.md §4.7). */
  gapLimitSeconds(refreshPeriodSeconds: number): number;
}

/** Starts from what the sampler aims at, or from the first spacings. */
export function createSamplingPeriod(hint: number | undefined): SamplingPeriod {
  let period = hint;
  return {
    get seconds() {
      return period ?? 0;
    },
    observe(spacing) {
      if (period === undefined) period = spacing;
      else if (spacing > period)
        period += RISE * (Math.min(spacing, GAP_PERIODS * period) - period);
      else period -= FALL * (period - spacing);
    },
    gapLimitSeconds: (refreshPeriodSeconds) =>
      // Before a second reading nothing is known of the spacing: no silence can be too long yet.
      period === undefined
        ? Infinity
        : Math.max(GAP_PERIODS * period, GAP_REFRESHES * refreshPeriodSeconds),
  };
}
