// The metric families: each row a name, type, help (unit and meaning), labels, and how to read it from a snapshot.
// What a snapshot does not know gives no series; registry.ts turns the rows into an exposition.

import {
  isObserved,
  type DeviceSnapshot,
  type HostComponent,
  type Snapshot,
  type SourceHealth,
  type Totals,
} from '../agent/snapshot.ts';
import type { Family, Series } from './family.ts';
import { READ_DURATION_FAMILY } from './read-duration.ts';

/** The GPUs that are there; a vanished one has no series. */
export const presentGpus = (snapshot: Snapshot): readonly DeviceSnapshot[] =>
  snapshot.devices.filter(({ device, present }) => present && device.kind === 'gpu');

const GPU_LABELS = ['gpu', 'uuid'] as const;

const gpuLabels = ({ device }: DeviceSnapshot): Record<'gpu' | 'uuid', string> => ({
  gpu: String(device.index),
  uuid: device.uuid,
});

const one = (
  value: number | undefined,
  labels: Readonly<Record<string, string>> = {},
): readonly Series[] => (value === undefined ? [] : [{ labels, value }]);

/** One series per present GPU that knows the value. */
const perGpu = (
  value: (gpu: DeviceSnapshot) => number | undefined,
): Pick<Family, 'labelNames' | 'read'> => ({
  labelNames: GPU_LABELS,
  read: (snapshot) => presentGpus(snapshot).flatMap((gpu) => one(value(gpu), gpuLabels(gpu))),
});

/** What a GPU's energy comes to; of one that was never observed that is not known, and 0 would pass for idle. */
export const knownTotal =
  (value: (totals: Totals) => number | undefined) =>
  ({ totals }: DeviceSnapshot): number | undefined =>
    isObserved(totals) ? value(totals) : undefined;

/** One series per GPU in the currency of the price in force; none without a price. */
const perGpuInCurrency = (
  value: (gpu: DeviceSnapshot) => number | undefined,
): Pick<Family, 'labelNames' | 'read'> => ({
  labelNames: [...GPU_LABELS, 'currency'],
  read: (snapshot) => {
    const currency = snapshot.price?.currency;
    if (currency === undefined) return [];
    return presentGpus(snapshot).flatMap((gpu) => one(value(gpu), { ...gpuLabels(gpu), currency }));
  },
});

/** Shares of GPUs that are there: a vanished one takes those of its jobs along. */
function sharesOf<Share extends { readonly uuid: string }>(
  snapshot: Snapshot,
  shares: readonly Share[] = [],
): readonly Share[] {
  const present = new Set(presentGpus(snapshot).map(({ device }) => device.uuid));
  return shares.filter(({ uuid }) => present.has(uuid));
}

const perSource = (
  value: (source: SourceHealth) => number | undefined,
): Pick<Family, 'labelNames' | 'read'> => ({
  labelNames: ['source'],
  read: (snapshot) =>
    snapshot.sources.flatMap((source) => one(value(source), { source: source.kind })),
});

const perComponent = (
  value: (component: HostComponent) => number,
): Pick<Family, 'labelNames' | 'read'> => ({
  labelNames: ['component'],
  read: ({ host = [] }) => host.flatMap((part) => one(value(part), { component: part.component })),
});

const ENERGY_FAMILIES: readonly Family[] = [
  {
    name: 'wattmeter_gpu_energy_joules_total',
    type: 'counter',
    help: 'Measured energy of the GPU in joules; unmeasured gaps are left out.',
    ...perGpu(knownTotal(({ energyJoules }) => energyJoules)),
  },
  {
    name: 'wattmeter_gpu_energy_uncertainty_joules',
    type: 'gauge',
    help: 'Expanded uncertainty (k = 2) of wattmeter_gpu_energy_joules_total in joules.',
    ...perGpu(knownTotal(({ uncertaintyJoules }) => uncertaintyJoules)),
  },
  {
    name: 'wattmeter_gpu_observed_seconds_total',
    type: 'counter',
    help: 'Time in seconds over which the energy of the GPU was measured.',
    ...perGpu(({ totals }) => totals.observedSeconds),
  },
  {
    name: 'wattmeter_gpu_gap_seconds_total',
    type: 'counter',
    help: 'Time in seconds over which the GPU was not measured, by reason.',
    labelNames: [...GPU_LABELS, 'reason'],
    read: (snapshot) => presentGpus(snapshot).flatMap(gapSeries),
  },
  {
    name: 'wattmeter_gpu_hardware_to_integral_energy_ratio',
    type: 'gauge',
    help: 'Energy by the hardware counter divided by integrated power, over the last minutes; 1 when they agree.',
    ...perGpu(({ hardwareToIntegralRatio }) => hardwareToIntegralRatio),
  },
];

// A device without any gap still has a series, so that the first gap is an increase and not a birth.
function gapSeries(gpu: DeviceSnapshot): Series[] {
  const byReason: Readonly<Record<string, number>> = { 'no-reading': 0, ...gpu.totals.gapSeconds };
  return Object.entries(byReason).map(([reason, value]) => ({
    labels: { ...gpuLabels(gpu), reason },
    value,
  }));
}

const STATE_FAMILIES: readonly Family[] = [
  {
    name: 'wattmeter_gpu_power_watts',
    type: 'gauge',
    help: 'Newest power of the GPU in watts; absent while it cannot be read.',
    ...perGpu(({ powerWatts }) => powerWatts),
  },
  {
    name: 'wattmeter_gpu_power_limit_watts',
    type: 'gauge',
    help: 'Power limit in force on the GPU in watts.',
    ...perGpu(({ gauges, device }) => gauges.powerLimitWatts ?? device.powerLimitWatts),
  },
  {
    name: 'wattmeter_gpu_rated_power_watts',
    type: 'gauge',
    help: 'Default power limit of the GPU in watts, whatever limit is in force; absent where the driver does not say.',
    ...perGpu(({ device }) => device.ratedPowerWatts),
  },
  {
    name: 'wattmeter_gpu_utilization_ratio',
    type: 'gauge',
    help: 'Share of time in which a kernel ran on the GPU, 0 to 1, as the driver reports it.',
    ...perGpu(({ gauges }) => gauges.utilizationRatio),
  },
  {
    name: 'wattmeter_gpu_memory_used_bytes',
    type: 'gauge',
    help: 'Memory of the GPU in use in bytes.',
    ...perGpu(({ gauges }) => gauges.memoryUsedBytes),
  },
  {
    name: 'wattmeter_gpu_memory_total_bytes',
    type: 'gauge',
    help: 'Memory of the GPU in bytes.',
    ...perGpu(({ gauges, device }) => gauges.memoryTotalBytes ?? device.memoryTotalBytes),
  },
  {
    name: 'wattmeter_gpu_temperature_celsius',
    type: 'gauge',
    help: 'Temperature of the GPU core in degrees Celsius.',
    ...perGpu(({ gauges }) => gauges.temperatureCelsius),
  },
  {
    name: 'wattmeter_gpu_sm_clock_hertz',
    type: 'gauge',
    help: 'Clock of the streaming multiprocessors in hertz.',
    ...perGpu(({ gauges }) => gauges.smClockHertz),
  },
  {
    name: 'wattmeter_gpu_info',
    type: 'gauge',
    help: 'Facts about the GPU as labels; always 1.',
    labelNames: [...GPU_LABELS, 'model', 'driver_version', 'pci_bus_id', 'source', 'method'],
    read: (snapshot) => presentGpus(snapshot).map(infoSeries),
  },
  {
    name: 'wattmeter_gpu_xid_errors_total',
    type: 'counter',
    help: 'Errors of the GPU that the NVIDIA driver reported, by their XID.',
    labelNames: [...GPU_LABELS, 'xid'],
    read: (snapshot) => presentGpus(snapshot).flatMap(xidSeries),
  },
];

function infoSeries(gpu: DeviceSnapshot): Series {
  const { device, totals } = gpu;
  const labels = {
    ...gpuLabels(gpu),
    model: device.model,
    driver_version: device.driverVersion ?? '',
    pci_bus_id: device.pciBusId ?? '',
    source: device.source,
    // What nobody has read yet was measured by no method.
    method: (isObserved(totals) ? totals.method : undefined) ?? '',
  };
  return { labels, value: 1 };
}

const xidSeries = (gpu: DeviceSnapshot): Series[] =>
  Object.entries(gpu.xidErrors).map(([xid, value]) => ({
    labels: { ...gpuLabels(gpu), xid },
    value,
  }));

const MONEY_AND_CARBON_FAMILIES: readonly Family[] = [
  {
    name: 'wattmeter_gpu_energy_cost_total',
    type: 'counter',
    help: 'Cost of the energy of the GPU, PUE included, in units of the currency label, at prices of 0 and above.',
    ...perGpuInCurrency(knownTotal(({ costAmount }) => costAmount)),
  },
  {
    name: 'wattmeter_gpu_energy_credit_total',
    type: 'counter',
    help: 'What negative prices gave back for the energy of the GPU, in units of the currency label.',
    ...perGpuInCurrency(knownTotal(({ creditAmount }) => creditAmount)),
  },
  {
    name: 'wattmeter_gpu_carbon_location_based_grams_total',
    type: 'counter',
    help: 'Location-based CO2-equivalent of the energy of the GPU in grams, PUE included.',
    ...perGpu(knownTotal(({ locationBasedGrams }) => locationBasedGrams)),
  },
  {
    name: 'wattmeter_gpu_carbon_market_based_grams_total',
    type: 'counter',
    help: 'Market-based CO2-equivalent of the energy of the GPU in grams, PUE included.',
    ...perGpu(knownTotal(({ marketBasedGrams }) => marketBasedGrams)),
  },
  {
    name: 'wattmeter_electricity_price_per_kilowatt_hour',
    type: 'gauge',
    help: 'Price of electricity in force, in units of the currency label per kilowatt-hour.',
    labelNames: ['currency', 'tariff'],
    read: ({ price }) =>
      price === undefined
        ? []
        : one(price.perKilowattHour, { currency: price.currency, tariff: price.tariff }),
  },
  {
    name: 'wattmeter_price_age_seconds',
    type: 'gauge',
    help: 'Age of the newest price data in seconds; absent for prices that do not age.',
    labelNames: [],
    read: ({ price }) => one(price?.ageSeconds),
  },
  {
    name: 'wattmeter_grid_carbon_intensity_grams_per_kilowatt_hour',
    type: 'gauge',
    help: 'Location-based carbon intensity of the grid in force, in grams of CO2-equivalent per kilowatt-hour.',
    labelNames: ['zone', 'dataset', 'vintage'],
    read: ({ grid }) =>
      grid === undefined
        ? []
        : one(grid.gramsPerKilowattHour, {
            zone: grid.zone,
            dataset: grid.dataset,
            vintage: grid.vintage,
          }),
  },
  {
    name: 'wattmeter_grid_intensity_age_seconds',
    type: 'gauge',
    help: 'Age of the newest grid intensity data in seconds; absent for data that do not age.',
    labelNames: [],
    read: ({ grid }) => one(grid?.ageSeconds),
  },
  {
    name: 'wattmeter_power_usage_effectiveness',
    type: 'gauge',
    help: 'Power usage effectiveness by which IT energy is multiplied for cost and carbon.',
    labelNames: [],
    read: ({ powerUsageEffectiveness }) => one(powerUsageEffectiveness),
  },
];

const SHARE_FAMILIES: readonly Family[] = [
  {
    name: 'wattmeter_host_energy_joules_total',
    type: 'counter',
    help: 'Energy of a part of the host outside its GPUs in joules; component "assumed" is what --host-watts says.',
    ...perComponent(({ energyJoules }) => energyJoules),
  },
  {
    name: 'wattmeter_host_energy_uncertainty_joules',
    type: 'gauge',
    help: 'Expanded uncertainty (k = 2) of wattmeter_host_energy_joules_total in joules.',
    ...perComponent(({ uncertaintyJoules }) => uncertaintyJoules),
  },
  {
    name: 'wattmeter_job_gpu_energy_joules_total',
    type: 'counter',
    help: 'Energy of the GPU attributed to the job in joules; jobs and the unattributed rest add up to the GPU.',
    labelNames: ['kind', 'job_id', 'user', 'uuid'],
    read: (snapshot) =>
      sharesOf(snapshot, snapshot.jobs).flatMap(({ kind, jobId, user = '', uuid, energyJoules }) =>
        one(energyJoules, { kind, job_id: jobId, user, uuid }),
      ),
  },
  {
    name: 'wattmeter_job_info',
    type: 'gauge',
    help: 'What people call a job where that is not its id: namespace/name of a pod; always 1.',
    labelNames: ['kind', 'job_id', 'name'],
    read: (snapshot) => {
      const named = sharesOf(snapshot, snapshot.jobs).filter(({ name }) => name !== undefined);
      const byJob = new Map(named.map((job) => [`${job.kind}/${job.jobId}`, job]));
      return [...byJob.values()].flatMap(({ kind, jobId, name = '' }) =>
        one(1, { kind, job_id: jobId, name }),
      );
    },
  },
  {
    name: 'wattmeter_unattributed_gpu_energy_joules_total',
    type: 'counter',
    help: 'Energy of the GPU that no job answers for in joules: idle power and what ran unseen.',
    labelNames: ['uuid'],
    read: (snapshot) =>
      sharesOf(snapshot, snapshot.unattributed).flatMap(({ uuid, energyJoules }) =>
        one(energyJoules, { uuid }),
      ),
  },
  {
    name: 'wattmeter_run_gpu_energy_joules_total',
    type: 'counter',
    help: 'Measured GPU energy of an open run in joules.',
    labelNames: ['run', 'name'],
    read: ({ openRuns }) =>
      openRuns.flatMap(({ id, name = '', gpuJoules }) => one(gpuJoules, { run: id, name })),
  },
  {
    name: 'wattmeter_run_budget_used_ratio',
    type: 'gauge',
    help: 'Used part of a budget of an open run; 1 when it is spent.',
    labelNames: ['run', 'name', 'kind'],
    read: ({ budgets }) =>
      budgets.flatMap(({ runId, name, kind, usedRatio }) =>
        one(usedRatio, { run: runId, name, kind }),
      ),
  },
];

/** A source that is only being opened is neither up nor down. */
function upOf({ up, sampleCount, errorsByReason }: SourceHealth): number | undefined {
  if (up) return 1;
  return sampleCount > 0 || Object.keys(errorsByReason).length > 0 ? 0 : undefined;
}

const HEALTH_FAMILIES: readonly Family[] = [
  {
    name: 'wattmeter_source_up',
    type: 'gauge',
    help: 'Whether the newest read of the source succeeded: 1 or 0; absent before the first.',
    ...perSource(upOf),
  },
  {
    name: 'wattmeter_source_last_success_timestamp_seconds',
    type: 'gauge',
    help: 'Time of the newest successful read of the source, in seconds since 1970.',
    ...perSource(({ lastSuccessSeconds }) => lastSuccessSeconds),
  },
  {
    name: 'wattmeter_source_errors_total',
    type: 'counter',
    help: 'Failed reads of the source, by reason.',
    labelNames: ['source', 'reason'],
    read: ({ sources }) =>
      sources.flatMap(({ kind, errorsByReason }) =>
        Object.entries(errorsByReason).map(([reason, value]) => ({
          labels: { source: kind, reason },
          value,
        })),
      ),
  },
  {
    name: 'wattmeter_samples_total',
    type: 'counter',
    help: 'Samples taken from the source, of all its devices together.',
    ...perSource(({ sampleCount }) => sampleCount),
  },
  {
    name: 'wattmeter_build_info',
    type: 'gauge',
    help: 'Version of this Wattmeter as labels; always 1.',
    labelNames: ['version', 'revision', 'node_version'],
    read: ({ version, revision }) => one(1, { version, revision, node_version: process.version }),
  },
];

/** Every family, in the order of the exposition. */
export const FAMILIES: readonly Family[] = [
  ...ENERGY_FAMILIES,
  ...STATE_FAMILIES,
  ...MONEY_AND_CARBON_FAMILIES,
  ...SHARE_FAMILIES,
  ...HEALTH_FAMILIES,
  READ_DURATION_FAMILY,
];
