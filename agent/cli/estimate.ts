// `wattmeter estimate`: what a training will cost and emit, and what would change that. The models are estimate/.

import { basename } from 'node:path';

import { openClock } from '../clock.ts';
import { UsageError } from '../config.ts';
import {
  planOf,
  runEstimate,
  type EstimateRequest,
  type PlanOverrides,
} from '../estimate/estimate.ts';
import { estimateJson } from '../estimate/json.ts';
import { CASE_NAMES } from '../estimate/cases.ts';
import { readPlan } from '../estimate/plan.ts';
import { exactly } from '../estimate/range.ts';
import { formatEstimate } from '../estimate/text.ts';
import type { Config } from '../options.ts';
import type { CommandSpec } from './command.ts';
import type { Context } from './context.ts';
import { openPricing } from './pricing.ts';
import { readInput } from './read-input.ts';
import { loadReport } from './report.ts';

export const estimateCommand: CommandSpec = {
  arguments: [['[plan]', 'a plan in YAML']],
  options: ['stateDir', 'price', 'currency', 'zone', 'atYear', 'pue'],
  extra: [
    ['--case <name>', `a worked case: ${CASE_NAMES.slice(0, 4).join(', ')}, …`],
    ['--verify', 'recompute every published run: published, recomputed, error'],
    ['--from-run <run>', 'plan the next run from a measured one'],
    ['--scale <x>', 'how many times the energy of that run (default: 1)'],
    ['--json', 'as JSON'],
  ],
  examples: [
    'wattmeter estimate --case bert',
    'wattmeter estimate plan.yml --zone DEU --price 0.25 --currency EUR',
    'wattmeter estimate --from-run 20261123T1719 --scale 30',
    'wattmeter estimate --verify',
  ],
  async action({ config, operands, extra, context }) {
    const request = await requestOf(operands[0], extra, config, context);
    const zone = await zoneOf(request, config, context);
    const result = runEstimate(
      request.kind === 'verify' || zone === undefined ? request : { ...request, zone },
    );
    context.stdout.write(
      extra['json'] === true
        ? `${JSON.stringify(estimateJson(result), null, 2)}\n`
        : formatEstimate(result),
    );
    return 0;
  },
};

type Extra = Readonly<Record<string, string | boolean | undefined>>;

async function requestOf(
  planFile: string | undefined,
  extra: Extra,
  config: Config,
  context: Context,
): Promise<EstimateRequest> {
  const overrides = overridesOf(config);
  const given = [planFile, extra['case'], extra['fromRun'], extra['verify']].filter(
    (one) => one !== undefined,
  );
  if (given.length !== 1)
    throw new UsageError('Give one of: a plan file, --case NAME, --from-run RUN, --verify.');
  if (extra['verify'] === true) return { kind: 'verify' };
  const { case: name, fromRun } = extra;
  if (typeof name === 'string') return { kind: 'case', name, overrides };
  if (typeof fromRun === 'string') {
    const report = await loadReport(
      fromRun,
      config.stateDir === undefined ? {} : { stateDir: config.stateDir },
      context,
    );
    return {
      kind: 'from-run',
      report,
      reportName: fromRun,
      scale: scaleOf(extra['scale']),
      overrides,
    };
  }
  const file = planFile ?? '';
  return { kind: 'plan', plan: readPlan(readInput(file, 'the plan'), basename(file)), overrides };
}

const overridesOf = (config: Config): PlanOverrides => ({
  ...(config.price === undefined ? {} : { pricePerKilowattHour: exactly(config.price) }),
  ...(config.currency === undefined ? {} : { currency: config.currency }),
  ...(config.pue === undefined ? {} : { powerUsageEffectiveness: exactly(config.pue) }),
  ...(config.zone === undefined ? {} : { zone: config.zone }),
});

function scaleOf(text: string | boolean | undefined): number {
  if (text === undefined) return 1;
  const scale = Number(text);
  if (Number.isFinite(scale) && scale > 0) return scale;
  throw new UsageError(`--scale must be a number above 0, not ${JSON.stringify(text)}.`);
}

/** The intensity of the plan's zone, looked up as for a run. */
async function zoneOf(
  request: EstimateRequest,
  config: Config,
  context: Context,
): Promise<{ zone: string; gramsPerKilowattHour: number; source: string } | undefined> {
  const zone = planOf(request)?.zone;
  if (zone === undefined) return undefined;
  const clock = openClock();
  const { grid } = await openPricing(
    { zone, ...(config.atYear === undefined ? {} : { atYear: config.atYear }) },
    context,
    clock,
  );
  const intensity = 'missing' in grid ? undefined : grid.intensity.valueAt(clock.now());
  if (intensity === undefined || 'missing' in grid) return undefined;
  return {
    zone: grid.zone,
    gramsPerKilowattHour: intensity,
    source: `${grid.dataset}: ${grid.vintage}`,
  };
}
