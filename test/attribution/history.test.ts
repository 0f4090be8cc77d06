// Who used a stretch of time, from looks that come once a second or not at all.

import { expect, test } from 'vitest';

import { createProcessHistory, type ProcessHistory } from '../../agent/attribution/history.ts';
import type { SeenProcess } from '../../agent/attribution/job.ts';
import { instant } from '../../agent/units.ts';

const seen = (name: string, facts: Partial<SeenProcess> = {}): SeenProcess => ({
  identity: name,
  job: { kind: 'slurm', jobId: name },
  isMpsServer: false,
  ...facts,
});

const using = (name: string, smUtilizationRatio: number): SeenProcess =>
  seen(name, { smUtilizationRatio });

function history(...looks: readonly (readonly [number, ...SeenProcess[]])[]): ProcessHistory {
  const made = createProcessHistory({ holdSeconds: 10, keepSeconds: 300 });
  for (const [time, ...processes] of looks) made.add(instant(time), processes);
  return made;
}

function weightsOf(made: ProcessHistory, start: number, end: number): Record<string, number> {
  const { claims } = made.useOf(instant(start), instant(end));
  return Object.fromEntries(claims.map(({ job, weight }) => [job.jobId, weight]));
}

test('use of the SMs counts by the time it lasted', () => {
  const made = history(
    [100, using('a', 0.5), using('b', 0.1)],
    [101, using('a', 0.2), using('b', 0.4)],
  );
  expect(weightsOf(made, 99, 101)).toEqual({ a: expect.closeTo(0.7, 12), b: 0.5 });
  expect(made.useOf(instant(99), instant(101))).toMatchObject({
    basis: 'utilization',
    coveredRatio: 1,
    isEmpty: false,
  });
});

test('without use of the SMs jobs share by the time they were there, each once however many processes it has', () => {
  const made = history(
    [100, seen('a'), { ...seen('a'), identity: 'a2' }],
    [110, seen('a'), { ...seen('a'), identity: 'a2' }, seen('b', { startSeconds: instant(107) })],
  );
  expect(made.useOf(instant(100), instant(110)).basis).toBe('presence');
  expect(weightsOf(made, 100, 110)).toEqual({ a: 10, b: 3 });
});

test('where nobody used the SMs, being there is all that is known', () => {
  const made = history([100, using('a', 0), using('b', 0)]);
  expect(made.useOf(instant(99), instant(100)).basis).toBe('presence');
  expect(weightsOf(made, 99, 100)).toEqual({ a: 1, b: 1 });
});

test('a process that ended between two looks is taken to have been there half of the time', () => {
  const made = history([100, using('a', 1), using('b', 1)], [102, using('b', 1)]);
  expect(weightsOf(made, 100, 102)).toEqual({ a: 1, b: 2 });
  expect(weightsOf(made, 101, 102)).toEqual({ b: 1 });
});

test('a process that had not begun has no share of the time before', () => {
  const made = history(
    [100],
    [101, seen('a', { startSeconds: instant(100.75), smUtilizationRatio: 1 })],
  );
  expect(weightsOf(made, 100, 101)).toEqual({ a: 0.25 });
  expect(weightsOf(made, 100, 100.5)).toEqual({});
});

test('an interval that is settled before the next look finds who was there a moment ago', () => {
  const made = history([100, using('a', 1)]);
  expect(weightsOf(made, 100, 101)).toEqual({ a: 1 });
  expect(made.useOf(instant(105), instant(115)).coveredRatio).toBe(0.5);
  expect(made.useOf(instant(111), instant(112)).coveredRatio).toBe(0);
});

test('a long silence is unknown, unless the same processes stand on both sides of it', () => {
  const changed = history([100, using('a', 1)], [200, using('b', 1)]);
  expect(changed.useOf(instant(100), instant(200)).coveredRatio).toBeCloseTo(0.1, 12);
  const same = history([100, using('a', 1)], [200, using('a', 1)]);
  expect(same.useOf(instant(100), instant(200))).toMatchObject({ coveredRatio: 1 });
});

test('only a time that was watched whole without a process is empty', () => {
  const made = history([100], [101], [102, using('a', 1)]);
  expect(made.useOf(instant(99.5), instant(101)).isEmpty).toBe(true);
  expect(made.useOf(instant(100.5), instant(102)).isEmpty).toBe(false);
  expect(made.useOf(instant(80), instant(101)).isEmpty).toBe(false);
});

test('on MIG a job counts once for each instance, by presence', () => {
  const made = history([
    100,
    seen('a', { instance: '1/0' }),
    seen('a', { identity: 'a2', instance: '2/0' }),
    seen('a', { identity: 'a3', instance: '2/0' }),
    seen('b', { instance: '3/0' }),
  ]);
  expect(made.useOf(instant(99), instant(100))).toMatchObject({ isMig: true, basis: 'presence' });
  expect(weightsOf(made, 99, 100)).toEqual({ a: 2, b: 1 });
});

test("an MPS server's use is its clients', equally where only the server's is known", () => {
  const server = seen('mps', { isMpsServer: true, smUtilizationRatio: 0.9 });
  expect(weightsOf(history([100, server, using('a', 0), using('b', 0)]), 99, 100)).toEqual({
    a: 1,
    b: 1,
  });
  expect(weightsOf(history([100, server, using('a', 0.1), using('b', 0.3)]), 99, 100)).toEqual({
    a: 0.1,
    b: 0.3,
  });
  expect(weightsOf(history([100, server]), 99, 100)).toEqual({ mps: 0.9 });
});

test('old looks are let go', () => {
  const made = createProcessHistory({ holdSeconds: 10, keepSeconds: 30 });
  for (let time = 0; time <= 1000; time += 1) made.add(instant(time), [using('a', 1)]);
  expect(made.useOf(instant(900), instant(930)).coveredRatio).toBe(0);
  expect(made.useOf(instant(980), instant(1000)).coveredRatio).toBe(1);
});
