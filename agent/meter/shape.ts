// From power readings to cells of energy: where in time a reading's energy belongs, what was never read, and what was
// only extended to an edge. Works for any spacing of readings; docs/measurement.md §4.1–4.3 and §4.7.

import type { GapReason, Method } from '../model.ts';
import { powerRangeBelow, type PowerRange } from './boards.ts';
import { levelCell, unseenInside, unseenSwing, type CellSink, type MeasuredCell } from './cell.ts';
import { CellWriter } from './cell-writer.ts';
import { Gaps } from './gaps.ts';
import { PowerDoubt } from './power-doubt.ts';
import type { SamplingPeriod } from './sampling-period.ts';
import { FULL_COVERAGE, type SensorModel } from './sensor.ts';
import { Unmix } from './unmix.ts';

/** Lays readings of power out in time. */
export interface Shape {
  /** Over which range the first readings, which are still to come, move: so may power have before them. */
  foresee(swingWatts: number): void;
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

interface ShapeOptions {
  readonly start: number;
  readonly sensor: SensorModel;
  readonly range: PowerRange;
  readonly sampling: SamplingPeriod;
  readonly method: Method;
  readonly sink: CellSink;
}

/** How far a run's first and last reading reach to its edges (docs/measurement.md §4.7). */
const EXTENSION_SECONDS = 2;
// A held value is handed on at the latest after this, so that slots settle while nothing changes.
const HOLD_SECONDS = 0.25;
// Longer than one and a half refreshes: the value was met again, so its box was not a mixture of two powers.
const ONE_REFRESH = 1.5;
// What a first reading says of so much time before the run is worth keeping: the edge is told by it.
const EDGE_KNOWLEDGE_SECONDS = 0.1;
// What is learnt of the sensor is followed by so much a second: readings never run backwards.
const DELAY_SLEW = 0.5;

/** Creates the shape of one device's power from its run's start on. */
export function createShape(options: ShapeOptions): Shape {
  return new PowerShape(options);
}

class PowerShape implements Shape {
  readonly #options: ShapeOptions;
  readonly #writer: CellWriter;
  readonly #gaps: Gaps;
  readonly #doubt: PowerDoubt;
  #range: PowerRange;
  #started = false;
  /** The newest good reading. */
  #last = { time: 0, watts: 0 };
  /** By how much it differed from the one before it; before the first, over which range those after it move. */
  #stepWatts = 0;
  #levelStart = 0;
  #levelTimingSeconds = 0;
  #samples = 0;
  /** How far a held value is moved back in time: (W + T)/2. */
  #delay: number;
  /** Newest event of any kind: a reading, a failure, a tick. */
  #newsTime: number;
  #newsReason: GapReason | undefined;
  #wasSilent = false;
  #unmix: Unmix | undefined;
  /** The register was taken for an average, and its readings cannot be one. */
  #isMisfit = false;
  #sleep: { start: number; end: number } | undefined;

  constructor(options: ShapeOptions) {
    const { start, sensor, sampling, range, sink } = options;
    this.#options = options;
    this.#range = range;
    this.#writer = new CellWriter(start, sink);
    this.#gaps = new Gaps(this.#writer, () => this.#range);
    this.#doubt = new PowerDoubt({ sensor, sampling, range: () => this.#range });
    this.#delay = sensor.delaySeconds;
    this.#newsTime = start;
  }

  foresee(swingWatts: number): void {
    this.#stepWatts = swingWatts;
  }

  reading(time: number, watts: number): void {
    if (!this.#started) this.#begin(time, watts);
    else {
      const { sampling } = this.#options;
      const spacing = time - this.#last.time;
      const isSilent = this.#gaps.isOpen || spacing > this.#gapLimitSeconds;
      // One hole is no spacing of readings; two in a row may be how often they come now.
      if (!isSilent || this.#wasSilent) sampling.observe(spacing);
      this.#wasSilent = isSilent;
      if (isSilent) this.#resume(time, watts);
      else this.#continue(time, watts, spacing);
    }
    // Of a first reading nobody knows how far its neighbour is.
    this.#stepWatts = this.#started ? Math.abs(watts - this.#last.watts) : watts;
    this.#started = true;
    this.#last = { time, watts };
    this.#newsTime = time;
    this.#newsReason = undefined;
    this.#gaps.forget();
  }

  failure(time: number, reason: GapReason): void {
    this.#gaps.note(time, reason);
    this.#newsTime = time;
    this.#newsReason = reason;
    this.#growGap(time);
  }

  silence(time: number): void {
    if (time <= this.#newsTime) return;
    const since = this.#started ? this.#last.time : this.#newsTime;
    if (!this.#gaps.isOpen && time - since <= this.#gapLimitSeconds) return;
    this.#gaps.note(time, this.#silentReason(time));
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
    if (this.#started && !this.#gaps.isOpen) {
      if (this.#unmix === undefined) this.#closeLevel(this.#last.time);
      const isLost =
        this.#newsReason !== undefined && end - this.#last.time > this.#gapLimitSeconds;
      if (!isLost) {
        const { watts } = this.#last;
        this.#extend(Math.min(end, this.#writer.frontier + EXTENSION_SECONDS), watts, 'end');
        this.#gaps.write(end, 'edge', watts);
        return;
      }
      this.#openGap();
    }
    if (end <= this.#writer.frontier) return;
    if (!this.#gaps.isOpen) this.#openGap();
    this.#gaps.note(end, this.#silentReason(end));
    this.#gaps.grow(end, this.#lastKnownWatts);
  }

  get #period(): number {
    return this.#options.sensor.periodSeconds;
  }

  /** No reading for longer than this is a gap. */
  get #gapLimitSeconds(): number {
    return this.#options.sampling.gapLimitSeconds(this.#period);
  }

  get #lastKnownWatts(): number | undefined {
    return this.#started ? this.#last.watts : undefined;
  }

  /** The first good reading: what lies before it is an extension, or a gap. */
  #begin(time: number, watts: number): void {
    const { sensor, start } = this.#options;
    this.#delay = sensor.delaySeconds;
    const known = time - (this.#isUnmixable ? sensor.windowSeconds : this.#delay);
    const from = known < start ? known - this.#period - EDGE_KNOWLEDGE_SECONDS : known;
    this.#doubt.settle(watts, this.#stepWatts);
    this.#last = { time, watts };
    if (this.#gaps.isOpen) {
      this.#gaps.close(Math.max(this.#writer.frontier, from - EXTENSION_SECONDS), watts, watts);
    } else if (from - start > EXTENSION_SECONDS) {
      if (this.#gaps.hasReason) {
        this.#gaps.open();
        this.#gaps.close(from - EXTENSION_SECONDS, watts, watts);
      } else this.#gaps.write(from - EXTENSION_SECONDS, 'edge', watts);
    }
    if (from > this.#writer.frontier) this.#extend(from, watts, 'start');
    else if (this.#writer.frontier === start) this.#writer.startAt(from);
    this.#startLevel(time);
    this.#samples = 1;
  }

  /** An ordinary reading, near enough to the one before. */
  #continue(time: number, watts: number, spacing: number): void {
    this.#doubt.learn(watts, this.#last.watts, spacing);
    this.#followDelay(spacing);
    this.#samples += 1;
    this.#unmix = this.#nextUnmix(spacing);
    if (this.#unmix !== undefined) {
      this.#unmix.next(this.#last, { time, watts });
      this.#isMisfit ||= this.#unmix.isMisfit;
      return;
    }
    const isDense = spacing <= this.#period;
    if (isDense && watts === this.#last.watts) this.#hold(time);
    else if (isDense) this.#step(time, watts);
    else {
      this.#closeLevel(this.#last.time);
      this.#pushRamp(time, watts, spacing);
      this.#startLevel(time);
    }
  }

  /** The first reading after a gap. */
  #resume(time: number, watts: number): void {
    this.#gaps.note(time, this.#silentReason(time));
    if (!this.#gaps.isOpen) this.#openGap();
    this.#delay = this.#options.sensor.delaySeconds;
    this.#gaps.close(time - this.#delay, this.#last.watts, watts);
    this.#unmix = undefined;
    this.#startLevel(time);
    this.#samples = 1;
    this.#doubt.settle(watts);
  }

  #followDelay(spacing: number): void {
    const missing = this.#options.sensor.delaySeconds - this.#delay;
    const most = DELAY_SLEW * spacing;
    this.#delay += Math.min(Math.max(missing, -most), most);
  }

  get #isUnmixable(): boolean {
    return !this.#isMisfit && Unmix.applies(this.#options);
  }

  /** What takes the register apart at a reading `spacing` after the last; undefined where nothing can. */
  #nextUnmix(spacing: number): Unmix | undefined {
    if (!this.#isUnmixable || this.#unmix?.survives(spacing) === false) return undefined;
    return this.#unmix ?? this.#beginUnmix();
  }

  #beginUnmix(): Unmix {
    const { sensor, sampling } = this.#options;
    return Unmix.from(
      {
        sensor,
        sampling,
        range: () => this.#range,
        writer: this.#writer,
        level: (end) => this.#pushLevel(end, 'level'),
        box: (end, energyJoules, timingSeconds) => {
          this.#levelTimingSeconds = timingSeconds;
          const watts = energyJoules / (end - this.#writer.frontier);
          this.#push(end, { profile: 'box', energyJoules, startWatts: watts, endWatts: watts });
        },
      },
      this.#last,
    );
  }

  /** The same value once more is a refresh like any other: time goes on at this power. */
  #hold(time: number): void {
    const end = time - this.#delay;
    if (end - this.#writer.frontier < Math.max(HOLD_SECONDS, 2 * this.#period)) return;
    this.#pushLevel(end, 'level');
  }

  /** Another value, at most one refresh after the last. */
  #step(time: number, watts: number): void {
    const refresh = this.#options.sensor.grid.place(this.#last.time, time);
    // On a locked grid all limits err together and only the run's edges notice; else each errs for itself.
    const slip = refresh.isLocked ? 0 : (watts - this.#last.watts) * refresh.uncertainty;
    this.#closeLevel(refresh.time, slip * slip);
    this.#startLevel(refresh.time);
    this.#levelTimingSeconds = refresh.uncertainty;
  }

  #startLevel(time: number): void {
    this.#levelStart = time;
    this.#levelTimingSeconds = this.#period / 4;
  }

  #closeLevel(time: number, variance = 0): void {
    const isSingle = time - this.#levelStart <= ONE_REFRESH * this.#period;
    const isBox = isSingle && this.#options.sensor.coverage >= FULL_COVERAGE;
    this.#pushLevel(time - this.#delay, isBox ? 'box' : 'level', variance);
  }

  #pushLevel(end: number, profile: 'box' | 'level', varianceJoulesSquared = 0): void {
    const { watts } = this.#last;
    const energyJoules = watts * (end - this.#writer.frontier);
    this.#push(end, {
      profile,
      energyJoules,
      startWatts: watts,
      endWatts: watts,
      varianceJoulesSquared,
    });
  }

  /** Refreshes between two readings that nobody met: a straight line, and the doubt that it deserves. */
  #pushRamp(time: number, watts: number, spacing: number): void {
    const end = time - this.#delay;
    const seconds = end - this.#writer.frontier;
    const before = this.#last.watts;
    const variance = this.#doubt.lineVarianceWattsSquared(watts - before, spacing);
    this.#push(end, {
      profile: 'ramp',
      energyJoules: ((before + watts) / 2) * seconds,
      startWatts: before,
      endWatts: watts,
      varianceJoulesSquared: seconds * seconds * variance,
    });
  }

  #extend(end: number, watts: number, towards: 'start' | 'end'): void {
    const seconds = end - this.#writer.frontier;
    const wander = this.#doubt.wanderWatts(watts, this.#stepWatts);
    this.#push(end, {
      profile: 'level',
      energyJoules: watts * seconds,
      startWatts: watts,
      endWatts: watts,
      extension: { towards, uncertaintyJoules: wander * seconds },
    });
  }

  #push(
    end: number,
    facts: Pick<MeasuredCell, 'profile' | 'energyJoules' | 'startWatts' | 'endWatts'> &
      Partial<Pick<MeasuredCell, 'varianceJoulesSquared' | 'extension'>>,
  ): void {
    const lastWatts = this.#last.watts;
    const otherWatts = facts.profile === 'ramp' ? facts.endWatts : lastWatts;
    this.#writer.write(end, (start, seconds) => {
      this.#doubt.widen(facts.endWatts, seconds);
      const { unseenRatio } = this.#doubt;
      const samples = this.#samples;
      this.#samples = 0;
      return {
        ...levelCell(start, end, facts.startWatts),
        ...facts,
        minWatts: Math.min(lastWatts, otherWatts),
        maxWatts: Math.max(lastWatts, otherWatts),
        swingWatts: this.#doubt.swingWatts,
        samples,
        method: this.#options.method,
        integralJoules: facts.energyJoules,
        aliasJoules: this.#doubt.aliasWatts(unseenRatio) * seconds,
        unseenRatio,
        sharingJoules: this.#sharingJoules(facts.energyJoules / seconds),
        startTimingSeconds: this.#levelTimingSeconds,
        endTimingSeconds: this.#levelTimingSeconds,
      };
    });
  }

  /** What averaging hides of how energy lies inside the window, and what is open of how an average is taken apart. */
  #sharingJoules(watts: number): number {
    const { windowSeconds } = this.#options.sensor;
    const inside = unseenInside(watts, windowSeconds);
    if (this.#unmix !== undefined) return Math.hypot(inside, this.#unmix.sharingJoules);
    return windowSeconds > ONE_REFRESH * this.#period
      ? Math.hypot(inside, unseenSwing(this.#doubt.swingWatts, windowSeconds))
      : inside;
  }

  #silentReason(time: number): GapReason {
    const sleep = this.#sleep;
    if (sleep !== undefined && sleep.start <= time && sleep.end > this.#newsTime)
      return 'suspended';
    const isFresh = time - this.#newsTime <= this.#gapLimitSeconds;
    if (this.#newsReason !== undefined && isFresh) return this.#newsReason;
    return this.#started ? 'no-reading' : 'edge';
  }

  #growGap(time: number): void {
    if (!this.#gaps.isOpen) {
      const limit = this.#started ? this.#gapLimitSeconds : EXTENSION_SECONDS;
      const since = this.#started ? this.#last.time : this.#options.start;
      if (time - since <= limit) return;
      this.#openGap();
    }
    const reach = time - this.#delay - (this.#started ? 0 : EXTENSION_SECONDS);
    this.#gaps.grow(reach, this.#lastKnownWatts);
  }

  #openGap(): void {
    if (this.#started && this.#unmix === undefined) this.#closeLevel(this.#last.time);
    this.#gaps.open();
  }
}
