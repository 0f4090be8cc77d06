// The double's physics: power over time as a sum of terms, each with its integral in closed form, seen through a
// sensor that averages over a window and refreshes on a grid (docs/measurement.md §1). Times are seconds since the origin.

/** Integral of one of gpu-scenario.ts's loads up to t, J: they live in [from, to), and their phase begins at `from`. */
function limitedEnergyJoules(load, t) {
  // JSON has no Infinity.
  const to = load.to ?? Infinity;
  const since = Math.min(Math.max(t, load.from), to) - load.from;
  const shape = { ...load, from: undefined, atSeconds: 0, riseWatts: load.watts };
  switch (load.kind) {
    case 'ramp':
      return load.watts * (since ** 2 / (2 * (to - load.from)) + Math.max(0, t - to));
    case 'square':
      return termEnergyJoules(
        { ...shape, swingWatts: load.watts, periodSeconds: load.period },
        since,
      );
    case 'sine':
      return termEnergyJoules(
        { ...shape, amplitudeWatts: load.watts, periodSeconds: load.period },
        since,
      );
    default:
      return termEnergyJoules(shape, since);
  }
}

/** Integral of one term from 0 to t, J. */
function termEnergyJoules(term, t) {
  if (term.from !== undefined) return limitedEnergyJoules(term, t);
  switch (term.kind) {
    case 'constant':
      return term.watts * t;
    case 'step':
      return term.riseWatts * Math.max(0, t - term.atSeconds);
    case 'square': {
      // Swings by `swingWatts` for the first `duty` of each period, from `phaseSeconds` on.
      const shifted = t - (term.phaseSeconds ?? 0);
      const whole = Math.floor(shifted / term.periodSeconds);
      const rest = shifted - whole * term.periodSeconds;
      const high = term.duty * term.periodSeconds;
      return term.swingWatts * (whole * high + Math.min(rest, high));
    }
    case 'sine': {
      const omega = (2 * Math.PI) / term.periodSeconds;
      return (term.amplitudeWatts * (1 - Math.cos(omega * t))) / omega;
    }
    default:
      throw new Error(`A load has no term "${term.kind}": use constant, step, square or sine.`);
  }
}

/** True energy of a load over [from, to], J. */
export function loadEnergyJoules(load, fromSeconds, toSeconds) {
  return load.reduce(
    (sum, term) => sum + termEnergyJoules(term, toSeconds) - termEnergyJoules(term, fromSeconds),
    0,
  );
}

/** What a sensor with this window and period shows at t, W. */
export function sensorWatts(load, sensor, t) {
  const phase = sensor.phaseSeconds ?? 0;
  const refresh = phase + Math.floor((t - phase) / sensor.periodSeconds) * sensor.periodSeconds;
  const mean =
    loadEnergyJoules(load, refresh - sensor.windowSeconds, refresh) / sensor.windowSeconds;
  return (sensor.gain ?? 1) * mean + (sensor.offsetWatts ?? 0);
}
