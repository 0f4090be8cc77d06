import { appendFile, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import {
  intervalAt,
  setCharge,
  type IntervalColumns,
  type RowSpan,
} from '../../agent/interval-columns.ts';
import { ColumnsError, readColumns, readSeal } from '../../agent/ledger/columns-reader.ts';
import { createColumnsWriter } from '../../agent/ledger/columns-writer.ts';
import { readRunFacts, rechargeAccount } from '../../agent/ledger/read-run.ts';
import { recoverRuns } from '../../agent/ledger/recover.ts';
import type { RunRecord } from '../../agent/ledger/records.ts';
import { resumeRunLedger } from '../../agent/ledger/resume-run.ts';
import { createRunLedger, type RunLedger } from '../../agent/ledger/run-ledger.ts';
import { runColumnsPath, runJournalPath, runSummaryPath } from '../../agent/ledger/state-dir.ts';
import type { Charge, ChargedInterval, Interval } from '../../agent/model.ts';
import { instant, kilowattHours } from '../../agent/units.ts';
import { chargedIntervals, device, interval, run, sensor, START } from '../account-doubles.ts';
import { temporaryDirectory } from './temporary.ts';

const writer = { version: 'test', pid: 1 };
const at = (seconds: number) => instant(START + seconds);
const options = (stateDirectory: string) => ({
  stateDirectory,
  writer,
  flushSeconds: 1,
  onFault: (fault: unknown) => expect(fault).toBeUndefined(),
});

/** Twice the price that is stored: what was read and what was charged can be told apart. */
function dearer(): {
  opened: number;
  open: () => Promise<{
    charge(one: Interval): Charge;
    chargeRows(columns: IntervalColumns, span: RowSpan, uuidOf: (device: number) => string): void;
  }>;
} {
  const charge = (one: Interval): Charge => ({
    facilityKilowattHours: kilowattHours(one.energyJoules / 3e6),
    costAmount: one.energyJoules / 5e6,
    creditAmount: 0,
    gainCostAmount: one.uncertainty.gainJoules / 5e6,
    offsetCostAmount: 0,
    aliasCostAmount: 0,
  });
  const counted = {
    opened: 0,
    open() {
      counted.opened += 1;
      return Promise.resolve({
        charge,
        chargeRows(
          columns: IntervalColumns,
          { from, to }: RowSpan,
          uuidOf: (device: number) => string,
        ) {
          for (let row = from; row < to; row += 1)
            setCharge(columns, row, charge(intervalAt(columns, row, uuidOf)));
        },
      });
    },
  };
  return counted;
}

async function booksOf(stateDirectory: string, id: string) {
  const { open } = dearer();
  const { account, stored } = await rechargeAccount(stateDirectory, id, open);
  return { stored, books: account.books(stored) };
}

/** The same from the journal alone. */
async function journalBooksOf(stateDirectory: string, id: string) {
  const path = runColumnsPath(stateDirectory, id);
  const columns = await readFile(path);
  await rm(path);
  const books = await booksOf(stateDirectory, id);
  await writeFile(path, columns);
  return books;
}

// A run has columns once it fills a block of 4,096 rows.
const SECONDS = 2200;

async function feed(ledger: RunLedger, from: number, to: number): Promise<void> {
  for (let second = from; second < to; second += 1) {
    const gap = second % 97 === 0 ? { energyJoules: 0, observed: 0, gap: 1, estimate: 200 } : {};
    const edges = { startEdgeJoules: 2, endEdgeJoules: second % 7, gainJoules: 3 + (second % 5) };
    const kept = ledger.addSlot([
      interval({ at: second, ...edges, energyJoules: 250 + (second % 11), ...gap }),
      interval({ uuid: 'GPU-b', at: second, ...edges, energyJoules: 100.1 }),
    ]);
    if (second % 64 === 0) await kept;
  }
}

async function longRun(stateDirectory: string, windows = false): Promise<string> {
  const ledger = createRunLedger({
    ...options(stateDirectory),
    run: { host: 'node1', startSeconds: at(0), labels: {} },
  });
  for (const uuid of ['GPU-a', 'GPU-b']) await ledger.addDevice(device(uuid), sensor);
  await ledger.addFacts({ pricing: { price: 0.2 } });
  await feed(ledger, 0, 1000);
  if (windows) await ledger.openWindow('epoch', at(900));
  await ledger.addDevice({ ...device('GPU-a'), driverVersion: '570' }, sensor);
  await ledger.addWarning({ code: 'x', message: 'y' }, 'GPU-b');
  await feed(ledger, 1000, SECONDS);
  const epoch = { name: 'epoch', startSeconds: at(900), endSeconds: at(2100), steps: 3 };
  if (windows) await ledger.addWindow(epoch);
  await ledger.addFacts({ machine: { cores: 2 } });
  expect(await ledger.close({ endSeconds: at(SECONDS), exitCode: 0 })).toBe(true);
  return ledger.run.id;
}

describe('columns', () => {
  const rows = chargedIntervals({ uuids: ['GPU-a', 'GPU-b'] });

  test('give back the records and intervals that were written, in their order and to the last bit', async () => {
    await using state = await temporaryDirectory();
    const path = join(state.path, 'columns');
    const journal = join(state.path, 'journal');
    await writeFile(journal, 'twelve bytes');
    await fc.assert(
      fc.asyncProperty(rows, fc.integer({ min: 1, max: 9 }), async (intervals, blockRows) => {
        const written: (RunRecord | ChargedInterval)[] = [
          { kind: 'run', version: 1, run, writer },
          { kind: 'device', number: 0, device: device('GPU-a'), sensor },
          { kind: 'device', number: 1, device: device('GPU-b'), sensor },
          ...intervals.slice(0, 5),
          { kind: 'facts', facts: { x: 1 } },
          ...intervals.slice(5),
          { kind: 'end', endSeconds: at(60) },
        ];
        const columns = createColumnsWriter(path, blockRows);
        for (const one of written) {
          if ('kind' in one) columns.addRecord(one);
          else columns.addInterval(one);
        }
        await columns.seal(12);
        if (intervals.length < blockRows) {
          expect(await readSeal(path, journal)).toBeUndefined();
          return;
        }
        expect(await readSeal(path, journal)).toMatchObject({ facts: { x: 1 }, hasWindows: false });
        const read: unknown[] = [];
        await readColumns(path, {
          record: (record) => read.push(record),
          rows(block, { from, to }, uuidOf) {
            for (let row = from; row < to; row += 1) read.push(intervalAt(block, row, uuidOf));
          },
        });
        const withoutCharges = written.map((one) => {
          if ('kind' in one) return one;
          const { charge: _charge, ...rest } = one;
          return rest;
        });
        expect(read).toStrictEqual(withoutCharges);
        await rm(path);
      }),
      { seed: 55, numRuns: 60 },
    );
  });

  test('are not made where they cannot be, and nobody hears of it', async () => {
    await using state = await temporaryDirectory();
    const columns = createColumnsWriter(join(state.path, 'no such folder', 'columns'), 2);
    columns.addRecord({ kind: 'device', number: 0, device: device('GPU-a'), sensor });
    for (let second = 0; second < 9; second += 1) columns.addInterval(interval({ at: second }));
    await expect(columns.seal(1)).resolves.toBeUndefined();
    await expect(columns.abandon()).resolves.toBeUndefined();
    expect(await readdir(state.path)).toEqual([]);
  });

  test('are taken away when the journal is no longer what they hold', async () => {
    await using state = await temporaryDirectory();
    const path = join(state.path, 'columns');
    const columns = createColumnsWriter(path, 2);
    columns.addRecord({ kind: 'device', number: 0, device: device('GPU-a'), sensor });
    for (let second = 0; second < 9; second += 1) columns.addInterval(interval({ at: second }));
    await columns.written();
    expect((await stat(path)).size).toBeGreaterThan(0);
    await columns.abandon();
    await expect(stat(path)).rejects.toThrow('ENOENT');
  });
});

describe('a stored run with columns', () => {
  test.each([false, true])(
    'has the books that its journal has, to the last bit (windows: %s)',
    async (windows) => {
      await using state = await temporaryDirectory();
      const id = await longRun(state.path, windows);
      const { books, stored } = await booksOf(state.path, id);
      expect(await journalBooksOf(state.path, id)).toEqual({ books, stored });
      expect(books.windows).toHaveLength(windows ? 1 : 0);
      expect(books.devices[0]?.totals.costAmount).toBeGreaterThan(0);
      expect(await readRunFacts(state.path, id)).toEqual({
        pricing: { price: 0.2 },
        machine: { cores: 2 },
      });
    },
  );

  test('is not read from its journal: neither facts nor intervals', async () => {
    await using state = await temporaryDirectory();
    const id = await longRun(state.path);
    const { size } = await stat(runJournalPath(state.path, id));
    const { books } = await booksOf(state.path, id);
    // A journal of the same size that holds nothing.
    await writeFile(runJournalPath(state.path, id), Buffer.alloc(size));
    expect((await booksOf(state.path, id)).books).toEqual(books);
    expect(await readRunFacts(state.path, id)).toMatchObject({ pricing: { price: 0.2 } });
  });

  test.each([
    ['a byte of its numbers', 9000],
    ['a byte of a head', 40],
  ])('is read from its journal when %s has changed', async (_, position) => {
    await using state = await temporaryDirectory();
    const id = await longRun(state.path);
    const { books } = await booksOf(state.path, id);
    const path = runColumnsPath(state.path, id);
    const bytes = await readFile(path);
    bytes[position] = (bytes[position] ?? 0) ^ 1;
    await writeFile(path, bytes);
    const nothing = { record: () => undefined, rows: () => undefined };
    await expect(readColumns(path, nothing)).rejects.toThrow(ColumnsError);
    const charges = dearer();
    const { account, stored } = await rechargeAccount(state.path, id, charges.open);
    expect(account.books(stored)).toEqual(books);
    // Charging remembers what it has seen, so it begins anew with the journal.
    expect(charges.opened).toBe(2);
  });

  test('is read from its journal when that has grown, and when the columns are not sealed', async () => {
    await using state = await temporaryDirectory();
    const id = await longRun(state.path);
    const seal = (): Promise<unknown> =>
      readSeal(runColumnsPath(state.path, id), runJournalPath(state.path, id));
    expect(await seal()).toMatchObject({ kind: 'seal' });
    const { size } = await stat(runColumnsPath(state.path, id));
    await truncate(runColumnsPath(state.path, id), size - 2);
    expect(await seal()).toBeUndefined();
    expect((await booksOf(state.path, id)).stored.closed).toBe(true);
    await appendFile(runJournalPath(state.path, id), 'more\n');
    expect(await seal()).toBeUndefined();
  });

  test('has none while it is short: its journal is as fast', async () => {
    await using state = await temporaryDirectory();
    const ledger = createRunLedger({
      ...options(state.path),
      run: { host: 'node1', startSeconds: at(0), labels: {} },
    });
    await ledger.addDevice(device('GPU-a'), sensor);
    await ledger.addSlot([interval({})]);
    await ledger.close({ endSeconds: at(1) });
    await expect(stat(runColumnsPath(state.path, ledger.run.id))).rejects.toThrow('ENOENT');
  });

  test('has them again after a recovery, and after it was resumed', async () => {
    await using state = await temporaryDirectory();
    const id = await longRun(state.path);
    const journal = runJournalPath(state.path, id);
    const text = await readFile(journal, 'utf8');
    await truncate(journal, text.lastIndexOf('\n', text.length - 2) + 1);
    await rm(runSummaryPath(state.path, id));
    await recoverRuns(state.path);
    const recovered = await booksOf(state.path, id);
    expect(await readSeal(runColumnsPath(state.path, id), journal)).toBeDefined();
    expect(recovered.books.warnings.map((warning) => warning.code)).toEqual(['recovered']);
    expect(await journalBooksOf(state.path, id)).toEqual(recovered);

    const { ledger } = await resumeRunLedger({ ...options(state.path), id, atSeconds: at(2300) });
    await feed(ledger, 2300, 2400);
    await ledger.close({ endSeconds: at(2400) });
    const resumed = await booksOf(state.path, id);
    expect(await readSeal(runColumnsPath(state.path, id), journal)).toBeDefined();
    expect(resumed.books.devices[0]?.totals.gapSeconds['no-reading']).toBeGreaterThan(99);
    expect(await journalBooksOf(state.path, id)).toEqual(resumed);
  });

  test('of a damaged journal has none: the damage is to be said at every reading', async () => {
    await using state = await temporaryDirectory();
    const id = await longRun(state.path);
    const journal = runJournalPath(state.path, id);
    const bytes = await readFile(journal);
    const middle = bytes.indexOf('"slot"') + 40;
    bytes[middle] = (bytes[middle] ?? 0) ^ 1;
    await writeFile(journal, bytes);
    await rm(runSummaryPath(state.path, id));
    await recoverRuns(state.path);
    await expect(stat(runColumnsPath(state.path, id))).rejects.toThrow('ENOENT');
    const { stored } = await booksOf(state.path, id);
    expect(stored.warnings.map((warning) => warning.code)).toEqual(['ledger-damaged']);
  });
});
