// Takes a moving average apart: a register that shows the mean of the last N refresh periods, refreshed each period,
// gives back the mean of each period (MEASUREMENT.md §4.2, solved refresh by refresh).

/** Turns a register's successive values into the mean powers of the single refresh periods. */
export interface MovingAverage {
  /** The mean of the newest period. */
  next(watts: number): number;
}

// The recurrence alone remembers every rounding and the guess at its start for ever; a slow pull towards the average
// itself (which holds the same energy in the long run) forgets them within about fifty windows.
const PULL = 0.02;

/**
 * b_k = b_{k−N} + N·(y_k − y_{k−1}): what enters the window minus what leaves it. Before its first value the power is
 * taken to have been steady.
 */
export function createMovingAverage(length: number, firstWatts: number): MovingAverage {
  const boxes = new Float64Array(length).fill(firstWatts);
  const values = new Float64Array(length).fill(firstWatts);
  const middle = Math.floor(length / 2);
  let index = 0;
  let before = firstWatts;
  return {
    next(watts) {
      const leaving = boxes[index] ?? firstWatts;
      const average = values[(index + middle) % length] ?? firstWatts;
      const box = leaving + length * (watts - before) - PULL * (leaving - average);
      boxes[index] = box;
      values[index] = watts;
      before = watts;
      index = (index + 1) % length;
      return box;
    },
  };
}
