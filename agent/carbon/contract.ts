// Market-based carbon: what the buyer's contracts say of the energy, and the residual mix for the rest. Pure.

import { InputError } from '../input-error.ts';
import type { Schedule } from '../schedule.ts';
import type { Instant } from '../units.ts';
import type { MarketIntensity } from './grid.ts';

/** One contractual instrument: a power purchase agreement, guarantees of origin, a green tariff. */
interface Instrument {
  readonly name: string;
  /** Part of the energy it matches, 0–1. */
  readonly share: number;
  readonly gramsPerKilowattHour: number;
}

/** What was bought for the site. */
export interface Contract {
  readonly source: string;
  readonly instruments: readonly Instrument[];
  /** Intensity of what no contract matches; absent: the grid's own average stands for it, and is said to. */
  readonly residualGramsPerKilowattHour?: number;
}

// Shares are typed by people: 0.333 three times is meant to be whole.
const SHARE_TOLERANCE = 1e-9;

function checked(contract: Contract): void {
  for (const { name, share, gramsPerKilowattHour } of contract.instruments) {
    if (!(share >= 0 && share <= 1)) {
      throw new InputError(
        contract.source,
        `the share of '${name}' is ${share}`,
        'Give a part of the energy between 0 and 1',
      );
    }
    if (!(Number.isFinite(gramsPerKilowattHour) && gramsPerKilowattHour >= 0)) {
      throw new InputError(
        contract.source,
        `the intensity of '${name}' is ${gramsPerKilowattHour}`,
        'Give g CO2e per kWh, 0 or more',
      );
    }
  }
}

/**
 * Σ matched·f + unmatched·residual (ECONOMICS.md §3) as an intensity over time.
 * @throws InputError for shares outside 0–1 or that match more than the whole, and for negative intensities.
 */
export function marketIntensity(contract: Contract, location: Schedule): MarketIntensity {
  checked(contract);
  const matched = contract.instruments.reduce((sum, { share }) => sum + share, 0);
  if (matched > 1 + SHARE_TOLERANCE) {
    throw new InputError(
      contract.source,
      `the shares add up to ${matched}, more than the whole`,
      'Let them be at most 1 together: energy can be matched only once',
    );
  }
  const contracted = contract.instruments.reduce(
    (sum, { share, gramsPerKilowattHour }) => sum + share * gramsPerKilowattHour,
    0,
  );
  const unmatched = Math.max(0, 1 - matched);
  const residual = contract.residualGramsPerKilowattHour;
  const valueAt = (time: Instant): number | undefined => {
    if (unmatched === 0) return contracted;
    const rest = residual ?? location.valueAt(time);
    return rest === undefined ? undefined : contracted + unmatched * rest;
  };
  const follows = residual === undefined && unmatched > 0;
  const names = contract.instruments.map(({ name, share }) => `${share * 100} % ${name}`);
  const rest = residual === undefined ? 'the grid average' : `a residual mix of ${residual} g/kWh`;
  return {
    method: [...names, ...(unmatched > 0 ? [`the rest at ${rest}`] : [])].join(', '),
    source: contract.source,
    intensity: {
      valueAt,
      nextChange: (time) => (follows ? location.nextChange(time) : undefined),
    },
  };
}
