// Reads the corpus's recordings for the meter's tests: nvidia-smi logs, and the power meter that ran beside some.

import { readFileSync } from 'node:fs';

import { READING_STATUS, type Batch, type PowerField } from '../../agent/model.ts';
import { corpusPath } from '../corpus.ts';
import { UUID } from './simulated-sensor.ts';

const OK = READING_STATUS.indexOf('ok');

const secondsOf = (timestamp: string): number => {
  const [date = '', time = ''] = timestamp.split(' ');
  return Date.parse(`${date.replaceAll('/', '-')}T${time}Z`) / 1e3;
};

/** Columns of one power log: where the time stands, where each power field. */
export interface LogColumns {
  readonly time: number;
  readonly power: Partial<Readonly<Record<PowerField, number>>>;
  readonly header: boolean;
}

/** One device's log as a single batch. */
export function readLog(path: string, columns: LogColumns): Batch {
  const lines = readFileSync(path, 'utf8')
    .split('\n')
    .slice(columns.header ? 1 : 0)
    .filter((line) => line.trim() !== '')
    .map((line) => line.split(',').map((cell) => cell.trim()));
  const column = (index: number): Float64Array =>
    Float64Array.from(lines, (cells) => Number.parseFloat(cells[index] ?? ''));
  return {
    uuid: UUID,
    length: lines.length,
    timeSeconds: Float64Array.from(lines, (cells) => secondsOf(cells[columns.time] ?? '')),
    status: new Uint8Array(lines.length).fill(OK),
    powerWatts: Object.fromEntries(
      Object.entries(columns.power).map(([field, index]) => [field, column(index)]),
    ),
  };
}

/** Energy by the power meter from its start to `time` (Unix seconds), linear between its samples. */
export interface PowerMeter {
  readonly start: number;
  readonly end: number;
  joules(time: number): number;
}

const RECORD_BYTES = 18;
const CHANNELS = [
  { volts: 7.568e-3, amperes: 48.8e-3 },
  { volts: 7.568e-3, amperes: 48.8e-3 },
  { volts: 7.5e-3, amperes: 48.8e-3 },
  { volts: 7.568e-3, amperes: 48.8e-3 },
];
const TICKS_PER_SECOND = 2_934_500;

const steps = (raw: number): number => {
  const value = (raw >> 4) & 0xfff;
  return (value & 0x800) === 0 ? value : 0;
};

/** Reads a PMD recording as corpus/PROVENANCE.md describes it. */
export function readPowerMeter(dataset: string): PowerMeter {
  const data = readFileSync(corpusPath('metered', dataset, 'PMD_data.bin'));
  const startMicroseconds = Number(
    readFileSync(corpusPath('metered', dataset, 'PMD_start_ts.txt'), 'utf8').trim(),
  );
  const start = (startMicroseconds - 50_000) / 1e6;
  const count = Math.floor(data.length / RECORD_BYTES);
  const times = new Float64Array(count);
  const energies = new Float64Array(count);
  let ticks = 0;
  let powerBefore = 0;
  for (let index = 0; index < count; index += 1) {
    const at = index * RECORD_BYTES;
    const tick = data.readUInt16LE(at);
    if (index > 0) ticks += (tick - data.readUInt16LE(at - RECORD_BYTES) + 65_536) % 65_536;
    times[index] = start + ticks / TICKS_PER_SECOND;
    const power = CHANNELS.reduce((sum, { volts, amperes }, channel) => {
      const v = steps(data.readInt16LE(at + 2 + channel * 4)) * volts;
      const i = steps(data.readInt16LE(at + 4 + channel * 4)) * amperes;
      return sum + v * i;
    }, 0);
    if (index > 0) {
      const duration = (times[index] ?? 0) - (times[index - 1] ?? 0);
      energies[index] = (energies[index - 1] ?? 0) + ((power + powerBefore) / 2) * duration;
    }
    powerBefore = power;
  }
  const end = times[count - 1] ?? start;
  return {
    start,
    end,
    joules(time) {
      let low = 0;
      let high = count - 1;
      while (high - low > 1) {
        const middle = (low + high) >> 1;
        if ((times[middle] ?? 0) <= time) low = middle;
        else high = middle;
      }
      const before = times[low] ?? 0;
      const share = (time - before) / ((times[high] ?? 0) - before);
      return (energies[low] ?? 0) + share * ((energies[high] ?? 0) - (energies[low] ?? 0));
    },
  };
}

/** A dataset's line of metered/truth.json, as far as the tests need it. */
export interface Truth {
  readonly dataset: string;
  readonly truth_energy_J_total: number;
  readonly truth_energy_J_window: number;
  readonly compare_window_unix_ms: readonly [number, number];
  readonly fit: { readonly gain: number; readonly offset_W: number };
}

export const readTruth = (): Truth[] =>
  JSON.parse(readFileSync(corpusPath('metered', 'truth.json'), 'utf8')) as Truth[];

/** The logs of metered/ are in UTC + 1 h. */
export const METERED_ZONE_SECONDS = 3600;
