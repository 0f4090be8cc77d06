// The windows of a run: each interval lands in every window that it meets. A window keeps a tally per device until all
// devices have passed its end, and one total afterwards, so that a hundred thousand steps stay small. Pure.

import type { Totals, WindowBooks } from '../account.ts';
import { chargedAt, type IntervalColumns, type RowSpan } from '../interval-columns.ts';
import { COVERAGE_FACTOR, type ChargedInterval, type Window } from '../model.ts';
import { instant, joules, type Instant } from '../units.ts';
import { combine, combineLinearly } from './combine.ts';
import { createRecall, type Recall } from './recall.ts';
import { shareOf } from './share.ts';
import { rowsByDevice, tallyRows } from './tally-rows.ts';
import { newTally, sameInstant, tallyInterval, type Tally } from './tally.ts';
import { totalsOfTally } from './totals.ts';
import { createTotalsStore, type TotalsStore } from './totals-store.ts';

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
  readonly recent: Recall;
  reachedSeconds: Instant;
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
  /** The same for charged rows of columns, in their order. */
  addRows(columns: IntervalColumns, span: RowSpan, uuidOf: (device: number) => string): void;
  open(name: string, startSeconds: Instant): void;
  close(window: Window): void;
  books(endSeconds: Instant): WindowBooks[];
  incompleteNames(): string[];
}

/** The folder's state; the functions below are its moves. */
interface State {
  readonly folds: WindowFold[];
  readonly store: TotalsStore;
  readonly devices: Map<string, Progress>;
  /** Windows that hold tallies, oldest first. */
  readonly unsettled: Set<WindowFold>;
  readonly underWay: Set<WindowFold>;
}

/** A folder of no windows yet. */
export function createWindowFolder(): WindowFolder {
  const state: State = {
    folds: [],
    store: createTotalsStore(),
    devices: new Map(),
    unsettled: new Set(),
    underWay: new Set(),
  };
  return {
    addDevice: (uuid) => addDevice(state, uuid),
    add: (interval) => add(state, interval),
    addRows: (columns, span, uuidOf) => addRows(state, columns, span, uuidOf),
    open(name, startSeconds) {
      const fold = newFold({ name, startSeconds, endSeconds: instant(Infinity) }, true);
      state.underWay.add(fold);
      enter(state, fold);
    },
    close(window) {
      const opened = [...state.underWay].find((fold) => isSame(fold.window, window));
      if (opened === undefined) enter(state, newFold(window, false));
      else close(state, opened, window);
    },
    books: (endSeconds) =>
      state.folds
        .map((fold) => ({
          window: fold.open ? { ...fold.window, endSeconds } : fold.window,
          totals: fold.settled === undefined ? totalsOf(fold) : state.store.get(fold.settled),
        }))
        .toSorted((one, other) => one.window.startSeconds - other.window.startSeconds),
    incompleteNames: () =>
      state.folds.filter((fold) => fold.incomplete).map((fold) => fold.window.name),
  };
}

function addDevice({ devices, folds }: State, uuid: string): void {
  if (devices.has(uuid)) return;
  const progress = newProgress(uuid);
  devices.set(uuid, progress);
  for (const fold of folds) {
    if (fold.settled !== undefined) continue;
    fold.waiting += 1;
    progress.ahead.push(fold);
  }
}

function add(state: State, interval: ChargedInterval): void {
  const progress = state.devices.get(interval.uuid);
  if (progress === undefined) return;
  if (isLate(progress, interval)) addLate(state, progress, interval);
  else advance(state, progress, interval);
  limitUnsettled(state);
}

/**
 * Rows that meet no edge of a window and do not come late are tallied together, up to the next one that does: each edge
 * finds all devices where it would have found them, so that it comes to the same, to the last bit.
 */
function addRows(
  state: State,
  columns: IntervalColumns,
  { from, to }: RowSpan,
  uuidOf: (device: number) => string,
): void {
  if (state.devices.size === 0) return;
  const { device } = columns.numbers;
  let rooms: Room[] = [];
  let since = from;
  for (let row = from; row < to; row += 1) {
    const number = device[row] ?? NaN;
    const room = (rooms[number] ??= roomOf(state, uuidOf(number)));
    if (isWithin(room, columns, row)) continue;
    tallyTogether(state, columns, { from: since, to: row }, uuidOf);
    add(state, chargedAt(columns, row, uuidOf));
    // Windows may have begun, ended or settled, for any device.
    rooms = [];
    since = row + 1;
  }
  tallyTogether(state, columns, { from: since, to }, uuidOf);
}

/** The time over which a device's intervals stay within the windows that are under way, and meet no other. */
interface Room {
  /** Absent for a device that is in no window. */
  readonly progress?: Progress;
  readonly startSeconds: number;
  readonly endSeconds: number;
  readonly nextStartSeconds: number;
}

const NO_ROOM = { startSeconds: Infinity, endSeconds: -Infinity, nextStartSeconds: -Infinity };

function roomOf({ devices, unsettled }: State, uuid: string): Room {
  const progress = devices.get(uuid);
  if (progress === undefined)
    return { startSeconds: -Infinity, endSeconds: Infinity, nextStartSeconds: Infinity };
  const { current, ahead, sorted } = progress;
  // A window's first interval of a device is not for here, nor are windows that were settled without it.
  const isUsual = current.every((fold) => unsettled.has(fold) && fold.tallies?.has(uuid) === true);
  if (!sorted || !isUsual || unsettled.size > UNSETTLED_WINDOWS) return { progress, ...NO_ROOM };
  return {
    progress,
    startSeconds: Math.max(-Infinity, ...current.map((fold) => fold.window.startSeconds)),
    endSeconds: Math.min(Infinity, ...current.map((fold) => fold.window.endSeconds)),
    nextStartSeconds: ahead.at(-1)?.window.startSeconds ?? Infinity,
  };
}

/** Whether a row stays within the room of its device; if so, the device has reached its end. */
function isWithin(room: Room, { numbers }: IntervalColumns, row: number): boolean {
  const { progress } = room;
  if (progress === undefined) return true;
  const start = instant(numbers.startSeconds[row] ?? NaN);
  const end = instant(numbers.endSeconds[row] ?? NaN);
  const isInside =
    end > start &&
    end > progress.reachedSeconds &&
    numbers.bridgedSeconds[row] === 0 &&
    end <= room.nextStartSeconds &&
    (start >= room.startSeconds || sameInstant(start, instant(room.startSeconds))) &&
    end < room.endSeconds &&
    !sameInstant(end, instant(room.endSeconds));
  if (isInside) progress.reachedSeconds = end;
  return isInside;
}

function tallyTogether(
  { devices }: State,
  columns: IntervalColumns,
  span: RowSpan,
  uuidOf: (device: number) => string,
): void {
  if (span.from === span.to) return;
  for (const [device, rows] of rowsByDevice(columns, span).entries()) {
    const progress = rows === undefined ? undefined : devices.get(uuidOf(device));
    if (rows === undefined || progress === undefined) continue;
    for (const { tallies } of progress.current) {
      const tally = tallies?.get(uuidOf(device));
      if (tally !== undefined) tallyRows(tally, columns, rows, uuidOf);
    }
    progress.recent.addRows(columns, rows);
  }
}

function addLate(state: State, progress: Progress, interval: ChargedInterval): void {
  for (const fold of state.folds) tallyShare(state, fold, interval);
  progress.recent.add(interval);
}

function advance(state: State, progress: Progress, interval: ChargedInterval): void {
  progress.reachedSeconds = interval.endSeconds;
  takeUp(progress);
  for (const fold of progress.current) tallyShare(state, fold, interval);
  progress.current = progress.current.filter((fold) => {
    if (!hasPassed(progress, fold)) return true;
    fold.waiting -= 1;
    settleIfOver(state, fold);
    return false;
  });
  progress.recent.add(interval);
}

function enter(state: State, fold: WindowFold): void {
  state.folds.push(fold);
  fold.waiting = state.devices.size;
  for (const progress of state.devices.values()) introduce(state, progress, fold);
  settleIfOver(state, fold);
}

function introduce(state: State, progress: Progress, fold: WindowFold): void {
  if (fold.window.startSeconds >= progress.reachedSeconds) {
    progress.ahead.push(fold);
    progress.sorted = false;
    return;
  }
  if (fold.window.startSeconds < progress.recent.forgottenSeconds) fold.incomplete = true;
  for (const interval of progress.recent.intervals()) tallyShare(state, fold, interval);
  if (hasPassed(progress, fold)) fold.waiting -= 1;
  else progress.current.push(fold);
}

function close(state: State, fold: WindowFold, window: Window): void {
  fold.window = window;
  fold.open = false;
  state.underWay.delete(fold);
  for (const [uuid, progress] of state.devices) {
    const position = progress.current.indexOf(fold);
    if (position < 0 || !hasPassed(progress, fold)) continue;
    progress.current.splice(position, 1);
    fold.waiting -= 1;
    if (!sameInstant(progress.reachedSeconds, window.endSeconds)) {
      tallyAgain(state, fold, uuid, progress);
    }
  }
  settleIfOver(state, fold);
}

/** The end came late: intervals beyond it were counted in. Only what is remembered can be counted again. */
function tallyAgain(state: State, fold: WindowFold, uuid: string, progress: Progress): void {
  if (fold.window.startSeconds < progress.recent.forgottenSeconds) {
    fold.incomplete = true;
    return;
  }
  fold.tallies?.delete(uuid);
  for (const interval of progress.recent.intervals()) tallyShare(state, fold, interval);
}

function tallyShare(state: State, fold: WindowFold, interval: ChargedInterval): void {
  const share = shareOf(interval, fold.window.startSeconds, fold.window.endSeconds);
  if (share === undefined) return;
  if (fold.settled !== undefined) {
    const late = newTally();
    tallyInterval(late, share);
    const before = withoutEstimate(state.store.get(fold.settled), share);
    state.store.replace(fold.settled, combineLinearly(before, totalsOfTally(late)));
    return;
  }
  const tallies = (fold.tallies ??= new Map());
  let tally = tallies.get(interval.uuid);
  if (tally === undefined) tallies.set(interval.uuid, (tally = newTally()));
  tallyInterval(tally, share);
  state.unsettled.add(fold);
}

function settleIfOver(state: State, fold: WindowFold): void {
  // Before any device is known, all of them are still to come.
  const isOver = !fold.open && fold.waiting === 0 && state.devices.size > 0;
  if (fold.settled === undefined && isOver) settle(state, fold);
}

function settle({ store, unsettled }: State, fold: WindowFold): void {
  fold.settled = store.add(totalsOf(fold));
  fold.tallies = undefined;
  unsettled.delete(fold);
}

function limitUnsettled(state: State): void {
  if (state.unsettled.size <= UNSETTLED_WINDOWS) return;
  for (const fold of state.unsettled) {
    if (!fold.open) return settle(state, fold);
  }
}

const newFold = (window: Window, open: boolean): WindowFold => ({
  window,
  open,
  waiting: 0,
  tallies: undefined,
  settled: undefined,
  incomplete: false,
});

const newProgress = (uuid: string): Progress => ({
  recent: createRecall(uuid),
  reachedSeconds: instant(-Infinity),
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
