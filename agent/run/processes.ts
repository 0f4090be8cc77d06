// CMD and everything that came of it, found in /proc: its descendants, and whoever carries the run's WATTMETER_SOCKET
// although its parent is gone. Reading only.

import { readdirSync, readFileSync } from 'node:fs';

/** A process of the job; the start time tells it from a later one with the same number. */
export interface JobProcess {
  readonly pid: number;
  readonly startTicks: string;
}

/** What a job's processes are known by. */
export interface JobIdentity {
  readonly pid: number;
  /** The value of WATTMETER_SOCKET in their environment; it belongs to this run alone. */
  readonly socketPath?: string;
  /** Never listed: Wattmeter itself. */
  readonly ownPid: number;
}

interface Row extends JobProcess {
  readonly parent: number;
  readonly isDead: boolean;
}

/** Lists the job's living processes, CMD first. */
export function jobProcesses(identity: JobIdentity): JobProcess[] {
  const rows = readRows();
  const members = new Set<number>([identity.pid]);
  for (const { pid } of rows) {
    if (identity.socketPath !== undefined && carries(pid, identity.socketPath)) members.add(pid);
  }
  // Children of members are members; a pass that finds no new one has found all.
  for (let size = -1; size !== members.size;) {
    size = members.size;
    for (const { pid, parent } of rows) if (members.has(parent)) members.add(pid);
  }
  return rows
    .filter(({ pid, isDead }) => members.has(pid) && pid !== identity.ownPid && !isDead)
    .map(({ pid, startTicks }) => ({ pid, startTicks }))
    .toSorted((a, b) => Number(b.pid === identity.pid) - Number(a.pid === identity.pid));
}

function readRows(): Row[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => readRow(Number(name)) ?? []);
}

function readRow(pid: number): Row | undefined {
  const stat = readText(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  const fields = stat
    .slice(stat.lastIndexOf(')') + 1)
    .trim()
    .split(' ');
  // proc(5) counts from 1 and the name is field 2: here field n is at n − 3.
  const [state, parent] = fields;
  const startTicks = fields[19];
  if (parent === undefined || startTicks === undefined) return undefined;
  return { pid, parent: Number(parent), startTicks, isDead: state === 'Z' || state === 'X' };
}

/** Whether the process may still be signalled as the one that was listed. */
export const isStill = ({ pid, startTicks }: JobProcess): boolean => {
  const row = readRow(pid);
  return row !== undefined && row.startTicks === startTicks && !row.isDead;
};

const carries = (pid: number, socketPath: string): boolean =>
  readText(`/proc/${pid}/environ`)?.split('\0').includes(`WATTMETER_SOCKET=${socketPath}`) ?? false;

/** Undefined for a process that has gone, or that is somebody else's. */
function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
