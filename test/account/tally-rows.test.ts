import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { createAccount, type Account } from '../../agent/account.ts';
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
  'repeated',
  'overlapping',
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
  utilizationRatio: fc.constantFrom(undefined, 0, 0, 0.4),
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
    case 'repeated':
      return [one, interval({ uuid, at: Math.max(0, at - 3), energyJoules: 7 })];
    case 'overlapping':
      return [interval({ uuid, at: Math.max(0, at - 1), length: 2, energyJoules: 40 })];
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

/** A window, and after how many intervals it is opened and closed. */
const windows = fc.array(
  fc.record({
    // Mostly where slots meet, as marks cut them; sometimes within one.
    from: fc.oneof(
      fc.integer({ min: -1, max: 40 }),
      fc.nat(400).map((tenth) => tenth / 10),
    ),
    length: fc.integer({ min: 1, max: 20 }),
    // An instant of this century is known to less than a microsecond only.
    blur: fc.constantFrom(0, 0, 1e-6, -1e-6),
    opened: fc.option(fc.nat(130), { nil: undefined }),
    closed: fc.nat(130),
  }),
  { maxLength: 6 },
);

type Mark = (account: Account) => void;

/** What is told of the windows before an interval, by its number. */
function marksOf(list: typeof windows extends fc.Arbitrary<infer List> ? List : never) {
  const marks: { readonly before: number; readonly mark: Mark }[] = [];
  for (const [number, { from, length, blur, opened, closed }] of list.entries()) {
    const startSeconds = instant(START + from + blur);
    const window = {
      name: `window ${number}`,
      startSeconds,
      endSeconds: instant(startSeconds + length + blur),
      steps: length,
    };
    if (opened !== undefined && opened < closed)
      marks.push({ before: opened, mark: (to) => to.openWindow(window.name, startSeconds) });
    marks.push({ before: closed, mark: (to) => to.addWindow(window) });
  }
  return marks.toSorted((a, b) => a.before - b.before);
}

describe('rows of columns', () => {
  test('come to the same books as the intervals one by one, windows included, to the last bit', () => {
    const cuts = fc.array(fc.nat(130), { maxLength: 12 });
    fc.assert(
      fc.property(anyIntervals, cuts, windows, (intervals, where, list) => {
        const marks = marksOf(list);
        const oneByOne = newAccount();
        const asRows = newAccount();
        const columns = newIntervalColumns(CAPACITY);
        for (const [row, one] of intervals.entries()) {
          pushInterval(columns, one, UUIDS.indexOf(one.uuid));
          setCharge(columns, row, one.charge);
          for (const { before, mark } of marks) if (before === row) mark(oneByOne);
          oneByOne.add(one);
        }
        let from = 0;
        const edges = [...marks.map(({ before }) => before), ...where, intervals.length];
        for (const to of new Set(edges.toSorted((a, b) => a - b))) {
          if (to > intervals.length) break;
          asRows.addRows(columns, { from, to }, uuidOf);
          for (const { before, mark } of marks) if (before === to) mark(asRows);
          from = to;
        }
        for (const { before, mark } of marks) {
          if (before >= intervals.length) mark(oneByOne);
          if (before > intervals.length) mark(asRows);
        }
        expect(asRows.books(end)).toEqual(oneByOne.books(end));
        expect(asRows.toCheckpoint()).toEqual(oneByOne.toCheckpoint());
      }),
      { seed: 51, numRuns: 500 },
    );
  });

  test('are not read one by one where they are plain, in a window or in none', () => {
    const columns = newIntervalColumns(CAPACITY);
    for (let at = 0; at < 40; at += 1) {
      const one = interval({ at, startEdgeJoules: at, endEdgeJoules: 1, gainJoules: 2 });
      pushInterval(columns, one, 0);
      setCharge(columns, at, one.charge);
    }
    const account = newAccount();
    account.openWindow('epoch', instant(START));
    account.addRows(columns, { from: 0, to: 1 }, uuidOf);
    let asked = 0;
    account.addRows(columns, { from: 1, to: 40 }, (number) => {
      asked += 1;
      return uuidOf(number);
    });
    // For the device's line, its room and its windows; an interval that is made of a row asks for its own.
    expect(asked).toBeLessThan(10);
    expect(account.books(end).windows[0]?.totals.observedSeconds).toBe(seconds(40));
  });
});
