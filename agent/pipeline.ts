// The one loop that joins the stages: source events in; metered, charged, accounted and recorded intervals out.
// Order is a promise: an interval is written to the ledger before any view shows it.

import type { Account } from './account.ts';
import { createHealthLedger } from './health.ts';
import type { Device, SourceKind } from './model.ts';
import { snapshotOf, type LaneOptions } from './pipeline/lane.ts';
import { createLanes } from './pipeline/lanes.ts';
import { openSettlement, type Settlement } from './pipeline/settlement.ts';
import type { DeviceSnapshot, SourceHealth } from './snapshot.ts';
import type { SourceEvent } from './source/source.ts';
import type { Instant } from './units.ts';

/** The stages, and where their results go. */
export interface PipelineOptions extends LaneOptions {
  readonly account: Account;
  /**
   * Makes a settlement durable and then renews the views: a view is composed here and now, when the account holds
   * exactly what is recorded, and shown once the record is written. Also called, empty, while time passes. Never throws.
   */
  settle(settlement: Settlement): void;
  /** Which of a source's devices are measured; the others are not looked at. */
  select(devices: readonly Device[]): readonly Device[];
  /** Devices that nobody reads (--host-watts): metered by the passing of time. */
  readonly constants?: readonly Device[];
  /** Stretches in which the machine slept, since the last question. */
  takeSuspensions?(): readonly { readonly startSeconds: Instant; readonly endSeconds: Instant }[];
}

/** The joined stages. */
export interface Pipeline {
  consume(source: SourceKind, event: SourceEvent): void;
  /** Intervals of every device are to end at `time`; `edge`: a load is known to start or end exactly there. */
  cut(time: Instant, edge?: 'start' | 'end'): void;
  /** The run ends at `time`: a load ends exactly there, and what is metered after it is not the run's. */
  end(time: Instant): void;
  /** Closes every meter at `end`, or all at the last reading of any, and settles. */
  finish(end?: Instant): void;
  /** The devices as they stand. */
  devices(): readonly DeviceSnapshot[];
  health(): readonly SourceHealth[];
  /** First and last instants of what was metered; undefined before the first reading. */
  readonly firstSeconds: Instant | undefined;
  readonly lastSeconds: Instant | undefined;
}

// A log at full speed settles in bulk; live, every slot settles (the meter withholds until a slot is final).
const SETTLE_AT_INTERVALS = 4096;

/** Joins the stages; no work is done until events are consumed. */
export function createPipeline(options: PipelineOptions): Pipeline {
  const { account, slotSeconds } = options;
  const health = createHealthLedger();
  const settlement = openSettlement(account);
  const lanes = createLanes(options, settlement);
  lanes.list('constant', options.constants ?? []);
  let settledSlot = Number.NEGATIVE_INFINITY;

  const settle = (): void => options.settle(settlement.take());

  const settleAtSlot = (time: Instant): void => {
    const slot = Math.floor(time / slotSeconds);
    const isNewSlot = slot > settledSlot;
    // Devices without readings live by the others' time.
    if (isNewSlot) lanes.advance('constant', time);
    const count = settlement.intervalCount;
    if (count < SETTLE_AT_INTERVALS && (count === 0 || !isNewSlot)) return;
    settledSlot = slot;
    settle();
  };

  const consume = (source: SourceKind, event: SourceEvent): void => {
    switch (event.kind) {
      case 'devices':
        return lanes.list(source, options.select(event.devices));
      case 'batch': {
        const lastReading = lanes.add(event.batch);
        return lastReading === undefined ? undefined : settleAtSlot(lastReading);
      }
      case 'tick':
        lanes.advance(source, event.timeSeconds);
        lanes.advance('constant', event.timeSeconds);
        return settle();
      case 'warning':
        return settlement.warn(event.warning);
      case 'xid': {
        const { uuid, xid, message, timeSeconds: atSeconds } = event;
        if (!lanes.has(uuid)) return undefined;
        return settlement.addXid({ uuid, xid, atSeconds, warning: { code: 'gpu-xid', message } });
      }
      case 'read':
      case 'fault':
        return undefined;
    }
  };

  return {
    consume(source, event) {
      health.add(source, event);
      for (const { startSeconds, endSeconds } of options.takeSuspensions?.() ?? [])
        lanes.suspended(startSeconds, endSeconds);
      consume(source, event);
    },
    cut: (time, edge) => lanes.cut(time, edge),
    end: (time) => lanes.end(time),
    finish(end) {
      lanes.finish(end);
      settle();
    },
    devices: () => lanes.all().flatMap((lane) => snapshotOf(lane, account) ?? []),
    health: () => health.list(),
    get firstSeconds() {
      return lanes.firstSeconds;
    },
    get lastSeconds() {
      return lanes.lastSeconds;
    },
  };
}
