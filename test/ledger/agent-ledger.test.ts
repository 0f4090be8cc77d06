import { mkdir, readdir, readFile, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';

import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';

import { createAccount } from '../../agent/account.ts';
import { openAgentLedger, type AgentLedger } from '../../agent/ledger/agent-ledger.ts';
import type { LedgerFault } from '../../agent/ledger/journal.ts';
import { agentDirectory, locateStateDirectory } from '../../agent/ledger/state-dir.ts';
import type { ChargedInterval } from '../../agent/model.ts';
import { instant, type Instant } from '../../agent/units.ts';
import { chargedIntervals, device, interval, run, sensor, START } from '../account-doubles.ts';
import { known } from '../known.ts';
import { mountSmallDisk } from './small-disk.ts';
import { temporaryDirectory } from './temporary.ts';

interface Options {
  readonly currency?: string;
  readonly segmentBytes?: number;
  readonly retainSeconds?: number;
  readonly now?: () => Instant;
  readonly heldBytesLimit?: number;
  readonly flushSeconds?: number;
  readonly onFault?: (fault: LedgerFault) => void;
}

const openAgent = (stateDirectory: string, options: Options = {}): Promise<AgentLedger> =>
  openAgentLedger({
    stateDirectory,
    run,
    currency: 'EUR',
    writer: { version: 'test', pid: 1 },
    flushSeconds: 1,
    retainSeconds: 1e9,
    now: () => instant(START),
    onFault: (fault) => expect(fault).toBeUndefined(),
    ...options,
  });

async function introduce(ledger: AgentLedger, uuids: readonly string[]): Promise<void> {
  for (const uuid of uuids) {
    ledger.account.addDevice(device(uuid), sensor);
    await ledger.addDevice(device(uuid), sensor);
  }
}

async function add(ledger: AgentLedger, intervals: readonly ChargedInterval[]): Promise<void> {
  for (const one of intervals) ledger.account.add(one);
  await ledger.addSlot(intervals);
}

const segmentsOf = async (stateDirectory: string): Promise<string[]> =>
  (await readdir(agentDirectory(stateDirectory)))
    .filter((name) => name.endsWith('.journal'))
    .toSorted()
    .map((name) => join(agentDirectory(stateDirectory), name));

describe('an agent that starts again', () => {
  test('has the totals it stopped with, to the last bit, wherever it stopped and rotated', async () => {
    const uuids = ['GPU-a', 'GPU-b'];
    const lives = fc.array(fc.integer({ min: 0, max: 25 }), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(
        chargedIntervals({ uuids }),
        lives,
        fc.integer({ min: 500, max: 20_000 }),
        async (intervals, lengths, segmentBytes) => {
          await using state = await temporaryDirectory();
          const truth = createAccount(run);
          for (const uuid of uuids) truth.addDevice(device(uuid), sensor);
          let from = 0;
          for (const length of lengths) {
            const ledger = await openAgent(state.path, { segmentBytes });
            await introduce(ledger, uuids);
            for (const one of intervals.slice(from, from + length)) {
              truth.add(one);
              await add(ledger, [one]);
            }
            from += length;
            expect(await ledger.close()).toBe(true);
          }
          const ledger = await openAgent(state.path);
          for (const uuid of uuids) {
            expect(ledger.account.totalsOf(uuid)).toEqual(truth.totalsOf(uuid));
          }
          await ledger.close();
        },
      ),
      { seed: 9, numRuns: 40 },
    );
  });

  test('has the errors that drivers reported, from the journal and from a checkpoint', async () => {
    await using state = await temporaryDirectory();
    for (const xids of [[79, 48], [79], []]) {
      const ledger = await openAgent(state.path);
      await introduce(ledger, ['GPU-a', 'GPU-b']);
      for (const xid of xids) {
        ledger.account.addXid('GPU-a', xid);
        await ledger.addXid('GPU-a', xid, instant(START));
      }
      await ledger.close();
    }
    const ledger = await openAgent(state.path);
    expect(ledger.account.xidErrorsOf('GPU-a')).toEqual({ 48: 1, 79: 2 });
    expect(ledger.account.xidErrorsOf('GPU-b')).toEqual({});
    await ledger.close();
  });

  test('knows what it had noted, the last of each, after a rotation too', async () => {
    await using state = await temporaryDirectory();
    let now = START;
    const ledger = await openAgent(state.path, { now: () => instant(now) });
    await introduce(ledger, ['GPU-a']);
    expect(ledger.facts).toEqual({});
    await ledger.addFacts({ pricing: { pue: 1.2 }, monthUse: [1] });
    await ledger.addFacts({ monthUse: [2] });
    now += 86_400;
    await add(ledger, [interval({})]);
    await add(ledger, [interval({ at: 1 })]);
    expect(await segmentsOf(state.path)).toHaveLength(2);
    await ledger.close();
    const next = await openAgent(state.path);
    expect(next.facts).toEqual({ pricing: { pue: 1.2 }, monthUse: [2] });
    await next.close();
  });

  test('counts money from nothing in another currency, and everything else goes on', async () => {
    await using state = await temporaryDirectory();
    const euros = await openAgent(state.path);
    await introduce(euros, ['GPU-a']);
    await add(euros, [interval({ startEdgeJoules: 7, gainJoules: 5 })]);
    const before = known(euros.account.totalsOf('GPU-a'));
    await euros.close();
    const dollars = await openAgent(state.path, { currency: 'USD' });
    const { costAmount, creditAmount, uncertaintyCostAmount, ...rest } = before;
    expect([costAmount, creditAmount, uncertaintyCostAmount]).not.toContain(undefined);
    expect(dollars.account.totalsOf('GPU-a')).toEqual(rest);
    expect([...(dollars.chargesAnew.get('GPU-a') ?? [])]).toContain('cost');
    await add(dollars, [interval({ at: 1 })]);
    const only = createAccount(run);
    only.addDevice(device('GPU-a'), sensor);
    only.add(interval({ at: 1 }));
    const after = dollars.account.totalsOf('GPU-a');
    expect(after?.costAmount).toBe(only.totalsOf('GPU-a')?.costAmount);
    expect(after?.locationBasedGrams).toBe(2 * known(before.locationBasedGrams));
    await dollars.close();
    const again = await openAgent(state.path, { currency: 'USD' });
    expect(again.account.totalsOf('GPU-a')).toEqual(after);
    await again.close();
  });

  test('counts grams from nothing where part of the energy had none, and goes on with them then', async () => {
    await using state = await temporaryDirectory();
    const zoneless = await openAgent(state.path);
    await introduce(zoneless, ['GPU-a']);
    const { charge, ...bare } = interval({});
    const { locationBasedGrams: _, ...priced } = charge;
    await add(zoneless, [{ ...bare, charge: priced }, interval({ at: 1 })]);
    expect(zoneless.account.totalsOf('GPU-a')).not.toHaveProperty('locationBasedGrams');
    const cost = zoneless.account.totalsOf('GPU-a')?.costAmount;
    await zoneless.close();
    const zoned = await openAgent(state.path);
    await add(zoned, [interval({ at: 2 })]);
    const totals = zoned.account.totalsOf('GPU-a');
    expect(totals?.locationBasedGrams).toBe(charge.locationBasedGrams);
    expect(totals?.energyJoules).toBe(750);
    expect(totals?.costAmount).toBeGreaterThan(known(cost));
    await zoned.close();
    const again = await openAgent(state.path);
    expect(again.account.totalsOf('GPU-a')).toEqual(totals);
    await again.close();
  });

  test('goes on from the segment before when the newest one has a torn head', async () => {
    await using state = await temporaryDirectory();
    const first = await openAgent(state.path);
    await introduce(first, ['GPU-a']);
    for (let at = 0; at < 20; at += 1) await add(first, [interval({ at })]);
    await first.close();
    await (await openAgent(state.path)).close();
    const newest = (await segmentsOf(state.path)).at(-1) ?? '';
    const { length } = await readFile(newest);
    for (const torn of [1, 40, length - 20, length]) {
      await truncate(newest, length - torn);
      const again = await openAgent(state.path);
      expect(again.account.totalsOf('GPU-a')?.energyJoules).toBe(5000);
      await again.close();
      for (const path of await segmentsOf(state.path)) if (path > newest) await rm(path);
    }
  });

  test('says so when damage has cost it slots', async () => {
    await using state = await temporaryDirectory();
    const first = await openAgent(state.path);
    await introduce(first, ['GPU-a']);
    for (let at = 0; at < 20; at += 1) await add(first, [interval({ at })]);
    await first.close();
    const [path = ''] = await segmentsOf(state.path);
    const bytes = await readFile(path);
    const middle = bytes.indexOf('"slot"') + 30;
    bytes[middle] = (bytes[middle] ?? 0) ^ 4;
    await writeFile(path, bytes);
    const again = await openAgent(state.path);
    expect(again.account.totalsOf('GPU-a')?.energyJoules).toBe(19 * 250);
    const { warnings } = again.account.books({ endSeconds: instant(START) });
    expect(warnings.map((warning) => warning.code)).toEqual(['ledger-damaged']);
    await again.close();
  });

  test('may start over and over without growing its counters or forgetting a device', async () => {
    await using state = await temporaryDirectory();
    const first = await openAgent(state.path);
    await introduce(first, ['GPU-a', 'GPU-gone']);
    await add(first, [interval({}), interval({ uuid: 'GPU-gone' })]);
    await first.close();
    for (let start = 0; start < 5; start += 1) {
      const again = await openAgent(state.path, { retainSeconds: 0 });
      expect(again.account.totalsOf('GPU-gone')?.energyJoules).toBe(250);
      await again.close();
    }
  });
});

describe('on a real disk that is full', () => {
  test('an agent that dies while it is full is gone on from, as often as that happens', async ({
    skip,
  }) => {
    await using state = await temporaryDirectory();
    using disk = mountSmallDisk(state.path, '12m');
    if (disk === undefined) return skip('mount(8) may not mount a tmpfs here');
    const quiet = { onFault: () => undefined };
    const first = await openAgent(disk.path, quiet);
    await introduce(first, ['GPU-a']);
    await add(first, [interval({})]);
    await first.addFacts({ months: 1 });
    const { status } = spawnSync('dd', ['if=/dev/zero', `of=${disk.path}/filler`, 'bs=4096']);
    expect(status).not.toBe(0);
    for (let at = 1; at < 200; at += 1) await add(first, [interval({ at })]);
    await first.addAttribution({ job: 1 });
    await add(first, [interval({ at: 200 })]);
    expect(await first.close()).toBe(false);
    // Nothing of the second one fits the disk, not even its segment's head.
    const second = await openAgent(disk.path, quiet);
    expect(second.account.totalsOf('GPU-a')).toEqual(first.account.totalsOf('GPU-a'));
    expect(second.facts).toEqual({ months: 1 });
    await add(second, [interval({ at: 201 })]);
    expect(await second.close()).toBe(false);
    rmSync(`${disk.path}/filler`);
    const third = await openAgent(disk.path);
    expect(third.account.totalsOf('GPU-a')?.energyJoules).toBe(202 * 250);
    await add(third, [interval({ at: 202 })]);
    expect(await third.close()).toBe(true);
    const fourth = await openAgent(disk.path);
    expect(fourth.account.totalsOf('GPU-a')).toEqual(third.account.totalsOf('GPU-a'));
    await fourth.close();
    return undefined;
  });

  test('an agent drops slots beyond its memory, never counters', async ({ skip }) => {
    await using state = await temporaryDirectory();
    using disk = mountSmallDisk(state.path);
    if (disk === undefined) return skip('mount(8) may not mount a tmpfs here');
    const faults: LedgerFault[] = [];
    let sayCaughtUp = (): void => undefined;
    const caughtUp = new Promise<void>((resolve) => (sayCaughtUp = resolve));
    const ledger = await openAgent(disk.path, {
      heldBytesLimit: 5000,
      onFault(fault) {
        faults.push(fault);
        if (fault.kind === 'caught-up') sayCaughtUp();
      },
    });
    await introduce(ledger, ['GPU-a']);
    for (let at = 0; at < 1000; at += 1) await add(ledger, [interval({ at })]);
    expect(faults).toMatchObject([{ kind: 'failing' }]);
    disk.grow();
    await caughtUp;
    expect(faults[1]).toMatchObject({ kind: 'caught-up', droppedRecords: expect.any(Number) });
    expect(faults[1]).not.toHaveProperty('droppedRecords', 0);
    await add(ledger, [interval({ at: 1000 })]);
    expect(await ledger.close()).toBe(true);
    const again = await openAgent(disk.path);
    expect(again.account.totalsOf('GPU-a')).toEqual(ledger.account.totalsOf('GPU-a'));
    expect(again.account.totalsOf('GPU-a')?.energyJoules).toBe(1001 * 250);
    expect(again.account.books({ endSeconds: instant(START) }).warnings).toEqual([]);
    await again.close();
  });
});

describe('an agent whose state directory is removed', () => {
  const removed = async (
    path: string,
    beforeItIsSeen: () => Promise<unknown> = async () => undefined,
  ): Promise<{ ledger: AgentLedger; faults: LedgerFault[] }> => {
    const faults: LedgerFault[] = [];
    const onFault = (fault: LedgerFault): void => void faults.push(fault);
    const ledger = await openAgent(path, { flushSeconds: 0.05, onFault });
    await introduce(ledger, ['GPU-a']);
    await add(ledger, [interval({})]);
    await rm(path, { recursive: true });
    await beforeItIsSeen();
    await add(ledger, [interval({ at: 1 })]);
    await vi.waitFor(() => expect(faults[0]).toMatchObject({ kind: 'failing' }), 10_000);
    return { ledger, faults };
  };

  test('says so and begins it anew with all that was counted, kept from other agents', async () => {
    await using state = await temporaryDirectory();
    const path = join(state.path, 'removed');
    const { ledger, faults } = await removed(path);
    await vi.waitFor(() => expect(faults).toHaveLength(2), 10_000);
    expect(faults).toMatchObject([
      { kind: 'failing', message: expect.stringContaining('somebody has removed it') },
      { kind: 'caught-up', droppedRecords: 0 },
    ]);
    await add(ledger, [interval({ at: 2 })]);
    await expect(openAgent(path)).rejects.toThrow('another agent holds it');
    expect(await ledger.close()).toBe(true);
    const again = await openAgent(path);
    expect(again.account.totalsOf('GPU-a')).toEqual(ledger.account.totalsOf('GPU-a'));
    expect(again.account.totalsOf('GPU-a')?.energyJoules).toBe(3 * 250);
    await again.close();
  });

  test('leaves it to the agent that has begun there since', async () => {
    await using state = await temporaryDirectory();
    const path = join(state.path, 'removed');
    let other: AgentLedger | undefined;
    const { ledger, faults } = await removed(path, async () => (other = await openAgent(path)));
    await introduce(known(other), ['GPU-a']);
    await add(known(other), [interval({})]);
    expect(await ledger.close()).toBe(false);
    expect(faults).toHaveLength(1);
    expect(await other?.close()).toBe(true);
    const again = await openAgent(path);
    expect(again.account.totalsOf('GPU-a')?.energyJoules).toBe(250);
    await again.close();
  });
});

describe('segments', () => {
  test('rotate by size and by UTC day', async () => {
    await using state = await temporaryDirectory();
    let now = START;
    const ledger = await openAgent(state.path, { now: () => instant(now) });
    await introduce(ledger, ['GPU-a']);
    await add(ledger, [interval({})]);
    expect(await segmentsOf(state.path)).toHaveLength(1);
    now += 86_400;
    await add(ledger, [interval({ at: 1 })]);
    await add(ledger, [interval({ at: 2 })]);
    expect(await segmentsOf(state.path)).toHaveLength(2);
    await ledger.close();
  });

  test('are deleted when they are old, but never the newest two', async () => {
    await using state = await temporaryDirectory();
    for (let life = 0; life < 4; life += 1) await (await openAgent(state.path)).close();
    for (const path of await segmentsOf(state.path)) await utimes(path, START - 100, START - 100);
    const kept = await openAgent(state.path, { retainSeconds: 101 });
    await kept.close();
    expect(await segmentsOf(state.path)).toHaveLength(5);
    const deleting = await openAgent(state.path, { retainSeconds: 50 });
    await deleting.close();
    const names = (await segmentsOf(state.path)).map((path) => path.slice(-16));
    expect(names).toEqual(['00000005.journal', '00000006.journal']);
  });
});

describe('the state directory', () => {
  test('cannot be a file', async () => {
    await using state = await temporaryDirectory();
    const path = join(state.path, 'file');
    await writeFile(path, '');
    await expect(openAgent(path)).rejects.toMatchObject({ reason: 'unwritable' });
  });

  test('is private to its owner and group', async () => {
    await using state = await temporaryDirectory();
    await mkdir(join(state.path, 'other'));
    const ledger = await openAgent(state.path);
    await introduce(ledger, ['GPU-a']);
    const { stat } = await import('node:fs/promises');
    expect((await stat(agentDirectory(state.path))).mode & 0o777).toBe(0o750);
    const [segment = ''] = await segmentsOf(state.path);
    expect((await stat(segment)).mode & 0o777).toBe(0o640);
    await ledger.close();
  });

  test('is held from the first agent to its close', async () => {
    await using state = await temporaryDirectory();
    const first = await openAgent(state.path);
    await expect(openAgent(state.path)).rejects.toMatchObject({ reason: 'locked' });
    await first.close();
    await (await openAgent(state.path)).close();
  });

  test.each([
    { why: 'as asked', explicit: '/x', environment: { XDG_STATE_HOME: '/y' }, is: '/x' },
    { why: 'as XDG says', environment: { XDG_STATE_HOME: '/y' }, is: '/y/wattmeter' },
    {
      why: 'at home',
      environment: { XDG_STATE_HOME: 'relative' },
      is: '/home/me/.local/state/wattmeter',
    },
    { why: 'as systemd says', environment: { STATE_DIRECTORY: '/var/lib/w' }, is: '/var/lib/w' },
  ])('is $why', ({ is, explicit, environment }) => {
    const options = { explicit, environment, homeDirectory: '/home/me' };
    expect(locateStateDirectory(options)).toBe(is);
  });
});
