// The hardware counter's path against closed-form truth (simulated): 10 Hz polls, bursts from each edge on.

import { describe, expect, test } from 'vitest';

import { createMeter } from '../../agent/meter/meter.ts';
import { instant } from '../../agent/units.ts';
import { device, metered, totalsOf, type Measured } from './metering.ts';
import {
  batchOf,
  constantLoad,
  counterJoules,
  during,
  pollTimes,
  randomNumbers,
  sineLoad,
  squareLoad,
  sumOf,
  type Load,
  type SimulatedRow,
  type SimulatedSensor,
} from './simulated-sensor.ts';

const IDLE_WATTS = 60;

/** 10 Hz with up to 4 ms of jitter, and every 2 ms for three refreshes of the counter from each edge on. */
function pollRows(
  start: number,
  end: number,
  edges: readonly number[],
  burstSeconds: number,
  random: () => number,
): SimulatedRow[] {
  const times = new Set<number>();
  for (let time = start; time < end; time += 0.1 + 0.004 * random()) times.add(time);
  for (const edge of edges) {
    for (let time = edge; time < edge + burstSeconds; time += 0.002 + 0.0005 * random()) {
      times.add(time);
    }
  }
  return [...times].toSorted((a, b) => a - b).map((time) => ({ time }));
}

const rowsOf = (times: readonly number[]): SimulatedRow[] => times.map((time) => ({ time }));

const BOARDS = [
  { model: 'NVIDIA GeForce RTX 3090', field: 'instant', windowSeconds: 0.1, periodSeconds: 0.1 },
  { model: 'NVIDIA GeForce RTX 3090', field: 'draw', windowSeconds: 1, periodSeconds: 0.1 },
  { model: 'NVIDIA A100-SXM4-80GB', field: 'instant', windowSeconds: 0.025, periodSeconds: 0.1 },
  { model: 'Tesla V100-SXM2-16GB', field: 'instant', windowSeconds: 0.01, periodSeconds: 0.02 },
] as const;

const square =
  (period: number) =>
  (phase: number): Load =>
    sumOf(constantLoad(70), squareLoad(300, period, 0.5, phase));

const LOADS: Readonly<Record<string, (phase: number) => Load>> = {
  steady: () => constantLoad(270),
  'square 20 ms': square(0.02),
  'square 50 ms': square(0.05),
  'square 100 ms': square(0.1),
  'square 130 ms': square(0.13),
  'square 500 ms': square(0.5),
  'square 2 s': square(2),
  'sine 700 ms': (phase) => sumOf(constantLoad(200), sineLoad(120, 0.7, phase)),
};

interface Drawn {
  readonly start: number;
  readonly end: number;
  readonly load: Load;
  readonly sensor: SimulatedSensor;
  readonly model: string;
  readonly random: () => number;
}

/** A run of `duration` seconds on an idle board, everything about its phase drawn by the seed. */
function drawRun(
  board: (typeof BOARDS)[number],
  make: (phase: number) => Load,
  counterPeriod: number,
  duration: number,
  seed: number,
): Drawn {
  const random = randomNumbers(seed);
  const start = 5 + random();
  const end = start + duration;
  const load = sumOf(constantLoad(IDLE_WATTS), during(make(random()), start, end));
  const { model, field, windowSeconds, periodSeconds } = board;
  const phaseSeconds = random() * periodSeconds;
  const counter = { periodSeconds: counterPeriod, phaseSeconds: random() * counterPeriod };
  return {
    start,
    end,
    load,
    model,
    random,
    sensor: { load, field, windowSeconds, periodSeconds, phaseSeconds, counter },
  };
}

const burstOf = (sensor: SimulatedSensor): number =>
  3 * (sensor.counter?.periodSeconds ?? 0) + 0.02;

const measure = (run: Drawn, rows: readonly SimulatedRow[]): Measured =>
  metered([batchOf(run.sensor, rows)], {
    start: run.start,
    end: run.end,
    device: device({ model: run.model, source: 'nvml' }),
    samplingPeriodSeconds: 0.1,
  });

const relativeError = (run: Drawn, measured: Measured): number =>
  Math.abs(measured.energyJoules / (run.load.joules(run.end) - run.load.joules(run.start)) - 1);

const cases = BOARDS.flatMap((board) =>
  [0.1, 0.02].map((counterPeriod) => ({
    board,
    counterPeriod,
    name: `${board.windowSeconds}/${board.periodSeconds} s sensor, counter every ${counterPeriod} s`,
  })),
);

describe('the counter over 30 s', () => {
  test.each(cases)('$name: ≤ 0.1 % of truth, inside its own doubt', ({ board, counterPeriod }) => {
    for (const [name, make] of Object.entries(LOADS)) {
      for (let seed = 1; seed <= 5; seed += 1) {
        const run = drawRun(board, make, counterPeriod, 30 + seed / 3, seed * 77);
        const rows = pollRows(
          run.start - 1,
          run.end + 1,
          [run.start, run.end],
          burstOf(run.sensor),
          run.random,
        );
        const measured = measure(run, rows);
        expect(relativeError(run, measured), `${name}, seed ${seed}`).toBeLessThan(0.001);
        const error =
          measured.energyJoules - (run.load.joules(run.end) - run.load.joules(run.start));
        expect(Math.abs(error), `${name}, seed ${seed}`).toBeLessThan(
          measured.placingUncertaintyJoules,
        );
        expect(measured.intervals.every(({ method }) => method === 'counter')).toBe(true);
      }
    }
  });

  test.each(cases)(
    '$name: ≤ 0.1 % although every tenth read is lost',
    ({ board, counterPeriod }) => {
      for (let seed = 1; seed <= 5; seed += 1) {
        const run = drawRun(board, square(0.5), counterPeriod, 31, seed * 991);
        const rows = pollRows(
          run.start - 1,
          run.end + 1,
          [run.start, run.end],
          burstOf(run.sensor),
          run.random,
        ).map((row): SimulatedRow => (run.random() < 0.1 ? { ...row, status: 'timeout' } : row));
        expect(relativeError(run, measure(run, rows)), `seed ${seed}`).toBeLessThan(0.001);
      }
    },
  );
});

describe('the counter over 1 s', () => {
  test.each(cases)('$name: a run of 1 s is ≤ 0.5 % of truth', ({ board, counterPeriod }) => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const run = drawRun(board, () => constantLoad(240), counterPeriod, 1, seed * 313);
      const rows = pollRows(
        run.start - 2,
        run.end + 2,
        [run.start, run.end],
        burstOf(run.sensor),
        run.random,
      );
      expect(relativeError(run, measure(run, rows)), `seed ${seed}`).toBeLessThan(0.005);
    }
  });
});

/** A steady board with a counter, polled at 10 Hz from 0 to 60. */
const steady: SimulatedSensor = {
  load: constantLoad(200),
  windowSeconds: 0.1,
  periodSeconds: 0.1,
  phaseSeconds: 0.03,
  counter: { periodSeconds: 0.1, phaseSeconds: 0.05 },
};
const steadyRows = (): SimulatedRow[] => pollRows(0, 60, [], 0, randomNumbers(3));
const steadyMeter = (rows: readonly SimulatedRow[]): Measured =>
  metered([batchOf(steady, rows)], { start: 0.5, end: 59.5 });

describe('polls of the counter’s own period', () => {
  test.each([-0.0015, 0.0015, 0.05])(
    'that refreshes %f s after them: each second is ≤ 0.5 %% of truth, by a burst now and then',
    (phase) => {
      const random = randomNumbers(17);
      const counter = { periodSeconds: 0.1, phaseSeconds: phase };
      // As the sampler of NVML does: a long burst at first, short ones ever more rarely.
      const bursts = [0, 1, 3, 12].flatMap((start) =>
        pollTimes(start, start + (start === 0 ? 0.35 : 0.12), 0.0022, 0.0005, random),
      );
      const ticks = pollTimes(0, 40, 0.1).map((time) => time + 0.0004 * random());
      const times = [...new Set([...bursts, ...ticks])].toSorted((a, b) => a - b);
      const batch = batchOf({ ...steady, windowSeconds: 0.025, counter }, rowsOf(times));
      const measured = metered([batch], { start: 0.5, end: 39.5, samplingPeriodSeconds: 0.1 });
      for (const { energyJoules, startSeconds } of measured.intervals) {
        expect([startSeconds, Math.abs(energyJoules / 200 - 1) < 0.005]).toEqual([
          startSeconds,
          true,
        ]);
      }
    },
  );
});

describe('the counter at its worst', () => {
  test('a restart begins a new segment: never negative, never huge', () => {
    const offset = counterJoules(steady, 30);
    const rows = steadyRows().map((row): SimulatedRow =>
      row.time >= 30 ? { ...row, counterJoules: counterJoules(steady, row.time) - offset } : row,
    );
    const measured = steadyMeter(rows);
    expect(Math.abs(measured.energyJoules / (200 * 59) - 1)).toBeLessThan(0.001);
    for (const { energyJoules } of measured.intervals) {
      expect(energyJoules).toBeGreaterThan(0);
      expect(energyJoules).toBeLessThan(250);
    }
  });

  test('a counter that appears late is not the lifetime total', () => {
    const rows = steadyRows().map((row): SimulatedRow =>
      row.time < 20 ? { ...row, counterJoules: NaN } : row,
    );
    const measured = steadyMeter(rows);
    expect(Math.abs(measured.energyJoules / (200 * 59) - 1)).toBeLessThan(0.001);
    expect(measured.intervals[3]?.method).toBe('integral');
    expect(measured.intervals[40]?.method).toBe('counter');
  });

  test('a garbage value of 1.8e19 mJ is not energy', () => {
    const rows = steadyRows().map((row, index): SimulatedRow =>
      index === 300 ? { ...row, counterJoules: 1.8e16 } : row,
    );
    expect(Math.abs(steadyMeter(rows).energyJoules / (200 * 59) - 1)).toBeLessThan(0.001);
  });

  test('a counter that stands still while power flows is not believed', () => {
    const stuck = counterJoules(steady, 20);
    const rows = steadyRows().map((row): SimulatedRow =>
      row.time >= 20 ? { ...row, counterJoules: stuck } : row,
    );
    const meter = createMeter({ device: device(), startSeconds: instant(0.5), slotSeconds: 1 });
    const intervals = [...meter.add(batchOf(steady, rows)), ...meter.finish(instant(59.5))];
    expect(Math.abs(totalsOf(intervals).energyJoules / (200 * 59) - 1)).toBeLessThan(0.005);
    expect(meter.warnings.map(({ code }) => code)).toContain('counter-stuck');
  });

  test('a power reading stuck at one value is overruled by the counter, with a warning', () => {
    const load = sumOf(constantLoad(60), during(constantLoad(240), 20, 80));
    const sensor = { ...steady, load };
    const rows = pollRows(0, 80, [], 0, randomNumbers(3)).map((row) => ({ ...row, watts: 60 }));
    const meter = createMeter({ device: device(), startSeconds: instant(0.5), slotSeconds: 1 });
    const intervals = [...meter.add(batchOf(sensor, rows)), ...meter.finish(instant(79.5))];
    const truth = load.joules(79.5) - load.joules(0.5);
    expect(Math.abs(totalsOf(intervals).energyJoules / truth - 1)).toBeLessThan(0.005);
    expect(meter.warnings.map(({ code }) => code)).toContain('counter-disagrees');
  });

  test('a hang of 30 s that nobody watched is told by the counter at once', () => {
    const rows = steadyRows().filter(({ time }) => time < 15 || time > 45);
    const measured = steadyMeter(rows);
    expect(measured.gapSeconds).toBe(0);
    expect(Math.abs(measured.energyJoules / (200 * 59) - 1)).toBeLessThan(0.001);
  });

  test('a hang of 30 s that was published as a gap is bridged late, cut where it was cut', () => {
    const rows = steadyRows();
    const meter = createMeter({ device: device(), startSeconds: instant(0.5), slotSeconds: 1 });
    const intervals = meter.add(
      batchOf(
        steady,
        rows.filter(({ time }) => time < 15),
      ),
    );
    for (let time = 15; time < 45; time += 0.5) {
      if (time === 20) meter.cut(instant(25));
      intervals.push(...meter.advance(instant(time)));
    }
    const seen = totalsOf(intervals);
    expect(seen.gapSeconds).toBeGreaterThan(25);
    expect(seen.gapEstimateJoules).toBeCloseTo(200 * seen.gapSeconds, 3);
    intervals.push(
      ...meter.add(
        batchOf(
          steady,
          rows.filter(({ time }) => time > 45),
        ),
      ),
    );
    intervals.push(...meter.finish(instant(59.5)));
    const bridges = intervals.filter(({ bridgedSeconds }) => bridgedSeconds > 0);
    expect(bridges.map(({ endSeconds }) => endSeconds)).toContain(25);
    const whole = totalsOf(intervals);
    expect(whole.gapSeconds).toBeCloseTo(0, 6);
    expect(whole.gapEstimateJoules).toBeCloseTo(0, 6);
    expect(Math.abs(whole.energyJoules / (200 * 59) - 1)).toBeLessThan(0.001);
  });

  test('a device with only a counter is metered by it (RAPL)', () => {
    const load = sumOf(constantLoad(40), squareLoad(100, 7, 0.4));
    const sensor: SimulatedSensor = { ...steady, load, counter: { periodSeconds: 0.001 } };
    const rows = Array.from({ length: 121 }, (_, second) => ({ time: second / 2, watts: NaN }));
    const measured = metered([batchOf(sensor, rows)], {
      start: 0,
      end: 60,
      device: device({ kind: 'host', source: 'rapl', model: 'package-0' }),
    });
    const truth = load.joules(60) - load.joules(0);
    expect(Math.abs(measured.energyJoules / truth - 1)).toBeLessThan(0.001);
    expect(measured.intervals.every(({ method }) => method === 'counter')).toBe(true);
  });
});
