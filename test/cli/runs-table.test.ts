import { expect, test } from 'vitest';

import { formatRuns } from '../../agent/cli/runs-table.ts';
import { widthOf } from '../../agent/display/line.ts';
import type { RunSummary } from '../../agent/snapshot.ts';
import { instant, joules } from '../../agent/units.ts';

const run = (change: Partial<RunSummary> = {}): RunSummary => ({
  id: '20261123T193004Z-pyy96u',
  host: 'node7',
  state: 'closed',
  startSeconds: instant(1_780_000_000),
  endSeconds: instant(1_780_000_754),
  exitCode: 0,
  gpuJoules: joules(1.2345e7),
  uncertaintyJoules: joules(1e4),
  labels: {},
  ...change,
});

test('formatRuns() stays within 80 columns however long names are', () => {
  const name = 'a very long name of a run 日本語 '.repeat(5);
  const { exitCode: _, ...dead } = run({ state: 'interrupted', command: name.split(' ') });
  const runs = [run({ name: 'short' }), run({ name }), dead];
  const lines = formatRuns(runs).trimEnd().split('\n');
  expect(lines).toHaveLength(4);
  for (const line of lines) expect(widthOf(line)).toBeLessThanOrEqual(80);
  expect(lines[2]).toMatch(/ exit 0 .* a.*…$/);
  expect(lines[3]).toMatch(/ interrupted .* a.*…$/);
  expect(formatRuns([run({ name: 'llama fine-tuning' })])).toMatch(/ llama fine/);
});

test('formatRuns() shows the titles alone where there are no runs', () => {
  expect(formatRuns([])).toMatch(/^run .* name\n$/);
});
