// The exporter as a whole: reads its web configuration, listens on every address, and stops within a second. Last
// stage of the pipeline; the command line starts it.

import { createServer, type Server } from 'node:http';
import { createServer as createSecureServer, Server as SecureServer } from 'node:https';
import type { Socket } from 'node:net';
import { hostname } from 'node:os';
import { resolve } from 'node:path';
import type { TLSSocket } from 'node:tls';

import type { Express } from 'express';

import type { RunCatalogue, SnapshotPort } from '../agent/snapshot.ts';
import { createApp } from './app.ts';
import { loadAssets } from './assets.ts';
import { BasicAuth } from './basic-auth.ts';
import { dcgmFamilies } from './dcgm.ts';
import { ConfigError } from './errors.ts';
import { FAMILIES } from './families.ts';
import { limitHalfOpen } from './half-open.ts';
import {
  listenError,
  listeningAddress,
  parseListenAddress,
  type ListeningAddress,
  type ListenTarget,
} from './listen-address.ts';
import { processExposition } from './process-metrics.ts';
import { joinExpositions, snapshotExposition } from './registry.ts';
import { SnapshotStream } from './stream.ts';
import { acceptsClient, asksForCertificate, type TlsConfig } from './tls.ts';
import { WebConfigFile } from './web-config-file.ts';
import type { WebConfig } from './web-config.ts';

/** How the exporter is set up: the `--web.…` options and what it shows. */
export interface ExporterOptions {
  /** `HOST:PORT`, `[IPv6]:PORT`, `:PORT`; port 0 lets the system choose. */
  readonly listenAddresses: readonly string[];
  /** Sockets that are bound already, instead of the addresses. */
  readonly listenDescriptors?: readonly number[];
  /** Default `/metrics`. */
  readonly telemetryPath?: string;
  /** Requests at once, then 503; 0 is no limit. Default 40. */
  readonly maxRequests?: number;
  /** Serves `/metrics/dcgm`. Default false. */
  readonly dcgmCompat?: boolean;
  /** Path of a web.config.yml. */
  readonly webConfigFile?: string;
  readonly snapshots: SnapshotPort;
  readonly runs?: RunCatalogue;
  /** Told in one line what went wrong while running: a web.config.yml that became invalid. */
  readonly warn?: (message: string) => void;
  /** Where the built dashboard is; default beside this file. */
  readonly dashboardDirectory?: string;
  readonly limits?: Partial<ConnectionLimits>;
}

/** Time and size limits of a connection. */
export interface ConnectionLimits {
  /** From the start of a connection or request to the end of its headers, and of a TLS handshake. */
  readonly headersMilliseconds: number;
  readonly requestMilliseconds: number;
  /** Silence after which a connection is cut; longer than a stream's heartbeat. */
  readonly idleMilliseconds: number;
  /** Longer than the usual scrape interval, so that Prometheus keeps its connection. */
  readonly keepAliveMilliseconds: number;
  readonly checkMilliseconds: number;
  readonly headerBytes: number;
  readonly connections: number;
}

const LIMITS: ConnectionLimits = {
  headersMilliseconds: 5000,
  requestMilliseconds: 10_000,
  idleMilliseconds: 60_000,
  keepAliveMilliseconds: 65_000,
  checkMilliseconds: 500,
  headerBytes: 16_384,
  connections: 1024,
};

const STOP_MILLISECONDS = 500;
const TELEMETRY_PATH = /^\/[\w.~/-]+$/;
const RESERVED_PATHS = /^\/(?:-|api|dashboard)(?:\/|$)|^\/metrics\/dcgm\/?$/;

/** Starts an exporter. @throws ConfigError, ListenError */
export async function startExporter(options: ExporterOptions): Promise<Exporter> {
  const exporter = new Exporter(options);
  try {
    await exporter.start();
    return exporter;
  } catch (error) {
    await exporter[Symbol.asyncDispose]();
    throw error;
  }
}

/** The HTTP side of Wattmeter; owns its sockets from `start` until it is disposed of. */
export class Exporter implements AsyncDisposable {
  readonly #options: ExporterOptions;
  readonly #limits: ConnectionLimits;
  readonly #webConfig: WebConfigFile;
  readonly #stream: SnapshotStream;
  readonly #auth = new BasicAuth();
  readonly #servers: (Server | SecureServer)[] = [];
  // All that were accepted: http's own list lacks those that have not finished a TLS handshake.
  readonly #sockets = new Set<Socket>();
  readonly #addresses: ListeningAddress[] = [];

  constructor(options: ExporterOptions) {
    this.#options = options;
    this.#limits = { ...LIMITS, ...options.limits };
    this.#webConfig = new WebConfigFile(options.webConfigFile, this.#warn);
    this.#stream = new SnapshotStream(options.snapshots);
  }

  /** Where it listens, in the order of the options, with the ports that the system chose. */
  get addresses(): readonly ListeningAddress[] {
    return this.#addresses;
  }

  /** Listens on every address. @throws ConfigError, ListenError */
  async start(): Promise<void> {
    const { listenAddresses, listenDescriptors } = this.#options;
    const targets: readonly ListenTarget[] =
      listenDescriptors?.map((descriptor) => ({ descriptor })) ??
      listenAddresses.map(parseListenAddress);
    const telemetryPath = checkTelemetryPath(this.#options.telemetryPath ?? '/metrics');
    await this.#webConfig.load();
    const app = await this.#createApp(telemetryPath);
    const { tls } = this.#webConfig.current;
    this.#webConfig.onChange((config) => this.#applyTls(tls, config));
    this.#stream.open();
    for (const target of targets) await this.#listen(target, app, tls);
  }

  /** Ends streams and idle connections at once, the others within half a second. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#webConfig[Symbol.dispose]();
    this.#stream[Symbol.dispose]();
    const servers = this.#servers.splice(0);
    const deadline = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, STOP_MILLISECONDS);
    await Promise.all([...servers.map(stop), this.#auth[Symbol.asyncDispose]()]);
    clearTimeout(deadline);
  }

  async #createApp(telemetryPath: string): Promise<Express> {
    const { snapshots, runs, maxRequests = 40, dcgmCompat = false } = this.#options;
    const latest = () => snapshots.latest();
    const directory = this.#options.dashboardDirectory ?? resolve(import.meta.dirname, 'dashboard');
    return createApp({
      snapshots,
      ...(runs && { runs }),
      metrics: joinExpositions(snapshotExposition(latest, FAMILIES), processExposition()),
      telemetryPath,
      ...(dcgmCompat && { dcgmMetrics: snapshotExposition(latest, dcgmFamilies(hostname())) }),
      maxRequests,
      webConfig: () => this.#webConfig.current,
      auth: this.#auth,
      stream: this.#stream,
      assets: await loadAssets(directory, telemetryPath),
    });
  }

  async #listen(target: ListenTarget, app: Express, tls: TlsConfig | undefined): Promise<void> {
    const server = this.#createServer(app, tls);
    this.#servers.push(server);
    await listen(server, target);
    const scheme = tls === undefined ? 'http' : 'https';
    this.#addresses.push(listeningAddress(server.address(), target, scheme));
  }

  #createServer(app: Express, tls: TlsConfig | undefined): Server | SecureServer {
    const limits = this.#limits;
    const options = {
      headersTimeout: limits.headersMilliseconds,
      requestTimeout: limits.requestMilliseconds,
      keepAliveTimeout: limits.keepAliveMilliseconds,
      connectionsCheckingInterval: limits.checkMilliseconds,
      maxHeaderSize: limits.headerBytes,
    };
    const server =
      tls === undefined
        ? createServer(options, app)
        : createSecureServer({ ...options, ...this.#tlsOptions(tls) }, app);
    server.maxConnections = limits.connections;
    server.setTimeout(limits.idleMilliseconds);
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    limitHalfOpen(server);
    // Refused certificates and plain HTTP to a TLS port end their connection and concern nobody else.
    server.on('tlsClientError', (_error: Error, socket: TLSSocket) => socket.destroy());
    server.on('secureConnection', (socket: TLSSocket) => {
      const required = this.#webConfig.current.tls ?? tls;
      if (required !== undefined && !acceptsClient(socket, required)) socket.destroy();
    });
    return server;
  }

  #tlsOptions(tls: TlsConfig): object {
    return {
      ...tls.context,
      requestCert: asksForCertificate(tls),
      rejectUnauthorized: tls.clientAuth === 'RequireAndVerifyClientCert',
      handshakeTimeout: this.#limits.headersMilliseconds,
      ALPNProtocols: ['http/1.1'],
    };
  }

  #applyTls(before: TlsConfig | undefined, { tls }: WebConfig): void {
    if (before?.clientAuth !== tls?.clientAuth) {
      this.#warn(
        `${this.#options.webConfigFile ?? ''}: tls_server_config was added, removed or asks clients for other certificates. Restart Wattmeter to apply that; the rest is applied.`,
      );
    }
    if (tls === undefined) return;
    for (const server of this.#servers) {
      if (server instanceof SecureServer) server.setSecureContext(tls.context);
    }
  }

  readonly #warn = (message: string): void => this.#options.warn?.(message);
}

function checkTelemetryPath(path: string): string {
  if (TELEMETRY_PATH.test(path) && !RESERVED_PATHS.test(path)) return path;
  throw new ConfigError(
    `--web.telemetry-path must be a path of its own such as /metrics, not "${path}": /, /-/…, /api/…, /dashboard/… and /metrics/dcgm are taken.`,
  );
}

function listen(server: Server | SecureServer, target: ListenTarget): Promise<void> {
  return new Promise((resolved, rejected) => {
    const fail = (error: Error): void => rejected(listenError(target, error));
    server.once('error', fail);
    server.listen('descriptor' in target ? { fd: target.descriptor } : target, () => {
      server.off('error', fail);
      resolved();
    });
  });
}

function stop(server: Server | SecureServer): Promise<void> {
  return new Promise((resolved) => {
    server.close(() => resolved());
    server.closeIdleConnections();
  });
}
