// Replays the corpus's real recordings: against an independent integration, and against a power meter.

import { readFileSync } from 'node:fs';

import { describe, expect, test } from 'vitest';

import type { Batch, Device } from '../../agent/model.ts';
import { corpusPath, corpusPresent } from '../corpus.ts';
import { device, energyWithin, metered, type MeteringOptions } from './metering.ts';
import {
  METERED_ZONE_SECONDS,
  readLog,
  readPowerMeter,
  readTruth,
  type LogColumns,
  type Truth,
} from './recordings.ts';
import { randomNumbers } from './simulated-sensor.ts';

interface Reference {
  readonly file: string;
  readonly joules: number;
  readonly samples: number;
}

const readReferences = (): Reference[] =>
  readFileSync(corpusPath('reference-energies.tsv'), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#') && !line.startsWith('file'))
    .map((line) => {
      const [file = '', , samples, joules] = line.split('\t');
      return { file, samples: Number(samples), joules: Number(joules) };
    });

const METERED: LogColumns = { time: 0, power: { draw: 5, average: 6, instant: 7 }, header: true };
const LOGS: Record<string, { columns: LogColumns; facts: Partial<Device> }> = {
  'traces/qwen3asr_gpu_log.csv': {
    columns: { time: 0, power: { draw: 1 }, header: true },
    facts: { model: 'unknown', source: 'replay' },
  },
  'traces/qwen3asr_stt_gpu_result_0331_100.csv': {
    columns: { time: 0, power: { draw: 1 }, header: true },
    facts: { model: 'unknown', source: 'replay' },
  },
  'traces/keras_abcjob1.csv': {
    columns: { time: 1, power: { draw: 2 }, header: true },
    facts: { model: 'unknown', source: 'replay' },
  },
  'traces/beam_plato_gpu_log_noheader.csv': {
    columns: { time: 0, power: { draw: 6 }, header: false },
    facts: { model: 'unknown', source: 'replay' },
  },
  'traces/v100-9ms.csv': {
    columns: { time: 0, power: { draw: 5, instant: 6 }, header: true },
    facts: { model: 'Tesla V100-SXM2-16GB', source: 'replay' },
  },
  'metered/3090-square/gpudata.csv': { columns: METERED, facts: {} },
  'metered/3090-step/gpudata.csv': { columns: METERED, facts: {} },
  'metered/A100-step/gpudata.csv': {
    columns: { time: 0, power: { draw: 5, instant: 6 }, header: true },
    facts: { model: 'NVIDIA A100-SXM4-40GB' },
  },
};

const first = (batch: Batch): number => batch.timeSeconds[0] ?? 0;
const last = (batch: Batch): number => batch.timeSeconds[batch.length - 1] ?? 0;

const meteredLog = (dataset: string): Batch => {
  const log = readLog(corpusPath('metered', dataset, 'gpudata.csv'), columnsOf(dataset).columns);
  return { ...log, timeSeconds: log.timeSeconds.map((time) => time - METERED_ZONE_SECONDS) };
};

const columnsOf = (dataset: string): { columns: LogColumns; facts: Partial<Device> } =>
  LOGS[`metered/${dataset}/gpudata.csv`] ?? { columns: METERED, facts: {} };

const calibrationOf = ({ fit }: Truth): NonNullable<MeteringOptions['calibration']> => ({
  gain: fit.gain,
  offsetWatts: fit.offset_W,
  gainUncertainty: 0.006,
  offsetUncertaintyWatts: 1,
});

/** |error| of windows of one length at random places, as a ratio, in ascending order. */
function windowErrors(truth: Truth, calibration: Truth, length: number): number[] {
  const batch = meteredLog(truth.dataset);
  const meter = readPowerMeter(truth.dataset);
  const [start, end] = comparedSeconds(truth);
  const random = randomNumbers(20_261_123);
  return Array.from({ length: 200 }, () => {
    const from = start + random() * (end - start - length);
    const measured = metered([batch], {
      start: first(batch),
      end,
      cuts: [from, from + length],
      device: device(columnsOf(truth.dataset).facts),
      calibration: calibrationOf(calibration),
    });
    const actual = meter.joules(from + length) - meter.joules(from);
    return Math.abs(energyWithin(measured, from, from + length) / actual - 1);
  }).toSorted((a, b) => a - b);
}

const comparedSeconds = (truth: Truth): [number, number] => {
  const [start, end] = truth.compare_window_unix_ms;
  return [start / 1e3, end / 1e3];
};

const percentile95 = (ascending: readonly number[]): number =>
  ascending[Math.floor(0.95 * ascending.length)] ?? Infinity;

const truths = corpusPresent ? readTruth() : [];
const truthOf = (dataset: string): Truth => {
  const found = truths.find((truth) => truth.dataset === dataset);
  if (found === undefined) throw new Error(`metered/truth.json has no ${dataset}.`);
  return found;
};

describe.skipIf(!corpusPresent)('logs of the corpus, from the first reading to the last', () => {
  // The reference is a trapezoid; ours lays each reading where its average was taken. They differ most on the two
  // qwen3asr logs, whose sensor refreshes every 1.0 s when idle and every 0.5 s when busy.
  test.each(corpusPresent ? readReferences() : [])(
    '$file agrees with an independent integration within 0.5 %',
    ({ file, joules }) => {
      const log = LOGS[file];
      if (log === undefined) throw new Error(`No columns are known for ${file}.`);
      const batch = readLog(corpusPath(file), log.columns);
      const measured = metered([batch], {
        start: first(batch),
        end: last(batch),
        device: device(log.facts),
      });
      expect(measured.gapSeconds).toBe(0);
      expect(measured.observedSeconds).toBeCloseTo(last(batch) - first(batch), 6);
      expect(Math.abs(measured.energyJoules / joules - 1)).toBeLessThan(0.005);
    },
  );
});

describe.skipIf(!corpusPresent)('recordings beside a power meter', () => {
  test.each(truths)('$dataset: the reader of the power meter agrees with its truth', (truth) => {
    const [start, end] = comparedSeconds(truth);
    const meter = readPowerMeter(truth.dataset);
    const ratio = (meter.joules(end) - meter.joules(start)) / truth.truth_energy_J_window;
    expect(Math.abs(ratio - 1)).toBeLessThan(1e-4);
  });

  test.each(truths)(
    '$dataset: the whole window is within 0.35 % once gain and offset are removed',
    (truth) => {
      const [start, end] = comparedSeconds(truth);
      const measured = metered([meteredLog(truth.dataset)], {
        start,
        end,
        device: device(columnsOf(truth.dataset).facts),
        calibration: calibrationOf(truth),
      });
      expect(measured.observedSeconds).toBeCloseTo(end - start, 6);
      expect(Math.abs(measured.energyJoules / truth.truth_energy_J_window - 1)).toBeLessThan(
        0.0035,
      );
    },
  );

  test.each(truths)(
    '$dataset: the truth lies inside the stated uncertainty, uncalibrated',
    (truth) => {
      const [start, end] = comparedSeconds(truth);
      const measured = metered([meteredLog(truth.dataset)], {
        start,
        end,
        device: device(columnsOf(truth.dataset).facts),
      });
      const error = measured.energyJoules - truth.truth_energy_J_window;
      expect(Math.abs(error)).toBeLessThan(measured.uncertaintyJoules);
    },
  );

  test.each(truths)(
    '$dataset: p95 is ≤ 2 % for 1 s windows and ≤ 0.5 % for 5 s windows',
    (truth) => {
      expect(percentile95(windowErrors(truth, truth, 1))).toBeLessThanOrEqual(0.02);
      expect(percentile95(windowErrors(truth, truth, 5))).toBeLessThanOrEqual(0.005);
    },
  );

  test.each([
    ['3090-square', '3090-step'],
    ['3090-step', '3090-square'],
  ])('%s with the calibration of %s: p95 of 5 s windows is ≤ 1.3 %%', (dataset, other) => {
    const errors = windowErrors(truthOf(dataset), truthOf(other), 5);
    expect(percentile95(errors)).toBeLessThanOrEqual(0.013);
  });
});
