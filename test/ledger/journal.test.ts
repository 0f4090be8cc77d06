import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { decodeFrame } from '../../agent/ledger/frame.ts';
import { Journal, type JournalOptions, type LedgerFault } from '../../agent/ledger/journal.ts';
import { fakeDisk, fakeTimer, settle, type DiskMood } from './fake-disk.ts';

function openJournal(options: Partial<JournalOptions> = {}) {
  const disk = fakeDisk();
  const time = fakeTimer();
  const faults: LedgerFault[] = [];
  const journal = new Journal({
    path: '/state/journal',
    open: () => Promise.resolve({ file: disk.file, lengthBytes: 0, nextSequence: 0 }),
    flushSeconds: 1,
    onFault: (fault) => faults.push(fault),
    timer: time.timer,
    ...options,
  });
  return { disk, time, faults, journal };
}

function framesIn(bytes: Buffer) {
  const lines = bytes.toString('latin1').split('\n');
  expect(lines.pop()).toBe('');
  return lines.map((line) => decodeFrame(Buffer.from(line, 'latin1')));
}

const idsIn = (bytes: Buffer) =>
  framesIn(bytes).map((frame) => (frame?.record as { id: number } | undefined)?.id);

describe('a journal', () => {
  test('has a record with the kernel before append settles, and on the disk after a flush', async () => {
    const { disk, time, journal } = openJournal();
    expect(await journal.append({ id: 1 })).toBe('written');
    expect(idsIn(disk.bytes)).toEqual([1]);
    expect(disk.durable.length).toBe(0);
    await time.advance(1);
    expect(idsIn(disk.durable)).toEqual([1]);
  });

  test('goes on in memory when the disk is full, says so once, and catches up', async () => {
    const { disk, time, faults, journal } = openJournal();
    await journal.append({ id: 0 });
    disk.mood = 'full';
    for (const id of [1, 2, 3]) expect(await journal.append({ id })).toBe('held');
    await time.advance(100);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatchObject({ kind: 'failing', path: '/state/journal' });
    expect(faults[0]).toHaveProperty('message', expect.stringContaining('ENOSPC'));
    disk.mood = 'well';
    await time.advance(60);
    expect(idsIn(disk.bytes)).toEqual([0, 1, 2, 3]);
    expect(faults[1]).toMatchObject({ kind: 'caught-up', droppedRecords: 0 });
    expect(await journal.append({ id: 4 })).toBe('written');
  });

  test('retries ever more rarely, up to once a minute', async () => {
    let opened = 0;
    const { time, journal } = openJournal({
      open: () => {
        opened += 1;
        return Promise.reject(Object.assign(new Error('no'), { code: 'EACCES' }));
      },
    });
    await journal.append({ id: 1 });
    await time.advance(63);
    expect(opened).toBe(7);
    await time.advance(600);
    expect(opened).toBe(17);
  });

  test('writes again what a failed sync may have thrown away', async () => {
    const { disk, time, faults, journal } = openJournal();
    await journal.append({ id: 1 });
    await time.advance(1);
    await journal.append({ id: 2 });
    disk.mood = 'failing-sync';
    await time.advance(1);
    expect(faults).toMatchObject([{ kind: 'failing' }]);
    expect(await journal.append({ id: 3 })).toBe('held');
    disk.mood = 'well';
    await time.advance(2);
    expect(idsIn(disk.bytes)).toEqual([1, 2, 3]);
    await time.advance(1);
    expect(idsIn(disk.durable)).toEqual([1, 2, 3]);
  });

  test('does not wait for a disk that hangs', async () => {
    const { disk, time, faults, journal } = openJournal();
    await journal.append({ id: 0 });
    disk.mood = 'hung';
    const first = journal.append({ id: 1 });
    await time.advance(2);
    expect(await first).toBe('held');
    expect(await journal.append({ id: 2 })).toBe('held');
    expect(faults).toHaveLength(1);
    disk.release();
    await settle();
    expect(idsIn(disk.bytes)).toEqual([0, 1, 2]);
    expect(faults[1]).toMatchObject({ kind: 'caught-up' });
  });

  test('waits for a disk that is slow but answers, however much there is to write', async () => {
    const { disk, time, faults, journal } = openJournal();
    disk.mood = 'hung';
    const all = Array.from({ length: 1000 }, (_, id) => journal.append({ id }));
    for (let batch = 0; batch < 4; batch += 1) {
      await time.advance(1.5);
      disk.release();
      disk.mood = 'hung';
      await settle();
    }
    expect(faults).toEqual([]);
    expect(new Set(await Promise.all(all))).toEqual(new Set(['written']));
  });

  test('closes in time though the disk hangs, and says that not all is kept', async () => {
    const { disk, time, journal } = openJournal();
    await journal.append({ id: 0 });
    disk.mood = 'hung';
    void journal.append({ id: 1 });
    const closed = journal.close(0.5);
    await time.advance(0.5);
    expect(await closed).toBe(false);
  });

  test('tries once more at its close', async () => {
    const { disk, journal } = openJournal();
    disk.mood = 'full';
    await journal.append({ id: 1 });
    disk.mood = 'well';
    expect(await journal.close(1)).toBe(true);
    expect(idsIn(disk.durable)).toEqual([1]);
  });

  test('bounds what it holds: what is essential stays, what is dropped leaves a hole that shows', async () => {
    const { disk, time, faults, journal } = openJournal({ heldBytesLimit: 1000 });
    disk.mood = 'full';
    await journal.append({ id: 0 }, true);
    for (let id = 1; id < 500; id += 1) await journal.append({ id });
    disk.mood = 'well';
    await time.advance(60);
    const ids = idsIn(disk.bytes);
    expect(ids[0]).toBe(0);
    expect(ids.at(-1)).toBe(499);
    expect(ids.length).toBeLessThan(150);
    expect(faults[1]).toMatchObject({ kind: 'caught-up', droppedRecords: 500 - ids.length });
    const sequences = framesIn(disk.bytes).map((frame) => frame?.sequence);
    expect(sequences).toEqual(ids);
  });

  test('leaves no rubbish of a torn write behind a shorter one', async () => {
    const { disk, time, journal } = openJournal({ heldBytesLimit: 1000 });
    disk.mood = 'full';
    for (let id = 0; id < 250; id += 1) void journal.append({ id });
    await settle();
    expect(disk.bytes.length).toBeGreaterThan(2500);
    for (let id = 250; id < 300; id += 1) void journal.append({ id });
    disk.mood = 'well';
    await time.advance(60);
    const ids = idsIn(disk.bytes);
    expect(ids.length).toBeLessThan(150);
    expect(ids.at(-1)).toBe(299);
    expect(framesIn(disk.bytes).every((frame) => frame !== undefined)).toBe(true);
  });

  test('mends a sync that failed while a write was under way', async () => {
    const disk = fakeDisk();
    let open = (): void => undefined;
    let gated = false;
    const gate = (): Promise<void> =>
      gated ? new Promise((resolve) => (open = resolve)) : Promise.resolve();
    const file = {
      ...disk.file,
      write: async (bytes: Buffer, position: number) => {
        await gate();
        await disk.file.write(bytes, position);
      },
    };
    const { time, faults, journal } = openJournal({
      open: () => Promise.resolve({ file, lengthBytes: 0, nextSequence: 0 }),
    });
    await journal.append({ id: 0 });
    gated = true;
    void journal.append({ id: 1 });
    disk.mood = 'failing-sync';
    await time.advance(1);
    expect(faults).toMatchObject([{ kind: 'failing' }]);
    gated = false;
    disk.mood = 'well';
    open();
    await time.advance(60);
    expect(idsIn(disk.bytes)).toEqual([0, 1]);
    expect(idsIn(disk.durable)).toEqual([0, 1]);
    expect(faults.map((fault) => fault.kind)).toEqual(['failing', 'caught-up']);
  });

  test('loses nothing and repeats nothing, whatever the disk does in between', async () => {
    const moods = fc.constantFrom<DiskMood>('well', 'full', 'failing-sync', 'hung');
    const step = fc.record({ mood: moods, appends: fc.nat(4), seconds: fc.nat(9) });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const { disk, time, journal } = openJournal();
        let id = 0;
        for (const { mood, appends, seconds } of steps) {
          if (disk.mood === 'hung') disk.release();
          disk.mood = mood;
          for (let i = 0; i < appends; i += 1) void journal.append({ id: id++ });
          await time.advance(seconds);
        }
        disk.release();
        await time.advance(200);
        const expected = Array.from({ length: id }, (_, i) => i);
        expect(idsIn(disk.bytes)).toEqual(expected);
        expect(await journal.close(1)).toBe(true);
        expect(idsIn(disk.durable)).toEqual(expected);
      }),
      { seed: 7, numRuns: 300 },
    );
  });
});
