// What goes on around a running CMD: sampling, books, windows, budget, views. Imported while CMD already runs.

import { hostname } from 'node:os';

import { createAccount, type Account } from '../account.ts';
import type { Clock } from '../clock.ts';
import { resumeRunLedger } from '../ledger/resume-run.ts';
import { createRunLedger, type RunLedger } from '../ledger/run-ledger.ts';
import type { Device, Run, Warning, Window } from '../model.ts';
import type { Config } from '../options.ts';
import type { Pipeline } from '../pipeline.ts';
import type { Job, JobEnd } from '../run/child.ts';
import { selectGpus } from '../run/gpus.ts';
import { EXIT_BUDGET } from '../run/terminate.ts';
import { WindowBook, type MarkOutcome } from '../run/windows.ts';
import { after, type Instant } from '../units.ts';
import { calibrationLookup } from './calibrations.ts';
import type { Context } from './context.ts';
import { noteMachine } from './machine.ts';
import { openMetering } from './metering.ts';
import { followFeeds, pricingFacts } from './pricing.ts';
import { openProgress } from './progress.ts';
import { startSampling, type RunSampling } from './run-sampling.ts';
import type { RunMarks, RunPlan } from './run.ts';
import { openBudget, type BudgetGuard } from './run-budget.ts';
import { endOfRun } from './run-end.ts';
import { openSteps } from './run-steps.ts';
import { burst, chooseSources, isStuck, replayWarning } from './sources.ts';
import { sayFault } from './state.ts';
import { openTransferMeter } from './transfer.ts';
import { openViews, type Views } from './views.ts';

/** How long --require-measurement and --gpus wait for the first reading before CMD may start. */
const FIRST_READING_SECONDS = 10;
/** Readings wanted after CMD's exit, for the last edge: three refreshes of a 100 ms sensor. */
const AFTERGLOW_SECONDS = 0.35;
/** How long they are waited for; CMD's exit code waits too. */
const AFTERGLOW_PATIENCE_SECONDS = 0.45;
const AFTERGLOW_POLL_SECONDS = 0.02;
const BURST_SECONDS = 0.4;
const LATE_MILLISECONDS = 300;
const DEFAULT_FLUSH_SECONDS = 1;

/** Starts the sources that the options name; a source that cannot be is said, not thrown. @throws UsageError, SourceError */
export async function openRunSampling(
  config: Config,
  clock: Clock,
  context: Context,
): Promise<RunSampling> {
  const play = { speed: 1, loop: true, restampToNow: true } as const;
  const sources = await chooseSources(config, clock, { play, waitsForDriver: false });
  return startSampling(sources, clock, (error) => {
    context.stderr.write(`wattmeter: ${error.message} CMD runs on, unmeasured.\n`);
  });
}

/** Why CMD must not start, where the user asked for that; undefined when it may. */
export async function refusalOf(
  plan: RunPlan,
  sampling: RunSampling,
  context: Context,
): Promise<string | undefined> {
  const { config } = plan;
  const first = await sampling.firstReading(FIRST_READING_SECONDS);
  if (config.gpus !== undefined) {
    const selection = selectGpus({
      option: config.gpus,
      environment: context.environment,
      devices: sampling.devices(),
    });
    if (sampling.devices().length > 0 && selection.kind === 'refused') return selection.message;
  }
  if (config.requireMeasurement !== true || first === 'measuring') return undefined;
  const why =
    first === 'silent' ? `no reading came within ${FIRST_READING_SECONDS} s.` : first.message;
  return `--require-measurement: ${why} CMD was not started. Run wattmeter devices to see what can be measured.`;
}

/** A wrapped command under way. */
export interface RunParts {
  readonly job: Job;
  readonly plan: RunPlan;
  readonly marks: RunMarks;
  readonly context: Context;
}

/** Measures until CMD ends, closes the books, and returns the exit code. Never fails before CMD has ended. */
export async function accompany(parts: RunParts): Promise<number> {
  const { job, context } = parts;
  const say = (error: unknown): void => {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    context.stderr.write(`wattmeter: measuring failed, CMD is not affected: ${text}\n`);
  };
  context.surviveCrashes(say);
  let session: Session | undefined;
  try {
    session = await openSession(parts);
  } catch (error) {
    // A mistake in what was asked for is a line; anything else is a defect of ours.
    if (isKnown(error))
      context.stderr.write(`wattmeter: ${error.message} CMD runs on, unmeasured.\n`);
    else say(error);
  }
  const end = await job.ended;
  try {
    return (await session?.close(end)) ?? end.exitCode;
  } catch (error) {
    if (isKnown(error)) context.stderr.write(`wattmeter: ${error.message}\n`);
    else say(error);
    return end.exitCode;
  }
}

const KNOWN_ERRORS: ReadonlySet<string> = new Set([
  'UsageError',
  'LedgerError',
  'SourceError',
  'ListenError',
  'ConfigError',
]);
const isKnown = (error: unknown): error is Error =>
  error instanceof Error && KNOWN_ERRORS.has(error.name);

interface Session {
  /** Takes the last readings, closes the books, delivers the report; returns Wattmeter's exit code. */
  close(end: JobEnd): Promise<number>;
}

interface OpenBooks {
  readonly ledger: RunLedger;
  readonly account: Account;
}

async function openBooks({ job, plan, context }: RunParts): Promise<OpenBooks> {
  const { config, labels } = plan;
  const options = {
    stateDirectory: plan.stateDirectory,
    writer: { version: context.version, pid: context.processId },
    flushSeconds: config.flushSeconds ?? DEFAULT_FLUSH_SECONDS,
    onFault: sayFault(context),
  };
  if (config.resume !== undefined) {
    return resumeRunLedger({ ...options, id: plan.runId, atSeconds: job.startSeconds });
  }
  const run: Omit<Run, 'id'> = {
    ...(config.name === undefined ? {} : { name: config.name }),
    command: plan.command,
    host: hostname(),
    startSeconds: job.startSeconds,
    labels,
  };
  const ledger = createRunLedger({ ...options, run: { ...run, id: plan.runId } });
  return { ledger, account: createAccount(ledger.run) };
}

async function openSession(parts: RunParts): Promise<Session> {
  const { job, plan, marks, context } = parts;
  const { config, clock, pricing } = plan;
  const { ledger, account } = await openBooks(parts);
  void ledger.addFacts(pricingFacts(config));
  const warn = (warning: Warning): void => {
    account.addWarning(warning);
    void ledger.addWarning(warning);
  };
  for (const warning of [...replayWarning(config), ...plan.warnings, ...job.warnings])
    warn(warning);

  const sampling = plan.sampling ?? (await openRunSampling(config, clock, context));
  const charges = await pricing.openCharges();
  const transfer = openTransferMeter(config);
  const machine = noteMachine(ledger).catch(() => undefined);
  const feeding = new AbortController();
  followFeeds(pricing, feeding.signal);
  const progress = openProgress({ config, context, pricing });
  const budget = openBudget({ config, job, marks, context, run: ledger.run, warn });
  const pipeline: Pipeline = openMetering({
    config,
    clock,
    pricing,
    charges,
    account,
    ledger,
    startSeconds: job.startSeconds,
    calibrationOf: calibrationLookup(config, context, warn),
    select: gpuSelector(config, context, warn),
    compose: () => {
      const show = [
        progress?.compose(pipeline),
        views?.compose(pipeline),
        budget?.compose(pipeline),
      ];
      return () => {
        for (const one of show) one?.();
      };
    },
  });
  const views = await openRunViews(parts, ledger.run, { warn, budget });

  const windows = new WindowBook(job.startSeconds);
  const take = (outcome: MarkOutcome): MarkOutcome => {
    if (outcome.kind === 'refused') return outcome;
    pipeline.cut(outcome.edgeSeconds);
    burst(sampling.sources, after(clock.now(), BURST_SECONDS));
    for (const window of outcome.closed) bookWindow(account, ledger, window);
    return outcome;
  };
  marks.answer({
    mark(mark) {
      const time = clock.now();
      if (mark.phase === 'begin') {
        account.openWindow(mark.name, time);
        void ledger.openWindow(mark.name, time);
      }
      return take(windows.mark(mark, time));
    },
    read: (path) => (path === '/v1/run' ? ledger.run : undefined),
  });
  const steps = openSteps(plan, clock, (line, time) => {
    const outcome = windows.line(line, time);
    if (outcome !== undefined) {
      if (outcome.kind === 'accepted' && line.epoch !== undefined) {
        account.openWindow(`epoch ${line.epoch}`, outcome.edgeSeconds);
        void ledger.openWindow(`epoch ${line.epoch}`, outcome.edgeSeconds);
      }
      take(outcome);
    }
    const seen = windows.progress.steps;
    if (seen !== undefined) progress?.setSteps(seen);
  });
  burst(sampling.sources, after(clock.now(), BURST_SECONDS));
  sampling.feed((event) => pipeline.consume(event.source, event));

  return {
    async close(end) {
      const data = transfer?.read(end.endSeconds);
      pipeline.end(end.endSeconds);
      burst(sampling.sources, after(end.endSeconds, BURST_SECONDS));
      if (!sampling.isOver) await afterglow(clock, pipeline, end.endSeconds);
      await steps?.finish();
      const closing = windows.close(end.endSeconds);
      for (const window of closing.closed) bookWindow(account, ledger, window);
      closing.warnings.forEach(warn);
      if (pipeline.firstSeconds === undefined) warn(nothingRead(sampling));
      await sampling[Symbol.asyncDispose]();
      if (isStuck(sampling.sources)) context.leaveAbruptly();
      pipeline.finish(end.endSeconds);
      progress?.[Symbol.dispose]();
      const isStopped = budget?.hasTerminated === true;
      const exitCode = isStopped ? EXIT_BUDGET : end.exitCode;
      feeding.abort();
      await endOfRun({
        ...parts,
        ledger,
        account,
        charges,
        data: await inTime(data),
        machine: await inTime(machine),
        end: { ...end, exitCode },
      });
      await views?.[Symbol.asyncDispose]();
      return exitCode;
    },
  };
}

/** The views of --serve; where they cannot be had, that is said and measuring goes on. */
async function openRunViews(
  { job, plan, context }: RunParts,
  run: Run,
  parts: { readonly warn: (warning: Warning) => void; readonly budget: BudgetGuard | undefined },
): Promise<Views | undefined> {
  const { config, pricing, stateDirectory } = plan;
  const { budget } = parts;
  if (config.serve !== true) return undefined;
  try {
    return await openViews({
      config,
      context,
      pricing,
      stateDirectory,
      startedSeconds: job.startSeconds,
      live: config.trace === undefined,
      run,
      ...(budget === undefined ? {} : { additions: { budgets: () => budget.uses() } }),
    });
  } catch (error) {
    const message = `${error instanceof Error ? error.message : String(error)} The run is measured and not served.`;
    parts.warn({ code: 'not-served', message });
    context.stderr.write(`wattmeter: ${message}\n`);
    return undefined;
  }
}

function bookWindow(account: Account, ledger: RunLedger, window: Window): void {
  account.addWindow(window);
  void ledger.addWindow(window);
}

/** Which GPUs are the job's, told once; a list that makes no sense here is said and all are measured. */
function gpuSelector(
  config: Config,
  context: Context,
  warn: (warning: Warning) => void,
): (devices: readonly Device[]) => readonly Device[] {
  let isTold = false;
  return (devices) => {
    const selection = selectGpus({
      ...(config.gpus === undefined ? {} : { option: config.gpus }),
      environment: context.environment,
      devices,
    });
    if (selection.kind === 'refused') {
      if (!isTold)
        warn({
          code: 'gpus-unknown',
          message: `${selection.message} Every visible GPU is measured.`,
        });
      isTold = true;
      return devices;
    }
    if (!isTold) selection.warnings.forEach(warn);
    isTold = true;
    return devices.filter(({ kind, uuid }) => kind !== 'gpu' || selection.uuids.has(uuid));
  };
}

/** Why a run has no reading at all. */
const nothingRead = ({ failure }: RunSampling): Warning => ({
  code: 'nothing-measured',
  message:
    failure?.message ??
    'CMD ended before the first reading came, so its energy is unknown. A source needs about a second to start.',
});

/** What is there soon; CMD's exit code waits for nothing else. */
async function inTime<T>(promise: Promise<T | undefined> | undefined): Promise<T | undefined> {
  const late = new Promise<undefined>((resolve) => {
    setTimeout(() => resolve(undefined), LATE_MILLISECONDS);
  });
  return promise === undefined ? undefined : Promise.race([promise, late]);
}

/** Waits until readings have passed CMD's exit, briefly. */
async function afterglow(clock: Clock, pipeline: Pipeline, end: Instant): Promise<void> {
  const wanted = after(end, AFTERGLOW_SECONDS);
  const deadline = after(end, AFTERGLOW_PATIENCE_SECONDS);
  const never = new AbortController().signal;
  while ((pipeline.lastSeconds ?? 0) < wanted && clock.now() < deadline)
    await clock.sleepUntil(after(clock.now(), AFTERGLOW_POLL_SECONDS), never);
}
