// Opens the books of an earlier run again, where they ended.

import { open, type FileHandle } from 'node:fs/promises';

import type { Account } from '../account.ts';
import type { ChargedInterval } from '../model.ts';
import { joules, kilowattHours, seconds, type Instant } from '../units.ts';
import { createColumnsWriter } from './columns-writer.ts';
import { journalFile } from './journal-file.ts';
import { LedgerError } from './ledger-error.ts';
import { lockForWriting } from './lock.ts';
import { refillAccount, type ChargeInterval, type StoredRun } from './read-run.ts';
import type { LedgerRecord } from './records.ts';
import { openRunJournal, runLedger, type RunLedger, type RunLedgerOptions } from './run-ledger.ts';
import { runColumnsPath, runJournalPath, unwritable } from './state-dir.ts';
import { removeSummary } from './summary.ts';
import { createDeviceNumbers, createWriter } from './writer.ts';

/** A resumed run: its books so far, and the ledger that goes on with them. */
export interface ResumedRun {
  readonly ledger: RunLedger;
  readonly account: Account;
  readonly stored: StoredRun;
}

/**
 * Opens the books of an earlier run again. The hole between its end and `atSeconds` becomes a gap of every device. What
 * was measured before is charged by `charge` where there is one: tiers and peaks go on from all of the run.
 * @throws LedgerError when the run does not exist, cannot be read or written, or has a living writer.
 */
export async function resumeRunLedger(
  options: RunLedgerOptions & {
    readonly id: string;
    readonly atSeconds: Instant;
    readonly charge?: ChargeInterval | undefined;
  },
): Promise<ResumedRun> {
  const { stateDirectory, id, atSeconds, charge } = options;
  const file = await openLocked(runJournalPath(stateDirectory, id), id);
  try {
    const columns = createColumnsWriter(runColumnsPath(stateDirectory, id));
    const { account, stored, journalEnd } = await refillAccount(stateDirectory, id, {
      columns,
      charge,
    });
    const { goodBytes, nextSequence } = journalEnd;
    // Damage is to be said at every reading, and only the journal shows it.
    if (stored.warnings.length > 0) void columns.abandon();
    await removeSummary(stateDirectory, id);
    await file.truncate(goodBytes);
    const start = { file: journalFile(file), lengthBytes: goodBytes, nextSequence };
    const journal = openRunJournal(options, id, columns, () => Promise.resolve(start));
    const resume = { kind: 'resume', atSeconds, writer: options.writer } satisfies LedgerRecord;
    void journal.append(resume, true);
    columns.addRecord(resume);
    const { devices } = account.books({ endSeconds: stored.endSeconds });
    const writer = createWriter(() => journal, createDeviceNumbers(devices), columns);
    const hole = devices.map(({ device }) => holeOf(device.uuid, stored.endSeconds, atSeconds));
    if (atSeconds > stored.endSeconds) {
      for (const interval of hole) account.add(interval);
      await writer.addSlot(hole);
    }
    const ledger = runLedger(options, stored.run, { journal, columns, writer });
    return { ledger, account, stored };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Opens a run's journal for writing and takes its lock. @throws LedgerError when another writer has it. */
export async function openLocked(path: string, id: string): Promise<FileHandle> {
  const file = await open(path, 'r+').catch((error: unknown) => {
    throw (error as NodeJS.ErrnoException).code === 'ENOENT'
      ? new LedgerError('not-found', `Cannot find the run ${id}: there is no ${path}.`)
      : unwritable(path, error);
  });
  try {
    if (await lockForWriting(file.fd)) return file;
  } catch (error) {
    await file.close();
    throw error;
  }
  await file.close();
  const message = `Cannot write the books of run ${id}: a living Wattmeter holds them. Wait until it has finished.`;
  throw new LedgerError('locked', message);
}

function holeOf(uuid: string, startSeconds: Instant, endSeconds: Instant): ChargedInterval {
  return {
    uuid,
    startSeconds,
    endSeconds,
    method: 'integral',
    energyJoules: joules(0),
    observedSeconds: seconds(0),
    gapSeconds: { 'no-reading': endSeconds - startSeconds },
    // What ran in between was not this run's: there is nothing to estimate.
    gapEstimateJoules: joules(0),
    gapEstimateUncertaintyJoules: joules(0),
    bridgedSeconds: seconds(0),
    uncertainty: {
      gainJoules: 0,
      offsetJoules: 0,
      aliasJoules: 0,
      startEdgeJoules: 0,
      endEdgeJoules: 0,
      independentJoulesSquared: 0,
    },
    sampleCount: 0,
    wallOffsetSeconds: 0,
    charge: { facilityKilowattHours: kilowattHours(0) },
  };
}
