// A tariff of zones: prices by day, hour, month and holiday, the last match winning. Pure.

import { z } from 'zod';

import { InputError, inputErrorOf } from '../input-error.ts';
import { calendarOf, type Calendar, type LocalDay } from '../local-time.ts';
import type { Schedule } from '../schedule.ts';
import {
  HOLIDAY,
  readDays,
  readHours,
  readMonths,
  WHOLE_DAY,
  type ClockRange,
  type DayKind,
} from './clock-words.ts';
import { localSchedule, type DayStep } from './local-schedule.ts';
import { currencyOf, siteNotes, zoneNotes, zoneOf, type TariffOptions } from './options.ts';
import type { DemandCharge, Tariff } from './tariff.ts';

const words = z.union([
  z.string().transform((word) => [word]),
  z.number().transform((word) => [String(word)]),
  z.array(z.union([z.string(), z.number()]).transform(String)).min(1),
]);

/** Words of the file read by one of clock-words.ts; `what` says what they should have been. */
function wordsAs<T>(read: (text: readonly string[]) => T | undefined, what: string) {
  return words.transform((text, context): T => {
    const value = read(text);
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message: `"${text.join(', ')}" is no ${what}` });
    return z.NEVER;
  });
}

const when = {
  name: z.string().optional(),
  days: wordsAs(readDays, 'list of days such as mon-fri, sat, weekends or holiday').optional(),
  hours: wordsAs(readHours, 'list of hours such as 07:00-20:00').optional(),
  months: wordsAs(readMonths, 'list of months such as 10-3 or jul').optional(),
};
const zonesFile = z.strictObject({
  name: z.string().optional(),
  currency: z.string().optional(),
  timeZone: z.string().optional(),
  zones: z.array(z.strictObject({ ...when, price: z.number() })).min(1),
  holidays: z.array(z.iso.date()).default([]),
  demand: z
    .array(z.strictObject({ ...when, ratePerKilowatt: z.number().nonnegative() }))
    .default([]),
  fixed: z
    .array(
      z.strictObject({
        name: z.string().default('fixed charge'),
        amount: z.number(),
        per: z.enum(['day', 'month', 'year']),
      }),
    )
    .default([]),
});

/** When a zone applies; an absent condition always holds. */
interface Condition {
  readonly days?: ReadonlySet<DayKind> | undefined;
  readonly hours?: readonly ClockRange[] | undefined;
  readonly months?: ReadonlySet<number> | undefined;
}

interface Painted extends Condition {
  readonly value: number;
}

const MONTHS =
  'January February March April May June July August September October November December'.split(
    ' ',
  );
const DAYS = 'Monday Tuesday Wednesday Thursday Friday Saturday Sunday'
  .split(' ')
  .concat('a holiday');
const MEND =
  'Look at that place; a zone has price and, where it does not always apply, days, hours and months';

/**
 * Reads a zone tariff from a parsed YAML or JSON document. On a day of `holidays` only zones apply whose days name
 * `holiday`, or that name no days.
 * @throws InputError naming the place, also for an hour that no zone covers
 */
export function zonesTariff(document: unknown, options: TariffOptions): Tariff {
  const parsed = zonesFile.safeParse(document);
  if (!parsed.success) throw inputErrorOf(options.fileName, parsed.error.issues, MEND);
  const file = parsed.data;
  const timeZone = zoneOf(file.timeZone, options);
  const calendar = calendarOf(timeZone);
  const holidays = new Set(file.holidays);
  const zones = file.zones.map((zone): Painted => ({ ...zone, value: zone.price }));
  refuseHoles(zones, holidays.size > 0, options.fileName);
  const demand = file.demand.map((charge, position): DemandCharge => ({
    kind: charge.hours === undefined && charge.days === undefined ? 'flat' : 'time-of-use',
    name: charge.name ?? `demand ${position + 1}`,
    blocks: [[{ ratePerKilowatt: charge.ratePerKilowatt }]],
    period: paintedSchedule(calendar, [{ ...charge, value: 0 }], holidays),
  }));
  return {
    name: file.name ?? options.fileName,
    source: options.fileName,
    currency: currencyOf(file.currency, options),
    provenance: 'derived',
    price: paintedSchedule(calendar, zones, holidays),
    timeZone,
    demand,
    fixed: file.fixed,
    notes: [...zoneNotes(file.timeZone, options), ...siteNotes({ demand }, options)],
    ...(options.siteLoadKilowatts === undefined
      ? {}
      : { siteLoadKilowatts: options.siteLoadKilowatts }),
  };
}

function paintedSchedule(
  calendar: Calendar,
  zones: readonly Painted[],
  holidays: ReadonlySet<string>,
): Schedule {
  const patterns = new Map<number, readonly DayStep[]>();
  return localSchedule(calendar, (day) => {
    const kind = kindOf(day, holidays);
    const key = day.month * 10 + kind;
    const known = patterns.get(key);
    if (known !== undefined) return known;
    const painted = paint(zones, day.month, kind);
    patterns.set(key, painted);
    return painted;
  });
}

function kindOf(day: LocalDay, holidays: ReadonlySet<string>): DayKind {
  // A LocalDay's weekday is 1 to 7 by its own contract.
  return holidays.has(day.date) ? HOLIDAY : (day.weekday as DayKind);
}

/** One kind of day of one month: at each clock time the last zone that matches. */
function paint(zones: readonly Painted[], month: number, kind: DayKind): DayStep[] {
  const matching = zones.filter(
    (zone) => (zone.months?.has(month) ?? true) && (zone.days?.has(kind) ?? true),
  );
  const edges = matching.flatMap((zone) =>
    (zone.hours ?? WHOLE_DAY).flatMap((range) => [range.fromSeconds, range.toSeconds]),
  );
  const froms = [...new Set([0, ...edges])]
    .filter((edge) => edge < 86_400)
    .toSorted((a, b) => a - b);
  return froms.map((from) => ({
    fromClockSeconds: from,
    value: matching.findLast((zone) =>
      (zone.hours ?? WHOLE_DAY).some(
        (range) => range.fromSeconds <= from && from < range.toSeconds,
      ),
    )?.value,
  }));
}

function refuseHoles(zones: readonly Painted[], hasHolidays: boolean, fileName: string): void {
  const kinds = DAYS.map((name, position) => ({ name, kind: (position + 1) as DayKind }));
  for (const { name, kind } of hasHolidays ? kinds : kinds.slice(0, 7)) {
    for (const [position, month] of MONTHS.entries()) {
      const hole = paint(zones, position + 1, kind).find((step) => step.value === undefined);
      if (hole === undefined) continue;
      throw new InputError(
        `${fileName} at zones`,
        `no zone covers ${name} ${clockText(hole.fromClockSeconds)} in ${month}`,
        'Put a zone without days, hours and months first, as the price of the rest',
      );
    }
  }
}

function clockText(clockSeconds: number): string {
  const minutes = Math.floor(clockSeconds / 60);
  return `${String(Math.floor(minutes / 60)).padStart(2, '0')}:${String(minutes % 60).padStart(2, '0')}`;
}
