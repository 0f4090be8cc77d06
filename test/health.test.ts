import { describe, expect, test } from 'vitest';

import { createHealthLedger } from '../agent/health.ts';
import { READING_STATUS } from '../agent/model.ts';
import { READ_DURATION_BOUNDS_SECONDS } from '../agent/snapshot.ts';
import { instant } from '../agent/units.ts';

const fault = { kind: 'fault', reason: 'gpu-lost', message: 'GPU 0 is lost.' } as const;
const read = (durationSeconds: number, time: number) =>
  ({ kind: 'read', durationSeconds, timeSeconds: instant(time) }) as const;
const batch = (times: readonly number[], status: readonly number[]) =>
  ({
    kind: 'batch',
    batch: {
      uuid: 'GPU-a',
      length: times.length,
      timeSeconds: Float64Array.from(times),
      status: Uint8Array.from(status),
      powerWatts: {},
    },
  }) as const;

describe('createHealthLedger()', () => {
  test('knows nothing of a source before its first event', () => {
    expect(createHealthLedger().list()).toEqual([]);
  });

  test('is up after a read, down after a fault, and up again after the next', () => {
    const health = createHealthLedger();
    const states = [read(0.001, 10), fault, read(0.002, 12)].map((event) => {
      health.add('nvml', event);
      return health.list()[0]?.up;
    });
    expect(states).toEqual([true, false, true]);
    expect(health.list()[0]).toMatchObject({
      errorsByReason: { 'gpu-lost': 1 },
      lastSuccessSeconds: 12,
    });
  });

  test('counts good readings alone: a batch of failures is no success', () => {
    const health = createHealthLedger();
    health.add('nvidia-smi', batch([1, 2], [1, 1]));
    expect(health.list()[0]).toMatchObject({ up: false, sampleCount: 0 });
    expect(health.list()[0]).not.toHaveProperty('lastSuccessSeconds');
    health.add('nvidia-smi', batch([3, 4, 5], [0, 1, 0]));
    expect(health.list()[0]).toMatchObject({ up: true, sampleCount: 2, lastSuccessSeconds: 5 });
  });

  test('counts failed readings by reason, but not what is no failure of a read', () => {
    const health = createHealthLedger();
    const [lost, absent, hung] = ['gpu-lost', 'not-supported', 'timeout'] as const;
    const codes = [lost, 'ok', absent, lost, hung] as const;
    const status = codes.map((one) => READING_STATUS.indexOf(one));
    health.add('nvml', batch([1, 2, 3, 4, 5], status));
    expect(health.list()[0]?.errorsByReason).toEqual({ 'gpu-lost': 2 });
  });

  test('keeps a cumulative histogram of read durations', () => {
    const health = createHealthLedger();
    const bounds = READ_DURATION_BOUNDS_SECONDS;
    for (const bound of bounds) health.add('nvml', read(bound, 1));
    health.add('nvml', read((bounds.at(-1) ?? 0) * 2, 1));
    const [one] = health.list();
    expect(one?.readDurationBuckets).toEqual(bounds.map((_, at) => at + 1));
    expect(one?.readDurationCount).toBe(bounds.length + 1);
  });

  test('keeps sources apart', () => {
    const health = createHealthLedger();
    health.add('nvml', fault);
    health.add('rapl', read(0.001, 1));
    expect(health.list().map(({ kind, up }) => [kind, up])).toEqual([
      ['nvml', false],
      ['rapl', true],
    ]);
  });
});
