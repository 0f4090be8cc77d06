// web.config.yml over time: the newest valid reading of it. A mistake made while the exporter runs is said once and
// the last good configuration stays in force, so that a typing error does not open what was closed; nor does a file that
// is just being written, because only what is read twice counts, or one that a full disk has emptied.

import { OPEN_WEB_CONFIG, readWebConfig, type WebConfig } from './web-config.ts';

const POLL_MILLISECONDS = 1000;

/** Keeps a WebConfig current from `load` until it is disposed of. */
export class WebConfigFile implements Disposable {
  readonly #path: string | undefined;
  readonly #warn: (message: string) => void;
  readonly #listeners: ((config: WebConfig) => void)[] = [];
  #current = OPEN_WEB_CONFIG;
  #timer: NodeJS.Timeout | undefined;
  /** What the reading before came to. */
  #seen: string | undefined;
  #complaint: string | undefined;
  /** The configuration whose certificate was said to have expired. */
  #expired: WebConfig | undefined;
  #disposed = false;

  constructor(path: string | undefined, warn: (message: string) => void) {
    this.#path = path;
    this.#warn = warn;
  }

  /** The configuration in force. */
  get current(): WebConfig {
    return this.#current;
  }

  /** Calls back when the configuration changed. */
  onChange(listener: (config: WebConfig) => void): void {
    this.#listeners.push(listener);
  }

  /** Reads the file for the first time and begins to watch it. @throws ConfigError */
  async load(): Promise<void> {
    if (this.#path === undefined) return;
    this.#current = await readWebConfig(this.#path);
    this.#sayExpiry(this.#path);
    this.#schedule();
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    clearTimeout(this.#timer);
  }

  // By reading, not by watching: that also sees certificates behind links that are swapped, as Kubernetes does it.
  #schedule(): void {
    if (this.#disposed) return;
    this.#timer = setTimeout(() => {
      void this.readAgain().finally(() => this.#schedule());
    }, POLL_MILLISECONDS);
    this.#timer.unref();
  }

  /** Reads the file once more, as `load` has it done every second. */
  async readAgain(): Promise<void> {
    if (this.#path === undefined) return;
    try {
      const config = await readWebConfig(this.#path);
      if (this.#isStill(config.fingerprint)) this.#take(this.#path, config);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (this.#isStill(message)) this.#complain(message);
    }
    this.#sayExpiry(this.#path);
  }

  /** Whether the reading before came to the same. */
  #isStill(reading: string): boolean {
    const before = this.#seen;
    this.#seen = reading;
    return before === reading;
  }

  #take(path: string, config: WebConfig): void {
    if (config.isBlank && !this.#current.isBlank)
      this.#complain(`${path}: is empty. Write {} into it to ask for nothing of anybody.`);
    else this.#apply(config);
  }

  #apply(config: WebConfig): void {
    this.#complaint = undefined;
    if (config.fingerprint === this.#current.fingerprint) return;
    this.#current = config;
    for (const listener of this.#listeners) listener(config);
  }

  /** Clients refuse an expired certificate and say so in their own logs alone. */
  #sayExpiry(path: string): void {
    const { tls } = this.#current;
    if (tls === undefined || tls.expiresSeconds > Date.now() / 1e3) return;
    if (this.#expired === this.#current) return;
    this.#expired = this.#current;
    const since = new Date(tls.expiresSeconds * 1e3).toISOString();
    this.#warn(
      `${path}: tls_server_config.cert_file: the certificate expired on ${since}, and clients refuse it. Replace the file; it is read again.`,
    );
  }

  #complain(message: string): void {
    if (message === this.#complaint) return;
    this.#complaint = message;
    this.#warn(`${message} The configuration read before stays in force.`);
  }
}
