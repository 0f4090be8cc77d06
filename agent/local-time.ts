// Wall-clock times of a place: what a tariff, a grid series and a site's load curve are written in. Pure.

import { Temporal } from 'temporal-polyfill';

import { fromUnixMilliseconds, instant, type Instant } from './units.ts';

/** A time that could not be read: what is wrong, and what to write instead. */
export interface TimeProblem {
  readonly problem: string;
  readonly mend: string;
}

/** One stretch of real time of a local day over which the clock runs on without a jump. */
interface DaySegment {
  readonly startSeconds: Instant;
  readonly endSeconds: Instant;
  /** What the local clock shows at the start, in seconds after midnight. */
  readonly clockSeconds: number;
}

/** A date at a place. It lasts 23 or 25 hours when the clocks change. */
export interface LocalDay {
  readonly startSeconds: Instant;
  readonly endSeconds: Instant;
  /** ISO 8601, e.g. `2026-03-29`. */
  readonly date: string;
  readonly year: number;
  /** 1 (January) to 12. */
  readonly month: number;
  /** 1 (Monday) to 7 (Sunday). */
  readonly weekday: number;
  /** In order; two when the clocks change on this day. */
  readonly segments: readonly DaySegment[];
}

/** A calendar month at a place: what tiers and peaks are counted over. */
export interface LocalMonth {
  readonly startSeconds: Instant;
  readonly endSeconds: Instant;
  /** ISO 8601, e.g. `2026-03`. */
  readonly name: string;
}

/** The local days and months of one time zone. */
export interface Calendar {
  readonly timeZone: string;
  dayAt(time: Instant): LocalDay;
  monthAt(time: Instant): LocalMonth;
}

const EPOCH_SECONDS = /^\d{9,11}(?:\.\d+)?$/;
const ZONED = /(?:Z|[+-]\d{2}(?::?\d{2})?)(?:\[.*\])?$/i;
const PLAIN_TIME =
  /^(\d{4}-\d{2}-\d{2})[T ]([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d(?:\.\d{1,3})?))?(Z|[+-]\d{2}:\d{2})?$/;
const SECONDS_PER_HOUR = 3600;

/** Whether `name` is an IANA time zone such as `Europe/Berlin`. */
export function isTimeZone(name: string): boolean {
  try {
    return new Temporal.ZonedDateTime(0n, name).timeZoneId.length > 0;
  } catch {
    return false;
  }
}

/**
 * Reads ISO 8601 (with an offset or zone, or naive in `timeZone`) or seconds since 1970. A naive time that happens
 * twice when the clocks go back is refused: guessing would shift an hour of prices.
 */
export function readInstant(text: string, timeZone: string): Instant | TimeProblem {
  const trimmed = text.trim();
  if (EPOCH_SECONDS.test(trimmed)) return instant(Number(trimmed));
  try {
    return hasOffset(trimmed)
      ? fromUnixMilliseconds(Temporal.Instant.from(trimmed).epochMilliseconds)
      : fromLocal(trimmed, timeZone);
  } catch {
    return {
      problem: `"${trimmed.slice(0, 40)}" is not a time`,
      mend: 'Write ISO 8601, e.g. 2026-03-29T01:00:00Z or 2026-03-29T01:00:00+01:00',
    };
  }
}

/**
 * A reader of many times: `readInstant`, but a day's midnight is looked up once, because a year of quarter-hours names
 * each of its days a hundred times and a calendar takes its time.
 */
export function instantReader(timeZone: string): (text: string) => Instant | TimeProblem {
  const midnights = new Map<string, number | undefined>();
  const calendar = calendarOf(timeZone);
  const midnightOf = (date: string, offset: string | undefined): number | undefined => {
    const midnight = readInstant(`${date}T00:00${offset ?? ''}`, timeZone);
    if (isTimeProblem(midnight)) return undefined;
    return offset === undefined && !runsThrough(calendar.dayAt(midnight)) ? undefined : midnight;
  };
  return (text) => {
    const [, date, hour, minute, second = '0', offset] = PLAIN_TIME.exec(text) ?? [];
    if (date !== undefined) {
      const day = `${date}${offset ?? ''}`;
      if (!midnights.has(day)) midnights.set(day, midnightOf(date, offset));
      const midnight = midnights.get(day);
      if (midnight !== undefined)
        return instant(
          midnight + Number(hour) * SECONDS_PER_HOUR + Number(minute) * 60 + Number(second),
        );
    }
    return readInstant(text, timeZone);
  };
}

/** Whether the clock of a day shows what has passed since its beginning. */
const runsThrough = ({ segments }: LocalDay): boolean =>
  segments.length === 1 && segments[0]?.clockSeconds === 0;

/** Whether a reading of `readInstant` failed. */
export function isTimeProblem(value: Instant | TimeProblem): value is TimeProblem {
  return typeof value === 'object';
}

/** ISO 8601 in UTC, to the second where it is whole. */
export function formatInstant(time: Instant): string {
  return Temporal.Instant.fromEpochMilliseconds(Math.round(time * 1e3)).toString();
}

/** `2026-03-29 03:00+02:00`, to the minute: what the clock of a place shows, and its offset, for people. */
export function formatLocal(time: Instant, timeZone: string): string {
  const local = Temporal.Instant.fromEpochMilliseconds(Math.round(time * 1e3))
    .toZonedDateTimeISO(timeZone)
    .round('minute');
  const clock = local.toPlainTime().toString({ smallestUnit: 'minute' });
  return `${local.toPlainDate().toString()} ${clock}${local.offset.replace(/^[+-]00:00$/, 'Z')}`;
}

/** The days of a time zone, reckoned with its whole history of clock changes. @throws RangeError unknown zone */
export function calendarOf(timeZone: string): Calendar {
  let newest: LocalDay | undefined;
  let newestMonth: LocalMonth | undefined;
  return {
    timeZone,
    monthAt(time) {
      if (
        newestMonth === undefined ||
        time < newestMonth.startSeconds ||
        time >= newestMonth.endSeconds
      ) {
        newestMonth = localMonth(time, timeZone);
      }
      return newestMonth;
    },
    dayAt(time) {
      if (newest === undefined || time < newest.startSeconds || time >= newest.endSeconds) {
        newest = localDay(time, timeZone);
      }
      return newest;
    },
  };
}

/** What the local clock shows at an instant of a day, in seconds after midnight. */
export function clockSecondsAt(day: LocalDay, time: Instant): number {
  const segment = day.segments.findLast((each) => each.startSeconds <= time) ?? day.segments[0];
  return segment === undefined ? 0 : segment.clockSeconds + (time - segment.startSeconds);
}

function hasOffset(text: string): boolean {
  // The date's own hyphens look like an offset, so only what follows the time of day counts.
  return text.length > 10 && ZONED.test(text.slice(10));
}

function fromLocal(text: string, timeZone: string): Instant | TimeProblem {
  const local = Temporal.PlainDateTime.from(text);
  const earlier = local.toZonedDateTime(timeZone, { disambiguation: 'earlier' });
  const later = local.toZonedDateTime(timeZone, { disambiguation: 'later' });
  const happensTwice =
    earlier.epochMilliseconds !== later.epochMilliseconds &&
    earlier.toPlainDateTime().equals(later.toPlainDateTime());
  if (happensTwice) {
    return {
      problem: `${text} happens twice in ${timeZone}, where the clocks go back`,
      mend: `Write its offset, ${earlier.offset} or ${later.offset}`,
    };
  }
  return fromUnixMilliseconds(later.epochMilliseconds);
}

function localDay(time: Instant, timeZone: string): LocalDay {
  const start = Temporal.Instant.fromEpochMilliseconds(Math.floor(time * 1e3))
    .toZonedDateTimeISO(timeZone)
    .startOfDay();
  const end = start.toPlainDate().add({ days: 1 }).toZonedDateTime(timeZone);
  return {
    startSeconds: secondsOf(start),
    endSeconds: secondsOf(end),
    date: start.toPlainDate().toString(),
    year: start.year,
    month: start.month,
    weekday: start.dayOfWeek,
    segments: segmentsOf(start, end),
  };
}

function localMonth(time: Instant, timeZone: string): LocalMonth {
  const first = Temporal.Instant.fromEpochMilliseconds(Math.floor(time * 1e3))
    .toZonedDateTimeISO(timeZone)
    .toPlainDate()
    .with({ day: 1 });
  return {
    startSeconds: secondsOf(first.toZonedDateTime(timeZone)),
    endSeconds: secondsOf(first.add({ months: 1 }).toZonedDateTime(timeZone)),
    name: first.toPlainYearMonth().toString(),
  };
}

function segmentsOf(start: Temporal.ZonedDateTime, end: Temporal.ZonedDateTime): DaySegment[] {
  const change = start.getTimeZoneTransition('next');
  const cuts =
    change !== null && change.epochMilliseconds < end.epochMilliseconds
      ? [start, change, end]
      : [start, end];
  return cuts.slice(0, -1).map((from, position) => ({
    startSeconds: secondsOf(from),
    endSeconds: secondsOf(cuts[position + 1] ?? end),
    clockSeconds: from.hour * SECONDS_PER_HOUR + from.minute * 60 + from.second,
  }));
}

const secondsOf = (time: Temporal.ZonedDateTime): Instant =>
  fromUnixMilliseconds(time.epochMilliseconds);
