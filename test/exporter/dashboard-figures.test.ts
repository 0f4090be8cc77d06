import { describe, expect, test } from 'vitest';

import { grams, joules, seconds, watts } from '../../agent/units.ts';
import {
  carbonSum,
  costSum,
  coverageSum,
  energyProvenance,
  energySum,
  jobSums,
  powerNow,
} from '../../exporter/dashboard/figures.ts';
import {
  coverage,
  duration,
  energy,
  inline,
  mass,
  memory,
  money,
  percent,
  power,
  quantity,
} from '../../exporter/dashboard/format.ts';
import { someGpu, someSnapshot, someTotals } from './a-snapshot.ts';

const plain = (text: string | undefined): string | undefined => text?.replaceAll('\u202f', ' ');

describe('format', () => {
  test.each([
    [quantity(undefined, 'W'), '–'],
    [quantity(312.25, 'W'), '312 W'],
    [quantity(1234.5, 'W'), '1,235 W'],
    [quantity(0, 'W'), '0 W'],
    [quantity(1.444, 'ms', 2), '1.4 ms'],
    [percent(undefined), '–'],
    [percent(0.57), '57 %'],
    [coverage(undefined), '–'],
    [coverage(1), '100 %'],
    [coverage(0.999999), '99.99 %'],
    [coverage(0), '0.00 %'],
    [duration(undefined), '–'],
    [duration(0), '0 s'],
    [duration(59.6), '1 min'],
    [duration(3723), '1 h 2 min'],
    [duration(90_061), '1 d 1 h'],
    [memory(undefined, 80 * 2 ** 30), '–'],
    [memory(40 * 2 ** 30, 80 * 2 ** 30), '40.0 / 80 GiB'],
    [memory(40 * 2 ** 30, undefined), '40.0 GiB'],
    [inline(power(undefined)), '–'],
    [inline(power(2417.4)), '2,417 W'],
    [inline(power(123_456)), '123.5 kW'],
    [inline(energy(undefined)), '–'],
    [inline(energy(0)), '0 Wh'],
    [inline(energy(3.6e6)), '1.00 kWh'],
    [inline(energy(3.6e6 * 1.23456, 3.6e6 * 0.0123)), '1.235 kWh'],
    [inline(energy(7.2e9, 7.2e7)), '2.000 MWh'],
    [inline(mass(131.4)), '131 g CO₂e'],
    [inline(mass(4440)), '4.44 kg CO₂e'],
    [inline(money(undefined, 'EUR')), '–'],
    [inline(money(3.2251, 'EUR')), '3.23 EUR'],
    [inline(money(0.09432, 'EUR')), '0.0943 EUR'],
    [inline(money(-2.5, 'EUR')), '-2.50 EUR'],
  ])('%j reads %j', (text, expected) => {
    expect(plain(text)).toBe(expected);
  });

  test('shows an uncertainty to two digits, and the value to the same place', () => {
    const { value, uncertainty } = energy(4_263_999, 44_444);
    expect([value, plain(uncertainty)]).toEqual(['1.184', '± 0.012 kWh']);
  });

  test.each([
    [0.000197, 0.0000124, '0.000197', '± 0.000012 USD'],
    [0.5, 0.0000124, '0.500000', '± 0.000012 USD'],
    [0.5, 3, '0.50', '± 3.00 USD'],
    [1234.5, 0.0123, '1,234.500', '± 0.012 USD'],
    [0.5, 0, '0.500', undefined],
  ])('shows %f ± %f of money as %s %s', (amount, spread, shown, shownSpread) => {
    const { value, uncertainty } = money(amount, 'USD', spread);
    expect([value, plain(uncertainty)]).toEqual([shown, shownSpread]);
  });
});

describe('figures', () => {
  test('a GPU that does not report is left out of the power and of the limit', () => {
    const { powerWatts: _power, ...silent } = someGpu(1);
    const snapshot = someSnapshot({
      devices: [someGpu(0), silent, someGpu(2, { present: false })],
    });
    expect(powerNow(snapshot)).toEqual({
      watts: 312.25,
      limitWatts: 350,
      reporting: 1,
      present: 2,
      gone: 1,
    });
  });

  test('no GPU means no power, not 0 W', () => {
    expect(powerNow(someSnapshot({ devices: [] }))).toMatchObject({ present: 0, reporting: 0 });
    expect(powerNow(someSnapshot({ devices: [] })).watts).toBeUndefined();
    expect(energySum(someSnapshot({ devices: [] })).kind).toBe('unknown');
    expect(coverageSum(someSnapshot({ devices: [] }))).toBeUndefined();
    expect(energyProvenance(someSnapshot({ devices: [] }))).toBeUndefined();
  });

  test('uncertainties of different GPUs add as squares, energies of vanished ones stay', () => {
    const totals = (energy: number, uncertainty: number) =>
      someTotals({ energyJoules: joules(energy), uncertaintyJoules: joules(uncertainty) });
    const devices = [
      someGpu(0, { totals: totals(1000, 30) }),
      someGpu(1, { totals: totals(500, 40), present: false }),
    ];
    expect(energySum(someSnapshot({ devices }))).toEqual({
      kind: 'known',
      value: 1500,
      uncertainty: 50,
    });
  });

  test('coverage is what was observed of all time, bridged gaps given back', () => {
    const totals = someTotals({
      observedSeconds: seconds(90),
      gapSeconds: { timeout: 20 },
      bridgedSeconds: seconds(10),
    });
    expect(coverageSum(someSnapshot({ devices: [someGpu(0, { totals })] }))).toBeCloseTo(0.9, 12);
  });

  test('cost is what was paid less what was given back', () => {
    const totals = someTotals({ costAmount: 3, creditAmount: 1, uncertaintyCostAmount: 0.3 });
    expect(costSum(someSnapshot({ devices: [someGpu(0, { totals })] }))).toEqual({
      kind: 'known',
      value: 2,
      uncertainty: 0.3,
    });
  });

  test('one GPU without a price leaves the whole cost unknown, with the reason', () => {
    const { costAmount: _cost, ...unpriced } = someTotals();
    const devices = [someGpu(0), someGpu(1, { totals: unpriced })];
    expect(costSum(someSnapshot({ devices }))).toMatchObject({
      kind: 'unknown',
      reason: expect.stringContaining('no price'),
    });
  });

  test('without a zone there is no carbon, with the reason', () => {
    const { grid: _grid, ...snapshot } = someSnapshot();
    expect(carbonSum(snapshot)).toMatchObject({
      kind: 'unknown',
      reason: expect.stringContaining('--zone'),
    });
    const totals = someTotals({ locationBasedGrams: grams(7) });
    expect(carbonSum(someSnapshot({ devices: [someGpu(0, { totals })] }))).toEqual({
      kind: 'known',
      value: 7,
    });
  });

  test('a GPU that was never read has no energy and spoils no sum; without another nothing is known', () => {
    const { costAmount: _c, creditAmount: _d, locationBasedGrams: _g, ...nothing } = someTotals();
    const totals = { ...nothing, energyJoules: joules(0), observedSeconds: seconds(0) };
    const blind = someGpu(1, { totals });
    const both = someSnapshot({ devices: [someGpu(0), blind] });
    const one = someSnapshot({ devices: [someGpu(0)] });
    for (const sum of [energySum, costSum, carbonSum]) {
      expect(sum(both)).toEqual(sum(one));
      expect(sum(someSnapshot({ devices: [blind] }))).toEqual({
        kind: 'unknown',
        reason: 'No power has been read yet: see the sources.',
      });
    }
  });

  test('one modelled device makes the sum modelled', () => {
    const modelled = someGpu(1, { device: { ...someGpu(1).device, powerOrigin: 'modelled' } });
    expect(energyProvenance(someSnapshot())).toBe('measured');
    expect(energyProvenance(someSnapshot({ devices: [someGpu(0), modelled] }))).toBe('modelled');
  });

  test('a job is summed over its GPUs, the largest first', () => {
    const on = (jobId: string, uuid: string, energy: number) => ({
      kind: 'slurm',
      jobId,
      uuid,
      energyJoules: joules(energy),
    });
    const jobs = [on('1', 'a', 10), on('2', 'a', 100), on('1', 'b', 20)];
    expect(
      jobSums(someSnapshot({ jobs })).map(({ jobId, energyJoules, gpuCount }) => [
        jobId,
        energyJoules,
        gpuCount,
      ]),
    ).toEqual([
      ['2', 100, 1],
      ['1', 30, 2],
    ]);
    expect(jobSums(someSnapshot())).toEqual([]);
  });

  test('a limit that one reporting GPU lacks is no limit for all', () => {
    const { powerLimitWatts: _limit, ...device } = someGpu(1).device;
    const unlimited = someGpu(1, { device, gauges: {}, powerWatts: watts(100) });
    expect(powerNow(someSnapshot({ devices: [someGpu(0), unlimited] })).limitWatts).toBeUndefined();
  });
});
