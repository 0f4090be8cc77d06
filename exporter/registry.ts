// Families × newest snapshot → an own prom-client Registry. All families collect within one turn of the event loop, so
// one scrape shows one snapshot; a scrape only reads.

import { Gauge, Registry } from 'prom-client';

import type { Snapshot } from '../agent/snapshot.ts';
import type { Family, Series } from './family.ts';

/** Gives the newest snapshot; undefined before a source has said anything. */
export type Latest = () => Snapshot | undefined;

// A value that is no number would poison the series (and a negative one the counter): it is left out instead.
const showable = (series: Series, type: Family['type']): boolean =>
  Number.isFinite(series.value) && (type === 'gauge' || series.value >= 0);

/** What prom-client's registry writes as one line. */
interface Line {
  readonly metricName: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly sharedLabels: object;
  readonly value: number;
}

// prom-client remembers the text of shared labels by their object, and makes a new one for each line that brings none.
const NO_SHARED_LABELS: object = Object.freeze({});

/**
 * A metric of any type that holds no values of its own: prom-client's would copy, hash and check each of them again at
 * every scrape, and keep the ones that are gone.
 */
class SnapshotMetric extends Gauge {
  readonly #family: Family;
  readonly #latest: Latest;

  constructor(registry: Registry, family: Family, latest: Latest) {
    const { name, help, labelNames } = family;
    super({ name, help, labelNames, registers: [registry] });
    this.#family = family;
    this.#latest = latest;
  }

  /** What prom-client's registry asks a metric for when it writes text. */
  async getForPromString(): Promise<{ values: readonly Line[] } & Record<string, unknown>> {
    const { name, help, type } = this.#family;
    return { name, help, type, aggregator: 'sum', values: this.#lines() };
  }

  #lines(): Line[] {
    const { name, type, read } = this.#family;
    const snapshot = this.#latest();
    const lines: Line[] = [];
    for (const series of snapshot === undefined ? [] : read(snapshot)) {
      if (!showable(series, type)) continue;
      const { labels, value, suffix = '' } = series;
      lines.push({ metricName: name + suffix, labels, sharedLabels: NO_SHARED_LABELS, value });
    }
    return lines;
  }
}

/** Writes an exposition. */
export type Exposition = () => Promise<string>;

/** The newest snapshot through these families: written once, however many scrapes ask before the next is published. */
export function snapshotExposition(latest: Latest, families: readonly Family[]): Exposition {
  const registry = new Registry();
  for (const family of families) void new SnapshotMetric(registry, family, latest);
  let written: { readonly of: Snapshot | undefined; readonly text: Promise<string> } | undefined;
  return () => {
    const of = latest();
    // Collected before this turn ends, so of this very snapshot.
    if (written === undefined || written.of !== of) written = { of, text: registry.metrics() };
    return written.text;
  };
}

/** Several expositions as one; the same string again where none of them has changed. */
export function joinExpositions(...parts: readonly Exposition[]): Exposition {
  let joined: { readonly of: readonly string[]; readonly text: string } | undefined;
  return async () => {
    const of = await Promise.all(parts.map((part) => part()));
    if (joined === undefined || of.some((text, part) => text !== joined?.of[part]))
      joined = { of, text: of.join('\n') };
    return joined.text;
  };
}
