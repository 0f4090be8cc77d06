import { expect, test } from 'vitest';

import { checkedCurrency, flatTariff } from '../../agent/price/flat.ts';
import { instant } from '../../agent/units.ts';

test('flatTariff() assumes 0.10 USD, and says so', () => {
  const tariff = flatTariff();
  expect(tariff).toMatchObject({ currency: 'USD', provenance: 'assumed', source: 'default' });
  expect(tariff.price.valueAt(instant(0))).toBe(0.1);
  expect(tariff.price.nextChange(instant(0))).toBeUndefined();
});

test('flatTariff() takes a given price for what it is: not an assumption', () => {
  const tariff = flatTariff({ pricePerKilowattHour: 0.3, currency: 'eur' });
  expect(tariff).toMatchObject({ currency: 'EUR', provenance: 'derived', source: '--price' });
  expect(tariff.price.valueAt(instant(1e9))).toBe(0.3);
});

test('flatTariff() keeps the assumed price marked when only a currency is given', () => {
  expect(flatTariff({ currency: 'INR' })).toMatchObject({ currency: 'INR', provenance: 'assumed' });
});

test('flatTariff() takes free energy', () => {
  expect(flatTariff({ pricePerKilowattHour: 0 }).price.valueAt(instant(0))).toBe(0);
});

test.each([-0.1, Number.NaN, Number.POSITIVE_INFINITY])(
  'flatTariff() refuses a price of %d in one line with the mend',
  (pricePerKilowattHour) => {
    expect(() => flatTariff({ pricePerKilowattHour })).toThrow(
      /^Price .* must be a number ≥ 0\. .*--tariff[^\n]*$/,
    );
  },
);

test.each(['EURO', 'XYZ', '', '$'])('checkedCurrency() refuses %j', (code) => {
  expect(() => checkedCurrency(code)).toThrow(/not an ISO 4217 code\. Give three letters/);
});
