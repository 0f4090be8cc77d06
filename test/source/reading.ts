// Gathers what a source says, for tests.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { READING_STATUS, type Batch, type Device, type Warning } from '../../agent/model.ts';
import type { SourceEvent } from '../../agent/source/source.ts';

/** Everything a finite source said. */
export interface Said {
  readonly events: SourceEvent[];
  readonly batches: Batch[];
  /** As last announced. */
  readonly devices: readonly Device[];
  readonly warnings: Warning[];
}

/** Reads a finite source to its end. */
export async function readAll(source: AsyncIterable<SourceEvent>): Promise<Said> {
  const events: SourceEvent[] = [];
  for await (const event of source) events.push(event);
  return {
    events,
    batches: events.flatMap((event) => (event.kind === 'batch' ? [event.batch] : [])),
    devices: events.findLast((event) => event.kind === 'devices')?.devices ?? [],
    warnings: events.flatMap((event) => (event.kind === 'warning' ? [event.warning] : [])),
  };
}

/** Time, watts (first register that the row has) and status of each reading of one device. */
export function readingsOf(
  said: Said,
  uuid: string,
): { time: number; watts: number; status: string }[] {
  return said.batches
    .filter((batch) => batch.uuid === uuid)
    .flatMap((batch) =>
      [...batch.timeSeconds].map((time, at) => ({
        time,
        watts: batch.powerWatts.draw?.[at] ?? batch.powerWatts.instant?.[at] ?? Number.NaN,
        status: READING_STATUS[batch.status[at] ?? -1] ?? 'no such status',
      })),
    );
}

/** A folder that goes away with the test. */
export function temporaryFolder(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'wattmeter-test-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** Writes a file into a folder and gives its path. */
export function writeLog(folder: string, content: string | Uint8Array, name = 'power.csv'): string {
  const file = join(folder, name);
  writeFileSync(file, content);
  return file;
}
