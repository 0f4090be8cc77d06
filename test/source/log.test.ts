// Logs as they are met in the wild, in samples of our own making: what can be read is read to the last row, and what
// cannot is said with its line.

import { gzipSync } from 'node:zlib';

import * as fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';

import { parseColumnMapping } from '../../agent/source/log/column-mapping.ts';
import { logReader, type LogOptions } from '../../agent/source/log/read-log.ts';
import type { InputSummary } from '../../agent/source/source.ts';
import { readAll, readingsOf, temporaryFolder, writeLog, type Said } from './reading.ts';

const folder = temporaryFolder();
afterAll(() => folder[Symbol.dispose]());
let fileCount = 0;

async function read(
  content: string | Uint8Array,
  options: LogOptions = {},
): Promise<Said & { readonly summary: InputSummary }> {
  fileCount += 1;
  const file = writeLog(folder.path, content, `log-${fileCount}.csv`);
  const log = logReader(file, { traceTimeZone: 'UTC', ...options });
  const said = await readAll(log.events(new AbortController().signal));
  return { ...said, summary: log.summary() };
}

const at = (iso: string): number => Date.parse(iso) / 1e3;
const wattsOf = (said: Said, uuid = 'trace-0'): number[] =>
  readingsOf(said, uuid).map(({ watts }) => watts);
const timesOf = (said: Said, uuid = 'trace-0'): number[] =>
  readingsOf(said, uuid).map(({ time }) => time);
const statusesOf = (said: Said, uuid = 'trace-0'): string[] =>
  readingsOf(said, uuid).map(({ status }) => status);

const rows = (count: number, row: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => `${row(index)}\n`).join('');
const clock = (index: number, stepMilliseconds = 100): string =>
  new Date(Date.UTC(2026, 6, 18, 15, 51, 25) + index * stepMilliseconds)
    .toISOString()
    .replaceAll('-', '/')
    .replace('T', ' ')
    .replace('Z', '');

describe('logReader() reads', () => {
  test.each([
    [
      'units in the cells and the header',
      'timestamp, power.draw [W]\n2026/07/18 15:51:25.606, 45.87 W\n2026/07/18 15:51:25.706, 46.00 W\n',
    ],
    [
      'units in the header only',
      'timestamp, power.draw [W]\n2026/07/18 15:51:25.606, 45.87\n2026/07/18 15:51:25.706, 46.00\n',
    ],
    [
      'units in some columns only',
      'timestamp, utilization.gpu [%], power.draw [W]\n2026/07/18 15:51:25.606, 5 %, 45.87\n2026/07/18 15:51:25.706, 5, 46.00 W\n',
    ],
    [
      'the index before the time',
      'index, timestamp, power.draw [W]\n0, 2026/07/18 15:51:25.606, 45.87\n0, 2026/07/18 15:51:25.706, 46.00\n',
    ],
    [
      'no header but units',
      '2026/07/18 15:51:25.606, 3 %, 27, 45.87 W\n2026/07/18 15:51:25.706, 3 %, 28, 46.00 W\n',
    ],
    [
      'neither header nor units',
      '2026/07/18 15:51:25.606, 3, 27, 45.87\n2026/07/18 15:51:25.706, 3, 28, 46.00\n',
    ],
    [
      'a header before every row',
      'timestamp, power.draw [W]\n2026/07/18 15:51:25.606, 45.87 W\ntimestamp, power.draw [W]\n2026/07/18 15:51:25.706, 46.00 W\n',
    ],
    [
      'line ends of Windows',
      'timestamp, power.draw [W]\r\n2026/07/18 15:51:25.606, 45.87 W\r\n2026/07/18 15:51:25.706, 46.00 W\r\n',
    ],
    [
      'ISO times with a varying fraction',
      'time,power_w\n2026-07-18T15:51:25.606Z,45.87\n2026-07-18T15:51:25.70600Z,46\n',
    ],
    [
      'times with an offset',
      'timestamp,power\n2026-07-18 17:51:25.606+02:00,45.87\n2026-07-18 17:51:25.706+0200,46\n',
    ],
    ['seconds since 1970', 'ts,gpu_power_w\n1784389885.606,45.87\n1784389885.706,46\n'],
    ['milliseconds since 1970', 'ts,gpu_power_w\n1784389885606,45.87\n1784389885706,46\n'],
    [
      'date and time in two columns',
      'date,time,power\n2026-07-18,15:51:25.606,45.87\n2026-07-18,15:51:25.706,46\n',
    ],
    [
      'milliwatts that say so',
      'timestamp, power_mw\n2026/07/18 15:51:25.606, 45870\n2026/07/18 15:51:25.706, 46000\n',
    ],
    [
      'quoted cells',
      '"timestamp","name","power.draw [W]"\n"2026/07/18 15:51:25.606","A, B","45.87 W"\n"2026/07/18 15:51:25.706","A, B","46.00 W"\n',
    ],
    [
      'semicolons',
      'timestamp;power.draw [W]\n2026/07/18 15:51:25.606;45.87\n2026/07/18 15:51:25.706;46.00\n',
    ],
    [
      'dmon with its times',
      '#Date       Time        gpu   pwr  gtemp\n#YYYYMMDD   HH:MM:SS    Idx     W      C\n 20260718   15:51:25.606  0 45.87 50\n 20260718   15:51:25.706  0 46 50\n',
    ],
    [
      'titles before each value',
      'Time,07-18-2026 15:51:25.606,Watts,45.87,Volts,239.1\nTime,07-18-2026 15:51:25.706,Watts,46.00,Volts,239.2\n',
    ],
  ])('%s', async (_, content) => {
    const said = await read(content);

    expect(wattsOf(said)).toEqual([45.87, 46].map((value) => expect.closeTo(value, 9)));
    expect(timesOf(said)).toEqual([
      expect.closeTo(at('2026-07-18T15:51:25.606Z'), 6),
      expect.closeTo(at('2026-07-18T15:51:25.706Z'), 6),
    ]);
    expect(said.summary).toMatchObject({ rows: 2, malformedCount: 0 });
  });

  test('the same from .gz, UTF-16 with a mark, and with a tail of NUL bytes', async () => {
    const text = `timestamp, power.draw [W]\r\n${rows(5, (i) => `${clock(i)}, 4${i}.00 W`)}`;
    const utf16 = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from(text, 'utf16le')]);

    for (const content of [gzipSync(text), utf16, Buffer.from(text + '\0'.repeat(300))]) {
      const said = await read(content);
      expect(wattsOf(said)).toEqual([40, 41, 42, 43, 44]);
      expect(said.summary.malformedCount).toBe(0);
    }
  });

  test('what a killed recorder left of its .gz', async () => {
    const text = `timestamp, power.draw [W]\n${rows(5000, (i) => `${clock(i)}, ${100 + (i % 97)}.25 W`)}`;
    const whole = gzipSync(text);
    const said = await read(whole.subarray(0, Math.floor(whole.length / 2)));

    expect(said.summary.rows).toBeGreaterThan(1000);
    expect(said.summary.rows).toBeLessThan(5000);
  });

  test('several GPUs by index, and by uuid whatever their index', async () => {
    const byIndex = await read(
      `timestamp, index, power.draw [W]\n${rows(6, (i) => `${clock(i >> 1)}, ${i % 2}, ${i % 2 ? 200 : 100}.00 W`)}`,
    );
    expect(byIndex.devices.map(({ uuid }) => uuid)).toEqual(['trace-0', 'trace-1']);
    expect(wattsOf(byIndex, 'trace-1')).toEqual([200, 200, 200]);

    const id = 'GPU-5b6d2f8e-0000-4000-8000-000000000001';
    const byUuid = await read(
      `timestamp, index, uuid, name, power.default_limit [W], power.draw [W]\n${clock(0)}, 0, ${id}, NVIDIA H200, 700.00 W, 99.00 W\n${clock(1)}, 3, ${id}, NVIDIA H200, 700.00 W, 98.00 W\n`,
    );
    expect(byUuid.devices).toMatchObject([
      { uuid: id, model: 'NVIDIA H200', ratedPowerWatts: 700, source: 'replay' },
    ]);
    expect(wattsOf(byUuid, id)).toEqual([99, 98]);
  });

  test('several GPUs in turn when told how many, and refuses them when not', async () => {
    const content = `timestamp, power.draw [W]\n${rows(400, (i) => `${clock(0, 1).slice(0, 10)} ${clock(Math.floor(i / 4) * 100 + (i % 4) * 2, 1).slice(11)}, ${100 * ((i % 4) + 1)}.5 W`)}`;

    await expect(read(content)).rejects.toThrow(/4 GPUs in turn.*--gpu-count 4/);
    const said = await read(content, { gpuCount: 4 });
    expect(said.devices).toHaveLength(4);
    expect(new Set(wattsOf(said, 'trace-2'))).toEqual(new Set([300.5]));
  });

  test('sees rows of several GPUs by their power where their times say nothing', async () => {
    const content = `timestamp, power.draw [W]\n${rows(300, (i) => `${clock(i, 9)}, ${[90, 310, 150][i % 3]}.${i % 10} W`)}`;
    await expect(read(content)).rejects.toThrow(/3 GPUs in turn/);
    await expect(read(content, { gpuCount: 1 })).resolves.toBeDefined();
  });

  test('foreign titles by --columns, by title, number and unit', async () => {
    const content =
      'when,what,how much\n2026/07/18 15:51:25,a,181234\n2026/07/18 15:51:26,b,60000\n';
    const columns = parseColumnMapping('time=1,power=how much [mW],gpu=what');
    const said = await read(content, { columns });
    expect(said.devices.map(({ uuid }) => uuid)).toEqual(['trace-a', 'trace-b']);
    expect(wattsOf(said, 'trace-a')).toEqual([expect.closeTo(181.234)]);
  });

  test('a new header in the middle, with other columns', async () => {
    const said = await read(
      `timestamp, power.draw [W]\n${clock(0)}, 50.00 W\ntimestamp, utilization.gpu [%], power.draw [W]\n${clock(1)}, 7 %, 51.00 W\n`,
    );
    expect(wattsOf(said)).toEqual([50, 51]);
    expect(said.summary).toMatchObject({ rows: 2, malformedCount: 0 });
  });

  test('three registers and the slow values, into typed columns', async () => {
    const { batches } = await read(
      `timestamp, power.draw [W], power.draw.instant [W], power.draw.average [W], utilization.gpu [%], memory.used [MiB], temperature.gpu, clocks.sm [MHz]\n${clock(0)}, 1.00 W, 2.00 W, 3.00 W, 50 %, 1 MiB, 40, 1000 MHz\n`,
    );
    expect(batches).toMatchObject([
      {
        powerWatts: {
          draw: Float64Array.of(1),
          instant: Float64Array.of(2),
          average: Float64Array.of(3),
        },
        gauges: {
          utilizationRatio: 0.5,
          memoryUsedBytes: 1_048_576,
          temperatureCelsius: 40,
          smClockHertz: 1e9,
        },
      },
    ]);
  });

  test('a long log in batches, the same rows whatever their size', async () => {
    const content = `timestamp, index, power.draw [W]\n${rows(9000, (i) => `${clock(i >> 1)}, ${i % 2}, ${i % 300}.00 W`)}`;
    const [large, small] = [await read(content), await read(content, { batchRows: 64 })];
    expect(small.batches.length).toBeGreaterThan(large.batches.length);
    expect(readingsOf(small, 'trace-1')).toEqual(readingsOf(large, 'trace-1'));
    expect(large.summary.rows).toBe(9000);
  });
});

describe('logReader() never takes a missing value for power', () => {
  test.each([
    ['[N/A]', 'not-supported'],
    ['N/A', 'not-supported'],
    ['[Not Supported]', 'not-supported'],
    ['[Function Not Found]', 'not-supported'],
    ['[Requested functionality has been deprecated]', 'not-supported'],
    ['[Unknown Error]', 'unknown-error'],
    ['ERR!', 'unknown-error'],
    ['[GPU is lost]', 'gpu-lost'],
    ['[GPU requires reset]', 'reset-required'],
    ['[No data]', 'no-data'],
    ['[Insufficient Permissions]', 'no-permission'],
    ['[Something New]', 'unknown-error'],
    ['-', 'no-data'],
    ['', 'no-data'],
    ['nan', 'no-data'],
    ['-3.00 W', 'implausible'],
    ['99999.00 W', 'implausible'],
    ['0x1F W', 'malformed'],
    ['12.3x', 'malformed'],
  ])('%s is %s', async (token, status) => {
    const said = await read(
      `timestamp, power.draw [W]\n${clock(0)}, 50.00 W\n${clock(1)}, ${token}\n${clock(2)}, 52.00 W\n`,
    );
    expect(statusesOf(said)).toEqual(['ok', status, 'ok']);
    expect(wattsOf(said)[1]).toBeNaN();
    const isDoubtful = status === 'implausible' || status === 'malformed';
    expect(said.summary.malformed.map(({ line }) => line)).toEqual(isDoubtful ? [3] : []);
  });

  test('two kinds in one row tell the more telling one; one number is enough', async () => {
    const said = await read(
      `timestamp, power.draw [W], power.draw.instant [W]\n${clock(0)}, [N/A], [GPU is lost]\n${clock(1)}, [Unknown Error], [N/A]\n${clock(2)}, [N/A], 70.00 W\n`,
    );
    expect(statusesOf(said)).toEqual(['gpu-lost', 'unknown-error', 'ok']);
  });

  test('a GPU that loses its uuid with the bus keeps its place', async () => {
    const id = 'GPU-5b6d2f8e-0000-4000-8000-000000000001';
    const said = await read(
      `timestamp, index, uuid, power.draw [W]\n${clock(0)}, 0, ${id}, 99.00 W\n${clock(1)}, 0, [GPU is lost], [GPU is lost]\n`,
    );
    expect(statusesOf(said, id)).toEqual(['ok', 'gpu-lost']);
  });

  test('a single 1.20 W in a run of 200 W is what the sensor said, and kept', async () => {
    const said = await read(
      `timestamp, power.draw [W]\n${clock(0)}, 200.00 W\n${clock(1)}, 1.20 W\n${clock(2)}, 201.00 W\n`,
    );
    expect(wattsOf(said)).toEqual([200, 1.2, 201]);
  });
});

describe('logReader() counts what it does not understand', () => {
  test('with line numbers and reasons', async () => {
    const said = await read(
      `timestamp, index, power.draw [W]\n${clock(0)}, 0, 50.00 W\nUnable to determine the device handle for GPU0000:02:00.0: Unknown Error\n${clock(1)}, 0, 51.00 W\n2026/13/45 99:00:00, 0, 52.00 W\n${clock(2)}, 0\n${clock(3)}, 0, 53.0`,
    );
    expect(wattsOf(said)).toEqual([50, 51]);
    expect(said.summary.malformedCount).toBe(4);
    expect(said.summary.malformed).toEqual([
      { line: 3, reason: expect.stringContaining('a message, no row') },
      { line: 5, reason: '"2026/13/45 99:00:00" is no time' },
      { line: 6, reason: '2 cells where the header has 3' },
      { line: 7, reason: 'the last row is cut short' },
    ]);
  });

  test('keeps a bounded list and the whole count', async () => {
    const said = await read(
      `timestamp, power.draw [W]\n${rows(500, (i) => `${clock(i)}, 50.00 W`)}${rows(250, () => 'what is this line here')}`,
    );
    expect(said.summary.malformedCount).toBe(250);
    expect(said.summary.malformed).toHaveLength(100);
  });

  test('a last row without line end is whole when it looks like the others', async () => {
    const said = await read(
      `timestamp, power.draw [W]\n${clock(0)}, 50.00 W\n${clock(1)}, 51.00 W`,
    );
    expect(said.summary).toMatchObject({ rows: 2, malformedCount: 0 });
  });

  test('any text at all: rows, failed rows and malformed lines are all there is', async () => {
    const line = fc.oneof(
      fc.constant(`${clock(3)}, 50.00 W`),
      fc.constant(`${clock(4)}, [N/A]`),
      fc.string({ maxLength: 40 }).filter((text) => !/[\n\r#"]/.test(text)),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 30 }), async (lines) => {
        const content = `timestamp, power.draw [W]\n${clock(0)}, 49.00 W\n${lines.join('\n')}\n`;
        const { summary } = await read(content);
        const filled = lines.filter((text) => text.replaceAll('\0', '').trim() !== '').length + 1;
        expect(summary.rows + summary.malformedCount).toBe(filled);
      }),
      { numRuns: 60, seed: 7 },
    );
  });
});

describe('logReader() puts rows on one timeline', () => {
  test('orders rows that are a little out of order, keeps duplicates, and says so', async () => {
    const said = await read(
      `timestamp, power.draw [W]\n${[0, 2, 1, 3, 3, 4].map((i) => `${clock(i)}, 5${i}.00 W\n`).join('')}`,
    );
    expect(wattsOf(said)).toEqual([50, 51, 52, 53, 53, 54]);
    expect(said.warnings.map(({ code }) => code)).toEqual(['rows-out-of-order']);
  });

  test('goes on when the clock is set back an hour', async () => {
    const said = await read(
      `timestamp, power.draw [W]\n2026/07/18 15:00:00.0, 50.00 W\n2026/07/18 15:00:00.1, 51.00 W\n2026/07/18 14:00:00.2, 52.00 W\n2026/07/18 14:00:00.3, 53.00 W\n`,
    );
    const times = timesOf(said);
    expect(wattsOf(said)).toEqual([50, 51, 52, 53]);
    expect((times.at(-1) ?? 0) - (times[0] ?? 0)).toBeCloseTo(0.2, 3);
    expect(said.batches.at(-1)?.wallOffsetSeconds).toBeCloseTo(-3599.9, 1);
    expect(said.warnings.map(({ code }) => code)).toEqual(['clock-set-back']);
  });

  test('believes the monotonic column over the wall clock, and sees another boot', async () => {
    const header = 'timestamp, monotonic [ns], power.draw [W]\n';
    const set = await read(
      `${header}2026-07-18T15:00:00.000Z, 1000000000, 50\n2026-07-18T14:00:00.100Z, 1100000000, 51\n`,
    );
    expect((timesOf(set)[1] ?? 0) - (timesOf(set)[0] ?? 0)).toBeCloseTo(0.1, 6);

    const booted = await read(
      `${header}2026-07-18T15:00:00.000Z, 999000000000, 50\n2026-07-18T15:05:00.000Z, 20000000000, 51\n2026-07-18T15:05:00.100Z, 20100000000, 51\n`,
    );
    expect(timesOf(booted)[1]).toBeCloseTo(at('2026-07-18T15:05:00Z'), 6);
  });

  test('tells the two passes through a repeated hour apart', async () => {
    // Europe/Berlin, 2026-10-25: 03:00 CEST becomes 02:00 CET.
    const said = await read(
      `timestamp, power.draw [W]\n${['01:59:59.9', '02:59:59.9', '02:00:00.0', '02:59:59.9', '03:00:00.0'].map((time) => `2026/10/25 ${time}, 50.00 W\n`).join('')}`,
      { traceTimeZone: 'Europe/Berlin' },
    );
    const start = at('2026-10-24T23:59:59.900Z');
    expect(timesOf(said).map((time) => Math.round((time - start) * 10) / 10)).toEqual([
      0, 3600, 3600.1, 7200, 7200.1,
    ]);
  });

  test('says when a log begins in a repeated hour, or in one that does not exist', async () => {
    const options = { traceTimeZone: 'Europe/Berlin' };
    const codes = async (time: string): Promise<string[]> =>
      (await read(`timestamp, power.draw [W]\n${time}, 50.00 W\n`, options)).warnings.map(
        ({ code }) => code,
      );
    expect(await codes('2026/10/25 02:30:00.0')).toEqual(['ambiguous-local-time']);
    expect(await codes('2026/03/29 02:30:00.0')).toEqual(['nonexistent-local-time']);
    expect(await codes('2026/03/29 03:30:00.0')).toEqual([]);
  });

  test('says which zone it assumed', async () => {
    const file = writeLog(folder.path, `timestamp, power.draw [W]\n${clock(0)}, 1.00 W\n`, 'z.csv');
    const said = await readAll(logReader(file).events(new AbortController().signal));
    expect(said.warnings.map(({ code }) => code)).toEqual(['assumed-time-zone']);
  });

  test('finds out which number is the day, from the row after midnight if need be', async () => {
    const log = (dates: readonly string[]): string =>
      `timestamp, power.draw [W]\n${dates.map((date) => `${date}, 50.00 W\n`).join('')}`;
    const dayFirst = await read(log(['18-07-2026 15:13:16', '18-07-2026 15:13:17']));
    expect(timesOf(dayFirst)[0]).toBe(at('2026-07-18T15:13:16Z'));

    const crossing = await read(log(['03-11-2026 23:59:59', '04-11-2026 00:00:00']));
    expect(timesOf(crossing)).toEqual([at('2026-11-03T23:59:59Z'), at('2026-11-04T00:00:00Z')]);

    const far = Array.from({ length: 2500 }, (_, i) => i).map((i) => {
      const time = new Date(Date.UTC(2026, 10, 3, 20) + i * 10e3).toISOString();
      return `${time.slice(8, 10)}-${time.slice(5, 7)}-2026 ${time.slice(11, 19)}`;
    });
    const late = await read(log(far));
    expect(timesOf(late)[0]).toBe(at('2026-11-03T20:00:00Z'));
    expect(late.warnings).toEqual([]);

    const unsure = await read(log(['03-11-2026 15:13:16', '03-11-2026 15:13:17']));
    expect(unsure.warnings.map(({ code }) => code)).toEqual(['ambiguous-date']);
  });
});

describe('logReader() refuses', () => {
  test.each([
    ['an empty file', '', /is empty/],
    ['blank lines', '\n\n  \n', /is empty/],
    [
      'a binary file',
      Buffer.from(Array.from({ length: 3000 }, (_, i) => (i * 37) % 256)),
      /not text/,
    ],
    [
      'prose',
      'It was a dark and stormy night.\nThe rain fell in torrents.\n',
      /no power column|none of its first/,
    ],
    [
      'a log without power',
      `timestamp, utilization.gpu [%]\n${clock(0)}, 5 %\n`,
      /no power column.*--columns power/,
    ],
    ['a log without time', 'index, power.draw [W]\n0, 50.00 W\n', /no time column.*--columns time/],
    [
      'times without a date',
      'timestamp, power.draw [W]\n15:51:25.606, 50.00 W\n15:51:25.706, 51.00 W\n',
      /none of its 2 rows.*Line 2: "15:51:25.606" is no time/,
    ],
    ['a header alone', 'timestamp, power.draw [W]\n', /its only line is no row of readings/],
    [
      'milliwatts in a column of watts',
      `timestamp, power_w\n${rows(9, (i) => `${clock(i)}, 18${i}000`)}`,
      /no GPU draws.*\[mW\]/,
    ],
  ])('%s', async (_, content, message) => {
    const failure = await read(content).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failure).toMatchObject({ name: 'SourceError', fate: 'fatal' });
    expect(String(failure)).toMatch(message);
    expect(String(failure)).not.toContain('\n');
  });

  test('a file that is not there, a folder, and a zone that is not', async () => {
    const readFile = (file: string): Promise<Said> =>
      readAll(logReader(file).events(new AbortController().signal));
    await expect(readFile('/nowhere/power.csv')).rejects.toThrow(/there is no such file/);
    await expect(readFile(folder.path)).rejects.toThrow(/it is a folder/);
    await expect(
      read(`timestamp, power.draw [W]\n${clock(0)}, 1.00 W\n`, { traceTimeZone: 'Mars/Base' }),
    ).rejects.toThrow(/no time zone "Mars\/Base"/);
  });

  test.each([
    ['nonsense', /no role=column/],
    ['colour=3', /no role=column/],
    ['time=1,power=gpu0_w,power=gpu1_w', /names power twice: "gpu0_w" and "gpu1_w"/],
  ])('--columns %s', (text, message) => {
    expect(() => parseColumnMapping(text)).toThrow(message);
  });

  test('a mapped column that is not there', async () => {
    const content = `timestamp, power.draw [W]\n${clock(0)}, 1.00 W\n`;
    await expect(read(content, { columns: { power: 'wattage' } })).rejects.toThrow(
      /names no column of it. It has: timestamp, power.draw \[W\]/,
    );
  });
});
