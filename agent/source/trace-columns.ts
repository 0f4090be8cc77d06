// The columns of a trace that `record` writes: nvidia-smi's own names and units, so that any reader of its CSV can
// read it, and what a meter needs beside them.

import { READING_STATUS, type Batch, type Device, type Gauges } from '../model.ts';

/** What one row is made of. */
interface TraceRow {
  readonly device: Device | undefined;
  readonly batch: Batch;
  /** The row's position in the batch. */
  readonly at: number;
  /** Only in rows that carry them. */
  readonly gauges: Gauges | undefined;
  readonly monotonicNanoseconds: bigint;
}

interface TraceColumn {
  readonly title: string;
  readonly cell: (row: TraceRow) => string;
}

const BYTES_PER_MEBIBYTE = 1_048_576;

const number = (value: number | undefined): string =>
  value === undefined || value !== value ? '' : String(value);

// Millijoules and the like are whole or nearly so: this takes out what binary fractions add.
const rounded = (value: number | undefined): string =>
  value === undefined || value !== value ? '' : String(Number(value.toFixed(6)));

const scaled = (value: number | undefined, scale: number): string =>
  value === undefined ? '' : rounded(value * scale);

const quoted = (text: string | undefined): string => {
  if (text === undefined) return '';
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

/** In the order written. */
export const TRACE_COLUMNS: readonly TraceColumn[] = [
  {
    title: 'timestamp',
    cell: ({ batch, at }) =>
      new Date(
        ((batch.timeSeconds[at] ?? Number.NaN) + (batch.wallOffsetSeconds ?? 0)) * 1e3,
      ).toISOString(),
  },
  { title: 'monotonic [ns]', cell: ({ monotonicNanoseconds }) => String(monotonicNanoseconds) },
  { title: 'index', cell: ({ device }) => number(device?.index) },
  { title: 'uuid', cell: ({ batch }) => quoted(batch.uuid) },
  { title: 'status', cell: ({ batch, at }) => READING_STATUS[batch.status[at] ?? -1] ?? '' },
  { title: 'power.draw [W]', cell: ({ batch, at }) => number(batch.powerWatts.draw?.[at]) },
  {
    title: 'power.draw.instant [W]',
    cell: ({ batch, at }) => number(batch.powerWatts.instant?.[at]),
  },
  {
    title: 'power.draw.average [W]',
    cell: ({ batch, at }) => number(batch.powerWatts.average?.[at]),
  },
  {
    title: 'energy.counter [mJ]',
    cell: ({ batch, at }) => scaled(batch.counterJoules?.[at], 1e3),
  },
  {
    title: 'utilization.gpu [%]',
    cell: ({ gauges }) => scaled(gauges?.utilizationRatio, 100),
  },
  {
    title: 'memory.used [MiB]',
    cell: ({ gauges }) => scaled(gauges?.memoryUsedBytes, 1 / BYTES_PER_MEBIBYTE),
  },
  {
    title: 'memory.total [MiB]',
    cell: ({ device }) => scaled(device?.memoryTotalBytes, 1 / BYTES_PER_MEBIBYTE),
  },
  { title: 'temperature.gpu', cell: ({ gauges }) => number(gauges?.temperatureCelsius) },
  { title: 'clocks.current.sm [MHz]', cell: ({ gauges }) => scaled(gauges?.smClockHertz, 1e-6) },
  { title: 'enforced.power.limit [W]', cell: ({ device }) => number(device?.powerLimitWatts) },
  { title: 'power.default_limit [W]', cell: ({ device }) => number(device?.ratedPowerWatts) },
  { title: 'driver_version', cell: ({ device }) => quoted(device?.driverVersion) },
  { title: 'pci.bus_id', cell: ({ device }) => quoted(device?.pciBusId) },
  { title: 'name', cell: ({ device }) => quoted(device?.model) },
];
