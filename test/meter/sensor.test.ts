// What the meter believes of a sensor, and what it does with each kind: table, inference, choice of the register.

import { describe, expect, test } from 'vitest';

import { priorTrust, registerOf } from '../../agent/meter/boards.ts';
import { createMeter } from '../../agent/meter/meter.ts';
import { createRefreshGrid } from '../../agent/meter/refresh-grid.ts';
import { chooseField } from '../../agent/meter/sensor.ts';
import { instant, watts } from '../../agent/units.ts';
import { device, metered } from './metering.ts';
import {
  batchOf,
  constantLoad,
  during,
  pollTimes,
  randomNumbers,
  registerWatts,
  squareLoad,
  sumOf,
  UUID,
  type SimulatedSensor,
} from './simulated-sensor.ts';

describe('the table of boards', () => {
  test.each([
    ['NVIDIA H100 80GB HBM3', '535.1', 'instant', 0.025, 0.1],
    ['NVIDIA H200', '550.1', 'average', 1, 0.1],
    ['NVIDIA A100-SXM4-80GB', '470.1', 'draw', 0.025, 0.1],
    ['NVIDIA GeForce RTX 4090', '525.1', 'draw', 1, 0.1],
    ['NVIDIA GeForce RTX 4090', '530.30', 'draw', 0.1, 0.1],
    ['NVIDIA GeForce RTX 3090', '550.1', 'draw', 1, 0.1],
    ['NVIDIA RTX A6000', '550.1', 'instant', 0.1, 0.1],
    ['Tesla T4', '418.1', 'draw', 0.1, 0.1],
    ['Quadro RTX 8000', '535.1', 'draw', 0.02, 0.1],
    ['Tesla V100-SXM2-16GB', '535.1', 'draw', 0.01, 0.02],
    ['Tesla P100-PCIE-16GB', '535.1', 'draw', 0.01, 0.02],
    ['Tesla M40', '470.1', 'draw', 0.014, 0.031],
    ['NVIDIA L40S', '550.1', 'instant', 0.1, 0.1],
    ['NVIDIA A10G', '550.1', 'average', 1, 0.1],
  ] as const)('%s, driver %s, %s: %f/%f s', (model, driverVersion, field, window, period) => {
    const register = registerOf({ model, driverVersion }, field);
    expect(register?.windowSeconds).toBe(window);
    expect(register?.periodSeconds).toBe(period);
  });

  test('knows no register that a board does not have', () => {
    expect(registerOf({ model: 'NVIDIA A100-SXM4-80GB' }, 'average')).toBeUndefined();
    expect(registerOf({ model: 'unknown' }, 'draw')).toBeUndefined();
  });

  test.each([
    ['NVIDIA A100-SXM4-80GB', 0.025, 3],
    ['NVIDIA GeForce RTX 4090', 0.039, 10],
    ['Tesla V100-SXM2-16GB', 0.039, 6],
  ])('%s is trusted to %f of gain and %i W of offset', (model, gain, offset) => {
    expect(priorTrust(device({ model }))).toEqual({
      gainUncertainty: gain,
      offsetUncertaintyWatts: offset,
    });
  });
});

describe('the register', () => {
  test.each([
    ['NVIDIA H100 80GB HBM3', ['draw', 'instant', 'average'], 'average'],
    ['NVIDIA GeForce RTX 4090', ['draw', 'instant', 'average'], 'instant'],
    ['NVIDIA A100-SXM4-80GB', ['draw', 'instant'], 'instant'],
    ['unknown', ['draw', 'average'], 'draw'],
  ] as const)('of %s with %j is %s', (model, available, chosen) => {
    expect(chooseField(device({ model }), [...available])).toBe(chosen);
  });

  test('is given up for another when it falls silent for good', () => {
    const sensor: SimulatedSensor = {
      load: constantLoad(200),
      windowSeconds: 0.1,
      periodSeconds: 0.1,
    };
    const times = pollTimes(0, 30, 0.05);
    const batch = batchOf(
      sensor,
      times.map((time) => ({ time })),
    );
    const powerWatts = {
      instant: Float64Array.from(times, (time) => (time < 10 ? 200 : NaN)),
      draw: Float64Array.from(times, () => 200),
    };
    const measured = metered([{ ...batch, powerWatts }], { start: 0.5, end: 29 });
    expect(measured.gapSeconds).toBeLessThan(1);
    expect(measured.energyJoules).toBeCloseTo(200 * measured.observedSeconds, 3);
  });
});

describe('the refresh period', () => {
  test.each([
    [0.1, 0.007],
    [0.1, 0.02],
    [0.1, 0.047],
    [0.02, 0.005],
    [0.5, 0.1],
    [0.031, 0.01],
  ])('of %f s is found by polls every %f s', (period, poll) => {
    const random = randomNumbers(11);
    const grid = createRefreshGrid();
    let previous = 0;
    let before = -1;
    let time = 0;
    while (time < 60 * period + 3) {
      time += poll * (1 + 0.1 * random());
      const refresh = Math.floor((time - 0.0123) / period);
      if (refresh !== before && before >= 0) grid.change(previous, time);
      before = refresh;
      previous = time;
    }
    expect(grid.periodSeconds).toBeDefined();
    expect(Math.abs((grid.periodSeconds ?? 0) / period - 1)).toBeLessThan(0.01);
    expect(grid.lockedAt(time)).toBe(true);
    const phase = (((grid.lastRefresh(time) - 0.0123) / period) % 1) + 1;
    expect(Math.min(phase % 1, 1 - (phase % 1))).toBeLessThan(0.12);
  });

  test('is not invented from polls that are too far apart', () => {
    const random = randomNumbers(5);
    const grid = createRefreshGrid();
    let time = 0;
    for (let count = 0; count < 500; count += 1) {
      const previous = time;
      time += 0.1 * (1 + 0.05 * random());
      grid.change(previous, time);
    }
    expect(grid.periodSeconds).toBeUndefined();
  });

  test('is followed when the clock drifts', () => {
    const grid = createRefreshGrid();
    let previous = 0;
    let before = -1;
    for (let time = 0; time < 600; time += 0.0171) {
      // One part in a thousand slower after ten minutes.
      const refresh = Math.floor((time * (1 - (time / 600) * 5e-4)) / 0.1);
      if (refresh !== before && before >= 0) grid.change(previous, time);
      before = refresh;
      previous = time;
    }
    expect(grid.lockedAt(600)).toBe(true);
    expect(grid.periodSeconds).toBeCloseTo(0.1 / (1 - 1e-3), 4);
  });

  test('is exposed with its origin', () => {
    const sensor: SimulatedSensor = {
      load: sumOf(constantLoad(100), squareLoad(200, 0.37, 0.5)),
      windowSeconds: 0.1,
      periodSeconds: 0.5,
    };
    const meter = createMeter({ device: device(), startSeconds: instant(0), slotSeconds: 1 });
    expect(meter.sensor).toEqual({ field: 'unknown', origin: 'assumed' });
    meter.add(
      batchOf(
        sensor,
        pollTimes(0, 0.9, 0.05).map((time) => ({ time })),
      ),
    );
    expect(meter.sensor.origin).toBe('table');
    meter.add(
      batchOf(
        sensor,
        pollTimes(1, 30, 0.05).map((time) => ({ time })),
      ),
    );
    expect(meter.sensor.origin).toBe('inferred');
    expect(meter.sensor.periodSeconds).toBeCloseTo(0.5, 2);
    const { sensor: belief } = meter;
    meter.add(
      batchOf(
        sensor,
        pollTimes(30.05, 40, 0.05).map((time) => ({ time })),
      ),
    );
    expect(meter.sensor).toBe(belief);
    expect(meter.warnings.map(({ code }) => code)).toContain('part-time-sensor');
  });
});

describe('a load that is steady for several refreshes', () => {
  const a100 = device({ model: 'NVIDIA A100-SXM4-80GB', powerLimitWatts: watts(400) });
  const plateaus = (time: number): number => 100 + 40 * (Math.floor(time / 5) % 7);

  test.each([0.05, 0.1, 0.5, 1])(
    'is no refresh period: plateaus of 5 s polled every %f s leave the table standing',
    (poll) => {
      const meter = createMeter({ device: a100, startSeconds: instant(0), slotSeconds: 1 });
      const rows = pollTimes(0, 300, poll).map((time) => ({ time }));
      const batch = batchOf(
        { load: constantLoad(0), windowSeconds: 0.025, periodSeconds: 0.1 },
        rows,
      );
      const draw = Float64Array.from(rows, ({ time }) => plateaus(Math.floor(time * 10) / 10));
      meter.add({ ...batch, powerWatts: { draw } });
      expect(meter.sensor.windowSeconds).toBe(0.025);
      expect(Math.abs((meter.sensor.periodSeconds ?? 0) / 0.1 - 1)).toBeLessThan(0.05);
      if (poll > 0.1) expect(meter.sensor.origin).toBe('table');
      const sparse = meter.warnings.filter(({ code }) => code === 'sparse-readings');
      expect(sparse).toHaveLength(poll > 0.1 ? 1 : 0);
      expect(meter.warnings.map(({ message }) => message).join()).toContain('25 %');
    },
  );

  test.each([0.005, 0.02, 0.05])(
    'nor is a square of 130 ms seen by a 25/100 ms sensor polled every %f s',
    (poll) => {
      const load = sumOf(constantLoad(100), squareLoad(200, 0.13, 0.5));
      const sensor: SimulatedSensor = { load, windowSeconds: 0.025, periodSeconds: 0.1 };
      const rows = pollTimes(0, 60, poll).map((time) => ({ time }));
      const unknown = device({ model: 'A board nobody knows' });
      const meter = createMeter({ device: unknown, startSeconds: instant(0), slotSeconds: 1 });
      for (let from = 0; from < rows.length; from += 40) {
        meter.add(batchOf(sensor, rows.slice(from, from + 40)));
        expect(Math.abs((meter.sensor.periodSeconds ?? 0.1) / 0.1 - 1)).toBeLessThan(0.05);
      }
      expect(meter.sensor.origin).toBe('inferred');
      // When values change says nothing of how long each was averaged.
      expect(meter.sensor.windowSeconds).toBeUndefined();
    },
  );
});

describe('a register that averages over a second', () => {
  const facts = device({ model: 'NVIDIA H100 80GB HBM3' });

  test('sees a 6 s run to 0.3 %, which held forward is 10 % off', () => {
    const load = sumOf(
      constantLoad(70),
      during(sumOf(constantLoad(250), squareLoad(300, 0.3, 0.5)), 10.043, 16.043),
    );
    const sensor: SimulatedSensor = {
      load,
      field: 'average',
      windowSeconds: 1,
      periodSeconds: 0.1,
      phaseSeconds: 0.03,
    };
    const rows = pollTimes(5, 20, 0.031).map((time) => ({ time }));
    const measured = metered([batchOf(sensor, rows)], {
      start: 10.043,
      end: 16.043,
      device: facts,
    });
    const truth = load.joules(16.043) - load.joules(10.043);
    const held = rows.reduce(
      (sum, { time }) =>
        sum + (time >= 10.043 && time < 16.043 ? registerWatts(sensor, time) * 0.031 : 0),
      0,
    );
    expect(Math.abs(measured.energyJoules / truth - 1)).toBeLessThan(0.003);
    expect(Math.abs(held / truth - 1)).toBeGreaterThan(0.03);
  });

  test('shows a load of 100 ms that the quarter-time register gets wrong', () => {
    const load = sumOf(constantLoad(100), squareLoad(400, 0.1, 0.25, 0.01));
    const times = pollTimes(0, 20, 0.031);
    const register = (windowSeconds: number): Float64Array =>
      Float64Array.from(times, (time) =>
        registerWatts({ load, windowSeconds, periodSeconds: 0.1, phaseSeconds: 0.03 }, time),
      );
    const batch = {
      uuid: UUID,
      length: times.length,
      timeSeconds: Float64Array.from(times),
      status: new Uint8Array(times.length),
    };
    const both = { instant: register(0.025), average: register(1) };
    const truth = load.joules(19) - load.joules(1);
    const by = (powerWatts: Partial<typeof both>): number =>
      metered([{ ...batch, powerWatts }], { start: 1, end: 19, device: facts }).energyJoules /
        truth -
      1;
    expect(Math.abs(by({ instant: both.instant }))).toBeGreaterThan(0.1);
    expect(Math.abs(by(both))).toBeLessThan(0.005);
  });
});
