import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

import { describe, expect, test } from 'vitest';

import { openNotifier } from '../../agent/notify.ts';
import { needProgram } from '../system-program.ts';

const noWarning = (message: string): void => {
  throw new Error(message);
};

interface Listener extends AsyncDisposable {
  /** The next datagram. */
  next(): Promise<string>;
}

/** A datagram socket as systemd has it, in a process of its own. */
async function listen(python: string, path: string): Promise<Listener> {
  const script = resolve(import.meta.dirname, 'datagram-listener.py');
  const child = spawn(python, [script, path], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = new Promise((resolved) => child.once('close', resolved));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<string> => {
    const line = await lines.next();
    return line.done === true ? 'the listener ended' : line.value;
  };
  expect(await next()).toBe('listening');
  return {
    next,
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      await ended;
    },
  };
}

async function withFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'wattmeter-notify-'));
  try {
    await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describe('openNotifier()', () => {
  test.for([
    ['a path', (folder: string) => join(folder, 'notify')],
    ['an abstract name', () => `@wattmeter-test-${process.pid}`],
  ] as const)(
    'tells a manager that listens on %s everything, in order',
    async ([, place], context) => {
      const python = needProgram(context, 'python3');
      await withFolder(async (folder) => {
        const path = place(folder);
        await using manager = await listen(python, path);
        const notifier = await openNotifier({ NOTIFY_SOCKET: path }, noWarning);
        notifier.status('8 GPUs by nvml\nREADY=0');
        notifier.ready();
        notifier.watchdog();
        notifier.stopping();
        expect(await manager.next()).toBe('STATUS=8 GPUs by nvml READY=0');
        expect(await manager.next()).toBe('READY=1');
        expect(await manager.next()).toBe('WATCHDOG=1');
        expect(await manager.next()).toBe('STOPPING=1');
      });
    },
  );

  test('does nothing where no manager asked', async () => {
    const notifier = await openNotifier({ NOTIFY_SOCKET: '', WATCHDOG_USEC: '1' }, noWarning);
    notifier.ready();
    notifier.watchdog();
    notifier.stopping();
    notifier.status('all is well');
    expect(notifier).not.toHaveProperty('watchdogPeriodSeconds');
  });

  test.each([
    ['half of what the manager allows', { WATCHDOG_USEC: '30000000' }, 15],
    [
      'when the watchdog is for this process',
      { WATCHDOG_USEC: '4000000', WATCHDOG_PID: `${process.pid}` },
      2,
    ],
    ['not when it is for another one', { WATCHDOG_USEC: '4000000', WATCHDOG_PID: '1' }, undefined],
    ['not without one', {}, undefined],
    ['not by a value that is no time', { WATCHDOG_USEC: 'soon' }, undefined],
  ])('asks to be called %s', async (_when, environment, expected) => {
    const notifier = await openNotifier({ NOTIFY_SOCKET: '/nowhere', ...environment }, noWarning);
    expect(notifier.watchdogPeriodSeconds).toBe(expected);
  });

  test.each([
    ['a socket that is gone', '/nonexistent/wattmeter/notify', 'sendto(2) failed with errno 2'],
    ['an address of another kind', 'vsock:2:1234', 'it is no Unix socket'],
    ['a path that no socket can have', `/${'x'.repeat(108)}`, 'it is no Unix socket'],
  ])('survives %s and says so once', async (_what, path, cause) => {
    const warnings: string[] = [];
    const notifier = await openNotifier({ NOTIFY_SOCKET: path }, (text) => warnings.push(text));
    notifier.ready();
    notifier.watchdog();
    expect(warnings).toEqual([expect.stringContaining(`${path}: ${cause}`)]);
  });
});
