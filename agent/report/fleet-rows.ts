// Series of a Prometheus → rows per device and node: what one scrape said, joined by its instant. Pure.

import { instant, type Instant } from '../units.ts';
import type { StoredSeries } from './fleet-prometheus.ts';

/** The metrics that a fleet's report is made of (INTERFACE.md, Metrics). */
export const FLEET_METRICS = [
  'wattmeter_gpu_energy_joules_total',
  'wattmeter_gpu_energy_uncertainty_joules',
  'wattmeter_gpu_observed_seconds_total',
  'wattmeter_gpu_gap_seconds_total',
  'wattmeter_gpu_energy_cost_total',
  'wattmeter_gpu_energy_credit_total',
  'wattmeter_gpu_carbon_location_based_grams_total',
  'wattmeter_gpu_carbon_market_based_grams_total',
  'wattmeter_gpu_info',
  'wattmeter_gpu_rated_power_watts',
  'wattmeter_host_energy_joules_total',
  'wattmeter_host_energy_uncertainty_joules',
  'wattmeter_electricity_price_per_kilowatt_hour',
  'wattmeter_grid_carbon_intensity_grams_per_kilowatt_hour',
  'wattmeter_power_usage_effectiveness',
] as const;

/** Counters of one device, as one scrape found them; absent means that it was not exported. */
export interface DeviceRow {
  readonly timeSeconds: Instant;
  energyJoules: number;
  uncertaintyJoules?: number;
  observedSeconds?: number;
  /** By reason; a reason that never occurred may be absent. */
  gapSeconds?: Record<string, number>;
  /** Cost and credit by currency. */
  costByCurrency?: Record<string, number>;
  creditByCurrency?: Record<string, number>;
  locationBasedGrams?: number;
  marketBasedGrams?: number;
}

/** What a node said of prices in the same scrape. */
export interface NodeRow {
  powerUsageEffectiveness?: number;
  price?: { readonly currency: string; readonly tariff: string; readonly perKilowattHour: number };
  grid?: GridLabels & { readonly gramsPerKilowattHour: number };
}

/** Which grid, by whose figures. */
export interface GridLabels {
  readonly zone: string;
  readonly dataset: string;
  readonly vintage: string;
}

/** One device of one chunk. */
export interface DeviceRows {
  readonly host: string;
  /** A GPU's UUID, or the name of a host's component. */
  readonly uuid: string;
  readonly kind: 'gpu' | 'host';
  /** Labels of its newest series: index and, for GPUs, facts. */
  labels: StoredSeries['labels'];
  info?: StoredSeries['labels'];
  ratedPowerWatts?: number;
  readonly rows: readonly DeviceRow[];
}

/** A chunk of the span. */
export interface FleetRows {
  readonly devices: readonly DeviceRows[];
  /** By host, then by instant. */
  readonly nodes: ReadonlyMap<string, ReadonlyMap<number, NodeRow>>;
  /** Values that no counter can have; they were left out. */
  readonly implausibleCount: number;
}

type Setter<Row> = (row: Row, value: number, labels: StoredSeries['labels']) => void;

const DEVICE_SETTERS: Readonly<Record<string, Setter<DeviceRow>>> = {
  wattmeter_gpu_energy_joules_total: (row, value) => (row.energyJoules = value),
  wattmeter_host_energy_joules_total: (row, value) => (row.energyJoules = value),
  wattmeter_gpu_energy_uncertainty_joules: (row, value) => (row.uncertaintyJoules = value),
  wattmeter_host_energy_uncertainty_joules: (row, value) => (row.uncertaintyJoules = value),
  wattmeter_gpu_observed_seconds_total: (row, value) => (row.observedSeconds = value),
  wattmeter_gpu_gap_seconds_total: (row, value, labels) =>
    ((row.gapSeconds ??= {})[labels['reason'] ?? ''] = value),
  wattmeter_gpu_energy_cost_total: (row, value, labels) =>
    ((row.costByCurrency ??= {})[labels['currency'] ?? ''] = value),
  wattmeter_gpu_energy_credit_total: (row, value, labels) =>
    ((row.creditByCurrency ??= {})[labels['currency'] ?? ''] = value),
  wattmeter_gpu_carbon_location_based_grams_total: (row, value) => (row.locationBasedGrams = value),
  wattmeter_gpu_carbon_market_based_grams_total: (row, value) => (row.marketBasedGrams = value),
};

const NODE_SETTERS: Readonly<Record<string, Setter<NodeRow>>> = {
  wattmeter_power_usage_effectiveness: (row, value) => (row.powerUsageEffectiveness = value),
  wattmeter_electricity_price_per_kilowatt_hour: (row, value, labels) =>
    (row.price = {
      currency: labels['currency'] ?? '',
      tariff: labels['tariff'] ?? '',
      perKilowattHour: value,
    }),
  wattmeter_grid_carbon_intensity_grams_per_kilowatt_hour: (row, value, labels) =>
    (row.grid = {
      zone: labels['zone'] ?? '',
      dataset: labels['dataset'] ?? '',
      vintage: labels['vintage'] ?? '',
      gramsPerKilowattHour: value,
    }),
};

interface OpenDevice extends Omit<DeviceRows, 'rows'> {
  readonly byTime: Map<number, DeviceRow>;
}

/** Joins the series of a chunk; `hostLabel` names the label that tells nodes apart. */
export function joinRows(series: readonly StoredSeries[], hostLabel: string): FleetRows {
  const devices = new Map<string, OpenDevice>();
  const nodes = new Map<string, Map<number, NodeRow>>();
  let implausibleCount = 0;
  for (const { labels, values } of withoutTwins(series, hostLabel)) {
    const metric = labels['__name__'] ?? '';
    const host = labels[hostLabel] ?? '';
    const device = deviceOf(devices, host, labels);
    const [setDevice, setNode] = [DEVICE_SETTERS[metric], NODE_SETTERS[metric]];
    if (device !== undefined) noteFacts(device, metric, { labels, values });
    for (const [time, text] of values) {
      const value = Number(text);
      if (setNode !== undefined && Number.isFinite(value)) {
        setNode(nodeRowAt(nodes, host, time), value, labels);
      } else if (setDevice !== undefined && device !== undefined) {
        if (Number.isFinite(value) && value >= 0) setDevice(rowAt(device, time), value, labels);
        else implausibleCount += 1;
      }
    }
  }
  return { devices: [...devices.values()].map(closeDevice), nodes, implausibleCount };
}

/** What does not change from scrape to scrape: the newest word counts. */
function noteFacts(device: OpenDevice, metric: string, { labels, values }: StoredSeries): void {
  if (metric === 'wattmeter_gpu_info') device.info = labels;
  if (metric !== 'wattmeter_gpu_rated_power_watts') return;
  const rated = Number(values.at(-1)?.[1]);
  if (rated > 0 && rated < Infinity) device.ratedPowerWatts = rated;
}

function closeDevice({ byTime, ...device }: OpenDevice): DeviceRows {
  const rows = [...byTime.values()]
    .filter(({ energyJoules }) => Number.isFinite(energyJoules))
    .toSorted((a, b) => a.timeSeconds - b.timeSeconds);
  return { ...device, rows };
}

function deviceOf(
  devices: Map<string, OpenDevice>,
  host: string,
  labels: StoredSeries['labels'],
): OpenDevice | undefined {
  const { uuid, component } = labels;
  const name = uuid ?? component;
  if (name === undefined) return undefined;
  const kind = uuid === undefined ? 'host' : 'gpu';
  const key = JSON.stringify([host, kind, name]);
  const known = devices.get(key);
  if (known !== undefined) {
    known.labels = labels;
    return known;
  }
  const opened: OpenDevice = { host, uuid: name, kind, labels, byTime: new Map() };
  devices.set(key, opened);
  return opened;
}

function rowAt({ byTime }: OpenDevice, time: number): DeviceRow {
  const known = byTime.get(time);
  if (known !== undefined) return known;
  const row: DeviceRow = { timeSeconds: instant(time), energyJoules: Number.NaN };
  byTime.set(time, row);
  return row;
}

function nodeRowAt(nodes: Map<string, Map<number, NodeRow>>, host: string, time: number): NodeRow {
  const rows = nodes.get(host) ?? new Map<number, NodeRow>();
  nodes.set(host, rows);
  const row = rows.get(time) ?? {};
  rows.set(time, row);
  return row;
}

// Next to the ends of a chunk the other twin's samples are no news of the counter, only another reading of it.
const MARGIN_PERIODS = 2;

/** Labels that tell figures apart; a series that differs in another one alone says the same again. */
const IDENTITY = ['__name__', 'uuid', 'component', 'reason', 'currency'] as const;

/**
 * Series of one figure that another label tells apart (a replica, an index that changed) as one: where two overlap,
 * the one with more samples speaks, for two scrapers read the same counter at different instants.
 */
function withoutTwins(series: readonly StoredSeries[], hostLabel: string): StoredSeries[] {
  const groups = new Map<string, StoredSeries[]>();
  for (const one of series) {
    const key = JSON.stringify([hostLabel, ...IDENTITY].map((name) => one.labels[name]));
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [one]);
    else group.push(one);
  }
  return [...groups.values()].flatMap((group) => (group.length === 1 ? group : untwined(group)));
}

function untwined(group: readonly StoredSeries[]): StoredSeries[] {
  const fullestFirst = group.toSorted(
    (a, b) =>
      b.values.length - a.values.length ||
      JSON.stringify(a.labels).localeCompare(JSON.stringify(b.labels)),
  );
  const taken: (readonly [number, number])[] = [];
  const free: StoredSeries[] = fullestFirst.map(({ labels, values }) => {
    const kept = values.filter(([time]) => taken.every(([from, to]) => time < from || time > to));
    const [first, last] = [values[0]?.[0], values.at(-1)?.[0]];
    if (first !== undefined && last !== undefined) {
      const margin = MARGIN_PERIODS * ((last - first) / Math.max(1, values.length - 1));
      taken.push([first - margin, last + margin]);
    }
    return { labels, values: kept };
  });
  // The newest last: its labels are the device's.
  return free.toSorted((a, b) => (a.values.at(-1)?.[0] ?? 0) - (b.values.at(-1)?.[0] ?? 0));
}
