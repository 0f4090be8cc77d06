import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { describe, expect, test, type TestContext } from 'vitest';

import { resolveConfig } from '../resolve-config.ts';
import { needProgram } from '../system-program.ts';

const root = resolve(import.meta.dirname, '../..');
const unitPath = join(root, 'systemd/wattmeter.service');
const readme = readFileSync(join(root, 'systemd/README.md'), 'utf8');
const blocks = [...readme.matchAll(/^```sh\n(# .+?)\n([^]*?)^```$/gm)].map(
  ([, title = '', script = '']) => ({ title, script }),
);

/** The commands that the README gives under a comment. */
function commandsOf(title: string): string {
  const block = blocks.find((one) => one.title.startsWith(`# ${title}`));
  if (block === undefined) throw new Error(`The README has no commands called "${title}".`);
  return block.script;
}

/** Runs commands as the README's reader would, but below `destination`, and without asking npm. */
function runCommands(script: string, destination: string): string {
  const { status, stdout, stderr } = spawnSync(
    '/bin/sh',
    ['-eu', '-c', `npm() { :; }\n${script}`],
    {
      env: { ...process.env, DESTDIR: destination },
      encoding: 'utf8',
    },
  );
  expect(status, stdout + stderr).toBe(0);
  return stdout;
}

/** A folder that stands for a machine: npm has put the program there, nothing else has happened. */
function withMachine(work: (machine: string) => void): void {
  const machine = mkdtempSync(join(tmpdir(), 'wattmeter-machine-'));
  try {
    const program = join(machine, 'usr/local/lib/node_modules/wattmeter');
    cpSync(join(root, 'systemd'), join(program, 'systemd'), { recursive: true });
    cpSync(join(root, 'bin'), join(program, 'bin'), { recursive: true });
    mkdirSync(join(machine, 'usr/local/bin'));
    symlinkSync(
      '../lib/node_modules/wattmeter/bin/wattmeter.js',
      join(machine, 'usr/local/bin/wattmeter'),
    );
    work(machine);
  } finally {
    rmSync(machine, { recursive: true, force: true });
  }
}

const install = (context: TestContext, machine: string): void => {
  needProgram(context, 'systemd-sysusers');
  runCommands(commandsOf('The files. An existing'), machine);
};

/** What systemd-analyze says of the unit as it lies in the machine, beside the units of the system. */
function verify(program: string, machine: string): string {
  const units = ['/usr/lib/systemd/system', '/lib/systemd/system'].find(existsSync) ?? '';
  const copy = join(machine, 'usr/lib/systemd/system');
  if (!existsSync(copy)) cpSync(units, copy, { recursive: true, verbatimSymlinks: true });
  const args = ['verify', '--man=no', `--root=${machine}`, 'wattmeter.service', 'wattmeter.socket'];
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  return `${stdout}${stderr}${status === 0 ? '' : `exit ${status}`}`;
}

describe('the unit', () => {
  test('is exposed to 2.0 at most', (context) => {
    const program = needProgram(context, 'systemd-analyze');
    const args = ['security', '--offline=yes', '--threshold=20', '--no-pager', unitPath];
    const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
    expect(status, stdout + stderr).toBe(0);
    expect(
      Number(/exposure level for wattmeter\.service: ([\d.]+)/.exec(stdout)?.[1]),
    ).toBeLessThanOrEqual(2);
  });

  test('lets V8 compile, and attribution and byte counts see what they need', () => {
    const unit = readFileSync(unitPath, 'utf8');
    expect(unit).toMatch(/^MemoryDenyWriteExecute=no$/m);
    expect(unit).toMatch(/^RestrictAddressFamilies=.*AF_NETLINK/m);
    expect(unit).not.toMatch(/^ProtectProc=|^ProcSubset=|^PrivateUsers=yes/m);
  });

  test('waits to be told, and is watched', () => {
    const unit = readFileSync(unitPath, 'utf8');
    expect(unit).toMatch(/^Type=notify$/m);
    expect(unit).toMatch(/^WatchdogSec=\d+$/m);
    expect(unit).toMatch(/^NotifyAccess=main$/m);
  });
});

describe('the install commands of the README', () => {
  test('put every file in its place, and systemd finds no fault in the unit', (context) => {
    const program = needProgram(context, 'systemd-analyze');
    withMachine((machine) => {
      install(context, machine);
      for (const [, place = ''] of readme.matchAll(/\| `(\/etc\/[^`]+)`/g)) {
        expect(statSync(join(machine, place)).mode & 0o777, place).toBe(0o644);
      }
      expect(readFileSync(join(machine, 'etc/group'), 'utf8')).toMatch(/^wattmeter-rapl:/m);
      expect(verify(program, machine)).toBe('');
    });
  });

  test('would not hide a fault: a misspelt key and a missing program are seen', (context) => {
    const program = needProgram(context, 'systemd-analyze');
    withMachine((machine) => {
      install(context, machine);
      const unit = join(machine, 'etc/systemd/system/wattmeter.service');
      writeFileSync(unit, readFileSync(unit, 'utf8').replace('WatchdogSec', 'WatchdogSecs'));
      expect(verify(program, machine)).toContain('WatchdogSecs');
      rmSync(join(machine, 'usr/local/bin/wattmeter'));
      expect(verify(program, machine)).toContain('/usr/local/bin/wattmeter is not executable');
    });
  });

  test('leave an existing configuration alone', (context) => {
    withMachine((machine) => {
      install(context, machine);
      const config = join(machine, 'etc/wattmeter/wattmeter.yml');
      writeFileSync(config, 'price: 0.5\n');
      install(context, machine);
      expect(readFileSync(config, 'utf8')).toBe('price: 0.5\n');
    });
  });

  test('are undone by the removal commands, down to what only the user may throw away', (context) => {
    withMachine((machine) => {
      install(context, machine);
      runCommands(commandsOf('The files, and the program.'), machine);
      const left = readdirSync(join(machine, 'etc'), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map(({ name }) => name)
        .filter((name) => !/^g?(shadow|group|passwd|\.pwd\.lock)-?$/.test(name));
      expect(left).toEqual(['wattmeter.yml']);
      mkdirSync(join(machine, 'var/lib/private/wattmeter'), { recursive: true });
      runCommands(commandsOf('What is left'), machine);
      expect(existsSync(join(machine, 'etc/wattmeter'))).toBe(false);
      expect(existsSync(join(machine, 'var/lib/private/wattmeter'))).toBe(false);
    });
  });
});

test('the groups that the unit joins are made, and the one for RAPL is the one that udev gives it to', () => {
  const unit = readFileSync(unitPath, 'utf8');
  const joined = /^SupplementaryGroups=(.+)$/m.exec(unit)?.[1]?.split(' ') ?? [];
  const sysusers = readFileSync(join(root, 'systemd/wattmeter.sysusers'), 'utf8');
  const made = [...sysusers.matchAll(/^g\s+(\S+)/gm)].map(([, name]) => name);
  expect(new Set(made)).toEqual(new Set(joined));
  const rules = readFileSync(join(root, 'systemd/wattmeter.rules'), 'utf8');
  expect(joined).toContain(/chgrp (\S+) /.exec(rules)?.[1]);
});

test('the example configuration holds only options that there are', async () => {
  const config = await resolveConfig({}, {}, join(root, 'systemd/wattmeter.yml'));
  expect(config).toMatchObject({ price: 0.25, currency: 'EUR', zone: 'DEU', pue: 1.2 });
  expect(config).toMatchObject({ webListenAddress: ['127.0.0.1:10360'], retainSamples: 604_800 });
});

test('the commented lines of the example configuration are options too', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'wattmeter-config-'));
  try {
    const path = join(folder, 'wattmeter.yml');
    const example = readFileSync(join(root, 'systemd/wattmeter.yml'), 'utf8');
    writeFileSync(path, example.replaceAll(/^( *)# (?=\s*[a-z-]+:( \S+)?$)/gm, '$1'));
    const config = await resolveConfig({}, {}, path);
    expect(config).toMatchObject({
      tariff: '/etc/wattmeter/tariff.yml',
      tariffTimeZone: 'Europe/Berlin',
      webConfigFile: '/etc/wattmeter/web.config.yml',
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
