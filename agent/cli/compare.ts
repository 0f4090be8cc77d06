// `wattmeter compare A B [C…]`: runs side by side; a gate for CI.

import { UsageError } from '../config.ts';
import { formatComparison } from '../insight/compare-text.ts';
import { compareRuns, failuresAbove } from '../insight/compare.ts';
import { PRICING_OPTIONS, TRACE_OPTIONS, wantsJson, type CommandSpec } from './command.ts';
import { loadReport } from './load-report.ts';

const EXIT_PAST_LIMIT = 1;

export const compareCommand: CommandSpec = {
  arguments: [['<runs...>', 'two or more runs, logs or report files; the first is the baseline']],
  options: ['stateDir', ...TRACE_OPTIONS, ...PRICING_OPTIONS],
  extra: [
    [
      '--fail-above <percent>',
      'exit 1 when a run needs more energy than the baseline by this much',
    ],
    ['--json', 'as JSON'],
  ],
  examples: ['wattmeter compare baseline.json candidate.json --fail-above 5'],
  async action(invocation) {
    const { operands, extra, context } = invocation;
    const limit = limitOf(extra['failAbove']);
    const reports = [];
    for (const name of operands) reports.push(await loadReport(name, invocation));
    const comparison = compareRuns(reports);
    context.stdout.write(
      wantsJson(invocation)
        ? `${JSON.stringify(comparison, null, 2)}\n`
        : formatComparison(comparison),
    );
    const failures = limit === undefined ? [] : failuresAbove(comparison, limit);
    for (const failure of failures)
      context.stderr.write(`wattmeter: ${failure.run} ${failure.reason}\n`);
    return failures.length > 0 ? EXIT_PAST_LIMIT : 0;
  },
};

function limitOf(text: string | boolean | undefined): number | undefined {
  if (text === undefined) return undefined;
  const percent = Number(text);
  if (typeof text === 'string' && text.trim() !== '' && Number.isFinite(percent) && percent >= 0)
    return percent;
  throw new UsageError(
    `--fail-above must be a percentage of 0 or more, not ${JSON.stringify(text)}.`,
  );
}
