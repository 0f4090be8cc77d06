// The words of a zone tariff: days, hours and months as people write them. Pure.

/** What a day is to a tariff: 1 (Monday) to 7 (Sunday), or a holiday of the tariff's list in place of its weekday. */
export type DayKind = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

/** A listed holiday. */
export const HOLIDAY: DayKind = 8;

const DAY_WORDS: ReadonlyMap<string, readonly DayKind[]> = new Map(
  Object.entries({
    mon: [1],
    tue: [2],
    wed: [3],
    thu: [4],
    fri: [5],
    sat: [6],
    sun: [7],
    holiday: [HOLIDAY],
    holidays: [HOLIDAY],
    weekday: [1, 2, 3, 4, 5],
    weekdays: [1, 2, 3, 4, 5],
    weekend: [6, 7],
    weekends: [6, 7],
  } satisfies Record<string, DayKind[]>),
);
const MONTH_WORDS = 'jan feb mar apr may jun jul aug sep oct nov dec'.split(' ');
const DAY_SECONDS = 86_400;

/** A stretch of the clock in seconds after midnight, end exclusive. */
export interface ClockRange {
  readonly fromSeconds: number;
  readonly toSeconds: number;
}

/** Words or ranges such as `mon-fri`, `sat`, `weekends`, `holiday`. @returns undefined for a word that is none */
export function readDays(words: readonly string[]): ReadonlySet<DayKind> | undefined {
  const days = new Set<DayKind>();
  for (const word of split(words)) {
    const [first, last] = word.split('-').map((each) => dayWord(each));
    if (first === undefined) return undefined;
    const range = word.includes('-') ? dayRange(first, last) : first;
    if (range === undefined) return undefined;
    for (const day of range) days.add(day);
  }
  return days;
}

/** Numbers 1–12, names, or ranges of them, which may run over the year's end: `10-3`, `nov-feb`. */
export function readMonths(words: readonly string[]): ReadonlySet<number> | undefined {
  const months = new Set<number>();
  for (const word of split(words)) {
    const [first, last = first] = word.split('-').map(monthWord);
    if (first === undefined || last === undefined) return undefined;
    for (let month = first; ; month = (month % 12) + 1) {
      months.add(month);
      if (month === last) break;
    }
  }
  return months;
}

/** `07:00-20:00`, `7-20`, or `22:00-06:00`, which means both ends of the same day. */
export function readHours(words: readonly string[]): readonly ClockRange[] | undefined {
  const ranges: ClockRange[] = [];
  for (const word of split(words)) {
    const [from, to, ...rest] = word.split('-').map(clockWord);
    if (from === undefined || to === undefined || rest.length > 0 || from === to) return undefined;
    if (from < to) ranges.push({ fromSeconds: from, toSeconds: to });
    else {
      ranges.push({ fromSeconds: from, toSeconds: DAY_SECONDS }, { fromSeconds: 0, toSeconds: to });
    }
  }
  return ranges.filter((range) => range.fromSeconds < range.toSeconds);
}

/** The whole day. */
export const WHOLE_DAY: readonly ClockRange[] = [{ fromSeconds: 0, toSeconds: DAY_SECONDS }];

const split = (words: readonly string[]): string[] =>
  words.flatMap((word) => word.toLowerCase().split(/[\s,]+/)).filter((word) => word !== '');

function dayWord(word: string): readonly DayKind[] | undefined {
  return DAY_WORDS.get(word) ?? DAY_WORDS.get(word.slice(0, 3));
}

function dayRange(
  first: readonly DayKind[],
  last: readonly DayKind[] | undefined,
): readonly DayKind[] | undefined {
  const from = first[0];
  const to = last?.[0];
  const single = first.length === 1 && last?.length === 1;
  if (!single || from === undefined || to === undefined || from > 7 || to > 7) return undefined;
  const days: DayKind[] = [];
  for (const day of [1, 2, 3, 4, 5, 6, 7] as const) {
    const inside = from <= to ? day >= from && day <= to : day >= from || day <= to;
    if (inside) days.push(day);
  }
  return days;
}

function monthWord(word: string): number | undefined {
  const named = MONTH_WORDS.indexOf(word.slice(0, 3)) + 1;
  const month = named > 0 ? named : Number(word);
  return Number.isInteger(month) && month >= 1 && month <= 12 ? month : undefined;
}

function clockWord(word: string): number | undefined {
  const match = /^(\d{1,2})(?::(\d{2}))?$/.exec(word);
  if (match === null) return undefined;
  const seconds = Number(match[1]) * 3600 + Number(match[2] ?? 0) * 60;
  return Number(match[2] ?? 0) < 60 && seconds <= DAY_SECONDS ? seconds : undefined;
}
