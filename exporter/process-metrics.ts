// The exporter's own process, as prom-client measures it: those of its metrics whose names promtool accepts and whose
// values are always numbers.

import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';

import type { Exposition } from './registry.ts';

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
  'nodejs_gc_duration_seconds',
  'nodejs_version_info',
] as const;

// Its default of 10 ms would wake an idle agent a hundred times a second, for metrics that are not among the chosen.
const EVENT_LOOP_PRECISION_MILLISECONDS = 1000;

let chosen: Registry | undefined;

// The process is looked at no more often than this, however many ask: the rest of a scrape is as old.
const LOOK_MILLISECONDS = 1000;

/** The process's metrics, at most `lookMilliseconds` old; collected once per process, because prom-client cannot stop its observers. */
export function processExposition(lookMilliseconds: number = LOOK_MILLISECONDS): Exposition {
  const registry = (chosen ??= chooseMetrics());
  let seen: { readonly atMilliseconds: number; readonly text: Promise<string> } | undefined;
  return () => {
    const now = performance.now();
    if (seen === undefined || now - seen.atMilliseconds >= lookMilliseconds)
      seen = { atMilliseconds: now, text: registry.metrics() };
    return seen.text;
  };
}

function chooseMetrics(): Registry {
  const all = new Registry();
  collectDefaultMetrics({
    register: all,
    eventLoopMonitoringPrecision: EVENT_LOOP_PRECISION_MILLISECONDS,
  });
  const registry = new Registry();
  for (const name of CHOSEN) {
    const metric = all.getSingleMetric(name);
    if (metric !== undefined) registry.registerMetric(metric);
  }
  addEventLoopLag(registry);
  return registry;
}

/** prom-client's own works out seven figures more at each scrape, which takes as long as all the rest of it. */
function addEventLoopLag(registry: Registry): void {
  const lag = new Gauge({
    name: 'nodejs_eventloop_lag_seconds',
    help: 'How long the event loop took to come round after the scrape before, in seconds.',
    registers: [registry],
    collect() {
      const askedMilliseconds = performance.now();
      setImmediate(() => lag.set((performance.now() - askedMilliseconds) / 1e3));
    },
  });
  // It is not known before the second scrape, and 0 would be a claim.
  lag.remove();
}
