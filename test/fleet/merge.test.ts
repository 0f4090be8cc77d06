import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, describe, expect, test } from 'vitest';

import type { DeviceBooks } from '../../agent/account.ts';
import { flatTariff } from '../../agent/price/flat.ts';
import { buildReport } from '../../agent/report/build.ts';
import { formatJson } from '../../agent/report/json.ts';
import type { Report } from '../../agent/report/report.ts';
import { parseReport } from '../../agent/report/schema.ts';
import { instant } from '../../agent/units.ts';
import {
  booksOf,
  deviceOf,
  END,
  inputOf,
  lineOf,
  SENSOR,
  START,
  totalsOf,
} from '../report/books.ts';
import { call, type Called } from './command.ts';
import { openFakePrometheus } from './fake-prometheus.ts';
import { every, gpuSeries, START as FLEET_START, steady } from './scrapes.ts';

const directory = mkdtempSync(join(tmpdir(), 'wattmeter-merge-'));
afterAll(() => rmSync(directory, { recursive: true }));

const DURATION = END - START;
const WATTS = [300, 310, 320, 330] as const;

/** A GPU of a node: boards differ from node to node. */
const gpuOf = (node: string, index: number, seconds: number): DeviceBooks => {
  const whole = lineOf(index, WATTS[index] ?? 0);
  const ratio = seconds / DURATION;
  const { totals } = whole;
  return {
    device: deviceOf(index, { uuid: `GPU-${node}-${index}` }),
    sensor: SENSOR,
    warnings: [],
    totals: totalsOf(0, {
      ...totals,
      energyJoules: (totals.energyJoules * ratio) as typeof totals.energyJoules,
      observedSeconds: seconds as typeof totals.observedSeconds,
    }),
  };
};

/** Writes the report of one rank, from `from` to `to` seconds after START, of the GPUs that it measured. */
function rankFile(
  name: string,
  node: string,
  span: readonly [number, number],
  indices: readonly number[],
  currency = 'USD',
): string {
  const [from, to] = span;
  const books = booksOf(indices.map((index) => gpuOf(node, index, to - from)));
  const report = buildReport(
    inputOf(
      {
        ...books,
        run: { ...books.run, id: name, host: node, startSeconds: instant(START + from) },
        endSeconds: instant(START + to),
      },
      { tariff: flatTariff({ currency }) },
    ),
  );
  const path = join(directory, `${name}.json`);
  writeFileSync(path, formatJson(report));
  return path;
}

const ALL = [0, 1, 2, 3];
const nodeWatts = WATTS.reduce((total, watts) => total + watts, 0);

const merge = (files: readonly string[], flags: readonly string[] = []): Promise<Called> =>
  call(['report', ...files, '--merge', ...flags]);

async function merged(files: readonly string[]): Promise<Report> {
  const { code, stdout, stderr } = await merge(files, ['--format', 'json']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return parseReport(stdout, 'stdout');
}

describe('report A.json B.json … --merge', () => {
  test('of four ranks that each measured all GPUs of their node counts each GPU once', async () => {
    const files = ALL.map((rank) => rankFile(`same-${rank}`, 'a', [0, DURATION], ALL));
    const report = await merged(files);
    expect(report.devices.map(({ uuid }) => uuid)).toEqual(ALL.map((index) => `GPU-a-${index}`));
    expect(report.energy.gpuJoules).toBeCloseTo(nodeWatts * DURATION, 3);
    expect(report.run.host).toBe('a');
    expect(report.nodes).toBeUndefined();
  });

  test('of four ranks that started and ended within moments covers the union of their times', async () => {
    const edges = [0, 0.2, 0.35, 0.1];
    const files = edges.map((edge, rank) =>
      rankFile(`late-${rank}`, 'a', [edge, DURATION + 2 * edge], ALL),
    );
    const report = await merged(files);
    expect(report.energy.gpuJoules).toBeCloseTo(nodeWatts * (DURATION + 0.7), 2);
    expect(report.run.durationSeconds).toBeCloseTo(DURATION + 0.7, 3);
    expect(report.energy.observedSeconds).toBeCloseTo(4 * (DURATION + 0.7), 2);
  });

  test('of four ranks that each measured their own GPU adds them up', async () => {
    const files = ALL.map((rank) => rankFile(`own-${rank}`, 'a', [0, DURATION], [rank]));
    const report = await merged(files);
    expect(report.devices).toHaveLength(4);
    expect(report.energy.gpuJoules).toBeCloseTo(nodeWatts * DURATION, 3);
    expect(report.warnings.map(({ code }) => code)).not.toContain('merge-counted-once');
  });

  test('of eight ranks on two nodes adds the nodes and lists them', async () => {
    const files = ['a', 'b'].flatMap((node) =>
      ALL.map((rank) => rankFile(`${node}-${rank}`, node, [0, DURATION], ALL)),
    );
    const report = await merged(files);
    expect(report.devices.map(({ host, index }) => `${host}${index}`)).toEqual(
      ['a', 'b'].flatMap((node) => ALL.map((index) => `${node}${index}`)),
    );
    expect(report.energy.gpuJoules).toBeCloseTo(2 * nodeWatts * DURATION, 3);
    expect(report.nodes).toMatchObject(
      ['a', 'b'].map((host) => ({
        host,
        gpuCount: 4,
        gpuJoules: expect.closeTo(nodeWatts * DURATION, 3),
        coverageRatio: 1,
      })),
    );
    const { stdout } = await merge(files);
    expect(stdout).toMatch(/^2 nodes$/m);
  });

  test('of equal UUIDs on two nodes keeps them apart: some sources count from 0 on every node', async () => {
    const files = ['x', 'y'].map((node) => {
      const path = rankFile(`equal-${node}`, node, [0, DURATION], [0]);
      const report = parseReport(readFileSync(path, 'utf8'), path);
      const devices = report.devices.map((device) => ({ ...device, uuid: 'hwmon-0' }));
      writeFileSync(path, JSON.stringify({ ...report, devices }));
      return path;
    });
    const report = await merged(files);
    expect(report.devices.map(({ host }) => host)).toEqual(['x', 'y']);
    expect(report.energy.gpuJoules).toBeCloseTo(2 * 300 * DURATION, 3);
  });

  test('of two currencies is refused in one line', async () => {
    const files = [
      rankFile('dollars', 'a', [0, DURATION], [0]),
      rankFile('euros', 'b', [0, DURATION], [0], 'EUR'),
    ];
    const { code, stdout, stderr } = await merge(files);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^wattmeter: --merge: the reports are in USD and EUR\. [^\n]+\n$/);
  });

  test('of a file that is no report is refused in one line', async () => {
    const path = join(directory, 'none.json');
    writeFileSync(path, '{"schema":"other"}');
    const { code, stderr } = await merge([rankFile('one', 'a', [0, 60], [0]), path]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^wattmeter: none\.json: [^\n]+\n$/);
  });

  test('of a fleet’s hours is the fleet’s day', async () => {
    const hosts = ['node-1', 'node-2'];
    const series = hosts.flatMap((host) =>
      gpuSeries({ host, uuid: `GPU-${host}`, times: every(15, -300, 1500), at: steady(300) }),
    );
    await using prometheus = await openFakePrometheus({ series });
    const fleet = async (from: number, to: number): Promise<string> => {
      const path = join(directory, `fleet-${from}.json`);
      const span = ['--start', String(FLEET_START + from), '--end', String(FLEET_START + to)];
      const argv = ['report', '--prometheus', prometheus.url, '--job', 'wattmeter', ...span];
      const { code, stderr } = await call([...argv, '--report-json', path, '--quiet']);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      return path;
    };
    const report = await merged([await fleet(0, 600), await fleet(600, 1200)]);
    expect(report.devices.map(({ host }) => host)).toEqual(hosts);
    expect(report.energy.gpuJoules).toBeCloseTo(2 * 300 * 1200, 3);
    expect(report.nodes?.map(({ host }) => host)).toEqual(hosts);
  });
});
