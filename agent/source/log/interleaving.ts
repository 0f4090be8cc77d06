// Several GPUs in one log without a column that says whose row it is: seen by rows that come in rounds of N.

const ROUND_LIMIT = 16;
// A round is short against the pause after it: nvidia-smi asks one GPU after the other, then sleeps.
const WITHIN_TO_PAUSE_RATIO = 0.25;
// Values repeat after N rows much better than from row to row.
const REPEAT_RATIO = 0.2;
const ROUNDS_MINIMUM = 5;
const AGREEMENT = 0.95;
const NOISE_WATTS = 1;

/**
 * How many GPUs the rows of a log seem to come from in turn; 1 when they look like one GPU's. A guess, made to refuse
 * with good advice and never to count by.
 */
export function interleavedGpuCount(
  timeSeconds: readonly number[],
  powerWatts: readonly number[],
): number {
  for (let count = 2; count <= ROUND_LIMIT; count += 1) {
    if (timeSeconds.length < count * ROUNDS_MINIMUM) break;
    if (hasRoundsInTime(timeSeconds, count) || hasRoundsInPower(powerWatts, count)) return count;
  }
  return 1;
}

function hasRoundsInTime(timeSeconds: readonly number[], count: number): boolean {
  const steps = timeSeconds.slice(1).map((time, at) => time - (timeSeconds[at] ?? time));
  for (let phase = 0; phase < count; phase += 1) {
    if (isPausedAfter(steps, count, phase)) return true;
  }
  return false;
}

/** Whether every `count`-th step, from `phase` on, is a pause and the steps between are short against it. */
function isPausedAfter(steps: readonly number[], count: number, phase: number): boolean {
  let [rounds, agreeing] = [0, 0];
  for (let at = phase; at < steps.length; at += count) {
    const within = steps.slice(at + 1, at + count);
    if (within.length < count - 1) break;
    rounds += 1;
    const pause = steps[at] ?? 0;
    if (pause > 0 && within.every((step) => step < pause * WITHIN_TO_PAUSE_RATIO)) agreeing += 1;
  }
  return rounds >= ROUNDS_MINIMUM - 1 && agreeing >= rounds * AGREEMENT;
}

function hasRoundsInPower(powerWatts: readonly number[], count: number): boolean {
  const neighbour = medianDifference(powerWatts, 1);
  return neighbour > NOISE_WATTS && medianDifference(powerWatts, count) < neighbour * REPEAT_RATIO;
}

function medianDifference(values: readonly number[], lag: number): number {
  const differences = values
    .slice(lag)
    .map((value, at) => Math.abs(value - (values[at] ?? Number.NaN)))
    .filter((difference) => difference === difference)
    .toSorted((a, b) => a - b);
  return differences[Math.floor(differences.length / 2)] ?? 0;
}
