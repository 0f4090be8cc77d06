// Server-sent events: each publication is written once and sent to every open page. Pages are few, and one that does
// not keep up is cut, so that no reader holds memory of the agent.

import type { Response } from 'express';

import { isSampled, type Snapshot, type SnapshotPort } from '../agent/snapshot.ts';
import { History } from './history.ts';
import { toJson } from './json.ts';

const MAX_CLIENTS = 64;
const MAX_BACKLOG_BYTES = 1_048_576;
const HEARTBEAT_MILLISECONDS = 15_000;
const RETRY_MILLISECONDS = 2000;

const event = (name: string, data: unknown): string => `event: ${name}\ndata: ${toJson(data)}\n\n`;

/** Sends snapshots to open pages from `open` until it is disposed of. */
export class SnapshotStream implements Disposable {
  readonly #port: SnapshotPort;
  readonly #history = new History();
  readonly #clients = new Set<Response>();
  #unsubscribe: (() => void) | undefined;
  #heartbeat: NodeJS.Timeout | undefined;

  constructor(port: SnapshotPort) {
    this.#port = port;
  }

  /** Begins to listen to publications. */
  open(): void {
    this.#unsubscribe = this.#port.subscribe((snapshot) => this.#publish(snapshot));
    this.#heartbeat = setInterval(() => this.#sendToAll(': alive\n\n'), HEARTBEAT_MILLISECONDS);
    this.#heartbeat.unref();
  }

  /** Takes a client: history and newest snapshot at once, then each publication. False when there are too many. */
  add(client: Response): boolean {
    if (this.#clients.size >= MAX_CLIENTS) return false;
    client.writeHead(200, {
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-store, no-transform',
      'X-Accel-Buffering': 'no',
    });
    client.write(`retry: ${RETRY_MILLISECONDS}\n\n${event('history', this.#history.columns())}`);
    const newest = this.#port.latest();
    if (newest !== undefined && isSampled(newest)) client.write(event('snapshot', newest));
    this.#clients.add(client);
    client.once('close', () => this.#clients.delete(client));
    return true;
  }

  [Symbol.dispose](): void {
    this.#unsubscribe?.();
    clearInterval(this.#heartbeat);
    for (const client of this.#clients) client.end();
    this.#clients.clear();
  }

  #publish(snapshot: Snapshot): void {
    if (!isSampled(snapshot)) return;
    this.#history.add(snapshot);
    if (this.#clients.size > 0) this.#sendToAll(event('snapshot', snapshot));
  }

  #sendToAll(text: string): void {
    for (const client of this.#clients) {
      if (client.writableLength > MAX_BACKLOG_BYTES) client.destroy();
      else client.write(text);
    }
  }
}
