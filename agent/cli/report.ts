// `wattmeter report [RUN|TRACE|REPORT.json…]`: any run again, under any tariff, zone or PUE; a fleet's with --prometheus.

import { wallNow } from '../clock.ts';
import { UsageError } from '../config.ts';
import type { Config } from '../options.ts';
import { mergeReports } from '../report/merge.ts';
import { listRuns } from '../ledger/runs.ts';
import { PRICING_OPTIONS, REPORT_OPTIONS, TRACE_OPTIONS, type CommandSpec } from './command.ts';
import type { Context } from './context.ts';
import { loadDrawable } from './load-report.ts';
import { asksForFleet, FLEET_FLAGS, loadFleetReport } from './report-fleet.ts';
import { deliverReport, type DrawableReport } from './reporting.ts';
import { stateDirectory } from './state.ts';

export const reportCommand: CommandSpec = {
  arguments: [
    ['[what...]', 'runs (id, its beginning, or name), logs, report files; default: the newest run'],
  ],
  options: ['stateDir', 'hostWatts', ...TRACE_OPTIONS, ...PRICING_OPTIONS, ...REPORT_OPTIONS],
  extra: [['--merge', 'join several reports into one: each GPU is counted once'], ...FLEET_FLAGS],
  examples: [
    'wattmeter report',
    'wattmeter report 20261123T1719 --price 0.31 --currency EUR --zone DEU',
    'wattmeter report gpu-log.csv --format markdown',
    'wattmeter report node1.json node2.json --merge',
    'wattmeter report --prometheus http://prometheus:9090 --job gpus --start -24h',
  ],
  async action(invocation) {
    const { config, operands, extra, context } = invocation;
    if (asksForFleet(invocation)) {
      await deliverReport(await loadFleetReport(invocation), config, context.stdout, context);
      return 0;
    }
    const named = operands.length > 0 ? operands : [await newestRun(config, context)];
    const loaded: DrawableReport[] = [];
    for (const name of named) loaded.push(await loadDrawable(name, invocation));
    const facts = { generatedSeconds: wallNow(), version: context.version };
    const wanted: readonly DrawableReport[] =
      extra['merge'] === true
        ? [
            {
              report: mergeReports(
                loaded.map(({ report }) => report),
                facts,
              ),
            },
          ]
        : loaded;
    for (const { report, profile } of wanted)
      await deliverReport(report, config, context.stdout, context, profile);
    return 0;
  },
};

async function newestRun(config: Config, context: Context): Promise<string> {
  const directory = stateDirectory(config, context);
  const newest = (await listRuns(directory)).at(-1);
  if (newest !== undefined) return newest.id;
  throw new UsageError(
    `No runs are stored in ${directory}. Name a log or a report file, or make a run: wattmeter run -- CMD`,
  );
}
