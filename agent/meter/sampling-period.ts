// How often readings really come, and from which silence on time counts as unmeasured. Adaptive: logs do not say
// their period, nvidia-smi drifts, and bursts around edges must not make the ordinary spacing look like a hole.

const GAP_PERIODS = 5;
const GAP_REFRESHES = 2;
const FIRST_LIMIT_SECONDS = 10;
// A longer spacing is believed after a few readings, a shorter one only after seconds of it: bursts do not count.
const RISE = 0.2;
const FALL_SECONDS = 10;

/** Follows the spacing of readings. */
export interface SamplingPeriod {
  readonly seconds: number;
  observe(spacing: number): void;
  /** No reading for longer than this is a gap: max(5 sampling periods, 2T) (docs/measurement.md §4.7). */
  gapLimitSeconds(refreshPeriodSeconds: number): number;
}

/** The spacing in which half of the time was spent: a burst of readings takes little of it. */
export function typicalSpacing(times: readonly number[]): number | undefined {
  const spacings = times
    .slice(1)
    .map((time, index) => time - (times[index] ?? time))
    .toSorted((a, b) => a - b);
  const half = spacings.reduce((sum, spacing) => sum + spacing, 0) / 2;
  let passed = 0;
  return spacings.find((spacing) => (passed += spacing) >= half);
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
      else period -= Math.min(1, spacing / FALL_SECONDS) * (period - spacing);
    },
    gapLimitSeconds: (refreshPeriodSeconds) =>
      Math.max(
        // Before a second reading nothing is known of the spacing.
        period === undefined ? FIRST_LIMIT_SECONDS : GAP_PERIODS * period,
        GAP_REFRESHES * refreshPeriodSeconds,
      ),
  };
}
