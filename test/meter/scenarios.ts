// Random scenarios for the coverage test: sensors, loads, gaps, edges, with gain and offset drawn from the priors
// that the meter itself states. Simulated throughout.

import type { Device, PowerField } from '../../agent/model.ts';
import { powerRange, priorTrust, type Trust } from '../../agent/meter/boards.ts';
import { device } from './metering.ts';
import {
  constantLoad,
  during,
  randomNumbers,
  sineLoad,
  squareLoad,
  sumOf,
  type Load,
  type SimulatedRow,
  type SimulatedSensor,
} from './simulated-sensor.ts';

interface Board {
  readonly model: string;
  readonly field: PowerField;
  readonly windowSeconds: number;
  readonly periodSeconds: number;
}

const BOARDS: readonly Board[] = [
  { model: 'NVIDIA GeForce RTX 3070', field: 'instant', windowSeconds: 0.1, periodSeconds: 0.1 },
  { model: 'NVIDIA A100-SXM4-80GB', field: 'instant', windowSeconds: 0.025, periodSeconds: 0.1 },
  { model: 'Tesla V100-SXM2-16GB', field: 'instant', windowSeconds: 0.01, periodSeconds: 0.02 },
  { model: 'NVIDIA GeForce RTX 3090', field: 'draw', windowSeconds: 1, periodSeconds: 0.1 },
];

export interface Scenario {
  readonly device: Device;
  readonly sensor: SimulatedSensor;
  readonly rows: readonly SimulatedRow[];
  readonly start: number;
  readonly end: number;
  readonly withCounter: boolean;
  readonly board: string;
  readonly load: Load;
  readonly gain: number;
}

const normal = (random: () => number): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

/** A load between the board's floor and its limit, with a period of 20 ms to 2 s. */
function drawLoad(random: () => number, floor: number, limit: number): Load {
  const period = 0.02 * 100 ** random();
  const low = floor + random() * 0.5 * (limit - floor);
  const high = low + random() * (limit - low);
  const kind = random();
  if (kind < 0.2) return constantLoad(high);
  if (kind < 0.4) {
    const swing = (high - low) / 2;
    return sumOf(constantLoad(low + swing), sineLoad(swing, period, random() * period));
  }
  const duty = 0.2 + 0.6 * random();
  return sumOf(constantLoad(low), squareLoad(high - low, period, duty, random() * period));
}

function drawTimes(
  random: () => number,
  run: { readonly start: number; readonly end: number },
  period: number,
  burstSeconds: number,
): number[] {
  const around = random() < 0.7 ? 2 : 0;
  const times = new Set<number>();
  const jitter = 0.05 * period;
  for (let time = run.start - around; time < run.end + around; time += period + jitter * random()) {
    times.add(time);
  }
  if (burstSeconds > 0) {
    for (const edge of [run.start, run.end]) {
      for (let time = edge; time < edge + burstSeconds; time += 0.004) times.add(time);
    }
  }
  return [...times].toSorted((a, b) => a - b);
}

/** The scenario of one seed; gain and offset as far off as the priors say, or as `calibrated` says. */
export function drawScenario(seed: number, calibrated?: Trust): Scenario {
  const random = randomNumbers(seed * 7919 + 1);
  const board = BOARDS[Math.floor(random() * BOARDS.length)];
  if (board === undefined) throw new Error('No board was drawn.');
  const facts = device({ model: board.model });
  const { floorWatts, limitWatts } = powerRange(facts);
  const trust = calibrated ?? priorTrust(facts);
  const withCounter = random() < 0.5;
  const start = 3 + random();
  const end = start + 4 + 8 * random();
  const idle = floorWatts * (1 + random());
  const inside = drawLoad(random, floorWatts, limitWatts);
  const load =
    random() < 0.7
      ? sumOf(constantLoad(idle), during(sumOf(inside, constantLoad(-idle)), start, end))
      : inside;
  const counterPeriod = random() < 0.5 ? 0.1 : 0.02;
  const gain = 1 + trust.gainUncertainty * normal(random);
  const sensor: SimulatedSensor = {
    load,
    field: board.field,
    windowSeconds: board.windowSeconds,
    periodSeconds: board.periodSeconds,
    phaseSeconds: random() * board.periodSeconds,
    gain,
    offsetWatts: trust.offsetUncertaintyWatts * normal(random),
    ...(withCounter && {
      counter: { periodSeconds: counterPeriod, phaseSeconds: random() * counterPeriod },
    }),
  };
  const slow = random() < 0.15;
  const period = withCounter ? 0.1 : slow ? 0.5 + random() / 2 : board.periodSeconds * 0.45;
  const times = drawTimes(
    random,
    { start, end },
    period,
    withCounter ? 3 * counterPeriod + 0.02 : 0,
  );
  const lost = random() < 0.3 ? start + 0.5 + random() * (end - start - 3.5) : Infinity;
  const found = lost + 1.6 + random();
  return {
    device: facts,
    sensor,
    rows: times.map((time): SimulatedRow =>
      time >= lost && time <= found ? { time, status: 'unknown-error' } : { time },
    ),
    start,
    end,
    withCounter,
    board: board.model,
    load,
    gain,
  };
}
