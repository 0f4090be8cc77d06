// Doctor on the observer: what measuring itself costs, and what went wrong while it looked. Pure.

import { formatDuration, formatPercent } from '../display/quantity.ts';
import type { Finding, LookFacts } from './doctor.ts';

// A read that takes half of a 100 ms period leaves no room to keep the grid; 10 % of a core is what nobody notices.
const SLOW_READ_SECONDS = 0.05;
const MUCH_CPU_RATIO = 0.1;
/** Of a look this short a start-up would be most of the CPU time. */
const SHORTEST_LOOK_SECONDS = 1;

/** The value below which this share of the values lies; undefined of none. */
function quantile(values: readonly number[], share: number): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}

const observer = (finding: Omit<Finding, 'area'>): Finding => ({ area: 'observer', ...finding });

/** Findings about what the look cost, and the faults that it met. */
export function observerFindings(look: LookFacts): readonly Finding[] {
  return [...reads(look), ...cpu(look), ...faults(look)];
}

function reads({ readSeconds, source }: LookFacts): Finding[] {
  // A recording is read from a file, which says nothing of a driver.
  if (source === 'replay') return [];
  const median = quantile(readSeconds, 0.5);
  const slow = quantile(readSeconds, 0.99);
  if (median === undefined || slow === undefined) return [];
  const thing = 'A read of all devices';
  const cause = `takes ${formatDuration(median)} (p99 ${formatDuration(slow)}, ${readSeconds.length} reads)`;
  if (slow <= SLOW_READ_SECONDS)
    return [observer({ code: 'read-time', severity: 'ok', thing, cause })];
  return [
    observer({
      code: 'read-slow',
      severity: 'note',
      thing,
      cause: `${cause}: readings come late, and the driver is kept busy`,
      mend: 'Turn persistence mode on, or read less often: --period-seconds 1.',
    }),
  ];
}

function cpu({ cpuRatio, lookSeconds }: LookFacts): Finding[] {
  if (lookSeconds < SHORTEST_LOOK_SECONDS) return [];
  const thing = 'Wattmeter itself';
  const cause = `took ${formatPercent(cpuRatio)} of one core over ${formatDuration(lookSeconds)}`;
  if (cpuRatio <= MUCH_CPU_RATIO)
    return [observer({ code: 'own-cpu', severity: 'ok', thing, cause })];
  return [
    observer({
      code: 'own-cpu-high',
      severity: 'note',
      thing,
      cause,
      mend: 'Read less often: --period-seconds 0.5.',
    }),
  ];
}

function faults(look: LookFacts): Finding[] {
  // What kept everything from being measured has been said already.
  if (look.outcome !== 'measuring') return [];
  const byMessage = new Map(look.faults.map((fault) => [fault.message, fault]));
  return [...byMessage.values()].map(({ source, reason, message }) =>
    observer({
      code: `fault-${reason}`,
      severity: 'problem',
      thing: source,
      cause: message,
      mend: 'Look at dmesg; while it lasts, the time is a gap in the books.',
    }),
  );
}
