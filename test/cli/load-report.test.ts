// What a word on the command line means, and what becomes of a finished report under other options: through the real
// command, with a run of the ledger, logs and report files.

import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import type { Report } from '../../agent/report/report.ts';
import { parseReport } from '../../agent/report/schema.ts';
import { openWorkplace, type Workplace } from '../e2e/wattmeter.ts';
import { call, type Called } from '../fleet/command.ts';
import { known } from '../known.ts';

let place: Workplace;
/** The report of the run, as it ended. */
let measured: Report;

const TARIFF = 'currency: EUR\ntimeZone: UTC\nzones: [{ price: 0.3 }]\n';
const INPUTS = `currency: EUR
hardware: { kind: owned, purchasePerGpu: 30000, lifeYears: 5, residualRatio: 0.27, utilisationRatio: 0.5, operationPerGpuHour: 0.4 }
labelling: { personHours: 120, payPerHour: 22, workstationWatts: 125 }
`;

/** Half a minute of one GPU: idle at 100 W, then at work at 300 W. */
function log(withIdentity: boolean, watts = 300): string {
  const rows = Array.from({ length: 301 }, (_, tenth) => {
    const time = new Date(Date.UTC(2026, 5, 1, 9) + tenth * 100).toISOString();
    const identity = withIdentity ? '0, GPU-00000000-aaaa-4000-8000-000000000000, ' : '';
    return `${time}, ${identity}${tenth > 100 ? watts : 100}.00 W, ${tenth > 100 ? 90 : 0} %`;
  });
  const title = `timestamp, ${withIdentity ? 'index, uuid, ' : ''}power.draw.instant [W], utilization.gpu [%]`;
  return `${[title, ...rows].join('\n')}\n`;
}

beforeAll(async () => {
  place = openWorkplace();
  writeFileSync(place.path('log.csv'), log(true));
  writeFileSync(place.path('node1.csv'), log(false));
  writeFileSync(place.path('node2.csv'), log(false, 200));
  writeFileSync(place.path('tariff.yml'), TARIFF);
  writeFileSync(place.path('inputs.yml'), INPUTS);
  const source = ['--source', 'replay', '--trace', 'log.csv', '--name', 'sweep/lr.0.1', '--quiet'];
  const options = ['--tariff', 'tariff.yml', '--zone', 'DEU', '--host-watts', '100'];
  const inputs = ['--inputs', 'inputs.yml', '--report-json', 'run.json'];
  const ended = await place.run(['run', ...source, ...options, ...inputs, '--', 'sleep', '2']);
  expect(ended.code, ended.stderr).toBe(0);
  measured = parseReport(readFileSync(place.path('run.json'), 'utf8'), 'run.json');
}, 60_000);
afterAll(() => place[Symbol.dispose]());

const report = (args: readonly string[], environment: Record<string, string> = {}) =>
  call(['report', ...args], { WATTMETER_STATE_DIR: place.stateDirectory, ...environment });

async function jsonOf(...asked: Parameters<typeof report>): Promise<Report> {
  const [args, environment] = asked;
  const { code, stdout, stderr } = await report([...args, '--format', 'json'], environment);
  expect(code, stderr).toBe(0);
  return parseReport(stdout, 'stdout');
}

const refusal = ({ code, stderr }: Called): string => {
  expect(code).toBe(2);
  expect(stderr).toMatch(/^wattmeter: [^\n]+\n$/);
  return stderr;
};

describe('a word means', () => {
  test('a run, though its name looks like a path', async () => {
    expect((await jsonOf(['sweep/lr.0.1'])).run).toEqual(measured.run);
    expect((await jsonOf([measured.run.id])).run).toEqual(measured.run);
    expect((await jsonOf([measured.run.id.slice(0, -2)])).run).toEqual(measured.run);
  });

  test('a report, whatever its file is called, packed or not', async () => {
    const text = readFileSync(place.path('run.json'));
    writeFileSync(place.path('no-suffix'), text);
    writeFileSync(place.path('run.json.gz'), gzipSync(text));
    writeFileSync(place.path('marked'), `\u{FEFF}\n${text.toString()}`);
    for (const name of ['run.json', 'no-suffix', 'run.json.gz', 'marked'])
      expect(await jsonOf([place.path(name)])).toEqual(measured);
  });

  test('a log, packed or not, even where the ledger cannot be read', async () => {
    writeFileSync(place.path('packed'), gzipSync(log(true)));
    const plain = await jsonOf([place.path('log.csv')]);
    expect((await jsonOf([place.path('packed')])).energy).toEqual(plain.energy);
    const broken = { WATTMETER_STATE_DIR: place.path('log.csv') };
    expect((await jsonOf([place.path('log.csv')], broken)).energy).toEqual(plain.energy);
  });

  test('nothing, and is said to', async () => {
    expect(refusal(await report(['sweep/lr.0.2']))).toMatch(
      /no stored run has that name, and there/,
    );
    expect(refusal(await report(['nothing']))).toMatch(/no id begins so and no run has that name/);
    writeFileSync(place.path('other.json'), '{"a": 1}');
    expect(refusal(await report([place.path('other.json')]))).toMatch(/it is not a wattmeter/);
  });
});

describe('a finished report', () => {
  const file = (): string => place.path('log.json');
  /** The same file again, as a log and as the report of it. */
  async function both(flags: readonly string[]): Promise<readonly [Report, Report]> {
    const args = ['--price', '0.2', '--zone', 'DEU', '--report-json', file(), '--quiet'];
    const written = await report([place.path('log.csv'), ...args, '--rent-per-gpu-hour', '2']);
    expect(written.code, written.stderr).toBe(0);
    const { repriced: _, ...again } = await jsonOf([file(), ...flags]);
    const old = ['--price', '0.2', '--zone', 'DEU', '--rent-per-gpu-hour', '2'];
    const given = new Set(flags.filter((word) => word.startsWith('--')));
    const kept = old.flatMap((word, at) =>
      at % 2 === 0 && !given.has(word) ? [word, old[at + 1] ?? ''] : [],
    );
    return [again, await jsonOf([place.path('log.csv'), ...kept, ...flags])];
  }

  test.each([
    [['--price', '0.31', '--currency', 'USD']],
    [['--pue', '1.4']],
    [['--zone', 'FRA']],
    [['--zone', 'gcp:europe-west4', '--pue', '1.1', '--price', '0.5']],
    [['--rent-per-gpu-hour', '3', '--wue', '1.5', '--social-cost-per-tonne', '80']],
  ])('under %j is what its log would be', async (flags) => {
    const [again, anew] = await both(flags);
    const rounded = (part: unknown): unknown =>
      JSON.parse(JSON.stringify(part), (_, value: unknown) =>
        typeof value === 'number' ? Number(value.toPrecision(9)) : value,
      );
    const { generatedAt: _a, ...left } = again;
    const { generatedAt: _b, ...right } = anew;
    // The rows of the bill are one where the price is one: their ends are the log's or the run's.
    expect(rounded(left)).toEqual(rounded(right));
  });

  test('says what changed, and keeps what was measured', async () => {
    const [first] = await both([]);
    const flags = ['--price', '0.4', '--zone', 'FRA', '--pue', '1.2'];
    const { stdout } = await report([file(), ...flags]);
    expect(stdout).toMatch(/Priced anew: as measured → now\n +PUE +1 \(assumed\) → 1\.2\n/);
    expect(stdout).toMatch(/Price +0\.20 USD\/kWh → 0\.40 USD\/kWh/);
    const anew = await jsonOf([file(), ...flags]);
    expect(anew.energy.gpuJoules).toBe(first.energy.gpuJoules);
  });

  test('is not changed by prices of the environment or a config file', async () => {
    const [first] = await both([]);
    writeFileSync(place.path('config.yml'), 'price: 0.9\ngrid: nowhere.csv\n');
    const surroundings = { WATTMETER_PUE: '1.9', WATTMETER_CONFIG: place.path('config.yml') };
    expect(await jsonOf([file()], surroundings)).toEqual({
      ...first,
      generatedAt: expect.any(String) as string,
    });
  });

  test.each([
    [['--tariff', 'tariff.yml'], 'it holds no energy over time for --tariff'],
    [['--grid', 'grid.csv'], 'it holds no energy over time for --grid'],
    [['--host-watts', '100'], 'it holds no energy over time for --host-watts'],
  ])('refuses %j, which needs its energy over time', async (flags, why) => {
    await both([]);
    expect(refusal(await report([file(), ...flags]))).toContain(why);
  });

  test('whose prices changed takes another PUE with a price alone', async () => {
    const path = place.path('run.json');
    expect(refusal(await report([path, '--pue', '1.3']))).toMatch(/its prices changed/);
    const anew = await jsonOf([path, '--pue', '1.3', '--price', '0.2', '--currency', 'EUR']);
    expect(anew.cost.energyCost).toBeCloseTo(
      (known(measured.energy.itJoules) * 1.3 * 0.2) / 3.6e6,
      12,
    );
  });
});

describe('a stored run', () => {
  test('has the host that is asked for, in place of the one that it was measured with', async () => {
    const [same, twice] = await Promise.all([
      jsonOf(['sweep/lr.0.1', '--host-watts', '100']),
      jsonOf(['sweep/lr.0.1', '--host-watts', '200']),
    ]);
    expect(same.energy).toEqual(measured.energy);
    const host = known(measured.energy.hostJoules);
    expect(twice.energy.hostJoules).toBeCloseTo(2 * host, 6);
    expect(twice.energy.gpuJoules).toBe(measured.energy.gpuJoules);
    expect(twice.cost.energyCost).toBeCloseTo(
      known(measured.cost.energyCost) + (host * 0.3) / 3.6e6,
      12,
    );
    expect(twice.hosts?.map(({ uuid }) => uuid)).toEqual(['host-assumed']);
    expect(twice.repriced?.options).toEqual([{ option: '--host-watts', before: 100, after: 200 }]);
  });

  test('is reported as it was booked when its tariff and inputs are gone, and says so', async () => {
    const [tariff, inputs] = [place.path('tariff.yml'), place.path('inputs.yml')];
    renameSync(tariff, `${tariff}.away`);
    try {
      const booked = await jsonOf(['sweep/lr.0.1']);
      const { periods: _, ...cost } = measured.cost;
      expect(booked.cost).toEqual({
        ...cost,
        // Sums of the same charges in another order.
        energyCost: expect.closeTo(known(cost.energyCost), 15),
        runCost: expect.closeTo(known(cost.runCost), 15),
        uncertaintyCost: expect.closeTo(known(cost.uncertaintyCost), 15),
      });
      expect(booked.energy).toEqual(measured.energy);
      expect(booked.warnings).toContainEqual({
        code: 'pricing-file-gone',
        message: `${tariff} is not there any more: money and grams are those that were booked when the run was measured.`,
      });
      expect(refusal(await report(['sweep/lr.0.1', '--pue', '1.2']))).toContain(
        'which the run was priced with, is not there any more',
      );
      rmSync(inputs);
      const without = await jsonOf(['sweep/lr.0.1', '--price', '0.3', '--currency', 'EUR']);
      expect(without.cost.otherCosts).toBeUndefined();
      expect(without.warnings.map(({ code }) => code)).toContain('inputs-file-gone');
    } finally {
      renameSync(`${tariff}.away`, tariff);
      writeFileSync(inputs, INPUTS);
    }
  });
});

describe('--merge', () => {
  test('takes logs that name neither host nor GPU for one machine each', async () => {
    const files = ['node1.csv', 'node2.csv'].map((name) => join(place.directory, name));
    const alone = await Promise.all(files.map((file) => jsonOf([file])));
    const merged = await jsonOf([...files, '--merge']);
    expect(merged.devices.map(({ host }) => host)).toEqual(files);
    expect(merged.nodes).toHaveLength(2);
    expect(merged.energy.gpuJoules).toBeCloseTo(
      alone.reduce((sum, { energy }) => sum + known(energy.gpuJoules), 0),
      6,
    );
  });

  test('counts the same log, and the same GPU of two logs, once', async () => {
    const [node, named] = [place.path('node1.csv'), place.path('log.csv')];
    const [one, twice] = await Promise.all([jsonOf([node]), jsonOf([node, node, '--merge'])]);
    expect(twice.energy.gpuJoules).toBe(one.energy.gpuJoules);
    expect(twice.warnings).toContainEqual({
      code: 'merge-counted-once',
      message: '1 line of a GPU that another report covers was counted once.',
    });
    writeFileSync(place.path('copy.csv'), log(true));
    const merged = await jsonOf([named, place.path('copy.csv'), '--merge']);
    expect(merged.devices).toHaveLength(1);
  });
});
