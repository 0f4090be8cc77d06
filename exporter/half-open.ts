// Slowloris: connections that never finish a request. Time limits end each of them; this keeps their number small in
// between by dropping the oldest, so that a flood of them does not lock a real scraper out.

import type { IncomingMessage } from 'node:http';
import type { Server, Socket } from 'node:net';

const MAX_WAITING = 128;

const peerOf = ({ remoteAddress, remotePort }: Socket): string =>
  `${String(remoteAddress)} ${String(remotePort)}`;

/** Bounds how many connections of a server may be without a request at one time. */
export function limitHalfOpen(server: Server): void {
  // By peer, because under TLS a request's socket is not the one that was accepted. In order of arrival.
  const waiting = new Map<string, Socket>();
  server.on('connection', (socket: Socket) => {
    const peer = peerOf(socket);
    waiting.set(peer, socket);
    socket.once('close', () => {
      if (waiting.get(peer) === socket) waiting.delete(peer);
    });
    const [oldest] = waiting;
    if (waiting.size > MAX_WAITING && oldest !== undefined) {
      waiting.delete(oldest[0]);
      oldest[1].destroy();
    }
  });
  server.on('request', ({ socket }: IncomingMessage) => waiting.delete(peerOf(socket)));
}
