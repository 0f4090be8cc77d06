// From a journal's lines to what happened, in order: devices, intervals, windows, warnings. One reader for the runs'
// journals and the agent's segments.

import type { ChargedInterval, Warning } from '../model.ts';
import { decodeRecord } from './decode.ts';
import { readJournal, type JournalEnd, type JournalEntry } from './journal-reader.ts';
import type { RunRecord } from './records.ts';
import { decodeRow } from './slot-rows.ts';

/** A record as its reader wants it: a slot's rows are intervals again. */
export type LedgerEvent =
  | RunRecord
  | { readonly kind: 'slot'; readonly intervals: readonly ChargedInterval[] };

/** What of a journal could not be read, and no checkpoint makes up for. */
export interface JournalDamage {
  damagedBytes: number;
  missingRecords: number;
  /** Sound lines that this Wattmeter does not understand. */
  unknownRecords: number;
}

/** A sound journal's. */
export const NO_DAMAGE: Readonly<JournalDamage> = {
  damagedBytes: 0,
  missingRecords: 0,
  unknownRecords: 0,
};

/** How reading ended. */
export interface RecordsEnd extends JournalEnd {
  readonly damage: JournalDamage;
}

/** Yields what a journal tells. @throws LedgerError when the file cannot be read. */
export async function* readRecords(path: string): AsyncGenerator<LedgerEvent, RecordsEnd> {
  const damage: JournalDamage = { ...NO_DAMAGE };
  const uuids = new Map<number, string>();
  const entries = readJournal(path);
  try {
    for (;;) {
      const step = await entries.next();
      if (step.done === true) return { ...step.value, damage };
      const event = eventOf(step.value, uuids, damage);
      if (event !== undefined) yield event;
    }
  } finally {
    await entries.return(NO_END);
  }
}

// A generator that is let go of returns something that nobody reads.
const NO_END: JournalEnd = { goodBytes: 0, tornBytes: 0, nextSequence: 0 };

function eventOf(
  entry: JournalEntry,
  uuids: Map<number, string>,
  damage: JournalDamage,
): LedgerEvent | undefined {
  if (entry.kind === 'damage') damage.damagedBytes += entry.lengthBytes;
  if (entry.kind === 'missing') damage.missingRecords += entry.count;
  if (entry.kind !== 'record') return undefined;
  const record = decodeRecord(entry.record);
  if (record === undefined) damage.unknownRecords += 1;
  if (record === undefined || record.kind === 'gauges') return undefined;
  if (record.kind === 'device') uuids.set(record.number, record.device.uuid);
  // A checkpoint holds all that came before it, damaged or not.
  if (record.kind === 'checkpoint') Object.assign(damage, NO_DAMAGE);
  if (record.kind !== 'slot') return record;
  const intervals = intervalsOf(record.rows, uuids);
  damage.unknownRecords += record.rows.length - intervals.length;
  return { kind: 'slot', intervals };
}

function intervalsOf(
  rows: readonly (readonly unknown[])[],
  uuids: ReadonlyMap<number, string>,
): ChargedInterval[] {
  return rows.flatMap((row) => {
    const interval = decodeRow(row, (number) => uuids.get(number));
    return interval === undefined ? [] : [interval];
  });
}

/** What a reader of the books must be told of damage; empty when there is none. */
export function damageWarnings(path: string, damage: JournalDamage): Warning[] {
  const { damagedBytes, missingRecords, unknownRecords } = damage;
  if (damagedBytes === 0 && missingRecords === 0 && unknownRecords === 0) return [];
  const message = `The journal ${path} is damaged: ${damagedBytes} bytes fail their checksum, ${missingRecords} records are missing, ${unknownRecords} are not understood. Their energy is not in these books.`;
  return [{ code: 'ledger-damaged', message }];
}
