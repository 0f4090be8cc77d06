// nvidia-smi's list of compute processes, from programs of our own that answer, fail or hang.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { listComputeApps, watchComputeApps } from '../../agent/source/compute-apps.ts';
import type { SourceError } from '../../agent/source/source.ts';
import { instant } from '../../agent/units.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'wattmeter-apps-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function program(script: string): string {
  const path = join(folder, 'nvidia-smi');
  writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return path;
}

const never = new AbortController().signal;
const ask = (command: string, deadlineSeconds = 30) =>
  listComputeApps({ command, signal: never, uuids: ['GPU-a', 'GPU-b'], deadlineSeconds });

test('processes are listed by GPU, and a GPU without any is empty', async () => {
  const command = program(`printf 'GPU-a, 4711, 1024\\nGPU-a, 12, [N/A]\\nGPU-c, 13, 0\\n'`);
  expect(await ask(command)).toEqual([
    { uuid: 'GPU-a', processes: [{ pid: 4711, usedBytes: 1_073_741_824 }, { pid: 12 }] },
    { uuid: 'GPU-b', processes: [] },
    { uuid: 'GPU-c', processes: [{ pid: 13, usedBytes: 0 }] },
  ]);
});

test('sentences and torn lines are no processes', async () => {
  const command = program(
    `printf 'No running processes found\\nGPU-a, [N/A], 5\\nGPU-a\\n, 7, 1\\nGPU-a, -3, 1\\n'`,
  );
  expect(await ask(command)).toEqual([
    { uuid: 'GPU-a', processes: [] },
    { uuid: 'GPU-b', processes: [] },
  ]);
});

test('a failure is never an empty GPU', async () => {
  await expect(ask(program('echo lost; exit 15'))).rejects.toMatchObject({ reason: 'gpu-lost' });
  await expect(ask('/nonexistent/nvidia-smi')).rejects.toMatchObject({ reason: 'not-installed' });
});

test('one that hangs is killed at its deadline', async () => {
  const file = join(folder, 'pid');
  const command = program(`echo $$ > ${file}; exec sleep 600`);
  await expect(ask(command, 3)).rejects.toMatchObject({ reason: 'timeout' });
  const pid = Number(readFileSync(file, 'utf8'));
  await expect.poll(() => existsSync(`/proc/${pid}/exe`)).toBe(false);
});

test('the watch goes on after failures, says a reason once, waits longer, and ends with its signal', async () => {
  const abort = new AbortController();
  const waits: number[] = [];
  const faults: SourceError[] = [];
  let now = 1000;
  let answers = 0;
  const command = program(`[ -e ${folder}/well ] && echo 'GPU-a, 7, 1' || exit 9`);
  await watchComputeApps({
    clock: {
      now: () => instant(now),
      wallOffset: () => 0,
      monotonicNanoseconds: () => 0n,
      sleepUntil: (time) => {
        waits.push(time - now);
        now = time;
        if (waits.length === 3) writeFileSync(join(folder, 'well'), '');
        if (answers === 2) abort.abort();
        return Promise.resolve();
      },
    },
    signal: abort.signal,
    command,
    uuids: () => ['GPU-a'],
    onProcesses: (devices, time) => {
      answers += 1;
      expect(devices).toEqual([{ uuid: 'GPU-a', processes: [{ pid: 7, usedBytes: 1_048_576 }] }]);
      expect(time).toBe(now);
    },
    onFault: (failure) => faults.push(failure),
    deadlineSeconds: 30,
  });
  expect(waits).toEqual([10, 20, 40, 5, 5]);
  expect(faults.map(({ reason }) => reason)).toEqual(['driver-not-loaded']);
});
