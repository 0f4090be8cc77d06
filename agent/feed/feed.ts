// The contract of a live feed: an adapter knows one service's address and shape, and nothing of waiting, caching or
// retrying; live.ts does those. Feeds hand schedules to price and carbon.

import type { Schedule } from '../schedule.ts';
import type { Instant } from '../units.ts';

/** A value over [start, end), in the adapter's unit. */
export interface FeedPoint {
  readonly startSeconds: Instant;
  readonly endSeconds: Instant;
  readonly value: number;
}

/** What to ask for; the secret may stand in headers, never in an error or a log. */
export interface FeedRequest {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
}

/** How one service is asked, and its answers are read. */
export interface FeedAdapter {
  /** Service and place, e.g. `electricity-maps DE`: the source of every figure. */
  readonly name: string;
  /** What tells two feeds of one name apart (a query, a path in the answer); kept as a hash only. */
  readonly identity?: string;
  readonly quantity: 'price' | 'carbon';
  /** Unit of the points: `EUR/kWh`, or `g/kWh`. */
  readonly unit: string;
  /** What kind of figure it is, in words: average or marginal, lifecycle or direct; never mixed with another kind. */
  readonly method: string;
  readonly needsSecret: boolean;
  /** How often its figures change. */
  readonly everySeconds: number;
  /** Exchanges a secret such as `user:password` for the one that `request` takes. */
  readonly login?: {
    request(secret: string): FeedRequest | undefined;
    read(body: unknown): string;
  };
  request(now: Instant, secret: string | undefined): FeedRequest;
  /** The points of an answer. @throws FeedError when it is not what the service promises */
  read(body: unknown, now: Instant): readonly FeedPoint[];
}

/** Whether to try again soon, or only in the next period. */
export type FeedFate = 'retry' | 'give-up';

/** A service that did not answer as promised. The message names no secret and no query. */
export class FeedError extends Error {
  override readonly name = 'FeedError';
  readonly fate: FeedFate;
  /** What the service asked for (`Retry-After`). */
  readonly retryAfterSeconds: number | undefined;

  constructor(message: string, fate: FeedFate, retryAfterSeconds?: number) {
    super(message);
    this.fate = fate;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** How a feed stands. */
export interface FeedState {
  /** Since the newest answer that was understood, from this or an earlier process; absent when there never was one. */
  readonly ageSeconds?: number;
  /** Where the newest point ends; beyond it its value is held. Absent when there is none. */
  readonly newestSeconds?: Instant;
  /** True when the present is beyond the newest point: the last value is held. */
  readonly stale: boolean;
  readonly lastError?: string;
}

/** A live series. */
export interface Feed {
  readonly adapter: FeedAdapter;
  /** The points known so far; beyond the newest one the last value is held, before the first one nothing is known. */
  readonly schedule: Schedule;
  state(): FeedState;
  /** Asks once, retrying with back-off; never throws but for an abort. */
  refresh(signal: AbortSignal): Promise<FeedState>;
  /** Refreshes for ever; resolves when `signal` aborts. */
  run(signal: AbortSignal): Promise<void>;
}
