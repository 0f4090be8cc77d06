// The one histogram: how long reads of a source take, counted by the pipeline and only repeated here.

import { READ_DURATION_BOUNDS_SECONDS, type SourceHealth } from '../agent/snapshot.ts';
import type { Family, Series } from './family.ts';

/** Read durations per source. */
export const READ_DURATION_FAMILY: Family = {
  name: 'wattmeter_source_read_duration_seconds',
  type: 'histogram',
  help: 'Duration of one successful read of all devices of the source in seconds.',
  labelNames: ['source'],
  read: ({ sources }) => sources.flatMap(linesOf),
};

/** A histogram stands or falls as a whole: without one of its numbers the others mislead. */
function linesOf(health: SourceHealth): Series[] {
  const { kind: source, readDurationBuckets, readDurationSumSeconds, readDurationCount } = health;
  const count = readDurationCount;
  if (![...readDurationBuckets, readDurationSumSeconds, count].every(Number.isFinite)) return [];
  const bucket = (bound: string, value: number): Series => ({
    suffix: '_bucket',
    labels: { source, le: bound },
    value,
  });
  return [
    ...READ_DURATION_BOUNDS_SECONDS.map((bound, position) =>
      bucket(String(bound), readDurationBuckets[position] ?? count),
    ),
    bucket('+Inf', count),
    { suffix: '_sum', labels: { source }, value: readDurationSumSeconds },
    { suffix: '_count', labels: { source }, value: count },
  ];
}
