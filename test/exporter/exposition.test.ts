import { spawnSync } from 'node:child_process';

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import type { Snapshot } from '../../agent/snapshot.ts';
import { instant, joules, seconds, watts } from '../../agent/units.ts';
import { dcgmFamilies } from '../../exporter/dcgm.ts';
import { FAMILIES } from '../../exporter/families.ts';
import type { Family } from '../../exporter/family.ts';
import { processExposition } from '../../exporter/process-metrics.ts';
import { joinExpositions, snapshotExposition } from '../../exporter/registry.ts';
import { needProgram } from '../system-program.ts';
import { someGpu, someSnapshot, someSource, someTotals } from './a-snapshot.ts';
import { seriesOf } from './exposition.ts';

const expositionOf = (latest: () => Snapshot | undefined) => snapshotExposition(latest, FAMILIES);

const expose = (snapshot: Snapshot | undefined): Promise<string> => expositionOf(() => snapshot)();

const GPU_0 = someGpu(0).device.uuid;
const GPU_1 = someGpu(1).device.uuid;

/** Everything that a snapshot can hold, names that need escaping among it. */
const fullSnapshot = (): Snapshot =>
  someSnapshot({
    devices: [
      someGpu(0),
      someGpu(1, {
        device: { ...someGpu(1).device, model: 'A "quoted" \\ board\nof two lines' },
        totals: someTotals({ method: 'integral' }),
      }),
    ],
    openRuns: [
      {
        id: '2026-05-29-a1',
        name: 'tune "it"',
        host: 'node-1',
        state: 'open',
        startSeconds: instant(1_779_999_000),
        gpuJoules: joules(42_000),
        labels: {},
      },
    ],
    budgets: [{ runId: '2026-05-29-a1', name: 'tune "it"', kind: 'cost', usedRatio: 0.25 }],
    jobs: [
      { kind: 'slurm', jobId: '77', user: 'ada', uuid: GPU_0, energyJoules: joules(800_000) },
      ...[GPU_0, GPU_1].map((uuid) => ({
        kind: 'pod',
        jobId: '6f1c2d34-aaaa-bbbb-cccc-0123456789ab',
        name: 'vision/train-0',
        uuid,
        energyJoules: joules(100_000),
      })),
    ],
    unattributed: [{ uuid: GPU_0, energyJoules: joules(334_567.5) }],
    host: [
      {
        component: 'package-0',
        energyJoules: joules(5000),
        uncertaintyJoules: joules(390),
        provenance: 'measured',
      },
    ],
  });

describe('the exposition', () => {
  test('shows a full snapshot as the golden file has it', async () => {
    const text = (await expose(fullSnapshot())).replaceAll(process.version, 'vNODE');
    await expect(text).toMatchFileSnapshot('golden/full.prom');
  });

  test('shows the dcgm dialect as the golden file has it', async () => {
    const exposition = snapshotExposition(fullSnapshot, dcgmFamilies('node-1'));
    await expect(await exposition()).toMatchFileSnapshot('golden/dcgm.prom');
  });

  for (const [name, snapshot] of [
    ['of a full snapshot', fullSnapshot()],
    ['of a snapshot without anything', someSnapshot({ devices: [], sources: [] })],
    ['before a source has said anything', undefined],
  ] as const) {
    test(`leaves promtool nothing to say ${name}`, async (context) => {
      const promtool = needProgram(context, 'promtool');
      const exposition = joinExpositions(
        expositionOf(() => snapshot),
        processExposition(),
      );
      const { stdout, stderr, status } = spawnSync(promtool, ['check', 'metrics'], {
        input: await exposition(),
        encoding: 'utf8',
      });
      expect({ stdout, stderr, status }).toEqual({ stdout: '', stderr: '', status: 0 });
    });
  }

  test('holds any name unharmed: Prometheus reads back what a user has typed', async (context) => {
    const promtool = needProgram(context, 'promtool');
    const names = fc.sample(fc.string({ unit: 'binary', maxLength: 20 }), {
      seed: 11,
      numRuns: 300,
    });
    const nasty = [
      ...names,
      '\r',
      '\u0000',
      '"',
      '\\',
      '\\n',
      '\n',
      '\ud800',
      '{a="b"} 1\n# HELP',
      '\u2028',
    ];
    const openRuns = nasty.map((name, at) => ({
      id: `run-${at}`,
      name,
      host: 'node-1',
      state: 'open' as const,
      startSeconds: instant(0),
      gpuJoules: joules(1),
      labels: {},
    }));
    const text = await expose(someSnapshot({ openRuns }));
    const { stdout, stderr, status } = spawnSync(promtool, ['check', 'metrics'], {
      input: text,
      encoding: 'utf8',
    });
    expect({ stdout, stderr, status }).toEqual({ stdout: '', stderr: '', status: 0 });
    const shown = [
      ...text.matchAll(/^wattmeter_run_gpu\w+\{run="[^"]+",name="((?:[^"\\]|\\[^])*)"\} 1$/gmu),
    ];
    const read = shown.map(([, value = '']) =>
      value.replaceAll(/\\(.)/g, (_, letter: string) => (letter === 'n' ? '\n' : letter)),
    );
    expect(read).toEqual(nasty);
  });

  test('holds nothing before a source has said anything', async () => {
    expect(seriesOf(await expose(undefined)).size).toBe(0);
  });
});

describe('what is not known', () => {
  test('has no series, and never 0', async () => {
    const bare = someGpu(0, { gauges: {}, totals: someTotals(), xidErrors: {} });
    const { powerWatts: _power, hardwareToIntegralRatio: _ratio, ...unknown } = bare;
    const { price: _price, grid: _grid, ...snapshot } = someSnapshot();
    const text = await expose({
      ...snapshot,
      devices: [
        {
          ...unknown,
          device: {
            uuid: 'GPU-x',
            index: 0,
            kind: 'gpu',
            model: 'T4',
            source: 'nvml',
            powerOrigin: 'measured',
          },
        },
      ],
    });
    const names = new Set([...seriesOf(text).keys()].map((series) => series.replace(/\{.*/, '')));
    expect([...names].filter((name) => name.startsWith('wattmeter_gpu_')).toSorted()).toEqual([
      'wattmeter_gpu_carbon_location_based_grams_total',
      'wattmeter_gpu_energy_joules_total',
      'wattmeter_gpu_energy_uncertainty_joules',
      'wattmeter_gpu_gap_seconds_total',
      'wattmeter_gpu_info',
      'wattmeter_gpu_observed_seconds_total',
    ]);
    expect(names).not.toContain('wattmeter_price_age_seconds');
    expect(names).not.toContain('wattmeter_electricity_price_per_kilowatt_hour');
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    'stays out when it arrives as %d',
    async (value) => {
      const text = await expose(
        someSnapshot({
          devices: [
            someGpu(0, {
              powerWatts: watts(value),
              gauges: { temperatureCelsius: value },
              totals: someTotals({ energyJoules: joules(value), gapSeconds: { timeout: value } }),
            }),
          ],
          sources: [someSource({ readDurationSumSeconds: value })],
        }),
      );
      expect(text).not.toMatch(/\b(?:NaN|Nan|Inf|Infinity)$/m);
      expect(text).not.toContain('wattmeter_gpu_power_watts{');
      expect(text).not.toContain('wattmeter_gpu_energy_joules_total{');
    },
  );

  test('does not keep a value of the snapshot before', async () => {
    let snapshot = someSnapshot();
    const exposition = expositionOf(() => snapshot);
    await exposition();
    const { powerWatts: _power, ...silent } = someGpu(0);
    snapshot = someSnapshot({ devices: [silent] });
    expect(await exposition()).not.toContain('wattmeter_gpu_power_watts{');
  });
});

describe('a GPU that was never read', () => {
  test('has no energy, no cost and no carbon, only the time that it was not read for', async () => {
    const totals = someTotals({
      energyJoules: joules(0),
      observedSeconds: seconds(0),
      gapSeconds: { 'not-supported': 60 },
    });
    const { powerWatts: _power, ...silent } = someGpu(0, { totals });
    const snapshot = someSnapshot({ devices: [silent] });
    const names = [...seriesOf(await expose(snapshot)).keys()].map((one) =>
      one.replace(/\{.*/, ''),
    );
    expect(names.filter((name) => /energy|carbon_loc|power_watts$/.test(name))).toEqual([
      'wattmeter_gpu_hardware_to_integral_energy_ratio',
      'wattmeter_gpu_rated_power_watts',
    ]);
    expect(names).toContain('wattmeter_gpu_gap_seconds_total');
    expect(await expose(snapshot)).toMatch(/^wattmeter_gpu_info\{.*,method=""\} 1$/m);
    const dcgm = await snapshotExposition(() => snapshot, dcgmFamilies('node-1'))();
    expect(dcgm).not.toContain('DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{');
  });
});

describe('a GPU that vanished', () => {
  test('takes its series along and leaves the others', async () => {
    let snapshot = someSnapshot();
    const exposition = expositionOf(() => snapshot);
    const before = await exposition();
    expect(before).toContain(GPU_1);
    const shares = [GPU_0, GPU_1].map((uuid) => ({ uuid, energyJoules: joules(7) }));
    snapshot = someSnapshot({
      devices: [someGpu(0), someGpu(1, { present: false })],
      jobs: shares.map((share) => ({ kind: 'slurm', jobId: '7', ...share })),
      unattributed: shares,
    });
    const after = await exposition();
    expect(after).not.toContain(GPU_1);
    expect(after).toContain(GPU_0);
    expect(after).toContain('wattmeter_unattributed_gpu_energy_joules_total{');
  });

  test('is no GPU when it is a part of the host', async () => {
    const text = await expose(
      someSnapshot({ devices: [someGpu(0, { device: { ...someGpu(0).device, kind: 'host' } })] }),
    );
    expect(text).not.toContain('wattmeter_gpu_energy_joules_total{');
  });
});

describe('one scrape', () => {
  test('shows one snapshot, however often publications come in between', async () => {
    let published = 0;
    // The pipeline publishes between any two turns of the event loop.
    const next = (): void => {
      published += 1;
      if (published < 500) setImmediate(next);
    };
    next();
    const exposition = expositionOf(() => {
      const energyJoules = joules(published);
      const totals = someTotals({ energyJoules, observedSeconds: seconds(published) });
      return someSnapshot({
        devices: [someGpu(0, { totals, powerWatts: watts(published) })],
        sources: [someSource({ readDurationCount: published, sampleCount: published })],
      });
    });
    for (let scrape = 0; scrape < 20; scrape += 1) {
      const series = seriesOf(await exposition());
      const labels = `{gpu="0",uuid="${GPU_0}"}`;
      const shown = new Set([
        series.get(`wattmeter_gpu_energy_joules_total${labels}`),
        series.get(`wattmeter_gpu_observed_seconds_total${labels}`),
        series.get(`wattmeter_gpu_power_watts${labels}`),
        series.get('wattmeter_samples_total{source="nvml"}'),
        series.get('wattmeter_source_read_duration_seconds_count{source="nvml"}'),
      ]);
      expect(shown.size).toBe(1);
    }
  });

  test('of the same snapshot is written no second time, the process’s own figures once a second', async () => {
    let reads = 0;
    const counting: Family = {
      name: 'wattmeter_reads',
      type: 'gauge',
      help: 'Reads.',
      labelNames: [],
      read: () => [{ labels: {}, value: (reads += 1) }],
    };
    let snapshot = someSnapshot();
    const exposition = joinExpositions(
      snapshotExposition(() => snapshot, [counting]),
      processExposition(0),
    );
    const readsIn = async () => seriesOf(await exposition()).get('wattmeter_reads');
    expect([await readsIn(), await readsIn()]).toEqual([1, 1]);
    await new Promise((turn) => setImmediate(turn));
    expect(seriesOf(await exposition()).get('nodejs_eventloop_lag_seconds')).toBeGreaterThan(0);
    snapshot = someSnapshot();
    expect(await readsIn()).toBe(2);
    const rarely = joinExpositions(
      snapshotExposition(() => snapshot, [counting]),
      processExposition(1e6),
    );
    expect(await rarely()).toBe(await rarely());
  });

  test('shows every counter of a snapshot as it is, for any values', async () => {
    const amount = fc.double({ min: 0, max: 1e15, noNaN: true });
    await fc.assert(
      fc.asyncProperty(fc.array(amount, { minLength: 1, maxLength: 12 }), async (energies) => {
        const devices = energies.map((energy, index) =>
          someGpu(index, { totals: someTotals({ energyJoules: joules(energy) }) }),
        );
        const series = seriesOf(await expose(someSnapshot({ devices })));
        const shown = devices.map(({ device }) =>
          series.get(
            `wattmeter_gpu_energy_joules_total{gpu="${device.index}",uuid="${device.uuid}"}`,
          ),
        );
        expect(shown).toEqual(energies.map((energy) => energy + 0));
      }),
      { numRuns: 50, seed: 4 },
    );
  });
});
