// One device's books as one line of the report.

import { isObserved } from '../account/gpu-energy.ts';
import type { DeviceBooks, Totals, UncertaintyComponents } from '../account.ts';
import { meanPower } from '../units.ts';
import { figure, knownFigure, secondsFigure, sum } from './figure.ts';
import { idleTimeOf } from './idle.ts';
import { present } from './present.ts';
import type { ReportDevice, ReportUncertainty } from './report.ts';

/** Uncertainty parts as the report shows them. */
const componentsOf = (components: UncertaintyComponents): ReportUncertainty => ({
  gainJoules: figure(components.gainJoules),
  offsetJoules: figure(components.offsetJoules),
  aliasJoules: figure(components.aliasJoules),
  edgeJoules: figure(components.edgeJoules),
  independentJoules: figure(components.independentJoules),
});

/** Seconds that stayed unmeasured: gaps less what the counter bridged afterwards. */
export const unbridgedSecondsOf = (totals: Totals): number =>
  secondsFigure(Math.max(0, sum(Object.values(totals.gapSeconds)) - totals.bridgedSeconds));

/** Observed ÷ (observed + unbridged gaps); 0 when nothing was observed, for then nothing is covered. */
export function coverageOf(observedSeconds: number, gapSeconds: number): number {
  const whole = observedSeconds + gapSeconds;
  return whole > 0 ? figure(observedSeconds / whole) : 0;
}

/** Cost less credits; absent when part of the energy has no price. */
export const netCostOf = (
  totals: Pick<Totals, 'costAmount' | 'creditAmount'>,
): number | undefined =>
  totals.costAmount === undefined ? undefined : totals.costAmount - (totals.creditAmount ?? 0);

const gapsOf = (totals: Totals): ReportDevice['gapSecondsByReason'] =>
  Object.fromEntries(
    Object.entries(totals.gapSeconds)
      .filter(([, length]) => length > 0)
      .map(([reason, length]) => [reason, secondsFigure(length)]),
  );

function powersOf(
  totals: Totals,
): Pick<ReportDevice, 'powerMeanWatts' | 'powerMaxWatts' | 'powerMinWatts'> {
  const mean = meanPower(totals.energyJoules, totals.observedSeconds);
  const { powerMaxWatts: max, powerMinWatts: min } = totals;
  return present({
    powerMeanWatts: knownFigure(mean),
    // A counter sees what lies between the readings: the extremes are at least as far out as its mean.
    powerMaxWatts: knownFigure(max === undefined ? undefined : Math.max(max, mean ?? max)),
    powerMinWatts: knownFigure(min === undefined ? undefined : Math.min(min, mean ?? min)),
  });
}

function gapEstimateOf(
  totals: Totals,
  gapSeconds: number,
): Pick<ReportDevice, 'gapEstimateJoules' | 'gapEstimateUncertaintyJoules'> {
  // What was never read has nothing to estimate from, nor has the pause before a run was resumed: an estimate of 0 ± 0
  // is none.
  const isEstimated = totals.gapEstimateJoules > 0 || totals.gapEstimateUncertaintyJoules > 0;
  if (gapSeconds === 0 || !isObserved(totals) || !isEstimated) return {};
  return {
    gapEstimateJoules: figure(totals.gapEstimateJoules),
    gapEstimateUncertaintyJoules: figure(totals.gapEstimateUncertaintyJoules),
  };
}

const chargesOf = (
  totals: Totals,
): Pick<
  ReportDevice,
  | 'facilityKilowattHours'
  | 'energyCost'
  | 'uncertaintyCost'
  | 'locationBasedGrams'
  | 'marketBasedGrams'
> =>
  present({
    facilityKilowattHours: figure(totals.facilityKilowattHours),
    energyCost: knownFigure(netCostOf(totals)),
    uncertaintyCost: knownFigure(totals.uncertaintyCostAmount),
    locationBasedGrams: knownFigure(totals.locationBasedGrams),
    marketBasedGrams: knownFigure(totals.marketBasedGrams),
  });

/** How the energy came to be, where there is one; what is modelled is so before anything is known of it. */
const methodOf = (device: DeviceBooks['device'], totals: Totals): ReportDevice['method'] => {
  if (device.powerOrigin === 'modelled') return 'modelled';
  return isObserved(totals) ? totals.method : undefined;
};

/** The line of a device; of one that was never observed, energy and all that follows from it is unknown. */
export function deviceLineOf({
  device,
  sensor,
  totals,
  idle,
  warnings,
}: DeviceBooks): ReportDevice {
  const gapSeconds = unbridgedSecondsOf(totals);
  const observedSeconds = secondsFigure(totals.observedSeconds);
  const isKnown = isObserved(totals);
  return {
    ...present({
      uuid: device.uuid,
      index: device.index,
      model: device.model,
      source: device.source,
      driverVersion: device.driverVersion,
      method: methodOf(device, totals),
    }),
    ...(isKnown && {
      energyJoules: figure(totals.energyJoules),
      uncertaintyJoules: figure(totals.uncertaintyJoules),
      uncertaintyComponents: componentsOf(totals.components),
    }),
    ...gapEstimateOf(totals, gapSeconds),
    coverageRatio: coverageOf(observedSeconds, gapSeconds),
    observedSeconds,
    gapSeconds,
    gapSecondsByReason: gapsOf(totals),
    ...(totals.bridgedSeconds > 0 && { bridgedSeconds: secondsFigure(totals.bridgedSeconds) }),
    ...powersOf(totals),
    ...present({
      ratedPowerWatts: device.ratedPowerWatts,
      sampleCount: totals.sampleCount,
      counterJoules: knownFigure(totals.counterJoules),
      integralJoules: knownFigure(totals.integralJoules),
    }),
    sensor: present({
      field: sensor.field,
      windowSeconds: sensor.windowSeconds,
      periodSeconds: sensor.periodSeconds,
      origin: sensor.origin,
    }),
    ...(isKnown && chargesOf(totals)),
    ...present({
      utilizationRatioMean: knownFigure(idle?.utilizationRatioMean),
      idle: idleTimeOf(idle, totals),
    }),
    warnings,
  };
}
