// What the command line joins beside a report: bytes moved, counts of a resumed run, held values of live services.

import { describe, expect, test } from 'vitest';

import type { Context } from '../../agent/cli/context.ts';
import { feedWarnings } from '../../agent/cli/feed-warnings.ts';
import { openPricing } from '../../agent/cli/pricing.ts';
import { parseCounts, wholeCounts } from '../../agent/cli/run-counts.ts';
import { dataOf } from '../../agent/cli/data.ts';
import { readRunInputs } from '../../agent/estimate/run-inputs-file.ts';
import type { Feed, FeedState } from '../../agent/feed/feed.ts';
import type { Config } from '../../agent/options.ts';
import { constantSchedule } from '../../agent/schedule.ts';
import { instant } from '../../agent/units.ts';
import { temporaryFolder, writeLog } from '../source/reading.ts';
import { testClock } from '../source/test-clock.ts';

const START = instant(Date.parse('2026-11-23T08:00:00Z') / 1e3);
const span = { startSeconds: START, endSeconds: instant(START + 10 * 3600) };

describe('E_data', () => {
  const pricing = { powerUsageEffectiveness: { value: 1.5, provenance: 'derived' } } as const;
  const inputs = readRunInputs(
    'data: { storage: { terabytes: 2, media: ssd, replication: 3 } }',
    'inputs.yml',
  );

  test('of what was moved is bytes × kWh/GB of the path and the year', () => {
    const traffic = { networkBytes: 2e10, diskReadBytes: 5, diskWrittenBytes: 7 };
    const cloud = dataOf(span, { config: { dataPath: 'cloud' }, pricing, traffic });
    expect(cloud).toMatchObject({
      energyKilowattHours: 0.02,
      transferredBytes: 2e10,
      diskReadBytes: 5,
      diskWrittenBytes: 7,
      provenance: 'derived',
    });
    expect(cloud).not.toHaveProperty('k');
    expect(cloud).not.toHaveProperty('storedByteHours');
    const wan = dataOf(span, { config: { dataPath: 'wan' }, pricing, traffic });
    expect(wan?.energyKilowattHours).toBeCloseTo(20 * 0.06 * 0.5 ** (11 / 2), 12);
  });

  test('of kept data is byte-hours × watts × replicas × PUE, with k of the storage’s own power', () => {
    const kept = dataOf(span, { config: {}, pricing: { ...pricing, inputs }, traffic: {} });
    // 2 TB · 10 h · 3 · 1.2 W/TB · 1.5 ÷ 1000; k = E ÷ (10 h · 7.2 W) = PUE.
    expect(kept).toMatchObject({ storedByteHours: 2e13, provenance: 'assumed' });
    expect(kept?.energyKilowattHours).toBeCloseTo(0.108, 12);
    expect(kept?.k).toBeCloseTo(1.5, 12);
    expect(kept).not.toHaveProperty('transferredBytes');
  });

  test('of both is their sum, each shown', () => {
    const both = dataOf(span, {
      config: { dataPath: 'cloud' },
      pricing: { ...pricing, inputs },
      traffic: { networkBytes: 2e10 },
    });
    expect(both?.energyKilowattHours).toBeCloseTo(0.128, 12);
    expect(both?.transferKilowattHours).toBeCloseTo(0.02, 12);
    expect(both?.storageKilowattHours).toBeCloseTo(0.108, 12);
    expect(both?.k).toBeCloseTo(0.128 / 0.072, 12);
  });

  test('is absent where nothing is known of it', () => {
    expect(dataOf(span, { config: {}, pricing, traffic: { networkBytes: 5 } })).toBeUndefined();
    const asked = { config: { dataPath: 'wan' }, pricing, traffic: {} } as const;
    expect(dataOf(span, asked)).toBeUndefined();
  });
});

describe('the counts of a run', () => {
  const counts = { traffic: { networkBytes: 5, diskReadBytes: 1 }, progress: { steps: 10 } };

  test('of one leg are its own, of more their sum, and unknown where one leg does not know', () => {
    expect(wholeCounts(undefined, counts)).toEqual(counts);
    expect(wholeCounts({ counts: JSON.parse(JSON.stringify(counts)) }, counts)).toEqual({
      traffic: { networkBytes: 10, diskReadBytes: 2 },
      progress: { steps: 20 },
    });
    expect(wholeCounts({ counts: { traffic: { networkBytes: 5 } } }, counts)).toEqual({
      traffic: { networkBytes: 10 },
      progress: {},
    });
    expect(wholeCounts({}, counts)).toEqual({ traffic: {}, progress: {} });
  });

  test.each([undefined, null, 5, { traffic: { networkBytes: -1 } }, { progress: 'ten' }])(
    'that a ledger holds as %j are none',
    (value) => {
      expect(parseCounts(value)).toEqual({});
    },
  );
});

test('coincident peaks of the inputs reach the tariff that charges them, which then says nothing is unpriced', async () => {
  using folder = temporaryFolder();
  const hours = JSON.stringify(Array.from({ length: 12 }, () => Array(24).fill(0)));
  const tariff = writeLog(
    folder.path,
    `{"energyratestructure":[[{"rate":0.1}]],"energyweekdayschedule":${hours},"energyweekendschedule":${hours},"coincidentratestructure":[[{"rate":10}]]}`,
    'tariff.json',
  );
  const inputs = writeLog(folder.path, 'coincidentPeaks: ["2026-07-07T17:50:00Z"]', 'inputs.yml');
  const context = { environment: { STATE_DIRECTORY: folder.path } } as unknown as Context;
  const openWith = (config: Config) =>
    openPricing({ tariff, tariffTimeZone: 'UTC', ...config }, context, testClock(START));
  const without = await openWith({});
  expect(without.warnings.map(({ code }) => code)).toContain('tariff-part-unpriced');
  const told = await openWith({ inputs });
  expect(told.warnings.map(({ code }) => code)).not.toContain('tariff-part-unpriced');
  expect(told.tariff.demand?.[0]?.peaks).toEqual([Date.parse('2026-07-07T17:50:00Z') / 1e3]);
});

describe('feedWarnings()', () => {
  const feedIn = (state: FeedState): Feed => ({
    adapter: {
      name: 'octopus X',
      quantity: 'price',
      unit: 'GBP/kWh',
      method: 'day-ahead',
      needsSecret: false,
      everySeconds: 1800,
      request: () => ({ url: new URL('http://localhost/'), headers: {} }),
      read: () => [],
    },
    schedule: constantSchedule(1),
    state: () => state,
    refresh: () => Promise.resolve(state),
    run: () => Promise.resolve(),
  });
  const saidOf = (state: FeedState): readonly string[] =>
    feedWarnings({ feeds: [feedIn(state)] }, span.endSeconds).map(({ message }) => message);

  test('says for how long the last value was held, and why', () => {
    const newestSeconds = instant(span.endSeconds - 7500);
    const lastError = 'octopus X failed (HTTP 500).';
    expect(saidOf({ newestSeconds, stale: true, lastError })).toEqual([
      'octopus X has no value for the last 2 h 5 min of this: the one before is held. octopus X failed (HTTP 500).',
    ]);
  });

  test('says that there never was one', () => {
    expect(saidOf({ stale: true, lastError: 'octopus X cannot be reached.' })).toEqual([
      'octopus X has told no value. octopus X cannot be reached.',
    ]);
  });

  test('says nothing where the values cover what was measured, whatever they do now', () => {
    const newestSeconds = span.endSeconds;
    expect(saidOf({ newestSeconds, stale: true, lastError: 'away' })).toEqual([]);
  });
});
