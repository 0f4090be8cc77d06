// Several logs as one stream: always the file whose next batch begins first, devices in one list, no row counted twice.

import { basename } from 'node:path';

import type { Batch, Device } from '../model.ts';
import { sliceBatch } from './batch-slice.ts';
import type { LogReader } from './log/read-log.ts';
import type { InputSummary, SourceEvent } from './source.ts';

interface Feed {
  readonly events: AsyncGenerator<SourceEvent, void, void>;
  next: Batch | undefined;
}

/** The events of all logs, batches in order of their first row. */
export async function* mergeLogs(
  logs: readonly LogReader[],
  signal: AbortSignal,
): AsyncGenerator<SourceEvent, void, void> {
  const feeds: Feed[] = logs.map((log) => ({ events: log.events(signal), next: undefined }));
  const devices = new Map<string, Device>();
  const doubles = doubleRows();
  try {
    for (const feed of feeds) yield* advance(feed, devices);
    for (;;) {
      const feed = feeds
        .filter(({ next }) => next !== undefined)
        .toSorted((a, b) => startOf(a.next) - startOf(b.next))[0];
      if (feed?.next === undefined) break;
      const batch = doubles.without(feed.next);
      if (batch !== undefined) yield { kind: 'batch', batch };
      yield* advance(feed, devices);
    }
  } finally {
    // A consumer that has had enough leaves no file open.
    await Promise.all(feeds.map(({ events }) => events.return()));
  }
  if (doubles.count > 0) {
    const rows = doubles.count === 1 ? '1 row lies' : `${doubles.count} rows lie`;
    const message = `${rows} in time that another file covers for the same GPU: left out.`;
    yield { kind: 'warning', warning: { code: 'overlapping-files', message } };
  }
}

const startOf = (batch: Batch | undefined): number => batch?.timeSeconds[0] ?? Infinity;

/** Pulls up to the next batch; what comes before it is passed on at once. */
async function* advance(
  feed: Feed,
  devices: Map<string, Device>,
): AsyncGenerator<SourceEvent, void, void> {
  for (;;) {
    const step = await feed.events.next();
    if (step.done === true) {
      feed.next = undefined;
      return;
    }
    const event = step.value;
    if (event.kind === 'batch') {
      feed.next = event.batch;
      return;
    }
    if (event.kind === 'devices') {
      for (const device of event.devices) devices.set(device.uuid, device);
      yield { kind: 'devices', devices: [...devices.values()] };
    } else yield event;
  }
}

interface DoubleRows {
  readonly count: number;
  /** The batch without rows older than what this device has had; undefined when none are left. */
  without(batch: Batch): Batch | undefined;
}

function doubleRows(): DoubleRows {
  const newestSeconds = new Map<string, number>();
  let count = 0;
  return {
    get count() {
      return count;
    },
    without(batch) {
      const newest = newestSeconds.get(batch.uuid) ?? -Infinity;
      let from = 0;
      while (from < batch.length && (batch.timeSeconds[from] ?? 0) < newest) from += 1;
      count += from;
      if (from === batch.length) return undefined;
      newestSeconds.set(batch.uuid, batch.timeSeconds[batch.length - 1] ?? newest);
      return from === 0 ? batch : sliceBatch(batch, from, batch.length);
    },
  };
}

const MALFORMED_KEPT_LIMIT = 100;

/** What became of all files together. */
export function joinSummaries(summaries: readonly InputSummary[]): InputSummary {
  const [only] = summaries;
  if (summaries.length === 1 && only !== undefined) return only;
  const malformed = summaries.flatMap(({ file, malformed: lines }) =>
    lines.map(({ line, reason }) => ({ line, reason: `${basename(file)}: ${reason}` })),
  );
  return {
    file: summaries.map(({ file }) => file).join(', '),
    rows: summaries.reduce((sum, { rows }) => sum + rows, 0),
    malformed: malformed.slice(0, MALFORMED_KEPT_LIMIT),
    malformedCount: summaries.reduce((sum, { malformedCount }) => sum + malformedCount, 0),
  };
}
