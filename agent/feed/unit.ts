// The units that services answer in, each turned into g/kWh or currency per kWh at the door.

import { FeedError } from './feed.ts';

const KILOGRAMS_PER_POUND = 0.453_592_37;

/** What a unit measures and how to get to the feed's own unit. */
export interface FeedUnit {
  readonly quantity: 'price' | 'carbon';
  readonly unit: string;
  readonly factor: number;
}

const CARBON_FACTORS: ReadonlyMap<string, number> = new Map([
  ['g/kwh', 1],
  ['kg/mwh', 1],
  ['kg/kwh', 1000],
  ['t/mwh', 1000],
  ['lb/mwh', KILOGRAMS_PER_POUND],
  ['lbs_co2_per_mwh', KILOGRAMS_PER_POUND],
]);

/** Above any grid's hour; what lies beyond is another unit or garbage. */
const MOST_GRAMS_PER_KILOWATT_HOUR = 2500;

/** Knows `g/kWh`, `kg/MWh`, `lb/MWh`, `EUR/kWh`, `EUR/MWh`, `p/kWh`, …; undefined for any other unit. */
export function readUnit(text: string): FeedUnit | undefined {
  const carbon = CARBON_FACTORS.get(text.toLowerCase());
  if (carbon !== undefined) return { quantity: 'carbon', unit: 'g/kWh', factor: carbon };
  if (text.toLowerCase() === 'p/kwh') return { quantity: 'price', unit: 'GBP/kWh', factor: 0.01 };
  const [, currency, energy] = /^([A-Za-z]{3})\/(kWh|MWh)$/i.exec(text) ?? [];
  if (currency === undefined || energy === undefined) return undefined;
  const code = currency.toUpperCase();
  if (!Intl.supportedValuesOf('currency').includes(code)) return undefined;
  const factor = energy.toLowerCase() === 'mwh' ? 0.001 : 1;
  return { quantity: 'price', unit: `${code}/kWh`, factor };
}

/** A carbon intensity that a grid can have. @throws FeedError otherwise */
export function plausibleIntensity(gramsPerKilowattHour: number, name: string): number {
  if (gramsPerKilowattHour >= 0 && gramsPerKilowattHour <= MOST_GRAMS_PER_KILOWATT_HOUR) {
    return gramsPerKilowattHour;
  }
  throw new FeedError(
    `${name} answered ${gramsPerKilowattHour} g/kWh, which no grid has. Is the unit another one?`,
    'give-up',
  );
}
