// Processes, users and the jobs they are found to work for, in a /proc of our own.

import { expect, test } from 'vitest';

import { createProcessReader } from '../../agent/attribution/proc.ts';
import { createJobResolver, type JobResolver } from '../../agent/attribution/resolve.ts';
import { createUserNames } from '../../agent/attribution/users.ts';
import { instant } from '../../agent/units.ts';
import { fakeProc, type FakeProc } from './fake-proc.ts';

const NOW = instant(1_800_000_000);
const UPTIME_SECONDS = 50_000;
const ticksAt = (secondsBeforeNow: number): number => (UPTIME_SECONDS - secondsBeforeNow) * 100;

function resolverOf(proc: FakeProc): JobResolver {
  const passwdFile = proc.file(
    'passwd',
    'root:x:0:0::/root:/bin/sh\nalice:x:1000:100::/:/bin/sh\n',
  );
  const users = createUserNames({ passwdFile, lookUp: () => Promise.resolve(undefined) });
  return createJobResolver(createProcessReader({ procRoot: proc.root }), users);
}

test('a process has a start on the timeline, a command, a user and an owner', () => {
  using proc = fakeProc(UPTIME_SECONDS);
  proc.put({
    pid: 7,
    startTicks: ticksAt(60),
    command: 'we ird) (name',
    cgroup: '0::/a.service\n',
  });
  const facts = createProcessReader({ procRoot: proc.root }).read(7, NOW);
  expect(facts).toMatchObject({
    pid: 7,
    command: 'we ird) (name',
    userId: 1000,
    owner: { kind: 'unit', jobId: 'a.service' },
  });
  expect(facts?.startSeconds).toBeCloseTo(NOW - 60, 6);
});

test('a process that is not there is unknown; one that has just ended is still the one it was', () => {
  using proc = fakeProc(UPTIME_SECONDS);
  const reader = createProcessReader({ procRoot: proc.root });
  expect(reader.read(7, NOW)).toBeUndefined();
  proc.put({ pid: 7, startTicks: ticksAt(60), cgroup: '0::/a.service\n' });
  const seen = reader.read(7, NOW);
  proc.end(7);
  expect(reader.read(7, instant(NOW + 1))).toBe(seen);
});

test('a number that was given to another process is another process', () => {
  using proc = fakeProc(UPTIME_SECONDS);
  const resolve = resolverOf(proc);
  proc.put({ pid: 7, startTicks: ticksAt(60), cgroup: '0::/a.service\n' });
  const first = resolve(7, NOW);
  proc.put({ pid: 7, startTicks: ticksAt(0.2), cgroup: '0::/b.service\n' });
  const second = resolve(7, instant(NOW + 1));
  expect(first?.job.jobId).toBe('a.service');
  expect(second?.job.jobId).toBe('b.service');
  expect(second?.identity).not.toBe(first?.identity);
});

test('a process that began after the look is not the one that was seen', () => {
  using proc = fakeProc(UPTIME_SECONDS);
  const resolve = resolverOf(proc);
  proc.put({ pid: 7, startTicks: ticksAt(-5), cgroup: '0::/b.service\n' });
  // /proc/uptime says that it began 5 s after the time of the look.
  expect(resolve(7, NOW)).toBeUndefined();
});

test('no more processes are remembered than allowed, and the longest unasked goes first', () => {
  using proc = fakeProc(UPTIME_SECONDS);
  const reader = createProcessReader({ procRoot: proc.root, maxProcesses: 2 });
  for (const pid of [1, 2, 3]) proc.put({ pid, startTicks: ticksAt(60), cgroup: '0::/\n' });
  reader.read(1, NOW);
  reader.read(2, NOW);
  reader.read(1, NOW);
  reader.read(3, NOW);
  for (const pid of [1, 2, 3]) proc.end(pid);
  expect([1, 2, 3].map((pid) => reader.read(pid, NOW)?.pid)).toEqual([1, undefined, 3]);
});

const SLURM = '0::/system.slice/slurmstepd.scope/job_4711/step_0\n';
const POD_UID = '0b6e2f1c-8d4a-4c1f-9a55-7d3e21c0ffee';

test.each([
  ['Slurm by control group', { cgroup: SLURM }, { kind: 'slurm', jobId: '4711', user: 'alice' }],
  [
    'Slurm v1, whose path names the user',
    { cgroup: '5:memory:/slurm/uid_0/job_3/step_0\n' },
    { kind: 'slurm', jobId: '3', user: 'root' },
  ],
  [
    'Slurm by environment, where it makes no control groups',
    { cgroup: '0::/system.slice/slurmd.service\n', environment: { SLURM_JOB_ID: '12' } },
    { kind: 'slurm', jobId: '12', user: 'alice' },
  ],
  [
    'a container started from a job is the container',
    {
      cgroup: `0::/docker/${'ab'.repeat(32)}\n`,
      environment: { SLURM_JOB_ID: '12' },
    },
    { kind: 'container', jobId: 'abababababab' },
  ],
  [
    'a pod, whose user numbers are its own',
    { cgroup: `0::/kubepods/burstable/pod${POD_UID}/${'ab'.repeat(32)}\n`, userId: 0 },
    { kind: 'pod', jobId: POD_UID },
  ],
  [
    'a service and whom it runs as',
    { cgroup: '0::/system.slice/triton.service\n', userId: 998 },
    { kind: 'unit', jobId: 'triton.service', user: '998' },
  ],
  [
    'a session, by its user',
    { cgroup: '0::/user.slice/user-1000.slice/session-1.scope\n', userId: 0 },
    { kind: 'user', jobId: '1000', user: 'alice' },
  ],
  [
    'a plain process, by name, number and start',
    { cgroup: '0::/\n', command: 'fit' },
    { kind: 'process', jobId: `fit-7-${ticksAt(60)}`, user: 'alice' },
  ],
  [
    'a job id that is none',
    { cgroup: '0::/\n', command: 'fit', environment: { SLURM_JOB_ID: 'x"y' } },
    { kind: 'process', jobId: `fit-7-${ticksAt(60)}`, user: 'alice' },
  ],
  [
    'the environment of a process that hangs in the kernel is not touched',
    { cgroup: '0::/\n', command: 'fit', state: 'D', environment: { SLURM_JOB_ID: '12' } },
    { kind: 'process', jobId: `fit-7-${ticksAt(60)}`, user: 'alice' },
  ],
])('%s', (_, process, job) => {
  using proc = fakeProc(UPTIME_SECONDS);
  proc.put({ pid: 7, startTicks: ticksAt(60), ...process });
  expect(resolverOf(proc)(7, NOW)?.job).toEqual(job);
});

test('the server of CUDA MPS is known by its name', () => {
  using proc = fakeProc(UPTIME_SECONDS);
  const resolve = resolverOf(proc);
  proc.put({ pid: 7, startTicks: 5, command: 'nvidia-cuda-mps', cgroup: '0::/\n' });
  proc.put({ pid: 8, startTicks: 5, command: 'python3', cgroup: '0::/\n' });
  expect([7, 8].map((pid) => resolve(pid, NOW)?.isMpsServer)).toEqual([true, false]);
});

test('a user of a directory service is a number until the directory has answered, and is asked for once', async () => {
  const asked: number[] = [];
  const users = createUserNames({
    passwdFile: '/nonexistent',
    lookUp: (userId) => {
      asked.push(userId);
      return Promise.resolve(userId === 5 ? 'bob' : undefined);
    },
  });
  expect([users.nameOf(5), users.nameOf(6), users.nameOf(5)]).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  await new Promise((resolve) => setImmediate(resolve));
  expect([users.nameOf(5), users.nameOf(6)]).toEqual(['bob', undefined]);
  expect(asked).toEqual([5, 6]);
});

test('a directory that fails leaves the number', async () => {
  const users = createUserNames({
    passwdFile: '/nonexistent',
    lookUp: () => Promise.reject(new Error('down')),
  });
  users.nameOf(5);
  await new Promise((resolve) => setImmediate(resolve));
  expect(users.nameOf(5)).toBeUndefined();
});

test.runIf(process.platform === 'linux')(
  'the real /proc tells when this very process began',
  () => {
    const now = Date.now() / 1e3;
    const facts = createProcessReader().read(process.pid, instant(now));
    expect(Math.abs((facts?.startSeconds ?? 0) - (now - process.uptime()))).toBeLessThan(2);
    expect(facts?.userId).toBe(process.getuid?.());
  },
);
