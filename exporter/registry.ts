// Families × newest snapshot → an own prom-client Registry. All families collect within one turn of the event loop, so
// one scrape shows one snapshot; a scrape only reads.

import { Counter, Gauge, Histogram, Registry } from 'prom-client';

import type { Snapshot } from '../agent/snapshot.ts';
import type { Family, Series } from './families.ts';
import type { HistogramFamily, HistogramSeries } from './read-duration.ts';

/** Gives the newest snapshot; undefined before the first sample. */
export type Latest = () => Snapshot | undefined;

// A value that is no number would poison the series (and a negative one the counter): it is left out instead.
const showable = (series: Series, type: Family['type']): boolean =>
  Number.isFinite(series.value) && (type === 'gauge' || series.value >= 0);

function readSeries(family: Family, latest: Latest): Series[] {
  const snapshot = latest();
  if (snapshot === undefined) return [];
  return [...family.read(snapshot)].filter((series) => showable(series, family.type));
}

function addCounter(registry: Registry, family: Family, latest: Latest): void {
  const counter: Counter = new Counter({
    name: family.name,
    help: family.help,
    labelNames: family.labelNames,
    registers: [registry],
    collect() {
      counter.reset();
      for (const { labels, value } of readSeries(family, latest)) counter.inc(labels, value);
    },
  });
}

function addGauge(registry: Registry, family: Family, latest: Latest): void {
  const gauge: Gauge = new Gauge({
    name: family.name,
    help: family.help,
    labelNames: family.labelNames,
    registers: [registry],
    collect() {
      gauge.reset();
      // A reset gauge without labels stands at 0, which would be a claim.
      if (family.labelNames.length === 0) gauge.remove();
      for (const { labels, value } of readSeries(family, latest)) gauge.set(labels, value);
    },
  });
}

type ExposedHistogram = Awaited<ReturnType<Histogram['get']>>;

/** A histogram whose counts come from a snapshot; prom-client's own can only observe single values. */
class SnapshotHistogram extends Histogram {
  readonly #family: HistogramFamily;
  readonly #latest: Latest;

  constructor(registry: Registry, family: HistogramFamily, latest: Latest) {
    super({
      name: family.name,
      help: family.help,
      labelNames: family.labelNames,
      buckets: [...family.bounds],
      registers: [registry],
    });
    this.#family = family;
    this.#latest = latest;
  }

  override async get(): Promise<ExposedHistogram> {
    // Read before the first await: all families of a scrape must see one snapshot.
    const snapshot = this.#latest();
    const empty = await super.get();
    const series = snapshot === undefined ? [] : [...this.#family.read(snapshot)];
    return { ...empty, values: series.flatMap((one) => histogramValues(this.#family, one)) };
  }

  /** What the registry calls instead of `get` when it writes text. */
  getForPromString(): Promise<ExposedHistogram> {
    return this.get();
  }
}

function histogramValues(
  { name, bounds }: HistogramFamily,
  { labels, buckets, sum, count }: HistogramSeries,
): ExposedHistogram['values'] {
  if (![...buckets, sum, count].every(Number.isFinite)) return [];
  const bucket = (bound: string, value: number) => ({
    metricName: `${name}_bucket`,
    labels: { ...labels, le: bound },
    value,
  });
  return [
    ...bounds.map((bound, position) => bucket(String(bound), buckets[position] ?? count)),
    bucket('+Inf', count),
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: count },
  ];
}

/** A registry that shows the newest snapshot through these families. */
export function snapshotRegistry(
  latest: Latest,
  families: readonly Family[],
  histograms: readonly HistogramFamily[] = [],
): Registry {
  const registry = new Registry();
  for (const family of families) {
    switch (family.type) {
      case 'counter':
        addCounter(registry, family, latest);
        break;
      case 'gauge':
        addGauge(registry, family, latest);
        break;
    }
  }
  for (const family of histograms) void new SnapshotHistogram(registry, family, latest);
  return registry;
}
