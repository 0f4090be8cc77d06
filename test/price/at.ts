// Instants and prices of energy for the tests of tariffs.

import { isTimeProblem, readInstant } from '../../agent/local-time.ts';
import type { Tariff } from '../../agent/price/tariff.ts';
import { integralOf } from '../../agent/schedule.ts';
import type { Instant } from '../../agent/units.ts';

/** The instant that ISO 8601 text means. */
export function at(text: string, zone = 'UTC'): Instant {
  const time = readInstant(text, zone);
  if (isTimeProblem(time)) throw new Error(time.problem);
  return time;
}

/** What 1 kW over [start, end) costs. */
export function costOfOneKilowatt(tariff: Tariff, start: Instant, end: Instant): number {
  const sum = integralOf(tariff.price, start, end);
  if (sum === undefined) throw new Error('The tariff has a gap.');
  return sum / 3600;
}
