// What a row says beside its power: the device's facts and its slow values.

import type { Device, Gauges, SourceKind } from '../../model.ts';
import { fromMebibytes, fromMegahertz, fromPercent, watts } from '../../units.ts';
import { missingReason, numberOf } from './cell.ts';
import type { FactName } from './titles.ts';

/** Gives the cell of a fact, where the log has it. */
export type FactCell = (fact: FactName) => string | undefined;

function numberFact(cellOf: FactCell, name: FactName): number | undefined {
  const value = numberOf(cellOf(name) ?? '');
  return value === value ? value : undefined;
}

function textFact(cellOf: FactCell, name: FactName): string | undefined {
  const cell = cellOf(name)?.trim();
  return cell === undefined || missingReason(cell) !== undefined ? undefined : cell;
}

/** The facts of a device as its row has them. */
export function deviceOf(
  identity: { readonly uuid: string; readonly index: number; readonly source: SourceKind },
  cellOf: FactCell,
): Device {
  const driverVersion = textFact(cellOf, 'driverVersion');
  const pciBusId = textFact(cellOf, 'pciBusId');
  const powerLimit = numberFact(cellOf, 'powerLimit');
  const ratedPower = numberFact(cellOf, 'ratedPower');
  const memoryTotal = numberFact(cellOf, 'memoryTotal');
  return {
    ...identity,
    kind: 'gpu',
    model: textFact(cellOf, 'name') ?? 'unknown',
    powerOrigin: 'measured',
    ...(driverVersion !== undefined && { driverVersion }),
    ...(pciBusId !== undefined && { pciBusId }),
    ...(powerLimit !== undefined && { powerLimitWatts: watts(powerLimit) }),
    ...(ratedPower !== undefined && { ratedPowerWatts: watts(ratedPower) }),
    ...(memoryTotal !== undefined && { memoryTotalBytes: fromMebibytes(memoryTotal) }),
  };
}

/** The slow values of a row; undefined when it has none. */
export function gaugesOf(cellOf: FactCell): Gauges | undefined {
  const utilization = numberFact(cellOf, 'utilization');
  const memoryUsed = numberFact(cellOf, 'memoryUsed');
  const memoryTotal = numberFact(cellOf, 'memoryTotal');
  const temperature = numberFact(cellOf, 'temperature');
  const smClock = numberFact(cellOf, 'smClock');
  const powerLimit = numberFact(cellOf, 'powerLimit');
  const gauges: Gauges = {
    ...(utilization !== undefined && { utilizationRatio: fromPercent(utilization) }),
    ...(memoryUsed !== undefined && { memoryUsedBytes: fromMebibytes(memoryUsed) }),
    ...(memoryTotal !== undefined && { memoryTotalBytes: fromMebibytes(memoryTotal) }),
    ...(temperature !== undefined && { temperatureCelsius: temperature }),
    ...(smClock !== undefined && { smClockHertz: fromMegahertz(smClock) }),
    ...(powerLimit !== undefined && { powerLimitWatts: watts(powerLimit) }),
  };
  return Object.keys(gauges).length === 0 ? undefined : gauges;
}
