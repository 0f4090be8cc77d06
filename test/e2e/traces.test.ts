// `replay`, `report` and `record`: logs of others and of our own, whole and damaged, small and large.

import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { gunzipSync, gzipSync } from 'node:zlib';

import { describe, expect, test, vi } from 'vitest';

import type { Report } from '../../agent/report/report.ts';
import { parseReport } from '../../agent/report/schema.ts';
import { binaryPath } from '../binary.ts';
import { corpusPath, corpusPresent } from '../corpus.ts';
import { mountSmallDisk } from '../ledger/small-disk.ts';
import { needProgram } from '../system-program.ts';
import { bundledTrace, type Workplace, workplaces } from './wattmeter.ts';

const open = workplaces();

/** A figure that has to be there. */
const known = (figure: number | undefined): number => figure ?? NaN;

const jsonOf = async (place: Workplace, args: readonly string[]): Promise<Report> => {
  const { code, stdout, stderr } = await place.run([...args, '--format', 'json']);
  expect(code, stderr).toBe(0);
  return parseReport(stdout, 'stdout');
};

const references = corpusPresent
  ? readFileSync(corpusPath('reference-energies.tsv'), 'utf8')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#') && !line.startsWith('file'))
      .map((line) => line.split('\t'))
      .map(([file = '', , samples, joules]) => ({
        file,
        samples: Number(samples),
        joules: Number(joules),
      }))
  : [];

describe.skipIf(!corpusPresent)('recordings of others', () => {
  test.each(references)(
    '$file: its joules within 0.5 % of an independent program',
    async (reference) => {
      const place = open();
      const file = corpusPath(reference.file);
      const report = await jsonOf(place, ['replay', file, '--trace-time-zone', 'Europe/London']);
      expect(report.input).toMatchObject({ rows: reference.samples, malformedCount: 0 });
      expect(Math.abs(known(report.energy.gpuJoules) / reference.joules - 1)).toBeLessThan(0.005);
    },
  );

  test('a damaged copy: what is broken is counted with its lines, and is no watts', async () => {
    const place = open();
    const lines = readFileSync(corpusPath('traces/qwen3asr_gpu_log.csv'), 'utf8').split('\n');
    const whole = lines.join('\n');
    lines[100] = 'Unable to determine the device handle for GPU0000:02:00.0: Unknown Error';
    lines[200] = (lines[200] ?? '').slice(0, 9);
    lines[300] = (lines[300] ?? '').replace(/(\d+\.\d+) W/, '9x99.0 W');
    writeFileSync(place.path('whole.csv'), whole);
    writeFileSync(place.path('damaged.csv'), lines.join('\n'));
    const good = await jsonOf(place, ['replay', 'whole.csv']);
    const report = await jsonOf(place, ['replay', 'damaged.csv']);
    expect(report.input?.malformed.map(({ line }) => line)).toEqual([101, 201, 301]);
    expect(report.input?.malformedCount).toBe(3);
    expect(
      Math.abs(known(report.energy.gpuJoules) / known(good.energy.gpuJoules) - 1),
    ).toBeLessThan(0.005);
    const { stdout } = await place.run(['replay', 'damaged.csv']);
    expect(stdout).toMatch(/line 101/);
    expect(stdout).toMatch(/3 (lines|rows|malformed)/);
  });

  test('packed or not, a log is the same', async () => {
    const place = open();
    const text = readFileSync(corpusPath('traces/keras_abcjob1.csv'));
    writeFileSync(place.path('log.csv'), text);
    writeFileSync(place.path('log.csv.gz'), gzipSync(text));
    const { energy } = await jsonOf(place, ['replay', 'log.csv']);
    expect((await jsonOf(place, ['replay', 'log.csv.gz'])).energy).toEqual(energy);
    expect((await jsonOf(place, ['report', 'log.csv'])).energy).toEqual(energy);
  });
});

test.each([
  ['replay -', 'cat'],
  ['replay /dev/stdin', 'cat'],
  ['report -', 'cat'],
  ['replay -', 'gunzip -c'],
  ['replay <(gunzip -c trace.csv.gz)', 'true'],
  ['report pipe', 'true'],
])('a log that can be read but once is read so: wattmeter %s, after %s', async (args, filter) => {
  const place = open();
  copyFileSync(bundledTrace, place.path('trace.csv.gz'));
  const whole = await jsonOf(place, ['replay', 'trace.csv.gz']);
  const writer = args.includes('pipe') ? 'mkfifo pipe && { cat trace.csv.gz >pipe & };' : '';
  const words = `${writer} ${filter} <trace.csv.gz | ${process.execPath} ${binaryPath} ${args} --format json`;
  const { stdout, stderr } = spawnSync('bash', ['-c', words], {
    cwd: place.directory,
    encoding: 'utf8',
    maxBuffer: 10e6,
  });
  expect(stderr).toBe('');
  expect(parseReport(stdout, 'stdout').energy).toEqual(whole.energy);
});

test('dates of either order, from a pipe: its later lines are heard before the first is read', async () => {
  const place = open();
  const stamps = Array.from({ length: 3000 }, (_, second) =>
    new Date(Date.UTC(2026, 2, 11, 23, 30) + second * 1e3).toISOString(),
  );
  const rows = stamps.map((stamp) => {
    const [, year, month, day, time] = /^(\d+)-(\d+)-(\d+)T([\d:]+)/.exec(stamp) ?? [];
    return `${day}/${month}/${year} ${time}, 100`;
  });
  writeFileSync(place.path('log.csv'), `time, power_w\n${rows.join('\n')}\n`);
  const file = await jsonOf(place, ['replay', 'log.csv', '--trace-time-zone', 'UTC']);
  const words = `cat log.csv | ${process.execPath} ${binaryPath} replay - --trace-time-zone UTC --format json`;
  const { stdout } = spawnSync('bash', ['-c', words], { cwd: place.directory, encoding: 'utf8' });
  const piped = parseReport(stdout, 'stdout');
  expect(piped.run.startTime).toBe('2026-03-11T23:30:00.000Z');
  expect(piped.energy).toEqual(file.energy);
});

describe('several GPUs in one log that names none', () => {
  const rows = (gpuCount: number): string => {
    const lines = ['timestamp, power.draw [W]'];
    for (let second = 0; second < 40; second += 1)
      for (let gpu = 0; gpu < gpuCount; gpu += 1) {
        const stamp = new Date(Date.UTC(2026, 0, 1) + second * 1e3 + gpu * 2).toISOString();
        const time = stamp.replace('T', ' ').replaceAll('-', '/').replace('Z', '');
        lines.push(`${time}, ${(100 * (gpu + 1)).toFixed(2)} W`);
      }
    return `${lines.join('\n')}\n`;
  };

  test('is refused with the advice to say how many', async () => {
    const place = open();
    writeFileSync(place.path('log.csv'), rows(2));
    const ended = await place.run(['replay', 'log.csv']);
    expect(ended).toMatchObject({ code: 2, stdout: '' });
    expect(ended.stderr).toMatch(/^wattmeter: [^\n]*--gpu-count[^\n]*\n$/);
  });

  test('is refused where the number said does not fit its rows', async () => {
    const place = open();
    writeFileSync(place.path('log.csv'), rows(2));
    const ended = await place.run(['replay', 'log.csv', '--gpu-count', '3']);
    expect(ended).toMatchObject({ code: 2, stdout: '' });
    expect(ended.stderr).toMatch(
      /^wattmeter: Cannot read log.csv as --gpu-count 3: [^\n]*2 rows[^\n]*\n$/,
    );
  });

  test('is metered once that is said', async () => {
    const place = open();
    writeFileSync(place.path('log.csv'), rows(2));
    const { devices } = await jsonOf(place, ['replay', 'log.csv', '--gpu-count', '2']);
    expect(devices.map(({ powerMeanWatts }) => powerMeanWatts)).toEqual([
      expect.closeTo(100, 6),
      expect.closeTo(200, 6),
    ]);
  });
});

describe('record', () => {
  test('writes what replays to the same joules, and ends cleanly on Ctrl-C', async () => {
    const load = [
      { kind: 'constant', watts: 120 },
      { kind: 'square', swingWatts: 150, periodSeconds: 1.7, duty: 0.4 },
    ];
    const gpus = [0, 1].map((index) => ({
      uuid: `GPU-0000000${index}-cccc-4000-8000-000000000000`,
      load,
    }));
    const place = open({ gpus });
    await using recorder = place.start(['record', '-o', 'trace.csv']);
    // Whole rows reach the file while it grows.
    for (;;) {
      const text = readIf(place.path('trace.csv'));
      if (text.split('\n').length > 60) break;
      await new Promise((resolve) => setImmediate(resolve));
    }
    recorder.kill('SIGINT');
    const ended = await recorder.ended;
    expect(ended.code, ended.stderr).toBe(0);
    const text = readFileSync(place.path('trace.csv'), 'utf8');
    expect(text.endsWith('\n')).toBe(true);
    const recorded = await jsonOf(place, ['replay', 'trace.csv']);
    expect(recorded.input?.malformedCount).toBe(0);
    expect(recorded.devices).toHaveLength(2);

    const again = await place.run([
      'record',
      '-o',
      'again.csv.gz',
      '--trace',
      'trace.csv',
      '--source',
      'replay',
    ]);
    expect(again.code, again.stderr).toBe(0);
    expect(gunzipSync(readFileSync(place.path('again.csv.gz'))).toString()).toMatch(/power/);
    const replayed = await jsonOf(place, ['replay', 'again.csv.gz']);
    replayed.devices.forEach((device, index) => {
      const joules = recorded.devices[index]?.energyJoules ?? NaN;
      expect(Math.abs(known(device.energyJoules) / joules - 1)).toBeLessThan(1e-4);
    });
  });

  test('to standard output is a trace that goes through a pipe', async () => {
    const place = open();
    const ended = await place.run(['record', '-o', '-', '--duration-seconds', '1']);
    expect(ended.code, ended.stderr).toBe(0);
    expect(ended.stderr).toMatch(/^wattmeter: \d+ readings on standard output\n$/);
    expect(existsSync(place.path('-'))).toBe(false);
    writeFileSync(place.path('trace.csv'), ended.stdout);
    const { energy } = await jsonOf(place, ['replay', 'trace.csv']);
    expect(known(energy.gpuJoules)).toBeGreaterThan(30);
  });

  test('to a pipe whose reader leaves early is no error', () => {
    const place = open();
    const words = `${process.execPath} ${binaryPath} record --source replay --trace ${bundledTrace} -o - --quiet | head -1`;
    const { stdout, stderr } = spawnSync('bash', ['-c', `set -o pipefail; ${words}`], {
      cwd: place.directory,
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^timestamp, [^\n]+\n$/);
  });

  test('--duration-seconds ends it, and the file is whole', async () => {
    const place = open();
    const ended = await place.run(['record', '-o', 'trace.csv.gz', '--duration-seconds', '1']);
    expect(ended.code, ended.stderr).toBe(0);
    const { energy } = await jsonOf(place, ['replay', 'trace.csv.gz']);
    expect(known(energy.gpuJoules)).toBeGreaterThan(30);
  });
});

function readIf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

test('a log of 500,000 rows is replayed in flat memory', async () => {
  const place = open();
  const lines = ['timestamp, index, uuid, power.draw.instant [W]'];
  for (let row = 0; row < 500_000; row += 1) {
    const time = new Date(Date.UTC(2026, 0, 1) + row * 100).toISOString();
    lines.push(`${time}, 0, GPU-00000000-dddd-4000-8000-000000000000, ${100 + (row % 200)}.00 W`);
  }
  writeFileSync(place.path('large.csv'), `${lines.join('\n')}\n`);
  const peak = place.path('peak');
  // Told by the process itself as it ends.
  const hook = `data:text/javascript,${encodeURIComponent(
    `import { writeFileSync } from 'node:fs'; process.on('exit', () => writeFileSync(${JSON.stringify(peak)}, String(process.resourceUsage().maxRSS)));`,
  )}`;
  const { code, stdout, stderr } = await place.run(['replay', 'large.csv', '--format', 'json'], {
    env: { NODE_OPTIONS: `--import=${hook}` },
  });
  expect(code, stderr).toBe(0);
  const report = parseReport(stdout, 'stdout');
  expect(report.input?.rows).toBe(500_000);
  expect(known(report.energy.gpuJoules) / (199.5 * 50_000)).toBeCloseTo(1, 3);
  expect(Number(readFileSync(peak, 'utf8')) / 1024).toBeLessThan(250);
});

describe.concurrent('bad input is one line and exit code 2', () => {
  test.each([
    ['an unknown flag', ['replay', bundledTrace, '--frobnicate']],
    ['an unknown command', ['frobnicate']],
    ['no command', []],
    ['a file that is not there', ['replay', 'nowhere.csv']],
    ['an empty file', ['replay', 'empty.csv']],
    ['a binary file', ['replay', 'binary.csv']],
    ['a folder', ['replay', '.']],
    ['no power column', ['replay', 'powerless.csv']],
    ['a header alone', ['replay', 'header.csv']],
    ['a broken .gz', ['replay', 'broken.csv.gz']],
    ['a negative price', ['replay', bundledTrace, '--price', '-0.1']],
    ['a tariff that is not there', ['replay', bundledTrace, '--tariff', 'nowhere.yml']],
    ['a form that does not exist', ['report', bundledTrace, '--format', 'pdf']],
    ['a speed of 0', ['replay', bundledTrace, '--speed', '0']],
    ['a bad config file', ['replay', bundledTrace, '--config', 'bad.yml']],
    ['an unknown run', ['report', 'nosuchrun']],
    ['no run at all', ['report']],
    ['a report that is none', ['report', 'not-a-report.json']],
    ['a mark outside of a run', ['mark', 'x']],
    ['a record without a file', ['record']],
    ['a record where nothing can be written', ['record', '-o', 'no/such/trace.csv']],
    ['one run to compare', ['compare', bundledTrace]],
    [
      'a comparison with a limit that is none',
      ['compare', bundledTrace, bundledTrace, '--fail-above', 'x'],
    ],
    ['a bad column mapping', ['replay', bundledTrace, '--columns', 'power']],
    ['a time zone that does not exist', ['replay', bundledTrace, '--trace-time-zone', 'Mars/Base']],
  ])('%s', async (_, args) => {
    const place = open();
    writeFileSync(place.path('empty.csv'), '');
    writeFileSync(
      place.path('binary.csv'),
      Buffer.from(Array.from({ length: 4096 }, (__, index) => (index * 97) % 256)),
    );
    writeFileSync(place.path('powerless.csv'), 'timestamp, name\n2026/01/01 00:00:00.000, GPU\n');
    writeFileSync(place.path('header.csv'), 'timestamp, power.draw [W]\n');
    writeFileSync(
      place.path('broken.csv.gz'),
      gzipSync('timestamp, power.draw [W]\n').subarray(0, 20),
    );
    writeFileSync(place.path('bad.yml'), 'prize: 1\n');
    writeFileSync(place.path('not-a-report.json'), '{"schema":"other"}');
    const ended = await place.run(args, { env: { WATTMETER_SOCKET: '' } });
    expect(ended.stderr).toMatch(/^wattmeter: [^\n]+\n$/);
    expect(ended).toMatchObject({ code: 2, stdout: '' });
  });
});

test('compare is a gate: 0 within the limit, 1 past it', async () => {
  const place = open();
  const log = (watts: number): string =>
    ['timestamp, index, uuid, power.draw [W]']
      .concat(
        Array.from({ length: 100 }, (_, second) => {
          const time = new Date(Date.UTC(2026, 0, 1) + second * 1e3).toISOString();
          return `${time}, 0, GPU-00000000-eeee-4000-8000-000000000000, ${watts}.00 W`;
        }),
      )
      .join('\n');
  writeFileSync(place.path('a.csv'), log(400));
  writeFileSync(place.path('b.csv'), log(480));
  const gate = async (limit: string): Promise<unknown> =>
    (await place.run(['compare', 'a.csv', 'b.csv', '--fail-above', limit])).code;
  expect([await gate('30'), await gate('10')]).toEqual([0, 1]);
});

test('a report whose reader leaves early is no error', async () => {
  const place = open();
  const line = `"$0" "$1" report "$2" --format json | head -n 1; echo "\${PIPESTATUS[0]}"`;
  const { stdout, stderr } = spawnSync(
    'bash',
    ['-c', line, process.execPath, binaryPath, bundledTrace],
    { cwd: place.directory, encoding: 'utf8' },
  );
  expect({ stdout, stderr }).toEqual({ stdout: '{\n0\n', stderr: '' });
});

describe('a report file that cannot be written', () => {
  test('is one line and exit code 2, after the report itself', async () => {
    const place = open();
    const ended = await place.run(['replay', bundledTrace, '--report-json', 'no/such/r.json']);
    expect(ended.code).toBe(2);
    expect(ended.stderr).toMatch(/^wattmeter: Cannot write the report to [^\n]+\n$/);
    expect(ended.stdout).toMatch(/GPU energy/);
  });

  test('leaves the one of before as it was, and nothing half-written', async (context) => {
    const place = open();
    using disk = mountSmallDisk(place.directory);
    if (disk === undefined) return context.skip('mount(8) may not');
    const file = `${disk.path}/r.json`;
    writeFileSync(file, 'the old one');
    spawnSync('dd', ['if=/dev/zero', `of=${disk.path}/filler`, 'bs=4096']);
    const ended = await place.run(['replay', bundledTrace, '--report-json', file]);
    expect(ended.code).toBe(2);
    expect(ended.stderr).toMatch(/ENOSPC/);
    expect(readFileSync(file, 'utf8')).toBe('the old one');
    expect(readdirSync(disk.path).toSorted()).toEqual(['filler', 'r.json']);
    return undefined;
  });
});

test('a recording of nothing leaves no file behind', async () => {
  const place = open({ faults: [{ kind: 'exit', code: 9 }] });
  const ended = await place.run(['record', '-o', 'trace.csv', '--duration-seconds', '2']);
  expect(ended.code).toBe(2);
  expect(ended.stderr).toMatch(/^(wattmeter: [^\n]+\n)+$/);
  expect(existsSync(place.path('trace.csv'))).toBe(false);
});

test('a second signal ends it, whatever a file system keeps it waiting for', async (context) => {
  const place = open();
  const pipe = place.path('pipe.csv');
  execFileSync(needProgram(context, 'mkfifo'), [pipe]);
  await using report = place.start(['report', pipe]);
  // Can be opened from the moment on in which somebody reads.
  const writer = await vi.waitFor(() => openSync(pipe, constants.O_WRONLY | constants.O_NONBLOCK), {
    timeout: 45_000,
    interval: 50,
  });
  const again = setInterval(() => report.kill('SIGTERM'), 200);
  const ended = await report.ended;
  clearInterval(again);
  closeSync(writer);
  expect(ended.code).toBe(143);
});
