// A power sensor that never was, with a load whose energy is known in closed form: simulated, and labelled so wherever
// a figure from it is quoted. It follows docs/measurement.md §1: y = g·mean of P over the window + o, refreshed each period.

import {
  READING_STATUS,
  type Batch,
  type PowerField,
  type ReadingStatus,
} from '../../agent/model.ts';

/** A load: power over time and its integral from minus infinity's reference on. */
export interface Load {
  readonly watts: (time: number) => number;
  /** Energy from 0 to `time`; negative times count backwards. */
  readonly joules: (time: number) => number;
}

export const constantLoad = (power: number): Load => ({
  watts: () => power,
  joules: (time) => power * time,
});

/** `high` for the first `duty` of each period, else 0. */
export function squareLoad(high: number, period: number, duty: number, phase = 0): Load {
  const shifted = (time: number): number => {
    const position = (time - phase) / period;
    const whole = Math.floor(position);
    return high * period * (whole * duty + Math.min(position - whole, duty));
  };
  const origin = shifted(0);
  return {
    watts: (time) => {
      const position = (time - phase) / period;
      return position - Math.floor(position) < duty ? high : 0;
    },
    joules: (time) => shifted(time) - origin,
  };
}

/** Amplitude·sin, around zero: add it to a base. */
export function sineLoad(amplitude: number, period: number, phase = 0): Load {
  const omega = (2 * Math.PI) / period;
  const integral = (time: number): number =>
    (-amplitude / omega) * Math.cos(omega * (time - phase));
  const origin = integral(0);
  return {
    watts: (time) => amplitude * Math.sin(omega * (time - phase)),
    joules: (time) => integral(time) - origin,
  };
}

/** 0 until `start`, then linear up to `height` at `end`, then `height`. */
export function rampLoad(height: number, start: number, end: number): Load {
  const slope = height / (end - start);
  return {
    watts: (time) => Math.min(Math.max((time - start) * slope, 0), height),
    joules: (time) => {
      const rising = Math.min(Math.max(time - start, 0), end - start);
      return (slope * rising * rising) / 2 + height * Math.max(0, time - end);
    },
  };
}

/** `load` between `start` and `end` only: a run on an otherwise idle board. */
export function during(load: Load, start: number, end: number): Load {
  const clamped = (time: number): number => Math.min(Math.max(time, start), end);
  const origin = load.joules(clamped(0));
  return {
    watts: (time) => (time >= start && time < end ? load.watts(time) : 0),
    joules: (time) => load.joules(clamped(time)) - origin,
  };
}

export const sumOf = (...loads: readonly Load[]): Load => ({
  watts: (time) => loads.reduce((sum, load) => sum + load.watts(time), 0),
  joules: (time) => loads.reduce((sum, load) => sum + load.joules(time), 0),
});

/** One register and, perhaps, a counter of a simulated board. */
export interface SimulatedSensor {
  readonly load: Load;
  readonly windowSeconds: number;
  readonly periodSeconds: number;
  readonly phaseSeconds?: number;
  readonly gain?: number;
  readonly offsetWatts?: number;
  readonly field?: PowerField;
  readonly counter?: { readonly periodSeconds: number; readonly phaseSeconds?: number };
}

const lastRefresh = (time: number, period: number, phase: number): number =>
  phase + Math.floor((time - phase) / period) * period;

/** What the register shows at `time`, in hundredths of a watt. */
export function registerWatts(sensor: SimulatedSensor, time: number): number {
  const {
    load,
    windowSeconds,
    periodSeconds,
    phaseSeconds = 0,
    gain = 1,
    offsetWatts = 0,
  } = sensor;
  const refresh = lastRefresh(time, periodSeconds, phaseSeconds);
  const mean = (load.joules(refresh) - load.joules(refresh - windowSeconds)) / windowSeconds;
  return Math.round((gain * mean + offsetWatts) * 100) / 100;
}

const LIFETIME_JOULES = 123_456.789;

/** What the counter shows at `time`, in millijoules' resolution. */
export function counterJoules(sensor: SimulatedSensor, time: number): number {
  if (sensor.counter === undefined) return NaN;
  const { gain = 1, offsetWatts = 0 } = sensor;
  const { periodSeconds, phaseSeconds = 0 } = sensor.counter;
  const refresh = lastRefresh(time, periodSeconds, phaseSeconds);
  const energy = gain * sensor.load.joules(refresh) + offsetWatts * refresh;
  return Math.round((LIFETIME_JOULES + energy) * 1000) / 1000;
}

/** A row to be: a good reading of the sensor, or a failure, or something forced. */
export interface SimulatedRow {
  readonly time: number;
  readonly status?: ReadingStatus;
  readonly watts?: number;
  readonly counterJoules?: number;
}

export const UUID = 'GPU-00000000-0000-4000-8000-000000000001';

/** Rows as a batch; what a row leaves out is read from the sensor. */
export function batchOf(sensor: SimulatedSensor, rows: readonly SimulatedRow[]): Batch {
  const failed = (row: SimulatedRow): boolean => (row.status ?? 'ok') !== 'ok';
  const { field = 'instant' } = sensor;
  return {
    uuid: UUID,
    length: rows.length,
    timeSeconds: Float64Array.from(rows, (row) => row.time),
    status: Uint8Array.from(rows, (row) => READING_STATUS.indexOf(row.status ?? 'ok')),
    powerWatts: {
      [field]: Float64Array.from(rows, (row) =>
        failed(row) ? NaN : (row.watts ?? registerWatts(sensor, row.time)),
      ),
    },
    ...(sensor.counter !== undefined && {
      counterJoules: Float64Array.from(rows, (row) =>
        failed(row) ? NaN : (row.counterJoules ?? counterJoules(sensor, row.time)),
      ),
    }),
  };
}

/** A random number generator with a seed (mulberry32), so that every draw can be drawn again. */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Times from `start` to `end`, about `period` apart, each late by up to `jitter`. */
export function pollTimes(
  start: number,
  end: number,
  period: number,
  jitter = 0,
  random: () => number = () => 0.5,
): number[] {
  const times: number[] = [];
  for (let time = start; time <= end; time += period + jitter * random()) times.push(time);
  return times;
}
