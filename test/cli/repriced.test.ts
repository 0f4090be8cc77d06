// A stored run under other prices is what those prices would have made of it while it was measured: through the pipeline,
// the ledger and the report of the commands themselves.

import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';

import { describe, expect, test } from 'vitest';

import { createAccount } from '../../agent/account.ts';
import type { Context } from '../../agent/cli/context.ts';
import { pricingFacts } from '../../agent/cli/kept-pricing.ts';
import { openMetering } from '../../agent/cli/metering.ts';
import { openPricing } from '../../agent/cli/pricing.ts';
import { reportOf } from '../../agent/cli/reporting.ts';
import { closeRun } from '../../agent/cli/run-end.ts';
import { storedReport } from '../../agent/cli/stored.ts';
import { openClock } from '../../agent/clock.ts';
import { resumeRunLedger } from '../../agent/ledger/resume-run.ts';
import { createRunLedger } from '../../agent/ledger/run-ledger.ts';
import { runColumnsPath } from '../../agent/ledger/state-dir.ts';
import type { Config } from '../../agent/options.ts';
import { changesOf } from '../../agent/report/repriced.ts';
import type { Report } from '../../agent/report/report.ts';
import { replaySource } from '../../agent/source/replay.ts';
import { instant } from '../../agent/units.ts';
import { interval, START } from '../account-doubles.ts';
import { known } from '../known.ts';
import { temporaryDirectory } from '../ledger/temporary.ts';

const context = {
  environment: {},
  version: 'test',
  signal: new AbortController().signal,
} as unknown as Context;

/** Two hours of two GPUs around the night in which the clocks of Berlin go forward, a reading every ten seconds. */
function trace(startSeconds: number): string {
  const rows = Array.from({ length: 2 * 360 + 1 }, (_, step) => {
    const time = new Date((startSeconds + step * 10) * 1e3).toISOString();
    const busy = Math.floor(step / 45) % 2 === 0;
    return [0, 1].map(
      (gpu) =>
        `${time}, ${gpu}, GPU-0000000${gpu}-aaaa-4000-8000-000000000000, NVIDIA A100-SXM4-80GB, ${(busy ? 310 + 25 * gpu : 71).toFixed(2)} W`,
    );
  });
  const title = 'timestamp, index, uuid, name, power.draw [W]';
  return `${[title, ...rows.flat()].join('\n')}\n`;
}
// 01:00 UTC is when 02:00 becomes 03:00.
const CHANGE = Date.UTC(2026, 2, 29, 1) / 1e3;

const SERIES = `# currency: EUR
# timeZone: Europe/Berlin
start,end,value [EUR/MWh]
2026-03-28T00:00,2026-03-29T01:00,80
2026-03-29T01:00,2026-03-29T01:15,-25.5
2026-03-29T01:15,2026-03-29T03:00,140
2026-03-29T03:00,2026-03-29T03:20,60
2026-03-29T03:20,2026-03-30T00:00,-5
`;
const ZONES = `currency: EUR
timeZone: Europe/Berlin
zones:
  - price: 0.30
  - { hours: '1-2', price: 0.11 }
  - { days: sun, hours: '03:00-04:00', price: -0.02 }
demand: [{ name: peak, ratePerKilowatt: 12 }]
`;
const URDB = JSON.stringify({
  label: 'tiers',
  energyratestructure: [
    [{ rate: 0.1, adj: 0.01, max: 0.5, unit: 'kWh' }, { rate: 0.4 }],
    [{ rate: 0.05, max: 0.7, unit: 'kWh' }, { rate: 0.2 }],
  ],
  energyweekdayschedule: Array.from({ length: 12 }, () => Array.from({ length: 24 }, () => 0)),
  energyweekendschedule: Array.from({ length: 12 }, () =>
    Array.from({ length: 24 }, (_, hour) => (hour === 3 ? 1 : 0)),
  ),
  flatdemandstructure: [[{ rate: 7 }]],
  flatdemandmonths: Array.from({ length: 12 }, () => 0),
});
const GRID = `# dataset: mine
start,end,value [g/kWh]
2026-03-28T00:00Z,2026-03-29T00:50Z,410
2026-03-29T00:50Z,2026-03-29T01:10Z,95.5
2026-03-29T01:10Z,2026-03-30T00:00Z,600
`;

interface Place {
  readonly startSeconds: number;
  readonly stateDirectory: string;
  readonly path: (name: string) => string;
}

function furnish(directory: string, startSeconds: number): Place {
  const path = (name: string): string => join(directory, name);
  const files = { 'series.csv': SERIES, 'zones.yml': ZONES, 'urdb.json': URDB, 'grid.csv': GRID };
  for (const [name, text] of Object.entries(files)) writeFileSync(path(name), text);
  writeFileSync(path('trace.csv'), trace(startSeconds));
  return { startSeconds, stateDirectory: path('state'), path };
}

/** Measures the trace under `config`, keeps the run, and reports what it came to. */
async function measure(place: Place, config: Config): Promise<{ id: string; report: Report }> {
  const clock = openClock();
  const pricing = await openPricing(config, context, clock);
  const files = [place.path('trace.csv')];
  await using source = replaySource({
    files,
    clock,
    speed: 'max',
  });
  const ledger = createRunLedger({
    stateDirectory: place.stateDirectory,
    writer: { version: 'test', pid: 1 },
    flushSeconds: 1,
    onFault: (fault) => expect(fault).toBeUndefined(),
    run: { host: 'test', startSeconds: instant(place.startSeconds), labels: {} },
  });
  void ledger.addFacts(pricingFacts(config));
  const account = createAccount(ledger.run);
  const charges = await pricing.openCharges();
  const pipeline = openMetering({ config, pricing, charges, account, ledger });
  for await (const event of source.events(context.signal)) {
    pipeline.consume('replay', event);
    // A log has no pauses in which the disk could answer, and a journal waits for it two seconds.
    await setImmediate();
  }
  pipeline.finish();
  // All that was measured is with the kernel before the books are closed against the clock.
  await ledger.addFacts({ measured: true });
  const end = { endSeconds: pipeline.lastSeconds ?? instant(0), exitCode: 0 };
  const books = account.books(end);
  const report = reportOf(books, { config, pricing, charges, context });
  expect(await closeRun(ledger, books, end, report)).toBe(true);
  return { id: ledger.run.id, report };
}

/** What prices, grid and PUE decide of a report, its devices' lines included. */
const billed = ({ energy, compute, cost, carbon, water, devices, windows }: Report): unknown => ({
  energy,
  compute,
  cost,
  carbon,
  water,
  devices,
  windows,
});

/** Each but the first says everything: what is not asked for stays as it was kept. */
const under = (place: Place): Readonly<Record<string, Config>> => ({
  nothing: {},
  flat: { price: 0.3, currency: 'EUR', zone: 'DEU', pue: 1.5, wue: 0.2, ewif: 2 },
  series: {
    tariff: place.path('series.csv'),
    grid: place.path('grid.csv'),
    pue: 1.2,
    wue: 1.8,
    ewif: 3,
  },
  zones: {
    tariff: place.path('zones.yml'),
    demandMinutes: 30,
    zone: 'FRA',
    pue: 1,
    wue: 0,
    ewif: 4.5,
  },
  tiers: {
    tariff: place.path('urdb.json'),
    tariffTimeZone: 'Europe/Berlin',
    grid: place.path('grid.csv'),
    pue: 1.08,
    wue: 1,
    ewif: 1,
  },
});
const PAIRS = [
  ['nothing', 'series'],
  ['nothing', 'tiers'],
  ['flat', 'zones'],
  ['series', 'tiers'],
  ['zones', 'series'],
  ['tiers', 'flat'],
  ['tiers', 'zones'],
] as const;

async function repriced(place: Place, id: string, config: Config): Promise<Report> {
  const { report } = await storedReport(place.stateDirectory, id, { context, config });
  return report;
}

describe('a run measured under A and priced anew under B', () => {
  test('is the run measured under B, to the last digit of its report, by its columns and by its journal', async () => {
    await using directory = await temporaryDirectory({ inMemory: true });
    const place = furnish(directory.path, CHANGE - 3600);
    const configs = under(place);
    const measured = new Map<string, { id: string; report: Report }>();
    for (const [name, config] of Object.entries(configs))
      measured.set(name, await measure(place, config));
    for (const name of ['zones', 'tiers'])
      expect(measured.get(name)?.report.cost.otherCosts, name).toHaveLength(1);
    for (const [from, to] of PAIRS) {
      const { id = '' } = measured.get(from) ?? {};
      const wanted = billed(measured.get(to)?.report ?? ({} as Report));
      const anew = await repriced(place, id, configs[to] ?? {});
      expect(billed(anew), `${from} → ${to}`).toEqual(wanted);
      expect(anew.repriced?.before?.cost.energyCost).toBe(
        measured.get(from)?.report.cost.energyCost,
      );
    }
    for (const { id, report } of measured.values()) {
      // The same prices again change nothing, whichever way they are asked for.
      expect(billed(await repriced(place, id, {}))).toEqual(billed(report));
      rmSync(runColumnsPath(place.stateDirectory, id));
    }
    for (const [from, to] of PAIRS) {
      const anew = await repriced(place, measured.get(from)?.id ?? '', configs[to] ?? {});
      expect(billed(anew)).toEqual(billed(measured.get(to)?.report ?? ({} as Report)));
    }
  });

  test('costs what the prices of each second make of it, through the night that lacks an hour', async () => {
    await using directory = await temporaryDirectory({ inMemory: true });
    const place = furnish(directory.path, CHANGE - 3600);
    const { id } = await measure(place, {});
    const { cost, carbon, energy } = await repriced(place, id, under(place)['series'] ?? {});
    // Watts by 450 s, as the trace has them; a reading is booked to the time before it.
    const watts = (second: number): number =>
      Math.floor(Math.ceil(second / 10) / 45) % 2 === 0 ? 310 + 335 : 71 + 71;
    const price = (second: number): number =>
      second < 900 ? -25.5 : second < 3600 ? 140 : second < 4800 ? 60 : -5;
    const grams = (second: number): number => (second < 3000 ? 410 : second < 4200 ? 95.5 : 600);
    const sumOf = (weight: (second: number) => number): number =>
      Array.from({ length: 7200 }, (_, at) => at + 0.5).reduce(
        (sum, second) => sum + (watts(second) * weight(second) * 1.2) / 3.6e6,
        0,
      );
    expect(energy.facilityJoules).toBeCloseTo(sumOf(() => 1) * 3.6e6, 0);
    expect(cost.energyCost).toBeCloseTo(
      sumOf((second) => price(second) / 1000),
      5,
    );
    expect(carbon).toMatchObject({ dataset: 'mine' });
    expect('missing' in carbon ? NaN : carbon.locationBasedGrams).toBeCloseTo(sumOf(grams), 0);
    expect(cost.creditCost).toBeGreaterThan(0);
  });

  test('is the same up to when within a second energy was drawn, where slots straddle the prices', async () => {
    await using directory = await temporaryDirectory({ inMemory: true });
    const place = furnish(directory.path, CHANGE - 3600 + 0.37);
    const configs = under(place);
    const { id } = await measure(place, configs['flat'] ?? {});
    for (const to of ['series', 'tiers', 'zones']) {
      const { cost, carbon } = (await measure(place, configs[to] ?? {})).report;
      const anew = await repriced(place, id, configs[to] ?? {});
      expect(relative(anew.cost.energyCost, cost.energyCost), to).toBeLessThan(1e-5);
      expect(relative(gramsOf(anew.carbon), gramsOf(carbon)), to).toBeLessThan(1e-5);
      expect(anew.cost.periods?.length).toBe(cost.periods?.length);
    }
  });
});

describe('a run whose tariff is not what it was', () => {
  test('says what that changed, though nothing was asked for', async () => {
    await using directory = await temporaryDirectory({ inMemory: true });
    const place = furnish(directory.path, CHANGE - 3600);
    const config = under(place)['series'] ?? {};
    const { id, report } = await measure(place, config);
    expect((await repriced(place, id, {})).repriced).toBeUndefined();
    writeFileSync(place.path('series.csv'), SERIES.replaceAll(',140', ',150'));
    const anew = await repriced(place, id, {});
    expect(anew.repriced?.options).toEqual([]);
    expect(anew.repriced?.before?.cost.energyCost).toBe(report.cost.energyCost);
    expect(changesOf(anew).map(({ label }) => label)).toEqual(['Price', 'Energy cost']);
  });

  test('is as booked where the file is gone, refused where it is needed, and priced by another', async () => {
    await using directory = await temporaryDirectory({ inMemory: true });
    const place = furnish(directory.path, CHANGE - 3600);
    const { id, report } = await measure(place, under(place)['series'] ?? {});
    rmSync(place.path('series.csv'));
    expect((await repriced(place, id, {})).cost.energyCost).toBeCloseTo(
      known(report.cost.energyCost),
      12,
    );
    await expect(repriced(place, id, { pue: 1.5 })).rejects.toThrow(
      `--tariff ${place.path('series.csv')}, which the run was priced with, is not there any more. Put it back, or give --tariff or --price for another.`,
    );
    const { cost } = await repriced(place, id, { price: 0.2, currency: 'EUR' });
    expect(cost.pricePerKilowattHourMean).toBe(0.2);
  });

  test('that was resumed and killed is not held against what its beginning cost', async () => {
    await using directory = await temporaryDirectory({ inMemory: true });
    const place = furnish(directory.path, CHANGE - 3600);
    const { id, report } = await measure(place, {});
    const ended = Date.parse(report.run.endTime) / 1e3;
    const { ledger } = await resumeRunLedger({
      stateDirectory: place.stateDirectory,
      writer: { version: 'test', pid: 1 },
      flushSeconds: 1,
      onFault: (fault) => expect(fault).toBeUndefined(),
      id,
      atSeconds: instant(ended),
    });
    const uuid = report.devices[0]?.uuid ?? '';
    const more = interval({ uuid, at: ended - START, energyJoules: 9e5 });
    await ledger.addSlot([more]);
    // As `recover` closes it: without a bill.
    await ledger.close({ endSeconds: more.endSeconds });
    const anew = await repriced(place, id, { pue: 1.5 });
    expect(anew.energy.gpuJoules).toBeGreaterThan(report.energy.gpuJoules ?? NaN);
    expect(anew.repriced).toEqual({ options: [{ option: '--pue', after: 1.5 }] });
  });
});

const gramsOf = (carbon: Report['carbon']): number | undefined =>
  'missing' in carbon ? undefined : carbon.locationBasedGrams;
const relative = (one = NaN, other = NaN): number => Math.abs(one / other - 1);
