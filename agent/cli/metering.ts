// The pipeline as commands use it: Config → meters, charges, account and ledger joined, with a port for the views.

import type { Account } from '../account.ts';
import type { MachineClock } from '../clock.ts';
import type { LedgerWriter } from '../ledger/writer.ts';
import { createConstantMeter } from '../meter/constant.ts';
import { createMeter } from '../meter/meter.ts';
import type { Device } from '../model.ts';
import type { Config } from '../options.ts';
import { createPipeline, type Pipeline, type PipelineOptions } from '../pipeline.ts';
import type { Settlement } from '../pipeline/settlement.ts';
import { watts, type Instant } from '../units.ts';
import type { Charges } from './charges.ts';
import type { Pricing } from './pricing.ts';

/** Length of an interval when nothing cuts it (ARCHITECTURE.md). */
const SLOT_SECONDS = 1;
const HOST_UUID = 'host-assumed';

/** What a pipeline is joined to. */
export interface MeteringOptions {
  readonly config: Config;
  readonly pricing: Pricing;
  readonly charges: Charges;
  readonly account: Account;
  /** Absent: the books are in memory alone (replay, record). */
  readonly ledger?: LedgerWriter;
  readonly startSeconds?: Instant;
  /** The machine's clock, where the readings are live: it knows when the machine slept. */
  readonly clock?: MachineClock;
  /** Which devices are measured; absent: all. */
  select?(devices: readonly Device[]): readonly Device[];
  /** Gain and offset of boards that were held against a meter; absent: none was. */
  readonly calibrationOf?: NonNullable<PipelineOptions['calibrationOf']>;
  /** Told what has become final, before any view shows it. */
  onSettled?(settlement: Settlement): void;
  /** Writes down what stands beside the slot, after it and before any view shows it. */
  recordAlso?(): Promise<unknown> | undefined;
  /** Composes the view of what has just been settled; called before it is durable. */
  compose?(): (() => void) | undefined;
}

/** Joins the stages. */
export function openMetering(options: MeteringOptions): Pipeline {
  const { config, pricing, charges, account, ledger } = options;
  const hostWatts = config.hostWatts;
  return createPipeline({
    account,
    createMeter: (meter) =>
      meter.device.source === 'constant'
        ? createConstantMeter({ ...meter, powerWatts: watts(hostWatts ?? 0) })
        : createMeter(meter),
    charge: (interval) => ({ ...interval, charge: charges.charge(interval) }),
    nextChange: (time) => pricing.nextChange(time),
    settle: (settlement) => {
      options.onSettled?.(settlement);
      const show = options.compose?.();
      const kept = record(ledger, settlement);
      const also = options.recordAlso?.();
      void Promise.all([kept, also]).then(() => show?.());
    },
    select: (devices) => options.select?.(devices) ?? devices,
    constants: hostWatts === undefined ? [] : [hostDevice],
    takeSuspensions: () => options.clock?.takeSuspensions() ?? [],
    slotSeconds: SLOT_SECONDS,
    ...(config.periodSeconds === undefined ? {} : { samplingPeriodSeconds: config.periodSeconds }),
    ...(options.startSeconds === undefined ? {} : { startSeconds: options.startSeconds }),
    ...(options.calibrationOf === undefined ? {} : { calibrationOf: options.calibrationOf }),
  });
}

/** The rest of the node, as --host-watts says it. */
export const hostDevice: Device = {
  uuid: HOST_UUID,
  index: 0,
  kind: 'host',
  model: 'host, constant (--host-watts)',
  source: 'constant',
  powerOrigin: 'modelled',
};

/** Hands a settlement over in order; resolves when the kernel has it, or when memory must do. */
async function record(ledger: LedgerWriter | undefined, settlement: Settlement): Promise<void> {
  if (ledger === undefined) return;
  for (const { device, sensor } of settlement.devices) void ledger.addDevice(device, sensor);
  for (const { warning, uuid } of settlement.warnings) void ledger.addWarning(warning, uuid);
  for (const { uuid, xid, atSeconds, warning } of settlement.xids) {
    void ledger.addXid(uuid, xid, atSeconds);
    void ledger.addWarning(warning, uuid);
  }
  await ledger.addSlot(settlement.intervals);
}
