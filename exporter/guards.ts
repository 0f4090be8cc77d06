// What every request passes before a route sees it: read-only methods, headers, limits, deadline, credentials.

import type { RequestHandler, Response } from 'express';

import { parseBasicAuth, type BasicAuth } from './basic-auth.ts';
import { TokenBucket, type RateLimit } from './rate-limit.ts';
import type { WebConfig } from './web-config.ts';

const SECURITY_HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
};

/** Answers with one line of plain text. */
export function answer(response: Response, status: number, message: string): void {
  if (response.headersSent) return;
  response.status(status).type('text/plain').set('Cache-Control', 'no-store').send(`${message}\n`);
}

/** TCP is read-only: whatever is not GET or HEAD is refused, and its body never read. */
export const readOnly: RequestHandler = (request, response, next) => {
  const hasBody =
    request.headers['content-length'] !== undefined ||
    request.headers['transfer-encoding'] !== undefined;
  if (hasBody) response.set('Connection', 'close');
  if (request.method === 'GET' || request.method === 'HEAD') return next();
  response.set({ Allow: 'GET, HEAD', Connection: 'close' });
  answer(response, 405, `${request.method} is not allowed: this address is read-only. Use GET.`);
};

/** Headers that keep a browser from doing more than the dashboard needs; those of web.config.yml go over them. */
export const securityHeaders =
  (config: () => WebConfig): RequestHandler =>
  (_request, response, next) => {
    response.set(SECURITY_HEADERS).set(config().headers);
    next();
  };

/** Refuses requests above the rate of web.config.yml. */
export function limitRate(config: () => WebConfig, nowSeconds: () => number): RequestHandler {
  let bucket: TokenBucket | undefined;
  const bucketOf = (limit: RateLimit): TokenBucket =>
    bucket?.limit === limit ? bucket : (bucket = new TokenBucket(limit, nowSeconds()));
  return (_request, response, next) => {
    const limit = config().rateLimit;
    if (limit === undefined || bucketOf(limit).take(nowSeconds())) return next();
    response.set('Retry-After', String(Math.ceil(limit.intervalSeconds)));
    answer(response, 429, 'Too many requests: the rate_limit of the web configuration is reached.');
  };
}

/** Ends the count of a request before its response ends: an open stream is bounded by the stream's own limit. */
export function releaseRequest(response: Response): void {
  const release: unknown = response.locals['release'];
  if (typeof release === 'function') release();
}

/** At most `max` requests at once, then 503; 0 is no limit. */
export function limitRequests(max: number): RequestHandler {
  let open = 0;
  return (_request, response, next) => {
    if (max > 0 && open >= max) {
      response.set('Retry-After', '1');
      answer(response, 503, `Too many requests at once: --web.max-requests is ${max}.`);
      return;
    }
    open += 1;
    let counted = true;
    const release = (): void => {
      if (counted) open -= 1;
      counted = false;
    };
    response.locals['release'] = release;
    response.once('close', release);
    next();
  };
}

// The answer must arrive before Prometheus gives up: it keeps a tenth of the time, at most a quarter second, for the way.
const answerWithinMilliseconds = (timeoutSeconds: number): number =>
  1e3 * (timeoutSeconds - Math.min(0.25, 0.1 * timeoutSeconds));

/** Honours X-Prometheus-Scrape-Timeout-Seconds: 503 in time rather than an answer that nobody waits for. */
export const scrapeDeadline: RequestHandler = (request, response, next) => {
  const timeoutSeconds = Number(request.get('X-Prometheus-Scrape-Timeout-Seconds'));
  if (timeoutSeconds > 0 && timeoutSeconds < 3600) {
    const timer = setTimeout(
      () => answer(response, 503, `No answer within the scrape timeout of ${timeoutSeconds} s.`),
      answerWithinMilliseconds(timeoutSeconds),
    );
    response.once('close', () => clearTimeout(timer));
  }
  next();
};

/** Lets only the users of web.config.yml pass, when it names any. */
export const authenticate =
  (config: () => WebConfig, auth: BasicAuth): RequestHandler =>
  async (request, response, next) => {
    const { users } = config();
    if (users.size === 0) return next();
    const credentials = parseBasicAuth(request.get('Authorization'));
    const verdict = credentials === undefined ? 'wrong' : await auth.check(credentials, users);
    if (response.headersSent) return;
    switch (verdict) {
      case 'right':
        return next();
      case 'wrong':
        response.set('WWW-Authenticate', 'Basic realm="wattmeter", charset="UTF-8"');
        return answer(
          response,
          401,
          'Unauthorized: a user and password of the web configuration are needed.',
        );
      case 'unchecked':
        response.set('Retry-After', '1');
        return answer(response, 503, 'Too many passwords wait to be checked. Try again.');
    }
  };
