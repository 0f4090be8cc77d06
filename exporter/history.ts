// The last minutes of power, kept for the dashboard so that a chart is full when the page opens. Fed by publications,
// never by a scrape.

import type { Snapshot } from '../agent/snapshot.ts';
import { presentGpus } from './families.ts';

const MAX_POINTS = 900;
// Publications faster than this would shorten the time that fits.
const MIN_SPACING_SECONDS = 0.95;

/** Power over time as columns of equal length; null where a GPU had no power to show. */
export interface PowerHistory {
  readonly timeSeconds: readonly number[];
  readonly powerWatts: Readonly<Record<string, readonly (number | null)[]>>;
}

interface Point {
  readonly timeSeconds: number;
  readonly powerWatts: ReadonlyMap<string, number>;
}

/** A bounded record of power. */
export class History {
  #points: Point[] = [];

  /** Remembers the powers of a snapshot; time that goes back (a looped recording) starts the record anew. */
  add(snapshot: Snapshot): void {
    const timeSeconds = snapshot.takenSeconds;
    const newest = this.#points.at(-1)?.timeSeconds;
    if (newest !== undefined && timeSeconds < newest) this.#points = [];
    else if (newest !== undefined && timeSeconds < newest + MIN_SPACING_SECONDS) return;
    const powerWatts = new Map<string, number>();
    for (const gpu of presentGpus(snapshot)) {
      if (gpu.powerWatts !== undefined) powerWatts.set(gpu.device.uuid, gpu.powerWatts);
    }
    this.#points.push({ timeSeconds, powerWatts });
    if (this.#points.length > MAX_POINTS) this.#points.shift();
  }

  /** The record as columns. */
  columns(): PowerHistory {
    const uuids = new Set(this.#points.flatMap(({ powerWatts }) => [...powerWatts.keys()]));
    const column = (uuid: string) =>
      this.#points.map(({ powerWatts }) => powerWatts.get(uuid) ?? null);
    return {
      timeSeconds: this.#points.map(({ timeSeconds }) => timeSeconds),
      powerWatts: Object.fromEntries([...uuids].map((uuid) => [uuid, column(uuid)])),
    };
  }
}
