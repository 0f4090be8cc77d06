// Names of pods, from a kubelet of our own on a real socket, and from lists.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Server, ServerCredentials } from '@grpc/grpc-js';
import { expect, test } from 'vitest';

import { podResourcesService, type PodDevices } from '../../agent/attribution/pod-resources.ts';
import { createPodNames, type PodNames } from '../../agent/attribution/pods.ts';
import { instant } from '../../agent/units.ts';

const NOW = instant(1_800_000_000);
const pod = (name: string, ...deviceIds: readonly string[]): PodDevices => ({
  namespace: 'train',
  name,
  deviceIds,
});

async function named(
  listed: readonly PodDevices[],
  see: (names: PodNames) => void,
): Promise<PodNames> {
  const names = createPodNames({ list: () => Promise.resolve(listed) });
  see(names);
  await names.refresh(instant(NOW + 1));
  return names;
}

test('the only pod that holds all GPUs on which a uid was seen gives it its name', async () => {
  const listed = [pod('llama-0', 'GPU-a', 'GPU-b'), pod('bert-0', 'GPU-c')];
  const names = await named(listed, (made) => {
    made.see('u1', 'GPU-a', NOW);
    made.see('u1', 'GPU-b', NOW);
    made.see('u2', 'GPU-c', NOW);
    made.see('u3', 'GPU-d', NOW);
  });
  expect(['u1', 'u2', 'u3', 'u4'].map((uid) => names.nameOf(uid))).toEqual([
    'train/llama-0',
    'train/bert-0',
    undefined,
    undefined,
  ]);
});

test('pods that share a GPU are told apart by their hostnames, or not at all', async () => {
  const listed = [pod('a', 'GPU-a::0'), pod('b', 'GPU-a::1')];
  const names = await named(listed, (made) => {
    made.see('u1', 'GPU-a', NOW, 'a');
    made.see('u2', 'GPU-a', NOW);
  });
  expect([names.nameOf('u1'), names.nameOf('u2')]).toEqual(['train/a', undefined]);
});

test('a MIG instance proves nothing without a hostname', async () => {
  const listed = [pod('a', 'MIG-0b6e2f1c'), pod('b', 'GPU-z')];
  const names = await named(listed, (made) => {
    made.see('u1', 'GPU-a', NOW);
    made.see('u2', 'GPU-a', NOW, 'a');
  });
  expect([names.nameOf('u1'), names.nameOf('u2')]).toEqual([undefined, 'train/a']);
});

test('a list from before a pod was seen does not name it', async () => {
  const names = createPodNames({ list: () => Promise.resolve([pod('old', 'GPU-a')]) });
  names.see('u1', 'GPU-a', NOW);
  await names.refresh(instant(NOW - 5));
  expect(names.nameOf('u1')).toBeUndefined();
  await names.refresh(instant(NOW + 5));
  expect(names.nameOf('u1')).toBe('train/old');
});

test('pods keep their names when the kubelet goes away, and are forgotten in the end', async () => {
  let isUp = true;
  const names = createPodNames({
    list: () => (isUp ? Promise.resolve([pod('a', 'GPU-a')]) : Promise.reject(new Error('down'))),
  });
  names.see('u1', 'GPU-a', NOW);
  await names.refresh(NOW);
  isUp = false;
  expect(await names.refresh(NOW)).toMatchObject({ kind: 'absent' });
  expect(names.nameOf('u1')).toBe('train/a');
  isUp = true;
  await names.refresh(instant(NOW + 10_000));
  expect(names.nameOf('u1')).toBeUndefined();
});

test('a node without a kubelet says so in one line', async () => {
  const state = await createPodNames({ socketPath: '/nonexistent/kubelet.sock' }).refresh(NOW);
  expect(state).toEqual({
    kind: 'absent',
    message: expect.stringMatching(
      /^Pods are known by uid alone: .*\/nonexistent\/kubelet\.sock.*\?$/,
    ),
  });
});

test('the list is asked for over gRPC on the socket', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'wattmeter-kubelet-'));
  const socketPath = join(folder, 'kubelet.sock');
  const server = new Server();
  const { service } = await podResourcesService();
  const devices = [{ deviceIds: ['GPU-a', 'GPU-b'] }];
  server.addService(service, {
    List: (_: unknown, answer: (failure: null, response: object) => void) =>
      answer(null, {
        podResources: [{ name: 'llama-0', namespace: 'train', containers: [{ devices }] }],
      }),
  });
  try {
    await new Promise<void>((resolve, reject) => {
      server.bindAsync(`unix://${socketPath}`, ServerCredentials.createInsecure(), (failure) =>
        failure === null ? resolve() : reject(failure),
      );
    });
    const names = createPodNames({ socketPath });
    names.see('u1', 'GPU-b', NOW);
    expect(await names.refresh(NOW)).toEqual({ kind: 'listed', podCount: 1 });
    expect(names.nameOf('u1')).toBe('train/llama-0');
  } finally {
    server.forceShutdown();
    rmSync(folder, { recursive: true, force: true });
  }
});
