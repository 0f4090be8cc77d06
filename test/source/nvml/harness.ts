// Runs the NVML source against the stand-in and collects what it says. The source comes from the build (its worker must
// be compiled), and its clock counts scenario time, so that a reading's time is the model's t.

import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

import { expect } from 'vitest';

import type { Clock } from '../../../agent/clock.ts';
import { type Batch, type PowerField, READING_STATUS } from '../../../agent/model.ts';
import type * as Nvml from '../../../agent/source/nvml.ts';
import type { SourceEvent } from '../../../agent/source/source.ts';
import { instant } from '../../../agent/units.ts';
import { distPath } from '../../binary.ts';
import type { GpuScenario } from '../../doubles/gpu-scenario.ts';
import { standInFor } from '../../doubles/libnvidia-ml.ts';

/** A file of the build under test. */
export const builtFile = (...parts: string[]): string => resolve(distPath, ...parts);

const nvml = (await import(pathToFileURL(builtFile('agent/source/nvml.js')).href)) as typeof Nvml;

/** Scenario time: seconds of CLOCK_MONOTONIC since the scenario's origin. */
function scenarioClock(scenario: GpuScenario): Clock {
  const now = (): number => Number(process.hrtime.bigint() - scenario.originNanoseconds) / 1e9;
  return {
    now: () => instant(now()),
    wallOffset: () => 0,
    monotonicNanoseconds: () => process.hrtime.bigint(),
    sleepUntil: () => Promise.reject(new Error('The NVML source sleeps by itself.')),
  };
}

/** A reading, for assertions. */
export interface Reading {
  readonly time: number;
  readonly status: (typeof READING_STATUS)[number];
  readonly power: Partial<Record<PowerField, number>>;
  readonly counter: number | undefined;
}

function readingsOf(batch: Batch): Reading[] {
  return Array.from({ length: batch.length }, (_, row) => {
    const fields = Object.entries(batch.powerWatts) as [PowerField, Float64Array][];
    return {
      time: batch.timeSeconds[row] ?? Number.NaN,
      status: READING_STATUS[batch.status[row] ?? -1] ?? 'malformed',
      power: Object.fromEntries(fields.map(([name, column]) => [name, column[row]])),
      counter: batch.counterJoules?.[row],
    };
  });
}

/** All that a source said, and the promises it kept while saying it. */
export class Collected {
  readonly events: SourceEvent[] = [];
  #tick = Number.NEGATIVE_INFINITY;
  readonly #newest = new Map<string, number>();

  /** Takes an event and checks the contract: time never runs backwards, and nothing older than a tick comes. */
  add(event: SourceEvent): void {
    this.events.push(event);
    if (event.kind === 'tick') {
      expect(event.timeSeconds).toBeGreaterThanOrEqual(this.#tick);
      this.#tick = event.timeSeconds;
    }
    if (event.kind !== 'batch') return;
    const { batch } = event;
    for (const [name, column] of Object.entries(batch.powerWatts)) {
      expect([name, column.length]).toEqual([name, batch.length]);
    }
    for (const time of batch.timeSeconds) {
      expect(time).toBeGreaterThanOrEqual(this.#newest.get(batch.uuid) ?? this.#tick);
      expect(time).toBeGreaterThanOrEqual(this.#tick);
      this.#newest.set(batch.uuid, time);
    }
  }

  of<Kind extends SourceEvent['kind']>(kind: Kind): Extract<SourceEvent, { kind: Kind }>[] {
    return this.events.filter(
      (event): event is Extract<SourceEvent, { kind: Kind }> => event.kind === kind,
    );
  }

  readings(uuid: string): Reading[] {
    return this.of('batch')
      .filter(({ batch }) => batch.uuid === uuid)
      .flatMap(({ batch }) => readingsOf(batch));
  }

  /** The newest gauges of a device. */
  gauges(uuid: string): Batch['gauges'] {
    return this.of('batch').findLast(
      ({ batch }) => batch.uuid === uuid && batch.gauges !== undefined,
    )?.batch.gauges;
  }
}

/** What a test wants of the source. */
export interface Play {
  readonly scenario: GpuScenario;
  readonly library: string;
  readonly options?: Partial<Nvml.NvmlOptions>;
  /** Ends the collection; called after each event. */
  readonly until: (collected: Collected, scenarioSeconds: number) => boolean;
  /** Called once, before the first event. */
  readonly onStart?: (source: Nvml.NvmlSource) => void;
}

/** A source that plays `scenario`. */
export function openSource(play: Pick<Play, 'scenario' | 'library' | 'options'>): Nvml.NvmlSource {
  return new nvml.NvmlSource({
    clock: scenarioClock(play.scenario),
    libraryPath: existsSync(play.library) ? standInFor(play.library, play.scenario) : play.library,
    sysfsRoot: '/nonexistent',
    ...play.options,
  });
}

/** Plays a scenario until the test has seen enough. */
export async function collect(play: Play): Promise<Collected> {
  const source = openSource(play);
  const clock = scenarioClock(play.scenario);
  const collected = new Collected();
  const abort = new AbortController();
  play.onStart?.(source);
  for await (const event of source.events(abort.signal)) {
    collected.add(event);
    if (play.until(collected, clock.now())) abort.abort();
  }
  expect(source.isStuck()).toBe(false);
  return collected;
}

/** The origin of a scenario that begins `seconds` from now. */
export const originIn = (seconds: number): bigint =>
  process.hrtime.bigint() + BigInt(Math.round(seconds * 1e9));
