import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, test, vi } from 'vitest';

import { passedDescriptors } from '../../agent/socket-activation.ts';
import { binaryPath } from '../binary.ts';
import { freePort } from '../e2e/scrape.ts';
import { bundledTrace, openWorkplace } from '../e2e/wattmeter.ts';
import { ask } from '../exporter/client.ts';
import { needProgram } from '../system-program.ts';

test.each([
  ['all of them, in order', { LISTEN_FDS: '3', LISTEN_PID: '77' }, [3, 4, 5]],
  ['whatever the unit calls them', { LISTEN_FDS: '1', LISTEN_PID: '77', LISTEN_FDNAMES: 'a' }, [3]],
  ['none that was passed to another process', { LISTEN_FDS: '2', LISTEN_PID: '76' }, []],
  ['none without a process', { LISTEN_FDS: '2' }, []],
  ['none by a number that is none', { LISTEN_FDS: 'two', LISTEN_PID: '77' }, []],
  ['none by a negative one', { LISTEN_FDS: '-1', LISTEN_PID: '77' }, []],
  ['none without systemd', {}, []],
])('passedDescriptors() finds %s', (_what, environment, expected) => {
  expect(passedDescriptors(environment, 77)).toEqual(expected);
});

/** One request over a Unix socket. */
function askSocket(socketPath: string, method: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, path: '/metrics', method }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    sent.once('error', reject);
    sent.end();
  });
}

describe('an agent with --web.systemd-socket', () => {
  test('serves what systemd has bound for it, IPv4, IPv6 and Unix, and changes nothing over any', async (context) => {
    const program = needProgram(context, 'systemd-socket-activate');
    const folder = mkdtempSync(join(tmpdir(), 'wattmeter-activated-'));
    const [four, six] = [await freePort(), await freePort()];
    const path = join(folder, 'metrics.sock');
    const listen = [`--listen=127.0.0.1:${four}`, `--listen=[::1]:${six}`, `--listen=${path}`];
    const names = '--fdname=office:cluster:local';
    const replay = ['--source', 'replay', '--trace', bundledTrace, '--state-dir', folder];
    const agent = [process.execPath, binaryPath, 'agent', '--web.systemd-socket', ...replay];
    const child = spawn(program, [...listen, names, ...agent]);
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
    const ended = once(child, 'close');
    try {
      // The first connection starts it, and waits for it in the backlog.
      await vi.waitFor(() => expect(said).toContain('as 5'), { timeout: 20_000 });
      const url = `http://127.0.0.1:${four}`;
      expect((await ask(`${url}/-/healthy`)).status).toBe(200);
      expect((await ask(`http://[::1]:${six}/metrics`)).status).toBe(200);
      expect(await askSocket(path, 'GET')).toBe(200);
      expect(await askSocket(path, 'POST')).toBe(405);
      expect((await ask(`${url}/v1/runs`, { method: 'POST' })).status).toBe(405);
      expect(said).toContain(`serving ${url}\n`);
      expect(said).toContain(`serving http://[::1]:${six}\n`);
      child.kill('SIGTERM');
      expect(await ended).toEqual([0, null]);
    } finally {
      child.kill('SIGKILL');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test('listens nowhere else when systemd has passed nothing, and says so in one line', async () => {
    using place = openWorkplace();
    const options = ['agent', '--web.systemd-socket', '--state-dir', place.stateDirectory];
    const { code, stdout, stderr } = await place.run(options);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toBe(
      'wattmeter: --web.systemd-socket: systemd has passed no socket. Is wattmeter.socket enabled and started?\n',
    );
  });
});
