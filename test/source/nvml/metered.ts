// What a meter makes of what the source said: the joules of one simulated GPU, beside the truth.

import { createMeter } from '../../../agent/meter/meter.ts';
import type { GapReason, Interval } from '../../../agent/model.ts';
import { instant } from '../../../agent/units.ts';
import { simulatedUuid } from '../../doubles/gpu-scenario.ts';
import { type Measured, totalsOf } from '../../meter/metering.ts';
import type { Collected } from './harness.ts';

/** The books of GPU `index` from `start` to `end`, fed as the pipeline feeds them: batches and the passing of time. */
export function meteredGpu(
  collected: Collected,
  index: number,
  start: number,
  end: number,
): Measured {
  const uuid = simulatedUuid(index);
  const device = collected
    .of('devices')
    .at(-1)
    ?.devices.find((one) => one.uuid === uuid);
  if (device === undefined) throw new Error(`No GPU ${index} was announced.`);
  const meter = createMeter({ device, startSeconds: instant(start), slotSeconds: 1 });
  meter.cut(instant(end), 'end');
  const intervals: Interval[] = [];
  for (const event of collected.events) {
    if (event.kind === 'batch' && event.batch.uuid === uuid)
      intervals.push(...meter.add(event.batch));
    if (event.kind === 'tick') intervals.push(...meter.advance(event.timeSeconds));
  }
  intervals.push(...meter.finish(instant(end)));
  return totalsOf(intervals.filter(({ endSeconds }) => endSeconds <= end));
}

/** Seconds of gap by reason. */
export function gapsOf({ intervals }: Measured): Partial<Record<GapReason, number>> {
  const gaps: Partial<Record<GapReason, number>> = {};
  for (const { gapSeconds } of intervals) {
    for (const [reason, seconds] of Object.entries(gapSeconds)) {
      gaps[reason as GapReason] = (gaps[reason as GapReason] ?? 0) + seconds;
    }
  }
  return gaps;
}
