// One price for ever: the tariff of whoever gives no tariff. Pure.

import { InputError } from '../input-error.ts';
import { constantSchedule } from '../schedule.ts';
import type { Tariff } from './tariff.ts';

const DEFAULT_PRICE_PER_KILOWATT_HOUR = 0.1;
/** The currency of a price that nobody gave one for. */
export const DEFAULT_CURRENCY = 'USD';

/** A flat price as a user gives it; whatever is left out is assumed, and said to be. */
export interface FlatPrice {
  readonly pricePerKilowattHour?: number;
  /** ISO 4217. */
  readonly currency?: string;
}

/**
 * A currency code as ISO 4217 writes it.
 * @throws InputError for a code that the runtime's ISO 4217 list does not have.
 */
export function checkedCurrency(code: string): string {
  const currency = code.trim().toUpperCase();
  if (!Intl.supportedValuesOf('currency').includes(currency)) {
    throw new InputError(
      `Currency '${code}'`,
      'it is not an ISO 4217 code',
      'Give three letters, such as USD, EUR or INR',
    );
  }
  return currency;
}

/**
 * The flat tariff: 0.10 USD per kWh, marked assumed, where nothing is given (INTERFACE.md). A currency without a price
 * is that same assumed number in the given currency: an assumption, not a conversion.
 * @throws InputError for a price that is not finite or is negative, and for an unknown currency.
 */
export function flatTariff(options: FlatPrice = {}): Tariff {
  const { pricePerKilowattHour: price, currency = DEFAULT_CURRENCY } = options;
  if (price !== undefined && !(Number.isFinite(price) && price >= 0)) {
    throw new InputError(
      `Price ${price} per kWh`,
      'a flat price must be a number ≥ 0',
      'Prices that turn negative belong in a --tariff series',
    );
  }
  return {
    name: 'flat',
    source: price === undefined ? 'default' : '--price',
    currency: checkedCurrency(currency),
    provenance: price === undefined ? 'assumed' : 'derived',
    price: constantSchedule(price ?? DEFAULT_PRICE_PER_KILOWATT_HOUR),
  };
}
