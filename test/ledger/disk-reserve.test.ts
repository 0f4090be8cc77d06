import { open } from 'node:fs/promises';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { openReserve, readReserve, type Reserve } from '../../agent/ledger/disk-reserve.ts';
import type { LedgerRecord } from '../../agent/ledger/records.ts';
import { mountSmallDisk } from './small-disk.ts';
import { temporaryDirectory } from './temporary.ts';

const factsOf = (round: number): LedgerRecord[] => [{ kind: 'facts', facts: { round } }];

async function opened(path: string): Promise<Reserve> {
  const reserve = await openReserve(path);
  if (reserve === undefined) throw new Error('There is room.');
  return reserve;
}

test('holds what was kept last, over a restart too, until it is cleared', async () => {
  await using state = await temporaryDirectory();
  const path = join(state.path, 'reserve');
  expect(await readReserve(path)).toBeUndefined();
  for (const start of [0, 3]) {
    await using reserve = await opened(path);
    for (let round = start; round < start + 3; round += 1) {
      expect(await reserve.keep(7, factsOf(round))).toBe(true);
      expect(await readReserve(path)).toEqual({ segment: 7, records: factsOf(round) });
    }
  }
  await using last = await opened(path);
  await last.clear();
  expect(await readReserve(path)).toBeUndefined();
});

test('falls back on the one before where the newest is torn', async () => {
  await using state = await temporaryDirectory();
  const path = join(state.path, 'reserve');
  await using reserve = await opened(path);
  await reserve.keep(1, factsOf(1));
  await reserve.keep(1, factsOf(2));
  await using file = await open(path, 'r+');
  // The second was written to the first half.
  await file.write('torn', 20);
  expect(await readReserve(path)).toEqual({ segment: 1, records: factsOf(1) });
});

test('refuses what is larger than its room', async () => {
  await using state = await temporaryDirectory();
  const path = join(state.path, 'reserve');
  await using reserve = await opened(path);
  await reserve.keep(1, factsOf(1));
  const large: LedgerRecord = { kind: 'facts', facts: { text: 'x'.repeat(600_000) } };
  expect(await reserve.keep(1, [large])).toBe(false);
  expect(await readReserve(path)).toEqual({ segment: 1, records: factsOf(1) });
});

test('takes no room where there is little', async ({ skip }) => {
  await using state = await temporaryDirectory();
  using disk = mountSmallDisk(state.path, '4m');
  if (disk === undefined) return skip('mount(8) may not mount a tmpfs here');
  expect(await openReserve(join(disk.path, 'reserve'))).toBeUndefined();
  expect(await readReserve(join(disk.path, 'reserve'))).toBeUndefined();
  return undefined;
});
