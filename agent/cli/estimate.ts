// `wattmeter estimate`: what a training will cost and emit, and what would change that. The models are estimate/.

import { basename } from 'node:path';

import { UsageError } from '../config.ts';
import { CASES } from '../estimate/cases.ts';
import {
  planOf,
  runEstimate,
  type EstimateRequest,
  type PlanOverrides,
} from '../estimate/estimate.ts';
import { estimateJson } from '../estimate/json.ts';
import { readPlan } from '../estimate/plan.ts';
import { formatCases, formatEstimate } from '../estimate/text.ts';
import { allHold } from '../estimate/verify.ts';
import type { Config } from '../options.ts';
import { present } from '../report/present.ts';
import { instant, type Instant } from '../units.ts';
import { wantsJson, type CommandSpec, type Invocation } from './command.ts';
import type { Context } from './context.ts';
import { surroundingsOf, type SeriesChoice } from './estimate-surroundings.ts';
import { EMPTY_PLAN, makesPlan, PLAN_FLAGS, planOfFlags } from './plan-flags.ts';
import { loadReport } from './load-report.ts';
import { readInput } from './read-input.ts';

const CHECK_FAILED = 1;

export const estimateCommand: CommandSpec = {
  arguments: [['[plan]', 'a plan in YAML; flags say more, or something else']],
  options: [
    'stateDir',
    'price',
    'currency',
    'tariff',
    'priceGap',
    'tariffTimeZone',
    'zone',
    'grid',
    'atYear',
    'contract',
    'pue',
    'wue',
    'ewif',
    'embodiedKilograms',
    'rentPerGpuHour',
  ],
  extra: [
    ['--case <name>', 'a worked case, such as bert, finance or pat-gpt3'],
    ['--cases', 'list the cases'],
    ['--verify', 'recompute every published run: published, recomputed, error'],
    ['--from-run <run>', 'plan the next run from a measured one'],
    ['--scale <x>', 'how many times the energy of that run (default: 1)'],
    ...PLAN_FLAGS,
    ['--start <time>', 'when it would start, in the series of --tariff or --grid'],
    ['--within <hours>', 'how long after that it may end (default: the end of the series)'],
    ['--json', 'as JSON'],
  ],
  examples: [
    'wattmeter estimate --k 0.5 --hours 1000 --kilowatts 10',
    'wattmeter estimate --case bert',
    'wattmeter estimate plan.yml --zone DEU --price 0.25 --currency EUR',
    'wattmeter estimate plan.yml --tariff prices.csv --grid grid.csv --regions SWE',
    'wattmeter estimate --from-run 20261123T1719 --scale 30',
    'wattmeter estimate --verify',
  ],
  async action(invocation) {
    const { extra, context } = invocation;
    const isJson = wantsJson(invocation);
    if (extra['cases'] === true) {
      context.stdout.write(isJson ? asJson(CASES) : formatCases(CASES));
      return 0;
    }
    const { request, choice } = await requestOf(invocation);
    const plan = planOf(request);
    const result = runEstimate(
      plan === undefined || request.kind === 'verify'
        ? request
        : {
            ...request,
            surroundings: await surroundingsOf(plan, invocation.config, choice, context),
          },
    );
    context.stdout.write(isJson ? asJson(estimateJson(result)) : formatEstimate(result));
    return result.kind === 'verification' && !allHold(result.rows) ? CHECK_FAILED : 0;
  },
};

const asJson = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

interface Asked {
  readonly request: EstimateRequest;
  readonly choice: SeriesChoice;
}

async function requestOf({ config, operands, extra, context }: Invocation): Promise<Asked> {
  const [planFile] = operands;
  const overrides = planOfFlags(extra, config);
  const choice = choiceOf(extra);
  const { case: name, fromRun, verify } = extra;
  const given = [planFile, name, fromRun, verify].filter((one) => one !== undefined);
  if (given.length > 1)
    throw new UsageError('Give one of: a plan file, --case NAME, --from-run RUN, --verify.');
  if (verify === true) return { request: { kind: 'verify' }, choice };
  if (typeof name === 'string') return { request: { kind: 'case', name, overrides }, choice };
  if (typeof fromRun === 'string')
    return fromRunOf(
      fromRun,
      { scale: scaleOf(extra['scale']), overrides },
      config,
      context,
      choice,
    );
  if (planFile !== undefined) {
    const plan = readPlan(readInput(planFile, 'the plan'), basename(planFile));
    return { request: { kind: 'plan', plan, overrides }, choice };
  }
  if (!makesPlan(overrides)) throw new UsageError(NOTHING_GIVEN);
  return { request: { kind: 'plan', plan: EMPTY_PLAN, overrides }, choice };
}

const NOTHING_GIVEN =
  'Nothing is given to plan from. Give a plan file, --case NAME, --from-run RUN or --verify, or the training by flags: --k, --hours and --kilowatts, --gpu-hours and --watts-per-gpu, or --energy-kilowatt-hours.';

async function fromRunOf(
  run: string,
  parts: { readonly scale: number; readonly overrides: PlanOverrides },
  { stateDir }: Config,
  context: Context,
  choice: SeriesChoice,
): Promise<Asked> {
  const report = await loadReport(run, {
    config: present({ stateDir }),
    flagged: new Set(),
    context,
  });
  const measuredStart: Instant = instant(Date.parse(report.run.startTime) / 1e3);
  return {
    request: { kind: 'from-run', report, reportName: run, ...parts },
    choice: { measuredStart, ...choice },
  };
}

function choiceOf(extra: Invocation['extra']): SeriesChoice {
  const { start, within } = extra;
  return present({
    start: typeof start === 'string' ? start : undefined,
    withinHours: within === undefined ? undefined : aboveZero('--within', within),
  });
}

const scaleOf = (text: string | boolean | undefined): number =>
  text === undefined ? 1 : aboveZero('--scale', text);

function aboveZero(flag: string, text: string | boolean): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new UsageError(`${flag} must be a number above 0, not ${JSON.stringify(text)}.`);
}
