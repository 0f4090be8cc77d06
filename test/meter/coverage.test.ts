// Is the stated uncertainty true? Ten thousand random scenarios with a fixed seed, simulated.

import { describe, expect, test } from 'vitest';

import type { Trust } from '../../agent/meter/boards.ts';
import type { Interval } from '../../agent/model.ts';
import { metered, type Measured } from './metering.ts';
import { drawScenario, type Scenario } from './scenarios.ts';
import { batchOf, registerWatts } from './simulated-sensor.ts';

const DRAWS = 10_000;

const gapOf = (interval: Interval): number =>
  Object.values(interval.gapSeconds).reduce((sum, seconds) => sum + seconds, 0);

/** Energy of the load over the time that was observed: the run less its gap, which lies in one piece over slots. */
function observedTruth({ load, start, end }: Scenario, { intervals }: Measured): number {
  const whole = load.joules(end) - load.joules(start);
  const pieces: { from: number; to: number }[] = [];
  for (const interval of intervals.filter((candidate) => gapOf(candidate) > 1e-9)) {
    const gap = gapOf(interval);
    const last = pieces.at(-1);
    if (last !== undefined && Math.abs(last.to - interval.startSeconds) < 1e-9) {
      last.to = interval.startSeconds + gap;
    } else if (interval.endSeconds === end || interval.startSeconds !== start) {
      pieces.push({ from: interval.endSeconds - gap, to: interval.endSeconds });
    } else pieces.push({ from: interval.startSeconds, to: interval.startSeconds + gap });
  }
  // What the counter told afterwards counts as observed.
  const bridges = intervals.filter(({ bridgedSeconds }) => bridgedSeconds > 0);
  const unbridged = pieces.filter(
    ({ from, to }) =>
      !bridges.some(
        ({ startSeconds, endSeconds }) => startSeconds < from + 1e-6 && endSeconds > to - 1e-6,
      ),
  );
  return unbridged.reduce(
    (sum, { from, to }) => sum - (load.joules(to) - load.joules(from)),
    whole,
  );
}

interface Draw {
  readonly scenario: Scenario;
  readonly measured: Measured;
  /** |error| ÷ U of the measured energy over observed time. */
  readonly ratio: number;
  /** The same with the gap estimate, over all time. */
  readonly wholeRatio: number;
}

function draw(seed: number, calibrated?: Trust): Draw {
  const scenario = drawScenario(seed, calibrated);
  const measured = metered([batchOf(scenario.sensor, scenario.rows)], {
    start: scenario.start,
    end: scenario.end,
    device: scenario.device,
    ...(calibrated !== undefined && { calibration: { gain: 1, offsetWatts: 0, ...calibrated } }),
  });
  const { load, start, end } = scenario;
  const error = measured.energyJoules - observedTruth(scenario, measured);
  const whole = measured.energyJoules + measured.gapEstimateJoules;
  const wholeUncertainty = Math.hypot(
    measured.uncertaintyJoules,
    measured.gapEstimateUncertaintyJoules,
  );
  return {
    scenario,
    measured,
    ratio: Math.abs(error) / measured.uncertaintyJoules,
    wholeRatio: Math.abs(whole - (load.joules(end) - load.joules(start))) / wholeUncertainty,
  };
}

const percentile = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.floor(share * values.length)] ?? NaN;

/** What a shell loop would do: one nvidia-smi a second, mean power × time. */
function naiveError({ scenario }: Draw): number {
  const { sensor, rows, start, end, load } = scenario;
  const readings: number[] = [];
  let next = start;
  for (const { time, status } of rows) {
    if (time < next || time > end || status !== undefined) continue;
    readings.push(registerWatts(sensor, time));
    next = time + 1;
  }
  const mean = readings.reduce((sum, watts) => sum + watts, 0) / readings.length;
  return Math.abs((mean * (end - start)) / (load.joules(end) - load.joules(start)) - 1);
}

const wholeError = ({ scenario, measured }: Draw): number => {
  const truth = scenario.load.joules(scenario.end) - scenario.load.joules(scenario.start);
  return Math.abs((measured.energyJoules + measured.gapEstimateJoules) / truth - 1);
};

const share = (draws: readonly Draw[], inside: (draw: Draw) => boolean): number =>
  draws.filter(inside).length / draws.length;

describe('the stated uncertainty, over 10,000 simulated runs with gain and offset from the priors,', () => {
  const draws = Array.from({ length: DRAWS }, (_, seed) => draw(seed));

  test('holds the truth of the observed time in at least 95 %', () => {
    expect(share(draws, ({ ratio }) => ratio <= 1)).toBeGreaterThanOrEqual(0.95);
  });

  test('holds the truth of all time, with the gap estimate, in at least 95 %', () => {
    expect(share(draws, ({ wholeRatio }) => wholeRatio <= 1)).toBeGreaterThanOrEqual(0.95);
  });

  test('is within twice the smallest that reaches 95 %', () => {
    const smallest = percentile(
      draws.map(({ ratio }) => ratio),
      0.95,
    );
    expect(1 / smallest).toBeLessThanOrEqual(2);
  });

  test.each([true, false])('holds in at least 93 % of each board (counter: %s)', (withCounter) => {
    const boards = new Set(draws.map(({ scenario }) => scenario.board));
    for (const board of boards) {
      const some = draws.filter(
        ({ scenario }) => scenario.board === board && scenario.withCounter === withCounter,
      );
      expect(
        share(some, ({ ratio }) => ratio <= 1),
        board,
      ).toBeGreaterThanOrEqual(0.93);
    }
  });

  test('spares the reader what naive polling of the same runs would have cost', () => {
    const naive = percentile(draws.map(naiveError), 0.95);
    const ours = percentile(draws.map(wholeError), 0.95);
    expect(naive).toBeGreaterThan(1.3 * ours);
  });
});

test('of boards calibrated against a meter (0.6 %, 1 W) it holds the truth in at least 95 % too', () => {
  const calibrated = { gainUncertainty: 0.006, offsetUncertaintyWatts: 1 };
  const draws = Array.from({ length: DRAWS / 4 }, (_, seed) => draw(seed, calibrated));
  expect(share(draws, ({ ratio }) => ratio <= 1)).toBeGreaterThanOrEqual(0.95);
});
