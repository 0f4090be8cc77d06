// The directory in which a scheduler's prolog says which job has which GPU.

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { createJobMapping } from '../../agent/attribution/job-mapping.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'wattmeter-mapping-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const gpu = (index: number) => ({ index, uuid: `GPU-${index}0000000-aaaa` });

test('a file per GPU holds the ids of its jobs, by index, by instance or by UUID', async () => {
  writeFileSync(join(folder, '0'), '4711\n');
  writeFileSync(join(folder, '1.0'), '12\n13\n');
  writeFileSync(join(folder, '1.1'), '13\n14_7\n');
  writeFileSync(join(folder, 'GPU-20000000-aaaa'), '\n  99  \n\n');
  writeFileSync(join(folder, '3'), '');
  writeFileSync(join(folder, 'README'), 'not a GPU');
  const mapping = createJobMapping(folder);
  expect(mapping.jobsOf(gpu(0))).toEqual([]);
  expect(await mapping.refresh()).toEqual({ kind: 'read', fileCount: 5 });
  expect([0, 1, 2, 3, 4].map((index) => mapping.jobsOf(gpu(index)))).toEqual([
    ['4711'],
    ['12', '13', '14_7'],
    ['99'],
    [],
    [],
  ]);
});

test('when the epilog takes a file away the job is gone', async () => {
  writeFileSync(join(folder, '0'), '4711\n');
  const mapping = createJobMapping(folder);
  await mapping.refresh();
  rmSync(join(folder, '0'));
  await mapping.refresh();
  expect(mapping.jobsOf(gpu(0))).toEqual([]);
});

test('a directory that cannot be read says so and maps nothing', async () => {
  writeFileSync(join(folder, '0'), '4711\n');
  const mapping = createJobMapping(folder);
  await mapping.refresh();
  rmSync(folder, { recursive: true });
  expect(await mapping.refresh()).toMatchObject({
    kind: 'unreadable',
    message: expect.stringContaining(folder),
  });
  expect(mapping.jobsOf(gpu(0))).toEqual([]);
});

test('a directory that hangs is asked once, holds its word for ten readings, and is heard when it answers', async () => {
  const answers: ((jobs: ReadonlyMap<string, readonly string[]>) => void)[] = [];
  const mapping = createJobMapping(
    folder,
    () =>
      new Promise((resolve) => {
        answers.push((jobs) => resolve({ jobs, fileCount: jobs.size }));
      }),
  );
  const first = mapping.refresh();
  answers[0]?.(new Map([['0', ['4711']]]));
  await first;
  const hanging = mapping.refresh();
  for (let reading = 1; reading < 10; reading += 1)
    expect(await mapping.refresh()).toEqual({ kind: 'waiting' });
  expect(mapping.jobsOf(gpu(0))).toEqual(['4711']);
  expect(await mapping.refresh()).toMatchObject({
    kind: 'unreadable',
    message: expect.stringContaining('it does not answer'),
  });
  expect(mapping.jobsOf(gpu(0))).toEqual([]);
  expect(answers).toHaveLength(2);
  answers[1]?.(new Map([['0', ['4712']]]));
  expect(await hanging).toEqual({ kind: 'read', fileCount: 1 });
  expect(mapping.jobsOf(gpu(0))).toEqual(['4712']);
});

test('what is no file is not waited for', async () => {
  mkdirSync(join(folder, '0'));
  execFileSync('mkfifo', [join(folder, '1')]);
  writeFileSync(join(folder, '2'), 'x\n'.repeat(100_000));
  writeFileSync(join(folder, '3'), '5');
  const mapping = createJobMapping(folder);
  await mapping.refresh();
  expect([0, 1, 2, 3].map((index) => mapping.jobsOf(gpu(index)))).toEqual([[], [], [], ['5']]);
});
