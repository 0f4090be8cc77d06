import fc from 'fast-check';
import { expect, test } from 'vitest';

import {
  chargeAt,
  intervalAt,
  newIntervalColumns,
  pushInterval,
  setCharge,
} from '../agent/interval-columns.ts';
import { joules } from '../agent/units.ts';
import { chargedIntervals, interval } from './account-doubles.ts';

test('columns give back the intervals that they were given', () => {
  fc.assert(
    fc.property(chargedIntervals({ uuids: ['GPU-a', 'GPU-b'] }), (intervals) => {
      const columns = newIntervalColumns(64);
      for (const [row, one] of intervals.entries()) {
        pushInterval(columns, one, one.uuid === 'GPU-a' ? 0 : 1);
        setCharge(columns, row, one.charge);
      }
      const back = intervals.map((_, row) => ({
        ...intervalAt(columns, row, (number) => (number === 0 ? 'GPU-a' : 'GPU-b')),
        charge: chargeAt(columns, row),
      }));
      expect(back).toStrictEqual(intervals);
    }),
    { seed: 52, numRuns: 100 },
  );
});

test('what an interval lacks stays absent, and what it has stays', () => {
  const columns = newIntervalColumns(2);
  const both = { counterJoules: joules(251), integralJoules: joules(250) };
  pushInterval(columns, { ...interval({ observed: 0, gap: 1 }), ...both }, 0);
  const back = intervalAt(columns, 0, () => 'GPU-a');
  expect(back).toMatchObject({ ...both, gapSeconds: { 'no-reading': 1 } });
  expect(back).not.toHaveProperty('powerMaxWatts');
});
