// The books of a wrapped run: its ledger and account, new or gone on with, and its charges.

import { hostname } from 'node:os';

import { createAccount, type Account } from '../account.ts';
import type { StoredRun } from '../ledger/read-run.ts';
import { resumeRunLedger } from '../ledger/resume-run.ts';
import { createRunLedger, type RunLedger } from '../ledger/run-ledger.ts';
import type { Run, Warning } from '../model.ts';
import { present } from '../report/present.ts';
import type { Charges } from './charges.ts';
import { pricingFacts } from './kept-pricing.ts';
import type { RunParts } from './run-parts.ts';
import { replayWarning } from './sources.ts';
import { ledgerOptions } from './state.ts';

/** Where a run is booked. */
export interface OpenBooks {
  readonly ledger: RunLedger;
  readonly account: Account;
  /** What the books of a resumed run were kept under before. */
  readonly earlier?: StoredRun['facts'];
  readonly charges: Charges;
  /** Writes a warning into both. */
  readonly warn: (warning: Warning) => void;
}

/** The run's books, with what is to be said already. */
export async function openBooks(parts: RunParts): Promise<OpenBooks> {
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
    ...present({ name: config.name }),
    command: plan.command,
    host: hostname(),
    startSeconds: job.startSeconds,
    labels,
  };
  const ledger = createRunLedger({ ...options, run });
  return { ledger, account: createAccount(ledger.run) };
}
