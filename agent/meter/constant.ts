// A device whose power nobody reads: a configured constant (--host-watts), metered like the rest and said to be
// modelled wherever it is shown.

import type { Interval, Sensor, Warning } from '../model.ts';
import { instant, type Instant, type Watts } from '../units.ts';
import { priorTrust } from './boards.ts';
import { CellWriter } from './cell-writer.ts';
import { levelCell } from './cell.ts';
import type { Meter, MeterOptions } from './meter.ts';
import { createTimeline, type Timeline } from './timeline.ts';
import { uniformUncertainty } from './uncertainty.ts';

/** A meter's options, and the constant. */
interface ConstantMeterOptions extends MeterOptions {
  readonly powerWatts: Watts;
}

/** Creates the meter of a constant power; it needs no readings, only the passing of time. */
export function createConstantMeter(options: ConstantMeterOptions): Meter {
  return new ConstantMeter(options);
}

class ConstantMeter implements Meter {
  readonly sensor: Sensor = { field: 'unknown', origin: 'assumed' };
  readonly warnings: readonly Warning[] = [];
  readonly powerWatts: Watts;
  readonly #timeline: Timeline;
  readonly #writer: CellWriter;

  constructor(options: ConstantMeterOptions) {
    const { device, startSeconds, slotSeconds, powerWatts } = options;
    this.powerWatts = powerWatts;
    this.#timeline = createTimeline({
      uuid: device.uuid,
      start: startSeconds,
      slotSeconds,
      method: 'modelled',
      trust: priorTrust({ ...device, powerOrigin: 'modelled' }),
      wallOffsetSeconds: () => 0,
    });
    this.#writer = new CellWriter(startSeconds, (cell) => this.#timeline.push(cell));
  }

  get settledSeconds(): Instant {
    return instant(this.#timeline.settled);
  }

  add(): Interval[] {
    return [];
  }

  advance(time: Instant): Interval[] {
    this.#fill(time);
    return [...this.#timeline.publish()];
  }

  cut(time: Instant): void {
    this.#timeline.cut(time, undefined);
  }

  /** A sleeping machine does not draw what it was said to draw: nobody knows what. */
  suspended(start: Instant, end: Instant): void {
    this.#fill(start);
    this.#writer.write(end, (from, seconds) => ({
      kind: 'gap',
      start: from,
      end,
      reason: 'suspended',
      estimateJoules: (this.powerWatts / 2) * seconds,
      estimateUncertaintyJoules: uniformUncertainty(this.powerWatts) * seconds,
    }));
  }

  finish(end: Instant): Interval[] {
    this.#fill(end);
    return this.#timeline.finish(end);
  }

  #fill(end: number): void {
    this.#writer.write(end, (start) => ({
      ...levelCell(start, end, this.powerWatts),
      method: 'modelled',
    }));
  }
}
