// The time forms of logs, turned into seconds since 1970. Naive times are local to a zone: hours that a change of
// daylight saving repeats are told apart by the rows around them.

import { Temporal } from 'temporal-polyfill';

import { SourceError } from '../source.ts';

/** Which of the two small numbers of `03-11-2026` is the day. */
export type DateOrder = 'day-first' | 'month-first';

/** Reads the timestamps of one file, in file order; remembers what it must know to be quick and unambiguous. */
export interface TimestampReader {
  /** Seconds since 1970; NaN when the text is no time. */
  read(text: string): number;
  /** Some time had no zone, so that the trace's zone was used. */
  readonly sawNaive: boolean;
  /** Some time fell in an hour that the zone repeats, with nothing before it to tell which one. */
  readonly sawAmbiguous: boolean;
  /** Some time fell in an hour that the zone skips: the zone is probably wrong. */
  readonly sawNonexistent: boolean;
}

const ZONE = String.raw`\s*(Z|UTC|GMT|[+-]\d{2}:?\d{2})?`;
const CLOCK = String.raw`(\d{1,2}):(\d{2})(?::(\d{2}(?:[.,]\d+)?))?\s*(AM|PM)?${ZONE}$`;
const YEAR_FIRST = new RegExp(String.raw`^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})[T ,_]+${CLOCK}`, 'i');
const COMPACT = new RegExp(String.raw`^(\d{4})(\d{2})(\d{2})[T _-]+${CLOCK}`, 'i');
const YEAR_LAST = new RegExp(String.raw`^(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})[T ,_]+${CLOCK}`, 'i');
const EPOCH = /^\d{9,19}(?:\.\d+)?$/;

// Rows of one file may be this much out of order before a repeated hour is taken for the second one.
const REPEATED_HOUR_SLACK_SECONDS = 60;

/** Whether the text looks like a point in time, in any form that this reader knows. */
export function looksLikeTime(text: string): boolean {
  const trimmed = text.trim();
  return (
    YEAR_FIRST.test(trimmed) ||
    COMPACT.test(trimmed) ||
    YEAR_LAST.test(trimmed) ||
    epochSeconds(trimmed) !== undefined
  );
}

/** The two leading numbers of a year-last date; undefined for any other form. */
export function leadingDateNumbers(text: string): readonly [number, number] | undefined {
  const match = YEAR_LAST.exec(text.trim());
  return match === null ? undefined : [Number(match[1]), Number(match[2])];
}

// Seconds, milliseconds, microseconds and nanoseconds since 1970 are told apart by their size: each of them, read as
// the next finer one, would lie in the 1970s.
function epochSeconds(text: string): number | undefined {
  if (!EPOCH.test(text)) return undefined;
  const value = Number(text);
  if (value < 5e8) return undefined;
  if (value < 5e10) return value;
  if (value < 5e13) return value / 1e3;
  if (value < 5e16) return value / 1e6;
  return value / 1e9;
}

interface Minute {
  /** Seconds since 1970 of the minute's start. */
  readonly startSeconds: number;
  /** The second time round, where the zone repeats this hour. */
  readonly againSeconds?: number;
  readonly naive: boolean;
  readonly nonexistent: boolean;
}

function calendarMatch(
  text: string,
  order: DateOrder,
): readonly (string | undefined)[] | undefined {
  const yearFirst = YEAR_FIRST.exec(text) ?? COMPACT.exec(text);
  if (yearFirst !== null) return yearFirst.slice(1);
  const yearLast = YEAR_LAST.exec(text);
  if (yearLast === null) return undefined;
  const [, first, second, year, ...clock] = yearLast;
  return order === 'day-first' ? [year, second, first, ...clock] : [year, first, second, ...clock];
}

function offsetSeconds(zone: string): number {
  const match = /^([+-])(\d{2}):?(\d{2})$/.exec(zone);
  if (match === null) return 0;
  const size = Number(match[2]) * 3600 + Number(match[3]) * 60;
  return match[1] === '-' ? -size : size;
}

function hourOf(hour: string | undefined, half: string | undefined): number {
  const value = Number(hour);
  if (half === undefined) return value;
  return (value % 12) + (half.toUpperCase() === 'PM' ? 12 : 0);
}

function localMinute(local: Temporal.PlainDateTime, zone: string): Minute {
  const earlier = local.toZonedDateTime(zone, { disambiguation: 'earlier' });
  const later = local.toZonedDateTime(zone, { disambiguation: 'later' });
  const [first, second] = [earlier.epochMilliseconds / 1e3, later.epochMilliseconds / 1e3];
  if (first === second) return { startSeconds: first, naive: true, nonexistent: false };
  const repeated = earlier.toPlainDateTime().equals(local);
  return repeated
    ? { startSeconds: first, againSeconds: second, naive: true, nonexistent: false }
    : { startSeconds: second, naive: true, nonexistent: true };
}

function minuteOf(text: string, zone: string, order: DateOrder): Minute | undefined {
  const parts = calendarMatch(text, order);
  if (parts === undefined) return undefined;
  const [year, month, day, hour, minute, , half, suffix] = parts;
  const fields = {
    year: Number(year),
    month: Number(month),
    day: Number(day),
    hour: hourOf(hour, half),
    minute: Number(minute),
  };
  try {
    const local = Temporal.PlainDateTime.from(fields, { overflow: 'reject' });
    if (suffix === undefined) return localMinute(local, zone);
    const utc = local.toZonedDateTime('UTC').epochMilliseconds / 1e3;
    return { startSeconds: utc - offsetSeconds(suffix), naive: false, nonexistent: false };
  } catch {
    return undefined;
  }
}

// Splits `2026/07/18 15:51:` | `25.606` | `Z`: rows of one minute differ in the middle only.
function splitAtSeconds(text: string): readonly [string, string, string] {
  const second = text.indexOf(':', text.indexOf(':') + 1);
  if (second === -1) return [text, '', ''];
  let end = second + 1;
  while (end < text.length && isSecondsCharacter(text.charCodeAt(end))) end += 1;
  return [text.slice(0, second + 1), text.slice(second + 1, end), text.slice(end)];
}

const isSecondsCharacter = (code: number): boolean =>
  (code >= 48 && code <= 57) || code === 46 || code === 44;

/**
 * A reader of timestamps.
 *
 * @throws {SourceError} fatal, when the zone does not exist.
 */
export function timestampReader(zone: string, order: DateOrder): TimestampReader {
  requireZone(zone);
  let [head, suffix] = ['', ''];
  let minute: Minute | undefined;
  let previousSeconds = Number.NaN;
  let isSecondPass = false;
  const seen = { naive: false, ambiguous: false, nonexistent: false };

  const pick = (current: Minute, secondsIntoMinute: number): number => {
    const first = current.startSeconds + secondsIntoMinute;
    if (current.againSeconds === undefined) {
      isSecondPass = false;
      return first;
    }
    if (Number.isNaN(previousSeconds)) seen.ambiguous = true;
    isSecondPass ||= first < previousSeconds - REPEATED_HOUR_SLACK_SECONDS;
    return isSecondPass ? current.againSeconds + secondsIntoMinute : first;
  };

  const readCalendar = (text: string): number => {
    const [nextHead, secondsText, nextSuffix] = splitAtSeconds(text);
    if (minute === undefined || nextHead !== head || nextSuffix !== suffix) {
      minute = minuteOf(text, zone, order);
      [head, suffix] = [nextHead, nextSuffix];
      seen.naive ||= minute?.naive === true;
      seen.nonexistent ||= minute?.nonexistent === true;
    }
    const secondsIntoMinute = Number(secondsText.replace(',', '.'));
    if (minute === undefined || !(secondsIntoMinute < 61)) return Number.NaN;
    return pick(minute, secondsIntoMinute);
  };

  return {
    read(text) {
      const trimmed = text.trim();
      const time = epochSeconds(trimmed) ?? readCalendar(trimmed);
      if (time === time) previousSeconds = time;
      return time;
    },
    get sawNaive() {
      return seen.naive;
    },
    get sawAmbiguous() {
      return seen.ambiguous;
    },
    get sawNonexistent() {
      return seen.nonexistent;
    },
  };
}

function requireZone(zone: string): void {
  try {
    Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(zone);
  } catch (cause) {
    throw new SourceError(
      `There is no time zone "${zone}". Give --trace-time-zone an IANA name, such as Europe/Berlin or UTC.`,
      { fate: 'fatal', reason: 'unknown-time-zone', cause },
    );
  }
}
