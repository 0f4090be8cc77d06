// Everything that a wrapped run's readings pass through, and what is asked for once beside it.

import type { Run, Warning } from '../model.ts';
import type { Pipeline } from '../pipeline.ts';
import type { ReportMachine } from '../report/report.ts';
import type { Job } from '../run/child.ts';
import type { MigParents } from '../run/gpus.ts';
import { calibrationLookup } from './calibrations.ts';
import { messageOf } from './errors.ts';
import { noteMachine } from './machine.ts';
import { openMetering } from './metering.ts';
import { followFeeds } from './pricing.ts';
import { openProgress, type ProgressLine } from './progress.ts';
import type { OpenBooks } from './run-books.ts';
import { openBudget, type BudgetGuard } from './run-budget.ts';
import { gpuSelector } from './run-gpus.ts';
import type { RunParts } from './run-parts.ts';
import type { TransferMeter } from './transfer.ts';
import { openViews, type Views } from './views.ts';

/** What stands while CMD runs. */
export interface RunStages {
  readonly pipeline: Pipeline;
  readonly progress: ProgressLine | undefined;
  readonly budget: BudgetGuard | undefined;
  readonly views: Views | undefined;
  readonly transfer: TransferMeter | undefined;
  readonly machine: Promise<ReportMachine | undefined>;
  /** Ends the live feeds. */
  readonly feeding: AbortController;
}

/** Opens and joins the stages. */
export async function joinStages(
  parts: RunParts,
  books: OpenBooks,
  migParents: MigParents,
): Promise<RunStages> {
  const { job, plan, marks, context } = parts;
  const { config, clock, pricing } = plan;
  const { account, ledger, charges, warn } = books;
  const transfer = await parts.transfer;
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

/** The views of --serve; where they cannot be had, that is said and measuring goes on. */
async function openRunViews(
  { job, plan, context }: RunParts,
  run: Run,
  {
    warn,
    budget,
  }: { readonly warn: (warning: Warning) => void; readonly budget: BudgetGuard | undefined },
): Promise<Views | undefined> {
  const { config, pricing, stateDirectory } = plan;
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
    warn({ code: 'not-served', message });
    context.stderr.write(`wattmeter: ${message}\n`);
    return undefined;
  }
}

const hasEnded = ({ ended }: Job): Promise<boolean> =>
  Promise.race([
    ended.then(() => true),
    new Promise<boolean>((resolve) => {
      setImmediate(() => resolve(false));
    }),
  ]);
