// The control groups of this world, in samples of our own making.

import { expect, test } from 'vitest';

import { cgroupOwner, type CgroupOwner } from '../../agent/attribution/cgroup.ts';

const ID = '3f2a9c0d1e4b5a6978675645342312ab3f2a9c0d1e4b5a6978675645342312ab';
const SHORT = '3f2a9c0d1e4b';
const UID = '0b6e2f1c-8d4a-4c1f-9a55-7d3e21c0ffee';
const UNDERSCORED = '0b6e2f1c_8d4a_4c1f_9a55_7d3e21c0ffee';
const STATIC = 'a3d9c0ffee41b7e2a3d9c0ffee41b7e2';
const pod: CgroupOwner = { kind: 'pod', jobId: UID, containerId: SHORT };
const container: CgroupOwner = { kind: 'container', jobId: SHORT };

const v2: readonly (readonly [string, string, CgroupOwner])[] = [
  [
    'Slurm, v2',
    '/system.slice/slurmstepd.scope/job_4711/step_0/user/task_3',
    { kind: 'slurm', jobId: '4711' },
  ],
  [
    'Slurm, several slurmd on a node',
    '/system.slice/node7_slurmstepd.scope/job_12/step_batch/user/task_0',
    { kind: 'slurm', jobId: '12' },
  ],
  [
    'slurmd in a pod',
    `/kubepods/pod${UID}/${ID}/system.slice/slurmstepd.scope/job_9/step_0`,
    { kind: 'slurm', jobId: '9' },
  ],
  [
    'a pod by containerd, systemd driver, burstable',
    `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${UNDERSCORED}.slice/cri-containerd-${ID}.scope`,
    pod,
  ],
  [
    'a guaranteed pod by CRI-O',
    `/kubepods.slice/kubepods-pod${UNDERSCORED}.slice/crio-${ID}.scope/container`,
    pod,
  ],
  [
    'a best-effort pod by Docker',
    `/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod${UNDERSCORED}.slice/docker-${ID}.scope`,
    pod,
  ],
  ['a pod, cgroupfs driver', `/kubepods/burstable/pod${UID}/${ID}`, pod],
  ['a guaranteed pod, cgroupfs driver', `/kubepods/pod${UID}/${ID}`, pod],
  [
    'a pod of a cluster inside a container (kind)',
    `/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod${UNDERSCORED}.slice/cri-containerd-${ID}.scope`,
    pod,
  ],
  [
    'a pod under containerd.service',
    `/system.slice/containerd.service/kubepods-burstable-pod${UNDERSCORED}.slice:cri-containerd:${ID}`,
    pod,
  ],
  [
    'a pod seen from another cgroup namespace',
    `/../../../kubepods.slice/kubepods-pod${UNDERSCORED}.slice/cri-containerd-${ID}.scope`,
    pod,
  ],
  ['a static pod', `/kubepods/burstable/pod${STATIC}/${ID}`, { ...pod, jobId: STATIC }],
  [
    'the pod itself, without a container',
    `/kubepods/burstable/pod${UID}`,
    { kind: 'pod', jobId: UID },
  ],
  ['Docker, systemd driver', `/system.slice/docker-${ID}.scope`, container],
  ['Docker, cgroupfs driver', `/docker/${ID}`, container],
  ['podman of root', `/machine.slice/libpod-${ID}.scope/container`, container],
  [
    'podman of a user',
    `/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-${ID}.scope/container`,
    container,
  ],
  ['containerd without Kubernetes', `/default/${ID}`, container],
  ['ECS', `/ecs/9c0d1e4b-task/${ID}`, container],
  [
    'LXC',
    '/lxc.payload.train-7/system.slice/cron.service',
    { kind: 'container', jobId: 'train-7' },
  ],
  [
    'a systemd-nspawn machine',
    '/machine.slice/systemd-nspawn@lab\\x2d1.service/payload',
    { kind: 'container', jobId: 'systemd-nspawn@lab-1.service' },
  ],
  ['a service', '/system.slice/triton.service', { kind: 'unit', jobId: 'triton.service' }],
  [
    'a service of a template in a nested slice',
    '/system.slice/system-train.slice/train@llama.service/workers',
    { kind: 'unit', jobId: 'train@llama.service' },
  ],
  [
    'a service of another slice',
    '/batch.slice/fit.service',
    { kind: 'unit', jobId: 'fit.service' },
  ],
  [
    'a scope of systemd-run',
    '/system.slice/run-r1f2.scope',
    { kind: 'unit', jobId: 'run-r1f2.scope' },
  ],
  [
    'an escaped name',
    '/system.slice/fit\\x2dbig.service',
    { kind: 'unit', jobId: 'fit-big.service' },
  ],
  [
    'slurmd without control groups for its jobs',
    '/system.slice/slurmd.service',
    { kind: 'unit', jobId: 'slurmd.service' },
  ],
  ['a session', '/user.slice/user-1000.slice/session-42.scope', { kind: 'user', jobId: '1000' }],
  [
    "a user's own service",
    '/user.slice/user-1007.slice/user@1007.service/app.slice/jupyter.service',
    { kind: 'user', jobId: '1007' },
  ],
  ['the root', '/', { kind: 'process' }],
  ['init', '/init.scope', { kind: 'process' }],
  ['a job_ directory that is not of Slurm', '/batch/job_7/worker', { kind: 'process' }],
  [
    'a removed group',
    '/system.slice/triton.service (deleted)',
    { kind: 'unit', jobId: 'triton.service' },
  ],
];

test.each(v2)('%s', (_, path, owner) => {
  expect(cgroupOwner(`0::${path}\n`)).toEqual(owner);
});

test('in v1 the controller that knows most decides', () => {
  const text = [
    '12:pids:/system.slice/slurmd.service',
    '11:memory:/slurm/uid_1234/job_88/step_batch/task_0',
    '10:cpu,cpuacct:/',
    '5:freezer:/slurm/uid_1234/job_88/step_batch',
    '1:name=systemd:/system.slice/slurmd.service',
    '',
  ].join('\n');
  expect(cgroupOwner(text)).toEqual({ kind: 'slurm', jobId: '88', userId: 1234 });
});

test('v1 with several slurmd names the node in the path', () => {
  const text = '3:cpuset:/slurm_node7/uid_5/job_6/step_0\n0::/system.slice/slurmd.service\n';
  expect(cgroupOwner(text)).toEqual({ kind: 'slurm', jobId: '6', userId: 5 });
});

test('a hybrid hierarchy is read on both sides', () => {
  const text = `4:devices:/docker/${ID}\n1:name=systemd:/docker/${ID}\n0::/system.slice/containerd.service\n`;
  expect(cgroupOwner(text)).toEqual(container);
});

test.each(['', 'not a cgroup file', '0::', '::::'])('%j is nobody in particular', (text) => {
  expect(cgroupOwner(text)).toEqual({ kind: 'process' });
});
