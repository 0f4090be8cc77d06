import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { createAccount } from '../../agent/account.ts';
import { decodeRecord } from '../../agent/ledger/decode.ts';
import type { LedgerRecord } from '../../agent/ledger/records.ts';
import { isRunId, newRunId } from '../../agent/ledger/run-id.ts';
import { decodeRow, encodeRow } from '../../agent/ledger/slot-rows.ts';
import { instant, joules } from '../../agent/units.ts';
import { chargedIntervals, device, interval, run, sensor, START } from '../account-doubles.ts';

const throughJson = <T>(value: T): unknown => JSON.parse(JSON.stringify(value));
const uuidOf = (number: number): string | undefined => (number === 5 ? 'GPU-a' : undefined);

describe('rows', () => {
  test('give back their interval exactly', () => {
    fc.assert(
      fc.property(chargedIntervals(), (intervals) => {
        for (const one of intervals) {
          const row = throughJson(encodeRow(one, 5)) as unknown[];
          expect(decodeRow(row, uuidOf)).toEqual(one);
        }
      }),
      { seed: 10, numRuns: 100 },
    );
  });

  test('keep what is unknown unknown', () => {
    const { costAmount: _cost, locationBasedGrams: _grams, ...charge } = interval({}).charge;
    const bare = { ...interval({ observed: 0, gap: 1 }), charge };
    const full = {
      ...interval({}),
      counterJoules: joules(1),
      integralJoules: joules(2),
      charge: { ...interval({}).charge, marketBasedGrams: interval({}).charge.locationBasedGrams },
    };
    for (const one of [bare, full]) {
      expect(decodeRow(throughJson(encodeRow(one as never, 5)) as unknown[], uuidOf)).toEqual(one);
    }
  });

  test('are refused when any required cell is missing or no number', () => {
    const row = encodeRow(interval({}), 5);
    const optional = new Set([6, 16, 17, 19, 20, 23, 24, 25, 26, 27, 28, 29, 30]);
    for (let at = 0; at < row.length; at += 1) {
      expect(decodeRow(row.with(at, 'x' as never), uuidOf), `column ${at}`).toBeUndefined();
      const decoded = decodeRow(row.with(at, null), uuidOf);
      expect(decoded === undefined, `column ${at}`).toBe(!optional.has(at));
    }
    expect(decodeRow(row.with(0, 6), uuidOf)).toBeUndefined();
    expect(decodeRow(row.with(6, { tired: 1 }), uuidOf)).toBeUndefined();
  });

  test('of a journal that did not keep utilisation end one cell earlier, and it is unknown', () => {
    const row = encodeRow(interval({ utilizationRatio: 0 }), 5);
    expect(decodeRow(row, uuidOf)?.utilizationRatio).toBe(0);
    expect(decodeRow(row.slice(0, -1), uuidOf)).toEqual(interval({}));
  });

  test('of a NaN are refused rather than believed to be 0', () => {
    const row = throughJson(encodeRow({ ...interval({}), energyJoules: joules(NaN) }, 5));
    expect(decodeRow(row as unknown[], uuidOf)).toBeUndefined();
  });
});

describe('records', () => {
  const account = createAccount(run);
  account.addDevice(device('GPU-a'), sensor);
  account.add(interval({ startEdgeJoules: 1, gap: 0.1, utilizationRatio: 0 }));
  const writer = { version: '1', pid: 1 };
  const records: LedgerRecord[] = [
    { kind: 'run', version: 1, run: { ...run, name: 'n', command: ['a'] }, writer },
    { kind: 'agent', version: 1, run, writer },
    { kind: 'resume', atSeconds: instant(1), writer },
    { kind: 'device', number: 0, device: device('GPU-a'), sensor },
    { kind: 'slot', rows: [encodeRow(interval({}), 0)] },
    { kind: 'gauges', atSeconds: instant(1), gauges: [[0, { utilizationRatio: 0.5 }]] },
    { kind: 'window-open', name: 'w', startSeconds: instant(1) },
    { kind: 'window', window: { name: 'w', startSeconds: instant(1), endSeconds: instant(2) } },
    { kind: 'warning', warning: { code: 'c', message: 'm' }, uuid: 'GPU-a' },
    { kind: 'facts', facts: { any: [{ thing: true }] } },
    { kind: 'checkpoint', atSeconds: instant(1), checkpoint: account.toCheckpoint() },
    { kind: 'end', endSeconds: instant(1), exitCode: 0 },
  ];

  test.each(records)('of kind $kind come back as they were', (record) => {
    expect(decodeRecord(throughJson(record))).toEqual(throughJson(record));
  });

  test.each(records)('of kind $kind are refused without any of their parts', (record) => {
    const optional = new Set(['uuid', 'exitCode']);
    for (const key of Object.keys(record)) {
      if (optional.has(key)) continue;
      const { [key]: _gone, ...rest } = record as unknown as Record<string, unknown>;
      expect(decodeRecord(rest), key).toBeUndefined();
    }
  });

  test('that are anything else are refused and never throw', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(decodeRecord(value)).toBeUndefined();
      }),
      { seed: 11, numRuns: 500 },
    );
  });
});

describe('ids of runs', () => {
  test('sort by start and are never the same', () => {
    const ids = Array.from({ length: 1000 }, () => newRunId(instant(START)));
    expect(new Set(ids).size).toBe(1000);
    expect(ids.every(isRunId)).toBe(true);
    expect(ids[0]).toMatch(/^20270115T080000Z-/);
    expect(newRunId(instant(START + 1)) > (ids[0] ?? '')).toBe(true);
  });
});
