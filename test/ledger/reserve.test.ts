import { mkdtempSync, existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { reserveRunInTime } from '../../agent/ledger/run-ledger.ts';
import { runDirectory } from '../../agent/ledger/state-dir.ts';
import { instant } from '../../agent/units.ts';

const START = instant(1_795_000_000);

test('reserveRunInTime() makes the directory that holds the socket', async () => {
  const state = mkdtempSync(join(tmpdir(), 'wattmeter-reserve-'));
  const { id, hasDirectory } = await reserveRunInTime(state, START, 60);
  expect(hasDirectory).toBe(true);
  expect(existsSync(runDirectory(state, id))).toBe(true);
});

test('reserveRunInTime() does not wait for a file system that hangs', async () => {
  const hangs = (): Promise<void> => new Promise(() => undefined);
  const { id, hasDirectory } = await reserveRunInTime('/state', START, 0, hangs);
  expect(hasDirectory).toBe(false);
  expect(id).toMatch(/^\d{8}T\d{6}Z-[0-9a-z]{6}$/);
});

test('reserveRunInTime() takes a refusal for an answer', async () => {
  const refuses = (): Promise<void> => Promise.reject(new Error('EACCES'));
  expect((await reserveRunInTime('/state', START, 60, refuses)).hasDirectory).toBe(false);
});
