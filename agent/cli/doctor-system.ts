// What doctor sees of the machine without sampling: device nodes, sensor files, clock discipline, disk, ports.

import { constants } from 'node:fs';
import { access, mkdtemp, open, readdir, readFile, rm, stat, statfs } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';

import { formatAddress, parseListenAddress } from '../../exporter/listen-address.ts';
import type { AccessFacts, ClockFacts, DiskFacts, PortFacts } from '../insight/doctor.ts';
import { causeOf } from '../ledger/ledger-error.ts';

/** Where the system is looked at; tests bring a tree of their own. */
export interface SystemRoots {
  readonly dev: string;
  readonly proc: string;
  readonly sys: string;
}

/** This machine. */
export const SYSTEM_ROOTS: SystemRoots = { dev: '/dev', proc: '/proc', sys: '/sys' };

const list = (directory: string): Promise<string[]> => readdir(directory).catch(() => []);

const textOf = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '');

async function accessOf(path: string, use: AccessFacts['use'], mode: number): Promise<AccessFacts> {
  const isOpen = await access(path, mode).then(
    () => true,
    () => false,
  );
  return { path, use, isOpen };
}

const NVIDIA_NODE = /^nvidia(?:ctl|\d+)$/;
const RAPL_ZONE = /^intel-rapl:\d+$/;
const HWMON_READING = /^(?:power\d+_(?:input|average)|energy\d+_input)$/;

/** The files that measuring needs and that are there, each with whether this user may open it. */
export async function readAccess({ dev, sys }: SystemRoots): Promise<AccessFacts[]> {
  const nodes = (await list(dev)).filter((name) => NVIDIA_NODE.test(name));
  const powercap = join(sys, 'class/powercap');
  const zones = (await list(powercap)).filter((name) => RAPL_ZONE.test(name));
  const hwmon = join(sys, 'class/hwmon');
  const chips = await Promise.all(
    (await list(hwmon)).map(async (chip) =>
      (await list(join(hwmon, chip)))
        .filter((name) => HWMON_READING.test(name))
        .map((name) => join(hwmon, chip, name)),
    ),
  );
  return Promise.all([
    ...nodes.map((name) => accessOf(join(dev, name), 'nvidia', constants.R_OK | constants.W_OK)),
    ...zones.map((name) => accessOf(join(powercap, name, 'energy_uj'), 'rapl', constants.R_OK)),
    ...chips.flat().map((path) => accessOf(path, 'hwmon', constants.R_OK)),
  ]);
}

/** The version of the loaded NVIDIA kernel module; undefined without one. */
export async function readModuleVersion({ proc }: SystemRoots): Promise<string | undefined> {
  const text = await textOf(join(proc, 'driver/nvidia/version'));
  return /Kernel Module[^\n]*?\s(\d+(?:\.\d+)+)\s/.exec(text)?.[1];
}

/** Where the NVML that this process has loaded lies. */
export async function readLibraryPath({ proc }: SystemRoots): Promise<string | undefined> {
  const maps = await textOf(join(proc, 'self/maps'));
  return /\s(\/\S*libnvidia-ml\.so\S*)$/m.exec(maps)?.[1];
}

// struct timex of 64-bit Linux (linux/timex.h): the kernel is asked, nothing is set, so no privilege is needed.
const TIMEX_BYTES = 208;
const MAXIMUM_ERROR_OFFSET = 24;
const STATUS_OFFSET = 40;
const UNSYNCHRONIZED = 0x40;

/** What the kernel knows of the clock's discipline; nothing where it cannot be asked. */
export async function readClockDiscipline(): Promise<Omit<ClockFacts, 'stepSeconds'>> {
  try {
    const { default: koffi } = await import('koffi');
    const adjtimex = koffi.load(null).func('int adjtimex(void *)');
    const timex = Buffer.alloc(TIMEX_BYTES);
    if (Number(adjtimex(timex)) < 0) return {};
    const isSynchronized = (timex.readInt32LE(STATUS_OFFSET) & UNSYNCHRONIZED) === 0;
    const maximumErrorSeconds = Number(timex.readBigInt64LE(MAXIMUM_ERROR_OFFSET)) / 1e6;
    return { isSynchronized, maximumErrorSeconds };
  } catch {
    return {};
  }
}

/** Whether books can be kept in a directory: a file is really written and synced where it exists, and removed again. */
export async function readDisk(path: string): Promise<DiskFacts> {
  const present = await nearestDirectory(path);
  const exists = present === path;
  const free = await statfs(present).then(
    ({ bavail, bsize }) => ({ freeBytes: bavail * bsize }),
    () => ({}),
  );
  if (!exists) {
    const refusal = await enterable(present).then(
      () => ({}),
      (error: unknown) => ({ refusal: `${causeOf(error)} in ${present}` }),
    );
    return { path, exists, ...free, ...refusal };
  }
  try {
    return { path, exists, ...free, syncSeconds: await secondsOfSync(path) };
  } catch (error) {
    return { path, exists, ...free, refusal: causeOf(error) };
  }
}

async function enterable(path: string): Promise<void> {
  await access(path, constants.W_OK | constants.X_OK);
  if (!(await stat(path)).isDirectory()) throw new Error('no directory');
}

async function nearestDirectory(path: string): Promise<string> {
  const isThere = await stat(path).then(
    () => true,
    () => false,
  );
  const parent = dirname(path);
  return isThere || parent === path ? path : nearestDirectory(parent);
}

async function secondsOfSync(directory: string): Promise<number> {
  const folder = await mkdtemp(join(directory, 'doctor-'));
  try {
    const start = process.hrtime.bigint();
    await using file = await open(join(folder, 'write'), 'w');
    await file.writeFile('written by wattmeter doctor\n');
    await file.datasync();
    return Number(process.hrtime.bigint() - start) / 1e9;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const ANSWER_MILLISECONDS = 1500;

/** Whether an agent could listen there. @throws ConfigError when it is no address. */
export async function readPort(text: string): Promise<PortFacts> {
  const listen = parseListenAddress(text);
  const address = formatAddress(listen);
  const code = await tryListening(listen);
  if (code === undefined) return { address, state: 'free' };
  if (code !== 'EADDRINUSE') return { address, state: 'refused', cause: code };
  const host = listen.host ?? '127.0.0.1';
  const isOurs = await isWattmeter(formatAddress({ ...listen, host }));
  return { address, state: isOurs ? 'wattmeter' : 'taken' };
}

/** Listens and stops at once; the system's code when it may not. */
function tryListening(listen: {
  readonly host?: string;
  readonly port: number;
}): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error) => resolve(causeOf(error)));
    server.listen({ ...listen, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}

async function isWattmeter(address: string): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(ANSWER_MILLISECONDS);
    const answer = await fetch(`http://${address}/-/healthy`, { signal });
    return /wattmeter/i.test(await answer.text());
  } catch {
    return false;
  }
}
