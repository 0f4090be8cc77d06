// A feed alive: asks its adapter's service, retries with back-off, keeps what it learnt on disk, and answers with the
// last known value, whose age it always knows.

import type { Clock } from '../clock.ts';
import type { Schedule } from '../schedule.ts';
import { after, between, instant, type Instant } from '../units.ts';
import { cachePath, readCache, writeCache } from './cache.ts';
import { FeedError, type Feed, type FeedAdapter, type FeedPoint, type FeedState } from './feed.ts';
import { fetchJson } from './fetch-json.ts';

/** How a feed lives. */
export interface FeedOptions {
  readonly adapter: FeedAdapter;
  readonly clock: Clock;
  readonly secret?: string | undefined;
  /** Absent: nothing is kept on disk. */
  readonly cacheDirectory?: string | undefined;
  readonly everySeconds?: number | undefined;
  readonly timeoutSeconds?: number;
  readonly attempts?: number;
}

const FIRST_BACKOFF_SECONDS = 1;
const MOST_BACKOFF_SECONDS = 60;
/** A month of five-minute points; what is older leaves memory. */
const MOST_POINTS = 10_000;

interface Known {
  points: readonly FeedPoint[];
  fetchedSeconds: Instant | undefined;
  lastError: string | undefined;
  cacheLoaded: boolean;
}

/** A feed that has not asked yet. */
export function createFeed(options: FeedOptions): Feed {
  const { adapter, clock } = options;
  const known: Known = {
    points: [],
    fetchedSeconds: undefined,
    lastError: undefined,
    cacheLoaded: false,
  };
  const state = (): FeedState => stateOf(known, clock.now());
  const refresh = async (signal: AbortSignal): Promise<FeedState> => {
    await loadCache(options, known);
    try {
      const points = await askWithRetries(options, signal);
      if (points.length === 0) throw new FeedError(`${adapter.name} answered no value.`, 'give-up');
      known.points = merged(known.points, points);
      known.fetchedSeconds = clock.now();
      known.lastError = undefined;
      await keep(options, known);
    } catch (error) {
      signal.throwIfAborted();
      known.lastError = error instanceof Error ? error.message : 'an unknown error';
    }
    return state();
  };
  return {
    adapter,
    schedule: scheduleOf(known),
    state,
    refresh,
    run: (signal) => runForEver(options, refresh, signal),
  };
}

async function runForEver(
  { adapter, clock, everySeconds }: FeedOptions,
  refresh: (signal: AbortSignal) => Promise<FeedState>,
  signal: AbortSignal,
): Promise<void> {
  try {
    for (;;) {
      const next = after(clock.now(), everySeconds ?? adapter.everySeconds);
      await refresh(signal);
      await clock.sleepUntil(next, signal);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

async function askWithRetries(
  options: FeedOptions,
  signal: AbortSignal,
): Promise<readonly FeedPoint[]> {
  const { clock, attempts = 4 } = options;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await ask(options, signal);
    } catch (error) {
      const mayRetry = error instanceof FeedError && error.fate === 'retry' && attempt < attempts;
      if (!mayRetry) throw error;
      const backoff = Math.min(FIRST_BACKOFF_SECONDS * 4 ** (attempt - 1), MOST_BACKOFF_SECONDS);
      const wait = Math.min(
        Math.max(backoff, error.retryAfterSeconds ?? 0),
        10 * MOST_BACKOFF_SECONDS,
      );
      await clock.sleepUntil(after(clock.now(), wait), signal);
    }
  }
}

async function ask(options: FeedOptions, signal: AbortSignal): Promise<readonly FeedPoint[]> {
  const { adapter, clock, timeoutSeconds = 10 } = options;
  const get = (request: ReturnType<FeedAdapter['request']>): Promise<unknown> =>
    fetchJson(request, adapter.name, timeoutSeconds, signal);
  let { secret } = options;
  if (adapter.needsSecret && secret === undefined) {
    throw new FeedError(
      `${adapter.name} needs a token. Name it with tokenFile or tokenEnvironment.`,
      'give-up',
    );
  }
  const login = secret === undefined ? undefined : adapter.login?.request(secret);
  if (login !== undefined && adapter.login !== undefined) {
    secret = adapter.login.read(await get(login));
  }
  const now = clock.now();
  return adapter.read(await get(adapter.request(now, secret)), now);
}

async function loadCache({ adapter, cacheDirectory }: FeedOptions, known: Known): Promise<void> {
  if (known.cacheLoaded || cacheDirectory === undefined) return;
  known.cacheLoaded = true;
  const path = cachePath(cacheDirectory, adapter);
  const cached = await readCache(path, adapter);
  if (cached === undefined || known.fetchedSeconds !== undefined) return;
  known.points = merged([], cached.points);
  known.fetchedSeconds = cached.fetchedSeconds;
}

async function keep({ adapter, cacheDirectory }: FeedOptions, known: Known): Promise<void> {
  if (cacheDirectory === undefined || known.fetchedSeconds === undefined) return;
  const path = cachePath(cacheDirectory, adapter);
  const cached = { fetchedSeconds: known.fetchedSeconds, points: known.points };
  try {
    await writeCache(path, cacheDirectory, adapter, cached);
  } catch (error) {
    const cause = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    known.lastError = `Cannot keep ${adapter.name} in ${path} (${cause}): a restart will not know its values.`;
  }
}

/** In order of start; over the time that a newer answer speaks of, older ones are forgotten. */
function merged(old: readonly FeedPoint[], newer: readonly FeedPoint[]): readonly FeedPoint[] {
  const byStart = (a: FeedPoint, b: FeedPoint): number => a.startSeconds - b.startSeconds;
  const fresh = newer.toSorted(byStart);
  const kept = old.filter(({ startSeconds }) => {
    const covering = fresh[lastStarted(fresh, startSeconds)];
    return covering === undefined || covering.endSeconds <= startSeconds;
  });
  return [...kept, ...fresh].toSorted(byStart).slice(-MOST_POINTS);
}

/** Position of the last point that has started by `time`; -1 before the first. */
function lastStarted(points: readonly FeedPoint[], time: Instant): number {
  let low = 0;
  let high = points.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((points[middle]?.startSeconds ?? Infinity) <= time) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function scheduleOf(known: Known): Schedule {
  return {
    valueAt: (time) => known.points[lastStarted(known.points, time)]?.value,
    nextChange: (time) => known.points[lastStarted(known.points, time) + 1]?.startSeconds,
  };
}

function stateOf({ points, fetchedSeconds, lastError }: Known, now: Instant): FeedState {
  const end = points.reduce((latest, point) => Math.max(latest, point.endSeconds), -Infinity);
  return {
    stale: now >= instant(end),
    ...(points.length === 0 ? {} : { newestSeconds: instant(end) }),
    ...(fetchedSeconds === undefined ? {} : { ageSeconds: between(fetchedSeconds, now) }),
    ...(lastError === undefined ? {} : { lastError }),
  };
}
