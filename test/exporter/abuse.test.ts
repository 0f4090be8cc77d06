import { connect, type Socket } from 'node:net';

import { describe, expect, test, vi } from 'vitest';

import { instant } from '../../agent/units.ts';
import { FakePort, someSnapshot } from './a-snapshot.ts';
import { ask, closed, dial, startTestExporter, urlOf } from './client.ts';

const QUICK = { headersMilliseconds: 300, requestMilliseconds: 600, checkMilliseconds: 50 };

/** Collects what a socket receives until it is closed. */
async function received(socket: Socket): Promise<string> {
  let text = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  await closed(socket);
  return text;
}

describe('a client that means ill', () => {
  test('with 1,000 half-open connections does not keep a scraper out, and is cut', async () => {
    await using exporter = await startTestExporter();
    const { port = 0 } = exporter.addresses[0] ?? {};
    const flood = Array.from({ length: 1000 }, () => {
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => {}).write('GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: ');
      return socket;
    });
    await Promise.all(
      flood.map(
        (socket) => new Promise((opened) => socket.once('ready', opened).once('close', opened)),
      ),
    );
    for (let scrape = 0; scrape < 5; scrape += 1) {
      expect((await ask(urlOf(exporter, '/metrics'))).status).toBe(200);
    }
    await vi.waitFor(() =>
      expect(flood.filter((socket) => !socket.closed).length).toBeLessThanOrEqual(128),
    );
    for (const socket of flood) socket.destroy();
  });

  test('that sends its headers by the byte is cut when their time is over', async () => {
    await using exporter = await startTestExporter({ limits: QUICK });
    const socket = await dial(exporter);
    socket.write('GET /metrics HTTP/1.1\r\n');
    const drip = setInterval(() => socket.write('X'), 50);
    const answer = await received(socket);
    clearInterval(drip);
    expect(answer).toMatch(/^HTTP\/1\.1 408 /);
  });

  test('that says nothing at all is cut when its time is over', async () => {
    await using exporter = await startTestExporter({ limits: QUICK });
    const socket = await dial(exporter);
    await closed(socket);
    expect((await ask(urlOf(exporter, '/-/healthy'))).status).toBe(200);
  });

  test('that sends a header of 10 MB is refused long before its end', async () => {
    await using exporter = await startTestExporter();
    const socket = await dial(exporter);
    const answer = received(socket);
    socket.write(`GET /metrics HTTP/1.1\r\nHost: x\r\nX-Big: `);
    const chunk = 'x'.repeat(65_536);
    for (let sent = 0; sent < 10_000_000 && !socket.destroyed; sent += chunk.length) {
      if (!socket.write(chunk)) {
        await new Promise((ready) => socket.once('drain', ready).once('close', ready));
      }
    }
    expect(await answer).toMatch(/^(?:HTTP\/1\.1 431 |$)/);
    expect((await ask(urlOf(exporter, '/-/healthy'))).status).toBe(200);
  });

  test('that posts a body is refused before it is read', async () => {
    await using exporter = await startTestExporter();
    const socket = await dial(exporter);
    socket.write('POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n');
    expect(await received(socket)).toMatch(/^HTTP\/1\.1 405 /);
  });

  test('that opens a stream and never reads is cut, and the others go on', async () => {
    const snapshots = new FakePort(someSnapshot());
    await using exporter = await startTestExporter({ snapshots });
    const socket = await dial(exporter);
    socket.write('GET /api/v1/stream HTTP/1.1\r\nHost: x\r\n\r\n');
    await new Promise((first) => socket.once('readable', first));
    const gone = new Promise((resolved) => socket.once('close', resolved));
    const labels = { filler: 'x'.repeat(200_000) };
    const run = { id: 'a', host: 'h', state: 'open' as const, startSeconds: instant(0), labels };
    // More than the kernel's buffers and the server's patience hold together.
    for (let publication = 0; publication < 200; publication += 1) {
      snapshots.publish(someSnapshot({ openRuns: [run], takenSeconds: instant(publication) }));
      await new Promise((turn) => setImmediate(turn));
    }
    expect((await ask(urlOf(exporter, '/-/healthy'))).status).toBe(200);
    socket.resume();
    await gone;
  });

  test('that talks nonsense gets 400', async () => {
    await using exporter = await startTestExporter();
    const socket = await dial(exporter);
    socket.write('\u0016\u0003\u0001 not http at all\r\n\r\n');
    expect(await received(socket)).toMatch(/^HTTP\/1\.1 400 /);
  });
});
