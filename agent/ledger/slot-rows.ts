// Intervals as rows of cells, by position. Numbers keep all their digits, so that stored books are the measured ones to
// the last bit. Reading is an untrusted border: a row that is not exactly an interval is refused.

import { METHODS, READING_STATUS, type Charge, type ChargedInterval } from '../model.ts';
import { grams, instant, joules, kilowattHours, seconds, watts } from '../units.ts';
import type { Cell } from './records.ts';

/** Every reason that a gap may have. */
export const GAP_REASONS: readonly string[] = [
  ...READING_STATUS.filter((status) => status !== 'ok'),
  'no-reading',
  'suspended',
  'edge',
];

/** One interval as a row; new columns go to the end. */
export function encodeRow(interval: ChargedInterval, deviceNumber: number): Cell[] {
  const { uncertainty, charge, gapSeconds } = interval;
  return [
    deviceNumber,
    interval.startSeconds,
    interval.endSeconds,
    METHODS.indexOf(interval.method),
    interval.energyJoules,
    interval.observedSeconds,
    Object.keys(gapSeconds).length === 0 ? null : (gapSeconds as Record<string, number>),
    interval.gapEstimateJoules,
    interval.gapEstimateUncertaintyJoules,
    interval.bridgedSeconds,
    uncertainty.gainJoules,
    uncertainty.offsetJoules,
    uncertainty.aliasJoules,
    uncertainty.startEdgeJoules,
    uncertainty.endEdgeJoules,
    uncertainty.independentJoulesSquared,
    interval.powerMaxWatts ?? null,
    interval.powerMinWatts ?? null,
    interval.sampleCount,
    interval.counterJoules ?? null,
    interval.integralJoules ?? null,
    interval.wallOffsetSeconds,
    charge.facilityKilowattHours,
    charge.costAmount ?? null,
    charge.creditAmount ?? null,
    charge.gainCostAmount ?? null,
    charge.offsetCostAmount ?? null,
    charge.aliasCostAmount ?? null,
    charge.locationBasedGrams ?? null,
    charge.marketBasedGrams ?? null,
    interval.utilizationRatio ?? null,
  ];
}

/** The row's interval; undefined when the row is not one. `uuidOf` knows the devices introduced so far. */
export function decodeRow(
  row: readonly unknown[],
  uuidOf: (deviceNumber: number) => string | undefined,
): ChargedInterval | undefined {
  let sound = true;
  let position = 0;
  const required = (): number => {
    const cell = row[position++];
    if (typeof cell === 'number') return cell;
    sound = false;
    return 0;
  };
  const optional = (): number | undefined => {
    const cell = row[position++] ?? undefined;
    if (cell === undefined || typeof cell === 'number') return cell;
    sound = false;
    return undefined;
  };
  const uuid = uuidOf(required());
  const startSeconds = instant(required());
  const endSeconds = instant(required());
  const method = METHODS[required()];
  const energyJoules = joules(required());
  const observedSeconds = seconds(required());
  const gapSeconds = decodeGaps(row[position++]);
  const estimates = {
    gapEstimateJoules: joules(required()),
    gapEstimateUncertaintyJoules: joules(required()),
    bridgedSeconds: seconds(required()),
  };
  const uncertainty = {
    gainJoules: required(),
    offsetJoules: required(),
    aliasJoules: required(),
    startEdgeJoules: required(),
    endEdgeJoules: required(),
    independentJoulesSquared: required(),
  };
  const powerMaxWatts = optional();
  const powerMinWatts = optional();
  const sampleCount = required();
  const counterJoules = optional();
  const integralJoules = optional();
  const wallOffsetSeconds = required();
  const charge = decodeCharge(required, optional);
  // Journals of a Wattmeter that did not keep it end one cell earlier.
  const utilizationRatio = optional();
  if (!sound || uuid === undefined || method === undefined || gapSeconds === undefined) {
    return undefined;
  }
  return {
    uuid,
    startSeconds,
    endSeconds,
    method,
    energyJoules,
    observedSeconds,
    gapSeconds,
    ...estimates,
    uncertainty,
    ...(powerMaxWatts === undefined ? {} : { powerMaxWatts: watts(powerMaxWatts) }),
    ...(powerMinWatts === undefined ? {} : { powerMinWatts: watts(powerMinWatts) }),
    sampleCount,
    ...(counterJoules === undefined ? {} : { counterJoules: joules(counterJoules) }),
    ...(integralJoules === undefined ? {} : { integralJoules: joules(integralJoules) }),
    ...(utilizationRatio === undefined ? {} : { utilizationRatio }),
    wallOffsetSeconds,
    charge,
  };
}

function decodeCharge(required: () => number, optional: () => number | undefined): Charge {
  const facilityKilowattHours = kilowattHours(required());
  const costAmount = optional();
  const creditAmount = optional();
  const gainCostAmount = optional();
  const offsetCostAmount = optional();
  const aliasCostAmount = optional();
  const location = optional();
  const market = optional();
  return {
    facilityKilowattHours,
    ...(costAmount === undefined ? {} : { costAmount }),
    ...(creditAmount === undefined ? {} : { creditAmount }),
    ...(gainCostAmount === undefined ? {} : { gainCostAmount }),
    ...(offsetCostAmount === undefined ? {} : { offsetCostAmount }),
    ...(aliasCostAmount === undefined ? {} : { aliasCostAmount }),
    ...(location === undefined ? {} : { locationBasedGrams: grams(location) }),
    ...(market === undefined ? {} : { marketBasedGrams: grams(market) }),
  };
}

function decodeGaps(cell: unknown): ChargedInterval['gapSeconds'] | undefined {
  if (cell === null) return {};
  if (typeof cell !== 'object') return undefined;
  const sound = Object.entries(cell as object).every(
    ([reason, duration]) => GAP_REASONS.includes(reason) && typeof duration === 'number',
  );
  return sound ? (cell as ChargedInterval['gapSeconds']) : undefined;
}
