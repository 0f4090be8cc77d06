import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { combine, createAccount, type Totals } from '../agent/account.ts';
import type { Charge, ChargedInterval, Window } from '../agent/model.ts';
import { instant } from '../agent/units.ts';
import { chargedIntervals, device, interval, run, sensor, START } from './account-doubles.ts';

function accountOf(intervals: readonly ChargedInterval[], windows: readonly Window[] = []) {
  const account = createAccount(run);
  for (const uuid of new Set(intervals.map((one) => one.uuid))) {
    account.addDevice(device(uuid), sensor);
  }
  for (const window of windows) account.addWindow(window);
  for (const one of intervals) account.add(one);
  return account;
}

const booksOf = (intervals: readonly ChargedInterval[], windows: readonly Window[] = []) =>
  accountOf(intervals, windows).books({ endSeconds: instant(START + 1e6) });

function totalsOf(intervals: readonly ChargedInterval[]): Totals {
  const totals = accountOf(intervals).totalsOf(intervals[0]?.uuid ?? '');
  if (totals === undefined) throw new Error('no totals');
  return totals;
}

const relative = (actual: number | undefined, expected: number | undefined): void => {
  expect(actual ?? NaN).toBeCloseTo(expected ?? NaN, 6);
};

const ADDITIVE = [
  'energyJoules',
  'observedSeconds',
  'bridgedSeconds',
  'gapEstimateJoules',
  'facilityKilowattHours',
  'costAmount',
  'creditAmount',
  'locationBasedGrams',
] as const;

describe('an account', () => {
  test('adds the intervals of a device, and every one of its laws holds for one interval', () => {
    const totals = totalsOf([interval({ energyJoules: 250, gainJoules: 3, offsetJoules: 4 })]);
    expect(totals.energyJoules).toBe(250);
    expect(totals.uncertaintyJoules).toBeCloseTo(10, 12);
    expect(totals.method).toBe('integral');
  });

  test('shares gain and offset among the intervals of one GPU, but not among GPUs', () => {
    const two = [0, 1].map((at) => interval({ at, gainJoules: 3, offsetJoules: 4 }));
    expect(totalsOf(two).uncertaintyJoules).toBeCloseTo(20, 12);
    const one = totalsOf([interval({ gainJoules: 3, offsetJoules: 4 })]);
    expect(combine([one, one]).uncertaintyJoules).toBeCloseTo(10 * Math.SQRT2, 12);
  });

  test('counts only the outermost edges of a contiguous stretch', () => {
    const edges = { startEdgeJoules: 3, endEdgeJoules: 4 };
    const contiguous = [0, 1, 2].map((at) => interval({ at, ...edges }));
    expect(totalsOf(contiguous).components.edgeJoules).toBeCloseTo(5, 12);
    const apart = [0, 5].map((at) => interval({ at, ...edges }));
    expect(totalsOf(apart).components.edgeJoules).toBeCloseTo(5 * Math.SQRT2, 12);
    const hole = [
      interval(edges),
      interval({ at: 1, observed: 0, gap: 1 }),
      interval({ at: 2, ...edges }),
    ];
    expect(totalsOf(hole).components.edgeJoules).toBeCloseTo(5 * Math.SQRT2, 12);
  });

  test('states the uncertainty of the cost by the formula of docs/measurement.md §4.8', () => {
    const priced = (at: number, price: number): ChargedInterval => ({
      ...interval({ at, energyJoules: 100, gainJoules: 3, offsetJoules: 2, independent: 16 }),
      charge: {
        facilityKilowattHours: 0 as never,
        costAmount: 100 * price,
        gainCostAmount: 3 * price,
        offsetCostAmount: 2 * price,
        aliasCostAmount: 0,
      },
    });
    const totals = totalsOf([priced(0, 1), priced(1, 2)]);
    const expected = 2 * Math.sqrt((3 + 6) ** 2 + (2 + 4) ** 2 + 16 * 1 + 16 * 4);
    expect(totals.costAmount).toBe(300);
    expect(totals.uncertaintyCostAmount).toBeCloseTo(expected, 10);
  });

  test('knows no cost when some of the energy had no price, and says nothing rather than 0', () => {
    const { costAmount: _cost, creditAmount: _credit, ...unpriced } = interval({}).charge;
    const totals = totalsOf([interval({}), { ...interval({ at: 1 }), charge: unpriced as Charge }]);
    expect(totals).not.toHaveProperty('costAmount');
    expect(totals).not.toHaveProperty('uncertaintyCostAmount');
    expect(totals.locationBasedGrams).toBeGreaterThan(0);
    expect(combine([totalsOf([interval({})]), totals])).not.toHaveProperty('costAmount');
  });

  test('keeps a cost over a gap, where no energy went unpriced', () => {
    const gap = interval({ at: 1, observed: 0, gap: 1, energyJoules: 0 });
    const uncharged = { ...gap, charge: { facilityKilowattHours: 0 as never } };
    expect(totalsOf([interval({}), uncharged]).costAmount).toBe(interval({}).charge.costAmount);
  });

  test('takes back the estimate of a gap, and its uncertainty, when the counter bridges it', () => {
    const gaps = [1, 2, 3].map((at) =>
      interval({
        at,
        observed: 0,
        gap: 1,
        energyJoules: 0,
        estimate: 200,
        estimateUncertainty: 20,
      }),
    );
    const before = totalsOf([interval({}), ...gaps, interval({ at: 4 })]);
    expect(before.gapEstimateJoules).toBe(600);
    expect(before.gapEstimateUncertaintyJoules).toBeCloseTo(120, 9);
    const bridge = interval({
      at: 1,
      length: 3,
      observed: 3,
      bridged: 3,
      energyJoules: 580,
      estimate: -600,
      estimateUncertainty: 60,
    });
    const after = totalsOf([interval({}), ...gaps, interval({ at: 4 }), bridge]);
    expect(after.energyJoules).toBe(before.energyJoules + 580);
    expect(after.gapSeconds['no-reading']).toBe(3);
    expect(after.bridgedSeconds).toBe(3);
    expect(after.gapEstimateJoules).toBe(0);
    expect(after.gapEstimateUncertaintyJoules).toBeCloseTo(0, 9);
  });

  test('refuses an interval of a device that nobody introduced', () => {
    expect(() => createAccount(run).add(interval({ uuid: 'GPU-x' }))).toThrow('GPU-x');
  });

  test('compares counter and samples only over the time that has both', () => {
    const both = { ...interval({}), counterJoules: 101 as never, integralJoules: 100 as never };
    const one = { ...interval({ at: 1 }), integralJoules: 100 as never };
    expect(totalsOf([both, one])).toMatchObject({
      counterJoules: 101,
      integralJoules: 100,
      comparedSeconds: 1,
    });
    expect(totalsOf([one])).not.toHaveProperty('integralJoules');
  });

  test('bounds its warnings and says that it does', () => {
    const account = createAccount(run);
    for (let i = 0; i < 1000; i += 1) account.addWarning({ code: 'x', message: `${i % 500}` });
    const { warnings } = account.books({ endSeconds: instant(START) });
    expect(warnings.length).toBe(257);
    expect(warnings.at(-1)?.code).toBe('more-warnings');
  });
});

describe('laws', () => {
  test('cutting an interval changes nothing but the sums it is cut into', () => {
    fc.assert(
      fc.property(chargedIntervals(), fc.integer({ min: 2, max: 5 }), (intervals, pieces) => {
        const whole = totalsOf(intervals);
        const cut = totalsOf(intervals.flatMap((one) => cutInto(one, pieces)));
        for (const key of ADDITIVE) relative(cut[key], whole[key]);
        relative(cut.uncertaintyJoules, whole.uncertaintyJoules);
        relative(cut.gapEstimateUncertaintyJoules, whole.gapEstimateUncertaintyJoules);
        relative(cut.uncertaintyCostAmount, whole.uncertaintyCostAmount);
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  test('windows and the rest add up to the run, wherever their edges fall', () => {
    fc.assert(
      fc.property(
        chargedIntervals({ uuids: ['GPU-a', 'GPU-b'] }),
        fc.array(fc.double({ min: -2, max: 40, noNaN: true }), { minLength: 1, maxLength: 6 }),
        fc.boolean(),
        (intervals, cuts, announcedFirst) => {
          const edges = [-10, ...cuts.toSorted((a, b) => a - b), 50];
          const windows = edges.slice(1).map((end, i) => ({
            name: 'w',
            startSeconds: instant(START + (edges[i] ?? 0)),
            endSeconds: instant(START + end),
          }));
          const account = accountOf(intervals, announcedFirst ? windows : []);
          if (!announcedFirst) for (const window of windows) account.addWindow(window);
          const books = account.books({ endSeconds: instant(START + 50) });
          const parts = combine(books.windows.map((one) => one.totals));
          const whole = combine(books.devices.map((one) => one.totals));
          for (const key of ADDITIVE) relative(parts[key], whole[key]);
          expect(books.warnings).toEqual([]);
        },
      ),
      { seed: 2, numRuns: 300 },
    );
  });

  test('a window over the whole run has the totals of the run', () => {
    fc.assert(
      fc.property(chargedIntervals({ uuids: ['GPU-a', 'GPU-b'] }), (intervals) => {
        const window = {
          name: 'all',
          startSeconds: instant(START - 9),
          endSeconds: instant(START + 99),
        };
        const books = booksOf(intervals, [window]);
        expect(books.windows[0]?.totals).toEqual(combine(books.devices.map((one) => one.totals)));
      }),
      { seed: 3, numRuns: 100 },
    );
  });

  test('combining does not depend on order, nor on grouping', () => {
    fc.assert(
      fc.property(fc.array(chargedIntervals(), { minLength: 2, maxLength: 6 }), (devices) => {
        const totals = devices.map((one) => totalsOf(one));
        const forward = combine(totals);
        const grouped = combine([combine(totals.slice(1).toReversed()), ...totals.slice(0, 1)]);
        for (const key of [...ADDITIVE, 'uncertaintyJoules', 'uncertaintyCostAmount'] as const) {
          expect(Math.abs((grouped[key] ?? 0) - (forward[key] ?? 0))).toBeLessThanOrEqual(
            1e-12 * Math.abs(forward[key] ?? 0),
          );
        }
      }),
      { seed: 4, numRuns: 100 },
    );
  });

  test('a restored checkpoint goes on to the last bit', () => {
    fc.assert(
      fc.property(chargedIntervals({ uuids: ['GPU-a', 'GPU-b'] }), fc.nat(), (intervals, at) => {
        const split = at % (intervals.length + 1);
        const whole = accountOf(intervals);
        const first = accountOf(intervals);
        const fresh = createAccount(run);
        for (const { device: one } of first.toCheckpoint().devices) fresh.addDevice(one, sensor);
        for (const one of intervals.slice(0, split)) fresh.add(one);
        const restored = createAccount(run, JSON.parse(JSON.stringify(fresh.toCheckpoint())));
        for (const one of intervals.slice(split)) restored.add(one);
        for (const uuid of ['GPU-a', 'GPU-b']) {
          expect(restored.totalsOf(uuid)).toEqual(whole.totalsOf(uuid));
        }
      }),
      { seed: 5, numRuns: 100 },
    );
  });
});

describe('windows', () => {
  test('nest, overlap and repeat their names', () => {
    const intervals = Array.from({ length: 10 }, (_, at) => interval({ at, energyJoules: 100 }));
    const window = (name: string, from: number, to: number): Window => ({
      name,
      startSeconds: instant(START + from),
      endSeconds: instant(START + to),
    });
    const windows = [window('epoch', 0, 10), window('step', 0, 3), window('step', 2, 5)];
    const energies = booksOf(intervals, windows).windows.map((one) => one.totals.energyJoules);
    expect(energies).toEqual([1000, 300, 300]);
  });

  test('opened and closed live, get the same as announced beforehand', () => {
    const account = accountOf([interval({ at: 0 })]);
    account.openWindow('step', instant(START + 1));
    for (const at of [1, 2]) account.add(interval({ at }));
    const open = account.books({ endSeconds: instant(START + 3) }).windows[0];
    expect(open).toMatchObject({
      window: { endSeconds: START + 3 },
      totals: { energyJoules: 500 },
    });
    const window = {
      name: 'step',
      startSeconds: instant(START + 1),
      endSeconds: instant(START + 3),
      steps: 7,
    };
    account.addWindow(window);
    for (const at of [3, 4]) account.add(interval({ at }));
    expect(account.books({ endSeconds: instant(START + 5) }).windows).toMatchObject([
      { window, totals: { energyJoules: 500, uncertaintyJoules: open?.totals.uncertaintyJoules } },
    ]);
  });

  test('that are over before the first device is known wait for it', () => {
    const account = createAccount(run);
    account.addWindow({ name: 'a', startSeconds: instant(START), endSeconds: instant(START + 1) });
    account.addDevice(device('GPU-a'), sensor);
    for (const at of [0, 1]) account.add(interval({ at }));
    const [{ totals } = { totals: undefined }] = account.books({
      endSeconds: instant(START + 2),
    }).windows;
    expect(totals).toMatchObject({ energyJoules: 250, observedSeconds: 1 });
  });

  test('that are closed late count nothing beyond their end', () => {
    const account = accountOf([interval({ at: 0 })]);
    account.openWindow('step', instant(START));
    for (const at of [1, 2, 3]) account.add(interval({ at }));
    account.addWindow({
      name: 'step',
      startSeconds: instant(START),
      endSeconds: instant(START + 2),
    });
    expect(account.books({ endSeconds: instant(START + 4) }).windows[0]?.totals.energyJoules).toBe(
      500,
    );
  });

  test('get the late interval that bridges a hole, also when they are settled', () => {
    const window = { name: 'w', startSeconds: instant(START), endSeconds: instant(START + 3) };
    const gap = interval({
      at: 1,
      observed: 0,
      gap: 1,
      energyJoules: 0,
      estimate: 240,
      estimateUncertainty: 30,
    });
    const bridge = interval({
      at: 1,
      bridged: 1,
      energyJoules: 230,
      estimate: -240,
      estimateUncertainty: -30,
    });
    const books = booksOf(
      [interval({}), gap, interval({ at: 2 }), interval({ at: 3 }), bridge],
      [window],
    );
    expect(books.windows[0]?.totals).toMatchObject({
      energyJoules: 730,
      bridgedSeconds: 1,
      gapEstimateJoules: 0,
      gapEstimateUncertaintyJoules: 0,
    });
  });

  test('share an interval that crosses their edge by time, and own up to not knowing better', () => {
    const half = { name: 'w', startSeconds: instant(START), endSeconds: instant(START + 0.5) };
    const totals = booksOf([interval({ energyJoules: 120 })], [half]).windows[0]?.totals;
    expect(totals?.energyJoules).toBe(60);
    expect(totals?.components.independentJoules).toBeCloseTo(120 / Math.sqrt(12), 9);
  });

  test('hold measured GPUs only', () => {
    const account = createAccount(run);
    account.addDevice(device('GPU-a'), sensor);
    account.addDevice({ ...device('cpu'), kind: 'host' }, sensor);
    account.addDevice({ ...device('tpu'), powerOrigin: 'modelled' }, sensor);
    account.addWindow({ name: 'w', startSeconds: instant(START), endSeconds: instant(START + 9) });
    for (const uuid of ['GPU-a', 'cpu', 'tpu']) account.add(interval({ uuid, energyJoules: 10 }));
    const books = account.books({ endSeconds: instant(START + 9) });
    expect(books.windows[0]?.totals.energyJoules).toBe(10);
    expect(books.devices.map((one) => one.totals.energyJoules)).toEqual([10, 10, 10]);
  });

  test('that began before what is remembered are said to be incomplete', () => {
    const account = accountOf(Array.from({ length: 2000 }, (_, at) => interval({ at })));
    account.addWindow({
      name: 'old',
      startSeconds: instant(START),
      endSeconds: instant(START + 2000),
    });
    const { warnings } = account.books({ endSeconds: instant(START + 2000) });
    expect(warnings.map((one) => one.code)).toEqual(['window-incomplete']);
  });

  test('number a hundred thousand, announced beforehand, without slowing down', () => {
    const steps = Array.from({ length: 100_000 }, (_, at) => ({
      name: 'step',
      startSeconds: instant(START + at),
      endSeconds: instant(START + at + 1),
    }));
    const books = booksOf([interval({}), interval({ at: 50_000 })], steps);
    expect(books.windows.filter((one) => one.totals.energyJoules > 0).length).toBe(2);
  });

  test('number a hundred thousand without slowing down', () => {
    const account = createAccount(run);
    account.addDevice(device('GPU-a'), sensor);
    for (let at = 0; at < 100_000; at += 1) {
      account.openWindow('step', instant(START + at));
      account.add(interval({ at }));
      account.addWindow({
        name: 'step',
        startSeconds: instant(START + at),
        endSeconds: instant(START + at + 1),
      });
    }
    const { windows } = account.books({ endSeconds: instant(START + 100_000) });
    expect(windows.length).toBe(100_000);
    expect(windows.every((one) => one.totals.energyJoules === 250)).toBe(true);
  });
});

/** Cuts an interval as a meter would: linear in time, inner edges shared with opposite sign. */
function cutInto(whole: ChargedInterval, pieces: number): ChargedInterval[] {
  const length = (whole.endSeconds - whole.startSeconds) / pieces;
  const part = <T extends object>(amounts: T): T =>
    Object.fromEntries(
      Object.entries(amounts).map(([key, value]) => [key, (value as number) / pieces]),
    ) as T;
  return Array.from({ length: pieces }, (_, i) => ({
    ...whole,
    startSeconds: instant(whole.startSeconds + i * length),
    endSeconds:
      i === pieces - 1 ? whole.endSeconds : instant(whole.startSeconds + (i + 1) * length),
    ...part({
      energyJoules: whole.energyJoules,
      observedSeconds: whole.observedSeconds,
      bridgedSeconds: whole.bridgedSeconds,
      gapEstimateJoules: whole.gapEstimateJoules,
      gapEstimateUncertaintyJoules: whole.gapEstimateUncertaintyJoules,
    }),
    gapSeconds: part(whole.gapSeconds),
    uncertainty: {
      ...part(whole.uncertainty),
      startEdgeJoules: i === 0 ? whole.uncertainty.startEdgeJoules : 5,
      endEdgeJoules: i === pieces - 1 ? whole.uncertainty.endEdgeJoules : 5,
    },
    charge: part(whole.charge),
  }));
}
