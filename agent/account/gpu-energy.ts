// What a run's measured GPUs add up to: the one place that decides which devices count, for ledger, views and reports.

import type { DeviceBooks, Totals } from '../account.ts';
import type { Joules } from '../units.ts';
import { combine } from './combine.ts';

/** Energy of several GPUs; empty where nobody looked, because an unknown is absent and never 0. */
export interface GpuEnergy {
  readonly gpuJoules?: Joules;
  /** Expanded, k = 2. */
  readonly uncertaintyJoules?: Joules;
}

/** Whether these totals know an energy at all: some time was observed, or bridged by a counter. */
export const isObserved = (totals: Pick<Totals, 'observedSeconds' | 'bridgedSeconds'>): boolean =>
  totals.observedSeconds > 0 || totals.bridgedSeconds > 0;

/** Σ of the devices that are GPUs, have a sensor, and were observed: hosts and models stand apart (INTERFACE.md). */
export function gpuEnergyOf(lines: readonly Pick<DeviceBooks, 'device' | 'totals'>[]): GpuEnergy {
  const measured = lines.filter(
    ({ device, totals }) =>
      device.kind === 'gpu' && device.powerOrigin === 'measured' && isObserved(totals),
  );
  if (measured.length === 0) return {};
  const { energyJoules, uncertaintyJoules } = combine(measured.map(({ totals }) => totals));
  return { gpuJoules: energyJoules, uncertaintyJoules };
}
