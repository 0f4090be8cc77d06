// One question over HTTP: a deadline, a limit on the answer's size, no redirects (a secret must not travel to another
// host), and errors that name neither secret nor query.

import { FeedError, type FeedRequest } from './feed.ts';

const MOST_BYTES = 8 * 1024 * 1024;

/** Gets JSON. @throws FeedError; an abort by `signal` is thrown as it is */
export async function fetchJson(
  { url, headers }: FeedRequest,
  name: string,
  timeoutSeconds: number,
  signal: AbortSignal,
): Promise<unknown> {
  const deadline = AbortSignal.timeout(timeoutSeconds * 1e3);
  try {
    const response = await fetch(url, {
      headers: { accept: 'application/json', ...headers },
      redirect: 'error',
      signal: AbortSignal.any([signal, deadline]),
    });
    if (!response.ok) {
      await response.body?.cancel();
      throw statusError(response, name);
    }
    return parse(await limitedText(response, name), name);
  } catch (error) {
    if (error instanceof FeedError) throw error;
    signal.throwIfAborted();
    if (deadline.aborted) {
      throw new FeedError(`${name} did not answer within ${timeoutSeconds} s.`, 'retry');
    }
    throw new FeedError(
      `${name} cannot be reached (${codeOf(error)}). Is the network up?`,
      'retry',
    );
  }
}

function statusError(response: Response, name: string): FeedError {
  const { status } = response;
  if (status === 401 || status === 403) {
    return new FeedError(
      `${name} refused the token (HTTP ${status}). Is it right and still valid?`,
      'give-up',
    );
  }
  if (status === 429 || status >= 500) {
    const cause = status === 429 ? 'was asked too often' : 'failed';
    const wait = Number(response.headers.get('retry-after') ?? Number.NaN);
    const retryAfter = Number.isFinite(wait) && wait >= 0 ? wait : undefined;
    return new FeedError(`${name} ${cause} (HTTP ${status}).`, 'retry', retryAfter);
  }
  return new FeedError(`${name} answered HTTP ${status}. Is its address right?`, 'give-up');
}

async function limitedText(response: Response, name: string): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > MOST_BYTES) {
      throw new FeedError(`${name} answered more than ${MOST_BYTES} bytes.`, 'give-up');
    }
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function parse(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new FeedError(`${name} answered what is no JSON. Is its address right?`, 'give-up');
  }
}

/** Only the code: messages of fetch may hold the whole address. */
function codeOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  if (cause instanceof Error && 'code' in cause && typeof cause.code === 'string')
    return cause.code;
  return cause instanceof Error && /redirect/i.test(cause.message) ? 'it redirects' : 'no answer';
}
