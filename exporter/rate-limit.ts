// A token bucket over all requests, as web.config.yml's `rate_limit` asks for it.

/** One request per interval on average, up to `burst` at once. */
export interface RateLimit {
  readonly intervalSeconds: number;
  readonly burst: number;
}

/** Says of each request whether it may pass; `nowSeconds` must not go back. */
export class TokenBucket {
  readonly limit: RateLimit;
  #tokens: number;
  #atSeconds: number;

  constructor(limit: RateLimit, nowSeconds: number) {
    this.limit = limit;
    this.#tokens = limit.burst;
    this.#atSeconds = nowSeconds;
  }

  /** Takes a token if there is one. */
  take(nowSeconds: number): boolean {
    const gained = (nowSeconds - this.#atSeconds) / this.limit.intervalSeconds;
    this.#tokens = Math.min(this.limit.burst, this.#tokens + gained);
    this.#atSeconds = nowSeconds;
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
