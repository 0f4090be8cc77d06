// replaySource() and the trace that record writes: the same readings at once, live, in a loop, and after a round trip.

import { afterAll, describe, expect, test } from 'vitest';

import type { Batch, Device } from '../../agent/model.ts';
import { replaySource, type ReplayOptions } from '../../agent/source/replay.ts';
import type { SourceEvent } from '../../agent/source/source.ts';
import { openTraceWriter } from '../../agent/source/trace-writer.ts';
import { watts } from '../../agent/units.ts';
import { readAll, readingsOf, temporaryFolder, writeLog, type Said } from './reading.ts';
import { testClock } from './test-clock.ts';

const folder = temporaryFolder();
afterAll(() => folder[Symbol.dispose]());

const START = Date.UTC(2026, 0, 15) / 1e3;
const trace = (name: string, fromSeconds: number, count: number, extra = ''): string =>
  writeLog(
    folder.path,
    `timestamp, index, power.draw [W]${extra === '' ? '' : ', energy.counter [mJ]'}\n${Array.from({ length: count }, (_, i) => `${new Date((START + fromSeconds + i * 0.1) * 1e3).toISOString()}, 0, ${100 + i}.00${extra === '' ? '' : `, ${5000 + i * 10}`}\n`).join('')}`,
    name,
  );

const replay = (options: Partial<ReplayOptions> & { files: readonly string[] }) =>
  replaySource({ clock: testClock(), speed: 'max', ...options });
const signal = (): AbortSignal => new AbortController().signal;

async function take(
  events: AsyncGenerator<SourceEvent, void, void>,
  isEnough: (seen: readonly SourceEvent[]) => boolean,
): Promise<SourceEvent[]> {
  const seen: SourceEvent[] = [];
  for await (const event of events) {
    seen.push(event);
    if (isEnough(seen)) break;
  }
  return seen;
}

const batchesOf = (events: readonly SourceEvent[]): Batch[] =>
  events.flatMap((event) => (event.kind === 'batch' ? [event.batch] : []));

describe('replaySource()', () => {
  test('announces its devices before any reading, and sums up its input', async () => {
    const source = replay({ files: [trace('one.csv', 0, 20)] });
    const said = await readAll(source.events(signal()));
    expect(said.events[0]?.kind).toBe('devices');
    expect(said.batches).toHaveLength(1);
    expect(source.inputSummary()).toMatchObject({ rows: 20, malformedCount: 0, malformed: [] });
  });

  test('joins files in order of time, whatever the order of their names', async () => {
    const id = 'GPU-5b6d2f8e-0000-4000-8000-000000000001';
    const part = (name: string, second: number): string =>
      writeLog(
        folder.path,
        `timestamp, uuid, power.draw [W]\n2026-01-15T00:00:0${second}Z, ${id}, ${second}.00\n2026-01-15T00:00:0${second + 1}Z, ${id}, ${second + 1}.00\n`,
        name,
      );
    const source = replay({ files: [part('b.csv', 4), part('a.csv', 2), part('c.csv', 3)] });
    const said = await readAll(source.events(signal()));
    // Second 3 is in two files, and its older rows in c.csv come too late.
    expect(readingsOf(said, id).map(({ watts: power }) => power)).toEqual([2, 3, 3, 4, 4, 5]);
    expect(source.inputSummary().rows).toBe(6);
  });

  test('leaves out rows of a time that another file covers for the same GPU, and says so', async () => {
    const id = 'GPU-5b6d2f8e-0000-4000-8000-000000000002';
    const file = writeLog(
      folder.path,
      `timestamp, uuid, power.draw [W]\n${Array.from({ length: 9 }, (_, i) => `2026-01-15T00:00:0${i}Z, ${id}, 50.00\n`).join('')}`,
      'twice.csv',
    );
    const said = await readAll(replay({ files: [file, file] }).events(signal()));
    expect(readingsOf(said, id).length).toBeLessThanOrEqual(10);
    expect(said.warnings.map(({ code }) => code)).toContain('overlapping-files');
  });

  test('keeps devices of several files apart when none has a uuid', async () => {
    const said = await readAll(
      replay({ files: [trace('n1.csv', 0, 5), trace('n2.csv', 0, 5)] }).events(signal()),
    );
    expect(said.devices.map(({ uuid }) => uuid)).toEqual(['trace-1-0', 'trace-2-0']);
  });

  test('plays live at the pace of the trace, one tick a second', async () => {
    const clock = testClock(5000);
    const moments: number[] = [];
    const source = replay({ files: [trace('live.csv', 0, 35)], speed: 2, clock });
    const events: SourceEvent[] = [];
    for await (const event of source.events(signal())) {
      events.push(event);
      if (event.kind === 'batch') moments.push(clock.now());
    }
    expect(batchesOf(events)).toHaveLength(35);
    expect(batchesOf(events)[0]?.timeSeconds[0]).toBeCloseTo(START, 6);
    expect(moments.at(-1)).toBeCloseTo(5000 + 3.4 / 2, 6);
    const ticks = events.flatMap((event) => (event.kind === 'tick' ? [event.timeSeconds] : []));
    expect(ticks.map((time) => Math.round(time - START))).toEqual([1, 2, 3]);
  });

  test('never says something older than a tick has promised', async () => {
    const file = writeLog(
      folder.path,
      `timestamp, index, power.draw [W]\n${Array.from({ length: 200 }, (_, i) => `${new Date((START + (i >> 1) * 0.1 + (i % 2) * 0.04) * 1e3).toISOString()}, ${i % 2}, 9.00\n`).join('')}`,
      'two.csv',
    );
    let promised = -Infinity;
    for await (const event of replay({ files: [file], speed: 1 }).events(signal())) {
      if (event.kind === 'tick') promised = event.timeSeconds;
      if (event.kind === 'batch')
        expect(event.batch.timeSeconds[0]).toBeGreaterThanOrEqual(promised);
    }
    expect(promised).toBeGreaterThan(START);
  });

  test('goes on in a loop: time and counter never go back, and gain as much as the trace does', async () => {
    const file = trace('loop.csv', 0, 10, 'counter');
    const source = replay({ files: [file], speed: 1, loop: true, restampToNow: true });
    const events = await take(source.events(signal()), (seen) => batchesOf(seen).length === 30);
    const times = batchesOf(events).map(({ timeSeconds }) => timeSeconds[0] ?? Number.NaN);
    const counters = batchesOf(events).map(({ counterJoules }) => counterJoules?.[0] ?? Number.NaN);
    expect(times[0]).toBeCloseTo(1_000_000, 6);
    for (let at = 1; at < 30; at += 1) {
      expect((times[at] ?? 0) - (times[at - 1] ?? 0)).toBeCloseTo(0.1, 3);
      expect((counters[at] ?? 0) - (counters[at - 1] ?? 0)).toBeCloseTo(0.01, 6);
    }
    expect(events.filter(({ kind }) => kind === 'devices')).toHaveLength(1);
    expect(source.inputSummary().rows).toBe(10);
  });

  test('ends at once when told to', async () => {
    const control = new AbortController();
    const source = replay({ files: [trace('stop.csv', 0, 30)], speed: 1, loop: true });
    let count = 0;
    for await (const event of source.events(control.signal)) {
      if (event.kind === 'batch') count += 1;
      if (count === 3) control.abort();
    }
    expect(count).toBe(3);
  });

  test('refuses what is no log', async () => {
    const file = writeLog(folder.path, 'hello\n', 'no.csv');
    await expect(readAll(replay({ files: [file] }).events(signal()))).rejects.toMatchObject({
      fate: 'fatal',
    });
  });
});

const device = (index: number): Device => ({
  uuid: `GPU-5b6d2f8e-0000-4000-8000-00000000000${index}`,
  index,
  kind: 'gpu',
  model: 'Board, with "comma"',
  source: 'nvml',
  driverVersion: '590.48.01',
  pciBusId: '00000000:01:00.0',
  powerLimitWatts: watts(300),
  ratedPowerWatts: watts(350),
  memoryTotalBytes: 25_769_803_776,
  powerOrigin: 'measured',
});

const batch = (uuid: string, from: number, count: number): Batch => ({
  uuid,
  length: count,
  timeSeconds: Float64Array.from({ length: count }, (_, i) => from + i * 0.0123),
  status: Uint8Array.from({ length: count }, (_, i) => (i % 5 === 4 ? 2 : 0)),
  powerWatts: {
    draw: Float64Array.from({ length: count }, (_, i) => (i % 5 === 4 ? NaN : 100 + i / 7)),
    instant: Float64Array.from({ length: count }, (_, i) => (i % 5 === 4 ? NaN : 90 + i / 3)),
  },
  counterJoules: Float64Array.from({ length: count }, (_, i) =>
    i % 5 === 4 ? NaN : 10 + i * 1.234,
  ),
  gauges: { utilizationRatio: 0.5, memoryUsedBytes: 1_048_576, smClockHertz: 1.41e9 },
});

describe('openTraceWriter()', () => {
  const roundTrip = async (name: string, batches: readonly Batch[]): Promise<Said> => {
    const file = `${folder.path}/${name}`;
    {
      await using writer = await openTraceWriter(file, testClock(START));
      writer.setDevices([device(0), device(1)]);
      for (const each of batches) await writer.write(each);
      expect(writer.rowCount).toBe(batches.reduce((sum, { length }) => sum + length, 0));
    }
    return readAll(replay({ files: [file] }).events(signal()));
  };

  test.each(['plain.csv', 'packed.csv.gz'])('writes %s that reads back the same', async (name) => {
    const written = [
      batch(device(0).uuid, START, 40),
      batch(device(1).uuid, START, 40),
      batch(device(0).uuid, START + 0.6, 500),
    ];
    const said = await roundTrip(name, written);

    expect(said.devices).toEqual(
      [device(0), device(1)].map((each) => ({ ...each, source: 'replay' })),
    );
    expect(said.warnings).toEqual([]);
    for (const { uuid } of said.devices) {
      const flat = (all: readonly Batch[], pick: (each: Batch) => Iterable<number>): number[] =>
        all.filter((each) => each.uuid === uuid).flatMap((each) => [...pick(each)]);
      const same = (pick: (each: Batch) => Iterable<number>, digits: number): void => {
        const [before, after] = [flat(written, pick), flat(said.batches, pick)];
        expect(after).toHaveLength(before.length);
        for (const [at, value] of before.entries()) {
          if (Number.isNaN(value)) expect(after[at]).toBeNaN();
          else expect(after[at]).toBeCloseTo(value, digits);
        }
      };
      same(({ timeSeconds }) => timeSeconds, 5);
      same(({ status }) => status, 0);
      same(({ powerWatts }) => powerWatts.draw ?? [], 9);
      same(({ powerWatts }) => powerWatts.instant ?? [], 9);
      same(({ counterJoules }) => counterJoules ?? [], 8);
      expect(said.batches.every(({ powerWatts }) => powerWatts.average === undefined)).toBe(true);
    }
    expect(said.batches.at(-1)?.gauges).toMatchObject({
      utilizationRatio: 0.5,
      smClockHertz: 1.41e9,
    });
  });

  test('writes present wall times, and keeps the timeline when the clock was set', async () => {
    const set = { ...batch(device(0).uuid, START, 4), wallOffsetSeconds: -3600 };
    const late = { ...batch(device(0).uuid, START + 0.1, 4), wallOffsetSeconds: 0 };
    const said = await roundTrip('set.csv', [set, late]);
    const times = readingsOf(said, device(0).uuid).map(({ time }) => time);
    expect(times[0]).toBeCloseTo(START - 3600, 3);
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeCloseTo(0.1 + 3 * 0.0123, 5);
  });

  test('says why it cannot write', async () => {
    await expect(openTraceWriter('/nowhere/trace.csv', testClock())).rejects.toThrow(
      /Cannot write \/nowhere\/trace.csv: ENOENT/,
    );
  });
});
