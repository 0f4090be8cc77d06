// What travels inside the meter: stretches of one device's time, each with its energy or with the reason it has none.
// Cells tile time without overlap, and none is empty; the timeline folds them into intervals.

import type { GapReason, Method } from '../model.ts';

/**
 * A stretch whose energy is known. `profile` says how the energy lies inside it, for whoever must cut it:
 * `box` is a mean over the stretch with nothing known about its inside (one refresh of the sensor, one step of the
 * counter); `level` is a power that was seen to last; `ramp` runs linearly from startWatts to endWatts.
 */
export interface MeasuredCell {
  readonly kind: 'measured';
  readonly start: number;
  readonly end: number;
  readonly energyJoules: number;
  readonly profile: 'box' | 'level' | 'ramp';
  readonly startWatts: number;
  readonly endWatts: number;
  /** Lowest and highest reading behind it. */
  readonly minWatts: number;
  readonly maxWatts: number;
  /** Over which range power has moved of late (about ten seconds). */
  readonly swingWatts: number;
  readonly samples: number;
  readonly method: Method;
  /** The two methods side by side; NaN where one is missing. */
  readonly counterJoules: number;
  readonly integralJoules: number;
  /** Bound on what a part-time sensor did not see, k = 1; adds linearly over cells. */
  readonly aliasJoules: number;
  /** Share of a load's swing that the readings behind it can miss; 0 where they see all of the time. */
  readonly unseenRatio: number;
  /** Further systematic doubt that adds linearly: two sources that disagree. */
  readonly doubtJoules: number;
  /** What is independent from cell to cell. */
  readonly varianceJoulesSquared: number;
  /** Standard uncertainty of the energy before any moment inside, where only the sum over longer stretches is sure. */
  readonly sharingJoules: number;
  /** Standard uncertainties of where the cell's limits lie. */
  readonly startTimingSeconds: number;
  readonly endTimingSeconds: number;
  /** The step of the counter whose energy it shares out. */
  readonly step?: { readonly start: number; readonly end: number };
  /** When it only extends the nearest reading to an edge of the run: standard uncertainty of all its energy. */
  readonly extension?: { readonly towards: 'start' | 'end'; readonly uncertaintyJoules: number };
}

/** A stretch without a measurement, and what it probably held. */
export interface GapCell {
  readonly kind: 'gap';
  readonly start: number;
  readonly end: number;
  readonly reason: GapReason;
  readonly estimateJoules: number;
  readonly estimateUncertaintyJoules: number;
}

export type Cell = MeasuredCell | GapCell;

/** Takes cells in order of time. */
export type CellSink = (cell: Cell) => void;

/** Seconds that a cell lasts. */
export const lengthOf = ({ start, end }: Cell): number => end - start;

/** Mean power of a measured cell. */
export const cellWatts = (cell: MeasuredCell): number => cell.energyJoules / lengthOf(cell);

/** A stretch at one power that nobody doubts: what other cells are made from. */
export const levelCell = (start: number, end: number, powerWatts: number): MeasuredCell => ({
  kind: 'measured',
  start,
  end,
  energyJoules: powerWatts * (end - start),
  profile: 'level',
  startWatts: powerWatts,
  endWatts: powerWatts,
  minWatts: powerWatts,
  maxWatts: powerWatts,
  swingWatts: 0,
  samples: 0,
  method: 'integral',
  counterJoules: NaN,
  integralJoules: NaN,
  aliasJoules: 0,
  unseenRatio: 0,
  doubtJoules: 0,
  varianceJoulesSquared: 0,
  sharingJoules: 0,
  startTimingSeconds: 0,
  endTimingSeconds: 0,
});

// A third of the power is taken to move within a refresh unseen, even where all refreshes agree (assumed).
const UNSEEN_SWING_RATIO = 0.3;
// Of s·(1−s), the reach of what moves inside a box, over all places s: its root mean square.
const USUAL_PLACE = Math.sqrt(1 / 30);

/** What a mean over `seconds` of power that swings leaves open about the energy before a moment inside (k = 1). */
export const unseenSwing = (swingWatts: number, seconds: number): number =>
  (swingWatts * seconds * USUAL_PLACE) / Math.sqrt(3);

/** The same of power that seems steady. */
export const unseenInside = (powerWatts: number, seconds: number): number =>
  unseenSwing(UNSEEN_SWING_RATIO * Math.abs(powerWatts), seconds);

/** The part of a cell within [start, end), for cells that are cut before their neighbours are known. */
export const clipCell = (cell: Cell, start: number, end: number): Cell =>
  cell.kind === 'gap' ? clipGap(cell, start, end) : clipMeasured(cell, start, end);

/** The part of a gap within [start, end). */
export function clipGap(gap: GapCell, start: number, end: number): GapCell {
  if (start <= gap.start && end >= gap.end) return gap;
  const from = Math.max(start, gap.start);
  const to = Math.min(end, gap.end);
  const share = (to - from) / lengthOf(gap);
  return {
    ...gap,
    start: from,
    end: to,
    estimateJoules: gap.estimateJoules * share,
    estimateUncertaintyJoules: gap.estimateUncertaintyJoules * share,
  };
}

/** The part of a measured cell within [start, end). */
export function clipMeasured(cell: MeasuredCell, start: number, end: number): MeasuredCell {
  if (start <= cell.start && end >= cell.end) return cell;
  const from = Math.max(start, cell.start);
  const to = Math.min(end, cell.end);
  const duration = lengthOf(cell);
  const share = (to - from) / duration;
  const slope = (cell.endWatts - cell.startWatts) / duration;
  const startWatts = cell.startWatts + slope * (from - cell.start);
  const endWatts = cell.startWatts + slope * (to - cell.start);
  const mean = (cell.startWatts + cell.endWatts) / 2;
  // The energy may differ from the profile's by a scale; keep that scale.
  const scale = mean > 0 ? cell.energyJoules / (mean * duration) : 0;
  const energyShare =
    mean > 0 ? ((scale * (startWatts + endWatts)) / 2) * (to - from) : cell.energyJoules * share;
  const ratio = cell.energyJoules === 0 ? share : energyShare / cell.energyJoules;
  return {
    ...cell,
    start: from,
    end: to,
    energyJoules: energyShare,
    startWatts,
    endWatts,
    samples: to === cell.end ? cell.samples : 0,
    counterJoules: cell.counterJoules * ratio,
    integralJoules: cell.integralJoules * ratio,
    aliasJoules: cell.aliasJoules * share,
    doubtJoules: cell.doubtJoules * share,
    varianceJoulesSquared: cell.varianceJoulesSquared * share,
    ...(cell.extension !== undefined && {
      extension: {
        towards: cell.extension.towards,
        uncertaintyJoules: cell.extension.uncertaintyJoules * share,
      },
    }),
  };
}
