// The one histogram: how long reads of a source take, counted by the pipeline and only repeated here.

import { READ_DURATION_BOUNDS_SECONDS, type Snapshot } from '../agent/snapshot.ts';

/** One series of a histogram: cumulative counts per upper bound, without `+Inf`. */
export interface HistogramSeries {
  readonly labels: Readonly<Record<string, string>>;
  readonly buckets: readonly number[];
  readonly sum: number;
  readonly count: number;
}

/** A family of histograms. */
export interface HistogramFamily {
  readonly name: string;
  readonly type: 'histogram';
  readonly help: string;
  readonly labelNames: readonly string[];
  readonly bounds: readonly number[];
  readonly read: (snapshot: Snapshot) => Iterable<HistogramSeries>;
}

/** Read durations per source. */
export const READ_DURATION_FAMILY: HistogramFamily = {
  name: 'wattmeter_source_read_duration_seconds',
  type: 'histogram',
  help: 'Duration of one successful read of all devices of the source in seconds.',
  labelNames: ['source'],
  bounds: READ_DURATION_BOUNDS_SECONDS,
  read: ({ sources }) =>
    sources.map((source) => ({
      labels: { source: source.kind },
      buckets: source.readDurationBuckets,
      sum: source.readDurationSumSeconds,
      count: source.readDurationCount,
    })),
};
