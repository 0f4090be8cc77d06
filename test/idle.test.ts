import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { createAccount } from '../agent/account.ts';
import type { IdleTotals } from '../agent/account/idle.ts';
import type { Batch, ChargedInterval } from '../agent/model.ts';
import { createUtilizationReadings } from '../agent/pipeline/utilization.ts';
import { instant } from '../agent/units.ts';
import {
  chargedIntervals,
  device,
  interval,
  run,
  sensor,
  START,
  type IntervalOptions,
} from './account-doubles.ts';
import { known } from './known.ts';

const END = { endSeconds: instant(START + 100) };

/** The line of a GPU after these intervals. */
function lineAfter(intervals: readonly ChargedInterval[]) {
  const account = createAccount(run);
  account.addDevice(device('GPU-a'), sensor);
  for (const one of intervals) account.add(one);
  return known(account.books(END).devices[0]);
}
const idleAfter = (intervals: readonly ChargedInterval[]): IdleTotals | undefined =>
  lineAfter(intervals).idle;

/** A second each; `undefined`: no utilisation was read in it. */
const seconds = (
  ratios: readonly (number | undefined)[],
  options: IntervalOptions = {},
): ChargedInterval[] =>
  ratios.map((utilizationRatio, at) =>
    interval({ energyJoules: 100, ...options, at, utilizationRatio }),
  );

describe('the idle part of a device', () => {
  test('is the seconds between two readings of 0 %', () => {
    // Idle: from 0 to 2 and from 4 to 5; a second that the next reading found at work is not.
    const idle = known(idleAfter(seconds([0, 0, 0, 1, 0, 0, 0.5])));
    expect(idle).toMatchObject({ knownSeconds: 7, idleSeconds: 3, energyJoules: 300 });
    expect(idle.utilizationRatioMean).toBeCloseTo(1.5 / 7, 12);
    const facility = (300 * 1.2) / 3.6e6;
    expect(idle.facilityKilowattHours).toBeCloseTo(facility, 15);
    expect(idle.costAmount).toBeCloseTo(facility * 0.25, 15);
    expect(idle.locationBasedGrams).toBeCloseTo(facility * 400, 12);
  });

  test('goes on over seconds in which nobody read, and the last reading answers for what follows', () => {
    const idle = idleAfter(seconds([0, undefined, undefined, 0, undefined]));
    expect(idle).toMatchObject({ knownSeconds: 5, idleSeconds: 5 });
  });

  test.each<readonly [string, readonly ChargedInterval[], number, number]>([
    ['before the first reading', seconds([undefined, undefined, 0, 0]), 2, 2],
    [
      'where the readings are more than a minute apart',
      [
        ...seconds([0]),
        interval({ at: 1, length: 60, energyJoules: 1 }),
        interval({ at: 61, utilizationRatio: 0 }),
      ],
      1,
      1,
    ],
    [
      'while the GPU did not answer',
      [
        ...seconds([0]),
        interval({ at: 1, observed: 0, gap: 1, energyJoules: 0 }),
        interval({ at: 2, utilizationRatio: 0 }),
      ],
      2,
      2,
    ],
    [
      'of a hole that a counter bridged',
      [...seconds([0, 0]), interval({ at: 0, observed: 0, bridged: 1 })],
      2,
      2,
    ],
  ])('is not known %s', (_, intervals, knownSeconds, idleSeconds) => {
    expect(idleAfter(intervals)).toMatchObject({ knownSeconds, idleSeconds });
  });

  test('is absent where no utilisation was ever told, and 0 where the GPU always worked', () => {
    expect(idleAfter(seconds([undefined, undefined]))).toBeUndefined();
    expect(idleAfter(seconds([0.9, 1]))).toMatchObject({ idleSeconds: 0, energyJoules: 0 });
  });

  test('has no cost where part of the idle energy had none', () => {
    const [first, ...rest] = seconds([0, 0, 0]);
    const { costAmount: _, creditAmount: __, ...charge } = known(first).charge;
    const idle = idleAfter([{ ...known(first), charge }, ...rest]);
    expect(idle).toMatchObject({ energyJoules: 300 });
    expect(idle).not.toHaveProperty('costAmount');
    expect(idle).toHaveProperty('locationBasedGrams');
  });

  test('and the rest are the whole, in time, energy, money and grams', () => {
    fc.assert(
      fc.property(chargedIntervals(), (intervals) => {
        const line = lineAfter(intervals);
        if (line.idle === undefined) return;
        const { totals, idle } = line;
        const busy = lineAfter(
          intervals.map((one) =>
            one.utilizationRatio === undefined ? one : { ...one, utilizationRatio: 1 },
          ),
        );
        expect(known(busy.idle).idleSeconds).toBe(0);
        expect(busy.totals).toEqual(totals);
        expect(idle.knownSeconds).toBeLessThanOrEqual(totals.observedSeconds + 1e-9);
        expect(idle.idleSeconds).toBeLessThanOrEqual(idle.knownSeconds + 1e-9);
        expect(idle.energyJoules).toBeLessThanOrEqual(totals.energyJoules + 1e-9);
        expect(idle.facilityKilowattHours).toBeCloseTo((idle.energyJoules * 1.2) / 3.6e6, 12);
        expect(known(idle.locationBasedGrams)).toBeCloseTo(idle.facilityKilowattHours * 400, 9);
      }),
      { seed: 20261123, numRuns: 200 },
    );
  });

  test('is the same wherever a run is cut, with the account taken up from its checkpoint', () => {
    fc.assert(
      fc.property(chargedIntervals(), fc.nat(30), (intervals, cut) => {
        const first = createAccount(run);
        first.addDevice(device('GPU-a'), sensor);
        for (const one of intervals.slice(0, cut)) first.add(one);
        const second = createAccount(run, JSON.parse(JSON.stringify(first.toCheckpoint())));
        second.addDevice(device('GPU-a'), sensor);
        for (const one of intervals.slice(cut)) second.add(one);
        expect(second.books(END).devices[0]?.idle).toEqual(idleAfter(intervals));
      }),
      { seed: 20261123, numRuns: 100 },
    );
  });

  test('of an account whose checkpoint did not know it begins there', () => {
    const first = createAccount(run);
    first.addDevice(device('GPU-a'), sensor);
    for (const one of seconds([0, 0, 0])) first.add(one);
    const devices = first.toCheckpoint().devices.map(({ device: gpu, sensor: its, tally }) => ({
      device: gpu,
      sensor: its,
      tally,
    }));
    const second = createAccount(run, { devices });
    for (const one of seconds([0, 0, 0, 0, 0]).slice(3)) second.add(one);
    const [line] = second.books(END).devices;
    expect(line?.totals.observedSeconds).toBe(5);
    expect(line?.idle).toMatchObject({ knownSeconds: 2, idleSeconds: 2 });
  });
});

describe('utilisation readings', () => {
  const batch = (times: readonly number[], facts: Partial<Batch> = {}): Batch => ({
    uuid: 'GPU-a',
    length: times.length,
    timeSeconds: Float64Array.from(times, (time) => START + time),
    status: new Uint8Array(times.length),
    powerWatts: {},
    ...facts,
  });

  test('go to the interval that they were taken in, as their mean', () => {
    const readings = createUtilizationReadings();
    const utilizationRatio = Float64Array.of(0, 0.5, Number.NaN, 1, 0.2);
    readings.add(batch([0, 0.25, 0.5, 1, 1.5], { utilizationRatio }));
    // Half-open at the start: the reading at 1 is the first interval's, that at 0 nobody's.
    expect(readings.attach(interval({ at: 0 })).utilizationRatio).toBe(0.75);
    expect(readings.attach(interval({ at: 1 })).utilizationRatio).toBe(0.2);
    expect(readings.attach(interval({ at: 2 }))).not.toHaveProperty('utilizationRatio');
  });

  test('of a live source come with its gauges and stand at the end of the batch', () => {
    const readings = createUtilizationReadings();
    readings.add(batch([0.1, 0.2, 0.3], { gauges: { utilizationRatio: 0.4 } }));
    readings.add(batch([0.4, 1.2], { gauges: { temperatureCelsius: 50 } }));
    expect(readings.attach(interval({ at: 0 })).utilizationRatio).toBe(0.4);
    expect(readings.attach(interval({ at: 1 }))).not.toHaveProperty('utilizationRatio');
  });

  test('are forgotten when they were taken up, however many come', () => {
    const readings = createUtilizationReadings();
    const count = 10_000;
    const times = Array.from({ length: count }, (_, at) => at + 0.5);
    readings.add(batch(times, { utilizationRatio: new Float64Array(count).fill(0.5) }));
    for (let at = 0; at < count; at += 1)
      expect(readings.attach(interval({ at })).utilizationRatio).toBe(0.5);
    expect(readings.attach(interval({ at: 3 }))).not.toHaveProperty('utilizationRatio');
  });
});
