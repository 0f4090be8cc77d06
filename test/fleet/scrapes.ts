// Scrapes of made-up nodes, as a Prometheus stores them: counters of closed form, sampled at given instants.

import type { StoredSeries } from '../../agent/report/fleet-prometheus.ts';

/** Counters of one GPU at an instant; a field left out is not exported. */
export interface Counters {
  readonly energy?: number;
  readonly uncertainty?: number;
  readonly observed?: number;
  readonly gaps?: Readonly<Record<string, number>>;
  readonly cost?: readonly [currency: string, cost: number, credit?: number];
  readonly grams?: number;
}

export interface MadeGpu {
  readonly host: string;
  readonly uuid: string;
  readonly index?: number;
  readonly job?: string;
  readonly ratedWatts?: number;
  /** Labels beside, such as a replica's. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly times: readonly number[];
  at(time: number): Counters | undefined;
}

/** The start of the tests' spans. */
export const START = 1_780_000_000;

/** Instants from `from` to `to`, both counted from START. */
export function every(step: number, from: number, to: number): number[] {
  const count = Math.floor((to - from) / step + 1e-9);
  return Array.from({ length: count + 1 }, (_, position) => START + from + position * step);
}

/** A steady GPU whose counters began at `since` (after START): power in watts, U 5 % of its energy. */
export const steady =
  (watts: number, since = -10_000): MadeGpu['at'] =>
  (time) => {
    const age = time - START - since;
    const energy = watts * age;
    return {
      energy,
      uncertainty: 0.05 * energy,
      observed: age,
      gaps: { 'no-reading': 0 },
      cost: ['EUR', (energy / 3.6e6) * 1.2 * 0.25, 0],
      grams: (energy / 3.6e6) * 1.2 * 400,
    };
  };

/** The series of a GPU. */
export function gpuSeries(gpu: MadeGpu): StoredSeries[] {
  const base = {
    job: gpu.job ?? 'wattmeter',
    instance: gpu.host,
    gpu: String(gpu.index ?? 0),
    uuid: gpu.uuid,
    ...gpu.labels,
  };
  const series = new Map<string, { labels: Record<string, string>; values: [number, string][] }>();
  const add = (
    name: string,
    time: number,
    value: number | undefined,
    labels: Record<string, string> = {},
  ): void => {
    if (value === undefined) return;
    const key = JSON.stringify([name, labels]);
    const one = series.get(key) ?? { labels: { __name__: name, ...base, ...labels }, values: [] };
    one.values.push([time, String(value)]);
    series.set(key, one);
  };
  for (const time of gpu.times) {
    const counters = gpu.at(time);
    if (counters === undefined) continue;
    add('wattmeter_gpu_energy_joules_total', time, counters.energy);
    add('wattmeter_gpu_energy_uncertainty_joules', time, counters.uncertainty);
    add('wattmeter_gpu_observed_seconds_total', time, counters.observed);
    for (const [reason, seconds] of Object.entries(counters.gaps ?? {}))
      add('wattmeter_gpu_gap_seconds_total', time, seconds, { reason });
    const [currency = '', cost, credit] = counters.cost ?? [];
    add('wattmeter_gpu_energy_cost_total', time, cost, { currency });
    add('wattmeter_gpu_energy_credit_total', time, credit, { currency });
    add('wattmeter_gpu_carbon_location_based_grams_total', time, counters.grams);
    add('wattmeter_gpu_rated_power_watts', time, gpu.ratedWatts);
    add('wattmeter_gpu_info', time, 1, {
      model: 'NVIDIA H100',
      driver_version: '570.1',
      source: 'nvml',
      method: 'counter',
    });
  }
  return [...series.values()];
}

/** What a node exports beside its GPUs. */
export interface MadeNode {
  readonly host: string;
  readonly times: readonly number[];
  readonly price?: readonly [currency: string, tariff: string, perKilowattHour: number];
  readonly zone?: readonly [zone: string, gramsPerKilowattHour: number];
  readonly pue?: number;
  readonly hostEnergy?: (time: number) => number;
  /** Default `package-0`. */
  readonly hostComponent?: string;
  /** k = 2, of the energy; absent: not exported. */
  readonly hostUncertaintyRatio?: number;
}

/** The series of a node. */
export function nodeSeries({
  host,
  times,
  price,
  zone,
  pue,
  hostEnergy,
  hostComponent: component = 'package-0',
  hostUncertaintyRatio: ratio,
}: MadeNode): StoredSeries[] {
  const series: StoredSeries[] = [];
  const add = (name: string, labels: Record<string, string>, value: (time: number) => number) =>
    series.push({
      labels: { __name__: name, job: 'wattmeter', instance: host, ...labels },
      values: times.map((time) => [time, String(value(time))]),
    });
  if (price !== undefined) {
    const [currency, tariff, value] = price;
    add('wattmeter_electricity_price_per_kilowatt_hour', { currency, tariff }, () => value);
  }
  if (zone !== undefined) {
    const labels = { zone: zone[0], dataset: 'Ember', vintage: '2025' };
    add('wattmeter_grid_carbon_intensity_grams_per_kilowatt_hour', labels, () => zone[1]);
  }
  if (pue !== undefined) add('wattmeter_power_usage_effectiveness', {}, () => pue);
  if (hostEnergy !== undefined)
    add('wattmeter_host_energy_joules_total', { component }, hostEnergy);
  if (hostEnergy !== undefined && ratio !== undefined) {
    add('wattmeter_host_energy_uncertainty_joules', { component }, (at) => ratio * hostEnergy(at));
  }
  return series;
}
