// One query after the other: devices are announced before their readings, a full round counts as one read, and a GPU
// that others outlive is gone.

import type { Clock } from '../clock.ts';
import type { Batch } from '../model.ts';
import { instant, type Instant } from '../units.ts';
import type { EventQueue } from './event-queue.ts';
import type { Failure } from './nvidia-smi-failure.ts';
import type { QueryField } from './nvidia-smi-fields.ts';
import type { RowParser } from './nvidia-smi-rows.ts';
import { sleepSeconds, type TimedLine } from './nvidia-smi-stream.ts';
import type { SourceEvent } from './source.ts';

/** Turns lines and the passing of time into a source's events. */
export interface CycleReader {
  /** The child has ended: its last words are in its failure, and the next one begins a cycle of its own. */
  endChild(): void;
  /** Returns how many of the lines were readings. */
  read(lines: readonly TimedLine[], fields: readonly QueryField[]): number;
  /** A tick; while `failure` lasts, also a failed reading of every device. */
  passTime(now: Instant, failure: Failure | undefined): void;
}

/** Whose lines, and where to. */
export interface CycleOptions {
  readonly parser: RowParser;
  readonly queue: EventQueue<SourceEvent>;
  readonly clock: Clock;
  readonly periodSeconds: number;
  /** A GPU that has no row for so long while others have is gone. */
  readonly absentSeconds: number;
}

/** A reader that pushes what it finds into the queue. */
export function cycleReader(options: CycleOptions): CycleReader {
  const { parser, queue, clock } = options;
  const seenSeconds = new Map<string, Instant>();
  const seenInCycle = new Set<string>();
  let announcedVersion = 0;
  let cycleStart: Instant | undefined;
  let tickSeconds = -Infinity;
  // Lines that are no readings: of this tick, and of the one before. A child's last words come shortly before its end,
  // which explains them: only lines that a whole tick has not explained are said.
  let notUnderstood = 0;
  let unexplained = 0;

  const batchEvent = (batch: Batch): SourceEvent => ({
    kind: 'batch',
    batch: { ...batch, wallOffsetSeconds: clock.wallOffset() },
  });

  const announce = (): void => {
    if (parser.devicesVersion === announcedVersion) return;
    announcedVersion = parser.devicesVersion;
    queue.push({ kind: 'devices', devices: parser.devices });
  };

  const closeCycle = (time: Instant): void => {
    if (cycleStart !== undefined) {
      // nvidia-smi sleeps after each query: what is left of a cycle is the query itself.
      const durationSeconds = Math.max(0, time - cycleStart - sleepSeconds(options.periodSeconds));
      queue.push({ kind: 'read', durationSeconds, timeSeconds: time });
    }
    cycleStart = time;
    seenInCycle.clear();
    forgetAbsent(parser, seenSeconds, time - options.absentSeconds);
  };

  return {
    endChild() {
      notUnderstood = 0;
      unexplained = 0;
      cycleStart = undefined;
      seenInCycle.clear();
    },
    read(lines, fields) {
      const batches: SourceEvent[] = [];
      for (const line of lines) {
        // A tick has promised that nothing older will come.
        const time = instant(Math.max(line.timeSeconds, tickSeconds));
        const outcome = parser.parse(line.text, fields, time);
        if (outcome.kind === 'not-understood') {
          notUnderstood += 1;
          continue;
        }
        if (seenInCycle.has(outcome.uuid) || cycleStart === undefined) closeCycle(time);
        seenInCycle.add(outcome.uuid);
        seenSeconds.set(outcome.uuid, time);
        batches.push(batchEvent(outcome.batch));
      }
      announce();
      for (const event of batches) queue.push(event);
      return batches.length;
    },
    passTime(now, failure) {
      if (unexplained > 0) queue.push(malformedFault(unexplained));
      unexplained = notUnderstood;
      notUnderstood = 0;
      const failed = failure === undefined ? [] : parser.failed(failure.status, now);
      for (const batch of failed) queue.push(batchEvent(batch));
      tickSeconds = now;
      queue.push({ kind: 'tick', timeSeconds: now });
    },
  };
}

function forgetAbsent(
  parser: RowParser,
  seenSeconds: ReadonlyMap<string, number>,
  beforeSeconds: number,
): void {
  for (const { uuid } of parser.devices) {
    if ((seenSeconds.get(uuid) ?? Infinity) < beforeSeconds) parser.forget(uuid);
  }
}

const malformedFault = (count: number): SourceEvent => ({
  kind: 'fault',
  reason: 'malformed',
  message: `nvidia-smi wrote ${count} lines that are no readings. Does it work by hand?`,
});
