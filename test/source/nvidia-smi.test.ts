// nvidiaSmiSource() against the double: every way in which nvidia-smi fails, seen from outside.

import { afterAll, describe, expect, test } from 'vitest';

import { openClock } from '../../agent/clock.ts';
import { READING_STATUS, type Batch, type ReadingStatus } from '../../agent/model.ts';
import { failureOf } from '../../agent/source/nvidia-smi-failure.ts';
import { fieldsKnownTo, QUERY_FIELDS } from '../../agent/source/nvidia-smi-fields.ts';
import { RowParser } from '../../agent/source/nvidia-smi-rows.ts';
import { nvidiaSmiSource, type NvidiaSmiOptions } from '../../agent/source/nvidia-smi.ts';
import type { SourceEvent } from '../../agent/source/source.ts';
import { instant } from '../../agent/units.ts';
import * as truth from '../doubles/gpu-scenario.ts';
import type { SimulatedGpu } from '../doubles/gpu-scenario.ts';
import {
  loadEnergyJoules,
  sensorWatts,
  type LoadTerm,
  type SensorOfDouble,
} from '../doubles/nvidia-smi-load.js';
import { nvidiaSmiScenario } from '../doubles/nvidia-smi-scenario.ts';
import { isAlive, nvidiaSmiDouble, type Double } from './double.ts';
import { temporaryFolder } from './reading.ts';

const folder = temporaryFolder();
afterAll(() => folder[Symbol.dispose]());

// Quick enough for a test, slow enough for a loaded machine: starting the double takes some tenths of a second there.
const timing = {
  tickSeconds: 0.1,
  silenceSeconds: 2,
  killGraceSeconds: 0.3,
  backoffSeconds: 0.05,
  absentSeconds: 0.3,
};

interface Watched {
  readonly events: SourceEvent[];
  readonly double: Double;
}

/** Runs the source until it has said enough. */
async function watch(
  scenario: object,
  isEnough: (events: readonly SourceEvent[]) => boolean,
  options: Partial<NvidiaSmiOptions> = {},
): Promise<Watched> {
  const double = nvidiaSmiDouble(folder.path, scenario);
  const control = new AbortController();
  const events: SourceEvent[] = [];
  await using source = nvidiaSmiSource({
    clock: openClock(),
    periodSeconds: 0.05,
    env: double.env,
    timing,
    ...options,
  });
  for await (const event of source.events(control.signal)) {
    events.push(event);
    if (isEnough(events)) control.abort();
  }
  return { events, double };
}

const batchesOf = (events: readonly SourceEvent[]): Batch[] =>
  events.flatMap((event) => (event.kind === 'batch' ? [event.batch] : []));
const statusOf = (batch: Batch): ReadingStatus => READING_STATUS[batch.status[0] ?? -1] ?? 'ok';
const countOf = (events: readonly SourceEvent[], status: ReadingStatus): number =>
  batchesOf(events).filter((batch) => statusOf(batch) === status).length;
const faultsOf = (events: readonly SourceEvent[]): string[] =>
  events.flatMap((event) => (event.kind === 'fault' ? [event.reason] : []));
const okAfter = (events: readonly SourceEvent[], reason: string, count: number): boolean => {
  const at = events.findIndex((event) => event.kind === 'fault' && event.reason === reason);
  return at !== -1 && countOf(events.slice(at), 'ok') >= count;
};

const UUIDS = [
  'GPU-00000000-0000-4000-8000-000000000000',
  'GPU-00000000-0000-4000-8000-000000000001',
];
const two = [
  { load: [{ kind: 'constant', watts: 120 }] },
  { load: [{ kind: 'constant', watts: 250 }] },
];

describe('nvidiaSmiSource()', () => {
  test('announces devices with their facts, then one reading a GPU and cycle, with registers apart', async () => {
    const { events } = await watch({ gpus: two }, (seen) => batchesOf(seen).length >= 10);

    expect(events.find(({ kind }) => kind !== 'tick')).toMatchObject({
      kind: 'devices',
      devices: [
        {
          uuid: UUIDS[0],
          index: 0,
          model: 'Simulated GPU',
          source: 'nvidia-smi',
          driverVersion: '590.48.01',
          pciBusId: '00000000:01:00.0',
          powerLimitWatts: 300,
          ratedPowerWatts: 350,
        },
        { uuid: UUIDS[1], index: 1 },
      ],
    });
    const second = batchesOf(events).filter(({ uuid }) => uuid === UUIDS[1]);
    expect(second[0]).toMatchObject({
      length: 1,
      powerWatts: { instant: Float64Array.of(250), average: Float64Array.of(250) },
      gauges: { utilizationRatio: 0.5, temperatureCelsius: 45 },
    });
    const times = second.map(({ timeSeconds }) => timeSeconds[0] ?? 0);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(Math.abs((times[0] ?? 0) - Date.now() / 1e3)).toBeLessThan(30);
    expect(events.some(({ kind }) => kind === 'read')).toBe(true);
  });

  test('brings the energy that the double really drew', async () => {
    const originUnixSeconds = Date.now() / 1e3;
    const load: LoadTerm[] = [
      { kind: 'constant', watts: 200 },
      { kind: 'sine', amplitudeWatts: 80, periodSeconds: 1 },
    ];
    const { events } = await watch(
      { originUnixSeconds, gpus: [{ load }] },
      (seen) => batchesOf(seen).length >= 45,
    );
    const readings = batchesOf(events).map(({ timeSeconds, powerWatts }) => ({
      time: (timeSeconds[0] ?? 0) - originUnixSeconds,
      watts: powerWatts.instant?.[0] ?? Number.NaN,
    }));
    const measured = readings.slice(1).reduce((sum, { time, watts }, at) => {
      const before = readings[at] ?? { time, watts };
      return sum + ((watts + before.watts) / 2) * (time - before.time);
    }, 0);
    // Shown values are of the 100 ms before a refresh, which was up to 100 ms ago.
    const [first, last] = [readings[0]?.time ?? 0, readings.at(-1)?.time ?? 0];
    const truth = loadEnergyJoules(load, first - 0.1, last - 0.1);
    expect(Math.abs(measured / truth - 1)).toBeLessThan(0.03);
  });

  test('asks an old driver only for what it knows', async () => {
    const { events } = await watch(
      { fieldsLegacy: true, missingFields: ['power.default_limit'] },
      (seen) => batchesOf(seen).length >= 2,
    );
    expect(batchesOf(events)[0]?.powerWatts).toEqual({ draw: Float64Array.of(100) });
    expect(faultsOf(events)).toEqual([]);
  });

  test('reads lines that come in pieces and out of order, between garbage', async () => {
    const faults = [
      { kind: 'split' },
      { kind: 'reverse' },
      { kind: 'garbage', text: 'Warning: 7, 8' },
    ];
    const { events } = await watch(
      { gpus: two, faults },
      (seen) => countOf(seen, 'ok') >= 12 && faultsOf(seen).length > 0,
    );
    expect(countOf(events, 'ok')).toBe(batchesOf(events).length);
    expect(new Set(batchesOf(events).map(({ powerWatts }) => powerWatts.draw?.[0]))).toEqual(
      new Set([120, 250]),
    );
    expect(new Set(faultsOf(events))).toEqual(new Set(['malformed']));
  });

  test('calls a lost GPU lost, never idle, and takes it back', async () => {
    const faults = [{ kind: 'lost', gpu: 1, fromCycle: 3, untilCycle: 8 }];
    const { events } = await watch(
      { gpus: two, faults },
      (seen) => batchesOf(seen).filter(({ uuid }) => uuid === UUIDS[1]).length >= 12,
    );
    const statuses = batchesOf(events)
      .filter(({ uuid }) => uuid === UUIDS[1])
      .map(statusOf);
    expect(statuses).toEqual([
      ...Array<string>(3).fill('ok'),
      ...Array<string>(5).fill('gpu-lost'),
      ...Array<string>(statuses.length - 8).fill('ok'),
    ]);
    const lost = batchesOf(events).filter((batch) => statusOf(batch) === 'gpu-lost');
    expect(lost.every(({ powerWatts }) => Object.keys(powerWatts).length === 0)).toBe(true);
    expect(events.filter(({ kind }) => kind === 'devices').at(-1)).toMatchObject({
      devices: [{ uuid: UUIDS[0] }, { uuid: UUIDS[1], powerLimitWatts: 300 }],
    });
  });

  test('knows whose reading failed from an error sentence in place of its row', async () => {
    const faults = [{ kind: 'error-line', gpu: 1, fromCycle: 2 }];
    const { events } = await watch(
      { gpus: two, faults },
      (seen) => countOf(seen, 'unknown-error') >= 2,
    );
    const failed = batchesOf(events).filter((batch) => statusOf(batch) === 'unknown-error');
    expect(new Set(failed.map(({ uuid }) => uuid))).toEqual(new Set([UUIDS[1]]));
  });

  test('announces a GPU that goes and comes back', async () => {
    const faults = [{ kind: 'missing', gpu: 1, fromCycle: 3, untilCycle: 25 }];
    const { events } = await watch(
      { gpus: two, faults },
      (seen) => seen.filter(({ kind }) => kind === 'devices').length >= 3,
    );
    const sets = events.flatMap((event) =>
      event.kind === 'devices' ? [event.devices.length] : [],
    );
    expect(sets).toEqual([2, 1, 2]);
  });

  test('lets time pass while it hangs, replaces it even when it ignores SIGTERM, and never has two', async () => {
    const scenario = {
      gpus: two,
      ignoreSigterm: true,
      faults: [{ kind: 'hang', launch: 1, fromCycle: 3 }],
    };
    const { events, double } = await watch(scenario, (seen) => okAfter(seen, 'timeout', 4));

    const hang = events.findIndex((event) => event.kind === 'fault');
    const before = events.slice(0, hang).filter(({ kind }) => kind === 'tick').length;
    expect(before).toBeGreaterThan(10);
    expect(countOf(events, 'timeout')).toBeGreaterThanOrEqual(2);
    const streams = double
      .log()
      .filter(({ args }) => args.some((arg) => arg.startsWith('--query')));
    const [first, second] = streams.filter(({ event }) => event === 'start');
    expect(streams.map(({ event }) => event).slice(0, 3)).toEqual(['start', 'sigterm', 'start']);
    expect(isAlive(first?.pid ?? 0)).toBe(false);
    expect(second?.pid).not.toBe(first?.pid);
  });

  test.each([
    [15, 'gpu-lost', 'gpu-lost'],
    [9, 'driver-not-loaded', 'driver-not-loaded'],
    [6, 'no-gpu', 'gpu-lost'],
  ] as const)(
    'explains exit code %i, fails the readings while it lasts, and goes on',
    async (code, reason, status) => {
      const faults = [
        { kind: 'exit', code, launch: 1, fromCycle: 2 },
        { kind: 'exit', code, launch: 2 },
      ];
      const { events } = await watch(
        { gpus: two, faults },
        (seen) => okAfter(seen, reason, 2) && countOf(seen, 'ok') >= 6,
        { timing: { ...timing, backoffSeconds: 0.3 } },
      );
      expect(faultsOf(events)).toEqual([reason, reason]);
      expect(countOf(events, status)).toBeGreaterThanOrEqual(2);
    },
  );

  test('one lost GPU that ends the whole query is lost; the others are only not read', async () => {
    const faults = [
      { kind: 'exit', code: 15, launch: 1, fromCycle: 2 },
      { kind: 'exit', code: 15, launch: 2 },
    ];
    const { events } = await watch(
      { gpus: two, faults },
      (seen) => countOf(seen, 'gpu-lost') >= 2 && countOf(seen, 'no-data') >= 2,
      { timing: { ...timing, backoffSeconds: 0.3 } },
    );
    const statusesOf = (uuid: string | undefined): Set<string> =>
      new Set(
        batchesOf(events)
          .filter((batch) => batch.uuid === uuid)
          .map(statusOf),
      );
    // The stand-in's sentence names the second bus.
    expect(statusesOf(UUIDS[0])).toEqual(new Set(['ok', 'no-data']));
    expect(statusesOf(UUIDS[1])).toEqual(new Set(['ok', 'gpu-lost']));
  });

  test('gives up at once where nothing can mend it by waiting', async () => {
    const PATH = folder.path;
    const source = nvidiaSmiSource({ clock: openClock(), periodSeconds: 0.1, env: { PATH } });
    const next = source.events(new AbortController().signal).next();
    await expect(next).rejects.toMatchObject({
      fate: 'fatal',
      reason: 'not-installed',
      message: expect.stringMatching(/nvidia-smi.*not on PATH/),
    });
    const library = watch({ faults: [{ kind: 'help-exit', code: 12 }] }, () => false);
    await expect(library).rejects.toMatchObject({ reason: 'library-missing' });
  });

  test('gives up before its first GPU when it is not to wait for the driver', async () => {
    const scenario = { faults: [{ kind: 'exit', code: 9 }] };
    await expect(watch(scenario, () => false, { waitForDriver: false })).rejects.toMatchObject({
      reason: 'driver-not-loaded',
    });
  });

  test('dates rows back that waited in the pipe while we were busy', async () => {
    const busySeconds = 1.5;
    let hasBeenBusy = false;
    const { events } = await watch({}, (seen) => {
      if (!hasBeenBusy && batchesOf(seen).length === 5) {
        hasBeenBusy = true;
        const until = performance.now() + busySeconds * 1e3;
        while (performance.now() < until);
      }
      return batchesOf(seen).length >= 40;
    });
    const times = batchesOf(events).map(({ timeSeconds }) => timeSeconds[0] ?? 0);
    const steps = times.slice(1).map((time, at) => time - (times[at] ?? 0));
    expect(Math.max(...steps)).toBeLessThan(busySeconds * 0.7);
  });

  test('is not held up by a help that hangs', async () => {
    const double = await watch(
      { faults: [{ kind: 'help-hang' }] },
      (seen) => faultsOf(seen).length > 0,
      { timing: { ...timing, probeDeadlineSeconds: 0.5 } },
    );
    expect(faultsOf(double.events)).toEqual(['timeout']);
  });

  test('ends at once though the child ignores SIGTERM, and leaves none behind', async () => {
    const scenario = { ignoreSigterm: true };
    const startedAt = Date.now();
    let enoughAt = 0;
    const { double } = await watch(scenario, (seen) => {
      const isEnough = batchesOf(seen).length >= 2;
      if (isEnough && enoughAt === 0) enoughAt = Date.now();
      return isEnough;
    });
    expect(Date.now() - enoughAt).toBeLessThan(500);
    expect(enoughAt).toBeGreaterThan(startedAt);
    const { pid } = double.log().find(({ args }) => args.includes('-lms')) ?? { pid: 0 };
    await expect.poll(() => isAlive(pid)).toBe(false);
  });
});

describe('the double', () => {
  test('plays the scenario that the stand-in for libnvidia-ml plays, at the same power', () => {
    const sensor = { window: 0.025, period: 0.1, phase: 0.03 };
    const gpu: SimulatedGpu = {
      base: 60,
      instant: sensor,
      gain: 0.98,
      offset: 2,
      loads: [
        { kind: 'step', from: 1, to: 4, watts: 100 },
        { kind: 'square', from: 2, to: Infinity, watts: 80, period: 0.13, duty: 0.4 },
        { kind: 'sine', from: 0.5, to: 9, watts: 20, period: 0.7 },
        { kind: 'ramp', from: 3, to: 6, watts: 50 },
      ],
    };
    const text = JSON.stringify(nvidiaSmiScenario({ originNanoseconds: 5n, gpus: [gpu] }));
    const [played] = (JSON.parse(text) as { gpus: { load: LoadTerm[]; sensor: SensorOfDouble }[] })
      .gpus;
    for (let time = 0.2; time < 12; time += 0.037) {
      const expected = truth.sensorWatts(gpu, 'instant', time);
      expect(
        sensorWatts(
          played?.load ?? [],
          played?.sensor ?? { windowSeconds: 1, periodSeconds: 1 },
          time,
        ),
      ).toBeCloseTo(expected, 6);
    }
  });
});

describe('failureOf()', () => {
  test.each([2, 3, 4, 6, 8, 9, 10, 12, 13, 14, 15, 18, 77])(
    'exit code %i names the mend',
    (code) => {
      const failure = failureOf('nvidia-smi', { kind: 'exited', code }, 'Something broke.\n');
      expect(failure.message).toContain(`code ${code} (Something broke)`);
      expect(failure.message).toMatch(/\?$|\.$/);
      expect(failure.message).not.toContain('\n');
    },
  );
});

describe('fieldsKnownTo()', () => {
  test('takes titles and their second names, at line starts only', () => {
    const help =
      '"timestamp"\nWhen.\n\n"uuid" or "gpu_uuid"\nSee "name".\n\n"clocks.current.sm" or "clocks.sm"\n';
    expect(fieldsKnownTo(help)).toEqual(['timestamp', 'uuid', 'clocks.current.sm']);
  });
});

describe('RowParser', () => {
  const fields = [...QUERY_FIELDS];
  const line = (power: string, name = 'A'): string =>
    `2026/01/01 00:00:00.000, 0, ${UUIDS[0]}, ${power}, [N/A], [N/A], 5, 6, 7, 8, 9, 300.00, 350.00, 590.1, 0000:01:00.0, ${name}`;

  test.each([
    ['[N/A]', 'not-supported'],
    ['[Unknown Error]', 'unknown-error'],
    ['[GPU is lost]', 'gpu-lost'],
    ['[Not Supported]', 'not-supported'],
    ['[GPU requires reset]', 'reset-required'],
    ['[No data]', 'no-data'],
    ['[Insufficient Permissions]', 'no-permission'],
    ['[Requested functionality has been deprecated]', 'not-supported'],
    ['ERR!', 'unknown-error'],
    ['N/A', 'not-supported'],
    ['[Something that no driver says yet]', 'unknown-error'],
    ['-5.00', 'implausible'],
    ['123456.00', 'implausible'],
    ['12x', 'malformed'],
  ])('a power of %s is %s', (power, status) => {
    const outcome = new RowParser().parse(line(power), fields, instant(5));
    expect(outcome.kind === 'reading' && statusOf(outcome.batch)).toBe(status);
  });

  test('keeps commas in a name, and never goes back in time', () => {
    const parser = new RowParser();
    parser.parse(line('5.00', 'A, B'), fields, instant(10));
    const later = parser.parse(line('6.00', 'A, B'), fields, instant(9));
    expect(parser.devices[0]?.model).toBe('A, B');
    expect(later.kind === 'reading' && later.batch.timeSeconds[0]).toBe(10);
  });
});
