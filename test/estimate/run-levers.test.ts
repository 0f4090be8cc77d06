import { describe, expect, test } from 'vitest';

import { POWER_CAP_V100 } from '../../agent/estimate/lever-facts.ts';
import { runLeversOf, type MeasuredRun } from '../../agent/estimate/run-levers.ts';
import type { Schedule } from '../../agent/schedule.ts';
import { instant } from '../../agent/units.ts';
import { known } from '../known.ts';

const START = 1_800_000_000;
const HOUR = 3600;

/** Values by the hour from START on; a gap behind them. */
const hourly = (values: readonly number[]): Schedule => ({
  valueAt: (time) => values[Math.floor((time - START) / HOUR)],
  nextChange: (time) => {
    const hour = Math.floor((time - START) / HOUR) + 1;
    return hour <= values.length ? instant(START + hour * HOUR) : undefined;
  },
});

/** Ten GPUs for 10 h at 300 W: 30 kWh in all at a PUE of 1, 0.10 EUR and 500 g per kWh. */
const measured: MeasuredRun = {
  gpuJoules: 30 * 3.6e6,
  powerUsageEffectiveness: 1,
  facilityKilowattHours: 30,
  gpuHours: 100,
  startSeconds: instant(START),
  durationSeconds: 10 * HOUR,
  currency: 'EUR',
  pricePerKilowattHour: 0.1,
  gramsPerKilowattHour: 500,
  social: { perTonne: { low: 100, mid: 200, high: 300 }, currency: 'USD' },
};
const leverOf = (id: string, facts: Partial<MeasuredRun>) =>
  known(runLeversOf({ ...measured, ...facts }).find((lever) => lever.id === id));

describe('the levers of a measured run', () => {
  test('are none where nothing is given that they could be weighed against', () => {
    expect(runLeversOf(measured)).toEqual([]);
  });

  test('a cap on rented GPUs saves carbon, not money, and names the price at which it would pay', () => {
    const { mid } = POWER_CAP_V100.value;
    expect(mid).toEqual({ gpuEnergyRatio: 0.897, timeRatio: 1.037 });
    const cap = leverOf('power-cap', { hardware: { perGpuHourCost: 2, isRented: true } });
    // 30 kWh × 0.103 = 3.09 kWh; 100 GPU-h × 0.037 × 2 EUR = 7.40 EUR; 7.40 ÷ 3.09 = 2.3948 EUR/kWh.
    expect(cap.savedKilowattHours?.mid).toBeCloseTo(3.09, 9);
    expect(cap.savedKilowattHours?.low).toBeCloseTo(30 * 0.011, 9);
    expect(cap.savedKilowattHours?.high).toBeCloseTo(30 * 0.126, 9);
    expect(cap.savedCost).toBeCloseTo(-7.4, 9);
    expect(cap.savedGrams).toBeCloseTo(1545, 9);
    expect(cap.breakEvenPricePerKilowattHour).toBeCloseTo(7.4 / 3.09, 9);
    expect(cap.breakEven).toBe(
      'saves carbon, not money, on rented GPUs (7.4 EUR for 3.7 more GPU-hours); beside a rent without energy it would pay above 2.395 EUR/kWh',
    );
  });

  test('a cap on owned GPUs pays above the same price, and saves its electricity until then', () => {
    const cap = leverOf('power-cap', { hardware: { perGpuHourCost: 2, isRented: false } });
    expect(cap.savedCost).toBeCloseTo(0.309 - 7.4, 9);
    expect(cap.breakEven).toBe('pays above 2.395 EUR/kWh (7.4 EUR for 3.7 more GPU-hours)');
    const dear = leverOf('power-cap', {
      hardware: { perGpuHourCost: 2, isRented: false },
      pricePerKilowattHour: 7.4 / 3.09,
    });
    expect(dear.savedCost).toBeCloseTo(0, 9);
  });

  test('a cap counts the host for the longer time, and never pays where that takes more than it saves', () => {
    const cap = leverOf('power-cap', {
      hostJoules: 100 * 3.6e6,
      powerUsageEffectiveness: 1.5,
      hardware: { perGpuHourCost: 2, isRented: true },
    });
    // (3.09 − 100 × 0.037) × 1.5
    expect(cap.savedKilowattHours?.mid).toBeCloseTo(-0.915, 9);
    expect(cap.breakEven).toBe('never: it saves no energy here');
    expect(cap).not.toHaveProperty('breakEvenPricePerKilowattHour');
  });

  test('another hour saves the difference of the mean prices, within a day and what the series covers', () => {
    // The run took hours 0 to 9 at 0.40; from hour 12 on it is 0.10, and the file ends after 24 h.
    const price = hourly([
      ...Array.from({ length: 12 }, () => 0.4),
      ...Array.from({ length: 12 }, () => 0.1),
    ]);
    const later = leverOf('time-shift-price', { price });
    expect(later.name).toBe('Start when electricity is cheapest, 12 h later');
    expect(later.savedCost).toBeCloseTo(30 * 0.3, 9);
    expect(later.breakEven).toBe('pays while waiting costs less than 9 EUR');
    const best = leverOf('time-shift-price', {
      price: hourly([0.1, ...Array(30).fill(0.2)]),
      durationSeconds: HOUR,
    });
    expect(best.savedCost).toBe(0);
    expect(best.breakEven).toBe('never: no start of the next day is cheaper');
  });

  test('says nothing of another hour where the series does not cover the run itself', () => {
    expect(runLeversOf({ ...measured, price: hourly([0.1, 0.2]) })).toEqual([]);
  });

  test('a cleaner hour is worth what the carbon costs society', () => {
    const intensity = hourly([...Array(10).fill(500), ...Array(20).fill(100)]);
    const later = leverOf('time-shift-carbon', { intensity });
    // 30 kWh × 400 g = 12 kg; × 200 USD/t = 2.4 USD.
    expect(later.savedGrams).toBeCloseTo(12_000, 9);
    expect(later.breakEven).toBe('pays while waiting costs less than 2.4 USD at 200 USD/t');
  });

  test('another place saves the difference of intensities, or never pays', () => {
    const levers = runLeversOf({ ...measured, regions: { north: 100, south: 700 } });
    expect(levers.map(({ id, savedGrams, breakEven }) => [id, savedGrams, breakEven])).toEqual([
      ['region-north', 12_000, 'pays while moving the work costs less than 2.4 USD at 200 USD/t'],
      ['region-south', -6000, 'never: the grid there is no cleaner'],
    ]);
    const { gramsPerKilowattHour: _, ...unknown } = measured;
    expect(runLeversOf({ ...unknown, regions: { north: 100 } })).toEqual([]);
  });
});
