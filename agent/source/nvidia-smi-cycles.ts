// One query after the other: devices are announced before their readings, a full round counts as one read, and a GPU
// that others outlive is gone.

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

/** A reader that pushes what it finds into `queue`. */
export function cycleReader(
  parser: RowParser,
  queue: EventQueue<SourceEvent>,
  periodSeconds: number,
  absentSeconds: number,
): CycleReader {
  const seenSeconds = new Map<string, Instant>();
  const seenInCycle = new Set<string>();
  let announcedVersion = 0;
  let cycleStart: Instant | undefined;
  let tickSeconds = -Infinity;
  let notUnderstood = 0;

  const announce = (): void => {
    if (parser.devicesVersion === announcedVersion) return;
    announcedVersion = parser.devicesVersion;
    queue.push({ kind: 'devices', devices: parser.devices });
  };

  const closeCycle = (time: Instant): void => {
    if (cycleStart !== undefined) {
      // nvidia-smi sleeps after each query: what is left of a cycle is the query itself.
      const durationSeconds = Math.max(0, time - cycleStart - sleepSeconds(periodSeconds));
      queue.push({ kind: 'read', durationSeconds, timeSeconds: time });
    }
    cycleStart = time;
    seenInCycle.clear();
    forgetAbsent(parser, seenSeconds, time - absentSeconds);
  };

  return {
    endChild() {
      notUnderstood = 0;
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
        batches.push({ kind: 'batch', batch: outcome.batch });
      }
      announce();
      for (const event of batches) queue.push(event);
      return batches.length;
    },
    passTime(now, failure) {
      if (notUnderstood > 0) queue.push(malformedFault(notUnderstood));
      notUnderstood = 0;
      if (failure !== undefined) {
        for (const batch of parser.failed(failure.status, now))
          queue.push({ kind: 'batch', batch });
      }
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
