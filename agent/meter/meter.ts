// From readings to joules: the second stage. One meter per device; batches in, final intervals out. Pure.

import {
  READING_STATUS,
  type Batch,
  type Device,
  type GapReason,
  type Interval,
  type PowerField,
  type Sensor,
  type Warning,
} from '../model.ts';
import { instant, watts, type Instant, type Watts } from '../units.ts';
import { highestWatts, powerRange, priorTrust, type Trust } from './boards.ts';
import { createCounter, type Counter } from './counter.ts';
import { RegisterWatch } from './register-watch.ts';
import { createSamplingPeriod, typicalSpacing, type SamplingPeriod } from './sampling-period.ts';
import { FULL_COVERAGE, chooseField, createSensorModel, type SensorModel } from './sensor.ts';
import { createShape, type Shape } from './shape.ts';
import { createTimeline, type Timeline } from './timeline.ts';
import { sensorWarnings } from './warnings.ts';

/** What a meter needs to know of its device. */
export interface MeterOptions {
  readonly device: Device;
  /** Energy before this instant is not counted; readings before it still inform the edge. */
  readonly startSeconds: Instant;
  /** Length of an interval when nothing cuts it. */
  readonly slotSeconds: number;
  /** What the sampler aims at; a hint until readings show the true spacing. */
  readonly samplingPeriodSeconds?: number;
  /** Gain and offset against a reference meter, with their standard uncertainties. */
  readonly calibration?: {
    readonly gain: number;
    readonly offsetWatts: number;
    readonly gainUncertainty: number;
    readonly offsetUncertaintyWatts: number;
  };
}

/** Turns one device's readings into intervals that tile its time. */
export interface Meter {
  readonly sensor: Sensor;
  /** What a reader of this device's figures must know. */
  readonly warnings: readonly Warning[];
  /** Everything before this has been returned. */
  readonly settledSeconds: Instant;
  /** The newest power; undefined when the newest reading failed or is older than the gap limit. */
  readonly powerWatts: Watts | undefined;
  /** Takes readings; returns the intervals that they made final. */
  add(batch: Batch): Interval[];
  /** Time has passed up to `time` without readings: gaps grow while they last. */
  advance(time: Instant): Interval[];
  /**
   * Intervals are to end at `time` (a run, window, price or job boundary); must not be settled yet. `edge` says that
   * a load is known to start or end exactly there, as when a wrapped command does.
   */
  cut(time: Instant, edge?: 'start' | 'end'): void;
  /** The machine slept from `start` to `end`: a hole there was neither the source's fault nor the device's. */
  suspended(start: Instant, end: Instant): void;
  /** Closes the books at `end`; readings after `end` that were already added serve the edge. */
  finish(end: Instant): Interval[];
}

/** One reading, taken out of its batch. */
interface Row {
  readonly time: number;
  readonly status: number;
  readonly power: Readonly<Partial<Record<PowerField, number>>> | undefined;
  readonly counterJoules: number;
}

const POWER_FIELDS: readonly PowerField[] = ['draw', 'instant', 'average'];
const OK: number = READING_STATUS.indexOf('ok');
// The first readings wait until the sensor's grid could be learnt from them: nothing is final so early anyway.
const LEARNING_SECONDS = 1.2;
const LEARNING_ROWS = 4096;
// RAPL counts every millisecond or so, faster than anybody reads it.
const RAPL_PERIOD_SECONDS = 0.002;
// Power readings that see all of the time show more than a counter's step holds if the step is this much longer than
// their period; what a part-time sensor misses within one refresh it may have right over several.
const FINER_RATIO = 1.5;
const FINER_PART_TIME_RATIO = 8;
// A first slope is extended to the run's edge: one step of the counter between two polls of a burst is off by half.
const FIRST_SLOPE_SECONDS = 0.5;

/** Creates the meter of one device. */
export function createMeter(options: MeterOptions): Meter {
  return new DeviceMeter(options);
}

class DeviceMeter implements Meter {
  readonly #options: MeterOptions;
  readonly #trust: Trust;
  readonly #highestWatts: number;
  #limitWatts: number;
  readonly #sensor: SensorModel;
  readonly #sampling: SamplingPeriod;
  readonly #timeline: Timeline;
  readonly #shape: Shape;
  readonly #counter: Counter;
  #pending: Row | undefined;
  #learning: Row[] | undefined = [];
  #wallOffsetSeconds = 0;
  #newestTime = -Infinity;
  /** Newest good power, for display. */
  #power: { time: number; watts: number } | undefined;
  readonly #watch = new RegisterWatch();
  #counterPoll = { time: NaN, value: NaN };
  #slopeStart = { time: NaN, value: NaN };
  /** The same object until what is believed really changes, so that listeners can tell. */
  #belief: Sensor = { field: 'unknown', origin: 'assumed' };
  /** Grows only, one of a code. */
  readonly #warnings: Warning[] = [];

  constructor(options: MeterOptions) {
    const { device, calibration, startSeconds } = options;
    this.#options = options;
    this.#trust = calibration ?? priorTrust(device);
    this.#highestWatts = highestWatts(device);
    const range = powerRange(device);
    this.#limitWatts = range.limitWatts;
    this.#sensor = createSensorModel(device);
    this.#sampling = createSamplingPeriod(options.samplingPeriodSeconds);
    const method = device.powerOrigin === 'modelled' ? 'modelled' : 'integral';
    this.#timeline = createTimeline({
      uuid: device.uuid,
      start: startSeconds,
      slotSeconds: options.slotSeconds,
      method,
      trust: this.#trust,
      wallOffsetSeconds: () => this.#wallOffsetSeconds,
    });
    this.#counter = createCounter({
      ...(device.source === 'rapl' && { knownPeriodSeconds: RAPL_PERIOD_SECONDS }),
      gain: calibration?.gain ?? 1,
      offsetWatts: calibration?.offsetWatts ?? 0,
      highestWatts: this.#highestWatts,
      limitWatts: () => this.#limitWatts,
      sampleUncertainty: (energy, duration, alias) =>
        Math.hypot(
          this.#trust.gainUncertainty * energy,
          this.#trust.offsetUncertaintyWatts * duration,
          alias,
        ),
      shapeIsFiner: (step, longest) => this.#shapeIsFiner(step, longest),
      sink: (cell) => this.#timeline.push(cell),
      gaps: this.#timeline,
    });
    this.#counter.edge(startSeconds, 'start');
    this.#shape = createShape({
      start: startSeconds,
      sensor: this.#sensor,
      range,
      sampling: this.#sampling,
      method,
      sink: (cell) => this.#counter.shape(cell),
    });
  }

  get sensor(): Sensor {
    return this.#belief;
  }

  get warnings(): readonly Warning[] {
    return this.#warnings;
  }

  get settledSeconds(): Instant {
    return instant(this.#timeline.settled);
  }

  get powerWatts(): Watts | undefined {
    const power = this.#power;
    if (power === undefined) return undefined;
    const limit = this.#sampling.gapLimitSeconds(this.#sensor.periodSeconds);
    return this.#newestTime - power.time > limit ? undefined : watts(power.watts);
  }

  add(batch: Batch): Interval[] {
    const published: Interval[] = [];
    const limitWatts = batch.gauges?.powerLimitWatts;
    if (limitWatts !== undefined) {
      this.#limitWatts = limitWatts;
      this.#shape.limit(limitWatts);
    }
    if (batch.wallOffsetSeconds !== undefined) this.#wallOffsetSeconds = batch.wallOffsetSeconds;
    for (let index = 0; index < batch.length; index += 1) {
      const row = rowAt(batch, index, this.#highestWatts);
      if (!Number.isFinite(row.time)) continue;
      if (row.time > (this.#pending?.time ?? -Infinity)) this.#acceptPending();
      else if (row.time < (this.#pending?.time ?? -Infinity)) continue;
      this.#pending = row;
      this.#show(row);
      for (const interval of this.#timeline.publish()) published.push(interval);
    }
    this.#conclude(published);
    return published;
  }

  advance(time: Instant): Interval[] {
    if (this.#pending !== undefined && time > this.#pending.time) this.#acceptPending();
    const since = this.#learning?.[0]?.time ?? this.#options.startSeconds;
    if (time - since >= LEARNING_SECONDS) this.#learn();
    this.#newestTime = Math.max(this.#newestTime, time);
    if (this.#learning === undefined) this.#shape.silence(time);
    return this.#conclude([...this.#timeline.publish()]);
  }

  cut(time: Instant, edge?: 'start' | 'end'): void {
    this.#timeline.cut(time, edge);
    this.#counter.edge(time, edge);
  }

  suspended(start: Instant, end: Instant): void {
    this.#shape.suspended(start, end);
  }

  finish(end: Instant): Interval[] {
    this.#acceptPending();
    this.#learn();
    this.#shape.finish(Math.max(end, this.#counter.newestSeconds ?? end));
    this.#counter.finish();
    return this.#conclude(this.#timeline.finish(end));
  }

  /** What the readings so far say of the sensor; warnings only once something was published with it. */
  #conclude(published: Interval[]): Interval[] {
    const belief = this.#currentBelief();
    if (differs(this.#belief, belief)) this.#belief = belief;
    if (published.length > 0) this.#warn();
    return published;
  }

  #warn(): void {
    const found = [
      ...this.#counter.warnings,
      ...sensorWarnings({
        sensor: this.#sensor,
        samplingSeconds: this.#sampling.seconds,
        counterUsed: this.#counter.active,
        longestUnchangedSeconds: this.#watch.longestUnchangedSeconds,
        refreshes: this.#watch.changes,
        measured: this.#options.device.powerOrigin === 'measured',
      }),
    ];
    for (const warning of found) {
      if (this.#warnings.every(({ code }) => code !== warning.code)) this.#warnings.push(warning);
    }
  }

  #currentBelief(): Sensor {
    const { field, windowSeconds, isWindowKnown, periodSeconds } = this.#sensor;
    // Against a meter says more about a figure's worth than where window and period come from.
    const calibrated = this.#options.calibration === undefined ? undefined : 'calibrated';
    const origin = calibrated ?? this.#sensor.origin;
    if (field !== undefined) {
      // A register that is computed, not sampled, has neither: a 0 would be a figure.
      const hasWindow = isWindowKnown && windowSeconds > 0;
      return {
        field,
        ...(hasWindow ? { windowSeconds } : {}),
        ...(periodSeconds > 0 ? { periodSeconds } : {}),
        origin,
      };
    }
    if (!this.#counter.seen) return { field: 'unknown', origin: 'assumed' };
    const counterPeriod = this.#counter.grid.periodSeconds;
    return counterPeriod === undefined
      ? { field: 'counter', origin: calibrated ?? 'assumed' }
      : { field: 'counter', periodSeconds: counterPeriod, origin: calibrated ?? 'inferred' };
  }

  #show(row: Row): void {
    this.#newestTime = Math.max(this.#newestTime, row.time);
    if (row.status !== OK) {
      this.#power = undefined;
      return;
    }
    const reading = this.#readingOf(row);
    if (isPlausible(reading)) {
      this.#power = { time: row.time, watts: this.#calibrated(reading) };
    }
  }

  /** What the register in use says, in watts as read: undefined where it is silent, NaN where no device can have that. */
  #readingOf({ power }: Row): number | undefined {
    const { field } = this.#sensor;
    return field === undefined ? undefined : power?.[field];
  }

  #acceptPending(): void {
    const row = this.#pending;
    if (row === undefined) return;
    this.#pending = undefined;
    this.#teach(row);
    if (this.#learning === undefined) {
      this.#process(row);
      return;
    }
    this.#learning.push(row);
    const first = this.#learning[0] ?? row;
    if (row.time - first.time >= LEARNING_SECONDS || this.#learning.length >= LEARNING_ROWS) {
      this.#learn();
    }
  }

  /** Ends the learning: the first readings are processed with what they taught. */
  #learn(): void {
    const rows = this.#learning;
    if (rows === undefined) return;
    this.#learning = undefined;
    if (this.#options.samplingPeriodSeconds === undefined) {
      const typical = typicalSpacing(rows.map((row) => row.time));
      if (typical !== undefined) this.#sampling.observe(typical);
    }
    this.#shape.foresee(this.#swingOf(rows));
    for (const row of rows) this.#process(row);
  }

  #swingOf(rows: readonly Row[]): number {
    const powers = rows
      .filter(({ status }) => status === OK)
      .map((row) => this.#readingOf(row))
      .filter(isPlausible)
      .map((reading) => this.#calibrated(reading));
    return powers.length === 0 ? 0 : Math.max(...powers) - Math.min(...powers);
  }

  /** Shows a reading to the grids of power and counter. */
  #teach(row: Row): void {
    if (row.status !== OK) return;
    this.#chooseRegister(row);
    const reading = this.#readingOf(row);
    if (isPlausible(reading)) this.#watch.see(row.time, reading, this.#sensor.grid);
    if (!Number.isNaN(row.counterJoules)) {
      if (row.counterJoules > this.#counterPoll.value) {
        this.#counter.grid.change(this.#counterPoll.time, row.time);
      }
      this.#counterPoll = { time: row.time, value: row.counterJoules };
    }
  }

  /** The best register of those that speak; another one when the chosen has been silent for long. */
  #chooseRegister(row: Row): void {
    const { field, periodSeconds } = this.#sensor;
    if (row.power === undefined) return;
    if (field !== undefined) {
      if (row.power[field] !== undefined) return;
      const silence = row.time - this.#watch.newestSeconds;
      if (!(silence > this.#sampling.gapLimitSeconds(periodSeconds))) return;
    }
    const power = row.power;
    const best = chooseField(
      this.#options.device,
      POWER_FIELDS.filter((candidate) => power[candidate] !== undefined),
    );
    if (best === undefined) return;
    this.#sensor.use(best);
    this.#watch.forget();
  }

  #process(row: Row): void {
    if (row.status !== OK) {
      this.#shape.failure(row.time, reasonOf(row.status));
      return;
    }
    const hasCounter = !Number.isNaN(row.counterJoules);
    // A counter that has been waited for spans a hole before the power readings call it a gap; one that was given up
    // fills the gap after they have closed it.
    const isAwaited = this.#counter.active;
    if (hasCounter && isAwaited) this.#counter.reading(row.time, row.counterJoules);
    this.#processPower(row, hasCounter);
    if (hasCounter && !isAwaited) this.#counter.reading(row.time, row.counterJoules);
  }

  #processPower(row: Row, hasCounter: boolean): void {
    if (this.#sensor.field === undefined) {
      if (hasCounter) this.#slope(row);
      else this.#shape.failure(row.time, 'no-data');
      return;
    }
    const reading = this.#readingOf(row);
    if (reading === undefined) this.#shape.failure(row.time, 'no-data');
    else if (Number.isNaN(reading)) this.#shape.failure(row.time, 'implausible');
    else this.#shape.reading(row.time, this.#calibrated(reading));
  }

  /** A device that has only a counter: its mean power between two steps stands in for readings of power. */
  #slope(row: Row): void {
    const start = this.#slopeStart;
    const isYoung = this.#power === undefined && row.time - start.time < FIRST_SLOPE_SECONDS;
    if (row.counterJoules === start.value || isYoung) return;
    this.#slopeStart = { time: row.time, value: row.counterJoules };
    if (!(row.counterJoules > start.value)) return;
    const power = (row.counterJoules - start.value) / (row.time - start.time);
    // The counter itself takes it for a restart.
    if (power > this.#highestWatts) return;
    this.#power = { time: row.time, watts: this.#calibrated(power) };
    this.#shape.reading(row.time, this.#calibrated(power));
  }

  /** Whether power readings show more inside a step of the counter than its mean. */
  #shapeIsFiner(stepSeconds: number, longestCellSeconds: number): boolean {
    const { coverage, periodSeconds, field } = this.#sensor;
    if (field === undefined || longestCellSeconds > stepSeconds / FINER_RATIO) return false;
    const ratio = coverage >= FULL_COVERAGE ? FINER_RATIO : FINER_PART_TIME_RATIO;
    return stepSeconds > ratio * periodSeconds;
  }

  #calibrated(power: number): number {
    const { calibration } = this.#options;
    if (calibration === undefined) return power;
    return Math.max(0, (power - calibration.offsetWatts) / calibration.gain);
  }
}

// The inferred period wanders by parts per thousand while it is refitted; that is not news.
const NEWS_RATIO = 0.02;

const differs = (before: Sensor, now: Sensor): boolean =>
  before.field !== now.field ||
  before.origin !== now.origin ||
  apart(before.periodSeconds, now.periodSeconds) ||
  apart(before.windowSeconds, now.windowSeconds);

const apart = (before: number | undefined, now: number | undefined): boolean =>
  before === undefined || now === undefined
    ? before !== now
    : Math.abs(now - before) > NEWS_RATIO * Math.max(before, now);

const isPlausible = (reading: number | undefined): reading is number =>
  reading !== undefined && !Number.isNaN(reading);

const reasonOf = (status: number): GapReason => {
  const name = READING_STATUS[status];
  return name === undefined || name === 'ok' ? 'unknown-error' : name;
};

/** A row; a power that no device can have is NaN in it. */
function rowAt(batch: Batch, index: number, highest: number): Row {
  let power: Partial<Record<PowerField, number>> | undefined;
  for (const field of POWER_FIELDS) {
    const value = batch.powerWatts[field]?.[index];
    if (value === undefined || Number.isNaN(value)) continue;
    power ??= {};
    power[field] = value >= 0 && value <= highest ? value : NaN;
  }
  return {
    time: batch.timeSeconds[index] ?? NaN,
    status: batch.status[index] ?? 0,
    power,
    counterJoules: batch.counterJoules?.[index] ?? NaN,
  };
}
