import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

import { expect, test } from 'vitest';

import { listMigInstances } from '../../agent/source/mig-instances.ts';
import { nvidiaSmiDouble } from './double.ts';

const folder = (): string => mkdtempSync(join(tmpdir(), 'wattmeter-mig-'));
const { signal } = new AbortController();

/** A PATH on which nvidia-smi is this shell script. */
function scripted(script: string): NodeJS.ProcessEnv {
  const directory = folder();
  const path = join(directory, 'nvidia-smi');
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return { PATH: [directory, '/usr/bin', '/bin'].join(delimiter) };
}

test('instances belong to the GPU that they are listed below', async () => {
  const gpus = [
    { uuid: 'GPU-a', migInstances: ['MIG-1', 'MIG-2'] },
    { uuid: 'GPU-b' },
    { uuid: 'GPU-c', migInstances: ['MIG-3'] },
  ];
  const { env } = nvidiaSmiDouble(folder(), { gpus });
  expect([...(await listMigInstances({ signal, env }))]).toEqual([
    ['MIG-1', 'GPU-a'],
    ['MIG-2', 'GPU-a'],
    ['MIG-3', 'GPU-c'],
  ]);
});

test('names of drivers before 470, and their other spacing, are read as well', async () => {
  const env = scripted(`cat <<'END'
GPU 0: A100-SXM4-40GB (UUID: GPU-e7bd4f6a)
  MIG 3g.20gb Device 0: (UUID: MIG-GPU-e7bd4f6a/1/0)
END`);
  expect([...(await listMigInstances({ signal, env }))]).toEqual([
    ['MIG-GPU-e7bd4f6a/1/0', 'GPU-e7bd4f6a'],
  ]);
});

test.each([
  ['is not there', { PATH: '/nonexistent' }],
  ['fails', scripted('echo "NVIDIA-SMI has failed because"; exit 9')],
  ['hangs', scripted('sleep 60')],
])('an nvidia-smi that %s tells nothing', async (_, env) => {
  expect((await listMigInstances({ signal, env, deadlineSeconds: 0.5 })).size).toBe(0);
});
