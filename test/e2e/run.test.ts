// `wattmeter run`: the bill of a wrapped command, against loads whose energy is known in closed form.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname } from 'node:path';

import { describe, expect, test, vi } from 'vitest';

import type { Report } from '../../agent/report/report.ts';
import { parseReport } from '../../agent/report/schema.ts';
import { REPORT_FORMATS } from '../../agent/options.ts';
import { binaryPath } from '../binary.ts';
import { loadEnergyJoules, type LoadTerm } from '../doubles/nvidia-smi-load.js';
import { buildStandIn, SCENARIO_VARIABLE, writeScenario } from '../doubles/libnvidia-ml.ts';
import { trueEnergy, type SimulatedGpu } from '../doubles/gpu-scenario.ts';
import { NO_GPU, type Running, type Workplace, workplaces } from './wattmeter.ts';

const open = workplaces();

/** Long enough for readings on a machine that is busy with something else. */
const A_WHILE = ['sleep', '2'];

/** A figure that has to be there. */
const known = (figure: number | undefined): number => figure ?? NaN;
const unixSeconds = (time: string): number => Date.parse(time) / 1e3;
const reportIn = (path: string): Report => parseReport(readFileSync(path, 'utf8'), path);
const stored = async (place: Workplace, args: readonly string[]): Promise<Report> => {
  const { code, stdout, stderr } = await place.run(['report', ...args, '--format', 'json']);
  expect(code, stderr).toBe(0);
  return parseReport(stdout, 'stdout');
};
/** What every bill must be in itself. */
function expectConserved(report: Report): void {
  const { devices, energy } = report;
  const sum = devices.reduce((total, device) => total + known(device.energyJoules), 0);
  expect(known(energy.gpuJoules)).toBeCloseTo(sum, 6);
  expect(known(report.compute.energyKilowattHours) * 3.6e6).toBeCloseTo(
    known(energy.facilityJoules),
    6,
  );
  expect(known(energy.facilityJoules)).toBeCloseTo(
    known(energy.itJoules) * energy.powerUsageEffectiveness,
    6,
  );
}

describe('the bill of a load with steps', () => {
  const load: readonly LoadTerm[] = [
    { kind: 'constant', watts: 80 },
    { kind: 'step', riseWatts: 220, atSeconds: 1.33 },
    { kind: 'step', riseWatts: -150, atSeconds: 2.71 },
  ];

  test('holds the true energy of the run and of each window', async () => {
    const origin = Date.now() / 1e3;
    const place = open({ originUnixSeconds: origin, gpus: [{ load }] });
    const mark = `${process.execPath} ${binaryPath} mark`;
    const script = `sleep 1; ${mark} step --steps 10; sleep 1; ${mark} step --steps 10 --tokens 400
      ${mark} tail --begin; sleep 0.5; ${mark} tail --end; ${mark} step; exit 5`;
    const file = place.path('report.json');
    const options = ['--name', 'steps', '--label', 'team=a', '--label', 'tier=b=c'];
    const ended = await place.run([
      'run',
      ...options,
      '--report-json',
      file,
      '--zone',
      'DEU',
      '--',
      'sh',
      '-c',
      script,
    ]);
    expect(ended.code, ended.stderr).toBe(5);
    const report = reportIn(file);
    expect(report.run).toMatchObject({
      name: 'steps',
      command: ['sh', '-c', script],
      exitCode: 5,
      labels: { team: 'a', tier: 'b=c' },
    });
    const truth = (from: string, to: string): number =>
      loadEnergyJoules(load, unixSeconds(from) - origin, unixSeconds(to) - origin);
    const { startTime, endTime, durationSeconds } = report.run;
    const energy = truth(startTime, endTime);
    expect(unixSeconds(endTime) - unixSeconds(startTime)).toBeCloseTo(durationSeconds, 2);
    // Readings are dated on arrival, and a busy machine delivers them late: each step may be a refresh of 100 ms off.
    expect(Math.abs(known(report.energy.gpuJoules) - energy)).toBeLessThan((220 + 150) * 0.1);
    expect(Math.abs(known(report.energy.gpuJoules) - energy)).toBeLessThan(
      known(report.energy.gpuUncertaintyJoules),
    );
    expect(report.energy.coverageRatio).toBe(1);
    expectConserved(report);

    const windows = report.windows.filter(({ name }) => name === 'step');
    expect(windows.map(({ steps, tokens }) => [steps, tokens])).toEqual([
      [10, undefined],
      [10, 400],
      [undefined, undefined],
    ]);
    expect(windows[0]?.startTime).toBe(startTime);
    expect(windows[1]?.startTime).toBe(windows[0]?.endTime);
    for (const window of report.windows) {
      const share = truth(window.startTime, window.endTime);
      expect(Math.abs(known(window.gpuJoules) - share)).toBeLessThan(
        known(window.uncertaintyJoules),
      );
    }
    const sum = windows.reduce((total, window) => total + known(window.gpuJoules), 0);
    const rest = truth(windows.at(-1)?.endTime ?? '', endTime);
    expect(Math.abs(sum + rest - known(report.energy.gpuJoules))).toBeLessThan((220 + 150) * 0.1);
    expect(windows[0]?.joulesPerStep).toBeCloseTo((windows[0]?.gpuJoules ?? 0) / 10, 9);
    expect(windows[1]?.joulesPerToken).toBeCloseTo((windows[1]?.gpuJoules ?? 0) / 400, 9);

    // The stored run is the same bill, and priced anew it is the bill that those prices would have made.
    const again = await stored(place, ['steps']);
    expect(again.energy).toEqual(report.energy);
    expect(again.windows).toEqual(report.windows);
    expect(again.cost).toEqual(report.cost);
    expect(again.carbon).toEqual(report.carbon);
    const repriced = await stored(place, [
      'steps',
      '--price',
      '0.5',
      '--currency',
      'EUR',
      '--pue',
      '1.5',
    ]);
    const kilowattHours = (known(report.energy.itJoules) * 1.5) / 3.6e6;
    expect(repriced.cost.energyCost).toBeCloseTo(kilowattHours * 0.5, 12);
    expect(repriced.cost.currency).toBe('EUR');
    expect(known(repriced.energy.facilityJoules)).toBeCloseTo(
      known(report.energy.itJoules) * 1.5,
      6,
    );
    expect(known(repriced.energy.gpuJoules)).toBe(known(report.energy.gpuJoules));

    for (const format of REPORT_FORMATS) {
      const printed = await place.run(['report', 'steps', '--format', format]);
      expect(printed, format).toMatchObject({ code: 0, stderr: '' });
      expect(printed.stdout.length, format).toBeGreaterThan(100);
      expect(printed.stdout, format).not.toMatch(/NaN|undefined|Infinity|\[object/);
    }
  });

  test('through NVML is true to one refresh of the counter at each edge', async (context) => {
    const library = buildStandIn(context);
    const gpu: SimulatedGpu = {
      base: 100,
      loads: [{ kind: 'step', from: 1.5, to: 2.5, watts: 200 }],
      instant: { window: 0.1, period: 0.1 },
      counter: { period: 0.1 },
    };
    const originUnix = Date.now() / 1e3;
    const scenario = writeScenario({ originNanoseconds: process.hrtime.bigint(), gpus: [gpu] });
    const place = open();
    const file = place.path('report.json');
    const ended = await place.run(['run', '--report-json', file, '--', 'sleep', '3'], {
      env: {
        LD_LIBRARY_PATH: dirname(library),
        [SCENARIO_VARIABLE]: scenario,
        WATTMETER_SOURCE: 'nvml',
      },
    });
    expect(ended.code, ended.stderr).toBe(0);
    const report = reportIn(file);
    const energy = trueEnergy(
      gpu,
      unixSeconds(report.run.startTime) - originUnix,
      unixSeconds(report.run.endTime) - originUnix,
    );
    expect(report.devices[0]?.method).toBe('counter');
    // 100 W at both edges, a counter of 100 ms.
    expect(Math.abs(known(report.energy.gpuJoules) - energy)).toBeLessThan(2 * 100 * 0.1);
    expect(Math.abs(known(report.energy.gpuJoules) - energy)).toBeLessThan(
      known(report.energy.gpuUncertaintyJoules),
    );
  });

  test('a driver that hangs for ever inside NVML holds up neither CMD nor the end', async (context) => {
    const library = buildStandIn(context);
    const gpu: SimulatedGpu = {
      base: 100,
      instant: { window: 0.1, period: 0.1 },
      faults: [{ kind: 'hang', from: 2, to: Infinity }],
    };
    const scenario = writeScenario({ originNanoseconds: process.hrtime.bigint(), gpus: [gpu] });
    const place = open();
    const ended = await place.run(['run', '--', 'sh', '-c', 'sleep 3; date +%s%N; exit 9'], {
      env: {
        LD_LIBRARY_PATH: dirname(library),
        [SCENARIO_VARIABLE]: scenario,
        WATTMETER_SOURCE: 'nvml',
      },
    });
    const leftAt = Date.now();
    expect(ended.code, ended.stderr).toBe(9);
    expect(leftAt - Number(ended.stdout) / 1e6).toBeLessThan(3000);
    expect(ended.stderr).toMatch(/GPU energy +\d/);
    expect(ended.stderr).toMatch(/Stored as/);
  });
});

describe('whose GPUs are on the bill', () => {
  const gpus = [60, 120, 240].map((watts, index) => ({
    uuid: `GPU-0000000${index}-aaaa-4000-8000-000000000000`,
    load: [{ kind: 'constant', watts }],
  }));

  test.each([
    [['--gpus', '1'], {}, [1]],
    [['--gpus', '0,2'], {}, [0, 2]],
    [['--gpus', gpus[2]?.uuid ?? ''], {}, [2]],
    [[], { CUDA_VISIBLE_DEVICES: '2' }, [2]],
    [[], { SLURM_JOB_GPUS: '0,1' }, [0, 1]],
    [[], {}, [0, 1, 2]],
  ])('with %j and %j', async (options, env, indices) => {
    const place = open({ gpus });
    const file = place.path('report.json');
    const job = ['--', ...A_WHILE];
    const ended = await place.run(['run', ...options, '--report-json', file, ...job], { env });
    expect(ended.code, ended.stderr).toBe(0);
    const { devices } = reportIn(file);
    expect(devices.map(({ index }) => index)).toEqual(indices);
    for (const { index, powerMeanWatts } of devices)
      expect(powerMeanWatts).toBeCloseTo(60 * 2 ** index, 3);
  });
});

test('a mark on a run that is over is one line and exit code 2', async () => {
  const place = open();
  const env = { WATTMETER_SOCKET: place.path('gone.sock') };
  const ended = await place.run(['mark', 'step'], { env });
  expect(ended).toMatchObject({ code: 2, stdout: '' });
  expect(ended.stderr).toMatch(/^wattmeter: Cannot mark step [^\n]+\n$/);
});

test('help of a command is that of its --help', async () => {
  const place = open();
  const [help, flag] = await Promise.all([
    place.run(['help', 'run']),
    place.run(['run', '--help']),
  ]);
  expect(help).toEqual(flag);
  expect(help.stdout).toMatch(/--require-measurement/);
});

describe('a measurement that cannot be', () => {
  const LINE = /^wattmeter: [^\n]+\n$/;
  const nowhere = { CUDA_VISIBLE_DEVICES: '7' };
  const hidden = { CUDA_VISIBLE_DEVICES: '' };
  const noSmi = { ...NO_GPU, WATTMETER_SOURCE: '' };

  test.each([
    ['where CUDA sees a GPU that is not here', nowhere, /CUDA_VISIBLE_DEVICES gives the job none/],
    ['where CUDA sees no GPU', hidden, /CUDA_VISIBLE_DEVICES gives the job none/],
    ['where there is no driver', noSmi, /No GPU can be measured/],
  ])('is required: 125 in one line, %s', async (_, env, why) => {
    const place = open();
    const ended = await place.run(['run', '--require-measurement', '--', 'echo', 'ran'], { env });
    expect(ended).toMatchObject({ code: 125, stdout: '' });
    expect(ended.stderr).toMatch(LINE);
    expect(ended.stderr).toMatch(why);
    expect(JSON.parse((await place.run(['runs', '--json'])).stdout)).toEqual([]);
  });

  test('is not required: CMD runs, and the report says why it is empty', async () => {
    const place = open();
    const file = place.path('report.json');
    const ended = await place.run(['run', '--report-json', file, '--', ...A_WHILE], {
      env: nowhere,
    });
    expect(ended.code, ended.stderr).toBe(0);
    const { energy, warnings } = reportIn(file);
    expect(energy.gpuJoules).toBeUndefined();
    expect(warnings).toEqual([
      { code: 'nothing-measured', message: expect.stringMatching(/gives the job none/) },
    ]);
  });

  test('a trace that is not there: CMD runs, one line says so, and the report is of no energy', async () => {
    const place = open();
    const file = place.path('report.json');
    const options = ['--quiet', '--source', 'replay', '--trace', '/nonexistent'];
    const job = ['--', 'sh', '-c', 'echo ran; exit 3'];
    const ended = await place.run(['run', ...options, '--report-json', file, ...job]);
    expect(ended).toMatchObject({ code: 3, stdout: 'ran\n' });
    expect(ended.stderr).toMatch(LINE);
    expect(ended.stderr).toMatch(/Cannot read --trace \/nonexistent .*CMD runs on, unmeasured/);
    expect(reportIn(file).energy.gpuJoules).toBeUndefined();
    expect(JSON.parse((await place.run(['runs', '--json'])).stdout)).toHaveLength(1);
  });

  test.for([
    ['amd-smi', ''],
    ['rapl', '/sys/class/powercap/intel-rapl:0'],
  ])(
    '%s that was asked for and is not here is said beside the others',
    async ([source = '', sign = ''], context) => {
      // A part of this very machine is no stand-in's to take away.
      if (sign !== '' && existsSync(sign)) return context.skip(`this machine has ${source}`);
      const place = open();
      const file = place.path('report.json');
      const options = ['--source', 'nvidia-smi', '--source', source, '--report-json', file];
      const ended = await place.run(['run', '--quiet', ...options, '--', ...A_WHILE]);
      expect(ended.code, ended.stderr).toBe(0);
      const { energy, warnings } = reportIn(file);
      expect(known(energy.gpuJoules)).toBeGreaterThan(30);
      expect(warnings.map(({ code }) => code)).toEqual(['source-failed']);
      return undefined;
    },
  );

  test('a budget of carbon without a grid is said before CMD begins', async () => {
    const place = open();
    const job = ['--', 'sh', '-c', 'echo ran >&2'];
    const ended = await place.run(['run', '--quiet', '--budget-co2e-grams', '5', ...job]);
    expect(ended.code).toBe(0);
    expect(ended.stderr).toMatch(/^wattmeter: --budget-co2e-grams cannot be watched[^\n]*\nran\n$/);
  });
});

test('--resume of a run that is still measured is measured as a run of its own, in one line', async () => {
  const place = open();
  await using first = place.start(['run', '--quiet', '--name', 'held', '--', 'sleep', '30']);
  await vi.waitFor(async () => {
    const runs = (await place.run(['runs', '--json'])).stdout;
    expect(JSON.parse(runs)).toMatchObject([{ name: 'held', state: 'open' }]);
  }, 20_000);
  const file = place.path('report.json');
  const options = ['--quiet', '--resume', 'held', '--report-json', file];
  const ended = await place.run(['run', ...options, '--', 'sh', '-c', 'sleep 2; exit 4']);
  expect(ended.code).toBe(4);
  expect(ended.stderr).toMatch(/^wattmeter: Cannot resume [^\n]+ run of its own[^\n]+\n$/);
  expect(known(reportIn(file).energy.gpuJoules)).toBeGreaterThan(20);
  first.kill('SIGTERM');
  expect((await first.ended).code).toBe(143);
});

test('four ranks, and an agent, are at home in one state directory', async () => {
  const place = open();
  await using agent = place.start([
    'agent',
    '--web.listen-address',
    '127.0.0.1:0',
    '--state-dir',
    place.stateDirectory,
  ]);
  await agent.says(/serving/);
  const ranks: Running[] = [0, 1, 2, 3].map((rank) =>
    place.start([
      'run',
      '--name',
      `rank-${rank}`,
      '--quiet',
      '--',
      'sh',
      '-c',
      `sleep 1; exit ${rank + 10}`,
    ]),
  );
  const ends = await Promise.all(ranks.map(({ ended }) => ended));
  expect(ends.map(({ code }) => code)).toEqual([10, 11, 12, 13]);
  expect(ends.map(({ stderr }) => stderr)).toEqual(['', '', '', '']);
  const { stdout } = await place.run(['runs', '--json']);
  const runs = JSON.parse(stdout) as { name: string; state: string; gpuJoules?: number }[];
  expect(runs.map(({ name }) => name).toSorted()).toEqual(['rank-0', 'rank-1', 'rank-2', 'rank-3']);
  for (const run of runs) {
    expect(run.state).toBe('closed');
    expect(run.gpuJoules).toBeGreaterThan(50);
  }
  agent.kill('SIGTERM');
  expect((await agent.ended).code).toBe(0);
});

test('--resume goes on in the same books: energies add up, and the pause between is not measured', async () => {
  const place = open();
  const job = ['--', 'sh', '-c', 'sleep 1; exit 3'];
  expect((await place.run(['run', '--name', 'long', ...job])).code).toBe(3);
  const first = await stored(place, ['long']);
  expect(
    (await place.run(['run', '--resume', first.run.id, '--', 'sh', '-c', 'sleep 1'])).code,
  ).toBe(0);
  const both = await stored(place, [first.run.id]);
  expect(both.run).toMatchObject({ id: first.run.id, name: 'long', exitCode: 0 });
  const added = known(both.energy.gpuJoules) - known(first.energy.gpuJoules);
  expect(added / 100).toBeGreaterThan(0.9);
  expect(added / 100).toBeLessThan(1.3);
  expectConserved(both);
  expect(JSON.parse((await place.run(['runs', '--json'])).stdout)).toHaveLength(1);
});

test('--step-pattern counts steps, epochs and tokens from the output that CMD goes on writing', async () => {
  const place = open();
  const file = place.path('report.json');
  const script = `for e in 1 2; do for s in 1 2 3; do echo "epoch $e step $(( (e-1)*3 + s )) tokens $(( ((e-1)*3+s)*100 ))"; sleep 0.2; done; done`;
  const pattern = 'epoch (?<epoch>[0-9]+) step (?<step>[0-9]+) tokens (?<tokens>[0-9]+)';
  const options = ['--step-pattern', pattern, '--report-json', file];
  const ended = await place.run(['run', ...options, '--', 'sh', '-c', script]);
  expect(ended.code, ended.stderr).toBe(0);
  expect(ended.stdout.trim().split('\n')).toHaveLength(6);
  const report = reportIn(file);
  expect(report.windows.map(({ name, steps, tokens }) => ({ name, steps, tokens }))).toEqual([
    { name: 'epoch 1', steps: 3, tokens: 300 },
    { name: 'epoch 2', steps: 3, tokens: 300 },
  ]);
  expect(report.windows[1]?.startTime).toBe(report.windows[0]?.endTime);
});

test('a window may begin with CMD’s first breath, before anything is metered', async () => {
  const place = open();
  const file = place.path('report.json');
  const post = (body: object): string =>
    `require('http').request({ socketPath: process.env.WATTMETER_SOCKET, path: '/v1/marks', method: 'POST' }, (answer) => console.log(answer.statusCode)).end(${JSON.stringify(JSON.stringify(body))});`;
  const early = post({ name: 'early', phase: 'begin' }) + post({ name: 'nobody', phase: 'end' });
  const late = post({ name: 'early', phase: 'end' });
  const job = ['--', process.execPath, '-e', `${early} setTimeout(() => { ${late} }, 1000);`];
  const ended = await place.run(['run', '--report-json', file, ...job]);
  expect(ended.stdout.trim().split('\n'), ended.stderr).toEqual(['200', '409', '200']);
  const { windows } = reportIn(file);
  expect(windows.map(({ name }) => name)).toEqual(['early']);
  expect(known(windows[0]?.gpuJoules) / 100).toBeCloseTo(windows[0]?.durationSeconds ?? 0, 1);
  expect(windows[0]?.durationSeconds).toBeGreaterThan(0.9);
});

test('epochs lie within the run, though it is over before anybody looks', async () => {
  const place = open();
  const file = place.path('report.json');
  const script = 'for e in 1 2 3; do echo "epoch $e step $e"; done';
  const options = ['--step-pattern', 'epoch (?<epoch>[0-9]+) step (?<step>[0-9]+)'];
  const ended = await place.run([
    'run',
    ...options,
    '--report-json',
    file,
    '--',
    'sh',
    '-c',
    script,
  ]);
  expect(ended.code, ended.stderr).toBe(0);
  const { run, windows } = reportIn(file);
  expect(windows.map(({ name, steps }) => [name, steps])).toEqual([
    ['epoch 1', 1],
    ['epoch 2', 1],
    ['epoch 3', 1],
  ]);
  for (const { startTime, endTime, durationSeconds } of windows) {
    expect(durationSeconds).toBeGreaterThanOrEqual(0);
    expect(startTime >= run.startTime && endTime <= run.endTime).toBe(true);
  }
});

describe('a budget', () => {
  const budget = ['--budget-kilowatt-hours', String(100 / 3.6e6)];

  test('warns by default, and CMD ends with its own code', async () => {
    const place = open();
    const ended = await place.run(['run', ...budget, '--', 'sh', '-c', 'sleep 2.5; exit 8']);
    expect(ended.code).toBe(8);
    expect(ended.stderr).toMatch(/budget/i);
  });

  test('terminates where that was asked for: 124, and a stubborn CMD is killed after its grace', async () => {
    const place = open();
    const messages: { event: string; run: { name?: string } }[] = [];
    const server = createServer((request: IncomingMessage, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => (body += chunk.toString()));
      request.on('end', () => {
        messages.push(JSON.parse(body) as (typeof messages)[number]);
        response.end();
      });
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const { port } = server.address() as AddressInfo;
    const options = ['--on-budget', 'terminate', '--grace-seconds', '0.5', '--name', 'spender'];
    const webhook = ['--webhook', `http://127.0.0.1:${port}/secret-token`];
    const stubborn = ['sh', '-c', "trap '' TERM; while :; do sleep 0.1; done"];
    await using wattmeter = place.start([
      'run',
      ...budget,
      ...options,
      ...webhook,
      '--',
      ...stubborn,
    ]);
    const ended = await wattmeter.ended;
    server.close();
    expect(ended.code, ended.stderr).toBe(124);
    expect(messages.map(({ event }) => event)).toEqual(
      expect.arrayContaining(['budget-exceeded', 'run-ended']),
    );
    expect(messages.every(({ run }) => run.name === 'spender')).toBe(true);
    expect(ended.stderr).not.toContain('secret-token');
    expect((await stored(place, ['spender'])).run.exitCode).toBe(124);
  });
});

test('a stored run priced anew is what the same prices would have billed while measuring', async () => {
  const place = open();
  const now = Date.now();
  const time = (offset: number): string => new Date(now + offset * 1e3).toISOString();
  // A price that changes in the middle of the run, and in the middle of an interval.
  const prices = place.path('prices.csv');
  writeFileSync(
    prices,
    `start,end,value\n${time(-3600)},${time(2.345)},0.10\n${time(2.345)},${time(3600)},0.90\n`,
  );
  const priced = ['--tariff', prices, '--currency', 'EUR', '--pue', '1.3', '--zone', 'FRA'];
  const run = (name: string, options: readonly string[]): Running =>
    place.start(['run', '--quiet', '--name', name, ...options, '--', 'sleep', '4']);
  const file = place.path('report.json');
  const runs = [run('priced', [...priced, '--report-json', file]), run('plain', [])];
  for (const { ended } of runs) expect((await ended).code).toBe(0);

  const measured = reportIn(file);
  expect((await stored(place, ['priced'])).cost).toEqual(measured.cost);
  expect((await stored(place, ['priced', ...priced])).carbon).toEqual(measured.carbon);
  for (const report of [measured, await stored(place, ['plain', ...priced])]) {
    const { startTime, endTime } = report.run;
    const change = now / 1e3 + 2.345;
    const euroSeconds =
      0.1 * (change - unixSeconds(startTime)) + 0.9 * (unixSeconds(endTime) - change);
    const bill = (100 * 1.3 * euroSeconds) / 3.6e6;
    expect(Math.abs((report.cost.energyCost ?? NaN) / bill - 1)).toBeLessThan(0.01);
  }
});
