import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { createAccount, type Account } from '../agent/account.ts';
import { createConstantMeter } from '../agent/meter/constant.ts';
import { createMeter } from '../agent/meter/meter.ts';
import type { ChargedInterval, Device, Interval } from '../agent/model.ts';
import { createPipeline, type Pipeline, type PipelineOptions } from '../agent/pipeline.ts';
import type { Settlement } from '../agent/pipeline/settlement.ts';
import type { SourceEvent } from '../agent/source/source.ts';
import { instant, kilowattHours, watts } from '../agent/units.ts';
import { device, run, START } from './account-doubles.ts';

const charge = (interval: Interval): ChargedInterval => ({
  ...interval,
  charge: { facilityKilowattHours: kilowattHours(interval.energyJoules / 3.6e6) },
});

interface Joined {
  readonly pipeline: Pipeline;
  readonly account: Account;
  readonly settlements: Settlement[];
  readonly intervals: () => readonly ChargedInterval[];
}

function join(options: Partial<PipelineOptions> = {}): Joined {
  const account = createAccount(run);
  const settlements: Settlement[] = [];
  const pipeline = createPipeline({
    account,
    createMeter: (meter) =>
      meter.device.source === 'constant'
        ? createConstantMeter({ ...meter, powerWatts: watts(200) })
        : createMeter(meter),
    charge,
    nextChange: () => undefined,
    settle: (settlement) => settlements.push(settlement),
    select: (devices) => devices,
    slotSeconds: 1,
    ...options,
  });
  return {
    pipeline,
    account,
    settlements,
    intervals: () => settlements.flatMap((settlement) => settlement.intervals),
  };
}

const devicesOf = (...uuids: string[]): SourceEvent => ({
  kind: 'devices',
  devices: uuids.map((uuid, index) => ({ ...device(uuid), index })),
});

/** Readings each 50 ms over [from, to], seconds after START. */
function readings(uuid: string, from: number, to: number, power: number): SourceEvent {
  const count = Math.round((to - from) / 0.05) + 1;
  return {
    kind: 'batch',
    batch: {
      uuid,
      length: count,
      timeSeconds: Float64Array.from({ length: count }, (_, at) => START + from + at * 0.05),
      status: new Uint8Array(count),
      powerWatts: { draw: new Float64Array(count).fill(power) },
    },
  };
}

const sum = (intervals: readonly Interval[], uuid?: string): number =>
  intervals
    .filter((interval) => uuid === undefined || interval.uuid === uuid)
    .reduce((total, { energyJoules }) => total + energyJoules, 0);

describe('createPipeline()', () => {
  test('hands every interval that the account holds over exactly once, after its device', () => {
    const { pipeline, account, settlements, intervals } = join();
    pipeline.consume('nvml', devicesOf('GPU-a', 'GPU-b'));
    for (let second = 0; second < 8; second += 1) {
      pipeline.consume('nvml', readings('GPU-a', second, second + 0.95, 100));
      pipeline.consume('nvml', readings('GPU-b', second, second + 0.95, 300));
    }
    pipeline.finish();
    const known = new Set<string>();
    for (const settlement of settlements) {
      for (const belief of settlement.devices) known.add(belief.device.uuid);
      for (const interval of settlement.intervals) expect(known).toContain(interval.uuid);
    }
    for (const [uuid, power] of [
      ['GPU-a', 100],
      ['GPU-b', 300],
    ] as const) {
      const total = account.totalsOf(uuid)?.energyJoules ?? NaN;
      expect(sum(intervals(), uuid)).toBeCloseTo(total, 6);
      expect(total / (power * 7.95)).toBeCloseTo(1, 2);
    }
  });

  test('settles with the account as it is recorded: never ahead of what was handed over', () => {
    const seen: [held: number, handed: number][] = [];
    const handed: ChargedInterval[] = [];
    const joined: Joined = join({
      settle: ({ intervals }) => {
        handed.push(...intervals);
        seen.push([joined.account.totalsOf('GPU-a')?.energyJoules ?? 0, sum(handed)]);
      },
    });
    joined.pipeline.consume('nvml', devicesOf('GPU-a'));
    for (let second = 0; second < 10; second += 1)
      joined.pipeline.consume('nvml', readings('GPU-a', second, second + 0.95, 100));
    joined.pipeline.finish();
    expect(seen.length).toBeGreaterThan(5);
    for (const [held, recorded] of seen) expect(held).toBeCloseTo(recorded, 6);
  });

  test('counts the errors that the driver reports of a measured device, and warns of each kind once', () => {
    const { pipeline, account, settlements } = join({
      select: (devices) => devices.filter(({ uuid }) => uuid !== 'GPU-other'),
    });
    pipeline.consume('nvml', devicesOf('GPU-a', 'GPU-b', 'GPU-other'));
    for (const uuid of ['GPU-a', 'GPU-b']) pipeline.consume('nvml', readings(uuid, 0, 2, 100));
    for (const [uuid, xid] of [
      ['GPU-a', 79],
      ['GPU-a', 48],
      ['GPU-a', 79],
      ['GPU-other', 79],
    ] as const) {
      const message = `Xid ${xid} of ${uuid}.`;
      pipeline.consume('nvml', { kind: 'xid', uuid, xid, message, timeSeconds: instant(START) });
    }
    pipeline.finish();
    expect(pipeline.devices().map(({ xidErrors }) => xidErrors)).toEqual([{ 48: 1, 79: 2 }, {}]);
    expect(settlements.flatMap(({ xids }) => xids.map(({ xid }) => xid))).toEqual([79, 48, 79]);
    const { devices, warnings } = account.books({ endSeconds: instant(START + 2) });
    expect(devices.map((line) => line.warnings.map(({ message }) => message))).toEqual([
      ['Xid 79 of GPU-a.', 'Xid 48 of GPU-a.'],
      [],
    ]);
    expect(warnings).toEqual([]);
  });

  test('cuts wherever asked without changing the energy', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0.01, max: 9.9, noNaN: true }), { maxLength: 8 }),
        (cuts) => {
          const energyWith = (times: readonly number[]): number => {
            const { pipeline, intervals } = join({ startSeconds: instant(START) });
            for (const time of times) pipeline.cut(instant(START + time));
            pipeline.consume('nvml', devicesOf('GPU-a'));
            pipeline.consume('nvml', readings('GPU-a', 0, 5, 100));
            pipeline.consume('nvml', readings('GPU-a', 5.05, 10, 250));
            pipeline.finish(instant(START + 10));
            for (const time of times)
              expect(
                intervals().every(
                  ({ startSeconds, endSeconds }) =>
                    endSeconds <= START + time + 1e-6 || startSeconds >= START + time - 1e-6,
                ),
              ).toBe(true);
            return sum(intervals());
          };
          expect(energyWith(cuts)).toBeCloseTo(energyWith([]), 6);
        },
      ),
      { numRuns: 30, seed: 7 },
    );
  });

  test('cuts at every change of price that lies in the run', () => {
    const changes = [2.25, 6.5].map((at) => instant(START + at));
    const { pipeline, intervals } = join({
      nextChange: (time) => changes.find((change) => change > time),
    });
    pipeline.consume('nvml', devicesOf('GPU-a'));
    for (let second = 0; second < 10; second += 1)
      pipeline.consume('nvml', readings('GPU-a', second, second + 0.95, 100));
    pipeline.finish();
    const ends = intervals().map(({ endSeconds }) => Number(endSeconds));
    for (const change of changes) expect(ends).toContain(Number(change));
  });

  test('does not look at devices that were not selected', () => {
    const only = (devices: readonly Device[]): Device[] =>
      devices.filter(({ uuid }) => uuid === 'GPU-b');
    const { pipeline, intervals } = join({ select: only });
    pipeline.consume('nvml', devicesOf('GPU-a', 'GPU-b'));
    pipeline.consume('nvml', readings('GPU-a', 0, 3, 100));
    pipeline.consume('nvml', readings('GPU-b', 0, 3, 100));
    pipeline.finish();
    expect(new Set(intervals().map(({ uuid }) => uuid))).toEqual(new Set(['GPU-b']));
  });

  test('books a device of a run that never answers as a gap, not as an idle GPU', () => {
    const { pipeline, account } = join({ startSeconds: instant(START) });
    pipeline.consume('nvml', devicesOf('GPU-a'));
    for (let second = 1; second <= 5; second += 1)
      pipeline.consume('nvml', { kind: 'tick', timeSeconds: instant(START + second) });
    pipeline.finish(instant(START + 5));
    const totals = account.totalsOf('GPU-a');
    expect(totals?.observedSeconds).toBe(0);
    expect(totals?.energyJoules).toBe(0);
    expect(Object.values(totals?.gapSeconds ?? {}).reduce((all, gap) => all + gap, 0)).toBeCloseTo(
      5,
      6,
    );
  });

  test('a log’s GPU that comes up late is a gap until then; live, it is new', () => {
    const gapsOf = (source: 'replay' | 'nvml'): number | undefined => {
      const { pipeline, account } = join();
      const devices = ['a', 'b'].map((uuid, index) => ({ ...device(uuid), index, source }));
      pipeline.consume(source, { kind: 'devices', devices });
      pipeline.consume(source, readings('a', 0, 60, 100));
      pipeline.consume(source, readings('b', 30, 60, 100));
      pipeline.finish();
      expect(account.totalsOf('b')?.energyJoules).toBeGreaterThan(2990);
      return account.totalsOf('b')?.gapSeconds.edge;
    };
    // The first reading answers for up to 2 s before it.
    expect(gapsOf('replay')).toBeCloseTo(27, 0);
    expect(gapsOf('nvml')).toBeUndefined();
  });

  test('meters what nobody reads by the passing of time, also when all GPUs fall silent', () => {
    const host: Device = { ...device('host'), kind: 'host', source: 'constant' };
    const { pipeline, account } = join({ constants: [host], startSeconds: instant(START) });
    pipeline.consume('nvml', devicesOf('GPU-a'));
    pipeline.consume('nvml', readings('GPU-a', 0, 2, 100));
    for (let second = 3; second <= 10; second += 1)
      pipeline.consume('nvml', { kind: 'tick', timeSeconds: instant(START + second) });
    pipeline.finish(instant(START + 10));
    expect(account.totalsOf('host')?.energyJoules).toBeCloseTo(2000, 6);
    const gpu = account.totalsOf('GPU-a');
    expect(gpu?.observedSeconds).toBeLessThan(4);
  });

  test('marks a GPU that is no longer listed as gone, and keeps its books', () => {
    const { pipeline } = join();
    pipeline.consume('nvml', devicesOf('GPU-a', 'GPU-b'));
    for (const uuid of ['GPU-a', 'GPU-b']) pipeline.consume('nvml', readings(uuid, 0, 5, 100));
    pipeline.consume('nvml', devicesOf('GPU-a'));
    pipeline.consume('nvml', readings('GPU-a', 5.05, 9, 100));
    const devices = pipeline.devices();
    expect(devices.map(({ device: { uuid }, present }) => [uuid, present])).toEqual([
      ['GPU-a', true],
      ['GPU-b', false],
    ]);
    expect(devices[1]?.totals.energyJoules).toBeGreaterThan(0);
  });

  test('knows nothing before the first reading', () => {
    const { pipeline } = join();
    pipeline.consume('nvml', devicesOf('GPU-a'));
    expect(pipeline.devices()).toEqual([]);
    expect(pipeline.firstSeconds).toBeUndefined();
    expect(pipeline.lastSeconds).toBeUndefined();
  });
});
