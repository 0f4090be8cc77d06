// `wattmeter report [RUN|TRACE|REPORT.json…]`: any run again, under any tariff, zone or PUE; a fleet's with --prometheus.

import { existsSync, statSync } from 'node:fs';
import { basename } from 'node:path';

import { openClock, wallNow } from '../clock.ts';
import { UsageError } from '../config.ts';
import type { Config } from '../options.ts';
import { mergeReports } from '../report/merge.ts';
import type { Report } from '../report/report.ts';
import { present } from '../report/present.ts';
import { parseReport } from '../report/schema.ts';
import { findRun, listRuns } from '../ledger/runs.ts';
import { PRICING_OPTIONS, REPORT_OPTIONS, TRACE_OPTIONS, type CommandSpec } from './command.ts';
import type { Context } from './context.ts';
import { isRepriced } from './kept-pricing.ts';
import { openPricing, refreshFeeds } from './pricing.ts';
import { readInput } from './read-input.ts';
import { meterTraces } from './replay.ts';
import { asksForFleet, FLEET_FLAGS, loadFleetReport } from './report-fleet.ts';
import { deliverReport, reportOf, type DrawableReport } from './reporting.ts';
import { stateDirectory } from './state.ts';
import { storedReport } from './stored.ts';

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
    for (const name of named) loaded.push(await loadDrawable(name, config, context));
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

/** The report that a word means, without its drawing. @throws as loadDrawable */
export const loadReport = async (name: string, config: Config, context: Context): Promise<Report> =>
  (await loadDrawable(name, config, context)).report;

/** The report that a word means: a file of ours, a log, or a stored run. @throws UsageError, SourceError, InputError, LedgerError */
async function loadDrawable(
  name: string,
  config: Config,
  context: Context,
): Promise<DrawableReport> {
  if (existsSync(name)) {
    if (statSync(name).isDirectory())
      throw new UsageError(`${name} is a directory, not a log or a report. Name a file in it.`);
    return name.endsWith('.json')
      ? { report: storedFile(name, config) }
      : traceReport(name, config, context);
  }
  if (/[/.]/.test(name))
    throw new UsageError(`Cannot read ${name}: there is no such file. Is the path right?`);
  const directory = stateDirectory(config, context);
  const { id } = await findRun(directory, name);
  return storedReport(directory, id, { context, config });
}

function storedFile(path: string, config: Config): Report {
  if (isRepriced(config)) {
    throw new UsageError(
      `${path} is a finished report: it holds no energy over time to price anew. Name the stored run or the trace instead.`,
    );
  }
  return parseReport(readInput(path, 'the report'), basename(path));
}

async function traceReport(
  path: string,
  config: Config,
  context: Context,
): Promise<DrawableReport> {
  const pricing = await openPricing(config, context, openClock());
  await refreshFeeds(pricing, context);
  const metered = await meterTraces([path], { config, pricing, context, speed: 'max' });
  return {
    report: reportOf(metered.books, { ...metered, config, pricing, context }),
    ...present({ profile: metered.charges.profile }),
  };
}
