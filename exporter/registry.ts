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

/** One line of a histogram's exposition. */
interface HistogramLine {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

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

  /** What prom-client's registry asks a histogram for when it writes text. */
  async getForPromString(): Promise<{ values: HistogramLine[] } & Record<string, unknown>> {
    const { name, help, type } = this.#family;
    const snapshot = this.#latest();
    const series = snapshot === undefined ? [] : [...this.#family.read(snapshot)];
    const values = series.flatMap((one) => histogramLines(this.#family, one));
    return { name, help, type, aggregator: 'sum', values };
  }
}

function histogramLines(
  { name, bounds }: HistogramFamily,
  { labels, buckets, sum, count }: HistogramSeries,
): HistogramLine[] {
  if (![...buckets, sum, count].every(Number.isFinite)) return [];
  const bucket = (bound: string, value: number): HistogramLine => ({
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
