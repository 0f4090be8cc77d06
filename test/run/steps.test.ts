import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { RunningCount } from '../../agent/run/running-count.ts';
import { compileStepPattern, LineCutter, parseCount } from '../../agent/run/steps.ts';
import { StepWatch } from '../../agent/run/step-watch.ts';
import { instant } from '../../agent/units.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const linesOf = (...chunks: readonly Uint8Array[]): string[] => {
  const cutter = new LineCutter();
  return [...chunks.flatMap((chunk) => [...cutter.cut(chunk)]), ...cutter.end()];
};

describe('compileStepPattern()', () => {
  test.each([
    ['step (?<step>\\d+)', 'epoch 1 step 120 loss 0.1', { step: 120 }],
    ['step (?P<step>[\\d,]+)', 'step 12,000', { step: 12_000 }],
    ['Epoch (?<epoch>\\d+)', 'Epoch 3/10', { epoch: '3' }],
    ['(?<step>\\d+)(?:, tokens (?<tokens>\\S+))?', '7', { step: 7 }],
    ['(?<step>\\d+), tokens (?<tokens>\\S+)', '7, tokens 1.5e6', { step: 7, tokens: 1_500_000 }],
    ['step (?<step>\\S+)', 'step many', {}],
    ['step (?<step>\\d+)', 'no such line', undefined],
  ])('%s on %j', (pattern, line, said) => {
    expect(compileStepPattern(pattern).match(line)).toEqual(said);
  });

  test.each(['step (\\d+)', '(?<loss>\\d+)'])(
    'refuses %s, which names no group of ours',
    (text) => {
      expect(() => compileStepPattern(text)).toThrow(/names none of the groups/);
    },
  );

  test.each(['(?<step>', '(?<step>\\d+)(?=x)', '(?<step>a)\\1'])('refuses %s', (text) => {
    expect(() => compileStepPattern(text)).toThrow(/is no RE2 pattern/);
  });
});

test.each([
  ['12,000', 12_000],
  ['12_000', 12_000],
  ['1e3', 1000],
  ['1.2M', undefined],
  ['-3', undefined],
  ['', undefined],
  [undefined, undefined],
  ['1e400', undefined],
])('parseCount(%j) is %j', (text, value) => {
  expect(parseCount(text)).toBe(value);
});

describe('LineCutter', () => {
  test('cuts wherever the stream was torn, even inside a character', () => {
    const text = 'step 1 é\nstep 2 █\r\nstep 3\rlast';
    fc.assert(
      fc.property(fc.array(fc.nat(60), { maxLength: 8 }), (cuts) => {
        const whole = bytes(text);
        const edges = [0, ...cuts.map((cut) => Math.min(cut, whole.length)), whole.length];
        const sorted = edges.toSorted((a, b) => a - b);
        const chunks = sorted.slice(1).map((end, i) => whole.subarray(sorted[i], end));
        expect(linesOf(...chunks)).toEqual(['step 1 é', 'step 2 █', 'step 3', 'last']);
      }),
      { seed: 2 },
    );
  });

  test('reads each redrawing of a progress bar', () => {
    expect(linesOf(bytes('\r 0%| | 0/2\r50%|█ | 1/2\r100%|██| 2/2\n'))).toEqual([
      ' 0%| | 0/2',
      '50%|█ | 1/2',
      '100%|██| 2/2',
    ]);
  });

  test('leaves out colours', () => {
    expect(linesOf(bytes('\u001b[1;32mstep\u001b[0m 5\n'))).toEqual(['step 5']);
  });

  test('keeps the beginning of an endless line and goes on after it', () => {
    const cutter = new LineCutter();
    for (let i = 0; i < 100; i += 1) expect([...cutter.cut(bytes('x'.repeat(10_000)))]).toEqual([]);
    const lines = [...cutter.cut(bytes('\nstep 2\n'))];
    expect(lines).toEqual(['x'.repeat(4096), 'step 2']);
  });
});

test.each([
  [[], undefined],
  [[0], 0],
  [[1], 1],
  // Steps of 1 or of 10, or a job that goes on from step 9?
  [[10], undefined],
  [[10, 10], undefined],
  [[1, 2, 3], 3],
  [[0, 10, 20], 20],
  [[10, 20, 30], 30],
  [[5000, 5010], 20],
  [[1, 2, 3, 1, 2], 5],
  [[98, 100, 0, 50], 54],
])('RunningCount of %j is %j', (values, counted) => {
  const count = new RunningCount();
  for (const value of values) count.see(value);
  expect(count.counted).toBe(counted);
});

test('a count goes on from any position, before its first value too', () => {
  const count = new RunningCount();
  const start = count.position;
  count.see(10);
  const first = count.position;
  expect(count.since(start)).toBeUndefined();
  count.see(20);
  expect([count.since(start), count.since(first)]).toEqual([20, 10]);
});

test('StepWatch keeps the lines of two streams apart', () => {
  const reads = [
    [
      { stream: 0, bytes: bytes('step '), ageSeconds: 0 },
      { stream: 1, bytes: bytes('step 9\nstep'), ageSeconds: 0 },
    ],
    [{ stream: 0, bytes: bytes('1\n'), ageSeconds: 0 }],
  ];
  const seen: (number | undefined)[] = [];
  const watch = new StepWatch({
    output: { read: () => reads.shift() ?? [] },
    pattern: compileStepPattern('step (?<step>\\d+)'),
    now: () => instant(0),
    onLine: ({ step }) => seen.push(step),
  });
  expect(watch.poll()).toBe(true);
  watch.finish();
  expect(seen).toEqual([9, 1]);
  expect(watch.poll()).toBe(false);
});

test.each([
  ['as long ago as its file says', 0.03, 9.97],
  ['now, where that is in the future', -2, 10],
  ['since the last poll, where that is longer ago', 7, 9.95],
])('a line was written %s', (_, ageSeconds, time) => {
  const reads = [[{ stream: 0, bytes: bytes('step 1\n'), ageSeconds }]];
  const polls = [9.95, 10];
  const times: number[] = [];
  const watch = new StepWatch({
    output: { read: () => (polls.length === 0 ? (reads.shift() ?? []) : []) },
    pattern: compileStepPattern('step (?<step>\\d+)'),
    now: () => instant(polls.shift() ?? NaN),
    onLine: (_line, at) => times.push(at),
  });
  watch.poll();
  watch.poll();
  expect(times).toEqual([expect.closeTo(time, 9)]);
});
