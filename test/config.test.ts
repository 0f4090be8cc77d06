import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { resolveStored, UsageError } from '../agent/config.ts';
import { resolveConfig } from './resolve-config.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'wattmeter-config-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const yaml = (text: string): string => {
  const path = join(directory, 'wattmeter.yml');
  writeFileSync(path, text);
  return path;
};

describe('resolveOptions()', () => {
  test('takes the flag before the environment before the file', async () => {
    const file = yaml('price: 0.3\npue: 1.3\nzone: DEU\n');
    const environment = { WATTMETER_PRICE: '0.2', WATTMETER_PUE: '1.2' };
    expect(await resolveConfig({ price: '0.1' }, environment, file)).toEqual({
      price: 0.1,
      pue: 1.2,
      zone: 'DEU',
    });
  });

  test('reads dotted flags from nested YAML and from upper-case variables', async () => {
    const file = yaml('web:\n  telemetry-path: /energy\n  listen-address: [":1", ":2"]\n');
    expect(await resolveConfig({}, { WATTMETER_WEB_MAX_REQUESTS: '7' }, file)).toEqual({
      webTelemetryPath: '/energy',
      webListenAddress: [':1', ':2'],
      webMaxRequests: 7,
    });
  });

  test('finds the file that WATTMETER_CONFIG names, and takes an empty variable for none', async () => {
    const file = yaml('price: 0.3\n');
    expect(await resolveConfig({}, { WATTMETER_CONFIG: file, WATTMETER_PUE: '' })).toEqual({
      price: 0.3,
    });
  });

  test.each([
    ['a tariff by flag, a price in the file', { tariff: 't' }, {}, 'price: 0.3', { tariff: 't' }],
    [
      'a price by flag, a tariff in the environment',
      { price: '1' },
      { WATTMETER_TARIFF: 't' },
      '',
      { price: 1 },
    ],
    [
      'a price in the environment, a tariff in the file',
      {},
      { WATTMETER_PRICE: '1' },
      'tariff: t',
      { price: 1 },
    ],
    [
      'a tariff over a price, whose currency goes with it',
      { tariff: 't' },
      {},
      'price: 0.3\ncurrency: EUR',
      { tariff: 't' },
    ],
    [
      'a tariff over a price, and a currency that stands elsewhere stays',
      { tariff: 't' },
      { WATTMETER_CURRENCY: 'INR' },
      'price: 0.3',
      { tariff: 't', currency: 'INR' },
    ],
    ['a zone by flag, a grid in the file', { zone: 'FRA' }, {}, 'grid: g.csv', { zone: 'FRA' }],
    [
      'a grid by flag, and where that is',
      { grid: 'g' },
      {},
      'zone: FRA',
      { grid: 'g', zone: 'FRA' },
    ],
    [
      'both at one level, for whoever opens them to refuse',
      {},
      {},
      'price: 1\ntariff: t',
      { price: 1, tariff: 't' },
    ],
  ])('lets the higher level take the place of what it excludes: %s', async (...row) => {
    const [, flags, environment, text, wanted] = row;
    expect(await resolveConfig(flags, environment, yaml(text))).toEqual(wanted);
  });

  test('is frozen', async () => {
    expect(Object.isFrozen(await resolveConfig({}, {}, yaml('')))).toBe(true);
  });

  test.each([
    [{ wue: '-1' }, {}, '', '--wue must be 0 or more, not "-1".'],
    [{ price: '1,5' }, {}, '', '--price must be a number, not "1,5".'],
    [{ price: 'Infinity' }, {}, '', '--price must be a number, not "Infinity".'],
    [{}, { WATTMETER_PUE: '0.9' }, '', /^WATTMETER_PUE must be 1 or more/],
    [{}, {}, 'price: cheap', /wattmeter\.yml: price must be a number, not "cheap"\.$/],
    [{}, {}, 'Price: 1', /"Price" is not an option \(did you mean price\?\)/],
    [{}, {}, 'price: [1', /wattmeter\.yml:1: not valid YAML/],
    [{}, {}, '- price', /must be a mapping/],
  ])(
    'refuses %j, %j and %j in one line that names the place',
    async (flags, environment, text, message) => {
      const refusal = resolveConfig(flags, environment, yaml(text));
      await expect(refusal).rejects.toThrow(UsageError);
      await expect(refusal).rejects.toThrow(message);
      await expect(refusal).rejects.not.toThrow(/\n/);
    },
  );

  test('refuses a config file that is not there', async () => {
    await expect(resolveConfig({}, {}, join(directory, 'nowhere.yml'))).rejects.toThrow(
      /Cannot read the config file .* \(ENOENT\)/,
    );
  });
});

describe('resolveStored()', () => {
  test('checks again what a journal kept, and passes over what it does not know', async () => {
    expect(await resolveStored({ price: 0.3, sometimeLater: true })).toEqual({ price: 0.3 });
    expect(await resolveStored(undefined)).toEqual({});
    await expect(resolveStored({ price: 'free' })).rejects.toThrow(UsageError);
  });
});
