import { appendFile, mkdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { createAccount } from '../../agent/account.ts';
import { findRun, listRuns } from '../../agent/ledger/runs.ts';
import type { LedgerFault } from '../../agent/ledger/journal.ts';
import { refillAccount } from '../../agent/ledger/read-run.ts';
import { recoverRuns } from '../../agent/ledger/recover.ts';
import { resumeRunLedger } from '../../agent/ledger/resume-run.ts';
import { createRunLedger, type RunLedger } from '../../agent/ledger/run-ledger.ts';
import { runDirectory, runJournalPath, runSummaryPath } from '../../agent/ledger/state-dir.ts';
import type { ChargedInterval, Window } from '../../agent/model.ts';
import { instant, joules } from '../../agent/units.ts';
import { chargedIntervals, device, interval, sensor, START } from '../account-doubles.ts';
import { mountSmallDisk } from './small-disk.ts';
import { temporaryDirectory } from './temporary.ts';

const writer = { version: 'test', pid: 1 };
const at = (seconds: number) => instant(START + seconds);

function createRun(stateDirectory: string, name?: string): RunLedger {
  return createRunLedger({
    stateDirectory,
    writer,
    flushSeconds: 1,
    onFault: (fault) => expect(fault).toBeUndefined(),
    run: {
      ...(name === undefined ? {} : { name }),
      command: ['python', 'train.py'],
      host: 'node1',
      startSeconds: at(0),
      labels: { team: 'vision' },
    },
  });
}

/** A closed run of ten seconds at 250 W. */
async function closedRun(stateDirectory: string, name?: string): Promise<string> {
  const ledger = createRun(stateDirectory, name);
  await ledger.addDevice(device('GPU-a'), sensor);
  for (let second = 0; second < 10; second += 1) await ledger.addSlot([interval({ at: second })]);
  const closed = await ledger.close({ endSeconds: at(10), exitCode: 3, gpuJoules: joules(2500) });
  expect(closed).toBe(true);
  return ledger.run.id;
}

/** The journal of a run whose Wattmeter died: all its end is cut off. */
async function deadRun(stateDirectory: string): Promise<string> {
  const id = await closedRun(stateDirectory);
  const path = runJournalPath(stateDirectory, id);
  const text = await readFile(path, 'utf8');
  await truncate(path, text.lastIndexOf('\n', text.length - 2) + 1);
  await rm(runSummaryPath(stateDirectory, id));
  return id;
}

describe('a stored run', () => {
  test('gives back the very books that were kept, to the last bit', async () => {
    await using state = await temporaryDirectory();
    const plans = fc.record({
      intervals: chargedIntervals({ uuids: ['GPU-a', 'GPU-b'] }),
      windows: fc.array(fc.tuple(fc.nat(20), fc.integer({ min: 1, max: 9 })), { maxLength: 4 }),
    });
    await fc.assert(
      fc.asyncProperty(plans, async ({ intervals, windows }) => {
        const ledger = createRun(state.path);
        const account = createAccount(ledger.run);
        for (const uuid of ['GPU-a', 'GPU-b']) {
          account.addDevice(device(uuid), sensor);
          void ledger.addDevice(device(uuid), sensor);
        }
        const add = (slot: readonly ChargedInterval[]): void => {
          for (const one of slot) account.add(one);
          void ledger.addSlot(slot);
        };
        add(intervals.slice(0, 10));
        account.openWindow('epoch', at(3));
        void ledger.openWindow('epoch', at(3));
        for (const [start, length] of windows) {
          const window: Window = {
            name: 'step',
            startSeconds: at(start),
            endSeconds: at(start + length),
            steps: length,
          };
          account.addWindow(window);
          void ledger.addWindow(window);
        }
        add(intervals.slice(10));
        account.addWarning({ code: 'x', message: 'y' }, 'GPU-a');
        void ledger.addWarning({ code: 'x', message: 'y' }, 'GPU-a');
        const end = { endSeconds: at(40), exitCode: 1 };
        await ledger.close(end);
        const refilled = await refillAccount(state.path, ledger.run.id);
        expect(refilled.account.books(refilled.stored)).toEqual(account.books(end));
      }),
      { seed: 8, numRuns: 40 },
    );
  });

  test('remembers what its books were kept under', async () => {
    await using state = await temporaryDirectory();
    const ledger = createRun(state.path);
    await ledger.addFacts({ tariff: { name: 'night' }, powerUsageEffectiveness: 1.2 });
    await ledger.addFacts({ input: { rows: 7 } });
    await ledger.close({ endSeconds: at(1) });
    const { stored } = await refillAccount(state.path, ledger.run.id);
    expect(stored.facts).toEqual({
      tariff: { name: 'night' },
      powerUsageEffectiveness: 1.2,
      input: { rows: 7 },
    });
  });

  test('says so when its journal is damaged, and keeps the rest', async () => {
    await using state = await temporaryDirectory();
    const id = await closedRun(state.path);
    const path = runJournalPath(state.path, id);
    const bytes = await readFile(path);
    const middle = bytes.indexOf('"slot"') + 40;
    bytes[middle] = (bytes[middle] ?? 0) ^ 1;
    await writeFile(path, bytes);
    const { account, stored } = await refillAccount(state.path, id);
    expect(account.totalsOf('GPU-a')?.energyJoules).toBe(9 * 250);
    expect(stored.warnings.map((warning) => warning.code)).toEqual(['ledger-damaged']);
    expect(stored.warnings[0]?.message).toContain('1 records are missing');
  });

  test('of a later format is refused with the mend', async () => {
    await using state = await temporaryDirectory();
    const id = await closedRun(state.path);
    const { encodeFrame } = await import('../../agent/ledger/frame.ts');
    const run = { id, host: 'h', startSeconds: 1, labels: {} };
    const head = { kind: 'run', version: 2, run, writer };
    await writeFile(runJournalPath(state.path, id), encodeFrame(0, JSON.stringify(head)));
    await expect(refillAccount(state.path, id)).rejects.toThrow('newer');
  });
});

describe('the list of runs', () => {
  test('is empty where there is no state directory yet', async () => {
    await using state = await temporaryDirectory();
    expect(await listRuns(join(state.path, 'none'))).toEqual([]);
  });

  test('reads no journal of a closed run', async () => {
    await using state = await temporaryDirectory();
    const id = await closedRun(state.path, 'bert');
    await writeFile(runJournalPath(state.path, id), 'garbage');
    expect(await listRuns(state.path)).toEqual([
      {
        id,
        name: 'bert',
        command: ['python', 'train.py'],
        host: 'node1',
        state: 'closed',
        startSeconds: START,
        endSeconds: START + 10,
        exitCode: 3,
        gpuJoules: 2500,
        labels: { team: 'vision' },
      },
    ]);
  });

  test('falls back to the journal when the summary is missing or spoilt', async () => {
    await using state = await temporaryDirectory();
    const id = await closedRun(state.path);
    const [whole] = await listRuns(state.path);
    await rm(runSummaryPath(state.path, id));
    expect(await listRuns(state.path)).toEqual([whole]);
    await writeFile(runSummaryPath(state.path, id), '{"id":"else"}');
    expect(await listRuns(state.path)).toEqual([whole]);
  });

  test('tells an open run from an interrupted one', async () => {
    await using state = await temporaryDirectory();
    const dead = await deadRun(state.path);
    const ledger = createRun(state.path);
    await ledger.addFacts({});
    const states = new Map((await listRuns(state.path)).map((one) => [one.id, one]));
    expect(states.get(dead)).toMatchObject({ state: 'interrupted', endSeconds: START + 10 });
    expect(states.get(ledger.run.id)?.state).toBe('open');
    await ledger.close({ endSeconds: at(1) });
  });

  test('ignores what is not a run', async () => {
    await using state = await temporaryDirectory();
    await mkdir(runDirectory(state.path, '20270115T080000Z-empty0'), { recursive: true });
    await mkdir(runDirectory(state.path, 'lost+found'), { recursive: true });
    expect(await listRuns(state.path)).toEqual([]);
  });

  test('finds a run by id, by the beginning of one, and by name', async () => {
    await using state = await temporaryDirectory();
    const bert = await closedRun(state.path, 'bert');
    const gpt = await closedRun(state.path, 'gpt');
    expect((await findRun(state.path, bert)).id).toBe(bert);
    expect((await findRun(state.path, gpt.slice(0, -1))).id).toBe(gpt);
    expect((await findRun(state.path, 'gpt')).id).toBe(gpt);
    const newer = await closedRun(state.path, 'gpt');
    const newest = [gpt, newer].toSorted().at(-1);
    expect((await findRun(state.path, 'gpt')).id).toBe(newest);
    expect((await findRun(state.path, bert.slice(0, -1))).id).toBe(bert);
    await expect(findRun(state.path, '2027')).rejects.toMatchObject({ reason: 'ambiguous' });
    await expect(findRun(state.path, 'llama')).rejects.toMatchObject({ reason: 'not-found' });
    await expect(findRun(state.path, '../..')).rejects.toMatchObject({ reason: 'not-found' });
    await expect(findRun(state.path, '')).rejects.toMatchObject({ reason: 'not-found' });
  });
});

describe('recover', () => {
  test('closes a dead run at its last record, tail torn at any byte or not', async () => {
    await using state = await temporaryDirectory();
    const id = await deadRun(state.path);
    const path = runJournalPath(state.path, id);
    const whole = await readFile(path);
    const last = whole.length - whole.lastIndexOf('\n', whole.length - 2) - 1;
    for (const torn of [0, 1, 9, 60, last - 1]) {
      await rm(runSummaryPath(state.path, id), { force: true });
      await writeFile(path, whole.subarray(0, whole.length - torn));
      const [recovery] = await recoverRuns(state.path);
      const seconds = torn === 0 ? 10 : 9;
      expect(recovery).toMatchObject({
        kind: 'recovered',
        summary: { id, state: 'closed', endSeconds: START + seconds, gpuJoules: seconds * 250 },
      });
      expect((await refillAccount(state.path, id)).stored.closed).toBe(true);
      expect(await recoverRuns(state.path)).toEqual([]);
    }
  });

  test('writes the summary that a closed run lacks, and changes nothing else', async () => {
    await using state = await temporaryDirectory();
    const id = await closedRun(state.path);
    const before = await readFile(runJournalPath(state.path, id), 'utf8');
    await rm(runSummaryPath(state.path, id));
    expect(await recoverRuns(state.path)).toEqual([]);
    expect(await readFile(runJournalPath(state.path, id), 'utf8')).toBe(before);
    expect(JSON.parse(await readFile(runSummaryPath(state.path, id), 'utf8'))).toMatchObject({
      exitCode: 3,
    });
  });

  test('reports a run that it cannot read, and goes on with the others', async () => {
    await using state = await temporaryDirectory();
    const spoilt = await deadRun(state.path);
    const dead = await deadRun(state.path);
    await writeFile(runJournalPath(state.path, spoilt), 'garbage\n');
    const recoveries = await recoverRuns(state.path);
    expect(recoveries).toHaveLength(2);
    expect(recoveries.find((one) => one.kind === 'failed')).toMatchObject({ id: spoilt });
    expect(recoveries.find((one) => one.kind === 'recovered')).toMatchObject({
      summary: { id: dead },
    });
  });
});

describe('resuming', () => {
  const resume = (stateDirectory: string, id: string) =>
    resumeRunLedger({
      stateDirectory,
      id,
      atSeconds: at(70),
      writer,
      flushSeconds: 1,
      onFault: (fault) => expect(fault).toBeUndefined(),
    });

  test('opens the books again, with the hole as a gap', async () => {
    await using state = await temporaryDirectory();
    const id = await closedRun(state.path);
    const { ledger, account, stored } = await resume(state.path, id);
    expect(stored.endSeconds).toBe(START + 10);
    expect(await listRuns(state.path)).toMatchObject([{ id, state: 'open' }]);
    account.add(interval({ at: 70 }));
    await ledger.addSlot([interval({ at: 70 })]);
    await ledger.close({ endSeconds: at(71), exitCode: 0 });
    const again = await refillAccount(state.path, id);
    expect(again.stored).toMatchObject({ closed: true, exitCode: 0, resumedSeconds: [START + 70] });
    expect(again.account.totalsOf('GPU-a')).toEqual(account.totalsOf('GPU-a'));
    expect(again.account.totalsOf('GPU-a')).toMatchObject({
      energyJoules: 2750,
      gapSeconds: { 'no-reading': 60 },
    });
    expect(await listRuns(state.path)).toMatchObject([{ id, state: 'closed', exitCode: 0 }]);
  });

  test('is refused while the run lives, and for a run that is not there', async () => {
    await using state = await temporaryDirectory();
    const ledger = createRun(state.path);
    await ledger.addFacts({});
    await expect(resume(state.path, ledger.run.id)).rejects.toMatchObject({ reason: 'locked' });
    await expect(resume(state.path, '20270115T080000Z-nobody')).rejects.toMatchObject({
      reason: 'not-found',
    });
    await ledger.close({ endSeconds: at(1) });
  });

  test('truncates what a crash has torn, so that the next record is sound', async () => {
    await using state = await temporaryDirectory();
    const id = await deadRun(state.path);
    await appendFile(runJournalPath(state.path, id), '12345678 99 {"kind":"sl');
    const { ledger } = await resume(state.path, id);
    await ledger.close({ endSeconds: at(71) });
    expect((await refillAccount(state.path, id)).stored.warnings).toEqual([]);
  });
});

describe('on a real disk that is full', () => {
  test('a run goes on in memory, and is whole once there is space', async ({ skip }) => {
    await using state = await temporaryDirectory();
    using disk = mountSmallDisk(state.path);
    if (disk === undefined) return skip('mount(8) may not mount a tmpfs here');
    const faults: LedgerFault[] = [];
    let sayCaughtUp = (): void => undefined;
    const caughtUp = new Promise<void>((resolve) => (sayCaughtUp = resolve));
    const ledger = createRunLedger({
      stateDirectory: disk.path,
      writer,
      flushSeconds: 0.05,
      onFault(fault) {
        faults.push(fault);
        if (fault.kind === 'caught-up') sayCaughtUp();
      },
      run: { host: 'node1', startSeconds: at(0), labels: {} },
    });
    await ledger.addDevice(device('GPU-a'), sensor);
    let second = 0;
    let kept = 'written';
    while (kept === 'written') {
      kept = await ledger.addSlot([interval({ at: second })]);
      second += 1;
    }
    expect(faults).toMatchObject([{ kind: 'failing' }]);
    expect(faults[0]).toHaveProperty('message', expect.stringContaining('ENOSPC'));
    disk.grow();
    await caughtUp;
    expect(await ledger.close({ endSeconds: at(second) })).toBe(true);
    const { account, stored } = await refillAccount(disk.path, ledger.run.id);
    expect(account.totalsOf('GPU-a')?.observedSeconds).toBe(second);
    expect(stored.warnings).toEqual([]);
  });
});
