// A local HTTP service that answers from a script, and a clock whose waits end at once: the world as feeds see it.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import type { Clock } from '../../agent/clock.ts';
import { instant } from '../../agent/units.ts';

/** One scripted answer; `hang` never comes. */
export type Answer =
  | { readonly status: number; readonly body: unknown; readonly headers?: Record<string, string> }
  | 'hang'
  | 'cut';

/** A stand-in that is closed at the end of its scope. */
export interface StandIn extends AsyncDisposable {
  readonly url: string;
  readonly requests: { readonly url: string; readonly headers: IncomingMessage['headers'] }[];
}

/** Answers in order; the last answer repeats. */
export async function openStandIn(answers: readonly Answer[]): Promise<StandIn> {
  const requests: StandIn['requests'] = [];
  const server = createServer((request, response) => {
    const answer = answers[Math.min(requests.length, answers.length - 1)];
    requests.push({ url: request.url ?? '', headers: request.headers });
    if (answer !== undefined) reply(answer, request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function reply(answer: Answer, request: IncomingMessage, response: ServerResponse): void {
  if (answer === 'hang') return;
  if (answer === 'cut') {
    request.socket.destroy();
    return;
  }
  const { status, body, headers = {} } = answer;
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(typeof body === 'string' ? body : JSON.stringify(body));
}

/** A clock that jumps over every wait, and remembers how long each was. */
export interface JumpingClock extends Clock {
  readonly waits: number[];
  set(seconds: number): void;
}

/** Starts at `seconds` since 1970. */
export function jumpingClock(seconds: number): JumpingClock {
  let now = seconds;
  const waits: number[] = [];
  return {
    waits,
    set(time) {
      now = time;
    },
    now: () => instant(now),
    wallOffset: () => 0,
    monotonicNanoseconds: () => BigInt(Math.round(now * 1e9)),
    async sleepUntil(time, signal) {
      signal.throwIfAborted();
      waits.push(time - now);
      now = Math.max(now, time);
    },
  };
}
