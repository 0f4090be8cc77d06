// A schedule written in local clock time: what zones and OpenEI tables have in common. It knows 23- and 25-hour days,
// and answers along the time axis in constant time. Pure.

import type { Calendar, LocalDay } from '../local-time.ts';
import type { Schedule } from '../schedule.ts';
import { instant } from '../units.ts';

/** A value from a clock time on; the first step of a day starts at 0. */
export interface DayStep {
  readonly fromClockSeconds: number;
  readonly value: number | undefined;
}

interface Stretch {
  readonly startSeconds: number;
  endSeconds: number;
  readonly value: number | undefined;
}

/** How far ahead equal values are joined; a later answer "may change here" is allowed by the contract. */
const LOOKAHEAD_DAYS = 400;

/** The schedule whose local days consist of `stepsOf(day)`. */
export function localSchedule(
  calendar: Calendar,
  stepsOf: (day: LocalDay) => readonly DayStep[],
): Schedule {
  let newest: Stretch | undefined;
  const stretchAt = (time: number): Stretch => {
    if (newest === undefined || time < newest.startSeconds || time >= newest.endSeconds) {
      newest = findStretch(time, calendar, stepsOf);
    }
    return newest;
  };
  return {
    valueAt: (time) => stretchAt(time).value,
    nextChange: (time) => instant(stretchAt(time).endSeconds),
  };
}

function findStretch(
  time: number,
  calendar: Calendar,
  stepsOf: (day: LocalDay) => readonly DayStep[],
): Stretch {
  let day = calendar.dayAt(instant(time));
  let pieces = piecesOf(day, stepsOf(day));
  const position = pieces.findLastIndex((piece) => piece.startSeconds <= time);
  const found = pieces[position];
  if (found === undefined) {
    throw new Error(`The local day ${day.date} of ${calendar.timeZone} does not hold ${time}.`);
  }
  const stretch = { ...found };
  if (position < pieces.length - 1) return stretch;
  for (let ahead = 0; ahead < LOOKAHEAD_DAYS; ahead += 1) {
    day = calendar.dayAt(day.endSeconds);
    pieces = piecesOf(day, stepsOf(day));
    const first = pieces[0];
    if (first === undefined || first.value !== stretch.value) break;
    stretch.endSeconds = first.endSeconds;
    if (pieces.length > 1) break;
  }
  return stretch;
}

/** A day's steps in real time: a step that the clocks skip vanishes, one that they repeat comes twice. */
function piecesOf(day: LocalDay, steps: readonly DayStep[]): Stretch[] {
  const pieces: Stretch[] = [];
  for (const segment of day.segments) {
    const lastClock = segment.clockSeconds + (segment.endSeconds - segment.startSeconds);
    steps.forEach((step, position) => {
      const from = Math.max(step.fromClockSeconds, segment.clockSeconds);
      const to = Math.min(steps[position + 1]?.fromClockSeconds ?? Infinity, lastClock);
      if (from >= to) return;
      const startSeconds = segment.startSeconds + (from - segment.clockSeconds);
      const endSeconds = segment.startSeconds + (to - segment.clockSeconds);
      const before = pieces.at(-1);
      if (before !== undefined && before.value === step.value) before.endSeconds = endSeconds;
      else pieces.push({ startSeconds, endSeconds, value: step.value });
    });
  }
  return pieces;
}
