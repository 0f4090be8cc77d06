// HTTP basic authentication against bcrypt hashes. Right answers are remembered, so that a scrape does not pay for
// bcrypt each time.

import { createHmac, randomBytes } from 'node:crypto';

import { BcryptThread } from './bcrypt-thread.ts';

const MAX_REMEMBERED = 256;
// Each waits for a tenth of a second of its own: more than these would wait for longer than any scrape does.
const MAX_WAITING = 32;

interface Credentials {
  readonly user: string;
  readonly password: string;
}

/** The credentials of an `Authorization` header; undefined when it holds none. */
export function parseBasicAuth(header: string | undefined): Credentials | undefined {
  const encoded = /^Basic +([A-Za-z0-9+/=]+) *$/i.exec(header ?? '')?.[1];
  if (encoded === undefined) return undefined;
  const decoded = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = decoded.indexOf(':');
  if (colon < 0) return undefined;
  return { user: decoded.slice(0, colon), password: decoded.slice(colon + 1) };
}

/** What credentials are; `unchecked` where too many others wait to be checked. */
export type Verdict = 'right' | 'wrong' | 'unchecked';

/** Checks credentials against a set of users, which may change between calls. */
export class BasicAuth implements AsyncDisposable {
  // Remembered under a keyed digest: neither the password nor anything an attacker can steer is the key of the set.
  readonly #key = randomBytes(32);
  readonly #right = new Set<string>();
  readonly #bcrypt = new BcryptThread();

  /** Whether the credentials are those of one of the users (name → bcrypt hash). */
  async check(
    { user, password }: Credentials,
    users: ReadonlyMap<string, string>,
  ): Promise<Verdict> {
    const known = users.get(user);
    // An unknown user is compared with somebody's hash, so that the answer takes as long as for a wrong password.
    const [somebody] = users.values();
    const hash = known ?? somebody;
    if (hash === undefined) return 'wrong';
    const digest = createHmac('sha256', this.#key)
      .update(`${user}\0${hash}\0${password}`)
      .digest('base64');
    if (this.#right.has(digest)) return 'right';
    if (this.#bcrypt.waitingCount >= MAX_WAITING) return 'unchecked';
    const isRight = (await this.#bcrypt.compare(password, hash)) && known !== undefined;
    if (isRight) this.#remember(digest);
    return isRight ? 'right' : 'wrong';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#bcrypt[Symbol.asyncDispose]();
  }

  #remember(digest: string): void {
    this.#right.add(digest);
    const [oldest] = this.#right;
    if (this.#right.size > MAX_REMEMBERED && oldest !== undefined) this.#right.delete(oldest);
  }
}
