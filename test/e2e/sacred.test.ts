// The job is sacred, against the whole program: whatever happens to Wattmeter, CMD runs, ends with its own code, and
// the bill is as good as it can be.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';

import { describe, expect, test } from 'vitest';

import { mountSmallDisk } from '../ledger/small-disk.ts';
import { isAlive } from '../source/double.ts';
import { binaryPath } from '../binary.ts';
import { NO_GPU, type Workplace, workplaces } from './wattmeter.ts';

const open = workplaces();

/** A command that says that it ran, and ends with a code of its own, long after a busy machine's first reading. */
const job = (seconds = 3): string[] => ['sh', '-c', `echo said; sleep ${seconds}; exit 43`];
const unharmed = { code: 43, stdout: 'said\n' };

describe.concurrent('CMD runs and the bill is printed', () => {
  test.each([
    ['below a file', (place: Workplace): string => place.path('file/state')],
    ['under /proc, where names are refused', (): string => '/proc/wattmeter'],
    ['that is a file', (place: Workplace): string => place.path('file')],
  ])('with a state directory %s', async (_, directory) => {
    const place = open();
    writeFileSync(place.path('file'), '');
    const ended = await place.run(['run', '--state-dir', directory(place), '--', ...job()]);
    expect(ended).toMatchObject(unharmed);
    expect(ended.stderr).toMatch(/Cannot write .*--state-dir/);
    expect(ended.stderr).toMatch(/GPU energy +\d/);
    expect(ended.stderr).toMatch(/could not all be stored/);
  });

  test('with a disk that is full', async (context) => {
    const place = open();
    using disk = mountSmallDisk(place.directory);
    if (disk === undefined) return context.skip('mount(8) may not');
    const filled = spawnSync('dd', ['if=/dev/zero', `of=${disk.path}/filler`, 'bs=4096']);
    expect(filled.status).not.toBe(0);
    const report = `${disk.path}/report.json`;
    const options = ['--state-dir', disk.path, '--report-json', report];
    const ended = await place.run(['run', ...options, '--', ...job()]);
    expect(ended).toMatchObject(unharmed);
    expect(ended.stderr).toMatch(/GPU energy +\d/);
    expect(ended.stderr).toMatch(/ENOSPC/);
    expect(existsSync(report)).toBe(false);
    return undefined;
  });

  test('with the port of --serve taken', async () => {
    const place = open();
    const server = createServer();
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const { port } = server.address() as AddressInfo;
    const options = ['--serve', '--web.listen-address', `127.0.0.1:${port}`];
    await using wattmeter = place.start(['run', ...options, '--', ...job()]);
    const ended = await wattmeter.ended;
    server.close();
    expect(ended).toMatchObject(unharmed);
    expect(ended.stderr).toMatch(new RegExp(`Cannot listen on 127.0.0.1:${port}`));
    expect(ended.stderr).toMatch(/GPU energy +\d/);
    expect(ended.stderr).toMatch(/Stored as/);
  });

  test('with a source that dies and does not come back', async () => {
    const place = open({
      faults: [
        { kind: 'exit', code: 9, fromCycle: 8 },
        { kind: 'exit', code: 9, launch: 2 },
      ],
    });
    const ended = await place.run(['run', '--', ...job()]);
    expect(ended).toMatchObject(unharmed);
    expect(ended.stderr).toMatch(/GPU energy +\d/);
  });

  test('with a source that talks garbage', async () => {
    const place = open({ faults: [{ kind: 'garbage', text: '\u0007\u0000%s , , ,[N/A' }] });
    const ended = await place.run(['run', '--', ...job()]);
    expect(ended).toMatchObject(unharmed);
    expect(ended.stderr).toMatch(/GPU energy +\d/);
  });

  test('with an unreadable web configuration', async () => {
    const place = open();
    const options = ['--serve', '--web.config.file', '/nonexistent'];
    const ended = await place.run(['run', ...options, '--', ...job()]);
    expect(ended).toMatchObject(unharmed);
    expect(ended.stderr).toMatch(/GPU energy +\d/);
  });

  test('with a report file that cannot be written', async () => {
    const place = open();
    const ended = await place.run(['run', '--report-json', '/proc/no/such', '--', ...job()]);
    expect(ended).toMatchObject(unharmed);
    expect(ended.stderr).toMatch(/Cannot write the report to \/proc\/no\/such/);
    expect(ended.stderr).toMatch(/Stored as/);
  });
});

describe('CMD runs although nothing can be measured', () => {
  test('without any driver, loudly', async () => {
    const place = open();
    const ended = await place.run(['run', '--', ...job(0)], {
      env: { ...NO_GPU, WATTMETER_SOURCE: '' },
    });
    expect(ended).toMatchObject(unharmed);
    expect(ended.stderr).toMatch(/No GPU can be measured.*CMD runs on, unmeasured/);
    expect(ended.stderr).toMatch(/GPU energy +not measured/);
    expect(ended.stderr).not.toMatch(/Energy cost +\d/);
  });

  test('with a driver that hangs from the start, and Wattmeter leaves soon after it', async () => {
    const place = open({ ignoreSigterm: true, faults: [{ kind: 'hang' }, { kind: 'help-hang' }] });
    const ended = await place.run(['run', '--', 'sh', '-c', `sleep 1; date +%s%N >&2; exit 43`]);
    const leftAt = Date.now();
    expect(ended.code).toBe(43);
    const exitedAt = Number(/^\d{19}$/m.exec(ended.stderr)?.[0]) / 1e6;
    expect(leftAt - exitedAt).toBeLessThan(3000);
  });

  test('with a driver that hangs meanwhile, whose child is killed', async () => {
    const place = open({ ignoreSigterm: true, faults: [{ kind: 'hang', fromCycle: 10 }] });
    const ended = await place.run(['run', '--', 'sh', '-c', `sleep 3; date +%s%N >&2; exit 43`]);
    const leftAt = Date.now();
    expect(ended.code).toBe(43);
    const exitedAt = Number(/^\d{19}$/m.exec(ended.stderr)?.[0]) / 1e6;
    expect(leftAt - exitedAt).toBeLessThan(3000);
    expect(ended.stderr).toMatch(/GPU energy +\d/);
    const starts = place.double.log().filter(({ event }) => event === 'start');
    expect(starts.map(({ pid }) => pid).filter(isAlive)).toEqual([]);
  });
});

describe.concurrent('with --require-measurement CMD never starts', () => {
  test.each([
    ['without a driver', {}, { ...NO_GPU, WATTMETER_SOURCE: '' }],
    ['when nvidia-smi says so', { faults: [{ kind: 'exit', code: 9 }] }, {}],
  ])('%s', async (_, scenario, env) => {
    const place = open(scenario);
    const flag = place.path('started');
    const ended = await place.run(['run', '--require-measurement', '--', 'touch', flag], { env });
    expect(ended.code).toBe(125);
    expect(ended.stderr).toMatch(/^wattmeter: --require-measurement: .* CMD was not started\./m);
    expect(existsSync(flag)).toBe(false);
    // A run that never was is no run.
    expect((await place.run(['runs'])).stdout).toMatch(/No runs are stored/);
    expect(readdirSync(`${place.stateDirectory}/runs`)).toEqual([]);
  });

  test('and with a reading it starts', async () => {
    const place = open();
    expect(await place.run(['run', '--require-measurement', '--', ...job(0)])).toMatchObject(
      unharmed,
    );
  });
});

describe.concurrent('what was said wrongly is 125, and CMD never starts', () => {
  test.each([
    [['--no-such-flag']],
    [['--price', '-1']],
    [['--zone', 'XXX']],
    [['--tariff', '/nonexistent.yml']],
    [['--gpus', '9']],
    [['--resume', 'nothing']],
    [['--step-pattern', '(']],
    [['--label', 'no-equals']],
    [['--webhook', 'ftp://x']],
    [['--config', '/nonexistent.yml']],
  ])('%j', async (options) => {
    const place = open();
    const flag = place.path('started');
    const ended = await place.run(['run', ...options, '--', 'touch', flag]);
    expect(ended.code, ended.stderr).toBe(125);
    expect(ended.stderr).toMatch(/^wattmeter: [^\n]+\n$/);
    expect(existsSync(flag)).toBe(false);
  });
});

describe('with its own stdio closed', () => {
  test.each(['<&-', '>&-', '2>&-', '<&- >&- 2>&-', '2>/dev/full', '>/dev/full 2>&1'])(
    'by %s CMD ends with its own code',
    async (redirections) => {
      const place = open();
      const script = `"$0" "$1" run -- sh -c 'sleep 0.3; exit 43' ${redirections}`;
      const { status } = spawnSync('sh', ['-c', script, process.execPath, binaryPath], {
        env: { ...place.double.env, WATTMETER_STATE_DIR: place.stateDirectory },
      });
      expect(status).toBe(43);
      expect((await place.run(['runs'])).stdout).toMatch(/ exit 43 /);
    },
  );
});

describe('when Wattmeter is killed with -9 in the middle', () => {
  test('CMD goes on, recover closes the books, and report prints what was measured', async () => {
    const place = open();
    const done = place.path('done');
    mkdirSync(place.path('go'));
    const script = `echo $$; while [ -e go ]; do sleep 0.1; done; echo finished > ${done}`;
    await using wattmeter = place.start(['run', '--name', 'victim', '--', 'sh', '-c', script], {
      env: { WATTMETER_FLUSH_SECONDS: '0.1' },
    });
    const [, pid] = await wattmeter.says(/^(\d+)$/m);
    // Some slots are in the journal.
    for (;;) {
      const open = await place.run(['report', 'victim', '--format', 'json']);
      if (open.code === 0 && energyOf(open.stdout) > 100) break;
    }
    wattmeter.kill('SIGKILL');
    expect(isAlive(Number(pid))).toBe(true);
    expect((await place.run(['runs'])).stdout).toMatch(/interrupted.*victim/);
    const recovered = await place.run(['recover']);
    expect(recovered).toMatchObject({ code: 0, stderr: '' });
    expect(recovered.stdout).toMatch(/^1 run recovered/m);
    expect((await place.run(['recover'])).stdout).toMatch(/^0 run/m);
    const { code, stdout } = await place.run(['report', 'victim', '--format', 'json']);
    expect(code).toBe(0);
    expect(energyOf(stdout)).toBeGreaterThan(100);
    spawnSync('rmdir', [place.path('go')]);
    expect((await wattmeter.ended).code).toBe('SIGKILL');
    expect(readFileSync(done, 'utf8')).toBe('finished\n');
    // Nobody is left behind.
    const smi = place.double.log().filter(({ event }) => event === 'start');
    for (const { pid: left } of smi) while (isAlive(left)) spawnSync('sleep', ['0.1']);
  });
});

const energyOf = (json: string): number =>
  (JSON.parse(json) as { energy: { gpuJoules: number } }).energy.gpuJoules;
