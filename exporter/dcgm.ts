// The same snapshot in dcgm-exporter's dialect, for dashboards and joins that already read it: its names, labels and
// units (MHz, MiB, mJ, per cent). What Wattmeter does not know is absent, DCGM_FI_PROF_* among it.

import type { DeviceSnapshot, Snapshot } from '../agent/snapshot.ts';
import { knownTotal, presentGpus } from './families.ts';
import type { Family } from './family.ts';

const LABELS = [
  'gpu',
  'UUID',
  'pci_bus_id',
  'device',
  'modelName',
  'Hostname',
  'DCGM_FI_DRIVER_VERSION',
];

const BYTES_PER_MEBIBYTE = 1_048_576;

interface DcgmRow {
  readonly name: string;
  readonly type: Family['type'];
  readonly help: string;
  readonly value: (gpu: DeviceSnapshot) => number | undefined;
}

// Twelve digits hide what floating point adds to a scaled number: 57 %, not 56.99999999999999 %.
const scaled = (value: number | undefined, factor: number): number | undefined =>
  value === undefined ? undefined : Number((value * factor).toPrecision(12));

const ROWS: readonly DcgmRow[] = [
  {
    name: 'DCGM_FI_DEV_SM_CLOCK',
    type: 'gauge',
    help: 'SM clock frequency (in MHz).',
    value: ({ gauges }) => scaled(gauges.smClockHertz, 1e-6),
  },
  {
    name: 'DCGM_FI_DEV_GPU_TEMP',
    type: 'gauge',
    help: 'GPU temperature (in C).',
    value: ({ gauges }) => gauges.temperatureCelsius,
  },
  {
    name: 'DCGM_FI_DEV_POWER_USAGE',
    type: 'gauge',
    help: 'Power draw (in W).',
    value: ({ powerWatts }) => powerWatts,
  },
  {
    name: 'DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION',
    type: 'counter',
    help: 'Measured energy since the counters of Wattmeter began (in mJ).',
    value: knownTotal(({ energyJoules }) => scaled(energyJoules, 1e3)),
  },
  {
    name: 'DCGM_FI_DEV_GPU_UTIL',
    type: 'gauge',
    help: 'GPU utilization (in %).',
    value: ({ gauges }) => scaled(gauges.utilizationRatio, 100),
  },
  {
    name: 'DCGM_FI_DEV_FB_USED',
    type: 'gauge',
    help: 'Framebuffer memory used (in MiB).',
    value: ({ gauges }) => scaled(gauges.memoryUsedBytes, 1 / BYTES_PER_MEBIBYTE),
  },
];

const labelsOf = ({ device }: DeviceSnapshot, hostname: string): Record<string, string> => ({
  gpu: String(device.index),
  UUID: device.uuid,
  pci_bus_id: device.pciBusId ?? '',
  // Prometheus drops an empty label: a board of another maker has no such device file.
  device: device.uuid.startsWith('GPU-') ? `nvidia${device.index}` : '',
  modelName: device.model,
  Hostname: hostname,
  DCGM_FI_DRIVER_VERSION: device.driverVersion ?? '',
});

const readRow =
  ({ value }: DcgmRow, hostname: string): Family['read'] =>
  (snapshot: Snapshot) =>
    presentGpus(snapshot).flatMap((gpu) => {
      const reading = value(gpu);
      return reading === undefined ? [] : [{ labels: labelsOf(gpu, hostname), value: reading }];
    });

/** The families of the dialect; `hostname` fills its Hostname label. */
export function dcgmFamilies(hostname: string): readonly Family[] {
  return ROWS.map((row) => ({
    name: row.name,
    type: row.type,
    help: row.help,
    labelNames: LABELS,
    read: readRow(row, hostname),
  }));
}
