import { spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';

import { BudgetWatch, budgetStates, unjudgedBudgets } from '../../agent/run/budget.ts';
import { jobProcesses } from '../../agent/run/processes.ts';
import { terminateJob, terminationPorts } from '../../agent/run/terminate.ts';
import { postWebhook, type WebhookMessage } from '../../agent/run/webhook.ts';

describe('BudgetWatch', () => {
  test('speaks up once at 80 % and once past the limit', () => {
    const watch = new BudgetWatch({ energyKilowattHours: 10 }, 'EUR');
    const levels = [1, 7.9, 8, 9, 7, 10, 12].map((energyKilowattHours) =>
      watch.assess({ energyKilowattHours }).events.map(({ level }) => level),
    );
    expect(levels).toEqual([[], [], ['nearly-used'], [], [], ['exceeded'], []]);
  });

  test('does not call a budget nearly used after it was exceeded', () => {
    const watch = new BudgetWatch({ costAmount: 1 }, 'EUR');
    expect(watch.assess({ costAmount: 2 }).events).toHaveLength(1);
    expect(watch.assess({ costAmount: 0.9 }).events).toEqual([]);
  });

  test('an unknown figure is no zero', () => {
    const states = budgetStates({ co2eGrams: 5, costAmount: 1 }, { costAmount: 0.5 });
    expect(states).toEqual([
      { kind: 'cost', limit: 1, used: 0.5, usedRatio: 0.5 },
      { kind: 'co2e', limit: 5 },
    ]);
    expect(unjudgedBudgets(states)).toMatchObject([{ code: 'budget-unjudged' }]);
  });

  test('says amounts in their unit, without an exponent', () => {
    const watch = new BudgetWatch({ costAmount: 1e-7, co2eGrams: 5 }, 'EUR');
    const { events } = watch.assess({ costAmount: 1.5e-7, co2eGrams: 4 });
    expect(events.map(({ message }) => message)).toEqual([
      'The cost budget is exceeded: 0.00000015 of 0.0000001 EUR (150 %).',
      'The co2e budget is nearly used: 4 of 5 g CO2e (80 %).',
    ]);
  });

  test('a budget of nothing is used up by anything', () => {
    const watch = new BudgetWatch({ energyKilowattHours: 0 }, 'EUR');
    expect(watch.assess({ energyKilowattHours: 0 }).events).toEqual([]);
    expect(watch.assess({ energyKilowattHours: 0.001 }).events).toMatchObject([
      { level: 'exceeded', message: 'The energy budget is exceeded: 0.001 of 0 kWh.' },
    ]);
  });
});

/** A shell with a child, a grandchild and an orphan; all say so before the promise resolves. */
async function startFamily(socketPath: string, trap: string): Promise<number> {
  const script = `${trap}
    (sleep 300 & echo child; wait) &
    setsid sh -c 'sleep 300 & echo orphan'
    echo parent; wait; sleep 300`;
  const child = spawn('bash', ['-c', script], {
    env: { ...process.env, WATTMETER_SOCKET: socketPath },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let said = '';
  for await (const text of child.stdout.setEncoding('utf8') as AsyncIterable<string>) {
    said += text;
    if (['child', 'orphan', 'parent'].every((word) => said.includes(word))) break;
  }
  if (child.pid === undefined) throw new Error('bash did not start');
  return child.pid;
}

describe('terminateJob()', () => {
  const ports = terminationPorts({
    kill: (pid, signal) => process.kill(pid, signal),
    wait: (seconds) => delay(seconds * 1e3),
  });

  test('ends children, grandchildren and orphans by SIGTERM alone where they obey', async () => {
    const socketPath = `/run/test-${process.pid}-obey.sock`;
    const pid = await startFamily(socketPath, '');
    const identity = { pid, socketPath, ownPid: process.pid };
    expect(jobProcesses(identity).length).toBeGreaterThanOrEqual(4);
    expect(jobProcesses(identity)[0]?.pid).toBe(pid);
    expect(await terminateJob(identity, 20, ports)).toEqual({ killedCount: 0 });
    expect(jobProcesses(identity)).toEqual([]);
  });

  test('kills after the grace period what does not obey', async () => {
    const socketPath = `/run/test-${process.pid}-deaf.sock`;
    const pid = await startFamily(socketPath, "trap '' TERM");
    const identity = { pid, socketPath, ownPid: process.pid };
    const { killedCount } = await terminateJob(identity, 0.3, ports);
    expect(killedCount).toBeGreaterThanOrEqual(4);
    while (jobProcesses(identity).length > 0) await delay(10);
  });

  test('tells each process once', async () => {
    const sent: string[] = [];
    let rounds = 0;
    const result = await terminateJob({ pid: 5, ownPid: 1 }, 1, {
      list: () =>
        rounds++ < 3
          ? [
              { pid: 5, startTicks: '1' },
              { pid: 6, startTicks: '2' },
            ]
          : [],
      isStill: () => true,
      send: (pid, signal) => sent.push(`${pid} ${signal}`),
      wait: () => Promise.resolve(),
    });
    expect(result).toEqual({ killedCount: 0 });
    expect(sent).toEqual(['5 SIGTERM', '5 SIGCONT', '6 SIGTERM', '6 SIGCONT']);
  });
});

const message: WebhookMessage = {
  schema: 'wattmeter.webhook/1',
  event: 'run-ended',
  text: 'The run ended.',
  run: { id: 'r1', host: 'node1' },
};

/** A receiver that answers with the given statuses in turn, and what it was sent. */
async function openReceiver(statuses: readonly number[]) {
  const bodies: unknown[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      const status = statuses[bodies.length] ?? 200;
      bodies.push(JSON.parse(body));
      // 0: never answers.
      if (status !== 0) response.writeHead(status, { location: '/elsewhere' }).end('no');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/hooks/secret-token`,
    bodies,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe('postWebhook()', () => {
  test('tries again after a server error', async () => {
    await using receiver = await openReceiver([503, 500]);
    const limits = { deadlineSeconds: 20, retrySeconds: 0.001 };
    expect(await postWebhook(receiver.url, message, limits)).toEqual({
      kind: 'delivered',
      attempts: 3,
    });
    expect(receiver.bodies).toEqual([message, message, message]);
  });

  test.each([
    ['refused for good', [404], 1],
    ['sent elsewhere', [302], 1],
    ['always failing', [500, 500, 500, 500], 3],
  ])('gives up when %s, without its secret', async (_, statuses, count) => {
    await using receiver = await openReceiver(statuses);
    const limits = { deadlineSeconds: 20, retrySeconds: 0.001 };
    const delivery = await postWebhook(receiver.url, message, limits);
    expect(delivery.kind).toBe('failed');
    expect(JSON.stringify(delivery)).not.toContain('secret');
    expect(receiver.bodies).toHaveLength(count);
  });

  test('does not wait for a receiver that never answers', async () => {
    await using receiver = await openReceiver([0]);
    const delivery = await postWebhook(receiver.url, message, { deadlineSeconds: 0.2 });
    expect(delivery).toMatchObject({ message: expect.stringContaining('did not answer in time') });
  });

  test.each(['not a url with secret', 'http://secret.invalid/', 'http://127.0.0.1:1/secret'])(
    'never quotes %s',
    async (url) => {
      const delivery = await postWebhook(url, message, { deadlineSeconds: 10, attempts: 1 });
      expect(delivery.kind).toBe('failed');
      expect(JSON.stringify(delivery)).not.toContain('secret');
    },
  );
});
