import { existsSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { markClient, RunSocket } from '../../agent/run/socket.ts';
import { WindowBook, type Mark } from '../../agent/run/windows.ts';
import { instant } from '../../agent/units.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'wattmeter-socket-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const marks: Mark[] = [];
function openSocket(path = join(directory, 'run.sock')): Promise<RunSocket> {
  marks.length = 0;
  const book = new WindowBook(instant(0));
  return RunSocket.open({
    path,
    runtimeDirectory: directory,
    mark: (mark) => {
      marks.push(mark);
      return book.mark(mark, instant(marks.length));
    },
    read: (asked) => (asked === '/v1/run' ? { id: 'r1' } : undefined),
  });
}

function ask(
  socketPath: string,
  options: { method?: string; path?: string; body?: string },
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const { method = 'POST', path = '/v1/marks', body = '' } = options;
    const outgoing = request({ socketPath, method, path, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

describe('RunSocket', () => {
  test('books what markClient() sends', async () => {
    await using socket = await openSocket();
    await markClient(socket.path, { name: 'epoch 1', phase: 'begin' });
    await markClient(socket.path, { name: 'epoch 1', phase: 'end', steps: 10, tokens: 20 });
    expect(marks).toEqual([
      { name: 'epoch 1', phase: 'begin' },
      { name: 'epoch 1', phase: 'end', steps: 10, tokens: 20 },
    ]);
  });

  test('is for its user and group, and gone in the end', async () => {
    const socket = await openSocket();
    expect(statSync(socket.path).mode & 0o777).toBe(0o660);
    await socket[Symbol.asyncDispose]();
    expect(existsSync(socket.path)).toBe(false);
  });

  test('lies elsewhere when its path is too long for the kernel', async () => {
    const long = join(directory, 'x'.repeat(108));
    const socket = await openSocket(long);
    expect(socket.path.length).toBeLessThanOrEqual(107);
    await markClient(socket.path, { name: 'here', phase: 'instant' });
    await socket[Symbol.asyncDispose]();
    expect(existsSync(join(socket.path, '..'))).toBe(false);
  });

  test('takes the place of a Wattmeter that died', async () => {
    const path = join(directory, 'run.sock');
    const dead = createServer().listen(path);
    await new Promise((resolve) => dead.once('listening', resolve));
    // A file that nobody listens behind is what SIGKILL leaves; closing would take it away.
    renameSync(path, `${path}.kept`);
    await new Promise((resolve) => dead.close(resolve));
    renameSync(`${path}.kept`, path);
    await using socket = await openSocket(path);
    await markClient(socket.path, { name: 'again', phase: 'instant' });
    expect(marks).toHaveLength(1);
  });

  test('does not take the place of one that lives', async () => {
    await using first = await openSocket();
    await expect(openSocket(first.path)).rejects.toThrow(
      /Cannot open the run's socket .*EADDRINUSE/,
    );
    await markClient(first.path, { name: 'still here', phase: 'instant' });
  });

  test('says why it cannot be had', async () => {
    writeFileSync(join(directory, 'file'), '');
    await expect(openSocket(join(directory, 'file', 'run.sock'))).rejects.toThrow(
      /Cannot open the run's socket .*file\/run\.sock/,
    );
  });

  test.each([
    ['no JSON', 400, { body: 'garbage' }],
    ['no name', 400, { body: '{"phase":"begin"}' }],
    ['an empty name', 400, { body: '{"name":"","phase":"begin"}' }],
    ['a name that moves the cursor', 400, { body: '{"name":"\\u001b[2J","phase":"begin"}' }],
    ['an unknown phase', 400, { body: '{"name":"x","phase":"middle"}' }],
    ['a negative count', 400, { body: '{"name":"x","phase":"end","steps":-1}' }],
    ['an unknown key', 400, { body: '{"name":"x","phase":"begin","host":"y"}' }],
    ['an end without a beginning', 409, { body: '{"name":"x","phase":"end"}' }],
    ['65 KiB', 413, { body: `{"name":"${'x'.repeat(66_000)}","phase":"begin"}` }],
    ['another path', 404, { path: '/v1/runs', body: '{}' }],
    ['PUT', 405, { method: 'PUT', body: '{}' }],
    ['GET of nothing', 404, { method: 'GET', path: '/etc/passwd' }],
  ])('refuses %s with %i', async (_, status, options) => {
    await using socket = await openSocket();
    const answer = await ask(socket.path, options);
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.text)).toHaveProperty('error');
    await markClient(socket.path, { name: 'well afterwards', phase: 'instant' });
  });

  test('serves what may be read', async () => {
    await using socket = await openSocket();
    const answer = await ask(socket.path, { method: 'GET', path: '/v1/run' });
    expect(answer).toEqual({ status: 200, text: '{"id":"r1"}\n' });
  });

  test('answers bytes that are no HTTP, and lives on', async () => {
    await using socket = await openSocket();
    const said = await new Promise<string>((resolve) => {
      let text = '';
      const raw = connect(socket.path, () => raw.write('\0\u0001 nonsense\r\n\r\n'));
      raw.setEncoding('utf8').on('data', (part: string) => (text += part));
      raw.on('close', () => resolve(text));
    });
    expect(said).toMatch(/^HTTP\/1.1 400/);
    await markClient(socket.path, { name: 'well afterwards', phase: 'instant' });
  });
});

describe('markClient()', () => {
  test('says what is wrong when nobody is there', async () => {
    await expect(
      markClient(join(directory, 'none.sock'), { name: 'x', phase: 'begin' }),
    ).rejects.toThrow(/Cannot mark x on .*none\.sock: .* Is the run still going\?/);
  });

  test('passes on why a mark was refused', async () => {
    await using socket = await openSocket();
    await expect(markClient(socket.path, { name: 'x', phase: 'end' })).rejects.toThrow(
      /answered 409. Cannot mark this: no window x is open/,
    );
  });
});
