// The windows of a run: each interval lands in every window that it meets. A window keeps a tally per device until all
// devices have passed its end, and one total afterwards, so that a hundred thousand steps stay small. Pure.

import type { Totals, WindowBooks } from '../account.ts';
import type { ChargedInterval, Window } from '../model.ts';
import { instant, joules, type Instant } from '../units.ts';
import { combine, combineLinearly } from './combine.ts';
import { shareOf } from './share.ts';
import { newTally, sameInstant, tallyInterval, type Tally } from './tally.ts';
import { COVERAGE_FACTOR, totalsOfTally } from './totals.ts';
import { createTotalsStore } from './totals-store.ts';

// Intervals that a window announced after the fact can still reach back to: about eight minutes of 1 s slots.
const RECALL_INTERVALS = 512;
// Windows that wait for a device which has fallen silent; beyond this the oldest settle without it.
const UNSETTLED_WINDOWS = 1024;

interface WindowFold {
  window: Window;
  open: boolean;
  /** Devices whose intervals have not reached the end yet. */
  waiting: number;
  /** By device; none yet, and none any more once settled. */
  tallies: Map<string, Tally> | undefined;
  /** Number of its totals in the store. */
  settled: number | undefined;
  /** Its beginning or end was announced after the intervals there were forgotten. */
  incomplete: boolean;
}

/** Where one device stands in time. */
interface Progress {
  readonly recent: ChargedInterval[];
  reachedSeconds: Instant;
  forgottenSeconds: Instant;
  /** Windows that begin later, the soonest last. */
  ahead: WindowFold[];
  sorted: boolean;
  /** Windows under way. */
  current: WindowFold[];
}

/** Folds intervals into windows. */
export interface WindowFolder {
  addDevice(uuid: string): void;
  add(interval: ChargedInterval): void;
  open(name: string, startSeconds: Instant): void;
  close(window: Window): void;
  books(endSeconds: Instant): WindowBooks[];
  incompleteNames(): string[];
}

/** A folder of no windows yet. */
export function createWindowFolder(): WindowFolder {
  const folds: WindowFold[] = [];
  const store = createTotalsStore();
  const devices = new Map<string, Progress>();
  const unsettled = new Set<WindowFold>();
  const underWay = new Set<WindowFold>();

  const enter = (fold: WindowFold): void => {
    folds.push(fold);
    fold.waiting = devices.size;
    for (const [uuid, progress] of devices) introduce(uuid, progress, fold);
    settleWhatCan(fold);
  };

  const introduce = (uuid: string, progress: Progress, fold: WindowFold): void => {
    if (fold.window.startSeconds >= progress.reachedSeconds) {
      progress.ahead.push(fold);
      progress.sorted = false;
      return;
    }
    if (fold.window.startSeconds < progress.forgottenSeconds) fold.incomplete = true;
    for (const interval of progress.recent) tallyShare(fold, uuid, interval);
    if (hasPassed(progress, fold)) fold.waiting -= 1;
    else progress.current.push(fold);
  };

  const tallyShare = (fold: WindowFold, uuid: string, interval: ChargedInterval): void => {
    const share = shareOf(interval, fold.window.startSeconds, fold.window.endSeconds);
    if (share === undefined) return;
    if (fold.settled !== undefined) {
      const late = newTally();
      tallyInterval(late, share);
      const before = withoutEstimate(store.get(fold.settled), share);
      store.replace(fold.settled, combineLinearly(before, totalsOfTally(late)));
      return;
    }
    const tallies = (fold.tallies ??= new Map());
    let tally = tallies.get(uuid);
    if (tally === undefined) tallies.set(uuid, (tally = newTally()));
    tallyInterval(tally, share);
    unsettled.add(fold);
  };

  /** The end came late: intervals beyond it were counted in. Only what is remembered can be counted again. */
  const retally = (fold: WindowFold, uuid: string): void => {
    const progress = devices.get(uuid);
    if (progress === undefined) return;
    if (fold.window.startSeconds < progress.forgottenSeconds) {
      fold.incomplete = true;
      return;
    }
    fold.tallies?.delete(uuid);
    for (const interval of progress.recent) tallyShare(fold, uuid, interval);
  };

  const settle = (fold: WindowFold): void => {
    fold.settled = store.add(totalsOf(fold));
    fold.tallies = undefined;
    unsettled.delete(fold);
  };

  const settleWhatCan = (fold: WindowFold): void => {
    if (fold.settled === undefined && !fold.open && fold.waiting === 0) settle(fold);
  };

  const advance = (uuid: string, progress: Progress, interval: ChargedInterval): void => {
    progress.reachedSeconds = interval.endSeconds;
    takeUp(progress);
    for (const fold of progress.current) tallyShare(fold, uuid, interval);
    progress.current = progress.current.filter((fold) => {
      if (!hasPassed(progress, fold)) return true;
      fold.waiting -= 1;
      settleWhatCan(fold);
      return false;
    });
    remember(progress, interval);
  };

  const limitUnsettled = (): void => {
    if (unsettled.size <= UNSETTLED_WINDOWS) return;
    for (const fold of unsettled) {
      if (!fold.open) return settle(fold);
    }
  };

  return {
    addDevice(uuid) {
      if (devices.has(uuid)) return;
      const progress = newProgress();
      devices.set(uuid, progress);
      for (const fold of folds) {
        if (fold.settled !== undefined) continue;
        fold.waiting += 1;
        progress.ahead.push(fold);
      }
    },
    add(interval) {
      const progress = devices.get(interval.uuid);
      if (progress === undefined) return;
      if (isLate(progress, interval)) {
        for (const fold of folds) tallyShare(fold, interval.uuid, interval);
        remember(progress, interval);
      } else {
        advance(interval.uuid, progress, interval);
      }
      limitUnsettled();
    },
    open(name, startSeconds) {
      const fold = newFold({ name, startSeconds, endSeconds: instant(Infinity) }, true);
      underWay.add(fold);
      enter(fold);
    },
    close(window) {
      const opened = [...underWay].find((fold) => isSame(fold.window, window));
      if (opened === undefined) return enter(newFold(window, false));
      opened.window = window;
      opened.open = false;
      underWay.delete(opened);
      for (const [uuid, progress] of devices) {
        const position = progress.current.indexOf(opened);
        if (position < 0 || !hasPassed(progress, opened)) continue;
        progress.current.splice(position, 1);
        opened.waiting -= 1;
        if (!sameInstant(progress.reachedSeconds, window.endSeconds)) retally(opened, uuid);
      }
      settleWhatCan(opened);
    },
    books: (endSeconds) =>
      folds
        .map((fold) => ({
          window: fold.open ? { ...fold.window, endSeconds } : fold.window,
          totals: fold.settled === undefined ? totalsOf(fold) : store.get(fold.settled),
        }))
        .toSorted((one, other) => one.window.startSeconds - other.window.startSeconds),
    incompleteNames: () => folds.filter((fold) => fold.incomplete).map((fold) => fold.window.name),
  };
}

const newFold = (window: Window, open: boolean): WindowFold => ({
  window,
  open,
  waiting: 0,
  tallies: undefined,
  settled: undefined,
  incomplete: false,
});

const newProgress = (): Progress => ({
  recent: [],
  reachedSeconds: instant(-Infinity),
  forgottenSeconds: instant(-Infinity),
  ahead: [],
  sorted: false,
  current: [],
});

const isSame = (one: Window, other: Window): boolean =>
  one.name === other.name && sameInstant(one.startSeconds, other.startSeconds);

const hasPassed = (progress: Progress, fold: WindowFold): boolean =>
  fold.window.endSeconds <= progress.reachedSeconds ||
  sameInstant(fold.window.endSeconds, progress.reachedSeconds);

const isLate = (progress: Progress, interval: ChargedInterval): boolean =>
  interval.bridgedSeconds > 0 || interval.endSeconds <= progress.reachedSeconds;

/** Moves the windows that have begun from `ahead` to `current`. */
function takeUp(progress: Progress): void {
  if (!progress.sorted) {
    progress.ahead.sort((one, other) => other.window.startSeconds - one.window.startSeconds);
    progress.sorted = true;
  }
  for (;;) {
    const next = progress.ahead.at(-1);
    if (next === undefined || next.window.startSeconds >= progress.reachedSeconds) return;
    progress.ahead.pop();
    progress.current.push(next);
  }
}

function remember(progress: Progress, interval: ChargedInterval): void {
  progress.recent.push(interval);
  if (progress.recent.length <= RECALL_INTERVALS * 2) return;
  // Forgetting by the hundred keeps the memory's upkeep off each interval.
  const forgotten = progress.recent.splice(0, RECALL_INTERVALS);
  progress.forgottenSeconds = instant(
    Math.max(progress.forgottenSeconds, ...forgotten.map((one) => one.endSeconds)),
  );
}

/** A bridging interval takes back a gap's estimate with its uncertainty: U² less (k·u)², as in tally.ts. */
function withoutEstimate(settled: Totals, late: ChargedInterval): Totals {
  if (late.bridgedSeconds <= 0) return settled;
  const taken = COVERAGE_FACTOR * late.gapEstimateUncertaintyJoules;
  const left = Math.max(0, settled.gapEstimateUncertaintyJoules ** 2 - taken ** 2);
  return { ...settled, gapEstimateUncertaintyJoules: joules(Math.sqrt(left)) };
}

function totalsOf(fold: WindowFold): Totals {
  return combine([...(fold.tallies?.values() ?? [])].map((tally) => totalsOfTally(tally)));
}
