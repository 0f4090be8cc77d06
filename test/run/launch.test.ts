import { describe, expect, test } from 'vitest';

import { LAUNCH_VARIABLE, signalsOfMask, takeLaunchFacts } from '../../agent/run/launch.ts';
import { mustRelay, parseTerminalState } from '../../agent/run/signals.ts';

test.each([
  ['0000000000000000', []],
  ['0000000000000001', ['SIGHUP']],
  ['0000000000001003', ['SIGHUP', 'SIGINT', 'SIGPIPE']],
  ['garbage', []],
  ['', []],
])('signalsOfMask(%j) names %j', (mask, names) => {
  expect(signalsOfMask(mask).toSorted()).toEqual(names.toSorted());
});

describe('takeLaunchFacts()', () => {
  const encoded = Buffer.from('A=1\0BASH_FUNC_f%%=() {\n}\0EMPTY=\0').toString('base64');

  test('reads the facts and takes the variable away', () => {
    const environment = { PWD: '/added/by/sh', [LAUNCH_VARIABLE]: `1;1024; 10 3 2;${encoded}` };
    expect(takeLaunchFacts(environment)).toEqual({
      ignoredSignals: ['SIGHUP'],
      openFilesLimit: '1024',
      descriptors: [3, 10],
      environment: { A: '1', 'BASH_FUNC_f%%': '() {\n}', EMPTY: '' },
    });
    expect(environment).not.toHaveProperty(LAUNCH_VARIABLE);
  });

  test('leaves everything as it is when Wattmeter was started without its launcher', () => {
    expect(takeLaunchFacts({ A: '1' })).toEqual({
      ignoredSignals: [],
      descriptors: [],
      environment: { A: '1' },
    });
  });
});

describe('mustRelay()', () => {
  const none = { hasTerminal: false, inForeground: false };
  const background = { hasTerminal: true, inForeground: false };
  const foreground = { hasTerminal: true, inForeground: true };

  test.each([
    ['SIGINT', foreground, foreground, false],
    ['SIGQUIT', foreground, foreground, false],
    ['SIGINT', background, background, true],
    ['SIGINT', none, none, true],
    ['SIGTERM', foreground, foreground, true],
    ['SIGHUP', foreground, foreground, true],
    ['SIGHUP', foreground, none, false],
    ['SIGHUP', none, none, true],
    ['SIGUSR1', foreground, foreground, true],
  ] as const)('%s, terminal %j then %j: %s', (signal, atStart, now, relayed) => {
    expect(mustRelay(signal, atStart, now)).toBe(relayed);
  });
});

test.each([
  ['12 (a) b) S 1 12 12 34816 12 4194304', { hasTerminal: true, inForeground: true }],
  ['12 (node) S 1 12 12 34816 99 4194304', { hasTerminal: true, inForeground: false }],
  ['12 (node) S 1 12 12 0 -1 4194304', { hasTerminal: false, inForeground: false }],
])('parseTerminalState(%j)', (stat, state) => {
  expect(parseTerminalState(stat)).toEqual(state);
});
