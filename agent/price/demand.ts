// What a run's peaks cost: D(peaks with the run) − D(peaks without), per month, charge and period, shown apart from
// energy and never pro-rated (ECONOMICS.md §2). Pure apart from the windows it fills.

import { calendarOf, clockSecondsAt, type Calendar, type LocalMonth } from '../local-time.ts';
import { integralOf, type Schedule } from '../schedule.ts';
import { instant, type Instant } from '../units.ts';
import type { DemandBlock, DemandCharge, Tariff } from './tariff.ts';

const SECONDS_PER_HOUR = 3600;

/** Minutes that a demand window may last: they tile the hour, so that clock changes never cut one. */
export const DEMAND_MINUTES: readonly number[] = [1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60];

/** What a run adds to one demand charge in one month and period. */
export interface DemandCost {
  readonly kind: DemandCharge['kind'];
  readonly name: string;
  /** Local month, e.g. `2026-03`. */
  readonly month: string;
  /** Position in the charge's blocks. */
  readonly period: number;
  readonly peakWithKilowatts?: number;
  readonly peakWithoutKilowatts?: number;
  /** Absent when it cannot be known: `missing` says why. */
  readonly amount?: number;
  readonly missing?: string;
}

/** Fills demand windows with a run's facility energy. */
export interface DemandMeter {
  /** Spreads kWh evenly over [start, end); devices and intervals may come in any order. */
  add(start: Instant, end: Instant, energyKilowattHours: number): void;
  costs(): readonly DemandCost[];
}

/** A meter over windows of `minutes` (one of DEMAND_MINUTES), aligned to the local clock. @throws RangeError */
export function createDemandMeter(tariff: Tariff, minutes = 15): DemandMeter {
  if (!DEMAND_MINUTES.includes(minutes)) {
    throw new RangeError(
      `Demand windows of ${minutes} minutes do not tile an hour. Give one of ${DEMAND_MINUTES.join(', ')}.`,
    );
  }
  const calendar = calendarOf(tariff.timeZone ?? 'UTC');
  const windowSeconds = minutes * 60;
  const energyByWindow = new Map<number, number>();
  return {
    add(start, end, energyKilowattHours) {
      let from: number = start;
      while (from < end) {
        const window = windowAt(calendar, instant(from), windowSeconds);
        const to = Math.min(end, window + windowSeconds);
        const share = (energyKilowattHours * (to - from)) / (end - start);
        energyByWindow.set(window, (energyByWindow.get(window) ?? 0) + share);
        from = to;
      }
    },
    costs: () => costsOf(tariff, calendar, energyByWindow, windowSeconds),
  };
}

function windowAt(calendar: Calendar, time: Instant, windowSeconds: number): number {
  // Windows start at whole seconds; the subtraction of fractions must not make two keys of one window.
  return Math.round(time - (clockSecondsAt(calendar.dayAt(time), time) % windowSeconds));
}

interface Peaks {
  without: number;
  with: number;
  /** Whether the run drew power in this period at all. */
  touched: boolean;
}

/** Mean power over one window. */
interface WindowPower {
  readonly startSeconds: Instant;
  readonly runKilowatts: number;
  readonly siteKilowatts: number | undefined;
}

function costsOf(
  tariff: Tariff,
  calendar: Calendar,
  energyByWindow: ReadonlyMap<number, number>,
  windowSeconds: number,
): DemandCost[] {
  const months = new Map<string, LocalMonth>();
  for (const window of energyByWindow.keys()) {
    const month = calendar.monthAt(instant(window));
    months.set(month.name, month);
  }
  return [...months.values()].flatMap((month) => {
    const windows = windowsOf(month, energyByWindow, windowSeconds, tariff.siteLoadKilowatts);
    return (tariff.demand ?? []).flatMap((charge) =>
      costsOfCharge(charge, month, windows, windowSeconds),
    );
  });
}

function windowsOf(
  month: LocalMonth,
  energyByWindow: ReadonlyMap<number, number>,
  windowSeconds: number,
  siteLoad: Schedule | undefined,
): WindowPower[] {
  const windows: WindowPower[] = [];
  for (let start: number = month.startSeconds; start < month.endSeconds; start += windowSeconds) {
    const from = instant(start);
    const site =
      siteLoad === undefined ? 0 : integralOf(siteLoad, from, instant(start + windowSeconds));
    windows.push({
      startSeconds: from,
      runKilowatts: ((energyByWindow.get(start) ?? 0) * SECONDS_PER_HOUR) / windowSeconds,
      siteKilowatts: site === undefined ? undefined : site / windowSeconds,
    });
  }
  return windows;
}

function costsOfCharge(
  charge: DemandCharge,
  month: LocalMonth,
  windows: readonly WindowPower[],
  windowSeconds: number,
): DemandCost[] {
  const row = { kind: charge.kind, name: charge.name, month: month.name };
  if (charge.period === undefined && charge.peaks === undefined) {
    return [{ ...row, period: 0, missing: 'the tariff does not say when the system peaks' }];
  }
  const peaksByPeriod = new Map<number, Peaks>();
  for (const window of windows) {
    const period = periodOf(charge, window.startSeconds, windowSeconds);
    if (period === undefined) continue;
    if (window.siteKilowatts === undefined) {
      if (window.runKilowatts === 0) continue;
      return [{ ...row, period, missing: 'the site load does not cover the run' }];
    }
    const peaks = peaksByPeriod.get(period) ?? { without: 0, with: 0, touched: false };
    peaks.without = Math.max(peaks.without, window.siteKilowatts);
    peaks.with = Math.max(peaks.with, window.siteKilowatts + window.runKilowatts);
    peaks.touched ||= window.runKilowatts > 0;
    peaksByPeriod.set(period, peaks);
  }
  return [...peaksByPeriod]
    .filter(([, peaks]) => peaks.touched)
    .map(([period, peaks]) => {
      const blocks = charge.blocks[period] ?? [];
      return {
        ...row,
        period,
        peakWithKilowatts: peaks.with,
        peakWithoutKilowatts: peaks.without,
        amount: amountOf(blocks, peaks.with) - amountOf(blocks, peaks.without),
      };
    });
}

function periodOf(charge: DemandCharge, start: Instant, windowSeconds: number): number | undefined {
  if (charge.peaks === undefined) return charge.period?.valueAt(start);
  return charge.peaks.some((peak) => peak >= start && peak < start + windowSeconds) ? 0 : undefined;
}

/** D(peak): each block's part of the peak at its own rate. */
function amountOf(blocks: readonly DemandBlock[], peakKilowatts: number): number {
  let amount = 0;
  let from = 0;
  for (const [position, block] of blocks.entries()) {
    const isLast = position === blocks.length - 1;
    const to = isLast ? Infinity : (block.upToKilowatts ?? Infinity);
    if (peakKilowatts <= from) break;
    amount += (Math.min(peakKilowatts, to) - from) * block.ratePerKilowatt;
    from = to;
  }
  return amount;
}
