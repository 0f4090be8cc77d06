// The report as a table for spreadsheets and data frames: a row per device, absent cells empty.

import { stringify } from 'csv-stringify/sync';
import { Decimal } from 'decimal.js';

import type { Report, ReportDevice } from './report.ts';

type Cell = string | number | undefined;

/** Columns of a device's row; the report's own columns stand before them. */
const DEVICE_COLUMNS = {
  kind: (_, kind) => kind,
  uuid: ({ uuid }) => uuid,
  index: ({ index }) => index,
  model: ({ model }) => model,
  source: ({ source }) => source,
  method: ({ method }) => method,
  energy_joules: ({ energyJoules }) => energyJoules,
  uncertainty_joules: ({ uncertaintyJoules }) => uncertaintyJoules,
  gap_estimate_joules: ({ gapEstimateJoules }) => gapEstimateJoules,
  coverage_ratio: ({ coverageRatio }) => coverageRatio,
  observed_seconds: ({ observedSeconds }) => observedSeconds,
  gap_seconds: ({ gapSeconds }) => gapSeconds,
  power_mean_watts: ({ powerMeanWatts }) => powerMeanWatts,
  power_max_watts: ({ powerMaxWatts }) => powerMaxWatts,
  power_min_watts: ({ powerMinWatts }) => powerMinWatts,
  sample_count: ({ sampleCount }) => sampleCount,
  counter_joules: ({ counterJoules }) => counterJoules,
  integral_joules: ({ integralJoules }) => integralJoules,
  facility_kilowatt_hours: ({ facilityKilowattHours }) => facilityKilowattHours,
  energy_cost: ({ energyCost }) => energyCost,
  location_based_grams: ({ locationBasedGrams }) => locationBasedGrams,
  utilization_ratio_mean: ({ utilizationRatioMean }) => utilizationRatioMean,
  idle_seconds: ({ idle }) => idle?.idleSeconds,
  idle_joules: ({ idle }) => idle?.energyJoules,
} satisfies Record<string, (device: ReportDevice, kind: 'gpu' | 'host') => Cell>;

/** Numbers in plain decimal: a spreadsheet takes `1e-7` for a text. */
const plainNumber = (value: number): string => new Decimal(value).toFixed();

const NUMBER = /^-?\d+(?:\.\d+)?$/;
// A spreadsheet runs a cell that starts like this as a formula, and a run's name may start with anything.
const FORMULA = /^[=+\-@\t\r]/;

/** Cells as a CSV writer wants them: unknown is empty, text cannot act. */
function written(cell: Cell): string {
  if (typeof cell === 'number') return plainNumber(cell);
  if (cell === undefined) return '';
  return FORMULA.test(cell) && !NUMBER.test(cell) ? `'${cell}` : cell;
}

/** Rows under their header, quoted as RFC 4180 has it. */
export const csvOf = (header: readonly string[], rows: readonly (readonly Cell[])[]): string =>
  stringify([header, ...rows].map((row) => row.map(written)));

/** The devices' table. */
export function formatCsv({ run, devices, hosts = [], cost }: Report): string {
  const valuesOf = Object.values(DEVICE_COLUMNS);
  const rowOf = (device: ReportDevice, kind: 'gpu' | 'host'): Cell[] => [
    run.id,
    run.name,
    device.host ?? run.host,
    run.startTime,
    run.endTime,
    ...valuesOf.map((valueOf) => valueOf(device, kind)),
    cost.currency,
  ];
  const header = ['run_id', 'run_name', 'host', 'start_time', 'end_time'];
  return csvOf(
    [...header, ...Object.keys(DEVICE_COLUMNS), 'currency'],
    [
      ...devices.map((device) => rowOf(device, 'gpu')),
      ...hosts.map((device) => rowOf(device, 'host')),
    ],
  );
}
