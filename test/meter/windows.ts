// Windows cut anywhere in simulated loads, as a mark from inside a job cuts them: what the meter says of each beside
// the closed-form truth. Polls are those of the NVML source: ten a second with a counter, else two a refresh, and a
// burst from each edge on.

import type { PowerField } from '../../agent/model.ts';
import { device, energyWithin, metered, totalsOf } from './metering.ts';
import {
  batchOf,
  constantLoad,
  during,
  pollTimes,
  registerWatts,
  sumOf,
  type Load,
  type SimulatedSensor,
} from './simulated-sensor.ts';

/** A board whose sensor the table of boards knows. */
export interface Board {
  readonly name: string;
  readonly model: string;
  readonly field: PowerField;
  readonly windowSeconds: number;
  readonly periodSeconds: number;
}

const board = (name: string, model: string, field: PowerField, window: number, period: number) =>
  ({ name, model, field, windowSeconds: window, periodSeconds: period }) as const satisfies Board;

export const BOARDS = [
  board('100/100 ms', 'NVIDIA GeForce RTX 3090', 'instant', 0.1, 0.1),
  board('1000/100 ms', 'NVIDIA GeForce RTX 3090', 'draw', 1, 0.1),
  board('25/100 ms', 'NVIDIA A100-SXM4-80GB', 'instant', 0.025, 0.1),
  board('10/20 ms', 'Tesla V100-SXM2-16GB', 'instant', 0.01, 0.02),
] as const;

/** A run on a simulated board, and a window inside it. */
export interface WindowDraw {
  readonly board: Board;
  readonly counterPeriodSeconds?: number;
  /** What the run adds to the idle board. */
  readonly load: Load;
  readonly windowSeconds: number;
  readonly random: () => number;
}

/** What the meter says of one window. */
export interface WindowResult {
  readonly truthJoules: number;
  /** Measured less true. */
  readonly errorJoules: number;
  /** Stated, k = 2, without the gain and offset that the simulation does not have. */
  readonly uncertaintyJoules: number;
  /** Of the whole run. */
  readonly runErrorRatio: number;
  /** What readings once a second, held until the next, would have said of the window. */
  readonly naiveErrorJoules: number;
}

const IDLE_WATTS = 60;
const BEFORE_SECONDS = 2;
const BURST_STEP_SECONDS = 0.002;
const LATENESS_SECONDS = 0.0005;

function polls(
  { start, end }: { readonly start: number; readonly end: number },
  period: number,
  bursts: readonly number[],
  burstSeconds: number,
  random: () => number,
): number[] {
  const times = new Set<number>();
  for (let tick = 0; start + tick * period < end; tick += 1) {
    times.add(start + tick * period + LATENESS_SECONDS * random());
  }
  for (const edge of bursts) {
    for (const time of pollTimes(edge, edge + burstSeconds, BURST_STEP_SECONDS, 5e-4, random)) {
      times.add(time);
    }
  }
  return [...times].toSorted((a, b) => a - b);
}

/** Runs one draw through the meter. */
export function measureWindow(draw: WindowDraw): WindowResult {
  const { board: facts, counterPeriodSeconds, windowSeconds, random } = draw;
  const start = 5 + random();
  const from = start + 3 + 3 * random();
  const to = from + windowSeconds;
  const end = to + 2 + random();
  const load = sumOf(constantLoad(IDLE_WATTS), during(draw.load, start, end));
  const { field, periodSeconds } = facts;
  const sensor: SimulatedSensor = {
    load,
    field,
    periodSeconds,
    windowSeconds: facts.windowSeconds,
    phaseSeconds: random() * periodSeconds,
    ...(counterPeriodSeconds !== undefined && {
      counter: {
        periodSeconds: counterPeriodSeconds,
        phaseSeconds: random() * counterPeriodSeconds,
      },
    }),
  };
  const samplingPeriodSeconds = counterPeriodSeconds === undefined ? periodSeconds / 2 : 0.1;
  const times = polls(
    { start: start - BEFORE_SECONDS, end: end + 1 },
    samplingPeriodSeconds,
    [start, from, to, end],
    3 * (counterPeriodSeconds ?? periodSeconds) + 0.02,
    random,
  );
  const measured = metered(
    [
      batchOf(
        sensor,
        times.map((time) => ({ time })),
      ),
    ],
    {
      start,
      end,
      cuts: [from, to],
      device: device({ model: facts.model, source: 'nvml' }),
      samplingPeriodSeconds,
    },
  );
  const truth = load.joules(to) - load.joules(from);
  const whole = load.joules(end) - load.joules(start);
  return {
    truthJoules: truth,
    errorJoules: energyWithin(measured, from, to) - truth,
    uncertaintyJoules: totalsOf(
      measured.intervals.filter(
        ({ startSeconds, endSeconds }) => startSeconds >= from && endSeconds <= to,
      ),
    ).placingUncertaintyJoules,
    runErrorRatio: Math.abs(measured.energyJoules / whole - 1),
    naiveErrorJoules: naiveJoules(sensor, from, to) - truth,
  };
}

/** A shell loop's sum: one reading a second from the window's start, held until the next. */
function naiveJoules(sensor: SimulatedSensor, from: number, to: number): number {
  let energy = 0;
  for (let time = from; time < to; time += 1) {
    energy += registerWatts(sensor, time) * Math.min(1, to - time);
  }
  return energy;
}

/** The value that a share of all values lies below. */
export const percentile = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.floor(share * values.length)] ?? NaN;
