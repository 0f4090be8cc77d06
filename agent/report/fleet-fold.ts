// The fold of one device's scrapes into what it used within a span: differences of counters, cut at the span's edges by
// linear interpolation. Nothing is extrapolated: what no two scrapes enclose is not counted. Pure.

import { instant, type Instant } from '../units.ts';
import { sum } from './figure.ts';
import type { DeviceRow } from './fleet-rows.ts';

/** A span of time. */
export interface Span {
  readonly startSeconds: Instant;
  readonly endSeconds: Instant;
}

/**
 * `runs`: the counters went on. `began-anew`: they restarted from 0, so the later reading is what they counted since.
 * `went-back`: they fell, yet to more than a restart from 0 could have counted in the time (books restored from an
 * older state, another reader of the same counter): nothing of the step is known.
 */
export type Verdict = 'runs' | 'began-anew' | 'went-back';

/** From one scrape to the next, cut to the span. */
export interface Step extends Span {
  /** Part of the step that is in the span, 0–1. */
  readonly share: number;
  readonly before: DeviceRow;
  readonly after: DeviceRow;
  readonly verdict: Verdict;
  /** Of the whole step. */
  readonly energyJoules: number;
}

/** A stretch in which scrapes are missing. */
export interface Hole {
  readonly lengthSeconds: number;
  /** What the device's own count of observed time grew by meanwhile. */
  readonly observedSeconds: number;
}

/** What a device used in the span, as far as scrapes enclose it. */
export interface DeviceSums {
  readonly energyJoules: number;
  /** Expanded (k = 2), of what all of the span shares; undefined where it was not exported. */
  readonly uncertaintyJoules: number | undefined;
  /** Standard (k = 1), of the interpolation at the edges and of how old a scraped counter is. */
  readonly edgeJoules: number;
  /** By the device's own count; undefined where it was not exported. */
  readonly observedSeconds: number | undefined;
  readonly gapSeconds: Readonly<Record<string, number>>;
  /** What scrapes enclose of the span; undefined where no two do. */
  readonly enclosed: Span | undefined;
  readonly holes: readonly Hole[];
  /** Median time between scrapes; undefined before the second. */
  readonly scrapeSeconds: number | undefined;
  readonly scrapeCount: number;
  readonly restartCount: number;
  readonly wentBackCount: number;
}

/** Folds the rows of one device, in order of time. */
export interface DeviceFold {
  /** The step that the row ends, where it meets the span. */
  add(row: DeviceRow): Step | undefined;
  sums(): DeviceSums;
}

// No single device draws this much: a counter that fell and holds more was not restarted from 0.
const MOST_WATTS = 20_000;
const CLOCK_SLACK_SECONDS = 5;
/** Counters move once a slot (ARCHITECTURE.md): a scrape finds them up to this old. */
const SLOT_SECONDS = 1;
/** A gap is longer than this many sampling periods (docs/measurement.md §4.7). */
const HOLE_PERIODS = 5;
const MOST_SPACINGS = 512;

interface Tally {
  energyJoules: number;
  observedSeconds: number | undefined;
  readonly gapSeconds: Record<string, number>;
  interpolationVariance: number;
  first?: Step;
  last?: Step;
  readonly holes: Hole[];
  readonly spacings: number[];
  scrapeCount: number;
  restartCount: number;
  wentBackCount: number;
  /** Of the counters' stretches that are over, k = 2. */
  uncertaintyJoules: number | undefined;
  stretch: Stretch;
}

/** A stretch over which the counters ran on: its part of their lifetime is its part of their uncertainty. */
interface Stretch {
  energyJoules: number;
  observedSeconds: number;
}

/** Opens the fold of one device over a span. */
export function openDeviceFold(span: Span): DeviceFold {
  const tally: Tally = {
    energyJoules: 0,
    observedSeconds: 0,
    gapSeconds: {},
    interpolationVariance: 0,
    holes: [],
    spacings: [],
    scrapeCount: 0,
    restartCount: 0,
    wentBackCount: 0,
    uncertaintyJoules: 0,
    stretch: { energyJoules: 0, observedSeconds: 0 },
  };
  let newest: DeviceRow | undefined;
  return {
    add(row) {
      const before = newest;
      if (before !== undefined && row.timeSeconds <= before.timeSeconds) return undefined;
      newest = row;
      const isWithin = row.timeSeconds >= span.startSeconds && row.timeSeconds <= span.endSeconds;
      if (isWithin) tally.scrapeCount += 1;
      if (before === undefined) return undefined;
      if (tally.spacings.length < MOST_SPACINGS)
        tally.spacings.push(row.timeSeconds - before.timeSeconds);
      const step = stepOf(before, row, span);
      if (step !== undefined) tallyStep(tally, step);
      return step;
    },
    sums: () => sumsOf(tally),
  };
}

function stepOf(before: DeviceRow, after: DeviceRow, span: Span): Step | undefined {
  const startSeconds = instant(Math.max(before.timeSeconds, span.startSeconds));
  const endSeconds = instant(Math.min(after.timeSeconds, span.endSeconds));
  if (endSeconds <= startSeconds) return undefined;
  const verdict = verdictOn(before, after);
  return {
    startSeconds,
    endSeconds,
    share: (endSeconds - startSeconds) / (after.timeSeconds - before.timeSeconds),
    before,
    after,
    verdict,
    energyJoules: grown(verdict, before.energyJoules, after.energyJoules) ?? 0,
  };
}

function verdictOn(before: DeviceRow, after: DeviceRow): Verdict {
  const hasFallen =
    after.energyJoules < before.energyJoules ||
    (after.observedSeconds ?? 0) < (before.observedSeconds ?? 0);
  if (!hasFallen) return 'runs';
  const longest = after.timeSeconds - before.timeSeconds + CLOCK_SLACK_SECONDS;
  const couldBeNew =
    after.energyJoules <= MOST_WATTS * longest && (after.observedSeconds ?? 0) <= longest;
  return couldBeNew ? 'began-anew' : 'went-back';
}

/** What a counter counted in a step; undefined where it was not exported. */
export function grown(
  verdict: Verdict,
  before: number | undefined,
  after: number | undefined,
): number | undefined {
  if (after === undefined) return undefined;
  switch (verdict) {
    case 'began-anew':
      return after;
    case 'went-back':
      return 0;
    case 'runs':
      // One counter that fell alone began anew alone.
      if (before === undefined) return undefined;
      return after < before ? after : after - before;
  }
}

function tallyStep(tally: Tally, step: Step): void {
  const { before, after, share, verdict, energyJoules } = step;
  if (verdict !== 'runs') closeStretch(tally, before);
  const observed = grown(verdict, before.observedSeconds, after.observedSeconds);
  tally.energyJoules += energyJoules * share;
  tally.stretch.energyJoules += energyJoules * share;
  tally.stretch.observedSeconds += (observed ?? 0) * share;
  tally.observedSeconds =
    observed === undefined || tally.observedSeconds === undefined
      ? undefined
      : tally.observedSeconds + observed * share;
  tallyGaps(tally, step);
  tally.interpolationVariance += interpolationVariance(step);
  tally.first ??= step;
  tally.last = step;
  tallyHole(tally, step, observed ?? 0);
  if (verdict === 'began-anew') tally.restartCount += 1;
  if (verdict === 'went-back') tally.wentBackCount += 1;
}

function tallyGaps({ gapSeconds }: Tally, { before, after, share, verdict }: Step): void {
  for (const [reason, seconds] of Object.entries(after.gapSeconds ?? {})) {
    // A reason's series is born with its first gap.
    const grew = grown(verdict, before.gapSeconds?.[reason] ?? 0, seconds) ?? 0;
    gapSeconds[reason] = (gapSeconds[reason] ?? 0) + grew * share;
  }
}

/** When within the step its energy was used is not known: as for a share of an interval (account/share.ts). */
const interpolationVariance = ({ share, energyJoules }: Step): number =>
  ((share * (1 - share)) / 3) * energyJoules * energyJoules;

/** Many steps are no hole, but only the end knows how long an ordinary one is. */
function tallyHole(
  tally: Tally,
  { startSeconds, endSeconds, share }: Step,
  observed: number,
): void {
  const lengthSeconds = endSeconds - startSeconds;
  const [shortest = 0] = tally.spacings;
  if (lengthSeconds <= 2 * shortest) return;
  tally.holes.push({ lengthSeconds, observedSeconds: observed * share });
}

/**
 * The uncertainty of a part of a counter. Gain, offset and alias grow with energy or with time (docs/measurement.md §4.8), so
 * the part's is at most the counter's own times the larger of its shares in both; stretches of one device err alike.
 */
function closeStretch(tally: Tally, end: DeviceRow): void {
  const { energyJoules, observedSeconds } = tally.stretch;
  tally.stretch = { energyJoules: 0, observedSeconds: 0 };
  if (energyJoules === 0 && observedSeconds === 0) return;
  const whole = end.uncertaintyJoules;
  const shares = [
    partOf(energyJoules, end.energyJoules),
    partOf(observedSeconds, end.observedSeconds ?? 0),
  ];
  tally.uncertaintyJoules =
    whole === undefined || tally.uncertaintyJoules === undefined
      ? undefined
      : tally.uncertaintyJoules + whole * Math.min(1, Math.max(...shares));
}

const partOf = (part: number, whole: number): number => (whole > 0 ? part / whole : 0);

function sumsOf(tally: Tally): DeviceSums {
  const { first, last } = tally;
  if (last !== undefined) closeStretch(tally, last.after);
  const scrapeSeconds = median(tally.spacings);
  return {
    energyJoules: tally.energyJoules,
    uncertaintyJoules: tally.uncertaintyJoules,
    edgeJoules: Math.sqrt(
      tally.interpolationVariance + sum([first, last].map((step) => ageVariance(step))),
    ),
    observedSeconds: tally.observedSeconds,
    gapSeconds: tally.gapSeconds,
    enclosed:
      first === undefined || last === undefined
        ? undefined
        : { startSeconds: first.startSeconds, endSeconds: last.endSeconds },
    holes: tally.holes.filter(
      ({ lengthSeconds }) => lengthSeconds > HOLE_PERIODS * (scrapeSeconds ?? Infinity),
    ),
    scrapeSeconds,
    scrapeCount: tally.scrapeCount,
    restartCount: tally.restartCount,
    wentBackCount: tally.wentBackCount,
  };
}

/** A scraped counter is anything up to a slot old, at the power of the time. */
function ageVariance(step: Step | undefined): number {
  if (step === undefined) return 0;
  const length = step.after.timeSeconds - step.before.timeSeconds;
  return ((step.energyJoules / length) * SLOT_SECONDS) ** 2 / 12;
}

function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)];
}
