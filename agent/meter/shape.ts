// From power readings to cells of energy: where in time a reading's energy belongs, what was never read, and what was
// only extended to an edge. Works for any spacing of readings; MEASUREMENT.md §4.1–4.3 and §4.7.

import type { GapReason, Method } from '../model.ts';
import { powerRangeBelow, type PowerRange } from './boards.ts';
import { levelCell, unseenInside, type CellSink, type GapCell, type MeasuredCell } from './cell.ts';
import { createMovingAverage, type MovingAverage } from './moving-average.ts';
import type { SamplingPeriod } from './sampling-period.ts';
import type { SensorModel } from './sensor.ts';

/** Lays readings of power out in time. */
export interface Shape {
  /** Everything before this has been given to the sink. */
  readonly frontier: number;
  reading(time: number, watts: number): void;
  failure(time: number, reason: GapReason): void;
  /** Time has passed without a reading. */
  silence(time: number): void;
  /** The machine slept: the hole that its readings leave is called so. */
  suspended(start: number, end: number): void;
  /** The power limit that is now in force. */
  limit(watts: number): void;
  /** Extends what is known to the end of the run, by at most two seconds. */
  finish(end: number): void;
}

/** A register that averages over several periods, being taken apart. */
interface Average {
  readonly boxes: MovingAverage;
  /** How many periods it averages over. */
  readonly length: number;
  /** The newest refresh whose period was booked, and that period's power. */
  refresh: number;
  boxWatts: number;
}

interface ShapeOptions {
  readonly start: number;
  readonly sensor: SensorModel;
  readonly range: PowerRange;
  readonly sampling: SamplingPeriod;
  readonly method: Method;
  readonly sink: CellSink;
}

/** How far a run's first and last reading reach to its edges (MEASUREMENT.md §4.7). */
const EXTENSION_SECONDS = 2;
// A held value is handed on at the latest after this, so that slots settle while nothing changes.
const HOLD_SECONDS = 0.25;
// Longer than one and a half refreshes: the value was met again, so its box was not a mixture of two powers.
const ONE_REFRESH = 1.5;
const FULL_COVERAGE = 0.95;
// Nearer to the limits of its bracket than this many standard uncertainties a refresh may lie beyond them.
const CERTAIN = 2.5;
const MEMORY_SECONDS = 10;
// A moving average survives so many refreshes in a row that no reading met.
const MOST_MISSED = 4;
const EDGE_KNOWLEDGE_SECONDS = 0.1;
// Without a grid an unchanged register is followed from afar: its next change then ends a whole period.
const UNLOCKED_PERIODS = 1.5;
const SHORTEST_PERIODS = 0.1;
const DELAY_SLEW = 0.002;

/** Standard uncertainty of an estimate over a gap: nothing but the board's range is known (MEASUREMENT.md §4.7). */
function gapUncertaintyWatts(estimate: number, { floorWatts, limitWatts }: PowerRange): number {
  const spread = limitWatts - floorWatts;
  return Math.hypot(spread / Math.sqrt(12), estimate - (limitWatts + floorWatts) / 2);
}

/**
 * How much of a load's swing windows can miss that are `ratio` of the readings' spacing long: all between them, and
 * where they overlap, what they count twice (the first term of MEASUREMENT.md §4.3's series).
 */
const unseenShare = (ratio: number): number =>
  ratio < 1 ? 1 - ratio : Math.abs(Math.sin(Math.PI * ratio)) / (Math.PI * ratio);

/** Creates the shape of one device's power from its run's start on. */
export function createShape(options: ShapeOptions): Shape {
  return new PowerShape(options);
}

class PowerShape implements Shape {
  readonly #options: ShapeOptions;
  #frontier: number;
  #started = false;
  /** The newest good reading. */
  #lastTime = 0;
  #lastWatts = 0;
  #levelStart = 0;
  #levelTiming = 0;
  #samples = 0;
  /** How far a held value is moved back in time: (W + T)/2. */
  #delay: number;
  /** Newest event of any kind: a reading, a failure, a tick. */
  #newsTime: number;
  #newsReason: GapReason | undefined;
  #pieces: { end: number; reason: GapReason }[] = [];
  #gap: { start: number; estimateJoules: number } | undefined;
  #average: Average | undefined;
  /** The table said average, and the readings cannot be one. */
  #misfit = false;
  #range: PowerRange;
  #sleep: { start: number; end: number } | undefined;
  #meanWatts = NaN;
  /** Mean square of what neighbouring readings do not explain of each other. */
  #scatter = 0;
  #step = 0;
  /** Between which powers readings were of late; both ends drift towards the mean. */
  #lowWatts = NaN;
  #highWatts = NaN;

  constructor(options: ShapeOptions) {
    this.#options = options;
    this.#range = options.range;
    this.#frontier = options.start;
    this.#delay = options.sensor.delaySeconds;
    this.#newsTime = options.start;
  }

  get frontier(): number {
    return this.#frontier;
  }

  reading(time: number, watts: number): void {
    if (!this.#started) {
      this.#begin(time, watts);
      return;
    }
    const spacing = time - this.#lastTime;
    const silent =
      this.#gap !== undefined || spacing > this.#options.sampling.gapLimitSeconds(this.#period);
    this.#options.sampling.observe(spacing);
    if (silent) this.#resume(time, watts);
    else this.#continue(time, watts, spacing);
    this.#lastTime = time;
    this.#lastWatts = watts;
    this.#newsTime = time;
    this.#newsReason = undefined;
    this.#pieces.length = 0;
  }

  failure(time: number, reason: GapReason): void {
    this.#note(time, reason);
    this.#newsTime = time;
    this.#newsReason = reason;
    this.#growGap(time);
  }

  silence(time: number): void {
    if (time <= this.#newsTime) return;
    const before = this.#newsTime;
    const limit = this.#options.sampling.gapLimitSeconds(this.#period);
    const since = this.#started ? this.#lastTime : before;
    if (this.#gap === undefined && time - since <= limit) return;
    this.#note(time, this.#silentReason(time));
    this.#newsTime = time;
    this.#growGap(time);
  }

  suspended(start: number, end: number): void {
    // Only the newest matters: older ones lie before what has been handed on.
    this.#sleep = { start, end };
  }

  limit(watts: number): void {
    this.#range = powerRangeBelow(watts);
  }

  finish(end: number): void {
    const { sampling } = this.#options;
    if (this.#started && this.#gap === undefined) {
      if (this.#average === undefined) this.#closeLevel(this.#lastTime);
      const lost =
        this.#newsReason !== undefined &&
        end - this.#lastTime > sampling.gapLimitSeconds(this.#period);
      if (end <= this.#frontier) return;
      if (!lost) {
        this.#extend(Math.min(end, this.#frontier + EXTENSION_SECONDS), this.#lastWatts, 'end');
        this.#pushGap(end, 'edge', this.#lastWatts);
        return;
      }
      this.#openGap();
    }
    if (end <= this.#frontier) return;
    if (!this.#started && this.#gap === undefined) this.#openGap();
    this.#note(end, this.#silentReason(end));
    this.#flushPieces(end);
  }

  /** Follows what is learnt of the sensor slowly: a leap would book some stretch of power twice, or not at all. */
  #followDelay(spacing: number): void {
    const missing = this.#options.sensor.delaySeconds - this.#delay;
    const most = DELAY_SLEW * spacing;
    this.#delay += Math.min(Math.max(missing, -most), most);
  }

  get #period(): number {
    return this.#options.sensor.periodSeconds;
  }

  /** The first good reading: what lies before it is an extension, or a gap. */
  #begin(time: number, watts: number): void {
    const { sensor, start } = this.#options;
    const unmixing = this.#unmixes();
    this.#delay = sensor.delaySeconds;
    const known = time - (unmixing ? sensor.windowSeconds : this.#delay);
    // What a first reading says of the time before the run is worth keeping: the edge is told by it.
    const from = known < start ? known - this.#period - EDGE_KNOWLEDGE_SECONDS : known;
    this.#started = true;
    this.#settle(watts);
    if (this.#gap !== undefined) {
      this.#closeGap(Math.max(this.#frontier, from - EXTENSION_SECONDS), watts, watts);
    } else if (from - start > EXTENSION_SECONDS) {
      if (this.#pieces.length > 0) {
        this.#openGap();
        this.#closeGap(from - EXTENSION_SECONDS, watts, watts);
      } else this.#pushGap(from - EXTENSION_SECONDS, 'edge', watts);
    }
    if (from > this.#frontier) this.#extend(from, watts, 'start');
    else if (this.#frontier === start) this.#frontier = from;
    this.#startLevel(time, watts);
    this.#lastTime = time;
    this.#lastWatts = watts;
    this.#newsTime = time;
    this.#newsReason = undefined;
    this.#pieces.length = 0;
    this.#samples = 1;
  }

  /** An ordinary reading, near enough to the one before. */
  #continue(time: number, watts: number, spacing: number): void {
    this.#learn(watts, spacing);
    this.#followDelay(spacing);
    this.#samples += 1;
    const dense = spacing <= this.#period;
    if (this.#unmixes() && spacing <= MOST_MISSED * this.#period) {
      this.#unmix(time, watts, spacing);
      return;
    }
    this.#average = undefined;
    if (dense && watts === this.#lastWatts) {
      this.#hold(time);
      return;
    }
    if (dense) {
      const refresh = this.#placeRefresh(this.#lastTime, time);
      // On a locked grid all limits err together and only the run's edges notice; else each errs for itself.
      const slip = refresh.locked ? 0 : (watts - this.#lastWatts) * refresh.uncertainty;
      this.#closeLevel(refresh.time, slip * slip);
      this.#startLevel(refresh.time, watts);
      this.#levelTiming = refresh.uncertainty;
      return;
    }
    this.#closeLevel(this.#lastTime);
    this.#pushRamp(time, watts, spacing);
    this.#startLevel(time, watts);
  }

  /** The first reading after a gap. */
  #resume(time: number, watts: number): void {
    if (this.#gap === undefined) {
      this.#note(time, this.#silentReason(time));
      this.#openGap();
    } else this.#note(time, this.#silentReason(time));
    this.#delay = this.#options.sensor.delaySeconds;
    this.#closeGap(time - this.#delay, this.#lastWatts, watts);
    this.#average = undefined;
    this.#startLevel(time, watts);
    this.#samples = 1;
    this.#settle(watts);
  }

  /** Nothing is known of earlier powers. */
  #settle(watts: number): void {
    this.#meanWatts = watts;
    this.#lowWatts = watts;
    this.#highWatts = watts;
  }

  #startLevel(time: number, watts: number): void {
    this.#levelStart = time;
    this.#levelTiming = this.#period / 4;
    this.#step = Math.abs(watts - this.#lastWatts);
  }

  /** When in (previous, time] the register refreshed. */
  #placeRefresh(
    previous: number,
    time: number,
  ): { time: number; uncertainty: number; locked: boolean } {
    const { grid } = this.#options.sensor;
    if (grid.lockedAt(time)) {
      const uncertainty = grid.phaseUncertaintySeconds(time);
      const refresh = grid.lastRefresh(time + CERTAIN * uncertainty);
      if (refresh >= previous - CERTAIN * uncertainty) {
        return {
          time: Math.min(Math.max(previous, refresh), time),
          uncertainty: Math.min(uncertainty, (time - previous) / Math.sqrt(12)),
          locked: true,
        };
      }
    }
    const middle = (previous + time) / 2;
    return { time: middle, uncertainty: (time - previous) / Math.sqrt(12), locked: false };
  }

  /** The same value once more is a refresh like any other: time goes on at this power. */
  #hold(time: number): void {
    if (time - this.#delay - this.#frontier < Math.max(HOLD_SECONDS, 2 * this.#period)) return;
    this.#pushLevel(time - this.#delay, 'level');
  }

  #closeLevel(time: number, variance = 0): void {
    const { sensor } = this.#options;
    const single =
      time - this.#levelStart <= ONE_REFRESH * this.#period && sensor.coverage >= FULL_COVERAGE;
    this.#pushLevel(time - this.#delay, single ? 'box' : 'level', variance);
  }

  #pushLevel(end: number, profile: 'box' | 'level', variance = 0): void {
    const duration = end - this.#frontier;
    if (duration <= 0) return;
    this.#push(
      end,
      this.#lastWatts * duration,
      profile,
      this.#lastWatts,
      this.#lastWatts,
      variance,
    );
  }

  /** Refreshes between two readings that nobody met: a straight line, and the doubt that it deserves. */
  #pushRamp(time: number, watts: number, spacing: number): void {
    const end = time - this.#delay;
    const duration = end - this.#frontier;
    if (duration <= 0) return;
    const unseen = Math.max(0, 1 - this.#options.sensor.windowSeconds / spacing);
    const step = watts - this.#lastWatts;
    const variance = duration * duration * (this.#scatter * unseen + (step * step) / 12);
    const energy = ((this.#lastWatts + watts) / 2) * duration;
    this.#push(end, energy, 'ramp', this.#lastWatts, watts, variance);
  }

  /** Whether the register averages over several of its periods, and both are known well enough to take it apart. */
  #unmixes(): boolean {
    const { sensor } = this.#options;
    return (
      !this.#misfit &&
      sensor.periodSeconds > 0 &&
      sensor.windowSeconds >= 1.9 * sensor.periodSeconds &&
      (sensor.known || sensor.grid.periodSeconds !== undefined)
    );
  }

  /** A register that averages over many refreshes: each refresh gives the mean of its own period. */
  #unmix(time: number, watts: number, spacing: number): void {
    const period = this.#period;
    const length = Math.round(this.#options.sensor.windowSeconds / period);
    if (this.#average?.length !== length) this.#startUnmixing(length);
    const average = this.#average;
    if (average === undefined) return;
    const changed = watts !== this.#lastWatts;
    const newest = this.#newestRefresh(time, changed);
    const passed = (newest - average.refresh) / period;
    const count = changed ? Math.max(1, Math.round(passed)) : Math.floor(passed + 0.25);
    const last = changed ? newest : average.refresh + count * period;
    for (let step = 1; step <= count; step += 1) {
      const seen = spacing > period ? step / count : step === count ? 1 : 0;
      const value = this.#lastWatts + (watts - this.#lastWatts) * seen;
      average.refresh = last - (count - step) * period;
      this.#pushBox(average, value);
    }
  }

  /** The newest refresh that is surely past: an unchanged value may still be the one before. */
  #newestRefresh(time: number, changed: boolean): number {
    const { grid } = this.#options.sensor;
    const refresh = this.#placeRefresh(this.#lastTime, time);
    if (changed || refresh.locked) this.#levelTiming = refresh.uncertainty;
    if (changed) return refresh.time;
    return grid.lockedAt(time)
      ? grid.lastRefresh(time - this.#period / 5)
      : time - UNLOCKED_PERIODS * this.#period;
  }

  #startUnmixing(length: number): void {
    const { grid } = this.#options.sensor;
    const refresh = grid.lockedAt(this.#lastTime)
      ? grid.lastRefresh(this.#lastTime)
      : this.#lastTime - this.#period / 2;
    const firstWatts = this.#lastWatts;
    const { limitWatts } = this.#range;
    const boxes = createMovingAverage({ length, firstWatts, limitWatts });
    this.#average = { boxes, refresh, length, boxWatts: firstWatts };
    this.#pushLevel(refresh, 'level');
  }

  /** Books a period's energy up to its refresh; the power before it fills or takes back what the place leaves over. */
  #pushBox(average: Average, value: number): void {
    const { boxes, boxWatts, refresh } = average;
    const period = this.#period;
    const taken = boxes.next(value);
    this.#misfit ||= boxes.isMisfit;
    const watts = this.#misfit ? value : taken;
    const end = Math.max(refresh, this.#frontier + SHORTEST_PERIODS * period);
    const duration = end - this.#frontier;
    const energy = watts * period + boxWatts * (duration - period);
    average.boxWatts = watts;
    this.#push(end, energy, 'box', energy / duration, energy / duration, 0);
  }

  #learn(watts: number, spacing: number): void {
    const share = Math.min(1, spacing / MEMORY_SECONDS);
    this.#meanWatts += share * (watts - this.#meanWatts);
    const step = watts - this.#lastWatts;
    // Of two independent neighbours the difference has twice the variance of one.
    const memory = 0.1;
    if (spacing > this.#period) this.#scatter += memory * ((step * step) / 2 - this.#scatter);
  }

  /**
   * What averaging hides of how energy lies inside a refresh, and of how one window's periods share it: the sum of a
   * pattern of n periods without a mean strays from zero by √(n/6) of its own size, at a random place.
   */
  #sharingJoules(watts: number): number {
    const { windowSeconds } = this.#options.sensor;
    const period = this.#period;
    const inside = unseenInside(watts, Math.min(windowSeconds, period));
    const average = this.#average;
    if (average === undefined) return inside;
    return Math.hypot(inside, average.boxes.sharingWatts * period * Math.sqrt(average.length / 6));
  }

  /** Follows the range over which power moves: at once outwards, slowly back. */
  #widen(watts: number, seconds: number): void {
    const share = Math.min(1, seconds / MEMORY_SECONDS);
    this.#lowWatts = Math.min(watts, this.#lowWatts + share * (this.#meanWatts - this.#lowWatts));
    const high = this.#highWatts + share * (this.#meanWatts - this.#highWatts);
    this.#highWatts = Math.max(watts, high);
  }

  #push(
    end: number,
    energyJoules: number,
    profile: MeasuredCell['profile'],
    startWatts: number,
    endWatts: number,
    varianceJoulesSquared: number,
    extension?: MeasuredCell['extension'],
  ): void {
    const duration = end - this.#frontier;
    this.#widen(endWatts, duration);
    const unseenRatio = this.#unseenRatio();
    const cell: MeasuredCell = {
      ...levelCell(this.#frontier, end, startWatts),
      energyJoules,
      profile,
      endWatts,
      minWatts: Math.min(this.#lastWatts, profile === 'ramp' ? endWatts : this.#lastWatts),
      maxWatts: Math.max(this.#lastWatts, profile === 'ramp' ? endWatts : this.#lastWatts),
      swingWatts: this.#highWatts - this.#lowWatts,
      samples: this.#samples,
      method: this.#options.method,
      integralJoules: energyJoules,
      aliasJoules: this.#aliasWatts(unseenRatio) * duration,
      unseenRatio,
      varianceJoulesSquared,
      sharingJoules: this.#sharingJoules(energyJoules / duration),
      startTimingSeconds: this.#levelTiming,
      endTimingSeconds: this.#levelTiming,
      ...(extension !== undefined && { extension }),
    };
    this.#samples = 0;
    this.#frontier = end;
    this.#options.sink(cell);
  }

  /**
   * How much of a load's swing the readings can miss, whether the sensor averages over a part of its period or readings
   * are farther apart than its window.
   */
  #unseenRatio(): number {
    const { sensor, sampling } = this.#options;
    const { seconds } = sampling;
    const window = sensor.windowSeconds;
    const sparse = window > 0 && seconds > sensor.periodSeconds;
    const unseen = Math.max(1 - sensor.coverage, sparse ? unseenShare(window / seconds) : 0);
    return unseen <= 1 - FULL_COVERAGE ? 0 : unseen;
  }

  /**
   * ½(1−c)·max(P−P_min, P_max−P) of what sees only part of the time (MEASUREMENT.md §4.8): samples at a fixed distance
   * may always meet one phase of the load, and then their spread proves nothing.
   */
  #aliasWatts(unseenRatio: number): number {
    const { floorWatts, limitWatts } = this.#range;
    const reach = Math.max(this.#meanWatts - floorWatts, limitWatts - this.#meanWatts);
    return 0.5 * unseenRatio * Math.max(0, reach);
  }

  #extend(end: number, watts: number, towards: 'start' | 'end'): void {
    const duration = end - this.#frontier;
    if (duration <= 0) return;
    const { limitWatts, floorWatts } = this.#range;
    const wander = Math.hypot(this.#step, Math.sqrt(this.#scatter), 0.02 * watts);
    const doubt = Math.min(wander, (limitWatts - floorWatts) / Math.sqrt(12));
    const before = this.#lastWatts;
    this.#lastWatts = watts;
    this.#push(end, watts * duration, 'level', watts, watts, 0, {
      towards,
      uncertaintyJoules: doubt * duration,
    });
    this.#lastWatts = before;
  }

  #silentReason(time: number): GapReason {
    const limit = this.#options.sampling.gapLimitSeconds(this.#period);
    const sleep = this.#sleep;
    if (sleep !== undefined && sleep.start <= time && sleep.end > this.#newsTime)
      return 'suspended';
    if (this.#newsReason !== undefined && time - this.#newsTime <= limit) return this.#newsReason;
    return this.#started ? 'no-reading' : 'edge';
  }

  /** Remembers why the time since the last event has no reading. */
  #note(time: number, reason: GapReason): void {
    const last = this.#pieces.at(-1);
    if (last?.reason === reason) last.end = time;
    else this.#pieces.push({ end: time, reason });
  }

  #growGap(time: number): void {
    if (this.#gap === undefined) {
      const limit = this.#started
        ? this.#options.sampling.gapLimitSeconds(this.#period)
        : EXTENSION_SECONDS;
      if (time - (this.#started ? this.#lastTime : this.#options.start) <= limit) return;
      this.#openGap();
    }
    const reach = this.#started ? time - this.#delay : time - this.#delay - EXTENSION_SECONDS;
    this.#flushPieces(reach);
  }

  #openGap(): void {
    if (this.#started && this.#average === undefined) this.#closeLevel(this.#lastTime);
    this.#gap = { start: this.#frontier, estimateJoules: 0 };
  }

  /** Hands gap pieces on up to `end`; what is beyond stays remembered. */
  #flushPieces(end: number): void {
    const estimate = this.#started ? this.#lastWatts : this.#middleWatts();
    const pieces = this.#pieces;
    for (const piece of pieces) {
      this.#pushGap(Math.min(end, piece.end), piece.reason, estimate);
    }
    const last = pieces.at(-1);
    if (last === undefined) return;
    if (end > this.#frontier) this.#pushGap(end, last.reason, estimate);
    this.#pieces = [last];
  }

  /** The gap ends: its estimate becomes the midpoint of its two neighbours over its whole length. */
  #closeGap(end: number, beforeWatts: number, afterWatts: number): void {
    const gap = this.#gap;
    if (gap === undefined) return;
    const middle = (beforeWatts + afterWatts) / 2;
    const whole = Math.max(0, end - gap.start) * middle;
    const remaining = end - this.#frontier;
    const rate = remaining > 0 ? (whole - gap.estimateJoules) / remaining : middle;
    for (const piece of this.#pieces) {
      this.#pushGap(Math.min(end, piece.end), piece.reason, rate, middle);
    }
    this.#pushGap(end, this.#pieces.at(-1)?.reason ?? 'no-reading', rate, middle);
    this.#gap = undefined;
  }

  #pushGap(end: number, reason: GapReason, rateWatts: number, levelWatts = rateWatts): void {
    const duration = end - this.#frontier;
    if (duration <= 0) return;
    const cell: GapCell = {
      kind: 'gap',
      start: this.#frontier,
      end,
      reason,
      estimateJoules: rateWatts * duration,
      estimateUncertaintyJoules: gapUncertaintyWatts(levelWatts, this.#range) * duration,
    };
    if (this.#gap !== undefined) this.#gap.estimateJoules += cell.estimateJoules;
    this.#frontier = end;
    this.#options.sink(cell);
  }

  #middleWatts(): number {
    return (this.#range.floorWatts + this.#range.limitWatts) / 2;
  }
}
