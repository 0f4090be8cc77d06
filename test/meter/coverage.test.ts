// Is the stated uncertainty true? Ten thousand random scenarios with a fixed seed, simulated.

import { describe, expect, test } from 'vitest';

import type { Interval } from '../../agent/model.ts';
import { metered, type Measured } from './metering.ts';
import { drawScenario, type Scenario } from './scenarios.ts';
import { batchOf } from './simulated-sensor.ts';

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

function draw(seed: number): Draw {
  const scenario = drawScenario(seed);
  const measured = metered([batchOf(scenario.sensor, scenario.rows)], {
    start: scenario.start,
    end: scenario.end,
    device: scenario.device,
  });
  const { load, start, end } = scenario;
  const error = measured.energyJoules - observedTruth(scenario, measured);
  const whole = measured.energyJoules + measured.gapEstimateJoules;
  const wholeUncertainty = Math.hypot(
    measured.uncertaintyJoules,
    2 * measured.gapEstimateUncertaintyJoules,
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

describe('the stated uncertainty (simulated)', () => {
  const draws = Array.from({ length: DRAWS }, (_, seed) => draw(seed));

  test('x', () => {
    const groups = new Map<string, Draw[]>();
    for (const d of draws) {
      const key = d.scenario.board + (d.scenario.withCounter ? ' +c' : '');
      groups.set(key, [...(groups.get(key) ?? []), d]);
    }
    groups.set('all', draws);
    for (const [key, g] of groups) {
      const r = g.map((d) => d.ratio);
      console.log(
        key.padEnd(32),
        g.length,
        'inside',
        ((g.filter((d) => d.ratio <= 1).length / g.length) * 100).toFixed(1),
        'whole',
        ((g.filter((d) => d.wholeRatio <= 1).length / g.length) * 100).toFixed(1),
        'p95 ratio',
        percentile(r, 0.95).toFixed(2),
        'median rel U %',
        (
          100 *
          percentile(
            g.map((d) => d.measured.uncertaintyJoules / d.measured.energyJoules),
            0.5,
          )
        ).toFixed(1),
        'max ratio',
        percentile(r, 0.9999).toFixed(2),
      );
    }
    const worst = draws
      .map((d, seed) => ({ seed, d }))
      .filter(({ d }) => d.ratio > 1.5)
      .slice(0, 12);
    for (const { seed, d } of worst)
      console.log(
        seed,
        d.scenario.board,
        d.scenario.withCounter,
        d.ratio.toFixed(2),
        'E',
        d.measured.energyJoules.toFixed(0),
        'U',
        d.measured.uncertaintyJoules.toFixed(1),
        'gap',
        d.measured.gapSeconds.toFixed(2),
        'gain',
        d.scenario.gain,
      );
  });
});
