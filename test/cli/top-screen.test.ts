import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { bar, drawTop, sparkline, type TopPaint } from '../../agent/cli/top-screen.ts';
import type { TopView } from '../../agent/cli/top-view.ts';
import { widthOf } from '../../agent/display/line.ts';
import type { DeviceSnapshot } from '../../agent/snapshot.ts';
import { watts } from '../../agent/units.ts';
import { lookedAt } from '../insight/doctor-facts.ts';

const unpainted: TopPaint = (text) => text;
const tagged: TopPaint = (text, emphasis) => (text === '' ? '' : `<${emphasis}>${text}</>`);

const gpu = (index: number, change: Partial<DeviceSnapshot> = {}): DeviceSnapshot => ({
  ...lookedAt({}, {}, index).snapshot,
  gauges: {
    utilizationRatio: 0.97,
    temperatureCelsius: 64,
    memoryUsedBytes: 70 * 1_073_741_824,
    memoryTotalBytes: 80 * 1_073_741_824,
    powerLimitWatts: watts(400),
  },
  ...change,
});

/** A GPU whose newest reading failed. */
function lost(index: number): DeviceSnapshot {
  const { powerWatts: _none, ...rest } = gpu(index);
  return rest;
}

const view = (change: Partial<TopView> = {}): TopView => ({
  elapsedSeconds: 3725,
  isReplay: false,
  powerWatts: 600,
  limitWatts: 800,
  powerHistoryWatts: [100, 300, undefined, 600],
  observedSeconds: 7450,
  gpuJoules: 1.8e6,
  uncertaintyJoules: 9e4,
  coverageRatio: 1,
  cost: { amount: 0.05, uncertainty: 0.0025, currency: 'USD', isAssumed: true },
  carbon: { missing: 'no grid zone given' },
  gpus: [gpu(0), gpu(1)],
  sources: [
    {
      kind: 'nvml',
      up: true,
      errorsByReason: {},
      sampleCount: 74_500,
      readDurationBuckets: [],
      readDurationSumSeconds: 37.25,
      readDurationCount: 37_250,
    },
  ],
  ...change,
});

const draw = (change: Partial<TopView> = {}, columns = 100, rows = 24): string =>
  drawTop(view(change), { columns, rows }, unpainted).join('\n');

describe('drawTop()', () => {
  test('shows power, energy with its uncertainty, cost and what is assumed, per GPU and in sum', () => {
    const text = draw();
    expect(text).toMatch(/^wattmeter top {3}1 h 2 min +q quits$/m);
    expect(text).toMatch(/^Power {3}600\.0 W of 800\.0 W/m);
    expect(text).toMatch(/^Energy {2}0\.500 ± 0\.025 kWh$/m);
    expect(text).toMatch(/^Cost {4}0\.0500 ± 0\.0025 USD \(assumed price\)$/m);
    expect(text).toMatch(/^Carbon {2}no grid zone given$/m);
    expect(text).toMatch(
      /^0 {2}H100 80GB HBM3 {2}300\/400 W {2}97 % {2}64 °C {2}70\/80 GiB {2}1,500 ± 80 J {2}█+/m,
    );
    expect(text).toMatch(/^Source {2}nvml up, 74,500 readings, a read takes 1\.0 ms$/m);
  });

  test('never shows a GPU without a reading as an idle one', () => {
    const { powerWatts: _none, ...rest } = view({ gpus: [gpu(0), lost(1)] });
    const text = drawTop(rest, { columns: 100, rows: 24 }, tagged).join('\n');
    expect(text).toContain('<alarm>no reading of every GPU</>');
    expect(text).toMatch(/<alarm>1 .*no reading/);
    expect(text).not.toMatch(/(^|\s)0(\.0)?(\/\d+)? W/m);
  });

  test('says that a recording is one, how much was seen, and what troubles a source', () => {
    const [source] = view().sources;
    if (source === undefined) throw new Error('no source');
    const text = draw({
      isReplay: true,
      coverageRatio: 0.5,
      sources: [{ ...source, up: false, errorsByReason: { timeout: 2 } }],
      trouble: 'the driver \u001B[2J hangs',
    });
    expect(text).toContain('a recording, not this machine');
    expect(text).toContain('50 % seen');
    expect(text).toContain('nvml silent');
    expect(text).toContain('errors: 2 timeout');
    expect(text).not.toContain('\u001B');
  });

  test('claims no energy before any was measured', () => {
    const { cost: _none, ...rest } = view({ observedSeconds: 0, gpuJoules: 0 });
    const text = drawTop(rest, { columns: 100, rows: 24 }, unpainted).join('\n');
    expect(text).toMatch(/^Energy {2}nothing measured yet$/m);
    expect(text).toMatch(/^Cost {4}nothing measured yet$/m);
  });

  test('shows GPUs rather than air and a chart on a low screen', () => {
    const text = draw({ gpus: [gpu(0), gpu(1), gpu(2), gpu(3)] }, 100, 11);
    expect(text.match(/300\/400 W/g)).toHaveLength(4);
  });

  test('names those that do not fit', () => {
    const gpus = Array.from({ length: 64 }, (_, index) => gpu(index));
    const lines = draw({ gpus }, 100, 24).split('\n');
    expect(lines).toHaveLength(24);
    const shown = lines.filter((line) => line.includes('300/400 W')).length;
    expect(lines).toContain(`… and ${64 - shown} more GPUs`);
    expect(lines.at(-1)).toMatch(/^Source/);
  });

  test('gives up columns, not the power, on a narrow screen', () => {
    const text = draw({}, 40);
    expect(text).toContain('300/400 W');
    expect(text).not.toContain('H100');
  });

  test('heads the bars with words that fit, never cut', () => {
    for (let columns = 20; columns <= 120; columns += 1) {
      const text = draw({}, columns);
      expect(text).not.toMatch(/^ *#.*…/m);
      if (columns >= 80) expect(text).toMatch(/^ *#.*(of its limit|of limit)/m);
    }
  });

  test('fits any screen', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 200 }),
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 0, max: 72 }),
        (columns, rows, count) => {
          const gpus = Array.from({ length: count }, (_, i) => (i % 5 === 4 ? lost(i) : gpu(i)));
          const lines = drawTop(view({ gpus }), { columns, rows }, unpainted);
          expect(lines.length).toBeLessThanOrEqual(rows);
          for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(columns);
        },
      ),
      { seed: 1, numRuns: 60 },
    );
  });
});

describe('sparkline()', () => {
  test.each([
    [[0, 400, 800], 10, 1, ['▁▄█']],
    [[400, 800], 10, 2, [' █', '██']],
    [[400, undefined, 800], 10, 1, ['▄·█']],
    [[1, 2, 3, 4], 2, 1, ['▆█']],
    [[], 10, 1, ['']],
  ])('of %j in %d by %d', (values, width, height, lines) => {
    expect(sparkline(values, width, height)).toEqual(lines);
  });
});

describe('bar()', () => {
  test.each([
    [0, '    '],
    [0.5, '██  '],
    [0.53, '██▏ '],
    [1, '████'],
    [1.3, '████'],
  ])('of %d', (ratio, text) => {
    expect(bar(ratio, 4)).toBe(text);
  });
});
