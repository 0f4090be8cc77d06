// Border of the fleet report: the HTTP API of a Prometheus (https://prometheus.io/docs/prometheus/latest/querying/api/).
// Asks for raw samples with range selectors, never for increase() or rate(), which extrapolate. No answer is trusted.

import { z } from 'zod';

import { InputError } from '../input-error.ts';
import type { Instant } from '../units.ts';

const MOST_BYTES = 128 * 1024 * 1024;
const MOST_LETTERS = 200;

/** Where the Prometheus is, and how to ask it. */
export interface PrometheusOptions {
  /** Its web address, with a path prefix where it has one. */
  readonly url: string;
  /** Goes as a bearer token and nowhere else. */
  readonly token?: string;
  /** For one answer. */
  readonly timeoutSeconds: number;
  readonly signal: AbortSignal;
}

/** One series' samples as Prometheus stores them: seconds since 1970, and values as text. */
export interface StoredSeries {
  readonly labels: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [number, string])[];
}

/** `too-heavy`: server or deadline want a smaller question; `error` says so if none is small enough. */
export type Answer<T> =
  | { readonly kind: 'answer'; readonly data: T }
  | { readonly kind: 'too-heavy'; readonly error: InputError };

/** What the fleet report asks a Prometheus. Each method throws InputError. */
export interface Prometheus {
  /** Its address without secrets, for people. */
  readonly name: string;
  /** Raw samples of a selector from `start` to `end`; Prometheus 3 leaves out one that lies at `start`. */
  samples(selector: string, start: Instant, end: Instant): Promise<Answer<readonly StoredSeries[]>>;
  /** The label sets that an instant query answers with. */
  labelSets(expression: string, time: Instant): Promise<readonly StoredSeries['labels'][]>;
  /** Every value that a label has on a metric. */
  labelValues(label: string, metric: string): Promise<readonly string[]>;
  /** What the server said beside its answers so far, each once. */
  warnings(): readonly string[];
}

const labels = z.record(z.string(), z.string());
const envelope = z.object({
  status: z.literal('success'),
  data: z.unknown(),
  warnings: z.array(z.string()).optional(),
  isPartial: z.boolean().optional(),
});
const refusal = z.object({ error: z.string() });
const matrix = z.object({
  resultType: z.literal('matrix'),
  result: z.array(
    z.object({ metric: labels, values: z.array(z.custom<readonly [number, string]>(isSample)) }),
  ),
});
const vector = z.object({
  resultType: z.literal('vector'),
  result: z.array(z.object({ metric: labels })),
});

function isSample(value: unknown): boolean {
  return Array.isArray(value) && typeof value[0] === 'number' && typeof value[1] === 'string';
}

/** Opens the way to a Prometheus; nothing has been asked yet. @throws InputError for an address that is none */
export function openPrometheus(options: PrometheusOptions): Prometheus {
  const { base, headers } = addressOf(options);
  const name = `Prometheus at ${base.origin}${base.pathname.replace(/\/$/, '')}`;
  const said = new Set<string>();
  const link: Link = { base, headers, name, options, said };
  return {
    name,
    warnings: () => [...said],
    async samples(selector, start, end) {
      const range = Math.max(1, Math.round((end - start) * 1e3));
      const query = { query: `${selector}[${range}ms]`, time: end.toFixed(3) };
      const answer = await ask(link, 'query', query, matrix);
      if (answer.kind === 'too-heavy') return answer;
      const series = answer.data.result.map(({ metric, values }) => ({ labels: metric, values }));
      return { kind: 'answer', data: series };
    },
    async labelSets(expression, time) {
      const query = { query: expression, time: time.toFixed(3) };
      return (await askOnce(link, 'query', query, vector)).result.map(({ metric }) => metric);
    },
    labelValues: (label, metric) =>
      askOnce(link, `label/${label}/values`, { 'match[]': metric }, z.array(z.string())),
  };
}

interface Link {
  readonly base: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly name: string;
  readonly options: PrometheusOptions;
  readonly said: Set<string>;
}

function addressOf({ url, token }: PrometheusOptions): Pick<Link, 'base' | 'headers'> {
  const base = URL.canParse(url) ? new URL(url) : undefined;
  if (base === undefined || !/^https?:$/.test(base.protocol)) {
    throw new InputError(
      '--prometheus',
      'it must be an http(s) address',
      'Give it as http://prometheus.example:9090',
    );
  }
  const { username, password } = base;
  const isBasic = username !== '' || password !== '';
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const basic = `Basic ${Buffer.from(pair).toString('base64')}`;
  const authorization = token === undefined ? basic : `Bearer ${token}`;
  // fetch refuses addresses that hold a password, and messages must not hold one.
  base.username = '';
  base.password = '';
  base.search = '';
  base.hash = '';
  if (!base.pathname.endsWith('/')) base.pathname += '/';
  return { base, headers: isBasic || token !== undefined ? { authorization } : {} };
}

async function askOnce<T>(
  link: Link,
  path: string,
  query: Readonly<Record<string, string>>,
  shape: z.ZodType<T>,
): Promise<T> {
  const answer = await ask(link, path, query, shape);
  if (answer.kind === 'too-heavy') throw answer.error;
  return answer.data;
}

async function ask<T>(
  link: Link,
  path: string,
  query: Readonly<Record<string, string>>,
  shape: z.ZodType<T>,
): Promise<Answer<T>> {
  const { timeoutSeconds, signal } = link.options;
  const url = new URL(`api/v1/${path}?${new URLSearchParams(query).toString()}`, link.base);
  const deadline = AbortSignal.timeout(timeoutSeconds * 1e3);
  try {
    const response = await fetch(url, {
      headers: { accept: 'application/json', ...link.headers },
      redirect: 'error',
      signal: AbortSignal.any([signal, deadline]),
    });
    const text = await limitedText(response);
    if (!response.ok) return refused(response.status, text ?? '', link);
    if (text === undefined) return tooHeavy(link, `it answered more than ${MOST_BYTES} bytes`);
    return { kind: 'answer', data: understood(text, shape, link) };
  } catch (error) {
    if (error instanceof InputError) throw error;
    signal.throwIfAborted();
    if (deadline.aborted)
      return tooHeavy(link, `it did not answer within ${timeoutSeconds} seconds`);
    throw new InputError(
      link.name,
      `it cannot be reached (${codeOf(error)})`,
      'Does it run, and is the address right',
    );
  }
}

const tooHeavy = (link: Link, cause: string): Answer<never> => ({
  kind: 'too-heavy',
  error: new InputError(link.name, cause, 'Ask for a shorter span, or give it more room'),
});

function refused(status: number, text: string, link: Link): Answer<never> {
  const reason = reasonOf(text);
  const cause = `it answered HTTP ${status}${reason === undefined ? '' : ` (${reason})`}`;
  switch (status) {
    case 401:
    case 403:
      throw new InputError(
        link.name,
        `it refused access (HTTP ${status})`,
        'Give a valid token in --prometheus-token-file or WATTMETER_PROMETHEUS_TOKEN',
      );
    case 422:
    case 503:
      // Prometheus's own words for a query that loads too many samples, or runs too long.
      return tooHeavy(link, cause);
    case 404:
      throw new InputError(link.name, cause, 'Is the address, with its path prefix, right');
    default:
      throw new InputError(link.name, cause, 'What does its log say');
  }
}

function reasonOf(text: string): string | undefined {
  const parsed = refusal.safeParse(jsonOf(text));
  return parsed.success ? parsed.data.error.slice(0, MOST_LETTERS) : undefined;
}

function understood<T>(text: string, shape: z.ZodType<T>, link: Link): T {
  const parsed = envelope.safeParse(jsonOf(text));
  const data = parsed.success ? shape.safeParse(parsed.data.data) : undefined;
  if (!parsed.success || data?.success !== true) {
    throw new InputError(
      link.name,
      'its answer is not one of the Prometheus HTTP API',
      'Is the address that of a Prometheus, and not of a login page or another service',
    );
  }
  for (const warning of parsed.data.warnings ?? []) link.said.add(warning.slice(0, MOST_LETTERS));
  if (parsed.data.isPartial === true) link.said.add('an answer was partial');
  return data.data;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Undefined when there is too much of it. */
async function limitedText(response: Response): Promise<string | undefined> {
  const decoder = new TextDecoder();
  const pieces: string[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    // Leaving the loop cancels the body.
    if (bytes > MOST_BYTES) return undefined;
    pieces.push(decoder.decode(chunk, { stream: true }));
  }
  pieces.push(decoder.decode());
  return pieces.join('');
}

/** Only the code: messages of fetch may hold the whole address. */
function codeOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  if (cause instanceof Error && 'code' in cause && typeof cause.code === 'string')
    return cause.code;
  return cause instanceof Error && /redirect/i.test(cause.message) ? 'it redirects' : 'no answer';
}
