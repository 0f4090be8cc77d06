// A /proc of our own in a temporary folder.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** One process of the tree. */
export interface FakeProcess {
  readonly pid: number;
  readonly startTicks: number;
  readonly command?: string;
  readonly state?: string;
  readonly cgroup?: string;
  readonly userId?: number;
  readonly environment?: Readonly<Record<string, string>>;
}

export interface FakeProc extends Disposable {
  readonly root: string;
  put(process: FakeProcess): void;
  end(pid: number): void;
  file(name: string, text: string): string;
}

/** A tree whose machine has been up for `uptimeSeconds`. */
export function fakeProc(uptimeSeconds: number): FakeProc {
  const root = mkdtempSync(join(tmpdir(), 'wattmeter-proc-'));
  const file = (name: string, text: string): string => {
    writeFileSync(join(root, name), text);
    return join(root, name);
  };
  file('uptime', `${uptimeSeconds.toFixed(2)} 99.00\n`);
  return {
    root,
    file,
    put(process) {
      const folder = String(process.pid);
      mkdirSync(join(root, folder), { recursive: true });
      const { pid, startTicks, command = 'python3', state = 'S', userId = 1000 } = process;
      // Fields 4 to 21, 22 the start, and a few behind it.
      const middle = Array.from({ length: 18 }, (_, at) => String(at + 4)).join(' ');
      file(`${folder}/stat`, `${pid} (${command}) ${state} ${middle} ${startTicks} 4096 12\n`);
      file(`${folder}/status`, `Name:\t${command}\nUid:\t${userId}\t0\t0\t0\nGid:\t5\t5\t5\t5\n`);
      if (process.cgroup !== undefined) file(`${folder}/cgroup`, process.cgroup);
      if (process.environment !== undefined) {
        const entries = Object.entries(process.environment).map(([k, v]) => `${k}=${v}`);
        file(`${folder}/environ`, `${entries.join('\0')}\0`);
      }
    },
    end: (pid) => rmSync(join(root, String(pid)), { recursive: true }),
    [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }),
  };
}
