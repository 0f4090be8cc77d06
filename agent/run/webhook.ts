// Tells somebody's URL about budget events and the run's end. The URL is a secret (tokens live in its path): it is never
// printed, and neither are errors that quote it.

import { setTimeout as delay } from 'node:timers/promises';

/** What is sent, as JSON. */
export interface WebhookMessage {
  readonly schema: 'wattmeter.webhook/1';
  readonly event: 'budget-nearly-used' | 'budget-exceeded' | 'run-ended';
  /** One sentence for people; the key that chat services show. */
  readonly text: string;
  readonly run: { readonly id: string; readonly name?: string; readonly host: string };
  readonly [detail: string]: unknown;
}

/** Limits of one delivery. */
export interface DeliveryLimits {
  /** For all attempts together, so that a dead receiver never holds up the run's end. */
  readonly deadlineSeconds: number;
  readonly attempts?: number;
  readonly retrySeconds?: number;
}

/** Whether it arrived; `message` never holds the URL. */
export type Delivery =
  | { readonly kind: 'delivered'; readonly attempts: number }
  | { readonly kind: 'failed'; readonly message: string };

const DEFAULT_ATTEMPTS = 3;
const DEFAULT_RETRY_SECONDS = 0.5;
const CLIENT_ERRORS_WORTH_A_RETRY = new Set([408, 425, 429]);

/** Posts a message; never throws. */
export async function postWebhook(
  url: string,
  message: WebhookMessage,
  limits: DeliveryLimits,
): Promise<Delivery> {
  const deadline = AbortSignal.timeout(limits.deadlineSeconds * 1e3);
  const attempts = limits.attempts ?? DEFAULT_ATTEMPTS;
  let cause = 'it was given no time';
  for (let attempt = 1; attempt <= attempts && !deadline.aborted; attempt += 1) {
    const answer = await attemptPost(url, message, deadline);
    if (answer.kind === 'accepted') return { kind: 'delivered', attempts: attempt };
    ({ cause } = answer);
    if (!answer.mayRetry) break;
    if (attempt < attempts) {
      const pause = (limits.retrySeconds ?? DEFAULT_RETRY_SECONDS) * 2 ** (attempt - 1);
      await delay(pause * 1e3, undefined, { signal: deadline }).catch(() => undefined);
    }
  }
  return {
    kind: 'failed',
    message: `Cannot deliver ${message.event} to the webhook: ${cause}. Is --webhook right and reachable?`,
  };
}

type Answer =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'refused'; readonly cause: string; readonly mayRetry: boolean };

async function attemptPost(
  url: string,
  message: WebhookMessage,
  signal: AbortSignal,
): Promise<Answer> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'user-agent': 'wattmeter' },
      body: JSON.stringify(message),
      signal,
      // A redirect would carry the message to somewhere nobody named.
      redirect: 'manual',
    });
    await response.body?.cancel();
    if (response.ok) return { kind: 'accepted' };
    const { status } = response;
    const mayRetry = status >= 500 || CLIENT_ERRORS_WORTH_A_RETRY.has(status);
    return { kind: 'refused', cause: `it answered ${status}`, mayRetry };
  } catch (error) {
    return { kind: 'refused', cause: describe(error), mayRetry: true };
  }
}

/** A network error's code alone: its message may quote the URL. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error';
  if (error.name === 'TimeoutError' || error.name === 'AbortError')
    return 'it did not answer in time';
  const { cause } = error;
  if (cause instanceof Error && 'code' in cause) return String(cause.code);
  return error.name;
}
