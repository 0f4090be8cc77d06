// sample(), bestAvailable() and openSources(): several sources at their own pace, none in the way of another.

import { describe, expect, test } from 'vitest';

import { instant } from '../agent/units.ts';
import { sample, type SampledEvent } from '../agent/sampler.ts';
import { bestAvailable } from '../agent/source/best-available.ts';
import { openSources } from '../agent/source/open.ts';
import { SourceError, type Source, type SourceEvent } from '../agent/source/source.ts';
import type { SourceKind } from '../agent/model.ts';
import { testClock } from './source/test-clock.ts';

const tick = (timeSeconds: number): SourceEvent => ({
  kind: 'tick',
  timeSeconds: instant(timeSeconds),
});
const devices: SourceEvent = { kind: 'devices', devices: [] };

function source(
  kind: SourceKind,
  events: (signal: AbortSignal) => AsyncGenerator<SourceEvent, void, void>,
): Source {
  return { kind, events, async [Symbol.asyncDispose]() {} };
}

const saying = (kind: SourceKind, ...events: readonly SourceEvent[]): Source =>
  source(kind, async function* () {
    yield* events;
  });

const never = new Promise<void>(() => undefined);
const hanging = (kind: SourceKind): Source =>
  source(kind, async function* () {
    yield devices;
    await never;
  });
const failing = (kind: SourceKind, first?: SourceEvent): Source =>
  source(kind, async function* () {
    if (first !== undefined) yield first;
    throw new SourceError(`${kind} is gone.`, { fate: 'fatal', reason: 'gone' });
  });

async function collect(events: AsyncIterable<SampledEvent>, limit = Infinity): Promise<string[]> {
  const seen: string[] = [];
  for await (const event of events) {
    seen.push(`${event.source} ${event.kind}`);
    if (seen.length === limit) break;
  }
  return seen;
}

const signal = (): AbortSignal => new AbortController().signal;

describe('sample()', () => {
  test('gives the events of all sources with their source, each in its order, until all have ended', async () => {
    const seen = await collect(
      sample([saying('hwmon', tick(1), tick(2)), saying('rapl', devices, tick(1))], signal()),
    );
    expect(seen.filter((text) => text.startsWith('rapl'))).toEqual(['rapl devices', 'rapl tick']);
    expect(seen).toHaveLength(4);
  });

  test('goes on with the others while one hangs', async () => {
    const ticks = Array.from({ length: 50 }, (_, at) => tick(at));
    const seen = await collect(
      sample([hanging('nvml'), saying('nvidia-smi', ...ticks)], signal()),
      51,
    );
    expect(seen.filter((text) => text === 'nvidia-smi tick')).toHaveLength(50);
  });

  test('ends when told to, though a source hangs', async () => {
    const control = new AbortController();
    const seen: string[] = [];
    for await (const event of sample([hanging('nvml')], control.signal)) {
      seen.push(event.kind);
      control.abort();
    }
    expect(seen).toEqual(['devices']);
  });

  test('turns a failure for good into a fault while others go on', async () => {
    const slow = source('rapl', async function* () {
      for (let at = 0; at < 20; at += 1) yield tick(at);
    });
    const seen = await collect(sample([failing('nvml', devices), slow], signal()));
    expect(seen).toContain('nvml fault');
    expect(seen.filter((text) => text === 'rapl tick')).toHaveLength(20);
  });

  test('throws the failure of the last', async () => {
    await expect(collect(sample([failing('replay')], signal()))).rejects.toThrow('replay is gone.');
  });

  test('asks no source for more than has been consumed', async () => {
    let asked = 0;
    const eager = source('replay', async function* () {
      for (; asked < 1000; asked += 1) yield tick(asked);
    });
    await collect(sample([eager], signal()), 5);
    expect(asked).toBeLessThanOrEqual(6);
  });
});

describe('bestAvailable()', () => {
  const choose = (waits: boolean, ...sources: readonly Source[]) =>
    bestAvailable({
      open: sources.map((each) => () => Promise.resolve(each)),
      clock: testClock(),
      waits,
    });

  test('takes the first that announces devices', async () => {
    const chosen = choose(false, failing('nvml'), saying('nvidia-smi', devices, tick(1)));
    expect(await collect(sample([chosen], signal()))).toEqual([
      'nvidia-smi devices',
      'nvidia-smi tick',
    ]);
    expect(chosen.current?.kind).toBe('nvidia-smi');
  });

  test('does not leave a source that has had devices', async () => {
    const chosen = choose(false, failing('nvml', devices), saying('nvidia-smi', devices));
    await expect(collect(sample([chosen], signal()))).rejects.toThrow('nvml is gone.');
  });

  test('says why nothing can be measured, or waits and tries again', async () => {
    const sources = [failing('nvml'), failing('nvidia-smi')];
    await expect(collect(sample([choose(false, ...sources)], signal()))).rejects.toThrow(
      'No GPU can be measured: nvml gone, nvidia-smi gone. What to do: wattmeter doctor.',
    );
    const waiting = sample([choose(true, ...sources)], signal());
    expect(await collect(waiting, 3)).toEqual(Array(3).fill('nvml fault'));
  });

  test('leaves no other source behind as down when the first choice comes in the end', async () => {
    const tries = [failing('nvml'), saying('nvml', devices, tick(1))];
    const chosen = bestAvailable({
      open: [
        () => Promise.resolve(tries.shift() ?? failing('nvml')),
        () => Promise.resolve(failing('nvidia-smi')),
      ],
      clock: testClock(),
      waits: true,
    });
    const events = await collect(sample([chosen], signal()));
    expect(events).toEqual(['nvml fault', 'nvml devices', 'nvml tick']);
  });
});

describe('openSources()', () => {
  test('refuses a replay without a trace and a source that does not exist', async () => {
    const clock = testClock();
    await expect(openSources({ kinds: ['replay'] }, clock)).rejects.toThrow(/no trace.*--trace/);
    await expect(openSources({ kinds: ['nvidia-smi', 'nvidia-smi'] }, clock)).resolves.toHaveLength(
      1,
    );
    await expect(openSources({ kinds: [] }, clock)).resolves.toHaveLength(1);
  });
});
