import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { eachOf } from '../../agent/ledger/each-of.ts';
import { encodeFrame } from '../../agent/ledger/frame.ts';
import { readJournal, type JournalEntry } from '../../agent/ledger/journal-reader.ts';
import { temporaryDirectory } from './temporary.ts';

const RECORDS = [
  { kind: 'a', text: 'plain' },
  { kind: 'b', text: 'a line\nbreak, ünïcödé and "quotes"', values: [1.5, null, -0] },
  { kind: 'c' },
  { kind: 'd', values: Array.from({ length: 20 }, (_, i) => i / 7) },
];
const LINES = RECORDS.map((record, i) => encodeFrame(i, JSON.stringify(record)));
const WHOLE = Buffer.concat(LINES);

async function read(bytes: Buffer) {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'journal');
  await writeFile(path, bytes);
  const entries: JournalEntry[] = [];
  const end = await eachOf(readJournal(path), (entry) => {
    entries.push(entry);
  });
  return { entries, end };
}

const recordsOf = (entries: readonly JournalEntry[]) =>
  entries.flatMap((entry) => (entry.kind === 'record' ? [entry.record] : []));

describe('reading a journal', () => {
  test('gives back what was written', async () => {
    const { entries, end } = await read(WHOLE);
    expect(recordsOf(entries)).toEqual(JSON.parse(JSON.stringify(RECORDS)));
    expect(end).toEqual({ goodBytes: WHOLE.length, tornBytes: 0, nextSequence: 4 });
  });

  test('finds an empty file to be an empty journal', async () => {
    const { entries, end } = await read(Buffer.alloc(0));
    expect(entries).toEqual([]);
    expect(end).toEqual({ goodBytes: 0, tornBytes: 0, nextSequence: 0 });
  });

  test('recovers from a tail torn at every byte of the last record', async () => {
    const last = LINES.at(-1)?.length ?? 0;
    const good = WHOLE.length - last;
    for (let torn = 0; torn < last; torn += 1) {
      const { entries, end } = await read(WHOLE.subarray(0, good + torn));
      expect(recordsOf(entries)).toHaveLength(3);
      expect(end).toEqual({ goodBytes: good, tornBytes: torn, nextSequence: 3 });
    }
  });

  test('detects any byte that has changed, and never takes it for a record', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: WHOLE.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        async (position, change) => {
          const bytes = Buffer.from(WHOLE);
          bytes[position] = (bytes[position] ?? 0) ^ change;
          const { entries, end } = await read(bytes);
          const records = recordsOf(entries).map((record) => JSON.stringify(record));
          const known = new Set(RECORDS.map((record) => JSON.stringify(record)));
          expect(records.every((record) => known.has(record))).toBe(true);
          expect(new Set(records).size).toBe(records.length);
          const reported = entries.some((entry) => entry.kind !== 'record') || end.tornBytes > 0;
          expect(reported).toBe(true);
        },
      ),
      { seed: 6, numRuns: 500 },
    );
  });

  test('steps over damage in the middle and says what is missing', async () => {
    const bytes = Buffer.from(WHOLE);
    const at = (LINES[0]?.length ?? 0) + 20;
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    const { entries } = await read(bytes);
    expect(entries.map((entry) => entry.kind)).toEqual([
      'record',
      'damage',
      'missing',
      'record',
      'record',
    ]);
    expect(entries[2]).toEqual({ kind: 'missing', firstSequence: 1, count: 1 });
  });

  test('does not count a line twice', async () => {
    const [first, second] = LINES;
    const { entries } = await read(
      Buffer.concat([first, second, second, LINES[2]].map((l) => l ?? Buffer.alloc(0))),
    );
    expect(recordsOf(entries)).toHaveLength(3);
  });

  test('reads lines longer than its chunks', async () => {
    const long = { text: 'x'.repeat(700_000) };
    const { entries } = await read(
      Buffer.concat([encodeFrame(0, JSON.stringify(long)), encodeFrame(1, '{}')]),
    );
    expect(recordsOf(entries)).toEqual([long, {}]);
  });
});
