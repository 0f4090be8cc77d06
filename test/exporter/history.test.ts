import { expect, test } from 'vitest';

import { instant, watts } from '../../agent/units.ts';
import { History } from '../../exporter/history.ts';
import { someGpu, someSnapshot } from './a-snapshot.ts';

const A = someGpu(0).device.uuid;
const B = someGpu(1).device.uuid;

const at = (time: number, ...powers: (number | undefined)[]) =>
  someSnapshot({
    takenSeconds: instant(time),
    devices: powers.map((power, index) => {
      const { powerWatts: _power, ...gpu } = someGpu(index);
      return power === undefined ? gpu : { ...gpu, powerWatts: watts(power) };
    }),
  });

test('history is columns of equal length, with a hole where a GPU was silent or not there', () => {
  const history = new History();
  for (const snapshot of [at(1, 100), at(2, undefined, 200), at(3, 300, 400)])
    history.add(snapshot);
  expect(history.columns()).toEqual({
    timeSeconds: [1, 2, 3],
    powerWatts: { [A]: [100, null, 300], [B]: [null, 200, 400] },
  });
});

test('history keeps fifteen minutes however often snapshots come', () => {
  const history = new History();
  for (let time = 0; time < 2000; time += 0.25) history.add(at(time, time));
  const { timeSeconds, powerWatts } = history.columns();
  expect(timeSeconds).toHaveLength(900);
  expect(timeSeconds.at(-1)).toBe(1999);
  expect(powerWatts[A]?.[0]).toBe(timeSeconds[0]);
});

test('history begins anew when time goes back, as in a looped recording', () => {
  const history = new History();
  for (const time of [10, 11, 12, 5]) history.add(at(time, time));
  expect(history.columns()).toEqual({ timeSeconds: [5], powerWatts: { [A]: [5] } });
});
