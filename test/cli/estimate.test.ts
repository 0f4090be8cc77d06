// `wattmeter estimate` as it is typed: flags, files and cases, to what it prints and how it refuses.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, describe, expect, test } from 'vitest';

import type { Context } from '../../agent/cli/context.ts';
import { runProgram } from '../../agent/cli/program.ts';
import { buildReport } from '../../agent/report/build.ts';
import { formatReport } from '../../agent/report/formats.ts';
import { everything, onePlain } from '../report/books.ts';

const folder = mkdtempSync(join(tmpdir(), 'wattmeter-estimate-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function estimate(...args: readonly string[]): Promise<Said> {
  let [stdout, stderr] = ['', ''];
  const screen = (write: (text: string) => void) => ({ isTerminal: false, columns: 80, write });
  const context = {
    stdout: screen((text) => (stdout += text)),
    stderr: screen((text) => (stderr += text)),
    environment: { XDG_STATE_HOME: folder, WATTMETER_CONFIG: '/dev/null' },
    signal: new AbortController().signal,
    version: 'test',
  } as unknown as Context;
  const code = await runProgram(['estimate', ...args], context);
  return { code, stdout, stderr };
}

/** The estimate as JSON. */
async function numbers(...args: readonly string[]) {
  const { code, stdout, stderr } = await estimate(...args, '--json');
  expect(stderr).toBe('');
  expect(code).toBe(0);
  return JSON.parse(stdout) as Record<
    string,
    Record<string, { low: number; mid: number; high: number; note?: string; provenance: string }>
  > & {
    checks: { message: string }[];
    levers: {
      id: string;
      savedCost?: { low: number; mid: number; high: number };
      savedKilograms?: { mid: number };
      startTime?: string;
      breakEven: string;
      source: string;
    }[];
  };
}

const words = (line: string): string[] => line.split(' ');

describe('by flags alone', () => {
  test("the article's worked examples come out to the digit", async () => {
    const compute = await numbers('--k', '0.5', '--hours', '1000', '--kilowatts', '10');
    expect(compute['energy']?.['computeKilowattHours']?.mid).toBe(5000);
    const data = await numbers('--data-k', '0.2', '--data-hours', '500', '--data-kilowatts', '1');
    expect(data['energy']?.['dataKilowattHours']?.mid).toBe(100);
    expect(data['energy']).not.toHaveProperty('computeKilowattHours');
    expect(data.levers).toEqual([]);
    const text = await estimate('--k', '0.5', '--hours', '1000', '--kilowatts', '10');
    expect(text.stdout).toMatch(/^ {2}E_compute +5,000 kWh$/m);
  });

  test("the article's BERT comes out to the digit, and is flagged", async () => {
    const bert = await numbers(
      ...words('--energy-kilowatt-hours 50e6 --data-gigabytes 16 --price 0.1 --currency USD'),
      ...words('--people-cost 5e6 --hardware-cost 20e6 --labelling-cost 20e6'),
      '--model',
      'BERT base',
    );
    expect(bert['cost']?.['totalCost']?.mid).toBe(45_000_000);
    expect(bert['cost']?.['electricityCost']?.mid).toBe(5_000_000);
    expect(bert['energy']?.['computeKilowattHours']?.mid).toBe(50_000_000);
    expect(bert['dataNeed']).toMatchObject({
      sizeGigabytes: { mid: 16 },
      labellingCost: { mid: 20_000_000 },
    });
    expect(bert.checks[0]?.message).toContain('33,000 times the 1,507 kWh');
    expect(bert.checks[0]?.message).toContain('39 times GPT-3 175B and 2.3 times Llama 3.1 405B');
  });

  test('what was not weighed is said, with what it needs', async () => {
    const few = await estimate('--energy-kilowatt-hours', '5');
    expect(few.stdout.replaceAll(/\s+/g, ' ')).toContain(
      'Not weighed: power cap (give the GPU-hours and watts of each phase), early stopping',
    );
    const { openLevers } = JSON.parse(
      (await estimate('docs/examples/plan.yml', '--json')).stdout,
    ) as { openLevers: unknown };
    expect(openLevers).toEqual([{ name: 'time shift', needs: '--tariff or --grid FILE' }]);
  });

  test('GPU-hours × watts × PUE, ranges, rent, water and serving', async () => {
    const plan = await numbers(
      ...words('--gpu-hours 900..1000..1200 --watts-per-gpu 400 --host-watts-per-gpu 100'),
      ...words('--rent-per-gpu-hour 2 --pue 1.2 --wue 1 --ewif 2 --zone FRA'),
      ...words('--days 10 --requests-per-day 1000 --watt-hours-per-request 3'),
    );
    const compute = plan['energy']?.['computeKilowattHours'];
    expect(compute?.low).toBeCloseTo(540, 9);
    expect(compute?.mid).toBeCloseTo(600, 9);
    expect(compute?.high).toBeCloseTo(720, 9);
    expect(plan['cost']?.['hardwareCost']?.mid).toBe(2000);
    // (500 kWh + 30 kWh) · (1 + 1.2 · 2).
    expect(plan['water']?.['waterLitres']?.mid).toBeCloseTo(530 * 3.4, 9);
    const grams = plan['carbon']?.['intensityGramsPerKilowattHour']?.mid ?? NaN;
    expect(plan['carbon']?.['sciGramsPerRequest']?.mid).toBeCloseTo(0.003 * 1.2 * grams, 9);
    expect(plan['carbon']?.['sciGramsPerRequest']?.note).toContain('operation alone');
  });

  test.each([
    ['a formula', '--k 0.5 --hours 1000 --kilowatts 10'],
    ['an energy', '--energy-kilowatt-hours 5000'],
  ])('GPU-hours beside %s are rented, and held against their rating', async (_, way) => {
    const rent = words('--gpu-hours 100 --rent-per-gpu-hour 2 --rated-watts 700');
    const plan = await numbers(...words(way), ...rent);
    expect(plan['energy']?.['computeKilowattHours']?.mid).toBe(5000);
    expect(plan['cost']?.['hardwareCost']?.mid).toBe(200);
    expect(plan.checks[0]?.message).toContain('50 kWh per GPU-hour');
  });

  test('the making of a known GPU counts, and of an unknown one it is said to be missing', async () => {
    const hours = ['--gpu-hours', '8760', '--watts-per-gpu', '700'];
    const known = await numbers(...hours, '--gpu-model', 'NVIDIA H100 80GB HBM3');
    const made = known['carbon']?.['embodiedKilograms'];
    // 1,312 kg per eight, a year of four.
    expect(made?.mid).toBeCloseTo(164 / 4, 9);
    expect(made?.provenance).toBe('assumed');
    expect(made?.note).toContain('HGX H100');
    const own = await numbers(...hours, '--embodied-kilograms', '200');
    expect(own['carbon']?.['embodiedKilograms']?.mid).toBeCloseTo(50, 9);
    const { stdout } = await estimate(...hours, '--gpu-model', 'Homemade 9000');
    expect(stdout.replaceAll(/\s+/g, ' ')).toContain(
      'Making the GPUs is left out: nothing is published for Homemade 9000',
    );
    const unnamed = await estimate(...hours, '--zone', 'FRA');
    expect(unnamed.stdout.replaceAll(/\s+/g, ' ')).toContain(
      'Making the GPUs is left out: give gpuModel, or embodied.kilogramsPerGpu.',
    );
  });

  test('flags change one thing of a file or a case', async () => {
    const path = file(
      'plan.yml',
      'name: x\ntraining: [{ kind: energy, energyKilowattHours: 100 }]\ndeployment: { days: 10 }\n',
    );
    const plan = await numbers(path, '--requests-per-day', '5', '--people-cost', '7');
    expect(plan['deployment']?.['requestCount']?.mid).toBe(50);
    expect(plan['cost']?.['peopleCost']?.mid).toBe(7);
    const watered = file(
      'watered.yml',
      'name: x\ntraining: [{ kind: energy, energyKilowattHours: 100 }]\nwater: { wueLitresPerKilowattHour: 1 }\n',
    );
    expect((await numbers(watered))['water']?.['waterLitres']).toMatchObject({
      mid: 100,
      note: "the site's alone: give EWIF for the power stations'",
    });
    expect((await numbers(watered, '--ewif', '2'))['water']?.['waterLitres']?.mid).toBe(300);
    const placed = file(
      'placed.yml',
      'name: x\ntraining: [{ kind: energy, energyKilowattHours: 100 }]\ngramsPerKilowattHour: 400\nmarketGramsPerKilowattHour: 9\n',
    );
    const moved = (await numbers(placed, '--zone', 'SWE'))['carbon'];
    expect(moved?.['intensityGramsPerKilowattHour']?.note).toContain('Ember');
    expect(moved).not.toHaveProperty('trainingMarketBasedKilograms');
    const bert = await numbers('--case', 'bert', '--energy-kilowatt-hours', '1507');
    expect(bert['cost']?.['totalCost']?.mid).toBe(45_000_000);
    expect(bert.checks).toEqual([]);
  });
});

const PRICES = `# timeZone: Europe/Berlin
start,end,value [EUR/MWh]
2026-11-22T00:00,2026-11-23T00:00,100
2026-11-23T00:00,2026-11-23T04:00,20
2026-11-23T04:00,2026-11-24T00:00,140
`;
const GRID = `# zone: DEU
start,end,value [g/kWh]
2026-11-21T23:00Z,2026-11-22T10:00Z,450
2026-11-22T10:00Z,2026-11-22T16:00Z,200
2026-11-22T16:00Z,2026-11-23T23:00Z,400
`;

describe("with series of the user's own", () => {
  const prices = file('prices.csv', PRICES);
  const grid = file('grid.csv', GRID);
  const six = ['--k', '1', '--hours', '6', '--kilowatts', '10'];

  test('other hours and other places are weighed', async () => {
    const north = file('north.csv', 'start,end,value [gCO2eq/kWh]\n2026-01-01,2026-01-02,25\n');
    const cheap = file('cheap.csv', 'start,end,value [EUR/kWh]\n2026-01-01,2026-01-02,0.04\n');
    const regions = `SWE,north=${north},north=${cheap}`;
    const plan = await numbers(...six, '--tariff', prices, '--grid', grid, '--regions', regions);
    const of = (id: string) => plan.levers.find((lever) => lever.id === id);
    // Four of the six hours at 20, two at 100: from 22:00 in Berlin.
    expect(of('time-shift-price')?.startTime).toBe('2026-11-22T21:00:00Z');
    expect(plan['cost']?.['electricityCost']?.low).toBeCloseTo(60 * ((4 * 0.02 + 2 * 0.1) / 6), 9);
    expect(of('time-shift-carbon')?.startTime).toBe('2026-11-22T10:00:00Z');
    expect(plan['carbon']?.['trainingLocationBasedKilograms']?.low).toBeCloseTo(12, 9);
    expect(of('region-SWE')?.source).toContain('Ember');
    expect(of('region-north')?.source).toBe('north.csv; cheap.csv');
    const mean = plan['cost']?.['pricePerKilowattHour']?.mid ?? NaN;
    expect(of('region-north')?.savedCost?.mid).toBeCloseTo(60 * (mean - 0.04), 9);
  });

  test('a planned start is held against later ones, as far as one may wait', async () => {
    const start = ['--tariff', prices, '--start', '2026-11-22T12:00'];
    const plan = await numbers(...six, ...start);
    expect(plan['cost']?.['electricityCost']?.mid).toBeCloseTo(6, 9);
    const soon = await numbers(...six, ...start, '--within', '8');
    expect(soon.levers.find(({ id }) => id === 'time-shift-price')?.breakEven).toContain('never');
  });

  test('a tariff that holds for ever is looked at from the planned start, whenever that is', async () => {
    const zones = 'docs/examples/tariff-zones.yml';
    const afternoon = ['--start', '2026-11-25T14:00', '--within', '24'];
    const plan = await numbers(...six, '--tariff', zones, ...afternoon);
    // Three hours at 0.29, three at 0.34 of a Wednesday in November; from 20:00 it is 0.21.
    expect(plan['cost']?.['electricityCost']?.mid).toBeCloseTo(18.9, 9);
    const shift = plan.levers.find(({ id }) => id === 'time-shift-price');
    expect(shift?.savedCost?.mid).toBeCloseTo(6.3, 9);
    expect(shift?.startTime).toBe('2026-11-25T19:00:00Z');
  });

  test('another place is weighed at the planned start, where its series knows it', async () => {
    const rows =
      '2026-11-22T00:00Z,2026-11-22T15:00Z,0.09\n2026-11-22T15:00Z,2026-11-23T00:00Z,0.03';
    const there = file('there.csv', `start,end,value [EUR/kWh]\n${rows}\n`);
    const start = ['--tariff', prices, '--start', '2026-11-22T12:00Z', '--regions', `x=${there}`];
    const plan = await numbers(...six, ...start);
    const here = plan['cost']?.['pricePerKilowattHour']?.mid ?? NaN;
    const shift = plan.levers.find(({ id }) => id === 'region-x');
    // Three of the six hours at each.
    expect(shift?.savedCost?.mid).toBeCloseTo(60 * (here - 0.06), 9);
    expect(shift?.savedCost?.low).toBe(shift?.savedCost?.high);
  });

  test('a contract makes the market-based figure', async () => {
    const contract = file(
      'contract.yml',
      'instruments: [{ name: wind, share: 0.75, gramsPerKilowattHour: 11 }]\nresidualGramsPerKilowattHour: 700\n',
    );
    const plan = await numbers(...six, '--zone', 'DEU', '--contract', contract);
    const market = plan['carbon']?.['trainingMarketBasedKilograms'];
    expect(market?.mid).toBeCloseTo((60 * (0.75 * 11 + 0.25 * 700)) / 1000, 9);
    expect(market?.note).toContain('75 % wind');
    expect(plan['carbon']?.['trainingLocationBasedKilograms']?.mid).not.toBeCloseTo(
      market?.mid ?? 0,
    );
  });

  test('a measured run is held against starting when it did', async () => {
    // 24 minutes from 08:00 UTC, at 140 EUR/MWh.
    const report = file('run.json', await formatReport(buildReport(everything), 'json'));
    const same = ['--from-run', report, '--scale', '2'];
    const plan = await numbers(...same, '--tariff', prices, '--currency', 'EUR');
    const energy = plan['energy']?.['computeKilowattHours']?.mid ?? NaN;
    expect(plan['cost']?.['electricityCost']?.mid).toBeCloseTo(energy * 0.14, 9);
    const shift = plan.levers.find(({ id }) => id === 'time-shift-price');
    expect(shift?.savedCost?.mid).toBeCloseTo(energy * 0.12, 9);
    expect(shift?.startTime).toBe('2026-11-22T23:00:00Z');
    expect(plan.levers.map(({ id }) => id)).toContain('power-cap');
  });

  test('what a measured run only assumed is assumed again', async () => {
    const report = file('plain.json', await formatReport(buildReport(onePlain), 'json'));
    const plan = await numbers('--from-run', report);
    expect(plan['cost']?.['pricePerKilowattHour']?.provenance).toBe('assumed');
    expect(plan['energy']?.['powerUsageEffectiveness']?.provenance).toBe('assumed');
  });

  test.each<readonly [string, readonly string[], string]>([
    [
      'prices in tiers',
      ['--tariff', 'docs/examples/tariff-urdb.json', '--tariff-time-zone', 'UTC'],
      'its price depends on what the month has used already',
    ],
    [
      'a start outside the series',
      ['--tariff', prices, '--start', '2027-01-01'],
      'the series speak of 2026-11-21T23:00:00Z to 2026-11-23T23:00:00Z',
    ],
    [
      'a start that is no time',
      ['--tariff', prices, '--start', 'soon'],
      '--start: "soon" is not a time',
    ],
    [
      'a wait that is no number',
      ['--tariff', prices, '--within', '-1'],
      '--within must be a number above 0',
    ],
    [
      'a price beside a tariff',
      ['--tariff', prices, '--price', '1'],
      '--price and --tariff exclude each other',
    ],
    ['a place without a name', ['--regions', '=x.csv'], 'names no place'],
    [
      'a file that says no unit',
      ['--regions', `x=${file('plain.csv', '2026-01-01,2026-01-02,3\n')}`],
      'it does not say whether it holds prices or intensities',
    ],
    [
      'series of different days',
      ['--tariff', prices, '--grid', file('old.csv', '2020-01-01,2020-01-02,3\n')],
      'they have no time in common',
    ],
  ])('%s is one line and exit code 2', async (_, args, message) => {
    const { code, stdout, stderr } = await estimate(...six, ...args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(message);
    expect(stderr.trim()).not.toContain('\n');
  });
});

describe('the command', () => {
  test.each<readonly [string, readonly string[], string]>([
    ['nothing at all', [], 'Nothing is given to plan from.'],
    ['a part of a formula', ['--hours', '5'], 'give --k and --kilowatts too'],
    ['hours of no power', ['--gpu-hours', '5'], 'give --watts-per-gpu too'],
    [
      'a host of no GPU',
      ['--energy-kilowatt-hours', '5', '--host-watts-per-gpu', '9'],
      'give --watts-per-gpu too',
    ],
    [
      'a rating of nothing',
      ['--energy-kilowatt-hours', '5', '--rated-watts', '700'],
      'give --gpu-hours too',
    ],
    [
      'two ways of training',
      ['--energy-kilowatt-hours', '5', '--gpu-hours', '1', '--watts-per-gpu', '1'],
      'The training is given twice',
    ],
    [
      'no number',
      ['--energy-kilowatt-hours', 'much'],
      '--energy-kilowatt-hours must be a number ≥ 0',
    ],
    ['a range that falls', ['--energy-kilowatt-hours', '3..2..1'], 'LOW..MID..HIGH ascending'],
    [
      'serving for no time',
      ['--energy-kilowatt-hours', '3', '--requests-per-day', '1'],
      'Give --days too.',
    ],
    [
      'bought and rented GPUs',
      ['--energy-kilowatt-hours', '3', '--hardware-cost', '1', '--rent-per-gpu-hour', '1'],
      'exclude each other',
    ],
    ['two plans', ['--case', 'bert', '--verify'], 'Give one of: a plan file, --case NAME'],
    ['a case that is none', ['--case', 'brt'], 'Perhaps bert is meant'],
    ['a scale of nothing', ['--from-run', 'x', '--scale', '0'], '--scale must be a number above 0'],
  ])('refuses %s in one line', async (_, args, message) => {
    const { code, stderr } = await estimate(...args);
    expect(code).toBe(2);
    expect(stderr).toContain(message);
    expect(stderr.trim()).not.toContain('\n');
  });

  test('lists its cases, and verifies all that was published with exit code 0', async () => {
    expect((await estimate('--cases')).stdout).toContain('pat-gpt3                    GPT-3 175B');
    const verified = await estimate('--verify');
    expect(verified.code).toBe(0);
    expect(verified.stdout).toMatch(/^run +published +recomputed unit +error +allowed$/m);
    expect(verified.stdout).toMatch(/^pat-gpt3 +1,287,000 +1,289,376 kWh +0\.18 % +1 %$/m);
  });

  test('prints within 80 columns whatever is planned', async () => {
    const { stdout } = await estimate(
      'docs/examples/plan.yml',
      '--zone',
      'DEU',
      '--regions',
      'SWE',
    );
    for (const line of stdout.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80);
  });
});
