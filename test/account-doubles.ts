// Devices and intervals for tests of the account and the ledger.

import fc from 'fast-check';

import type { ChargedInterval, Device, Run, Sensor } from '../agent/model.ts';
import { grams, instant, joules, kilowattHours, seconds, watts } from '../agent/units.ts';

/** When every test run starts. */
export const START = 1_800_000_000;

export const run: Run = {
  id: '20270115T080000Z-abcdef',
  host: 'node1',
  startSeconds: instant(START),
  labels: {},
};

export const sensor: Sensor = { field: 'draw', periodSeconds: 0.1, origin: 'inferred' };

export const device = (uuid: string): Device => ({
  uuid,
  index: 0,
  kind: 'gpu',
  model: 'NVIDIA H200',
  source: 'nvml',
  powerOrigin: 'measured',
});

export interface IntervalOptions {
  readonly uuid?: string;
  /** Seconds after START. */
  readonly at?: number;
  readonly length?: number;
  readonly energyJoules?: number;
  readonly observed?: number;
  readonly gap?: number;
  readonly bridged?: number;
  readonly estimate?: number;
  readonly estimateUncertainty?: number;
  readonly gainJoules?: number;
  readonly offsetJoules?: number;
  readonly aliasJoules?: number;
  readonly startEdgeJoules?: number;
  readonly endEdgeJoules?: number;
  readonly independent?: number;
  readonly pricePerKilowattHour?: number;
  readonly utilizationRatio?: number | undefined;
}

/** One charged interval: 250 J over a second unless told otherwise; PUE 1.2, 400 g/kWh. */
export function interval(options: IntervalOptions): ChargedInterval {
  const { at = 0, length = 1, energyJoules = 250, observed = length, gap = 0 } = options;
  const { gainJoules = 0, offsetJoules = 0, aliasJoules = 0 } = options;
  const facility = (energyJoules * 1.2) / 3.6e6;
  const price = options.pricePerKilowattHour ?? 0.25;
  const perJoule = (price * 1.2) / 3.6e6;
  return {
    uuid: options.uuid ?? 'GPU-a',
    startSeconds: instant(START + at),
    endSeconds: instant(START + at + length),
    method: 'integral',
    energyJoules: joules(energyJoules),
    observedSeconds: seconds(observed),
    gapSeconds: gap > 0 ? { 'no-reading': gap } : {},
    gapEstimateJoules: joules(options.estimate ?? 0),
    gapEstimateUncertaintyJoules: joules(options.estimateUncertainty ?? 0),
    bridgedSeconds: seconds(options.bridged ?? 0),
    uncertainty: {
      gainJoules,
      offsetJoules,
      aliasJoules,
      startEdgeJoules: options.startEdgeJoules ?? 0,
      endEdgeJoules: options.endEdgeJoules ?? 0,
      independentJoulesSquared: options.independent ?? 0,
    },
    ...(observed > 0 ? { powerMaxWatts: watts(700), powerMinWatts: watts(60) } : {}),
    sampleCount: observed > 0 ? 10 : 0,
    ...(options.utilizationRatio === undefined
      ? {}
      : { utilizationRatio: options.utilizationRatio }),
    wallOffsetSeconds: 0,
    charge: {
      facilityKilowattHours: kilowattHours(facility),
      costAmount: facility * Math.max(0, price),
      creditAmount: facility * Math.max(0, -price),
      // JSON has no −0.
      gainCostAmount: gainJoules * perJoule + 0,
      offsetCostAmount: offsetJoules * perJoule + 0,
      aliasCostAmount: aliasJoules * perJoule + 0,
      locationBasedGrams: grams(facility * 400),
    },
  };
}

const amount = (max: number): fc.Arbitrary<number> => fc.double({ min: 0, max, noNaN: true });

/** A tiling of at most 30 slots per device, in time order, some of them gaps, with any price and uncertainty. */
export function chargedIntervals(
  options: { readonly uuids?: readonly string[] } = {},
): fc.Arbitrary<ChargedInterval[]> {
  const slot = fc.record({
    gapped: fc.boolean(),
    energyJoules: amount(700),
    gainJoules: amount(20),
    offsetJoules: amount(20),
    aliasJoules: amount(20),
    startEdgeJoules: amount(20),
    endEdgeJoules: amount(20),
    independent: amount(100),
    estimate: amount(700),
    estimateUncertainty: amount(100),
    pricePerKilowattHour: fc.double({ min: -0.1, max: 1, noNaN: true }),
    utilizationRatio: fc.constantFrom(undefined, 0, 0, 0.4, 1),
  });
  const uuids = options.uuids ?? ['GPU-a'];
  return fc.array(slot, { minLength: 1, maxLength: 30 }).map((slots) =>
    slots.flatMap(({ gapped, ...rest }, at) =>
      uuids.map((uuid) =>
        gapped
          ? interval({
              uuid,
              at,
              energyJoules: 0,
              observed: 0,
              gap: 1,
              estimate: rest.estimate,
              estimateUncertainty: rest.estimateUncertainty,
            })
          : interval({ ...rest, uuid, at, estimate: 0, estimateUncertainty: 0 }),
      ),
    ),
  );
}
