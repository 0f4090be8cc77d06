// Time without a reading: since when, why, and what it probably held. docs/measurement.md §4.7.

import type { GapReason } from '../model.ts';
import { uniformUncertainty } from './uncertainty.ts';
import type { PowerRange } from './boards.ts';
import type { CellWriter } from './cell-writer.ts';

/** Middle of what a board can draw: the estimate of a gap that nothing is known about. */
const middleOf = ({ floorWatts, limitWatts }: PowerRange): number => (floorWatts + limitWatts) / 2;

/** Standard uncertainty of an estimate over a gap: nothing but the board's range is known. */
function estimateUncertaintyWatts(estimate: number, range: PowerRange): number {
  const spread = range.limitWatts - range.floorWatts;
  return Math.hypot(uniformUncertainty(spread), estimate - middleOf(range));
}

/** Keeps why there is no reading, piece by piece, and writes gaps. */
export class Gaps {
  readonly #writer: CellWriter;
  readonly #range: () => PowerRange;
  /** Why the time since the last good reading has none, each piece up to its end. */
  #pieces: { end: number; reason: GapReason }[] = [];
  #open: { start: number; estimateJoules: number } | undefined;

  constructor(writer: CellWriter, range: () => PowerRange) {
    this.#writer = writer;
    this.#range = range;
  }

  get isOpen(): boolean {
    return this.#open !== undefined;
  }

  get hasReason(): boolean {
    return this.#pieces.length > 0;
  }

  /** Remembers why the time since the last event has no reading. */
  note(time: number, reason: GapReason): void {
    const last = this.#pieces.at(-1);
    if (last?.reason === reason) last.end = time;
    else this.#pieces.push({ end: time, reason });
  }

  /** There is a reading again: reasons for less than a gap are forgotten. */
  forget(): void {
    this.#pieces = [];
  }

  /** From the writer's frontier on there is a gap. */
  open(): void {
    this.#open = { start: this.#writer.frontier, estimateJoules: 0 };
  }

  /** Writes the open gap up to `end`; what is beyond stays remembered. `watts`: what was last known, if anything. */
  grow(end: number, watts: number | undefined): void {
    const estimate = watts ?? middleOf(this.#range());
    for (const piece of this.#pieces) {
      this.write(Math.min(end, piece.end), piece.reason, estimate);
    }
    const last = this.#pieces.at(-1);
    if (last === undefined) return;
    this.write(end, last.reason, estimate);
    this.#pieces = [last];
  }

  /** The gap ends: its estimate becomes the midpoint of its two neighbours over its whole length. */
  close(end: number, beforeWatts: number, afterWatts: number): void {
    const gap = this.#open;
    if (gap === undefined) return;
    const middle = (beforeWatts + afterWatts) / 2;
    const whole = Math.max(0, end - gap.start) * middle;
    const remaining = end - this.#writer.frontier;
    const rate = remaining > 0 ? (whole - gap.estimateJoules) / remaining : middle;
    for (const piece of this.#pieces) {
      this.write(Math.min(end, piece.end), piece.reason, rate, middle);
    }
    this.write(end, this.#pieces.at(-1)?.reason ?? 'no-reading', rate, middle);
    this.#open = undefined;
  }

  /** Writes a gap up to `end`, estimated at `rateWatts` where the power around it is `levelWatts`. */
  write(end: number, reason: GapReason, rateWatts: number, levelWatts: number = rateWatts): void {
    this.#writer.write(end, (start, seconds) => {
      const estimateJoules = rateWatts * seconds;
      if (this.#open !== undefined) this.#open.estimateJoules += estimateJoules;
      const uncertainty = estimateUncertaintyWatts(levelWatts, this.#range());
      return {
        kind: 'gap',
        start,
        end,
        reason,
        estimateJoules,
        estimateUncertaintyJoules: uncertainty * seconds,
      };
    });
  }
}
