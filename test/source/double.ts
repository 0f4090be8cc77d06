// Puts the nvidia-smi double on a PATH of its own, with a scenario and a log of what was started.

import { existsSync, readFileSync } from 'node:fs';
import { delimiter, dirname, join, resolve } from 'node:path';

/** What the double's log says of one process. */
interface DoubleEvent {
  readonly event: 'start' | 'sigterm' | 'end';
  readonly pid: number;
  readonly args: readonly string[];
  readonly time: number;
}

/** A scenario on PATH. */
export interface Double {
  readonly env: NodeJS.ProcessEnv;
  /** What has been started and ended so far. */
  log(): DoubleEvent[];
}

const doubles = resolve(import.meta.dirname, '../doubles');

/** The double with a scenario; `folder` takes its log. */
export function nvidiaSmiDouble(folder: string, scenario: object): Double {
  const logFile = join(folder, `double-${Math.random().toString(36).slice(2)}.log`);
  return {
    env: {
      ...process.env,
      // Node itself must be found, by the double's first line and by the inventory.
      PATH: [doubles, dirname(process.execPath), '/usr/bin', '/bin'].join(delimiter),
      WATTMETER_DOUBLE_SCENARIO: JSON.stringify(scenario),
      WATTMETER_DOUBLE_LOG: logFile,
    },
    log: () =>
      existsSync(logFile)
        ? readFileSync(logFile, 'utf8')
            .trim()
            .split('\n')
            .map((line) => JSON.parse(line) as DoubleEvent)
        : [],
  };
}

/** Whether a process is still there, and not just waiting to be buried. */
export function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
