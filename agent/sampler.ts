// Several sources as one stream, each at its own pace: a source that hangs holds up none of the others.

import type { SourceKind } from './model.ts';
import type { Source, SourceEvent } from './source/source.ts';
import { SourceError } from './source/source.ts';

/** What a source said, and which. */
export type SampledEvent = SourceEvent & { readonly source: SourceKind };

type Step =
  | { readonly kind: 'event'; readonly feed: Feed; readonly event: SourceEvent }
  | { readonly kind: 'end'; readonly feed: Feed; readonly error?: unknown };

interface Feed {
  readonly source: Source;
  readonly events: AsyncGenerator<SourceEvent, void, void>;
}

/**
 * The events of all sources as they come, until every one has ended or `signal` aborts. A source that fails for good
 * becomes a fault while others go on; when none is left, the failure of the last is thrown.
 */
export async function* sample(
  sources: readonly Source[],
  signal: AbortSignal,
): AsyncGenerator<SampledEvent, void, void> {
  const mailbox = openMailbox<Step>();
  const feeds = new Set<Feed>();
  const stop = new AbortController();
  const stopped = AbortSignal.any([signal, stop.signal]);
  for (const source of sources) {
    const feed = { source, events: source.events(stopped) };
    feeds.add(feed);
    pump(feed, mailbox.put);
  }
  const closeMailbox = (): void => mailbox.close();
  stopped.addEventListener('abort', closeMailbox, { once: true });
  if (stopped.aborted) closeMailbox();
  try {
    while (feeds.size > 0) {
      const step = await mailbox.take();
      if (step === undefined) return;
      if (step.kind === 'event') {
        yield { ...step.event, source: step.feed.source.kind };
        pump(step.feed, mailbox.put);
        continue;
      }
      feeds.delete(step.feed);
      if (!('error' in step)) continue;
      if (feeds.size === 0) throw step.error;
      yield { ...faultOf(step.error), source: step.feed.source.kind };
    }
  } finally {
    stop.abort();
    // A generator that hangs never returns: it is told to, and not waited for.
    for (const { events } of feeds) void events.return().catch(() => undefined);
  }
}

/** Asks a feed for one event: the next is asked for when this one has been consumed. */
function pump(feed: Feed, put: (step: Step) => void): void {
  feed.events.next().then(
    ({ done, value }) =>
      put(done === true ? { kind: 'end', feed } : { kind: 'event', feed, event: value }),
    (error: unknown) => put({ kind: 'end', feed, error }),
  );
}

function faultOf(error: unknown): SourceEvent {
  const message = error instanceof Error ? error.message : String(error);
  return {
    kind: 'fault',
    reason: error instanceof SourceError ? error.reason : 'unexpected',
    message,
  };
}

interface Mailbox<T> {
  readonly put: (item: T) => void;
  /** The oldest item, when there is one; undefined once closed. */
  take(): Promise<T | undefined>;
  close(): void;
}

function openMailbox<T>(): Mailbox<T> {
  const items: T[] = [];
  let isClosed = false;
  let wake: (() => void) | undefined;
  return {
    put(item) {
      items.push(item);
      wake?.();
    },
    async take() {
      while (items.length === 0 && !isClosed) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return isClosed ? undefined : items.shift();
    },
    close() {
      isClosed = true;
      wake?.();
    },
  };
}
