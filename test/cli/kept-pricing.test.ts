import { resolve } from 'node:path';

import { expect, test } from 'vitest';

import {
  changedPricing,
  isRepriced,
  keptPricing,
  pricingFacts,
} from '../../agent/cli/kept-pricing.ts';

const kept = (config: Parameters<typeof pricingFacts>[0]): unknown =>
  pricingFacts(config)['pricing'];

test('pricingFacts() keeps what prices a run, and nothing else', () => {
  expect(kept({ price: 0.3, pue: 1.2, wue: 1, quiet: true, name: 'x' })).toEqual({
    price: 0.3,
    pue: 1.2,
    wue: 1,
  });
});

test('pricingFacts() keeps files by their whole path', () => {
  expect(kept({ tariff: 'prices.yml', inputs: 'i.yml' })).toEqual({
    tariff: resolve('prices.yml'),
    inputs: resolve('i.yml'),
  });
});

test('keptPricing() goes on under what was kept', async () => {
  const facts = kept({ price: 0.3, currency: 'EUR', zone: 'DEU' });
  expect(await keptPricing(facts, { pue: 1.4 })).toEqual({
    price: 0.3,
    currency: 'EUR',
    zone: 'DEU',
    pue: 1.4,
  });
});

test.each([
  ['a price', { tariff: 'p.yml', priceGap: 'hold', zone: 'DEU' }, { price: 0.2 }, { zone: 'DEU' }],
  ['a tariff', { price: 0.3, currency: 'EUR', pue: 2 }, { tariff: 'q.yml' }, { pue: 2 }],
  ['a zone', { grid: 'g.csv', price: 0.3 }, { zone: 'FRA' }, { price: 0.3 }],
  ['a grid', { zone: 'DEU', atYear: 2024 }, { grid: 'g.csv' }, {}],
  ['an inputs file', { rentPerGpuHour: 2, wue: 1 }, { inputs: 'i.yml' }, { wue: 1 }],
] as const)(
  'keptPricing() lets %s take the place of what it replaces',
  async (_, before, asked, rest) => {
    expect(await keptPricing(kept(before), asked)).toEqual({ ...rest, ...asked });
  },
);

test('changedPricing() says which options are not what they were, those made void included', async () => {
  const facts = kept({ price: 0.3, currency: 'EUR', pue: 1.2, zone: 'DEU' });
  const asked = { tariff: 'prices.csv', pue: 1.2, zone: 'FRA', atYear: 2024 };
  expect(await changedPricing(facts, asked)).toEqual([
    { option: '--price', before: 0.3 },
    { option: '--currency', before: 'EUR' },
    { option: '--tariff', after: 'prices.csv' },
    { option: '--zone', before: 'DEU', after: 'FRA' },
    { option: '--at-year', after: 2024 },
  ]);
  expect(await changedPricing(facts, { price: 0.3, wue: 2 })).toEqual([]);
});

test('isRepriced() tells prices from lines that only stand beside', () => {
  expect(isRepriced({ price: 0.2 })).toBe(true);
  expect(isRepriced({ wue: 1, quiet: true })).toBe(false);
});
