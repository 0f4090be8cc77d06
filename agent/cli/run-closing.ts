// What happens once CMD has ended: the last readings, the books' last facts, and the report. CMD's exit code waits for it,
// so nothing here waits long.

import type { Clock } from '../clock.ts';
import type { SourceKind } from '../model.ts';
import type { Pipeline } from '../pipeline.ts';
import { present } from '../report/present.ts';
import type { JobEnd } from '../run/child.ts';
import type { MigParents } from '../run/gpus.ts';
import { EXIT_BUDGET } from '../run/terminate.ts';
import { after, type Instant } from '../units.ts';
import type { OpenBooks } from './run-books.ts';
import { wholeCounts } from './run-counts.ts';
import type { endOfRun } from './run-end.ts';
import { noneOfTheJob } from './run-gpus.ts';
import type { RunSampling } from './run-sampling.ts';
import type { RunParts } from './run-parts.ts';
import type { RunStages } from './run-stages.ts';
import { burstAt, isStuck } from './sources.ts';

/** Readings wanted after CMD's exit, for the last edge: three refreshes of a 100 ms sensor. */
const AFTERGLOW_SECONDS = 0.35;
/** How long they are waited for; CMD's exit code waits too. */
const AFTERGLOW_PATIENCE_SECONDS = 0.45;
const AFTERGLOW_POLL_SECONDS = 0.02;
/** How long an answer that was asked for before is still waited for. */
const LATE_MILLISECONDS = 300;

/** An open session, with the import that its end needs. */
type OpenSession = RunParts &
  OpenBooks & {
    readonly sampling: RunSampling;
    readonly migParents: MigParents;
    readonly stages: RunStages;
    readonly ending: Promise<{ readonly endOfRun: typeof endOfRun }>;
  };

/** Takes the last readings, closes the books, delivers the report; returns the exit code. */
export async function closeSession(session: OpenSession, end: JobEnd): Promise<number> {
  const { plan, context, sampling, stages, windows, warn } = session;
  const { pipeline, budget } = stages;
  const moved = stages.transfer?.read();
  pipeline.end(end.endSeconds);
  burstAt(sampling.sources, end.endSeconds);
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
  const ending = await session.ending;
  await ending.endOfRun({
    ...session,
    counts,
    machine: await inTime(stages.machine),
    end: { ...end, exitCode },
  });
  await closing;
  return exitCode;
}

const hasDelivered = (pipeline: Pipeline, source: SourceKind): boolean =>
  pipeline
    .health()
    .some(({ kind, lastSuccessSeconds }) => kind === source && lastSuccessSeconds !== undefined);

// In so long every source has started.
const SOURCE_START_SECONDS = 5;
const ENDED_EARLY =
  'CMD ended before the first reading came, so its energy is unknown. A source needs about a second to start.';

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
