// Budgets of a run: watched at every settlement; a warning, a webhook, and where asked for the orderly end of CMD.

import { setTimeout as delay } from 'node:timers/promises';

import { isObserved } from '../account/gpu-energy.ts';
import { combine } from '../account.ts';
import type { Run, Warning } from '../model.ts';
import type { Config } from '../options.ts';
import type { Pipeline } from '../pipeline.ts';
import {
  budgetStates,
  BudgetWatch,
  unjudgedBudgets,
  type BudgetEvent,
  type BudgetLimits,
  type BudgetSpending,
  type BudgetState,
} from '../run/budget.ts';
import type { Job } from '../run/child.ts';
import { terminateJob, terminationPorts } from '../run/terminate.ts';
import { postWebhook } from '../run/webhook.ts';
import { present } from '../report/present.ts';
import type { BudgetUse } from '../snapshot.ts';
import type { Context } from './context.ts';
import type { RunMarks } from './run-parts.ts';

const DEFAULT_GRACE_SECONDS = 30;
const WEBHOOK_DEADLINE_SECONDS = 10;
// The first figures need a few readings; after this an unknown one will stay unknown.
const JUDGED_AFTER_SECONDS = 5;

/** The guard of a run's budgets. */
export interface BudgetGuard {
  /** Judges the figures now; the returned function acts on the judgement. */
  compose(pipeline: Pipeline): () => void;
  uses(): readonly BudgetUse[];
  readonly hasTerminated: boolean;
}

/** Opens the guard; undefined where no budget is set. */
export function openBudget(parts: {
  readonly config: Config;
  readonly job: Job;
  readonly marks: RunMarks;
  readonly context: Context;
  readonly run: Run;
  /** Of the tariff: the budget's as well. */
  readonly currency: string;
  readonly warn: (warning: Warning) => void;
}): BudgetGuard | undefined {
  const { config, job, context, run, warn } = parts;
  const limits: BudgetLimits = present({
    energyKilowattHours: config.budgetKilowattHours,
    costAmount: config.budgetCost,
    co2eGrams: config.budgetCo2eGrams,
  });
  if (Object.keys(limits).length === 0) return undefined;
  const watch = new BudgetWatch(limits, parts.currency);
  let states: readonly BudgetState[] = budgetStates(limits, {});
  let hasTerminated = false;
  let isUnjudgedTold = false;

  const act = (event: BudgetEvent): void => {
    warn({ code: `budget-${event.level}`, message: event.message });
    context.stderr.write(`wattmeter: ${event.message}\n`);
    if (config.webhook !== undefined) void tell(config.webhook, event, run, context);
    if (event.level !== 'exceeded' || config.onBudget !== 'terminate' || hasTerminated) return;
    hasTerminated = true;
    context.stderr.write(
      'wattmeter: the budget ends the command: SIGTERM now, SIGKILL after the grace period.\n',
    );
    const identity = present({
      pid: job.pid,
      socketPath: parts.marks.socketPath,
      ownPid: context.processId,
    });
    const ports = terminationPorts({
      kill: (pid, signal) => context.kill(pid, signal),
      wait: (seconds) => delay(seconds * 1e3),
    });
    void terminateJob(identity, config.graceSeconds ?? DEFAULT_GRACE_SECONDS, ports);
  };

  return {
    compose(pipeline) {
      const assessed = watch.assess(spendingOf(pipeline));
      states = assessed.states;
      const elapsed = (pipeline.lastSeconds ?? 0) - run.startSeconds;
      if (!isUnjudgedTold && elapsed > JUDGED_AFTER_SECONDS) {
        isUnjudgedTold = true;
        unjudgedBudgets(states).forEach(warn);
      }
      return () => assessed.events.forEach(act);
    },
    uses: () =>
      states.flatMap(({ kind, usedRatio }) =>
        usedRatio === undefined
          ? []
          : [{ runId: run.id, name: run.name ?? run.id, kind, usedRatio }],
      ),
    get hasTerminated() {
      return hasTerminated;
    },
  };
}

/** What the run has used so far: everything that its bill will hold; unknown, not 0, while nothing was observed. */
function spendingOf(pipeline: Pipeline): BudgetSpending {
  const observed = pipeline.devices().filter(({ totals }) => isObserved(totals));
  if (observed.length === 0) return {};
  const totals = combine(observed.map((device) => device.totals));
  return present({
    energyKilowattHours: totals.facilityKilowattHours,
    costAmount:
      totals.costAmount === undefined ? undefined : totals.costAmount - (totals.creditAmount ?? 0),
    co2eGrams: totals.locationBasedGrams,
  });
}

async function tell(url: string, event: BudgetEvent, run: Run, context: Context): Promise<void> {
  const delivery = await postWebhook(
    url,
    {
      schema: 'wattmeter.webhook/1',
      event: `budget-${event.level}`,
      text: event.message,
      run: present({ id: run.id, name: run.name, host: run.host }),
      budget: { kind: event.kind, limit: event.limit, used: event.used },
    },
    { deadlineSeconds: WEBHOOK_DEADLINE_SECONDS },
  );
  if (delivery.kind === 'failed') context.stderr.write(`wattmeter: ${delivery.message}\n`);
}
