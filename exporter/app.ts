// The routes. A request reads the newest snapshot or the catalogue of stored runs and changes nothing.

import { gzipSync } from 'node:zlib';

import compression from 'compression';
import express, {
  type ErrorRequestHandler,
  type Express,
  type RequestHandler,
  type Response,
} from 'express';
import { Registry } from 'prom-client';

import { isSampled, type RunCatalogue, type SnapshotPort } from '../agent/snapshot.ts';
import type { Asset } from './assets.ts';
import type { BasicAuth } from './basic-auth.ts';
import {
  answer,
  authenticate,
  limitRate,
  limitRequests,
  readOnly,
  releaseRequest,
  scrapeDeadline,
  securityHeaders,
} from './guards.ts';
import { toJson } from './json.ts';
import type { Exposition } from './registry.ts';
import type { SnapshotStream } from './stream.ts';
import type { WebConfig } from './web-config.ts';

/** What the routes are made of. */
export interface AppParts {
  readonly snapshots: SnapshotPort;
  readonly runs?: RunCatalogue;
  readonly metrics: Exposition;
  readonly telemetryPath: string;
  /** Only with --web.dcgm-compat. */
  readonly dcgmMetrics?: Exposition;
  readonly maxRequests: number;
  readonly webConfig: () => WebConfig;
  readonly auth: BasicAuth;
  readonly stream: SnapshotStream;
  readonly assets: ReadonlyMap<string, Asset>;
}

const RUN_ID = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;

function sendJson(response: Response, status: number, value: unknown): void {
  response.status(status).set('Cache-Control', 'no-store');
  response.set('Content-Type', 'application/json; charset=utf-8').send(toJson(value));
}

function metrics(exposition: Exposition): RequestHandler {
  let body: Body | undefined;
  return async (request, response) => {
    const text = await exposition();
    if (response.headersSent) return;
    // Packed once, however many scrapes come before the next snapshot.
    if (body?.text !== text) body = bodyOf(text);
    const contentType = Registry.PROMETHEUS_CONTENT_TYPE;
    response.set({ 'Content-Type': contentType, 'Cache-Control': 'no-store' });
    response.vary('Accept-Encoding');
    const isPacked = request.acceptsEncodings('gzip', 'identity') === 'gzip';
    if (isPacked) response.set('Content-Encoding', 'gzip');
    const bytes = isPacked ? body.packed() : body.plain;
    // Not send(): it would reorder the parameters of the content type and hash the body for an ETag.
    response.set('Content-Length', String(bytes.length)).end(bytes);
  };
}

/** A text as clients take it. */
interface Body {
  readonly text: string;
  readonly plain: Buffer;
  packed(): Buffer;
}

// At this level a text of metrics comes within a tenth of the smallest, in a fraction of the time.
const GZIP_LEVEL = 3;

/** Packed at once where it is asked for: a fraction of a millisecond is not worth a stream and a thread. */
function bodyOf(text: string): Body {
  const plain = Buffer.from(text);
  let packed: Buffer | undefined;
  return { text, plain, packed: () => (packed ??= gzipSync(plain, { level: GZIP_LEVEL })) };
}

const ready =
  (snapshots: SnapshotPort): RequestHandler =>
  (_request, response) => {
    const newest = snapshots.latest();
    if (newest !== undefined && isSampled(newest)) answer(response, 200, 'Wattmeter is ready.');
    else answer(response, 503, 'Not ready: no sample yet.');
  };

const snapshot =
  (snapshots: SnapshotPort): RequestHandler =>
  (_request, response) => {
    const newest = snapshots.latest();
    if (newest === undefined || !isSampled(newest))
      sendJson(response, 503, { error: 'No sample yet.' });
    else sendJson(response, 200, { schema: 'wattmeter.snapshot/1', ...newest });
  };

const streamed =
  (stream: SnapshotStream): RequestHandler =>
  (request, response) => {
    if (request.method === 'HEAD') {
      response.set('Content-Type', 'text/event-stream; charset=utf-8').end();
      return;
    }
    if (!stream.add(response)) {
      answer(response, 503, 'Too many open dashboards: close one and try again.');
      return;
    }
    releaseRequest(response);
  };

const runList =
  (runs: RunCatalogue | undefined): RequestHandler =>
  async (_request, response) => {
    sendJson(response, 200, { runs: (await runs?.list()) ?? [] });
  };

const runReport =
  (runs: RunCatalogue | undefined): RequestHandler<{ id: string }> =>
  async ({ params }, response) => {
    const report = RUN_ID.test(params.id) ? await runs?.report(params.id) : undefined;
    if (report === undefined) sendJson(response, 404, { error: 'No such run; see /api/v1/runs.' });
    else sendJson(response, 200, report);
  };

const asset =
  (
    assets: ReadonlyMap<string, Asset>,
    nameOf: (name: string | undefined) => string,
  ): RequestHandler<{ name?: string }> =>
  ({ params }, response, next) => {
    const found = assets.get(nameOf(params.name));
    if (found === undefined) return next();
    response.set({ 'Content-Type': found.contentType, 'Cache-Control': 'no-cache' });
    response.send(found.body);
  };

const notFound: RequestHandler = (_request, response) =>
  answer(response, 404, 'Not found. The dashboard is at /.');

// What went wrong inside is for the log of whoever owns the part, not for whoever asks over the network.
const failed: ErrorRequestHandler = (error: unknown, _request, response, next) => {
  if (response.headersSent) return next(error);
  const status: unknown =
    typeof error === 'object' && error !== null && 'status' in error ? error.status : undefined;
  if (status === 400) answer(response, 400, 'Bad request: the path is not valid.');
  else answer(response, 500, 'Internal error: the answer could not be made.');
};

const isCompressible = (_request: unknown, response: Response): boolean =>
  !String(response.getHeader('Content-Type')).startsWith('text/event-stream');

/** The application for every address that is listened on. */
export function createApp(parts: AppParts): Express {
  const { snapshots, runs, assets } = parts;
  const app = express().disable('x-powered-by').set('query parser', false);
  app.use(
    readOnly,
    securityHeaders(parts.webConfig),
    limitRate(parts.webConfig, () => performance.now() / 1e3),
    scrapeDeadline,
    // Before the requests are counted: who has no password must not take the place of who has.
    authenticate(parts.webConfig, parts.auth),
    limitRequests(parts.maxRequests),
  );
  app.get(parts.telemetryPath, metrics(parts.metrics));
  if (parts.dcgmMetrics !== undefined) app.get('/metrics/dcgm', metrics(parts.dcgmMetrics));
  app.use(compression({ filter: isCompressible }));
  app.get('/-/healthy', (_request, response) => answer(response, 200, 'Wattmeter is healthy.'));
  app.get('/-/ready', ready(snapshots));
  app.get('/api/v1/snapshot', snapshot(snapshots));
  app.get('/api/v1/stream', streamed(parts.stream));
  app.get('/api/v1/runs', runList(runs));
  app.get('/api/v1/runs/:id', runReport(runs));
  app.get(
    '/',
    asset(assets, () => 'index.html'),
  );
  app.get(
    '/dashboard/:name',
    asset(assets, (name = '') => name),
  );
  app.use(notFound, failed);
  return app;
}
