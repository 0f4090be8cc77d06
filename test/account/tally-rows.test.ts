import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { createAccount } from '../../agent/account.ts';
import { newIntervalColumns, pushInterval, setCharge } from '../../agent/interval-columns.ts';
import type { ChargedInterval } from '../../agent/model.ts';
import { grams, instant, joules, seconds } from '../../agent/units.ts';
import { device, interval, run, sensor, START } from '../account-doubles.ts';

const UUIDS = ['GPU-a', 'GPU-b', 'GPU-c'];
const CAPACITY = 256;

const ODDITIES = [
  'no price',
  'no grams',
  'no energy',
  'both methods',
  'modelled',
  'no extremes',
  'market',
  'credit only',
  'gap',
  'partly a gap',
  'estimate',
  'bridging',
  'late',
  'missing',
] as const;
type Oddity = (typeof ODDITIES)[number];

const amount = (max: number): fc.Arbitrary<number> => fc.double({ min: 0, max, noNaN: true });
const slot = fc.record({
  energyJoules: amount(700),
  gainJoules: amount(20),
  startEdgeJoules: amount(20),
  endEdgeJoules: amount(20),
  independent: amount(100),
  pricePerKilowattHour: fc.constantFrom(0.1, 0.1, 0.25, -0.05),
  // Mostly nothing odd, so that stretches between cuts are plain.
  oddity: fc.option(fc.tuple(fc.constantFrom(...UUIDS), fc.constantFrom(...ODDITIES)), {
    freq: 8,
    nil: undefined,
  }),
});

function odd(one: ChargedInterval, oddity: Oddity, at: number): ChargedInterval[] {
  const { uuid } = one;
  const { costAmount: _cost, creditAmount: _credit, ...unpriced } = one.charge;
  const { locationBasedGrams: _grams, ...withoutGrams } = one.charge;
  const { powerMaxWatts: _max, powerMinWatts: _min, ...withoutExtremes } = one;
  switch (oddity) {
    case 'no price':
      return [{ ...one, charge: unpriced }];
    case 'no grams':
      return [{ ...one, charge: withoutGrams }];
    case 'no energy':
      return [{ ...one, energyJoules: joules(0) }];
    case 'both methods': {
      const counterJoules = joules(one.energyJoules * 1.01);
      return [{ ...one, method: 'counter', counterJoules, integralJoules: one.energyJoules }];
    }
    case 'modelled':
      return [{ ...one, method: 'modelled' }];
    case 'no extremes':
      return [withoutExtremes];
    case 'market':
      return [{ ...one, charge: { ...one.charge, marketBasedGrams: grams(3) } }];
    case 'gap': {
      const estimate = { estimate: 40, estimateUncertainty: 12 };
      return [interval({ uuid, at, energyJoules: 0, observed: 0, gap: 1, ...estimate })];
    }
    case 'credit only':
      return [{ ...one, charge: { ...unpriced, creditAmount: 2e-6 } }];
    case 'partly a gap': {
      const estimate = { estimate: 0, estimateUncertainty: 7, startEdgeJoules: 3 };
      return [interval({ uuid, at, energyJoules: 90, observed: 0.5, gap: 0.5, ...estimate })];
    }
    case 'estimate':
      return [{ ...one, gapEstimateJoules: joules(5) }];
    case 'bridging':
      return [{ ...one, bridgedSeconds: seconds(0.5) }];
    case 'late': {
      const bridging = { at: Math.max(0, at - 2), length: 2, observed: 0, bridged: 1.5 };
      return [one, interval({ uuid, energyJoules: 300, estimate: -40, ...bridging })];
    }
    case 'missing':
      return [];
  }
}

/** Intervals of three devices with everything that may happen to them, in the order in which they settle. */
const anyIntervals = fc.array(slot, { minLength: 1, maxLength: 40 }).map((slots) =>
  slots.flatMap(({ oddity: mark, ...rest }, at) =>
    UUIDS.flatMap((uuid) => {
      const one = interval({ ...rest, uuid, at });
      return mark?.[0] === uuid ? odd(one, mark[1], at) : [one];
    }),
  ),
);

function newAccount() {
  const account = createAccount(run);
  for (const uuid of UUIDS) account.addDevice(device(uuid), sensor);
  return account;
}

const uuidOf = (number: number): string => UUIDS[number] ?? 'none';
const end = { endSeconds: instant(START + 1000) };

describe('rows of columns', () => {
  test('come to the same books as the intervals one by one, to the last bit', () => {
    fc.assert(
      fc.property(anyIntervals, fc.array(fc.nat(130), { maxLength: 12 }), (intervals, cuts) => {
        const oneByOne = newAccount();
        for (const one of intervals) oneByOne.add(one);
        const columns = newIntervalColumns(CAPACITY);
        for (const [row, one] of intervals.entries()) {
          pushInterval(columns, one, UUIDS.indexOf(one.uuid));
          setCharge(columns, row, one.charge);
        }
        const asRows = newAccount();
        const edges = [0, ...cuts.filter((cut) => cut < intervals.length), intervals.length];
        const ascending = edges.toSorted((a, b) => a - b);
        for (const [at, to] of ascending.slice(1).entries())
          asRows.addRows(columns, { from: ascending[at] ?? 0, to }, uuidOf);
        expect(asRows.books(end)).toEqual(oneByOne.books(end));
        expect(asRows.toCheckpoint()).toEqual(oneByOne.toCheckpoint());
      }),
      { seed: 51, numRuns: 300 },
    );
  });

  test('are plain for the most part: a tiling without oddities is not read one by one', () => {
    const columns = newIntervalColumns(CAPACITY);
    for (let at = 0; at < 40; at += 1) {
      const one = interval({ at, startEdgeJoules: at, endEdgeJoules: 1, gainJoules: 2 });
      pushInterval(columns, one, 0);
      setCharge(columns, at, one.charge);
    }
    const asked: number[] = [];
    const account = newAccount();
    account.addRows(columns, { from: 0, to: 1 }, uuidOf);
    account.addRows(columns, { from: 1, to: 40 }, (number) => {
      asked.push(number);
      return uuidOf(number);
    });
    // Once for the device's line; an interval that is made of a row asks for its own.
    expect(asked).toEqual([0]);
    expect(account.totalsOf('GPU-a')?.observedSeconds).toBe(seconds(40));
  });

  test('are refused where a window was announced, because it would not see them', () => {
    const account = newAccount();
    account.openWindow('epoch', instant(START));
    expect(() => account.addRows(newIntervalColumns(1), { from: 0, to: 0 }, uuidOf)).toThrow(
      'without windows',
    );
  });
});
