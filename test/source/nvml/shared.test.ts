// The memory between the NVML worker and the main thread, both sides held by one test.

import fc from 'fast-check';
import { expect, test } from 'vitest';

import { explain, faultReason, isPermanent, statusOf } from '../../../agent/source/nvml-return.ts';
import {
  createBuffers,
  failedRow,
  NvmlShared,
  type RingRow,
} from '../../../agent/source/nvml-shared.ts';

const bothSides = (): { main: NvmlShared; worker: NvmlShared } => {
  const buffers = createBuffers();
  return { main: new NvmlShared(buffers), worker: new NvmlShared(buffers) };
};

const row = (counterJoules: number): RingRow => ({ ...failedRow(3, 'ok'), counterJoules });

const takeAll = (main: NvmlShared): number[] => {
  const values: number[] = [];
  main.drain(({ counterJoules }) => values.push(counterJoules) > 0);
  return values;
};

test('rows come out as they went in, in order, however the two sides take turns', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 9_000 }), { maxLength: 30 }), (bursts) => {
      const { main, worker } = bothSides();
      let written = 0;
      const seen: number[] = [];
      for (const burst of bursts) {
        for (let i = 0; i < burst; i++) worker.push(row(written++));
        seen.push(...takeAll(main));
      }
      expect(seen).toEqual(Array.from({ length: written }, (_, index) => index));
      expect(main.takeDropped()).toBe(0);
    }),
    { seed: 20261123, numRuns: 10 },
  );
});

test('a full ring drops what comes, counts it, and keeps what it has', () => {
  const { main, worker } = bothSides();
  for (let i = 0; i < 20_000; i++) worker.push(row(i));
  const seen = takeAll(main);
  expect(seen[0]).toBe(0);
  expect(seen.at(-1)).toBe(seen.length - 1);
  expect(main.takeDropped()).toBe(20_000 - seen.length);
  expect(main.takeDropped()).toBe(0);
});

test('a row that is refused stays for the next time', () => {
  const { main, worker } = bothSides();
  [1, 2, 3].forEach((value) => worker.push(row(value)));
  main.drain(({ counterJoules }) => counterJoules < 2);
  expect(takeAll(main)).toEqual([2, 3]);
});

test('the call that is out is seen by its name, device and age, and is gone when it returns', () => {
  const { main, worker } = bothSides();
  expect(main.pendingCall()).toBeUndefined();
  worker.enterCall(0, -1);
  expect(main.pendingCall()).toMatchObject({ symbol: 'nvmlInit_v2', slot: -1 });
  expect(main.pendingCall()?.ageSeconds).toBeLessThan(5);
  worker.leaveCall();
  expect(main.pendingCall()).toBeUndefined();
});

test('a burst is on until its end, is never shortened, and ends a sleep', () => {
  const { main, worker } = bothSides();
  expect(worker.bursting).toBe(false);
  main.burstFor(60);
  main.burstFor(0.001);
  expect(worker.bursting).toBe(true);
  main.stop();
  expect(worker.stopped).toBe(true);
});

test.each([
  [0, 'ok', false],
  [3, 'not-supported', true],
  [4, 'no-permission', true],
  [9, 'driver-not-loaded', false],
  [10, 'timeout', false],
  [13, 'not-supported', true],
  [15, 'gpu-lost', false],
  [16, 'reset-required', false],
  [18, 'driver-not-loaded', false],
  [21, 'no-data', false],
  [26, 'not-supported', true],
  [28, 'gpu-lost', false],
  [999, 'unknown-error', false],
  [12_345, 'unknown-error', false],
])('code %i is %s', (code, status, permanent) => {
  expect(statusOf(code)).toBe(status);
  expect(isPermanent(code)).toBe(permanent);
  expect(faultReason(code)).toMatch(/^[a-z-]+$/);
  expect(explain(code)).toContain(`NVML code ${code}`);
});
