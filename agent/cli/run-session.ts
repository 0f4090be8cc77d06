// What goes on around a running CMD: sampling, books, windows, budget, views. Imported while CMD already runs.

import type { JobEnd } from '../run/child.ts';
import { after } from '../units.ts';
import { isUserError, traceOf } from './errors.ts';
import { openBooks } from './run-books.ts';
import { closeSession } from './run-closing.ts';
import { migParentsOf } from './run-gpus.ts';
import type { RunSampling } from './run-sampling.ts';
import { joinStages } from './run-stages.ts';
import type { MarkHandler, RunParts } from './run-parts.ts';
import { burstAt } from './sources.ts';

/** The same, with the readings that began with CMD. */
interface RunUnderWay extends RunParts {
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
      burstAt(sampling.sources, clock.now());
    },
  });
  parts.marks.answer({
    mark: (mark, ageSeconds) => parts.windows.mark(mark, after(clock.now(), -ageSeconds)),
    read: (path) => (path === '/v1/run' ? ledger.run : undefined),
  });
  burstAt(sampling.sources, clock.now());
  sampling.feed((event) => pipeline.consume(event.source, event));
  // The report's modules are wanted at the end, and must not hold up the first reading.
  const ending = import('./run-end.ts');
  ending.catch(() => undefined);
  return {
    close: (end) => closeSession({ ...parts, ...books, sampling, migParents, stages, ending }, end),
  };
}
