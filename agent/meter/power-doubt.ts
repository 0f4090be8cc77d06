// What power readings leave open although each is right: how far power moves, what falls between readings, and what
// averaging hides. docs/measurement.md §4.3 and §4.8.

import type { PowerRange } from './boards.ts';
import type { SamplingPeriod } from './sampling-period.ts';
import { FULL_COVERAGE, type SensorModel } from './sensor.ts';
import { uniformUncertainty } from './uncertainty.ts';

const MEMORY_SECONDS = 10;
const SCATTER_MEMORY = 0.1;
// A steady board still wanders a little (assumed).
const USUAL_WANDER_RATIO = 0.02;
// Sensors that answer at once average over something all the same; over how long, nobody says (assumed).
const IMMEDIATE_WINDOW_SECONDS = 0.1;

/**
 * How much of a load's swing windows can miss that are `ratio` of the readings' spacing long: all between them, and
 * where they overlap, what they count twice (the first term of docs/measurement.md §4.3's series).
 */
const unseenShare = (ratio: number): number =>
  ratio < 1 ? 1 - ratio : Math.abs(Math.sin(Math.PI * ratio)) / (Math.PI * ratio);

interface PowerDoubtOptions {
  readonly sensor: SensorModel;
  readonly sampling: SamplingPeriod;
  readonly range: () => PowerRange;
}

/** Follows the readings of one device. */
export class PowerDoubt {
  readonly #options: PowerDoubtOptions;
  #meanWatts = NaN;
  /** Between which powers it was of late; both ends drift towards the mean. */
  #lowWatts = NaN;
  #highWatts = NaN;
  /** Mean square of what neighbouring readings do not explain of each other. */
  #scatter = 0;

  constructor(options: PowerDoubtOptions) {
    this.#options = options;
  }

  /** Nothing is known of earlier powers, but perhaps over which range later ones move. */
  settle(watts: number, swingWatts = 0): void {
    this.#meanWatts = watts;
    this.#lowWatts = watts - swingWatts / 2;
    this.#highWatts = watts + swingWatts / 2;
  }

  /** A reading `spacing` after the one before it. */
  learn(watts: number, before: number, spacing: number): void {
    const share = Math.min(1, spacing / MEMORY_SECONDS);
    this.#meanWatts += share * (watts - this.#meanWatts);
    if (spacing <= this.#options.sensor.periodSeconds) return;
    // Of two independent neighbours the difference has twice the variance of one.
    this.#scatter += SCATTER_MEMORY * ((watts - before) ** 2 / 2 - this.#scatter);
  }

  /** Power was `watts` for `seconds`: the range follows at once outwards, slowly back. */
  widen(watts: number, seconds: number): void {
    const share = Math.min(1, seconds / MEMORY_SECONDS);
    const low = this.#lowWatts + share * (this.#meanWatts - this.#lowWatts);
    const high = this.#highWatts + share * (this.#meanWatts - this.#highWatts);
    this.#lowWatts = Math.min(watts, low);
    this.#highWatts = Math.max(watts, high);
  }

  /** Over which range power has moved of late. */
  get swingWatts(): number {
    return this.#highWatts - this.#lowWatts;
  }

  /** Variance of the mean power between two readings `spacing` apart that are joined by a line. */
  lineVarianceWattsSquared(stepWatts: number, spacing: number): number {
    const unseen = Math.max(0, 1 - this.#options.sensor.windowSeconds / spacing);
    return this.#scatter * unseen + uniformUncertainty(stepWatts) ** 2;
  }

  /** Standard uncertainty of power that a neighbouring reading stands for. */
  wanderWatts(watts: number, stepWatts: number): number {
    const { limitWatts, floorWatts } = this.#options.range();
    const wander = Math.hypot(stepWatts, Math.sqrt(this.#scatter), USUAL_WANDER_RATIO * watts);
    return Math.min(wander, uniformUncertainty(limitWatts - floorWatts));
  }

  /**
   * How much of a load's swing the readings can miss, whether the sensor averages over a part of its period or readings
   * are farther apart than its window.
   */
  get unseenRatio(): number {
    const { sensor, sampling } = this.#options;
    const window = sensor.windowSeconds > 0 ? sensor.windowSeconds : IMMEDIATE_WINDOW_SECONDS;
    const period = Math.max(sensor.periodSeconds, window);
    const between = sampling.seconds > period ? unseenShare(window / sampling.seconds) : 0;
    const unseen = Math.max(1 - sensor.coverage, between);
    return unseen <= 1 - FULL_COVERAGE ? 0 : unseen;
  }

  /**
   * ½(1−c)·max(P−P_min, P_max−P) of what sees only part of the time (docs/measurement.md §4.8): samples at a fixed distance
   * may always meet one phase of the load, and then their spread proves nothing.
   */
  aliasWatts(unseenRatio: number): number {
    const { floorWatts, limitWatts } = this.#options.range();
    const reach = Math.max(this.#meanWatts - floorWatts, limitWatts - this.#meanWatts);
    return 0.5 * unseenRatio * Math.max(0, reach);
  }
}
