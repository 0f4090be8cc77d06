import fc from 'fast-check';
import { expect, test } from 'vitest';

import { OPTION_SCHEMAS } from '../agent/option-schemas.ts';
import { OPTIONS, type OptionKey } from '../agent/options.ts';
import { plainValue } from '../agent/plain-options.ts';

const keys = Object.keys(OPTIONS) as OptionKey[];
const raws = fc.oneof(
  fc.string(),
  fc.constantFrom('', ' ', '0', '1', '0.25', '00', '-1', '1e3', '1.', '9'.repeat(400), 'DEU'),
  fc.float().map(String),
  fc.nat().map(String),
  fc.constantFrom(true, false, 0, 1, null, undefined, []),
);

test('what is plainly right is what the schema makes of it', () => {
  fc.assert(
    fc.property(fc.constantFrom(...keys), raws, (key, raw) => {
      const plain = plainValue(key, raw);
      if (plain === undefined) return;
      expect(OPTION_SCHEMAS[key].safeParse(raw)).toEqual({ success: true, data: plain });
    }),
    { seed: 20261126, numRuns: 5000 },
  );
});

test.each([
  ['quiet', true, true],
  ['zone', 'DEU', 'DEU'],
  ['price', '0.25', 0.25],
  ['pue', '0.9', undefined],
  ['price', '1e3', undefined],
  ['name', '', undefined],
  ['format', 'text', undefined],
] as const)('%s %j is plainly %j', (key, raw, value) => {
  expect(plainValue(key, raw)).toBe(value);
});
