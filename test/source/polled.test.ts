import { expect, test } from 'vitest';

import type { Device } from '../../agent/model.ts';
import { type Poller, polledSource } from '../../agent/source/polled.ts';
import { batchesOf, eventsOf, statusesOf, steppingClock } from './polled-harness.ts';

const device: Device = {
  uuid: 'one',
  index: 0,
  kind: 'gpu',
  model: 'Imagined',
  source: 'hwmon',
  powerOrigin: 'measured',
};

const poller = (read: Poller['read']): Poller => ({
  kind: 'hwmon',
  periodSeconds: 0.5,
  open: () => Promise.resolve({ devices: [device], warnings: [] }),
  read,
  close: () => Promise.resolve(),
});

const reading = { uuid: 'one', status: 'ok', powerWatts: { draw: 100 } } as const;

test('readings stand on the grid of the period', async () => {
  const source = polledSource(
    poller(() => Promise.resolve([reading])),
    steppingClock(),
  );
  const batches = batchesOf(await eventsOf(source, 4), 'one');
  expect(batches.map(({ timeSeconds }) => timeSeconds[0])).toEqual([
    1_000_000, 1_000_000.5, 1_000_001, 1_000_001.5,
  ]);
});

test('a question that is not answered is a gap that grows, and its late answer is not believed', async () => {
  let answer: (() => void) | undefined;
  let asked = 0;
  const source = polledSource(
    poller(() => {
      if (++asked !== 2) return Promise.resolve([reading]);
      return new Promise((resolve) => {
        answer = () => resolve([reading]);
      });
    }),
    steppingClock((time) => {
      if (time > 1_000_008) answer?.();
    }, Infinity),
  );
  // With such patience every deadline comes before the answer of a promise that is not ready.
  const events = await eventsOf(source, 9);
  const statuses = statusesOf(batchesOf(events, 'one'));
  expect(statuses[0]).toBe('ok');
  expect(statuses.filter((status) => status === 'timeout').length).toBeGreaterThanOrEqual(4);
  expect(statuses.at(-1)).toBe('ok');
  expect(statuses.join(' ')).toMatch(/^ok( timeout)+( ok)+$/);
  const faults = events.filter((event) => event.kind === 'fault');
  expect(faults.map(({ reason }) => reason)).toEqual(['timeout']);
  // One question at a time: none was asked while the second was out.
  expect(asked).toBeLessThanOrEqual(1 + 1 + statuses.filter((status) => status === 'ok').length);
  const ticks = events.flatMap((event) => (event.kind === 'tick' ? [event.timeSeconds] : []));
  expect(ticks).toEqual(ticks.toSorted((a, b) => a - b));
});

test('a question that fails is a fault and a gap, and is asked again', async () => {
  let asked = 0;
  const source = polledSource(
    poller(() => (++asked === 2 ? Promise.reject(new Error('burnt')) : Promise.resolve([reading]))),
    steppingClock(),
  );
  const events = await eventsOf(source, 3);
  expect(statusesOf(batchesOf(events, 'one'))).toEqual(['ok', 'unknown-error', 'ok']);
  expect(events.find((event) => event.kind === 'fault')?.message).toContain('burnt');
});

test('a reader that takes longer than its period skips ticks, it does not catch up', async () => {
  const clock = steppingClock();
  const source = polledSource(
    poller(async (_now, signal) => {
      await clock.sleepUntil((clock.now() + 1.2) as never, signal);
      return [reading];
    }),
    clock,
  );
  const times = batchesOf(await eventsOf(source, 3), 'one').map(
    ({ timeSeconds }) => timeSeconds[0] ?? 0,
  );
  // Begun at 0, 1.5 and 3; each stamped with its middle.
  expect(times.map((time) => Number((time - 1_000_000).toFixed(3)))).toEqual([0.6, 2.1, 3.6]);
});
