// `wattmeter run -- CMD`: CMD first, everything else around it. Whatever fails here, CMD does not notice, and its exit
// code is ours. What measuring needs is imported while CMD already runs.

import { join } from 'node:path';
import { tmpdir } from 'node:os';

import { openClock, wallNow } from '../clock.ts';
import { UsageError } from '../config.ts';
import { reserveRunInTime, type ReservedRun, withdrawRun } from '../ledger/run-ledger.ts';
import { runDirectory } from '../ledger/state-dir.ts';
import type { Warning } from '../model.ts';
import type { Config } from '../options.ts';
import { budgetStates, unjudgedBudgets } from '../run/budget.ts';
import { startJob } from '../run/child.ts';
import { takeLaunchFacts } from '../run/launch.ts';
import type { JobOutput } from '../run/output.ts';
import { SignalRelay } from '../run/signals.ts';
import { RunSocket, SOCKET_VARIABLE } from '../run/socket.ts';
import type { StepPattern } from '../run/steps.ts';
import { after } from '../units.ts';
import {
  LEDGER_OPTIONS,
  PRICING_OPTIONS,
  REPORT_OPTIONS,
  RUN_OPTIONS,
  SOURCE_OPTIONS,
  TRACE_OPTIONS,
  WEB_OPTIONS,
  type CommandSpec,
} from './command.ts';
import type { Context } from './context.ts';
import { openPricing } from './pricing.ts';
import type { MarkHandler, RunMarks, RunPlan } from './run-parts.ts';
import type { RunSampling } from './run-sampling.ts';
import type { RunSteps } from './run-steps.ts';
import { openRunWindows, type RunWindows } from './run-windows.ts';
import { stateDirectory } from './state.ts';
import type { TransferMeter } from './transfer.ts';
import { messageOf } from './errors.ts';

const EXIT_UNMET = 125;
/** A home directory on a hung network file system must not keep CMD waiting. */
const DIRECTORY_PATIENCE_SECONDS = 0.1;

export const runCommand: CommandSpec = {
  arguments: [['<command...>', 'the command and its arguments, after --']],
  passThrough: true,
  options: [
    ...RUN_OPTIONS,
    ...SOURCE_OPTIONS,
    ...TRACE_OPTIONS,
    ...PRICING_OPTIONS,
    ...LEDGER_OPTIONS,
    ...REPORT_OPTIONS,
    ...WEB_OPTIONS,
  ],
  examples: [
    'wattmeter run -- torchrun train.py',
    'wattmeter run --price 0.25 --currency EUR --zone DEU -- python train.py',
  ],
  async action({ config, operands, context }) {
    const launch = takeLaunchFacts(context.environment);
    using relay = new SignalRelay(context.takeSignals());
    const plan = await planRun(config, operands, context);
    await using marks = await openMarks(plan);
    if (plan.sampling !== undefined) {
      const { refusalOf } = await import('./run-readiness.ts');
      const refusal = await refusalOf(plan.config, plan.sampling, { clock: plan.clock, context });
      if (refusal !== undefined) {
        context.stderr.write(`wattmeter: ${refusal}\n`);
        await abandon(plan);
        return EXIT_UNMET;
      }
    }
    for (const { message } of plan.warnings) context.stderr.write(`wattmeter: ${message}\n`);
    const start = await startJob({
      command: plan.command,
      launch,
      environment: marks.socketPath === undefined ? {} : { [SOCKET_VARIABLE]: marks.socketPath },
      ...(plan.output === undefined ? {} : { output: plan.output.descriptors }),
      now: () => plan.clock.now(),
    });
    plan.output?.handedOver();
    if (start.kind === 'cannot-run') {
      context.stderr.write(`wattmeter: ${start.message}\n`);
      await abandon(plan);
      return start.exitCode;
    }
    relay.ready((signal) => start.job.send(signal));
    const windows = openRunWindows(start.job.startSeconds);
    void start.job.ended.then(({ endSeconds }) => windows.end(endSeconds));
    marks.answer({
      mark: (mark, ageSeconds) => windows.mark(mark, after(plan.clock.now(), -ageSeconds)),
      read: () => undefined,
    });
    for (const { message } of start.job.warnings) context.stderr.write(`wattmeter: ${message}\n`);
    const transfer = beginTransfer(plan);
    const sampling = beginSampling(plan, context);
    // Their errors are said once there is somebody to say them.
    transfer.catch(() => undefined);
    await sampling.catch(() => undefined);
    try {
      const steps = await beginSteps(plan, windows);
      const { accompany } = await import('./run-session.ts');
      const { job } = start;
      return await accompany({ job, plan, marks, windows, steps, transfer, context, sampling });
    } catch (error) {
      // An installation that lost a file on the way: CMD still runs, and its exit code is still ours.
      const cause = messageOf(error);
      context.stderr.write(
        `wattmeter: measuring is broken (${cause}), CMD is not affected. Install Wattmeter again.\n`,
      );
      return (await start.job.ended).exitCode;
    }
  },
};

/** Readings begin while the rest is still being loaded: what CMD does first is measured, too. */
async function beginSampling(plan: RunPlan, context: Context): Promise<RunSampling> {
  if (plan.sampling !== undefined) return plan.sampling;
  const { openLateSampling } = await import('./run-readiness.ts');
  return openLateSampling(plan.config, plan.clock, context);
}

/** What CMD loads first would be over before the meters are loaded. */
async function beginTransfer({ config }: RunPlan): Promise<TransferMeter | undefined> {
  if (config.dataPath === undefined) return undefined;
  const { openTransferMeter } = await import('./transfer.ts');
  return openTransferMeter();
}

/** The first epoch may be over before the meters are loaded. */
async function beginSteps(plan: RunPlan, windows: RunWindows): Promise<RunSteps | undefined> {
  const { output, pattern, clock } = plan;
  if (output === undefined || pattern === undefined) return undefined;
  const { watchSteps } = await import('./run-steps.ts');
  return watchSteps({ output, pattern }, clock, (line, time) => windows.line(line, time));
}

/** Ends what was begun for a CMD that never started. */
async function abandon(plan: RunPlan): Promise<void> {
  await plan.sampling?.[Symbol.asyncDispose]();
  if (!plan.isResumed) await withdrawRun(plan.stateDirectory, plan.runId);
}

async function planRun(
  config: Config,
  operands: readonly string[],
  context: Context,
): Promise<RunPlan> {
  const [name, ...rest] = operands;
  if (name === undefined) {
    throw new UsageError(
      'There is no command to run. Write it after --: wattmeter run -- python train.py',
    );
  }
  const clock = openClock();
  const warnings: Warning[] = [];
  const pricing = await openPricing(config, context, clock);
  // Said before CMD begins: nobody should believe for days in a budget that nothing can enforce.
  if (config.budgetCo2eGrams !== undefined && 'missing' in pricing.grid)
    warnings.push(...unjudgedBudgets(budgetStates({ co2eGrams: config.budgetCo2eGrams }, {})));
  const labels = labelsOf(config.label ?? []);
  const pattern = await patternOf(config);
  const directory = stateDirectory(config, context);
  const reserved = await reserve(config, directory, warnings);
  const mustKnow = config.requireMeasurement === true || config.gpus !== undefined;
  const readiness = mustKnow ? await import('./run-readiness.ts') : undefined;
  const sampling = await readiness?.openRunSampling(config, clock, context);
  const output = pattern === undefined ? undefined : await openOutput(warnings);
  return {
    command: [name, ...rest],
    config,
    pricing,
    clock,
    labels,
    stateDirectory: directory,
    runId: reserved.id,
    isResumed: reserved.isResumed,
    socketPath: reserved.hasDirectory
      ? join(runDirectory(directory, reserved.id), 'run.sock')
      : join(tmpdir(), `wattmeter-${reserved.id}.sock`),
    warnings,
    ...(pattern === undefined ? {} : { pattern }),
    ...(output === undefined ? {} : { output }),
    ...(sampling === undefined ? {} : { sampling }),
  };
}

/** `K=V` words as labels. @throws UsageError for a name that is given twice. */
export function labelsOf(words: readonly string[]): Readonly<Record<string, string>> {
  const labels: Record<string, string> = {};
  for (const word of words) {
    const at = word.indexOf('=');
    const key = word.slice(0, at);
    if (key in labels) throw new UsageError(`--label ${key} is given twice. Give each label once.`);
    labels[key] = word.slice(at + 1);
  }
  return labels;
}

async function patternOf(config: Config): Promise<StepPattern | undefined> {
  if (config.stepPattern === undefined) return undefined;
  const { compileStepPattern } = await import('../run/steps.ts');
  try {
    return compileStepPattern(config.stepPattern);
  } catch (error) {
    throw new UsageError(messageOf(error));
  }
}

interface Reservation extends ReservedRun {
  /** Whether it is an earlier run that goes on. */
  readonly isResumed: boolean;
}

async function reserve(
  config: Config,
  directory: string,
  warnings: Warning[],
): Promise<Reservation> {
  const reserveNew = async (): Promise<Reservation> => ({
    ...(await reserveRunInTime(directory, wallNow(), DIRECTORY_PATIENCE_SECONDS)),
    isResumed: false,
  });
  if (config.resume === undefined) return reserveNew();
  const { findRun } = await import('../ledger/runs.ts');
  const { id, state } = await findRun(directory, config.resume);
  if (state !== 'open') {
    if (config.name !== undefined) {
      const message = `--name ${config.name} is not used: the run that is resumed, ${id}, keeps its own.`;
      warnings.push({ code: 'name-kept', message });
    }
    return { id, hasDirectory: true, isResumed: true };
  }
  // Two may not write the same books, and the job should not go unmeasured for that.
  const fresh = await reserveNew();
  warnings.push({
    code: 'not-resumed',
    message: `Cannot resume ${id}: a living Wattmeter still measures it. This is measured as a run of its own, ${fresh.id}.`,
  });
  return fresh;
}

async function openOutput(warnings: Warning[]): Promise<JobOutput | undefined> {
  const { openJobOutput } = await import('../run/output.ts');
  try {
    return openJobOutput(tmpdir());
  } catch (error) {
    const cause = messageOf(error);
    warnings.push({ code: 'steps-unseen', message: `Steps are not counted: ${cause}` });
    return undefined;
  }
}

async function openMarks(plan: RunPlan): Promise<RunMarks> {
  let handler: MarkHandler | undefined;
  const answer = (next: MarkHandler): void => {
    handler = next;
  };
  try {
    const socket = await RunSocket.open({
      path: plan.socketPath,
      mark: (mark, ageSeconds) =>
        handler?.mark(mark, ageSeconds) ?? {
          kind: 'refused',
          message: 'The run has not started yet. Try again.',
        },
      read: (path) => handler?.read(path),
    });
    return {
      socketPath: socket.path,
      answer,
      [Symbol.asyncDispose]: () => socket[Symbol.asyncDispose](),
    };
  } catch (error) {
    plan.warnings.push({
      code: 'no-socket',
      message: messageOf(error),
    });
    return { answer, [Symbol.asyncDispose]: async () => undefined };
  }
}
