// A board against a meter, from the traces or the terminal to the figures of every later command.

import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { describe, expect, test } from 'vitest';

import {
  calibrationsPath,
  readCalibrations,
  storeCalibration,
  type Calibration,
} from '../../agent/ledger/calibrations.ts';
import { binaryPath } from '../binary.ts';
import { buildStandIn, SCENARIO_VARIABLE, writeScenario } from '../doubles/libnvidia-ml.ts';
import { simulatedUuid } from '../doubles/gpu-scenario.ts';
import { Terminal } from '../run/terminal.ts';
import { needProgram } from '../system-program.ts';

const UUID = 'GPU-11111111-2222-3333-4444-555555555555';
const folder = (): string => mkdtempSync(join(tmpdir(), 'wattmeter-calibrate-'));

/** A trace of one GPU at a constant power, ten readings a second. */
function traceOf(directory: string, name: string, powerWatts: number, uuid = UUID): string {
  const rows = Array.from({ length: 200 }, (_, row) => {
    const time = new Date(Date.UTC(2026, 9, 1, 12) + row * 100).toISOString();
    return `${time.replace('T', ' ').replace('Z', '')}, ${uuid}, NVIDIA GeForce RTX 3090, ${powerWatts.toFixed(2)} W`;
  });
  const path = join(directory, `${name}.csv`);
  writeFileSync(path, `timestamp, uuid, name, power.draw [W]\n${rows.join('\n')}\n`);
  return path;
}

interface Answer {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const wattmeter = (...args: readonly string[]): Promise<Answer> => wattmeterIn({}, ...args);

function wattmeterIn(extra: NodeJS.ProcessEnv, ...args: readonly string[]): Promise<Answer> {
  const env = { ...process.env, ...extra };
  return new Promise((resolve) => {
    execFile(process.execPath, [binaryPath, ...args], { env }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

/** Calibrates from traces: reported 55 W at 50 W, 365 W at 350 W, or what else is said. */
async function calibrateIn(directory: string, loadReported = 365): Promise<Answer> {
  return wattmeter(
    'doctor',
    '--calibrate',
    UUID,
    '--idle-watts',
    '50',
    '--load-watts',
    '350',
    '--idle-readings',
    traceOf(directory, 'idle', 55),
    '--load-readings',
    traceOf(directory, 'load', loadReported),
    '--state-dir',
    directory,
    '--trace-time-zone',
    'UTC',
  );
}

interface ReportedEnergy {
  readonly energyJoules: number;
  readonly uncertaintyJoules: number;
  readonly sensor: { readonly origin: string };
}

async function replay(directory: string, trace: string) {
  const answer = await wattmeter(
    'replay',
    trace,
    '--format',
    'json',
    '--state-dir',
    directory,
    '--trace-time-zone',
    'UTC',
  );
  const report = JSON.parse(answer.stdout) as {
    readonly devices: readonly ReportedEnergy[];
    readonly warnings: readonly { readonly code: string }[];
    readonly run: { readonly durationSeconds: number };
  };
  const [device] = report.devices;
  if (device === undefined) throw new Error(answer.stdout);
  return { device, warnings: report.warnings, seconds: report.run.durationSeconds };
}

describe('wattmeter doctor --calibrate', () => {
  test('keeps gain and offset, and every later figure of that GPU is corrected and says so', async () => {
    const directory = folder();
    const trace = traceOf(directory, 'run', 210);
    const before = await replay(directory, trace);
    expect(before.device.energyJoules / before.seconds).toBeCloseTo(210, 1);

    const answer = await calibrateIn(directory);
    expect(answer).toMatchObject({ code: 0, stderr: '' });
    expect(answer.stdout).toMatch(/gain {4}\+3\.33 %/);
    expect(answer.stdout).toMatch(/offset {2}\+3\.33 W/);

    const after = await replay(directory, trace);
    // (210 − 3.333) ÷ 1.03333 = 200 W
    expect(after.device.energyJoules / after.seconds).toBeCloseTo(200, 1);
    expect(after.device.sensor.origin).toBe('calibrated');
    expect(after.device.uncertaintyJoules).toBeLessThan(before.device.uncertaintyJoules / 2);
    // Only that GPU: another one is as it was.
    const other = await replay(directory, traceOf(directory, 'other', 210, 'GPU-other'));
    expect(other.device.energyJoules / other.seconds).toBeCloseTo(210, 1);
  });

  test('is blind to an earlier calibration: doing it twice changes nothing', async () => {
    const directory = folder();
    await calibrateIn(directory);
    const first = readCalibrations(directory).get(UUID);
    await calibrateIn(directory);
    const second = readCalibrations(directory).get(UUID);
    expect(second?.gain).toBe(first?.gain);
    expect(second?.offsetWatts).toBe(first?.offsetWatts);
    expect(readdirSync(directory).filter((name) => name.endsWith('.new'))).toEqual([]);
  });

  test('stores nothing of figures that make no sense together', async () => {
    const directory = folder();
    const answer = await calibrateIn(directory, 60);
    expect(answer.code).toBe(1);
    expect(answer.stderr).toMatch(/no sensor's.*Nothing was stored/);
    expect(existsSync(calibrationsPath(directory))).toBe(false);
  });

  test('names the GPUs of a trace that has not this one', async () => {
    const directory = folder();
    const answer = await wattmeter(
      'doctor',
      '--calibrate',
      'GPU-9',
      '--idle-watts',
      '50',
      '--load-watts',
      '350',
      '--idle-readings',
      traceOf(directory, 'idle', 55),
      '--load-readings',
      traceOf(directory, 'load', 365),
      '--state-dir',
      directory,
    );
    expect(answer.code).toBe(2);
    expect(answer.stderr).toContain(`only ${UUID}`);
  });

  test('warns of a calibrations file that is torn, and measures on', async () => {
    const directory = folder();
    writeFileSync(calibrationsPath(directory), '{"schema": "wattm');
    const { device, warnings, seconds } = await replay(directory, traceOf(directory, 'run', 210));
    expect(device.energyJoules / seconds).toBeCloseTo(210, 1);
    expect(warnings.map(({ code }) => code)).toContain('calibrations-unreadable');
    // What is there is not overwritten either.
    const answer = await calibrateIn(directory);
    expect(answer.code).toBe(2);
    expect(readFileSync(calibrationsPath(directory), 'utf8')).toBe('{"schema": "wattm');
  });

  test('guides through both loads on a terminal', async (context) => {
    needProgram(context, 'script');
    const library = buildStandIn(context);
    const directory = folder();
    const scenario = join(directory, 'scenario.txt');
    const play = (baseWatts: number): void =>
      writeFileSync(
        scenario,
        `gpus 1\ngpu 0 base ${baseWatts}\ngpu 0 sensor instant 0.1 0.1\ngpu 0 counter 0.1\ngpu 0 gain 1.04\ngpu 0 offset 5\n`,
      );
    play(60);
    const command = [process.execPath, binaryPath, 'doctor', '--source', 'nvml', '--seconds', '4']
      .concat('--calibrate', simulatedUuid(0), '--idle-watts', '60', '--load-watts', '360')
      .concat('--state-dir', directory, '--json');
    await using terminal = new Terminal(command.join(' '), {
      ...process.env,
      LD_LIBRARY_PATH: join(library, '..'),
      [SCENARIO_VARIABLE]: scenario,
    });
    await terminal.shows(/idle until its meter is steady/);
    terminal.type('\r');
    await terminal.shows(/It reports 67\.\d+ W idle/);
    await terminal.shows(/Start a steady load/);
    // The library is loaded anew for the second load, and reads its scenario then.
    play(360);
    terminal.type('\r');
    await terminal.shows(/It reports 379\.\d+ W under load/);
    expect(await terminal.ended()).toBe(0);
    const found = readCalibrations(directory).get(simulatedUuid(0));
    // Four seconds of live readings from a counter of 100 ms, on a machine that may be busy.
    expect(found?.gain).toBeCloseTo(1.04, 2);
    expect(found?.offsetWatts).toBeCloseTo(5, 0);
  });

  test('without a terminal each load is seen by the power that the GPU reports', async (context) => {
    const library = buildStandIn(context);
    const directory = folder();
    const scenario = writeScenario({
      originNanoseconds: process.hrtime.bigint(),
      gpus: [
        {
          base: 60,
          loads: [{ kind: 'step', from: 8, to: Infinity, watts: 300 }],
          instant: { window: 0.1, period: 0.1 },
          counter: { period: 0.1 },
          gain: 1.04,
          offset: 5,
        },
      ],
    });
    const { code, stderr } = await wattmeterIn(
      { LD_LIBRARY_PATH: dirname(library), [SCENARIO_VARIABLE]: scenario },
      'doctor',
      '--calibrate',
      simulatedUuid(0),
      '--idle-watts',
      '60',
      '--load-watts',
      '360',
      '--source',
      'nvml',
      '--seconds',
      '3',
      '--state-dir',
      directory,
    );
    expect(code, stderr).toBe(0);
    const found = readCalibrations(directory).get(simulatedUuid(0));
    // Two whole seconds of each, on a machine that may be busy.
    expect(found?.gain).toBeCloseTo(1.04, 1);
    expect(found?.offsetWatts).toBeCloseTo(5, -1);
  });

  test('stores nothing when the user gives up at the terminal', async (context) => {
    needProgram(context, 'script');
    const directory = folder();
    const command = [process.execPath, binaryPath, 'doctor', '--state-dir', directory]
      .concat('--calibrate', UUID, '--idle-watts', '60', '--load-watts', '360')
      .join(' ');
    await using terminal = new Terminal(command, process.env);
    await terminal.shows(/press Enter/);
    terminal.type('\u0003');
    expect(await terminal.ended()).toBe(2);
    expect(existsSync(calibrationsPath(directory))).toBe(false);
  });
});

describe('readCalibrations()', () => {
  const one: Calibration = {
    uuid: UUID,
    model: 'NVIDIA H100',
    gain: 1.01,
    offsetWatts: -2,
    gainUncertainty: 0.01,
    offsetUncertaintyWatts: 1,
    meterPercent: 1.5,
    calibratedAt: '2026-11-23T10:00:00.000Z',
    idle: { meterWatts: 50, reportedWatts: 48.5, observedSeconds: 30 },
    load: { meterWatts: 350, reportedWatts: 351.5, observedSeconds: 30 },
  };

  test('finds what was stored, the newest of each board', async () => {
    const directory = join(folder(), 'not', 'yet', 'there');
    expect(readCalibrations(directory).size).toBe(0);
    await storeCalibration(directory, one);
    await storeCalibration(directory, { ...one, uuid: 'GPU-other' });
    await storeCalibration(directory, { ...one, gain: 1.02 });
    expect([...readCalibrations(directory).values()].map(({ uuid, gain }) => [uuid, gain])).toEqual(
      [
        [UUID, 1.02],
        ['GPU-other', 1.01],
      ],
    );
  });

  test.each([
    ['a gain of 0', { ...one, gain: 0 }],
    ['a negative uncertainty', { ...one, gainUncertainty: -1 }],
    ['no UUID', { ...one, uuid: '' }],
  ])('believes no calibration with %s', (_what, broken) => {
    const directory = folder();
    const content = { schema: 'wattmeter.calibrations/1', calibrations: [broken] };
    writeFileSync(calibrationsPath(directory), JSON.stringify(content));
    expect(() => readCalibrations(directory)).toThrow(/calibrations in .* at calibrations\.0/);
  });
});
