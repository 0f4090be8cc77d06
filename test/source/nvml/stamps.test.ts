// Where a foreign clock's stamps lie on our timeline: laws that hold for any clock and any polls.

import fc from 'fast-check';
import { expect, test } from 'vitest';

import { StampClock } from '../../../agent/source/nvml-stamps.ts';

const PERIOD_SECONDS = 0.02;
/** How long a question takes; its answer shows what was made until some moment in between. */
const CALL_SECONDS = 0.001;

interface Poll {
  readonly after: number;
  readonly until: number;
  readonly made: readonly number[];
}

/** Polls at `times`, each with the refreshes since the one before that had been made when it was answered. */
function pollsAt(times: readonly number[], phase: number): Poll[] {
  const refreshesUntil = (time: number): number => Math.floor((time - phase) / PERIOD_SECONDS);
  return times.slice(1).map((time, index) => {
    const before = times[index] ?? 0;
    const first = refreshesUntil(before + CALL_SECONDS / 2) + 1;
    const last = refreshesUntil(time + CALL_SECONDS / 2);
    const count = Math.max(0, last - first + 1);
    const made = Array.from({ length: count }, (_, at) => phase + (first + at) * PERIOD_SECONDS);
    return { after: before, until: time + CALL_SECONDS, made };
  });
}

const polls = fc
  .array(fc.double({ min: 0.03, max: 0.4, noNaN: true }), { minLength: 5, maxLength: 60 })
  .map((steps) => steps.reduce((times, step) => [...times, (times.at(-1) ?? 0) + step], [100]));
const offset = fc.double({ min: -1e9, max: 1e9, noNaN: true });
const drift = fc.double({ min: -1e-4, max: 1e-4, noNaN: true });
const phase = fc.double({ min: 0, max: PERIOD_SECONDS, noNaN: true });

test('a sample stands within its bracket, in order, and no farther off than the doubt says', () => {
  fc.assert(
    fc.property(polls, offset, drift, phase, (times, off, fast, start) => {
      const clock = new StampClock();
      const stampOf = (time: number): number => off + time * (1 + fast);
      let newest = Number.NEGATIVE_INFINITY;
      for (const { after, until, made } of pollsAt(times, start)) {
        const [first, last] = [made.at(0), made.at(-1)];
        if (first === undefined || last === undefined) continue;
        expect(clock.observe(stampOf(first), stampOf(last), { after, until })).toBe(true);
        for (const time of made) {
          const placed = clock.timeOf(stampOf(time), { after, until });
          expect(placed).toBeGreaterThanOrEqual(after);
          expect(placed).toBeLessThanOrEqual(until);
          expect(placed).toBeGreaterThanOrEqual(newest);
          newest = placed;
          // A double of 1e9 resolves 0.12 µs, and a drifting clock is told by the newest answer.
          const slack = 1e-6 + Math.abs(fast) * (until - after);
          expect(Math.abs(placed - time)).toBeLessThanOrEqual(clock.doubtSeconds + slack);
        }
      }
    }),
    { seed: 20261123, numRuns: 300 },
  );
});

test('polls that meet the refreshes at every phase narrow the doubt to a call and a little', () => {
  const clock = new StampClock();
  const times = Array.from({ length: 200 }, (_, index) => 100 + index * 0.1013);
  for (const { after, until, made } of pollsAt(times, 0.007)) {
    const [first, last] = [made.at(0) ?? 0, made.at(-1) ?? 0];
    clock.observe(first + 55, last + 55, { after, until });
  }
  expect(clock.doubtSeconds).toBeLessThan(2 * CALL_SECONDS);
  expect(clock.timeOf(120 + 55, { after: 0, until: 1000 })).toBeCloseTo(120, 2);
});

test('stamps that no clock can have made in the bracket are refused, and nothing is known then', () => {
  const clock = new StampClock();
  expect(clock.observe(10, 10.08, { after: 100, until: 100.1 })).toBe(true);
  expect(clock.doubtSeconds).toBeLessThan(0.02);
  expect(clock.observe(10.1, 3610.2, { after: 100.1, until: 100.2 })).toBe(false);
  expect(clock.doubtSeconds).toBe(Infinity);
});

test('a clock that was set is believed from the next answer on', () => {
  const clock = new StampClock();
  clock.observe(10, 10.08, { after: 100, until: 100.1 });
  expect(clock.observe(-3590, -3589.92, { after: 100.1, until: 100.2 })).toBe(true);
  expect(clock.timeOf(-3590, { after: 100.1, until: 100.2 })).toBeCloseTo(100.11, 2);
});
