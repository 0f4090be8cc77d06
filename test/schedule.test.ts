import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import {
  calendarOf,
  clockSecondsAt,
  instantReader,
  isTimeProblem,
  readInstant,
} from '../agent/local-time.ts';
import {
  constantSchedule,
  firstGap,
  integralOf,
  mapSchedule,
  slicesOf,
} from '../agent/schedule.ts';
import { readSeries } from '../agent/series-file.ts';
import { seriesOf, type SeriesRow } from '../agent/series.ts';
import { instant, type Instant } from '../agent/units.ts';

const at = (text: string, zone = 'UTC'): Instant => {
  const time = readInstant(text, zone);
  if (isTimeProblem(time)) throw new Error(time.problem);
  return time;
};
const options = { fileName: 'prices.csv', timeZone: 'UTC' };

describe('readInstant()', () => {
  test.each([
    ['2026-01-01T00:00:00Z', 1_767_225_600],
    ['2026-01-01T05:30+05:30', 1_767_225_600],
    ['2025-12-31 16:00:00-08:00', 1_767_225_600],
    ['1767225600', 1_767_225_600],
    ['1767225600.5', 1_767_225_600.5],
    ['2026-01-01', 1_767_225_600],
  ])('reads %s', (text, expected) => {
    expect(readInstant(text, 'UTC')).toBe(expected);
  });

  test('takes a naive time as local', () => {
    expect(readInstant('2026-01-01T05:30', 'Asia/Kolkata')).toBe(1_767_225_600);
  });

  test('takes a naive time that the clocks skip as the end of the hour before', () => {
    expect(at('2026-03-08T02:00', 'America/Los_Angeles')).toBe(at('2026-03-08T10:00Z'));
  });

  test('refuses a naive time that happens twice and names both offsets', () => {
    expect(readInstant('2026-11-01T01:30', 'America/Los_Angeles')).toEqual({
      problem: '2026-11-01T01:30 happens twice in America/Los_Angeles, where the clocks go back',
      mend: 'Write its offset, -07:00 or -08:00',
    });
  });

  test.each(['', 'yesterday', '2026-13-01', '12'])('refuses %j', (text) => {
    expect(isTimeProblem(readInstant(text, 'UTC'))).toBe(true);
  });
});

describe('instantReader()', () => {
  const DATES = [
    '2026-03-08',
    '2026-03-29',
    '2026-10-25',
    '2026-11-01',
    '2026-06-30',
    '2026-02-29',
  ];
  const times = fc
    .tuple(
      fc.constantFrom(...DATES),
      fc.constantFrom('T', ' '),
      fc.nat(24),
      fc.nat(60),
      fc.constantFrom('', ':00', ':59', ':07.25', ':60'),
      fc.constantFrom('', '', 'Z', '+01:00', '-08:00', '+0530'),
    )
    .map(([date, separator, hour, minute, second, offset]) => {
      const clock = [hour, minute].map((part) => String(part).padStart(2, '0')).join(':');
      return `${date}${separator}${clock}${second}${offset}`;
    });
  const zones = ['UTC', 'Europe/Berlin', 'America/Los_Angeles', 'Asia/Kolkata', 'America/Asuncion'];

  test('reads as readInstant() does, on days of 23 and 25 hours too', () => {
    fc.assert(
      fc.property(fc.constantFrom(...zones), fc.array(times, { maxLength: 20 }), (zone, texts) => {
        const read = instantReader(zone);
        for (const text of texts)
          expect([text, read(text)]).toEqual([text, readInstant(text, zone)]);
      }),
      { seed: 56, numRuns: 300 },
    );
  });
});

describe('calendarOf()', () => {
  test.each([
    ['2026-03-08', 23],
    ['2026-11-01', 25],
    ['2026-07-01', 24],
  ])('knows that %s in Los Angeles lasts %i hours', (date, hours) => {
    const day = calendarOf('America/Los_Angeles').dayAt(at(`${date}T12:00-08:00`));
    expect(day.date).toBe(date);
    expect((day.endSeconds - day.startSeconds) / 3600).toBe(hours);
  });

  test('shows the same clock time twice when the clocks go back', () => {
    const calendar = calendarOf('America/Los_Angeles');
    const clocks = ['2026-11-01T01:15-07:00', '2026-11-01T01:15-08:00'].map((text) =>
      clockSecondsAt(calendar.dayAt(at(text)), at(text)),
    );
    expect(clocks).toEqual([4500, 4500]);
  });
});

describe('schedules', () => {
  test('map leaves gaps gaps', () => {
    const { schedule } = seriesOf(
      [{ startSeconds: instant(0), endSeconds: instant(10), value: 2, row: 1 }],
      'x',
      'error',
    );
    const doubled = mapSchedule(schedule, (value) => value * 2);
    expect([doubled.valueAt(instant(5)), doubled.valueAt(instant(10))]).toEqual([4, undefined]);
    expect(firstGap(doubled, instant(5), instant(12))).toBe(10);
    expect(firstGap(doubled, instant(5), instant(10))).toBeUndefined();
    expect(integralOf(doubled, instant(5), instant(12))).toBeUndefined();
  });

  test('a constant integrates to value × time', () => {
    expect(integralOf(constantSchedule(3), instant(5), instant(9))).toBe(12);
  });
});

const contiguous = fc
  .array(fc.record({ length: fc.integer({ min: 1, max: 50 }), value: fc.integer() }), {
    minLength: 1,
    maxLength: 40,
  })
  .map((parts) => {
    let from = 1000;
    return parts.map(({ length, value }, position): SeriesRow => {
      const startSeconds = instant(from);
      from += length;
      return { startSeconds, endSeconds: instant(from), value, row: position + 1 };
    });
  });

describe('seriesOf()', () => {
  test('answers as a walk over its rows would, in any order of questions', () => {
    fc.assert(
      fc.property(contiguous, fc.array(fc.integer({ min: 990, max: 3100 })), (rows, times) => {
        const { schedule } = seriesOf(rows, 'x', 'error');
        for (const time of times) {
          const row = rows.find((each) => each.startSeconds <= time && time < each.endSeconds);
          expect(schedule.valueAt(instant(time))).toBe(row?.value);
          const later = rows
            .flatMap((each) => [each.startSeconds, each.endSeconds])
            .filter((edge) => edge > time);
          expect(schedule.nextChange(instant(time))).toBe(
            later.length === 0 ? undefined : Math.min(...later),
          );
        }
      }),
      { seed: 1 },
    );
  });

  test('tiles any stretch with its slices', () => {
    fc.assert(
      fc.property(contiguous, (rows) => {
        const { schedule } = seriesOf(rows, 'x', 'error');
        const slices = [...slicesOf(schedule, instant(900), instant(4000))];
        expect(slices[0]?.startSeconds).toBe(900);
        expect(slices.at(-1)?.endSeconds).toBe(4000);
        slices.slice(1).forEach((slice, position) => {
          expect(slice.startSeconds).toBe(slices[position]?.endSeconds);
        });
      }),
      { seed: 2 },
    );
  });
});

describe('readSeries()', () => {
  test('reads the same with quotes and without, and names the same row', () => {
    const plain = 'start;end;value [EUR/MWh]\n# a comment\n\n2026-01-01; 2026-01-02 ;12.5\n';
    const quoted = plain.replaceAll(/[^,;\n#]+(?=[,;\n])/g, (cell) => `"${cell.trim()}"`);
    expect(quoted).toContain('"2026-01-01";"2026-01-02";"12.5"');
    for (const text of [plain, quoted.replace('#" a comment"', '# a comment')]) {
      const { series, unit } = readSeries(text, options);
      expect([unit, series.schedule.valueAt(at('2026-01-01T12:00Z'))]).toEqual(['EUR/MWh', 12.5]);
      expect(() => readSeries(text.replace('12.5', 'x'), options)).toThrow('prices.csv row 4');
    }
  });

  test('reads a CSV with header, unit and words about itself', () => {
    const file = readSeries(
      '# currency: EUR\n# network: 0.08\nstart,end,value [EUR/MWh]\n' +
        '2026-01-01T00:00Z,2026-01-01T01:00Z,85.2\n2026-01-01T01:00Z,2026-01-01T02:00Z,-3\n',
      options,
    );
    expect(file.unit).toBe('EUR/MWh');
    expect(file.about).toEqual({ currency: 'EUR', network: 0.08 });
    expect(file.series.rowCount).toBe(2);
    expect(file.series.schedule.valueAt(at('2026-01-01T01:59:59Z'))).toBe(-3);
    expect(file.series.schedule.valueAt(at('2026-01-01T02:00Z'))).toBeUndefined();
  });

  test('reads a CSV without a header, CRLF and semicolons', () => {
    const file = readSeries('2026-01-01;2026-01-02;1\r\n2026-01-02;2026-01-03;2\r\n', options);
    expect(file.series.schedule.valueAt(at('2026-01-02T12:00Z'))).toBe(2);
  });

  test('is not misled by a byte order mark', () => {
    const about = '\u{FEFF}# currency: EUR\nstart,end,value\n2026-01-01,2026-01-02,1\n';
    expect(readSeries(about, options).about).toEqual({ currency: 'EUR' });
    const json = '\u{FEFF}[{"start":"2026-01-01","end":"2026-01-02","value":1}]';
    expect(readSeries(json, options).series.rowCount).toBe(1);
  });

  test('quotes a binary file without its control characters', () => {
    expect(() => readSeries('\u0000\u001B[2J,1,2', options)).toThrow(/^[^\p{Cc}]+$/u);
  });

  test('reads JSON and YAML alike', () => {
    const json = '{"unit":"g/kWh","rows":[{"start":1767225600,"end":1767229200,"value":12.5}]}';
    const yaml =
      'unit: g/kWh\nrows:\n  - {start: 2026-01-01T00:00Z, end: 2026-01-01T01:00Z, value: 12.5}\n';
    for (const text of [json, yaml]) {
      const file = readSeries(text, options);
      expect([file.unit, file.series.startSeconds]).toEqual(['g/kWh', 1_767_225_600]);
      expect(file.series.schedule.valueAt(instant(1_767_225_601))).toBe(12.5);
    }
  });

  test('holds the last value over holes and says where', () => {
    const text = '2026-01-01,2026-01-02,1\n2026-01-03,2026-01-04,2\n';
    const { series } = readSeries(text, { ...options, gap: 'hold' });
    expect(series.schedule.valueAt(at('2026-01-02T12:00Z'))).toBe(1);
    expect(series.schedule.valueAt(at('2027-01-01T00:00Z'))).toBe(2);
    expect(series.schedule.valueAt(at('2025-12-31T23:00Z'))).toBeUndefined();
    expect(series.held).toEqual([
      { startSeconds: at('2026-01-02'), endSeconds: at('2026-01-03') },
      { startSeconds: at('2026-01-04') },
    ]);
  });

  test.each([
    ['', 'prices.csv: there is no row in it. Write rows of start,end,value.'],
    [
      '2026-01-01,2026-01-02,1\n2026-01-01T23:00,2026-01-03,2\n',
      'prices.csv row 2: it starts at 2026-01-01T23:00:00Z, before row 1 ends at 2026-01-02T00:00:00Z. Sort the rows and let each start where the last one ended.',
    ],
    [
      'start,end,value\n2026-01-01,2026-01-02,1\n2026-01-03,2026-01-04,2\n',
      'prices.csv row 3: there is no value from 2026-01-02T00:00:00Z to 2026-01-03T00:00:00Z. Add the missing rows, or hold the last value with --price-gap hold.',
    ],
    [
      '2026-01-01,2026-01-02,NaN\n',
      'prices.csv row 1: the value "NaN" is no finite number. Write a number with a decimal point.',
    ],
    [
      '2026-01-02,2026-01-01,1\n',
      'prices.csv row 1: it ends at 2026-01-01T00:00:00Z, not after its start 2026-01-02T00:00:00Z. Let end be later than start; end is exclusive.',
    ],
    [
      '2026-01-01,noon,1\n',
      'prices.csv row 1: "noon" is not a time. Write ISO 8601, e.g. 2026-03-29T01:00:00Z or 2026-03-29T01:00:00+01:00.',
    ],
    [
      'timestamp,power.draw [W]\n2026-01-01,12\n',
      'prices.csv row 1: the columns are timestamp,power.draw [W]. Write columns start,end,value, e.g. 2026-01-01T00:00Z,2026-01-01T01:00Z,0.25.',
    ],
    [
      '[{"start":1}]',
      'prices.csv row 1: "end" is missing or no text or number. Give each row start, end and value.',
    ],
    [
      '{"timeZone":"Mars/Olympus","rows":[]}',
      'prices.csv: the time zone "Mars/Olympus" is unknown. Write an IANA name such as Europe/Berlin or UTC.',
    ],
  ])('refuses %j in one line', (text, message) => {
    expect(() => readSeries(text, options)).toThrow(message);
  });
});
