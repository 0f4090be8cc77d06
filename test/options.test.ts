// What an option takes from YAML, where one value may be written in several shapes.

import { describe, expect, test } from 'vitest';

import { OPTION_SCHEMAS } from '../agent/option-schemas.ts';

describe('--label', () => {
  test.each([
    ['a mapping', { team: 'nlp', gpus: 8 }, ['team=nlp', 'gpus=8']],
    ['a list of mappings', [{ team: 'nlp', site: 'b' }, 'x=y'], ['team=nlp', 'site=b', 'x=y']],
    ['one text', 'team=nlp', ['team=nlp']],
    ['texts as the environment writes them', 'team=nlp,x=y', ['team=nlp', 'x=y']],
  ])('keeps every entry of %s', (_, raw, wanted) => {
    expect(OPTION_SCHEMAS.label.parse(raw)).toEqual(wanted);
  });

  test('refuses what is no KEY=VALUE, nested mappings too', () => {
    for (const raw of ['team', { team: { name: 'nlp' } }, 7]) {
      const { error } = OPTION_SCHEMAS.label.safeParse(raw);
      expect(error?.issues[0]?.message).toBe('must look like KEY=VALUE');
    }
  });
});

test.each([
  ['price', 'ten', 'must be a number'],
  ['price', -1, 'must be 0 or more'],
  ['pue', 0.9, 'must be 1 or more'],
  [
    'traceTimeZone',
    '+25:00',
    'must be an IANA time zone such as Europe/Berlin, or an offset such as +02:00',
  ],
  ['quiet', 'perhaps', 'must be true or false'],
  ['retainSamples', 7, 'must be a duration such as 12h or 7d'],
] as const)('%s: %j is refused with what it must be', (key, raw, reason) => {
  expect(OPTION_SCHEMAS[key].safeParse(raw).error?.issues[0]?.message).toBe(reason);
});

test.each([
  ['gpus', 1, '1'],
  ['gpus', [0, 2], '0,2'],
  ['name', 7, '7'],
  ['traceTimeZone', '+02:00', '+02:00'],
] as const)('%s takes %j', (key, raw, value) => {
  expect(OPTION_SCHEMAS[key].parse(raw)).toBe(value);
});
