// What a real kill −9 leaves behind. Children run the built program's ledger.

import { spawn } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';

import { describe, expect, test } from 'vitest';

import { openAgentLedger } from '../../agent/ledger/agent-ledger.ts';
import { refillAccount } from '../../agent/ledger/read-run.ts';
import { recoverRuns } from '../../agent/ledger/recover.ts';
import { listRuns } from '../../agent/ledger/runs.ts';
import { instant } from '../../agent/units.ts';
import { distPath } from '../binary.ts';
import { run } from '../account-doubles.ts';
import { temporaryDirectory } from './temporary.ts';

const child = (name: string): string => resolve(import.meta.dirname, 'children', name);

interface Life {
  /** The last line of each kind that the child said before it died. */
  readonly said: ReadonlyMap<string, readonly string[]>;
  readonly errors: string;
}

/** Starts a child that appends, and kills it −9 after so many acknowledgements. */
async function liveAndDie(args: readonly string[], acknowledgements: number): Promise<Life> {
  const books = spawn(process.execPath, [child('books.mjs'), distPath, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = new Map<string, readonly string[]>();
  let errors = '';
  books.stderr.on('data', (text: Buffer) => (errors += text.toString()));
  for await (const line of createInterface({ input: books.stdout })) {
    const [kind = '', ...words] = line.split(' ');
    said.set(kind, words);
    if (kind === 'written' && Number(words[0]) === acknowledgements) books.kill('SIGKILL');
  }
  return { said, errors };
}

describe('after kill -9', () => {
  test('a run has every slot that was acknowledged, and can be resumed and killed again', async () => {
    await using state = await temporaryDirectory();
    let id: string | undefined;
    let acknowledged = 0;
    for (const slots of [1, 37, 400, 3, 150]) {
      const args = id === undefined ? [] : [id];
      const life = await liveAndDie(['run', state.path, ...args], slots);
      expect(life.errors).toBe('');
      expect(life.said.get('fault')).toBeUndefined();
      acknowledged += Number(life.said.get('written')?.[0]);
      id = life.said.get('run')?.[0] ?? '';
      const { account, stored } = await refillAccount(state.path, id);
      const totals = account.totalsOf('GPU-a');
      expect(totals?.observedSeconds).toBeGreaterThanOrEqual(acknowledged);
      expect(totals?.energyJoules).toBe((totals?.observedSeconds ?? 0) * 250.25);
      expect(stored.warnings).toEqual([]);
      acknowledged = totals?.observedSeconds ?? 0;
    }
    const { account } = await refillAccount(state.path, id ?? '');
    expect(account.totalsOf('GPU-a')?.gapSeconds).toEqual({ 'no-reading': 40 });
  });

  test('an agent goes on with its counters, never below what it had acknowledged', async () => {
    await using state = await temporaryDirectory();
    let acknowledged = 0;
    for (const slots of [1, 200, 5, 450, 80]) {
      const life = await liveAndDie(['agent', state.path], slots);
      expect(life.errors).toBe('');
      expect(Number(life.said.get('restored')?.[0])).toBeGreaterThanOrEqual(acknowledged);
      acknowledged = Number(life.said.get('written')?.[1]);
    }
    await using ledger = await agentOf(state.path);
    const totals = ledger.account.totalsOf('GPU-a');
    expect(totals?.energyJoules).toBeGreaterThanOrEqual(acknowledged);
    expect(totals?.energyJoules).toBe((totals?.observedSeconds ?? 0) * 250.25);
    // 700 slots of 200 bytes in segments of 20,000: retention has been at work.
    const segments = (await readdir(`${state.path}/agent`)).filter((name) =>
      name.endsWith('journal'),
    );
    expect(segments.length).toBeLessThan(6);
  });

  test('recover closes the books once, though several do it at the same time', async () => {
    await using state = await temporaryDirectory();
    await liveAndDie(['run', state.path], 20);
    expect(await listRuns(state.path)).toMatchObject([{ state: 'interrupted' }]);
    const recoveries = await Promise.all([1, 2, 3].map(() => recoverRuns(state.path)));
    const recovered = recoveries.flat().filter((one) => one.kind === 'recovered');
    expect(recovered).toHaveLength(1);
    const [summary] = await listRuns(state.path);
    expect(summary?.state).toBe('closed');
    expect(summary?.gpuJoules).toBe(((summary?.endSeconds ?? 0) - 1_800_000_000) * 250.25);
    const { account, stored } = await refillAccount(state.path, summary?.id ?? '');
    const { warnings } = account.books(stored);
    expect(warnings.map((warning) => warning.code)).toEqual(['recovered']);
    expect(await recoverRuns(state.path)).toEqual([]);
  });

  test('recover leaves a living run alone', async () => {
    await using state = await temporaryDirectory();
    const books = spawn(process.execPath, [child('books.mjs'), distPath, 'run', state.path]);
    for await (const line of createInterface({ input: books.stdout })) {
      if (!line.startsWith('written')) continue;
      expect(await recoverRuns(state.path)).toEqual([]);
      expect(await listRuns(state.path)).toMatchObject([{ state: 'open' }]);
      books.kill('SIGKILL');
      break;
    }
  });
});

describe('several at once', () => {
  test('four ranks that start in the same millisecond are four runs', async () => {
    await using state = await temporaryDirectory();
    const ranks = await Promise.all(
      ['0', '1', '2', '3'].map((rank) => outcomeOf([distPath, state.path, rank])),
    );
    expect(ranks.map((rank) => rank.closed)).toEqual([true, true, true, true]);
    expect(new Set(ranks.map((rank) => rank.id)).size).toBe(4);
    const runs = await listRuns(state.path);
    expect(new Set(runs.map((one) => one.name))).toEqual(new Set(['0', '1', '2', '3']));
  });

  test('a second agent is refused in one line', async () => {
    await using state = await temporaryDirectory();
    const books = spawn(process.execPath, [child('books.mjs'), distPath, 'agent', state.path]);
    for await (const line of createInterface({ input: books.stdout })) {
      if (!line.startsWith('written')) continue;
      await expect(agentOf(state.path)).rejects.toMatchObject({
        name: 'LedgerError',
        reason: 'locked',
        message: expect.stringMatching(
          /^Cannot keep an agent's ledger in .*: another agent holds it\. .*$/,
        ),
      });
      books.kill('SIGKILL');
      break;
    }
  });
});

describe('where the state directory cannot be written', () => {
  test('a run says so once and keeps its books in memory', async () => {
    await using state = await temporaryDirectory();
    // Root may write anywhere, so the child is nobody; another user's directory is refused in the same way.
    const asNobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
    const directory = process.getuid?.() === 0 ? state.path : '/proc/wattmeter';
    const outcome = await outcomeOf([distPath, directory, 'x'], asNobody);
    expect(outcome).toMatchObject({ kept: 'held', closed: false, faults: [{ kind: 'failing' }] });
    expect(outcome.faults[0]?.message).toMatch(/EACCES|ENOENT/);
  });
});

async function agentOf(stateDirectory: string) {
  const ledger = await openAgentLedger({
    stateDirectory,
    run,
    currency: 'USD',
    writer: { version: 'test', pid: 1 },
    flushSeconds: 1,
    retainSeconds: 0,
    onFault: (fault) => expect(fault).toBeUndefined(),
    now: () => instant(Date.now() / 1e3),
  });
  return {
    account: ledger.account,
    [Symbol.asyncDispose]: async () => void (await ledger.close()),
  };
}

interface Outcome {
  readonly id: string;
  readonly kept: string;
  readonly closed: boolean;
  readonly faults: readonly { kind: string; message?: string }[];
}

async function outcomeOf(
  args: readonly string[],
  options: { readonly uid?: number; readonly gid?: number } = {},
): Promise<Outcome> {
  const creator = spawn(process.execPath, [child('create-run.mjs'), ...args], {
    ...options,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  for await (const line of createInterface({ input: creator.stdout })) text += line;
  return JSON.parse(text) as Outcome;
}
