// A register that averages over many of its refresh periods: each refresh gives the mean of its own period.
// docs/measurement.md §4.2.

import type { PowerRange } from './boards.ts';
import type { CellWriter } from './cell-writer.ts';
import { createMovingAverage, type MovingAverage } from './moving-average.ts';
import type { SamplingPeriod } from './sampling-period.ts';
import type { SensorModel } from './sensor.ts';

/** A reading of the register. */
interface RegisterReading {
  readonly time: number;
  readonly watts: number;
}

interface UnmixOptions {
  readonly sensor: SensorModel;
  readonly sampling: SamplingPeriod;
  readonly range: () => PowerRange;
  readonly writer: CellWriter;
  /** The register stood at its first value up to `end`. */
  readonly level: (end: number) => void;
  /** A period's energy, up to its refresh, which is known to `timingSeconds`. */
  readonly box: (end: number, energyJoules: number, timingSeconds: number) => void;
}

// Shorter windows than two periods are no average worth taking apart.
const FEWEST_PERIODS = 1.9;
// Readings must meet nearly every refresh: what one misses is multiplied by the number of periods in the window.
const DENSE_RATIO = 0.75;
// It survives so many refreshes in a row that no reading met.
const MOST_MISSED = 4;
// An unchanged value may still be the one before until so much of a period is past a refresh.
const SURELY_PAST = 0.2;
// Without a grid an unchanged register is followed from afar: its next change then ends a whole period.
const UNLOCKED_PERIODS = 1.5;
const UNCHANGED_ROUNDING = 0.25;
// Boards draw more than their limit for moments.
const HIGHEST_RATIO = 1.5;

/** Takes the register apart, from its first reading on. */
export class Unmix {
  readonly #options: UnmixOptions;
  readonly #boxes: MovingAverage;
  readonly #length: number;
  /** The newest refresh whose period was booked, and that period's power. */
  #refresh: number;
  #boxWatts: number;
  #timingSeconds: number;
  /** What a place in time was too short for, or a board too weak: the next boxes have it. */
  #owedJoules = 0;

  private constructor(options: UnmixOptions, first: RegisterReading) {
    const { sensor, range } = options;
    const { grid, periodSeconds } = sensor;
    this.#options = options;
    this.#length = Math.round(sensor.windowSeconds / periodSeconds);
    this.#boxes = createMovingAverage({
      length: this.#length,
      firstWatts: first.watts,
      limitWatts: range().limitWatts,
    });
    this.#refresh = grid.lockedAt(first.time)
      ? grid.lastRefresh(first.time)
      : first.time - periodSeconds / 2;
    this.#boxWatts = first.watts;
    this.#timingSeconds = periodSeconds / 4;
  }

  /** Starts at a reading, with the level up to the refresh that made it. */
  static from(options: UnmixOptions, first: RegisterReading): Unmix {
    const unmix = new Unmix(options, first);
    options.level(unmix.#refresh);
    return unmix;
  }

  /** Whether the register averages over several of its periods, is known well enough, and is read often enough. */
  static applies({ sensor, sampling }: Pick<UnmixOptions, 'sensor' | 'sampling'>): boolean {
    const { periodSeconds, windowSeconds, isBoardKnown, grid } = sensor;
    return (
      periodSeconds > 0 &&
      windowSeconds >= FEWEST_PERIODS * periodSeconds &&
      (isBoardKnown || grid.periodSeconds !== undefined) &&
      sampling.seconds <= DENSE_RATIO * periodSeconds
    );
  }

  /** Whether it can go on after a hole of `spacing`, and still has the sensor's shape. */
  survives(spacing: number): boolean {
    const { periodSeconds, windowSeconds } = this.#options.sensor;
    return (
      spacing <= MOST_MISSED * periodSeconds &&
      Math.round(windowSeconds / periodSeconds) === this.#length
    );
  }

  /** A period came out that no board can have: the register is not the average that it was taken for. */
  get isMisfit(): boolean {
    return this.#boxes.isMisfit;
  }

  /**
   * How far the energy before a moment may be off, in joules (k = 1), although that of whole windows is right: the sum
   * of a pattern of n periods without a mean strays from zero by √(n/6) of its own size, at a random place.
   */
  get sharingJoules(): number {
    const { periodSeconds } = this.#options.sensor;
    return this.#boxes.sharingWatts * periodSeconds * Math.sqrt(this.#length / 6);
  }

  /** The next reading after `last`. */
  next(last: RegisterReading, reading: RegisterReading): void {
    const period = this.#options.sensor.periodSeconds;
    const hasChanged = reading.watts !== last.watts;
    const newest = this.#newestRefresh(last.time, reading.time, hasChanged);
    const passed = (newest - this.#refresh) / period;
    const count = hasChanged
      ? Math.max(1, Math.round(passed))
      : Math.floor(passed + UNCHANGED_ROUNDING);
    const end = hasChanged ? newest : this.#refresh + count * period;
    const isMissed = reading.time - last.time > period;
    for (let step = 1; step <= count; step += 1) {
      const share = isMissed ? step / count : step === count ? 1 : 0;
      this.#refresh = end - (count - step) * period;
      this.#book(last.watts + share * (reading.watts - last.watts));
    }
  }

  /** The newest refresh that is surely past. */
  #newestRefresh(previous: number, time: number, hasChanged: boolean): number {
    const { grid, periodSeconds } = this.#options.sensor;
    const place = grid.place(previous, time);
    if (hasChanged || place.isLocked) this.#timingSeconds = place.uncertainty;
    if (hasChanged) return place.time;
    return grid.lockedAt(time)
      ? grid.lastRefresh(time - SURELY_PAST * periodSeconds)
      : time - UNLOCKED_PERIODS * periodSeconds;
  }

  /** Books a period's energy up to its refresh; the power before it fills or takes back what its place leaves over. */
  #book(value: number): void {
    const { sensor, range, writer, box } = this.#options;
    const period = sensor.periodSeconds;
    const watts = this.#boxes.next(value);
    const duration = this.#refresh - writer.frontier;
    const energy = watts * period + this.#boxWatts * (duration - period) + this.#owedJoules;
    const most = HIGHEST_RATIO * range().limitWatts * Math.max(0, duration);
    const booked = Math.min(Math.max(energy, 0), most);
    this.#owedJoules = energy - booked;
    this.#boxWatts = watts;
    if (duration > 0) box(this.#refresh, booked, this.#timingSeconds);
  }
}
