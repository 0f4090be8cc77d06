// The whole of attribution: conservation under everything that happens to a fleet, bounds, restarts.

import fc from 'fast-check';
import { expect, test } from 'vitest';

import { createAccount } from '../../agent/account.ts';
import {
  createAttribution,
  type Attribution,
  type AttributionOptions,
} from '../../agent/attribution/attribution.ts';
import {
  withSharesAnew,
  type AmountsRow,
  type AttributionRecord,
} from '../../agent/attribution/record.ts';
import type { ResolvedProcess } from '../../agent/attribution/resolve.ts';
import type { ChargedInterval, GpuProcess } from '../../agent/model.ts';
import { instant, watts } from '../../agent/units.ts';
import { chargedIntervals, device, interval, run, sensor, START } from '../account-doubles.ts';

/** Every pid is a job of its own. */
const resolve = (pid: number): ResolvedProcess => ({
  identity: `${pid}:1`,
  job: { kind: 'slurm', jobId: String(pid), user: 'alice' },
  startSeconds: instant(0),
  isMpsServer: false,
});

function attribution(options: Partial<AttributionOptions> = {}, ...uuids: string[]): Attribution {
  const made = createAttribution({ maxJobs: 500, resolve, ...options });
  for (const uuid of uuids.length > 0 ? uuids : ['GPU-a']) {
    made.addDevice({ ...device(uuid), powerLimitWatts: watts(500) });
  }
  return made;
}

const at = (seconds: number) => instant(START + seconds);
const using = (pid: number, smUtilizationRatio: number): GpuProcess => ({
  pid,
  smUtilizationRatio,
});

function look(
  made: Attribution,
  seconds: number,
  processes: readonly GpuProcess[],
  uuid = 'GPU-a',
) {
  made.observe([{ uuid, processes }], at(seconds));
}

/** Joules by job. */
const drawn = (made: Attribution): Record<string, number> =>
  Object.fromEntries(made.jobs().map(({ jobId, energyJoules }) => [jobId, energyJoules]));

const restOf = (made: Attribution): number => made.unattributed()[0]?.energyJoules ?? Number.NaN;

const wholeOf = (made: Attribution, uuid: string): number =>
  [...made.jobs(), ...made.unattributed()]
    .filter((line) => line.uuid === uuid)
    .reduce((sum, { energyJoules }) => sum + energyJoules, 0);

test('what lies above idle goes to jobs by their use of the SMs, with its money and grams', () => {
  const made = attribution();
  look(made, 1, [using(1, 0.6), using(2, 0.2)]);
  made.add(interval({ energyJoules: 460, pricePerKilowattHour: 0.25 }));
  // 12 % of 500 W are assumed to be idle power.
  expect(drawn(made)).toEqual({ 1: expect.closeTo(300, 9), 2: expect.closeTo(100, 9) });
  expect(restOf(made)).toBeCloseTo(60, 9);
  const [first] = made.jobs();
  const perJoule = (1.2 / 3.6e6) * 0.25;
  expect(first).toMatchObject({
    kind: 'slurm',
    user: 'alice',
    uuid: 'GPU-a',
    basis: 'utilization',
    costAmount: expect.closeTo(300 * perJoule, 12),
    creditAmount: 0,
    locationBasedGrams: expect.closeTo((300 * 1.2 * 400) / 3.6e6, 12),
  });
  expect(first).not.toHaveProperty('marketBasedGrams');
  expect(made.unattributed()[0]).toMatchObject({ idlePowerWatts: 60, idleProvenance: 'assumed' });
});

test('a GPU whose processes nobody can list is unattributed whole', () => {
  const made = attribution();
  made.add(interval({ energyJoules: 400 }));
  expect(drawn(made)).toEqual({});
  expect(restOf(made)).toBe(400);
});

test('idle power that was seen takes the place of the assumed one', () => {
  const made = attribution();
  for (let second = 0; second < 10; second += 1) {
    look(made, second + 1, []);
    made.add(interval({ at: second, energyJoules: 45 }));
  }
  look(made, 11, [using(1, 0.01)]);
  made.add(interval({ at: 10, energyJoules: 345 }));
  expect(drawn(made)['1']).toBeCloseTo(300, 9);
  expect(made.unattributed()[0]).toMatchObject({ idlePowerWatts: 45, idleProvenance: 'measured' });
});

test('a late interval that bridges a hole goes to who was there then, not to who is there now', () => {
  const made = attribution();
  look(made, 1, [using(1, 1)]);
  look(made, 2, [using(1, 1)]);
  made.add(interval({ at: 1, energyJoules: 0, observed: 0, gap: 1 }));
  look(made, 3, [using(2, 1)]);
  made.add(interval({ at: 1, energyJoules: 360, bridged: 1 }));
  expect(drawn(made)).toEqual({ 1: expect.closeTo(300, 9) });
});

test('a number given to another process counts for the other job', () => {
  let job = 'first';
  let began = 0;
  const made = attribution({
    resolve: (pid) => ({
      ...resolve(pid),
      identity: `${pid}:${began}`,
      startSeconds: instant(began),
      job: { kind: 'unit', jobId: job },
    }),
  });
  look(made, 1, [using(7, 1)]);
  made.add(interval({ at: 0, energyJoules: 260 }));
  job = 'second';
  began = START + 1;
  look(made, 2, [using(7, 1)]);
  made.add(interval({ at: 1.5, length: 0.5, energyJoules: 230 }));
  expect(drawn(made)).toEqual({ first: expect.closeTo(200, 9), second: expect.closeTo(200, 9) });
});

test('a process that nobody can identify has a job called unknown', () => {
  const made = attribution({ resolve: () => undefined });
  look(made, 1, [using(7, 1)]);
  made.add(interval({ energyJoules: 260 }));
  expect(made.jobs()).toMatchObject([{ kind: 'process', jobId: 'unknown' }]);
});

test('jobs beyond the limit share one line and stay there; those that ended make room', () => {
  const made = attribution({ maxJobs: 2 });
  const second = (time: number, pids: readonly number[]): void => {
    look(
      made,
      time + 1,
      pids.map((pid) => using(pid, 0.1)),
    );
    made.add(interval({ at: time, energyJoules: 360 }));
  };
  second(0, [1, 2, 3]);
  expect(drawn(made)).toEqual({
    1: expect.closeTo(100, 9),
    2: expect.closeTo(100, 9),
    other: expect.closeTo(100, 9),
  });
  expect(made.takeWarnings().map(({ warning }) => warning.code)).toContain(
    'attribution-jobs-folded',
  );
  for (let time = 1; time < 320; time += 1) second(time, [2, 3]);
  expect(Object.keys(drawn(made)).toSorted()).toEqual(['1', '2', 'other']);
  second(320, [2, 3, 4]);
  const names = Object.keys(drawn(made)).toSorted();
  expect(names).toEqual(['2', '4', expect.stringMatching(/^ended-\d+$/), 'other']);
  expect(wholeOf(made, 'GPU-a')).toBeCloseTo(321 * 360, 6);
});

test('a fold of ended jobs is born whole and never grows, so that nothing counts twice', () => {
  const made = attribution({ keepEndedSeconds: 60 });
  const seen = new Map<string, number>();
  for (let time = 0; time < 4000; time += 1) {
    look(made, time + 1, [using(Math.floor(time / 500), 1)]);
    made.add(interval({ at: time, energyJoules: 160 }));
    for (const { kind, jobId, energyJoules } of made.jobs()) {
      if (kind !== 'ended') continue;
      expect(seen.get(jobId) ?? energyJoules).toBe(energyJoules);
      seen.set(jobId, energyJoules);
    }
  }
  expect(seen.size).toBeGreaterThan(2);
  expect(made.jobs().filter(({ kind }) => kind === 'ended')).toHaveLength(1);
  expect(made.jobs().length).toBeLessThan(5);
  expect(wholeOf(made, 'GPU-a')).toBeCloseTo(4000 * 160, 5);
});

test("a scheduler's mapping decides, and use decides among its own jobs", () => {
  const mapped = ['1', '2'];
  const made = attribution({ jobsOf: () => mapped });
  look(made, 1, [using(9, 1)]);
  made.add(interval({ at: 0, energyJoules: 260 }));
  expect(drawn(made)).toEqual({ 1: expect.closeTo(100, 9), 2: expect.closeTo(100, 9) });
  expect(made.jobs()).toMatchObject([{ kind: 'hpc', basis: 'presence' }, { kind: 'hpc' }]);
  for (const second of [2, 3]) look(made, second, [using(1, 0.75), using(2, 0.25)]);
  made.add(interval({ at: 2, energyJoules: 260 }));
  expect(drawn(made)).toEqual({ 1: expect.closeTo(250, 9), 2: expect.closeTo(150, 9) });
});

test('a mapping speaks for GPUs whose processes cannot be listed', () => {
  const made = attribution(
    { jobsOf: ({ uuid }) => (uuid === 'GPU-a' ? ['77'] : []) },
    'GPU-a',
    'GPU-b',
  );
  made.observe([], at(1));
  made.add(interval({ energyJoules: 260 }));
  made.add(interval({ uuid: 'GPU-b', energyJoules: 260 }));
  expect(drawn(made)).toEqual({ 77: expect.closeTo(200, 9) });
});

test('what shares rest on is said once of each device', () => {
  const made = attribution({}, 'GPU-a', 'GPU-b');
  for (let time = 0; time < 3; time += 1) {
    made.observe(
      [
        { uuid: 'GPU-a', processes: [{ pid: 1 }] },
        { uuid: 'GPU-b', processes: [{ pid: 2, gpuInstance: 3 }] },
      ],
      at(time + 1),
    );
    made.add(interval({ at: time, energyJoules: 260 }));
    made.add(interval({ at: time, uuid: 'GPU-b', energyJoules: 260 }));
  }
  const said = made.takeWarnings().map(({ warning, uuid }) => `${warning.code} ${uuid}`);
  expect(said.toSorted()).toEqual([
    'attribution-by-presence GPU-a',
    'attribution-idle-assumed GPU-a',
    'attribution-idle-assumed GPU-b',
    'attribution-mig GPU-b',
  ]);
  expect(made.takeWarnings()).toEqual([]);
});

test('host components and devices that were never introduced are left alone', () => {
  const made = attribution();
  made.addDevice({ ...device('package-0'), kind: 'host' });
  made.add(interval({ uuid: 'package-0' }));
  made.add(interval({ uuid: 'GPU-stranger' }));
  expect(made.unattributed().map(({ uuid }) => uuid)).toEqual(['GPU-a']);
});

test('energy without a price leaves its job without a cost for good', () => {
  const made = attribution();
  look(made, 1, [using(1, 1)]);
  look(made, 2, [using(1, 1)]);
  const priced = interval({ at: 0, energyJoules: 260 });
  const { costAmount: _, creditAmount: __, ...unpriced } = priced.charge;
  made.add(priced);
  expect(made.jobs()[0]).toHaveProperty('costAmount');
  made.add({ ...interval({ at: 1, energyJoules: 260 }), charge: unpriced });
  expect(made.jobs()[0]).not.toHaveProperty('costAmount');
  expect(made.jobs()[0]).toHaveProperty('locationBasedGrams');
});

interface Step {
  readonly interval: ChargedInterval;
  readonly looks: readonly (readonly [number, readonly GpuProcess[]])[];
}

const UUIDS = ['GPU-a', 'GPU-b'];
const processes = fc.uniqueArray(
  fc.record(
    {
      pid: fc.integer({ min: 1, max: 12 }),
      smUtilizationRatio: fc.double({ min: 0, max: 1, noNaN: true }),
    },
    { requiredKeys: ['pid'] },
  ),
  { maxLength: 5, selector: ({ pid }) => pid },
);

/** Intervals in any order, as when holes are bridged late, with looks in between. */
const stories: fc.Arbitrary<Step[]> = chargedIntervals({ uuids: UUIDS })
  .chain((slots) => fc.shuffledSubarray(slots, { minLength: slots.length }))
  .chain((intervals) =>
    fc.tuple(
      ...intervals.map((slot) =>
        fc.record({
          interval: fc.constant(slot),
          looks: fc.array(
            fc.tuple(
              fc.double({ min: 0, max: 1, noNaN: true }),
              processes.map((list) => list as GpuProcess[]),
            ),
            { maxLength: 2 },
          ),
        }),
      ),
    ),
  );

function tell(made: Attribution, steps: readonly Step[], each?: () => void): void {
  for (const step of steps) {
    for (const [offset, list] of step.looks) {
      made.observe(
        [{ uuid: step.interval.uuid, processes: list }],
        instant(step.interval.startSeconds + offset),
      );
    }
    made.add(step.interval);
    each?.();
  }
}

test('whatever happens, Σ jobs + unattributed = device, and no counter goes back', () => {
  fc.assert(
    fc.property(stories, fc.integer({ min: 0, max: 6 }), (steps, maxJobs) => {
      const made = attribution({ maxJobs }, ...UUIDS);
      const account = createAccount(run);
      for (const uuid of UUIDS) account.addDevice(device(uuid), sensor);
      const before = new Map<string, number>();
      tell(made, steps, () => {
        for (const line of [
          ...made.jobs().map((job) => ({ ...job, key: job.jobId })),
          ...made.unattributed().map((rest) => ({ ...rest, key: 'nobody' })),
        ]) {
          const key = `${line.key} ${line.uuid}`;
          expect(line.energyJoules).toBeGreaterThanOrEqual(before.get(key) ?? 0);
          before.set(key, line.energyJoules);
        }
      });
      for (const step of steps) account.add(step.interval);
      for (const uuid of UUIDS) {
        const energy = account.totalsOf(uuid)?.energyJoules ?? Number.NaN;
        expect(Math.abs(wholeOf(made, uuid) - energy)).toBeLessThanOrEqual(
          1e-9 * Math.max(1, energy),
        );
      }
      expect(
        new Set(
          made
            .jobs()
            .filter(({ kind }) => kind === 'slurm')
            .map(({ jobId }) => jobId),
        ).size,
      ).toBeLessThanOrEqual(maxJobs);
    }),
    { seed: 43, numRuns: 300 },
  );
});

const throughJson = (record: AttributionRecord): AttributionRecord =>
  JSON.parse(JSON.stringify(record)) as AttributionRecord;

test('a restart goes on where the records stop: from a checkpoint, and from a checkpoint and what came after it', () => {
  fc.assert(
    fc.property(stories, stories, fc.integer({ min: 0, max: 6 }), (early, late, maxJobs) => {
      const first = attribution({ maxJobs }, ...UUIDS);
      tell(first, early);
      first.takeChanges();
      const records = [throughJson(first.toCheckpoint())];
      tell(first, late, () => {
        const change = first.takeChanges();
        if (change !== undefined) records.push(throughJson(change));
      });
      const views = (made: Attribution): unknown => [
        made.jobs().toSorted((a, b) => (a.jobId + a.uuid < b.jobId + b.uuid ? -1 : 1)),
        made.unattributed(),
      ];
      expect(views(attribution({ maxJobs, restored: records }, ...UUIDS))).toEqual(views(first));
      const whole = attribution(
        { maxJobs, restored: [throughJson(first.toCheckpoint())] },
        ...UUIDS,
      );
      expect(views(whole)).toEqual(views(first));
      expect(whole.takeChanges()).toBeUndefined();
    }),
    { seed: 44, numRuns: 100 },
  );
});

test('folded jobs stay folded after a restart', () => {
  const first = attribution({ keepEndedSeconds: 60 });
  const records = [first.toCheckpoint()];
  for (let time = 0; time < 1500; time += 1) {
    look(first, time + 1, [using(time < 300 ? 1 : 2, 1)]);
    first.add(interval({ at: time, energyJoules: 160 }));
    const change = first.takeChanges();
    if (change !== undefined) records.push(throughJson(change));
  }
  const second = attribution({ restored: records });
  expect(drawn(second)).toEqual(drawn(first));
  expect(Object.keys(drawn(second))).toContainEqual(expect.stringMatching(/^ended-/));
});

test('books that hold more than attribution knows give the rest to nobody; books that hold less are waited for', () => {
  const account = createAccount(run);
  account.addDevice(device('GPU-a'), sensor);
  account.add(interval({ at: 0, energyJoules: 1000 }));
  const totals = account.totalsOf('GPU-a');
  if (totals === undefined) throw new Error('The account lost a device.');
  const made = attribution();
  made.adopt('GPU-a', totals);
  expect(restOf(made)).toBe(1000);

  const ahead = attribution();
  look(ahead, 1, [using(1, 1)]);
  ahead.add(interval({ at: 0, energyJoules: 1060 }));
  const jobs = drawn(ahead);
  ahead.adopt('GPU-a', totals);
  expect([drawn(ahead), restOf(ahead)]).toEqual([jobs, 60]);
  for (let time = 20; time < 23; time += 1) {
    account.add(interval({ at: time, energyJoules: 25 }));
    ahead.add(interval({ at: time, energyJoules: 25 }));
  }
  expect(wholeOf(ahead, 'GPU-a')).toBeCloseTo(1075, 9);
  expect(restOf(ahead)).toBeCloseTo(75, 9);
});

test('a GPU that comes back after a restart finds its counters, and is not shown before', () => {
  const first = attribution({}, 'GPU-a', 'GPU-b');
  look(first, 1, [using(1, 1)], 'GPU-b');
  first.add(interval({ uuid: 'GPU-b', energyJoules: 260 }));
  const second = attribution({ restored: [throughJson(first.toCheckpoint())] }, 'GPU-a');
  expect(second.jobs()).toEqual([]);
  expect(throughJson(second.toCheckpoint())).toEqual(throughJson(first.toCheckpoint()));
  second.addDevice({ ...device('GPU-b'), powerLimitWatts: watts(500) });
  expect(second.jobs()).toEqual(first.jobs());
  expect(second.unattributed().find(({ uuid }) => uuid === 'GPU-b')?.energyJoules).toBeCloseTo(
    60,
    9,
  );
});

test('shares begin at nothing in the charges that their device begins anew, and nowhere else', () => {
  const row: AmountsRow = [900, 0.5, 0.1, 70, null];
  const record: AttributionRecord = {
    jobs: [],
    gone: [],
    devices: ['GPU-a', 'GPU-b'].map((uuid) => ({
      uuid,
      unattributed: row,
      debtJoules: 0,
      idle: {},
      jobs: [[7, row]],
    })),
  };
  const anew = withSharesAnew(record, (uuid) => (uuid === 'GPU-a' ? ['cost', 'market'] : []));
  expect(anew.devices[0]).toMatchObject({
    unattributed: [900, 0, 0, 70, 0],
    jobs: [[7, [900, 0, 0, 70, 0]]],
  });
  expect(anew.devices[1]).toEqual(record.devices[1]);
});
