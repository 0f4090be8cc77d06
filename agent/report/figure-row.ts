// One line of the report's main figures, and the words that several of them share.

import { formatEnergy, formatMass, formatMoney } from '../display/quantity.ts';
import { fromKilowattHours } from '../units.ts';

/** One figure; the note says by what, of what or why. */
export interface Figure {
  readonly label: string;
  readonly value: string;
  readonly note?: string;
}

/** `, 1.00 to 3.00 EUR`, where there is a spread. */
export const rangeInWords = (
  low: number | undefined,
  high: number | undefined,
  currency: string,
): string =>
  low === undefined || high === undefined
    ? ''
    : `, ${formatMoney(low, currency)} to ${formatMoney(high, currency)}`;

/** `4.800 kWh, 1.002 kg CO2e`. */
export const energyAndMass = (kilowattHours: number, grams: number | undefined): string => {
  const energy = formatEnergy(fromKilowattHours(kilowattHours));
  return grams === undefined ? energy : `${energy}, ${formatMass(grams)} CO2e`;
};
