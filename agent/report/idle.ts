// The idle part of a run: time in which a GPU of it was there, drew power and computed nothing.

import type { Totals } from '../account.ts';
import { IDLE_RULE, type IdleTotals } from '../account/idle.ts';
import {
  figure,
  knownFigure,
  meanFigure,
  secondsFigure,
  sum,
  sumIfKnown,
  sumOfKnown,
} from './figure.ts';
import { present } from './present.ts';
import type { ReportDevice, ReportIdle, ReportIdleTime } from './report.ts';

const SECONDS_PER_HOUR = 3600;

/** A device's idle time as its line has it; of no idle energy money and grams are known as far as those of the whole. */
export function idleTimeOf(
  idle: IdleTotals | undefined,
  whole: Pick<Totals, 'costAmount' | 'locationBasedGrams'>,
): ReportIdleTime | undefined {
  if (idle === undefined) return undefined;
  const hasIdled = idle.energyJoules !== 0;
  const hasCost = hasIdled || whole.costAmount !== undefined;
  const hasGrams = hasIdled || whole.locationBasedGrams !== undefined;
  return {
    knownSeconds: secondsFigure(idle.knownSeconds),
    idleSeconds: secondsFigure(idle.idleSeconds),
    energyJoules: figure(idle.energyJoules),
    facilityKilowattHours: figure(idle.facilityKilowattHours),
    ...present({
      energyCost: hasCost ? knownFigure(idle.costAmount) : undefined,
      locationBasedGrams: hasGrams ? knownFigure(idle.locationBasedGrams) : undefined,
    }),
  };
}

/** The idle time of several lines together; undefined where none of them knows any. */
export function idleTimeOfAll(times: readonly ReportIdleTime[]): ReportIdleTime | undefined {
  if (times.length === 0) return undefined;
  return {
    knownSeconds: secondsFigure(sum(times.map((time) => time.knownSeconds))),
    idleSeconds: secondsFigure(sum(times.map((time) => time.idleSeconds))),
    energyJoules: figure(sum(times.map((time) => time.energyJoules))),
    facilityKilowattHours: figure(sum(times.map((time) => time.facilityKilowattHours))),
    ...present({
      energyCost: knownFigure(sumIfKnown(times.map((time) => time.energyCost))),
      locationBasedGrams: knownFigure(sumIfKnown(times.map((time) => time.locationBasedGrams))),
    }),
  };
}

/** The run's idle part; undefined where no GPU's utilisation is known. */
export function idleOf(
  devices: readonly ReportDevice[],
  perGpuHourCost: number | undefined,
): ReportIdle | undefined {
  const time = idleTimeOfAll(devices.flatMap(({ idle }) => idle ?? []));
  const timeRatio = time && meanFigure(time.idleSeconds, time.knownSeconds);
  if (time === undefined || timeRatio === undefined) return undefined;
  const all = sumOfKnown(devices.map(({ energyJoules }) => energyJoules));
  return {
    ...time,
    timeRatio,
    ...present({
      energyRatio: all === undefined ? undefined : meanFigure(time.energyJoules, all),
      hardwareCost:
        perGpuHourCost === undefined
          ? undefined
          : figure((time.idleSeconds / SECONDS_PER_HOUR) * perGpuHourCost),
    }),
    provenance: 'measured',
    source: IDLE_RULE,
  };
}
