// Takes a moving average apart: a register that shows the mean of the last N refresh periods, refreshed each period,
// gives back the mean of each period (docs/measurement.md §4.2, solved refresh by refresh).

/** Turns a register's successive values into the mean powers of the single refresh periods. */
export interface MovingAverage {
  /** The mean of the newest period. */
  next(watts: number): number;
  /**
   * Standard uncertainty, in watts, of how the periods of one window share its energy; their sum is not in doubt. A
   * pattern that repeats with the window is invisible in the register: it may be the load's, or the first guess's. One
   * that was seen once may go on unseen, so this never falls again.
   */
  readonly sharingWatts: number;
  /** A period came out that no board can have: the register is not the average that it was taken for. */
  readonly isMisfit: boolean;
}

/** Its shape, and what its board can draw. */
interface MovingAverageOptions {
  /** How many refresh periods the register averages over. */
  readonly length: number;
  readonly firstWatts: number;
  readonly limitWatts: number;
}

// The recurrence alone remembers every rounding and the guess at its start for ever; a slow pull towards the average
// itself (which holds the same energy in the long run) forgets them within about fifty windows.
const PULL = 0.02;
// So many windows are looked back on for a pattern that repeats with them.
const PATTERN_WINDOWS = 8;
// The guess at what lay before the first reading can be wrong by the whole range of the board, not by more.
const IMPLAUSIBLE_HIGH = 2.1;
const IMPLAUSIBLE_LOW = -1.1;

/**
 * b_k = b_{k−N} + N·(y_k − y_{k−1}): what enters the window minus what leaves it. Before its first value the power is
 * taken to have been steady.
 */
export function createMovingAverage(options: MovingAverageOptions): MovingAverage {
  const { length, firstWatts, limitWatts } = options;
  const boxes = new Float64Array(length).fill(firstWatts);
  const values = new Float64Array(length).fill(firstWatts);
  /** What each place in the window holds above the average, over the last windows. */
  const pattern = new Float64Array(length);
  const middle = Math.floor(length / 2);
  let index = 0;
  let count = 0;
  let before = firstWatts;
  let isMisfit = false;
  let lastingWatts = 0;

  const patternWatts = (): number =>
    Math.sqrt(pattern.reduce((sum, watts) => sum + watts * watts, 0) / length);

  /** No period has less than no power: what it lacks, its window's other periods have too much. */
  const lift = (box: number): number => {
    if (box >= 0) return box;
    for (let other = 0; other < length; other += 1) {
      if (other !== index) boxes[other] = (boxes[other] ?? 0) + box / (length - 1);
    }
    return 0;
  };

  return {
    next(watts) {
      const leaving = boxes[index] ?? firstWatts;
      const average = values[(index + middle) % length] ?? firstWatts;
      const excess = leaving - average;
      const windows = Math.min(PATTERN_WINDOWS, Math.floor(count / length) + 1);
      pattern[index] = (pattern[index] ?? 0) + (excess - (pattern[index] ?? 0)) / windows;
      const entering = leaving + length * (watts - before) - PULL * excess;
      isMisfit ||=
        entering > IMPLAUSIBLE_HIGH * limitWatts || entering < IMPLAUSIBLE_LOW * limitWatts;
      const box = lift(entering);
      boxes[index] = box;
      values[index] = watts;
      before = watts;
      index = (index + 1) % length;
      count += 1;
      if (index === 0 && count >= PATTERN_WINDOWS * length) {
        lastingWatts = Math.max(lastingWatts, patternWatts());
      }
      return box;
    },
    get isMisfit() {
      return isMisfit;
    },
    get sharingWatts() {
      return Math.max(lastingWatts, patternWatts());
    },
  };
}
