// The exporter's own process, as prom-client measures it: those of its metrics whose names promtool accepts and whose
// values are always numbers.

import { collectDefaultMetrics, Registry } from 'prom-client';

// Some families are filled by the `collect` of another: process_cpu_user_seconds_total, process_resident_memory_bytes.
const CHOSEN = [
  'process_cpu_user_seconds_total',
  'process_cpu_system_seconds_total',
  'process_cpu_seconds_total',
  'process_resident_memory_bytes',
  'process_virtual_memory_bytes',
  'process_start_time_seconds',
  'process_open_fds',
  'process_max_fds',
  'nodejs_eventloop_lag_seconds',
  'nodejs_gc_duration_seconds',
  'nodejs_version_info',
] as const;

// Its default of 10 ms would wake an idle agent a hundred times a second.
const EVENT_LOOP_PRECISION_MILLISECONDS = 1000;

let all: Registry | undefined;

/** Adds the process's metrics; collected once per process, because prom-client cannot stop its observers. */
export function addProcessMetrics(registry: Registry): void {
  if (all === undefined) {
    all = new Registry();
    collectDefaultMetrics({
      register: all,
      eventLoopMonitoringPrecision: EVENT_LOOP_PRECISION_MILLISECONDS,
    });
  }
  for (const name of CHOSEN) {
    const metric = all.getSingleMetric(name);
    if (metric !== undefined) registry.registerMetric(metric);
  }
}
