// The program itself, against the double of nvidia-smi: what a user of `wattmeter doctor` gets.

import { execFile } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, test } from 'vitest';

import type { Finding } from '../../agent/insight/doctor.ts';
import { binaryPath } from '../binary.ts';
import { buildStandIn, SCENARIO_VARIABLE } from '../doubles/libnvidia-ml.ts';
import { isAlive, nvidiaSmiDouble } from '../source/double.ts';

const folder = (): string => mkdtempSync(join(tmpdir(), 'wattmeter-doctor-'));

interface Answer {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs doctor on a free port, with books of its own. */
function doctor(
  options: readonly string[],
  env: NodeJS.ProcessEnv,
  cwd = folder(),
): Promise<Answer> {
  const own = ['--state-dir', join(cwd, 'state'), '--seconds', '2'];
  const listen = options.includes('--web.listen-address') ? [] : ['--web.listen-address', ':0'];
  return new Promise((resolve) => {
    const args = [binaryPath, 'doctor', ...own, ...listen, ...options];
    execFile(process.execPath, args, { env, cwd }, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

const findingsOf = ({ stdout }: Answer): readonly Finding[] =>
  (JSON.parse(stdout) as { findings: readonly Finding[] }).findings;
const codesOf = (answer: Answer): readonly string[] => findingsOf(answer).map(({ code }) => code);

describe('wattmeter doctor', () => {
  test('finds a working nvidia-smi, and says what only NVML could give', async () => {
    const double = nvidiaSmiDouble(folder(), {});
    const answer = await doctor(['--json'], double.env);
    expect(answer.stderr).toBe('');
    expect(JSON.parse(answer.stdout)).toMatchObject({
      schema: 'wattmeter.doctor/1',
      problemCount: 0,
    });
    expect(codesOf(answer)).toEqual(
      expect.arrayContaining(['measuring', 'nvidia-smi', 'sensor', 'counter-unused', 'port-free']),
    );
    expect(answer.code).toBe(0);
  });

  test('exits 1 without a GPU, with the mend in words', async () => {
    const env = { ...process.env, PATH: '/nonexistent' };
    const answer = await doctor([], env);
    expect(answer.code).toBe(1);
    expect(answer.stdout).toMatch(/PROBLEM {2}Measuring is not possible/);
    expect(answer.stdout).toMatch(/> Install the NVIDIA driver/);
    for (const line of answer.stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });

  test('does not hang with an nvidia-smi that does, and leaves none behind', async () => {
    const double = nvidiaSmiDouble(folder(), {
      faults: [{ kind: 'hang' }, { kind: 'help-hang' }, { kind: 'inventory-hang' }],
      ignoreSigterm: true,
    });
    const answer = await doctor(['--json'], double.env);
    expect(answer.code).toBe(1);
    expect(codesOf(answer)).toEqual(
      expect.arrayContaining(['nothing-measured', 'nvidia-smi-hangs', 'state']),
    );
    for (const { pid } of double.log()) await expect.poll(() => isAlive(pid)).toBe(false);
  });

  test('says that a driver hangs which stops answering while it looks', async (context) => {
    const library = buildStandIn(context);
    const place = folder();
    const scenario = join(place, 'scenario.txt');
    writeFileSync(
      scenario,
      'gpus 1\ngpu 0 base 100\ngpu 0 sensor instant 0.1 0.1\ngpu 0 counter 0.1\nlibrary fault hang 2 inf\n',
    );
    const env = {
      ...process.env,
      LD_LIBRARY_PATH: join(library, '..'),
      [SCENARIO_VARIABLE]: scenario,
    };
    const answer = await doctor(['--json', '--source', 'nvml', '--seconds', '5'], env);
    expect(answer.code).toBe(1);
    expect(codesOf(answer)).toEqual(expect.arrayContaining(['driver-hangs', 'library']));
    expect(findingsOf(answer).find(({ code }) => code === 'library')?.cause).toContain(library);
  });

  test('looks at everything else though the config file is broken', async () => {
    const cwd = folder();
    writeFileSync(join(cwd, 'wattmeter.yml'), 'price: cheap\n');
    const answer = await doctor(['--json'], nvidiaSmiDouble(cwd, {}).env, cwd);
    expect(answer.code).toBe(1);
    expect(findingsOf(answer).find(({ code }) => code === 'config-invalid')).toMatchObject({
      severity: 'problem',
      thing: './wattmeter.yml',
      cause: expect.stringContaining('price'),
    });
    expect(codesOf(answer)).toContain('measuring');
  });

  test('names a port that another program has', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const address = `127.0.0.1:${(other.address() as AddressInfo).port}`;
    const answer = await doctor(
      ['--json', '--web.listen-address', address],
      nvidiaSmiDouble(folder(), {}).env,
    );
    other.close();
    expect(findingsOf(answer).find(({ code }) => code === 'port-taken')?.thing).toBe(address);
    expect(answer.code).toBe(1);
  });

  test('says so when the state directory cannot be written', async () => {
    const cwd = folder();
    const file = join(cwd, 'file');
    writeFileSync(file, '');
    const answer = await doctor(
      ['--json', '--state-dir', join(file, 'state')],
      nvidiaSmiDouble(cwd, {}).env,
    );
    expect(codesOf(answer)).toContain('state-unwritable');
    expect(answer.code).toBe(1);
  });

  test.each([
    ['--idle-watts 50', ['--idle-watts', '50'], /--calibrate UUID/],
    ['--seconds soon', ['--seconds', 'soon'], /--seconds must be/],
    ['--calibrate alone', ['--calibrate', 'GPU-1'], /--idle-watts and --load-watts/],
    [
      'swapped powers',
      ['--calibrate', 'GPU-1', '--idle-watts', '300', '--load-watts', '50'],
      /swapped/,
    ],
  ])('refuses %s in one line', async (_what, options, message) => {
    const answer = await doctor(options, process.env);
    expect(answer.code).toBe(2);
    expect(answer.stderr).toMatch(message);
    expect(answer.stderr.trim().split('\n')).toHaveLength(1);
    expect(answer.stdout).toBe('');
  });
});
