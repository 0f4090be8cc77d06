// What goes on around a running CMD: sampling, books, windows, budget, views. Imported while CMD already runs.

import { hostname } from 'node:os';

import { createAccount, type Account } from '../account.ts';
import type { Clock } from '../clock.ts';
import type { StoredRun } from '../ledger/read-run.ts';
import { resumeRunLedger } from '../ledger/resume-run.ts';
import { createRunLedger, type RunLedger } from '../ledger/run-ledger.ts';
import type { Run, SourceKind, Warning } from '../model.ts';
import type { Pipeline } from '../pipeline.ts';
import { present } from '../report/present.ts';
import type { ReportMachine } from '../report/report.ts';
import type { Job, JobEnd } from '../run/child.ts';
import type { MigParents } from '../run/gpus.ts';
import { EXIT_BUDGET } from '../run/terminate.ts';
import { after, type Instant } from '../units.ts';
import { calibrationLookup } from './calibrations.ts';
import type { Context } from './context.ts';
import { isUserError, messageOf, traceOf } from './errors.ts';
import { noteMachine } from './machine.ts';
import { openMetering } from './metering.ts';
import { pricingFacts } from './kept-pricing.ts';
import type { Charges } from './charges.ts';
import { followFeeds } from './pricing.ts';
import { openProgress, type ProgressLine } from './progress.ts';
import { openBudget, type BudgetGuard } from './run-budget.ts';
import type { endOfRun } from './run-end.ts';
import { gpuSelector, migParentsOf, noneOfTheJob } from './run-gpus.ts';
import type { RunSampling } from './run-sampling.ts';
import type { RunSteps } from './run-steps.ts';
import type { RunWindows } from './run-windows.ts';
import type { MarkHandler, RunMarks, RunPlan } from './run.ts';
import { burst, isStuck, replayWarning } from './sources.ts';
import { ledgerOptions } from './state.ts';
import { openTransferMeter, type TransferMeter } from './transfer.ts';
import { wholeCounts } from './run-counts.ts';
import { openViews, type Views } from './views.ts';

/** Readings wanted after CMD's exit, for the last edge: three refreshes of a 100 ms sensor. */
const AFTERGLOW_SECONDS = 0.35;
/** How long they are waited for; CMD's exit code waits too. */
const AFTERGLOW_PATIENCE_SECONDS = 0.45;
const AFTERGLOW_POLL_SECONDS = 0.02;
const BURST_SECONDS = 0.4;
const LATE_MILLISECONDS = 300;

/** A wrapped command under way. */
export interface RunParts {
  readonly job: Job;
  readonly plan: RunPlan;
  readonly marks: RunMarks;
  /** Marks go there since CMD's start. */
  readonly windows: RunWindows;
  /** Absent where no output is watched. */
  readonly steps: RunSteps | undefined;
  readonly context: Context;
}

/** The same, with the readings that began with CMD. */
export interface RunUnderWay extends RunParts {
  readonly sampling: Promise<RunSampling>;
}

/** Measures until CMD ends, closes the books, and returns the exit code. Never fails before CMD has ended. */
export async function accompany(parts: RunUnderWay): Promise<number> {
  const { job, context } = parts;
  const say = (error: unknown): void => {
    context.stderr.write(`wattmeter: measuring failed, CMD is not affected: ${traceOf(error)}\n`);
  };
  context.surviveCrashes(say);
  let session: Session | undefined;
  try {
    session = await openSession(parts);
  } catch (error) {
    // A mistake in what was asked for is a line; anything else is a defect of ours.
    if (isUserError(error))
      context.stderr.write(`wattmeter: ${error.message} CMD runs on, unmeasured.\n`);
    else say(error);
  }
  if (session === undefined) parts.marks.answer(REFUSES_ALL);
  const end = await job.ended;
  try {
    return (await session?.close(end)) ?? end.exitCode;
  } catch (error) {
    if (isUserError(error)) context.stderr.write(`wattmeter: ${error.message}\n`);
    else say(error);
    return end.exitCode;
  }
}

const REFUSES_ALL: MarkHandler = {
  mark: () => ({ kind: 'refused', message: 'Measuring failed: this run keeps no windows.' }),
  read: () => undefined,
};

interface Session {
  /** Takes the last readings, closes the books, delivers the report; returns Wattmeter's exit code. */
  close(end: JobEnd): Promise<number>;
}

interface OpenBooks {
  readonly ledger: RunLedger;
  readonly account: Account;
  /** What the books of a resumed run were kept under before. */
  readonly earlier?: StoredRun['facts'];
  readonly charges: Charges;
  /** Writes a warning into both. */
  readonly warn: (warning: Warning) => void;
}

/** The run's books, with what is to be said already. */
async function openBooks(parts: RunParts): Promise<OpenBooks> {
  const { job, plan } = parts;
  const charges = await plan.pricing.openCharges();
  const { ledger, account, earlier } = await openLedger(parts, charges);
  void ledger.addFacts(pricingFacts(plan.config));
  const warn = (warning: Warning): void => {
    account.addWarning(warning);
    void ledger.addWarning(warning);
  };
  for (const warning of [...replayWarning(plan.config), ...plan.warnings, ...job.warnings])
    warn(warning);
  return { ledger, account, charges, warn, ...present({ earlier }) };
}

async function openLedger(
  { job, plan, context }: RunParts,
  charges: Charges,
): Promise<Omit<OpenBooks, 'warn' | 'charges'>> {
  const { config, labels, pricing } = plan;
  const options = {
    ...ledgerOptions(config, context),
    stateDirectory: plan.stateDirectory,
  };
  if (plan.isResumed) {
    const resumed = await resumeRunLedger({
      ...options,
      id: plan.runId,
      atSeconds: job.startSeconds,
      // A live service has not answered yet: what was measured keeps the prices that it had.
      charge: pricing.feeds.length > 0 ? undefined : (interval) => charges.charge(interval),
    });
    return { ...resumed, earlier: resumed.stored.facts };
  }
  const run: Run = {
    id: plan.runId,
    ...(config.name === undefined ? {} : { name: config.name }),
    command: plan.command,
    host: hostname(),
    startSeconds: job.startSeconds,
    labels,
  };
  const ledger = createRunLedger({ ...options, run });
  return { ledger, account: createAccount(ledger.run) };
}

async function openSession(parts: RunUnderWay): Promise<Session> {
  const { job, plan } = parts;
  const { clock } = plan;
  const books = await openBooks(parts);
  const { ledger } = books;
  const sampling = await parts.sampling;
  const migParents = await migParentsOf(plan.config, parts.context, sampling, job.ended);
  const stages = await joinStages(parts, books, migParents);
  const { pipeline } = stages;
  // Where a window begins or ends, intervals are cut and readings are dense.
  parts.windows.keepIn({
    ...books,
    onEdge(time) {
      pipeline.cut(time);
      burst(sampling.sources, after(clock.now(), BURST_SECONDS));
    },
  });
  parts.marks.answer({
    mark: (mark, ageSeconds) => parts.windows.mark(mark, after(clock.now(), -ageSeconds)),
    read: (path) => (path === '/v1/run' ? ledger.run : undefined),
  });
  burst(sampling.sources, after(clock.now(), BURST_SECONDS));
  sampling.feed((event) => pipeline.consume(event.source, event));
  // The report's modules are wanted at the end, and must not hold up the first reading.
  const ending = import('./run-end.ts');
  ending.catch(() => undefined);
  return {
    close: (end) => closeSession({ ...parts, ...books, sampling, migParents, stages, ending }, end),
  };
}

interface RunStages {
  readonly pipeline: Pipeline;
  readonly progress: ProgressLine | undefined;
  readonly budget: BudgetGuard | undefined;
  readonly views: Views | undefined;
  readonly transfer: TransferMeter | undefined;
  readonly machine: Promise<ReportMachine | undefined>;
  /** Ends the live feeds. */
  readonly feeding: AbortController;
}

/** Everything that a reading passes through, and what is asked for once beside it. */
async function joinStages(
  parts: RunParts,
  books: OpenBooks,
  migParents: MigParents,
): Promise<RunStages> {
  const { job, plan, marks, context } = parts;
  const { config, clock, pricing } = plan;
  const { account, ledger, charges, warn } = books;
  const transfer = openTransferMeter(config);
  const machine = noteMachine(ledger).catch(() => undefined);
  const feeding = new AbortController();
  followFeeds(pricing, feeding.signal);
  const progress = openProgress({ config, context, pricing });
  const budget = openBudget({
    config,
    job,
    marks,
    context,
    run: ledger.run,
    currency: pricing.tariff.currency,
    warn,
  });
  const pipeline: Pipeline = openMetering({
    config,
    clock,
    pricing,
    charges,
    account,
    ledger,
    startSeconds: job.startSeconds,
    calibrationOf: calibrationLookup(config, context, warn),
    select: gpuSelector(config, context, migParents, warn),
    compose: () => {
      const { steps } = parts.windows.progress;
      if (steps !== undefined) progress?.setSteps(steps);
      const shown = [progress, views, budget].map((view) => view?.compose(pipeline));
      return () => {
        for (const show of shown) show?.();
      };
    },
  });
  const views = await openRunViews(parts, ledger.run, { warn, budget });
  return { pipeline, progress, budget, views, transfer, machine, feeding };
}

type OpenSession = RunParts &
  OpenBooks & {
    readonly sampling: RunSampling;
    readonly migParents: MigParents;
    readonly stages: RunStages;
    readonly ending: Promise<{ readonly endOfRun: typeof endOfRun }>;
  };

async function closeSession(session: OpenSession, end: JobEnd): Promise<number> {
  const { plan, context, sampling, stages, windows, warn } = session;
  const { pipeline, budget } = stages;
  const moved = stages.transfer?.read();
  pipeline.end(end.endSeconds);
  burst(sampling.sources, after(end.endSeconds, BURST_SECONDS));
  if (!sampling.isOver) await afterglow(plan.clock, pipeline, end.endSeconds);
  await session.steps?.finish();
  windows.close(end.endSeconds).forEach(warn);
  for (const [source, message] of sampling.faults())
    if (!hasDelivered(pipeline, source)) warn({ code: 'source-failed', message });
  sayWhatIsMissing(session, end);
  await sampling[Symbol.asyncDispose]();
  if (isStuck(sampling.sources)) context.leaveAbruptly();
  pipeline.finish(end.endSeconds);
  stages.progress?.[Symbol.dispose]();
  stages.feeding.abort();
  const exitCode = budget?.hasTerminated === true ? EXIT_BUDGET : end.exitCode;
  const counts = wholeCounts(session.earlier, {
    ...present({ traffic: await inTime(moved) }),
    progress: windows.progress,
  });
  void session.ledger.addFacts({ counts });
  // Nobody waits for the last scrape: CMD's exit code is waited for.
  const closing = stages.views?.[Symbol.asyncDispose]();
  const { endOfRun: deliverEnd } = await session.ending;
  await deliverEnd({
    ...session,
    counts,
    machine: await inTime(stages.machine),
    end: { ...end, exitCode },
  });
  await closing;
  return exitCode;
}

const hasEnded = ({ ended }: Job): Promise<boolean> =>
  Promise.race([
    ended.then(() => true),
    new Promise<boolean>((resolve) => {
      setImmediate(() => resolve(false));
    }),
  ]);

/** The views of --serve; where they cannot be had, that is said and measuring goes on. */
async function openRunViews(
  { job, plan, context }: RunParts,
  run: Run,
  parts: { readonly warn: (warning: Warning) => void; readonly budget: BudgetGuard | undefined },
): Promise<Views | undefined> {
  const { config, pricing, stateDirectory } = plan;
  const { budget } = parts;
  // A server takes its time to load, and nobody can have asked for one that CMD did not outlive.
  if (config.serve !== true || (await hasEnded(job))) return undefined;
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
    const message = `${messageOf(error)} The run is measured and not served.`;
    parts.warn({ code: 'not-served', message });
    context.stderr.write(`wattmeter: ${message}\n`);
    return undefined;
  }
}

const hasDelivered = (pipeline: Pipeline, source: SourceKind): boolean =>
  pipeline
    .health()
    .some(({ kind, lastSuccessSeconds }) => kind === source && lastSuccessSeconds !== undefined);

/** Why a run has no reading, where more can be said than that there is none. */
function sayWhatIsMissing(session: OpenSession, end: JobEnd): void {
  const { plan, context, sampling, stages, migParents, warn } = session;
  const devices = sampling.devices();
  const none = noneOfTheJob(plan.config, context, { devices, migParents });
  const { firstSeconds } = stages.pipeline;
  const isShort = end.endSeconds - session.job.startSeconds < SOURCE_START_SECONDS;
  if (none !== undefined)
    warn({
      code: firstSeconds === undefined ? 'nothing-measured' : 'no-gpu-selected',
      message: none,
    });
  else if (firstSeconds === undefined && sampling.failure !== undefined)
    warn({ code: 'nothing-measured', message: sampling.failure.message });
  else if (firstSeconds === undefined && isShort)
    warn({ code: 'nothing-measured', message: ENDED_EARLY });
}

const SOURCE_START_SECONDS = 5;
const ENDED_EARLY =
  'CMD ended before the first reading came, so its energy is unknown. A source needs about a second to start.';

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
