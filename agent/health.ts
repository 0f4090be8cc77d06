// The fold of source events into each source's health: what the exporter shows and the report warns about. Pure.

import { READING_STATUS, type ReadingStatus, type SourceKind } from './model.ts';
import { READ_DURATION_BOUNDS_SECONDS, type SourceHealth } from './snapshot.ts';
import type { SourceEvent } from './source/source.ts';
import type { Instant } from './units.ts';

interface MutableHealth {
  up: boolean;
  lastSuccessSeconds: Instant | undefined;
  readonly errorsByReason: Map<string, number>;
  sampleCount: number;
  readonly buckets: number[];
  durationSum: number;
  durationCount: number;
}

/** Health of every source seen so far. */
export interface HealthLedger {
  add(kind: SourceKind, event: SourceEvent): void;
  list(): readonly SourceHealth[];
}

const create = (): MutableHealth => ({
  up: false,
  lastSuccessSeconds: undefined,
  errorsByReason: new Map(),
  sampleCount: 0,
  buckets: READ_DURATION_BOUNDS_SECONDS.map(() => 0),
  durationSum: 0,
  durationCount: 0,
});

/** Starts with nothing known; a source appears with its first event. */
export function createHealthLedger(): HealthLedger {
  const byKind = new Map<SourceKind, MutableHealth>();

  const healthOf = (kind: SourceKind): MutableHealth => {
    const known = byKind.get(kind);
    if (known !== undefined) return known;
    const fresh = create();
    byKind.set(kind, fresh);
    return fresh;
  };

  return {
    add(kind, event) {
      const health = healthOf(kind);
      switch (event.kind) {
        case 'batch':
          addBatch(health, event.batch);
          break;
        case 'read':
          addRead(health, event.durationSeconds, event.timeSeconds);
          break;
        case 'fault':
          health.up = false;
          addError(health, event.reason);
          break;
        case 'devices':
        case 'tick':
        case 'warning':
        case 'xid':
          break;
      }
    },
    list: () => [...byKind].map(([kind, health]) => freeze(kind, health)),
  };
}

/** A device without a sensor is no error at every reading; a hang is one fault, whose readings are its shadow. */
const isNoError = (status: ReadingStatus): boolean =>
  status === 'not-supported' || status === 'timeout';

function addError({ errorsByReason }: MutableHealth, reason: string): void {
  errorsByReason.set(reason, (errorsByReason.get(reason) ?? 0) + 1);
}

function addBatch(
  health: MutableHealth,
  batch: { status: Uint8Array; length: number; timeSeconds: Float64Array },
): void {
  let good = 0;
  for (let row = 0; row < batch.length; row++) {
    const status = READING_STATUS[batch.status[row] ?? 0];
    if (status === 'ok') good++;
    else if (status !== undefined && !isNoError(status)) addError(health, status);
  }
  health.sampleCount += good;
  const last = batch.timeSeconds[batch.length - 1];
  if (good > 0 && last !== undefined) {
    health.up = true;
    health.lastSuccessSeconds = last as Instant;
  }
}

function addRead(health: MutableHealth, durationSeconds: number, timeSeconds: Instant): void {
  health.up = true;
  health.lastSuccessSeconds = timeSeconds;
  health.durationSum += durationSeconds;
  health.durationCount++;
  READ_DURATION_BOUNDS_SECONDS.forEach((bound, position) => {
    if (durationSeconds <= bound) health.buckets[position] = (health.buckets[position] ?? 0) + 1;
  });
}

const freeze = (kind: SourceKind, health: MutableHealth): SourceHealth => ({
  kind,
  up: health.up,
  ...(health.lastSuccessSeconds === undefined
    ? {}
    : { lastSuccessSeconds: health.lastSuccessSeconds }),
  errorsByReason: Object.fromEntries(health.errorsByReason),
  sampleCount: health.sampleCount,
  readDurationBuckets: [...health.buckets],
  readDurationSumSeconds: health.durationSum,
  readDurationCount: health.durationCount,
});
