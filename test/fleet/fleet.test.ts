import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, test } from 'vitest';

import { known } from '../known.ts';
import type { StoredSeries } from '../../agent/report/fleet-prometheus.ts';
import type { Report } from '../../agent/report/report.ts';
import { parseReport } from '../../agent/report/schema.ts';
import { temporaryFolder, writeLog } from '../source/reading.ts';
import { call, type Called } from './command.ts';
import { openFakePrometheus, type FakeOptions } from './fake-prometheus.ts';
import { every, gpuSeries, nodeSeries, START, steady, type MadeGpu } from './scrapes.ts';

/** The command over the 600 s from START, where a flag does not say otherwise. */
async function ask(
  options: FakeOptions,
  flags: readonly string[] = [],
  environment: Readonly<Record<string, string>> = {},
): Promise<Called & { readonly asked: number }> {
  await using prometheus = await openFakePrometheus(options);
  const argv = ['report', '--prometheus', prometheus.url, '--job', 'wattmeter'];
  const span = ['--start', String(START), '--end', String(START + 600)];
  const called = await call([...argv, ...span, ...flags], environment);
  return { ...called, asked: prometheus.requests.length };
}

async function reportOf(options: FakeOptions, flags: readonly string[] = []): Promise<Report> {
  const { stdout, stderr } = await ask(options, ['--format', 'json', ...flags]);
  expect(stderr).toBe('');
  return parseReport(stdout, 'stdout');
}

const gpu = (change: Partial<MadeGpu> = {}): MadeGpu => ({
  host: 'node-1:10360',
  uuid: 'GPU-1',
  times: every(15, -300, 900),
  at: steady(300),
  ...change,
});
const ofGpu = (change: Partial<MadeGpu> = {}): FakeOptions => ({ series: gpuSeries(gpu(change)) });

// The span's edges lie in the middle of two scrapes.
const NODE = {
  times: every(15, -292.5, 900),
  price: ['EUR', 'flat', 0.25],
  zone: ['DEU', 400],
  pue: 1.2,
} as const;

const codesOf = ({ warnings }: Report): string[] => warnings.map(({ code }) => code);

describe('energy of a fleet', () => {
  test('is the difference of counters, wherever the span cuts the scrapes', async () => {
    const shifted = every(15, -297.3, 900);
    const report = await reportOf(ofGpu({ times: shifted }));
    expect(report.devices).toHaveLength(1);
    expect(report.devices[0]).toMatchObject({
      host: 'node-1:10360',
      uuid: 'GPU-1',
      model: 'NVIDIA H100',
      source: 'nvml',
      method: 'counter',
      observedSeconds: expect.closeTo(600, 3),
      gapSeconds: 0,
      coverageRatio: 1,
      powerMeanWatts: expect.closeTo(300, 6),
      sensor: { field: 'wattmeter_gpu_energy_joules_total', periodSeconds: 15, origin: 'scraped' },
    });
    expect(report.energy.gpuJoules).toBeCloseTo(180_000, 3);
    expect(report.run).toMatchObject({ name: 'wattmeter', durationSeconds: 600 });
  });

  test('is that of the span alone however old the counter is', async () => {
    const young = await reportOf(ofGpu({ at: steady(300, -1000) }));
    const old = await reportOf(ofGpu({ at: steady(300, -10_000_000) }));
    expect(old.energy.gpuJoules).toBeCloseTo(known(young.energy.gpuJoules), 3);
    expect(old.energy.gpuUncertaintyJoules).toBeCloseTo(
      known(young.energy.gpuUncertaintyJoules),
      3,
    );
  });

  test('has the uncertainty of its part of the counter, and that of the edges between scrapes', async () => {
    const exact = await reportOf(ofGpu());
    expect(known(exact.energy.gpuUncertaintyComponents).gainJoules * 2).toBeCloseTo(
      0.05 * 180_000,
      3,
    );
    const cut = await reportOf(ofGpu({ times: every(15, -292.5, 900) }));
    // Two cuts in the middle of 15 s at 300 W, and a slot's age at each edge.
    const edge = Math.sqrt(2 * (4500 ** 2 / 12) + 2 * (300 ** 2 / 12));
    expect(known(cut.energy.gpuUncertaintyComponents).edgeJoules).toBeCloseTo(edge, 6);
    expect(codesOf(cut)).toContain('fleet-edges');
  });

  test('adds up nodes and GPUs, each with its host, in their order', async () => {
    const series = [10, 9, 2].flatMap((node) =>
      [1, 0].flatMap((index) =>
        gpuSeries(
          gpu({
            host: `node-${node}`,
            uuid: `GPU-${node}-${index}`,
            index,
            at: steady(100 * node),
          }),
        ),
      ),
    );
    const report = await reportOf({ series });
    expect(report.devices.map(({ host, index }) => `${host}/${index}`)).toEqual([
      'node-2/0',
      'node-2/1',
      'node-9/0',
      'node-9/1',
      'node-10/0',
      'node-10/1',
    ]);
    expect(report.energy.gpuJoules).toBeCloseTo(2 * (200 + 900 + 1000) * 600, 3);
    const parts = report.devices.map(({ uncertaintyJoules }) => uncertaintyJoules);
    expect(report.energy.gpuUncertaintyJoules).toBeCloseTo(Math.hypot(...parts.map(known)), 6);
  });

  test('is the same read in many small answers as in few', async () => {
    const options = ofGpu({ at: steady(287), times: every(5, -300, 900) });
    const whole = await reportOf(options);
    const refuseLong = (url: URL) => {
      const [, range = '0'] = /\[(\d+)ms\]/.exec(url.searchParams.get('query') ?? '') ?? [];
      const isLong = Number(range) > 60_000 && !url.search.includes('count_over_time');
      const error = 'query processing would load too many samples into memory';
      const body = JSON.stringify({ status: 'error', errorType: 'execution', error });
      return isLong ? { status: 422, body } : undefined;
    };
    const pieces = await reportOf({ ...options, fault: refuseLong });
    expect(pieces).toEqual({ ...whole, generatedAt: pieces.generatedAt, run: pieces.run });
  });

  test('has k̂ of the rated power of every GPU, and none where one GPU’s is not known', async () => {
    const rated = (host: string, ratedWatts?: number) =>
      gpuSeries(
        gpu({ host, uuid: `GPU-${host}`, ...(ratedWatts !== undefined && { ratedWatts }) }),
      );
    const whole = await reportOf({ series: [...rated('a', 700), ...rated('b', 500)] });
    expect(whole.compute).toMatchObject({ ratedPowerWatts: 1200, k: expect.closeTo(0.5, 6) });
    expect(whole.devices.map(({ ratedPowerWatts }) => ratedPowerWatts)).toEqual([700, 500]);
    const partly = await reportOf({ series: [...rated('a', 700), ...rated('b')] });
    expect(partly.compute).not.toHaveProperty('k');
    expect(partly.compute).not.toHaveProperty('ratedPowerWatts');
  });

  test('leaves out another job that scrapes the same GPUs', async () => {
    const series = [...gpuSeries(gpu()), ...gpuSeries(gpu({ job: 'other' }))];
    expect((await reportOf({ series })).energy.gpuJoules).toBeCloseTo(180_000, 3);
  });

  test('counts a GPU once that two replicas scrape at different instants', async () => {
    const replicas = [
      gpu({ labels: { replica: 'a' } }),
      // The same counter, found three seconds older one second later.
      gpu({
        labels: { replica: 'b' },
        times: every(15, -284, 885),
        at: (time) => steady(300)(time - 3),
      }),
    ];
    const report = await reportOf({ series: replicas.flatMap(gpuSeries) });
    expect(report.devices).toHaveLength(1);
    expect(report.energy.gpuJoules).toBeCloseTo(180_000, 3);
    expect(codesOf(report)).not.toContain('fleet-went-back');
  });

  test('goes on across a change of a GPU’s index', async () => {
    const before = gpu({ times: every(15, -300, 300), index: 0 });
    const later = gpu({ times: every(15, 315, 900), index: 3 });
    const report = await reportOf({ series: [before, later].flatMap(gpuSeries) });
    expect(report.energy.gpuJoules).toBeCloseTo(180_000, 3);
    expect(report.devices).toMatchObject([{ uuid: 'GPU-1', index: 3 }]);
  });
});

describe('what counters could not tell', () => {
  test('a counter that began anew adds what it counted since, and the lost time is a gap', async () => {
    const at: MadeGpu['at'] = (time) =>
      (time - START <= 300 ? steady(300) : steady(300, 310))(time);
    const report = await reportOf(ofGpu({ at, times: every(15, -300, 900) }));
    expect(report.energy.gpuJoules).toBeCloseTo(300 * 590, 3);
    expect(report.energy.gapSecondsByReason).toEqual({ 'no-reading': 10 });
    expect(report.energy.observedSeconds).toBeCloseTo(590, 3);
    expect(codesOf(report)).toContain('fleet-restarted');
  });

  test('an agent that was away is a gap although its counters go on', async () => {
    const isAway = (time: number) => time - START > 200 && time - START < 260;
    const at: MadeGpu['at'] = (time) =>
      isAway(time) ? undefined : steady(300, time - START >= 260 ? -9940 : -10_000)(time);
    const report = await reportOf(ofGpu({ at, times: every(1, -100, 700) }));
    expect(report.energy.gpuJoules).toBeCloseTo(300 * 540, 3);
    expect(report.energy.gapSeconds).toBeCloseTo(60, 3);
    expect(report.energy.observedSeconds).toBeCloseTo(540, 3);
    expect(report.devices[0]?.powerMeanWatts).toBeCloseTo(300, 3);
  });

  test('missing scrapes are a gap that the counter bridges, and is said to', async () => {
    const times = [...every(1, -100, 200), ...every(1, 260, 700)];
    const report = await reportOf(ofGpu({ times }));
    expect(report.energy.gpuJoules).toBeCloseTo(180_000, 3);
    expect(report.energy).toMatchObject({
      gapSeconds: 0,
      bridgedSeconds: 60,
      gapSecondsByReason: { 'no-reading': 60 },
    });
    expect(codesOf(report)).toContain('fleet-holes');
  });

  test('a node that vanished is not held: its energy ends with its last scrape', async () => {
    const report = await reportOf(ofGpu({ times: every(15, -300, 240) }));
    expect(report.energy.gpuJoules).toBeCloseTo(300 * 240, 3);
    expect(report.energy.gapSecondsByReason).toEqual({ 'no-reading': 360 });
    expect(report.energy.coverageRatio).toBeCloseTo(0.4, 6);
  });

  test('a node that came late brings no energy of before its first scrape', async () => {
    const report = await reportOf(ofGpu({ times: every(15, 150, 900) }));
    expect(report.energy.gpuJoules).toBeCloseTo(300 * 450, 3);
    expect(report.energy.gapSeconds).toBeCloseTo(150, 6);
  });

  test('a counter that went back a little is no new one', async () => {
    const at: MadeGpu['at'] = (time) => steady(300, time - START > 300 ? -9998 : -10_000)(time);
    const times = every(1, -100, 700);
    const back: MadeGpu['at'] = (time) => {
      const counters = at(time);
      return time - START > 300 ? { ...counters, energy: (counters?.energy ?? 0) - 900 } : counters;
    };
    const report = await reportOf(ofGpu({ at: back, times }));
    expect(report.energy.gpuJoules).toBeCloseTo(300 * 599, 3);
    expect(codesOf(report)).toContain('fleet-went-back');
  });

  test('the device’s own gaps are the report’s, with their reasons', async () => {
    const at: MadeGpu['at'] = (time) => {
      const lost = Math.min(40, Math.max(0, time - START - 100));
      const { observed = 0, ...counters } = steady(300)(time) ?? {};
      const gaps = lost > 0 ? { 'no-reading': 7, 'gpu-lost': lost } : { 'no-reading': 7 };
      return { ...counters, energy: 300 * (observed - lost), observed: observed - lost, gaps };
    };
    const report = await reportOf(ofGpu({ at, times: every(5, -300, 900) }));
    expect(report.energy.gapSecondsByReason).toEqual({ 'gpu-lost': 40 });
    expect(report.energy.observedSeconds).toBeCloseTo(560, 6);
  });

  test('a GPU that was scraped once is unknown, not idle', async () => {
    const series = [
      ...gpuSeries(gpu()),
      ...gpuSeries(gpu({ host: 'node-2', uuid: 'GPU-2', times: [START + 300] })),
    ];
    const report = await reportOf({ series });
    expect(report.devices[1]).toMatchObject({ coverageRatio: 0, gapSeconds: 600 });
    expect(report.devices[1]).not.toHaveProperty('energyJoules');
    expect(report.devices[1]?.powerMeanWatts).toBeUndefined();
    expect(codesOf(report)).toContain('fleet-unmeasured');
    expect(report.cost.energyCost).toBeCloseTo((180_000 / 3.6e6) * 1.2 * 0.25, 9);
  });

  test('nodes that were scraped without a GPU are named', async () => {
    const up = { wattmeter: ['node-1:10360', 'node-7:10360'] };
    const report = await reportOf({ ...ofGpu(), up });
    expect(report.warnings).toContainEqual({
      code: 'fleet-silent-nodes',
      message: expect.stringContaining('node-7:10360'),
    });
  });

  test('without the exporter’s uncertainty that of an unknown sensor is assumed, and said', async () => {
    const at: MadeGpu['at'] = (time) => {
      const { uncertainty: _, ...counters } = steady(300)(time) ?? {};
      return counters;
    };
    const report = await reportOf(ofGpu({ at }));
    expect(report.energy.gpuUncertaintyJoules).toBeGreaterThan(2 * 0.039 * 180_000);
    expect(codesOf(report)).toContain('fleet-no-uncertainty');
  });

  test('what the server warns of stands in the report', async () => {
    const report = await reportOf({ ...ofGpu(), extra: { warnings: ['block 7 is corrupt'] } });
    expect(report.warnings).toContainEqual({
      code: 'prometheus-warning',
      message: expect.stringMatching(/^Prometheus at http.* says: block 7 is corrupt\.$/),
    });
  });
});

describe('money and carbon of a fleet', () => {
  const priced = (host: string, change: Partial<MadeGpu> = {}): StoredSeries[] => [
    ...gpuSeries(gpu({ host, uuid: `GPU-${host}`, times: NODE.times, ...change })),
    ...nodeSeries({ host, ...NODE }),
  ];
  const kilowattHours = 180_000 / 3.6e6;

  test('are what the nodes counted', async () => {
    const report = await reportOf({ series: priced('a') });
    expect(report.energy).toMatchObject({
      powerUsageEffectiveness: 1.2,
      powerUsageEffectivenessProvenance: 'derived',
    });
    expect(report.cost).toMatchObject({
      currency: 'EUR',
      energyCost: expect.closeTo(kilowattHours * 1.2 * 0.25, 9),
      pricePerKilowattHourMean: expect.closeTo(0.25, 9),
      tariff: { name: 'flat', provenance: 'derived' },
    });
    expect(report.carbon).toMatchObject({
      zone: 'DEU',
      locationBasedGrams: expect.closeTo(kilowattHours * 1.2 * 400, 6),
      dataset: 'Ember',
    });
  });

  test('go on where the counter of money alone began anew', async () => {
    const at: MadeGpu['at'] = (time) => {
      const counters = steady(300)(time);
      const since = steady(300, time - START > 300 ? 300 : -10_000)(time);
      return since?.cost === undefined ? counters : { ...counters, cost: since.cost };
    };
    const times = every(1, -100, 700);
    const series = [
      ...gpuSeries(gpu({ at, times })),
      ...nodeSeries({ ...NODE, host: 'node-1:10360' }),
    ];
    const report = await reportOf({ series });
    expect(report.energy.gpuJoules).toBeCloseTo(180_000, 3);
    expect(report.cost.energyCost).toBeCloseTo(kilowattHours * 1.2 * 0.25, 9);
  });

  test('stand beside water, rent and what nodes themselves count of their hosts', async () => {
    const flags = [
      '--wue',
      '0.5',
      '--ewif',
      '2',
      '--rent-per-gpu-hour',
      '3',
      '--host-watts',
      '400',
    ];
    const report = await reportOf({ series: priced('a') }, flags);
    expect(report.water?.waterLitres).toBeCloseTo(kilowattHours * (0.5 + 1.2 * 2), 9);
    expect(report.cost.otherCosts).toMatchObject([{ name: 'rent', amountCost: 0.5 }]);
    expect(report.energy.hostJoules).toBeUndefined();
    expect(codesOf(report)).toContain('fleet-host-watts');
  });

  test('stand beside hardware in the nodes’ own currency, and what their grams cost society', async () => {
    using folder = temporaryFolder();
    const inputs = (currency: string): string =>
      writeLog(
        folder.path,
        `currency: ${currency}\nhardware: { kind: owned, purchasePerGpu: 21900, lifeYears: 5, utilisationRatio: 0.5 }`,
        `${currency}.yml`,
      );
    const report = await reportOf({ series: priced('a') }, ['--inputs', inputs('EUR')]);
    // 21,900 ÷ (5 × 8760 × 0.5) = 1 EUR per GPU-hour, for ten minutes.
    expect(report.cost).toMatchObject({
      currency: 'EUR',
      runCostParts: ['energy', 'owned hardware'],
    });
    expect(report.cost.otherCosts?.[0]?.amountCost).toBeCloseTo(1 / 6, 9);
    const tonnes = (kilowattHours * 1.2 * 400) / 1e6;
    expect(report.social).toMatchObject({ currency: 'USD', provenance: 'assumed' });
    expect(report.social?.socialCost).toBeCloseTo(tonnes * 190, 12);
    expect(report.per?.gpuHour?.energyCost).toBeCloseTo(kilowattHours * 6 * 1.2 * 0.25, 6);
    expect(report).not.toHaveProperty('idle');
    expect(report.levers?.map(({ id }) => id)).toEqual(['power-cap']);
    const { code, stderr } = await ask({ series: priced('a') }, ['--inputs', inputs('USD')]);
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /^wattmeter: USD\.yml: its money is in USD, and the electricity is priced in EUR\..*\n$/,
    );
  });

  test('grams without a grid are grams, of a zone that nobody knows', async () => {
    const report = await reportOf(ofGpu());
    expect(report.carbon).toMatchObject({
      zone: 'not in this Prometheus',
      locationBasedGrams: expect.closeTo(kilowattHours * 1.2 * 400, 6),
    });
  });

  test('a price that nobody gave stays assumed', async () => {
    const series = [
      ...gpuSeries(gpu({ times: NODE.times })),
      ...nodeSeries({ ...NODE, host: 'node-1:10360', price: ['EUR', 'flat', 0.1] }),
    ];
    expect((await reportOf({ series })).cost.tariff.provenance).toBe('assumed');
  });

  test('of two currencies are listed apart and never added', async () => {
    const dollars: MadeGpu['at'] = (time) => ({
      ...steady(300)(time),
      cost: ['USD', (time - START) * 1, 0],
    });
    const late = every(15, 0, 900);
    const series = [...priced('a'), ...priced('b', { at: dollars, times: late })];
    const report = await reportOf({ series });
    expect(report.cost.energyCost).toBeUndefined();
    expect(report.cost.missing).toMatch(/EUR and USD.*--price/);
    expect(report.warnings).toContainEqual({
      code: 'fleet-currencies',
      message: expect.stringMatching(/EUR.*USD|€.*\$/),
    });
    expect(report.energy.gpuJoules).toBeCloseTo(360_000, 3);
  });

  test('of two zones are added, and listed apart', async () => {
    const series = [
      ...priced('a'),
      ...gpuSeries(gpu({ host: 'b', uuid: 'GPU-b', times: NODE.times })),
      ...nodeSeries({ ...NODE, host: 'b', zone: ['FRA', 40] }),
    ];
    const report = await reportOf({ series });
    expect(report.carbon).toMatchObject({ zone: 'DEU, FRA' });
    expect(report.warnings).toContainEqual({
      code: 'fleet-zones',
      message: expect.stringMatching(/DEU .*; FRA /),
    });
  });

  test('are priced anew from the energy over time', async () => {
    const flags = ['--price', '0.31', '--currency', 'CHF', '--zone', 'FRA', '--pue', '1.5'];
    const report = await reportOf({ series: priced('a') }, flags);
    expect(report.cost).toMatchObject({
      currency: 'CHF',
      energyCost: expect.closeTo(kilowattHours * 1.5 * 0.31, 9),
      tariff: { name: 'flat', source: '--price' },
    });
    expect(report.carbon).toMatchObject({ zone: 'FRA' });
    expect(report.energy.facilityJoules).toBeCloseTo(270_000, 3);
    expect(report.cost.periods).toHaveLength(1);
  });

  test('a PUE alone scales what the nodes counted; a price alone keeps their PUE', async () => {
    const scaled = await reportOf({ series: priced('a') }, ['--pue', '1.8']);
    expect(scaled.cost.energyCost).toBeCloseTo(kilowattHours * 1.8 * 0.25, 9);
    expect(scaled.carbon).toMatchObject({
      locationBasedGrams: expect.closeTo(kilowattHours * 1.8 * 400, 6),
    });
    const cheap = await reportOf({ series: priced('a') }, ['--price', '0.05']);
    expect(cheap.cost.energyCost).toBeCloseTo(kilowattHours * 1.2 * 0.05, 9);
  });

  test('follow a price that changes within the span', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'wattmeter-fleet-'));
    const iso = (seconds: number) => new Date((START + seconds) * 1e3).toISOString();
    const rows = [
      [iso(-3600), iso(200), 0.1],
      [iso(200), iso(3600), 0.4],
    ];
    const file = join(directory, 'prices.csv');
    writeFileSync(file, ['start,end,value', ...rows.map((row) => row.join(','))].join('\n'));
    try {
      const flags = ['--tariff', file, '--currency', 'EUR', '--pue', '1'];
      const report = await reportOf({ series: priced('a') }, flags);
      const cost = ((300 * 200) / 3.6e6) * 0.1 + ((300 * 400) / 3.6e6) * 0.4;
      expect(report.cost.energyCost).toBeCloseTo(cost, 9);
      expect(report.cost.periods).toHaveLength(2);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test('a node without grams leaves the carbon unknown, and says the mend', async () => {
    const blind: MadeGpu['at'] = (time) => {
      const { grams: _, ...counters } = steady(300)(time) ?? {};
      return counters;
    };
    const report = await reportOf({ series: [...priced('a'), ...priced('b', { at: blind })] });
    expect(report.carbon).toEqual({ missing: expect.stringMatching(/^1 of 2 devices.*--zone/) });
  });

  test('the rest of a node has the margin that its node exports, and only what is measured is called so', async () => {
    const hostEnergy = (time: number) => 100 * (time - START + 5000);
    const host = { ...NODE, hostEnergy, hostUncertaintyRatio: 0.08 };
    const withHost = (change: object) =>
      reportOf({
        series: [
          ...gpuSeries(gpu({ host: 'a' })),
          ...nodeSeries({ host: 'a', ...host, ...change }),
        ],
      });
    const measured = await withHost({ times: every(15, -300, 900) });
    expect(measured.energy).toMatchObject({
      hostJoules: expect.closeTo(60_000, 6),
      hostUncertaintyJoules: expect.closeTo(0.08 * 60_000, -2),
      hostProvenance: 'measured',
    });
    expect(codesOf(measured)).not.toContain('fleet-host');
    const given = await withHost({ hostComponent: 'assumed' });
    expect(given.energy.hostProvenance).toBe('assumed');
    expect(codesOf(given)).not.toContain('fleet-host');
  });

  test('the rest of a node is priced by its node’s price, and has no invented margin', async () => {
    const hostEnergy = (time: number) => 100 * (time - START + 5000);
    const series = [
      ...gpuSeries(gpu({ host: 'a', times: NODE.times })),
      ...nodeSeries({ host: 'a', ...NODE, hostEnergy }),
    ];
    const report = await reportOf({ series });
    expect(report.energy).toMatchObject({ hostJoules: expect.closeTo(60_000, 6) });
    expect(report.energy.hostUncertaintyJoules).toBeUndefined();
    expect(report.cost.energyCost).toBeCloseTo((240_000 / 3.6e6) * 1.2 * 0.25, 9);
    expect(codesOf(report)).toContain('fleet-host');
  });

  test.each([
    'text',
    'csv',
    'markdown',
    'html',
    'focus',
    'emissions-csv',
    'model-card',
    'cyclonedx',
    'eu-ai-act',
  ])('prints as %s', async (format) => {
    const { code, stdout, stderr } = await ask({ series: [...priced('a'), ...priced('b')] }, [
      '--format',
      format,
    ]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.length).toBeGreaterThan(40);
  });
});
