// HTTP as tests need it: exact requests, nothing decoded behind their back, and sockets that misbehave on purpose.

import { request, type IncomingHttpHeaders, type RequestOptions } from 'node:http';
import { request as secureRequest } from 'node:https';
import { connect, type Socket } from 'node:net';

import { startExporter, type Exporter, type ExporterOptions } from '../../exporter/server.ts';
import { FakePort, someSnapshot } from './a-snapshot.ts';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly text: string;
}

/** One request on a connection of its own; rejects when the connection fails. */
export function ask(
  url: string,
  options: RequestOptions & Record<string, unknown> = {},
): Promise<Answer> {
  const send = url.startsWith('https:') ? secureRequest : request;
  return new Promise((resolved, rejected) => {
    const sent = send(url, { agent: false, ...options }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', rejected);
      response.once('end', () => {
        const body = Buffer.concat(chunks);
        resolved({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body,
          text: body.toString('utf8'),
        });
      });
    });
    sent.once('error', rejected);
    sent.end();
  });
}

/** An exporter on a free port of this machine that shows a snapshot. */
export function startTestExporter(options: Partial<ExporterOptions> = {}): Promise<Exporter> {
  return startExporter({
    listenAddresses: ['127.0.0.1:0'],
    snapshots: new FakePort(someSnapshot()),
    ...options,
  });
}

/** URL of the first address of an exporter. */
export const urlOf = (exporter: Exporter, path = ''): string =>
  `${exporter.addresses[0]?.url ?? ''}${path}`;

/** A bare connection to the first address of an exporter. */
export async function dial(exporter: Exporter): Promise<Socket> {
  const { port = 0 } = exporter.addresses[0] ?? {};
  const socket = connect(port, '127.0.0.1');
  // A cut connection is what these tests are about.
  socket.on('error', () => {});
  await new Promise((connected) => socket.once('connect', connected));
  return socket;
}

/** Resolves when the other side has ended or cut the connection. */
export const closed = (socket: Socket): Promise<void> =>
  new Promise((resolved) => {
    if (socket.closed) resolved();
    socket.resume().once('close', () => resolved());
  });

/** Opens a stream of events; what arrived so far is in `text`. */
export function openStream(
  url: string,
): Promise<{ text(): string; done: Promise<void>; end(): void }> {
  return new Promise((resolved, rejected) => {
    const sent = request(url, { agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      const done = new Promise<void>((finished) => {
        response.once('close', finished);
      });
      response.on('error', () => {});
      resolved({ text: () => text, done, end: () => sent.destroy() });
    });
    sent.on('error', rejected);
    sent.end();
  });
}
