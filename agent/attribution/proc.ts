// Facts of a process from /proc: when it started, who owns it, which job its control group or environment names. Asked
// about once a second for every process on a GPU, so what cannot change is read once.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { after, type Instant } from '../units.ts';
import { cgroupOwner, type CgroupOwner } from './cgroup.ts';

/** What is known of a process. */
export interface ProcessFacts {
  readonly pid: number;
  /** Clock ticks between boot and its start: with the pid its identity. */
  readonly startTicks: number;
  readonly startSeconds: Instant;
  /** The kernel's name for it: at most 15 characters. */
  readonly command: string;
  readonly userId?: number;
  readonly owner: CgroupOwner;
  /** From its environment, where we may read it. */
  readonly slurmJobId?: string;
  readonly hostname?: string;
}

/** Reads processes. */
export interface ProcessReader {
  /** The process that had this number at `time`; undefined when it cannot be found any more. */
  read(pid: number, time: Instant): ProcessFacts | undefined;
}

/** Where to read, and how much to remember. */
export interface ProcessReaderOptions {
  /** `/proc`, the host's under another name, or a stand-in. */
  readonly procRoot?: string;
  readonly maxProcesses?: number;
}

// USER_HZ is 100 on every architecture that GPUs are plugged into (proc(5), times(2)).
const TICKS_PER_SECOND = 100;
const MAX_PROCESSES = 4096;
// A start is known to a tick, and /proc/uptime is read a little after the look.
const START_TOLERANCE_SECONDS = 0.5;

interface Stat {
  readonly command: string;
  readonly state: string;
  readonly startTicks: number;
}

/** Creates a reader; nothing is read until it is asked. */
export function createProcessReader(options: ProcessReaderOptions = {}): ProcessReader {
  const root = options.procRoot ?? '/proc';
  const limit = options.maxProcesses ?? MAX_PROCESSES;
  // In the order of the last question: the one nobody has asked for longest goes first.
  const known = new Map<number, ProcessFacts>();

  const remember = (facts: ProcessFacts): ProcessFacts => {
    known.delete(facts.pid);
    known.set(facts.pid, facts);
    const [oldest] = known.keys();
    if (known.size > limit && oldest !== undefined) known.delete(oldest);
    return facts;
  };

  return {
    read(pid, time) {
      const before = known.get(pid);
      const stat = readStat(root, pid);
      // It has just ended: it was on the GPU when the driver was asked, and we knew it.
      if (stat === undefined) return before;
      if (before?.startTicks === stat.startTicks) return remember(before);
      const uptimeSeconds = readUptime(root);
      const facts =
        uptimeSeconds === undefined ? undefined : readFacts(root, pid, stat, time, uptimeSeconds);
      if (facts === undefined) return before;
      // The number has been given to another process since: whoever was on the GPU is not this one.
      if (facts.startSeconds > time + START_TOLERANCE_SECONDS) return before;
      return remember(facts);
    },
  };
}

function readFacts(
  root: string,
  pid: number,
  stat: Stat,
  time: Instant,
  uptimeSeconds: number,
): ProcessFacts {
  const folder = join(root, String(pid));
  const owner = cgroupOwner(readText(join(folder, 'cgroup')) ?? '');
  const userId = userIdIn(readText(join(folder, 'status')));
  return {
    pid,
    startTicks: stat.startTicks,
    startSeconds: after(time, stat.startTicks / TICKS_PER_SECOND - uptimeSeconds),
    command: stat.command,
    ...(userId !== undefined && { userId }),
    owner,
    ...(needsEnvironment(owner, stat) ? environmentFacts(folder) : {}),
  };
}

// A process that waits in the kernel (state D) may hold its memory map for ever, and its environment is behind that map.
const needsEnvironment = (owner: CgroupOwner, { state }: Stat): boolean =>
  state !== 'D' && owner.kind !== 'slurm' && owner.kind !== 'container';

function environmentFacts(folder: string): Pick<ProcessFacts, 'slurmJobId' | 'hostname'> {
  const variables = readText(join(folder, 'environ'))?.split('\0') ?? [];
  const valueOf = (name: string): string | undefined =>
    variables.find((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1);
  const slurmJobId = valueOf('SLURM_JOB_ID');
  const hostname = valueOf('HOSTNAME');
  return {
    ...(slurmJobId !== undefined && /^\d+$/.test(slurmJobId) && { slurmJobId }),
    ...(hostname !== undefined && hostname !== '' && { hostname }),
  };
}

/** proc(5): the name stands in parentheses and may hold any character, so fields count from the last one. */
function readStat(root: string, pid: number): Stat | undefined {
  const text = readText(join(root, String(pid), 'stat'));
  if (text === undefined) return undefined;
  const open = text.indexOf('(');
  const close = text.lastIndexOf(')');
  const fields = text
    .slice(close + 1)
    .trim()
    .split(' ');
  const state = fields[0];
  const startTicks = Number(fields[19]);
  if (open < 0 || close < open || state === undefined || !Number.isFinite(startTicks))
    return undefined;
  return { command: text.slice(open + 1, close), state, startTicks };
}

function readUptime(root: string): number | undefined {
  const value = Number.parseFloat(readText(join(root, 'uptime')) ?? '');
  return Number.isFinite(value) ? value : undefined;
}

/** The real user's number. */
function userIdIn(status: string | undefined): number | undefined {
  const digits = /^Uid:\s+(\d+)/m.exec(status ?? '')?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** Undefined for a process that has gone, or that is somebody else's. */
function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
