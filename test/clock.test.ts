import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { openClock, wallNow } from '../agent/clock.ts';
import { after } from '../agent/units.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'] });
});
afterEach(() => {
  vi.useRealTimers();
});

test('somebody who sets the wall clock bends no time that is measured', () => {
  const clock = openClock();
  const before = clock.now();
  vi.setSystemTime(Date.now() + 3_600_000);
  const elapsed = clock.now() - before;
  expect(elapsed).toBeGreaterThanOrEqual(0);
  expect(elapsed).toBeLessThan(600);
  expect(clock.wallOffset()).toBeGreaterThan(3600 - 600);
  expect(wallNow() - clock.now()).toBeGreaterThan(3600 - 600);
});

test('now() starts at the wall clock and never goes back', () => {
  vi.useRealTimers();
  const clock = openClock();
  expect(Math.abs(clock.now() - Date.now() / 1e3)).toBeLessThan(600);
  let last = clock.now();
  for (let i = 0; i < 1000; i += 1) {
    const next = clock.now();
    expect(next).toBeGreaterThanOrEqual(last);
    last = next;
  }
  expect(clock.takeSuspensions()).toEqual([]);
});

test('sleepUntil() is over at once for the past, and rejects when it is aborted', async () => {
  vi.useRealTimers();
  const clock = openClock();
  const abort = new AbortController();
  await clock.sleepUntil(after(clock.now(), -1), abort.signal);
  const asleep = clock.sleepUntil(after(clock.now(), 3600), abort.signal);
  abort.abort();
  await expect(asleep).rejects.toThrow(/abort/i);
  await expect(clock.sleepUntil(clock.now(), abort.signal)).rejects.toThrow(/abort/i);
});
