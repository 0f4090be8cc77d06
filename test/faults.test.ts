// What goes wrong with GPUs and machines, and the account of it: joules, gap seconds by reason, coverage, warnings; with
// a hardware counter, which knows what the gaps held, and without. In virtual time, as the NVML source tells it. Simulated.

import { expect, test } from 'vitest';

import { createAccount, type Totals } from '../agent/account.ts';
import { createMeter } from '../agent/meter/meter.ts';
import {
  READING_STATUS,
  type Batch,
  type ChargedInterval,
  type Device,
  type GapReason,
  type Interval,
  type ReadingStatus,
} from '../agent/model.ts';
import { createPipeline } from '../agent/pipeline.ts';
import { instant, kilowattHours, watts, type Instant } from '../agent/units.ts';
import { run, START } from './account-doubles.ts';
import {
  counterJoules,
  sensorWatts,
  trueEnergy,
  type Fault,
  type GpuScenario,
  type SimulatedGpu,
} from './doubles/gpu-scenario.ts';

const device: Device = {
  uuid: 'GPU-00000000-0000-4000-8000-000000000000',
  index: 0,
  kind: 'gpu',
  model: 'NVIDIA GeForce RTX 3090',
  source: 'nvml',
  driverVersion: '550.54.15',
  powerLimitWatts: watts(350),
  powerOrigin: 'measured',
};
/** W = T = 100 ms and a counter that steps every 20 ms, under a load like that of training. */
const board: SimulatedGpu = {
  base: 120,
  loads: [
    { kind: 'square', from: 0, to: Infinity, watts: 150, period: 0.53, duty: 0.6 },
    { kind: 'sine', from: 0, to: Infinity, watts: 20, period: 7 },
  ],
  instant: { window: 0.1, period: 0.1 },
  counter: { period: 0.02, startJoules: 777 },
};

// The source takes readings out of the worker's memory every quarter of a second, and settles what is older than this.
const DRAIN_SECONDS = 0.25;
const SETTLED_AFTER_SECONDS = 0.6;

/** A fault as the source meets it, at `time` seconds: a status to tell, or `hung`: nothing comes, and that is told. */
type Telling = ReadingStatus | 'hung';

interface Story {
  readonly name: string;
  readonly seconds: number;
  readonly telling: (time: number) => Telling;
  readonly faults?: readonly Fault[];
  /** The machine sleeps for so long at this time: nothing runs, and the timeline leaps. */
  readonly sleep?: { readonly at: number; readonly seconds: number };
  readonly wallOffset?: (time: number) => number;
}

interface Told {
  readonly totals: Totals;
  readonly intervals: readonly Interval[];
  readonly warnings: readonly string[];
}

/** A pipeline of one GPU from START on; `asleep` is what it hears of suspensions. */
function openBooks(asleep: { readonly startSeconds: Instant; readonly endSeconds: Instant }[]) {
  const account = createAccount(run);
  const intervals: Interval[] = [];
  const pipeline = createPipeline({
    account,
    createMeter,
    charge: (interval): ChargedInterval => ({
      ...interval,
      charge: { facilityKilowattHours: kilowattHours(interval.energyJoules / 3.6e6) },
    }),
    nextChange: () => undefined,
    settle: (settlement) => intervals.push(...settlement.intervals),
    select: (devices) => devices,
    slotSeconds: 1,
    startSeconds: instant(START),
    takeSuspensions: () => asleep.splice(0),
  });
  pipeline.consume('nvml', { kind: 'devices', devices: [device] });
  return { account, intervals, pipeline };
}

interface Row {
  readonly time: number;
  readonly status: ReadingStatus;
}

/** What the source takes out at `now`: a row a poll, and while a call hangs a failure just before what is settled. */
function rowsAt(story: Story, gpu: SimulatedGpu, now: number): Row[] {
  const periodSeconds = gpu.counter === undefined ? 0.05 : 0.1;
  const rows: Row[] = [];
  const first = Math.ceil((now - DRAIN_SECONDS) / periodSeconds - 1e-9);
  for (let poll = first; poll * periodSeconds < now - 1e-9; poll += 1) {
    const time = poll * periodSeconds + 0.003;
    const status = story.telling(time);
    if (status !== 'hung') rows.push({ time, status });
  }
  const settled = now - SETTLED_AFTER_SECONDS;
  if (story.telling(now) === 'hung' && story.telling(settled) === 'hung')
    rows.push({ time: settled - 1e-5, status: 'timeout' });
  return rows;
}

function batchOf(rows: readonly Row[], gpu: SimulatedGpu, wallOffsetSeconds: number): Batch {
  const scenario: GpuScenario = { originNanoseconds: 0n, gpus: [gpu] };
  const column = (value: (time: number) => number): Float64Array =>
    Float64Array.from(rows, ({ time, status }) => (status === 'ok' ? value(time) : NaN));
  return {
    uuid: device.uuid,
    length: rows.length,
    timeSeconds: Float64Array.from(rows, ({ time }) => START + time),
    status: Uint8Array.from(rows, ({ status }) => READING_STATUS.indexOf(status)),
    powerWatts: { instant: column((time) => sensorWatts(gpu, 'instant', time)) },
    ...(gpu.counter !== undefined && {
      counterJoules: column((time) => counterJoules(scenario, gpu, time)),
    }),
    wallOffsetSeconds,
  };
}

/** The books of a GPU over the story's seconds. */
function told(story: Story, gpu: SimulatedGpu): Told {
  const asleep: { readonly startSeconds: Instant; readonly endSeconds: Instant }[] = [];
  const { account, intervals, pipeline } = openBooks(asleep);
  const { sleep } = story;
  const wakesAt = sleep === undefined ? Infinity : sleep.at + sleep.seconds;
  for (let now = DRAIN_SECONDS; now <= story.seconds + 1; now += DRAIN_SECONDS) {
    if (sleep !== undefined && now > sleep.at && now < wakesAt) continue;
    if (sleep !== undefined && now === wakesAt)
      asleep.push({
        startSeconds: instant(START + sleep.at),
        endSeconds: instant(START + wakesAt),
      });
    const rows = rowsAt(story, gpu, now);
    const batch = batchOf(rows, gpu, story.wallOffset?.(now) ?? 0);
    if (rows.length > 0) pipeline.consume('nvml', { kind: 'batch', batch });
    const settled = START + Math.max(0, now - SETTLED_AFTER_SECONDS);
    pipeline.consume('nvml', { kind: 'tick', timeSeconds: instant(settled) });
  }
  const endSeconds = instant(START + story.seconds);
  pipeline.end(endSeconds);
  pipeline.finish(endSeconds);
  const totals = account.totalsOf(device.uuid);
  if (totals === undefined) throw new Error('The device was never introduced.');
  const warnings = account.books({ endSeconds }).devices.flatMap((line) => line.warnings);
  return { totals, intervals, warnings: warnings.map(({ code }) => code) };
}

const during =
  (from: number, to: number, telling: Telling) =>
  (time: number): Telling =>
    time >= from && time < to ? telling : 'ok';

interface Expected {
  readonly reason?: GapReason;
  /** Seconds without a reading. */
  readonly gap: number;
  /** What the counter cannot know either. */
  readonly unbridged?: number;
  readonly warnings?: readonly string[];
}

const STORIES: readonly (Story & Expected)[] = [
  {
    name: 'a GPU that is lost for a minute and comes back',
    seconds: 120,
    telling: during(30, 90, 'gpu-lost'),
    reason: 'gpu-lost',
    gap: 60,
  },
  {
    name: 'a driver that is loaded anew',
    seconds: 60,
    telling: during(30, 35, 'driver-not-loaded'),
    faults: [{ kind: 'counter-reset', from: 34, to: 34 }],
    reason: 'driver-not-loaded',
    gap: 5,
    unbridged: 5,
    warnings: ['counter-restarted'],
  },
  {
    name: 'a driver that hangs for half a minute',
    seconds: 90,
    // What the call gives in the end is too old to be a reading.
    telling: (time) => (time >= 60 && time < 60.05 ? 'timeout' : during(30, 60, 'hung')(time)),
    reason: 'timeout',
    gap: 30,
  },
  {
    name: '[Unknown Error] for three minutes',
    seconds: 300,
    telling: during(60, 240, 'unknown-error'),
    reason: 'unknown-error',
    gap: 180,
  },
  {
    name: 'a machine that sleeps for an hour',
    seconds: 3700,
    telling: during(50, 3650, 'hung'),
    sleep: { at: 50, seconds: 3600 },
    reason: 'suspended',
    gap: 3600,
  },
  {
    name: 'a wall clock that is set back an hour',
    seconds: 60,
    telling: () => 'ok',
    wallOffset: (time) => (time < 30 ? 0 : -3600),
    gap: 0,
  },
];

const sumOf = (totals: Totals): number =>
  Object.values(totals.gapSeconds).reduce((sum, seconds) => sum + seconds, 0);

test.each(STORIES)(
  '$name is a gap by its name, which a counter fills as far as it can',
  (story) => {
    const gpu = { ...board, faults: story.faults ?? [] };
    const { totals, intervals, warnings } = told(story, gpu);
    const { reason, unbridged = 0 } = story;
    const truth = trueEnergy(gpu, 0, story.seconds);
    expect(totals.observedSeconds + sumOf(totals) - totals.bridgedSeconds).toBeCloseTo(
      story.seconds,
      3,
    );
    expect(Math.abs(sumOf(totals) - totals.bridgedSeconds - unbridged)).toBeLessThan(0.3);
    // A counter tells it all, save over its own restart: there the estimate is beside it.
    const whole = totals.energyJoules + totals.gapEstimateJoules;
    expect(Math.abs(whole / truth - 1)).toBeLessThan(unbridged === 0 ? 0.005 : 0.03);
    if (unbridged === 0) expect(totals.gapEstimateJoules).toBeCloseTo(0, 6);
    expect(warnings).toEqual(story.warnings ?? []);
    const reasons = Object.keys(totals.gapSeconds);
    expect(reasons.filter((name) => name !== reason)).toEqual([]);
    const inOrder = intervals.filter(({ bridgedSeconds }) => bridgedSeconds === 0);
    inOrder
      .slice(1)
      .forEach(({ startSeconds }, index) =>
        expect(startSeconds).toBeCloseTo(inOrder[index]?.endSeconds ?? NaN, 6),
      );
  },
);

test.each(STORIES)('$name is left out without a counter, and estimated apart', (story) => {
  const { counter: _, ...gpu } = { ...board, faults: story.faults ?? [] };
  const { totals, warnings } = told(story, gpu);
  const { gap, reason } = story;
  const from = story.sleep?.at ?? gapStart(story);
  const measuredTruth = trueEnergy(gpu, 0, from) + trueEnergy(gpu, from + gap, story.seconds);
  expect(totals.bridgedSeconds).toBe(0);
  expect(Object.keys(totals.gapSeconds)).toEqual(reason === undefined ? [] : [reason]);
  expect(Math.abs(sumOf(totals) - gap)).toBeLessThan(0.3);
  expect(totals.observedSeconds + sumOf(totals)).toBeCloseTo(story.seconds, 3);
  expect(Math.abs(totals.energyJoules - measuredTruth)).toBeLessThan(0.3 * 290);
  const missed = trueEnergy(gpu, 0, story.seconds) - totals.energyJoules;
  expect(Math.abs(missed - totals.gapEstimateJoules)).toBeLessThanOrEqual(
    totals.gapEstimateUncertaintyJoules + totals.uncertaintyJoules,
  );
  expect(warnings).toEqual([]);
});

const gapStart = ({ telling, seconds }: Story): number => {
  for (let time = 0; time < seconds; time += 0.5) if (telling(time) !== 'ok') return time;
  return 0;
};

test('one GPU [N/A] for ever is a gap from beginning to end, and no joule', () => {
  const { totals } = told({ name: '', seconds: 60, telling: () => 'not-supported' }, board);
  expect(totals).toMatchObject({ energyJoules: 0, observedSeconds: 0, sampleCount: 0 });
  expect(totals.gapSeconds).toEqual({ 'not-supported': expect.closeTo(60, 3) });
});

test('values that stand still for minutes are taken at their word, and said to be suspicious', () => {
  const gpu: SimulatedGpu = { ...board, faults: [{ kind: 'stuck', from: 60, to: 260 }] };
  const { totals, warnings } = told({ name: '', seconds: 300, telling: () => 'ok' }, gpu);
  expect(totals.observedSeconds).toBeCloseTo(300, 3);
  expect(warnings).toEqual(expect.arrayContaining(['counter-stuck', 'power-unchanged']));
  // The power that it stood at, over that time; the counter's stillness is not believed.
  const held = sensorWatts(gpu, 'instant', 100) * 200;
  const rest = trueEnergy(gpu, 0, 60) + trueEnergy(gpu, 260, 300);
  expect(Math.abs(totals.energyJoules / (held + rest) - 1)).toBeLessThan(0.02);
});
