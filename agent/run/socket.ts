// A run's own Unix socket: CMD (or anybody of its user and group) marks windows here. What changes state is served on
// Unix sockets alone. A socket that cannot be had is the caller's warning, never the end of the job.

import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import {
  createServer,
  request,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { Mark, MarkOutcome } from './windows.ts';

/** The variable that tells CMD where its run's socket is. */
export const SOCKET_VARIABLE = 'WATTMETER_SOCKET';

// sockaddr_un.sun_path holds 108 bytes with its end; Node cuts longer paths off in silence.
const MAX_PATH_BYTES = 107;
const SOCKET_MODE = 0o660;
const MAX_BODY_BYTES = 65_536;
const MAX_CONNECTIONS = 64;
const REQUEST_TIMEOUT_MILLISECONDS = 5000;

/** What a run's socket serves. */
export interface RunSocketOptions {
  /** Where it should lie: beside the run's journal. */
  readonly path: string;
  /** For a short path when that one is too long, e.g. XDG_RUNTIME_DIR. */
  readonly runtimeDirectory?: string;
  /** `ageSeconds` ago the mark came in: reading and understanding it took that long. */
  mark(mark: Mark, ageSeconds: number): MarkOutcome;
  /** The JSON of a read-only path such as `/v1/run`; undefined is 404. */
  read?(path: string): unknown;
  /** Answers what is neither a mark nor a read (the agent's run registration); undefined is 404. */
  change?(request: SocketRequest): Promise<SocketAnswer | undefined>;
}

/** A request that changes something; `body` is parsed JSON, undefined where there is none or it is not JSON. */
export interface SocketRequest {
  readonly method: string;
  readonly path: string;
  readonly body: unknown;
}

/** Its answer. */
export interface SocketAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** The open socket; disposing closes and removes it. */
export class RunSocket implements AsyncDisposable {
  readonly path: string;
  readonly #server: Server;
  readonly #folder: string | undefined;

  private constructor(path: string, server: Server, folder: string | undefined) {
    this.path = path;
    this.#server = server;
    this.#folder = folder;
  }

  /** Opens it. @throws Error naming the path and the cause when it cannot be had. */
  static async open(options: RunSocketOptions): Promise<RunSocket> {
    let folder: string | undefined;
    let { path } = options;
    try {
      if (Buffer.byteLength(path) > MAX_PATH_BYTES) {
        folder = mkdtempSync(join(options.runtimeDirectory ?? tmpdir(), 'wattmeter-'));
        path = join(folder, 'run.sock');
      }
      const server = createServer((incoming, response) => void answer(incoming, response, options));
      await removeStale(path);
      await listen(server, path);
      return new RunSocket(path, server, folder);
    } catch (error) {
      if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
      throw new Error(
        `Cannot open the run's socket ${path}: ${messageOf(error)}. Marks from inside the job are lost; is its folder writable?`,
        { cause: error },
      );
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    // Closing a Unix server removes its file.
    await new Promise((resolve) => this.#server.close(resolve));
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true });
  }
}

async function listen(server: Server, path: string): Promise<void> {
  server.maxConnections = MAX_CONNECTIONS;
  server.requestTimeout = REQUEST_TIMEOUT_MILLISECONDS;
  server.headersTimeout = REQUEST_TIMEOUT_MILLISECONDS;
  server.keepAliveTimeout = REQUEST_TIMEOUT_MILLISECONDS;
  server.on('clientError', (_error, connection) => {
    connection.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  server.removeAllListeners('error');
  chmodSync(path, SOCKET_MODE);
  server.on('error', () => undefined);
  server.unref();
}

/** Takes away the file of a Wattmeter that died (`--resume`); one that still answers is left, and listening fails. */
async function removeStale(path: string): Promise<void> {
  const isDead = await new Promise<boolean>((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(false);
    });
    probe.once('error', (error) => resolve('code' in error && error.code === 'ECONNREFUSED'));
  });
  if (isDead) rmSync(path);
}

async function answer(
  incoming: IncomingMessage,
  response: ServerResponse,
  options: RunSocketOptions,
): Promise<void> {
  try {
    const path = incoming.url?.split('?')[0] ?? '/';
    if (incoming.method === 'GET' || incoming.method === 'HEAD') {
      const body = options.read?.(path);
      if (body === undefined) return reply(response, 404, { error: `There is no ${path} here.` });
      return reply(response, 200, body);
    }
    if (path !== '/v1/marks') return await answerChange(incoming, response, path, options);
    if (incoming.method !== 'POST') {
      response.setHeader('Allow', 'POST');
      return reply(response, 405, { error: 'Marks are POSTed.' });
    }
    return await answerMark(incoming, response, options);
  } catch (error) {
    return reply(response, 500, { error: messageOf(error) });
  }
}

async function answerChange(
  incoming: IncomingMessage,
  response: ServerResponse,
  path: string,
  options: RunSocketOptions,
): Promise<void> {
  const text = await readBody(incoming);
  if (text === undefined) {
    response.setHeader('Connection', 'close');
    return reply(response, 413, { error: `A request has at most ${MAX_BODY_BYTES} bytes.` });
  }
  const request = { method: incoming.method ?? '', path, body: parseJson(text) };
  const given = await options.change?.(request);
  const { status, body } = given ?? { status: 404, body: { error: `There is no ${path} here.` } };
  return reply(response, status, body);
}

async function answerMark(
  incoming: IncomingMessage,
  response: ServerResponse,
  options: RunSocketOptions,
): Promise<void> {
  const cameMilliseconds = performance.now();
  const text = await readBody(incoming);
  if (text === undefined) {
    response.setHeader('Connection', 'close');
    return reply(response, 413, { error: `A mark has at most ${MAX_BODY_BYTES} bytes.` });
  }
  // Not at the top of the file: a wrapped command starts before anybody marks.
  const { parseMark } = await import('./marks.ts');
  const parsed = parseMark(parseJson(text));
  if (parsed.kind === 'malformed') return reply(response, 400, { error: parsed.message });
  const outcome = options.mark(parsed.mark, (performance.now() - cameMilliseconds) / 1e3);
  if (outcome.kind === 'refused') return reply(response, 409, { error: outcome.message });
  return reply(response, 200, { timeSeconds: outcome.edgeSeconds, closed: outcome.closed });
}

/** The body as text; undefined when it is too long. */
async function readBody(incoming: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  // Leaving early must not destroy the connection: the refusal still has to go out on it.
  const body: AsyncIterable<Buffer> = incoming.iterator({ destroyOnReturn: false });
  for await (const chunk of body) {
    length += chunk.length;
    if (length > MAX_BODY_BYTES) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  if (response.headersSent || response.destroyed) return;
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify(body)}\n`);
}

const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

const CLIENT_TIMEOUT_MILLISECONDS = 5000;

/** Sends a mark to a run's (or the agent's) socket. @throws Error with the one line that `wattmeter mark` prints. */
export async function markClient(socketPath: string, mark: Mark): Promise<void> {
  const { status, text } = await post(socketPath, JSON.stringify(mark)).catch((error: unknown) => {
    throw new Error(
      `Cannot mark ${mark.name} on ${socketPath}: ${messageOf(error)}. Is the run still going?`,
      { cause: error },
    );
  });
  if (status === 200) return;
  const said = parseJson(text);
  const cause =
    typeof said === 'object' && said !== null && 'error' in said ? String(said.error) : text.trim();
  throw new Error(`Cannot mark ${mark.name}: Wattmeter answered ${status}. ${cause}`);
}

function post(
  socketPath: string,
  body: string,
): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        socketPath,
        path: '/v1/marks',
        method: 'POST',
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
        signal: AbortSignal.timeout(CLIENT_TIMEOUT_MILLISECONDS),
      },
      (response) => {
        readBody(response).then(
          (text) => resolve({ status: response.statusCode ?? 0, text: text ?? '' }),
          reject,
        );
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}
