// A run's end: books closed, report delivered, webhook told.

import { gpuEnergyOf } from '../account/gpu-energy.ts';
import type { Account, Books } from '../account.ts';
import type { RunLedger } from '../ledger/run-ledger.ts';
import { present } from '../report/present.ts';
import type { JobEnd } from '../run/child.ts';
import { billOf } from '../report/bill.ts';
import type { Report, ReportMachine } from '../report/report.ts';
import { postWebhook } from '../run/webhook.ts';
import type { Instant } from '../units.ts';
import type { RunCounts } from './run-counts.ts';
import type { RunParts } from './run-parts.ts';
import type { Charges } from './charges.ts';
import { deliverReport, reportOf } from './reporting.ts';
import { messageOf } from './errors.ts';

const WEBHOOK_DEADLINE_SECONDS = 0.4;

/** Closes a run's ledger under what its books add up to; false when part of it could not be stored. */
export function closeRun(
  ledger: RunLedger,
  books: Books,
  end: { readonly endSeconds: Instant; readonly exitCode?: number },
  report?: Report,
): Promise<boolean> {
  // What it came to stays with the books: a report under other prices says what they changed.
  if (report !== undefined) void ledger.addFacts({ bill: billOf(report) });
  return ledger.close({
    endSeconds: end.endSeconds,
    ...(end.exitCode === undefined ? {} : { exitCode: end.exitCode }),
    ...gpuEnergyOf(books.devices),
  });
}

/** What the end of a run is made of. */
type RunEndParts = RunParts & {
  readonly machine: ReportMachine | undefined;
  readonly ledger: RunLedger;
  readonly account: Account;
  readonly charges: Charges;
  readonly counts: RunCounts;
  readonly end: JobEnd;
};

/** Closes the books of a run and delivers its report to stderr and the files. Never fails: what cannot be is said. */
export async function endOfRun(parts: RunEndParts): Promise<void> {
  const { plan, context, ledger, account, end } = parts;
  const books = account.books(end);
  const say = (error: unknown): undefined => {
    context.stderr.write(`wattmeter: ${messageOf(error)}\n`);
  };
  const report = await Promise.resolve()
    .then(() => reportOfEnd(parts, books))
    .catch(say);
  const closing = closeRun(ledger, books, end, report);
  if (report !== undefined) await deliverEnd(parts, report).catch(say);
  if (!(await closing))
    context.stderr.write(
      `wattmeter: the books of run ${ledger.run.id} could not all be stored; this report is what there is.\n`,
    );
  else if (plan.config.quiet !== true)
    context.stderr.write(`Stored as ${ledger.run.id}: wattmeter report ${ledger.run.id}\n`);
}

const reportOfEnd = (parts: RunEndParts, books: Books): Report =>
  reportOf(books, {
    config: parts.plan.config,
    pricing: parts.plan.pricing,
    charges: parts.charges,
    context: parts.context,
    ...parts.counts,
    ...present({ machine: parts.machine }),
  });

/** Report and webhook, side by side: neither waits for the other, and one's trouble is not the other's. */
async function deliverEnd(parts: RunEndParts, report: Report): Promise<void> {
  const { plan, context, ledger, charges, end } = parts;
  const telling =
    plan.config.webhook === undefined
      ? undefined
      : postWebhook(
          plan.config.webhook,
          {
            schema: 'wattmeter.webhook/1',
            event: 'run-ended',
            text: `Run ${ledger.run.name ?? ledger.run.id} ended with code ${end.exitCode}.`,
            run: present({ id: ledger.run.id, name: ledger.run.name, host: ledger.run.host }),
            energy: report.energy,
            cost: report.cost,
          },
          { deadlineSeconds: WEBHOOK_DEADLINE_SECONDS, attempts: 1 },
        );
  try {
    await deliverReport(report, plan.config, context.stderr, context, charges.profile);
  } finally {
    const delivery = await telling;
    if (delivery?.kind === 'failed') context.stderr.write(`wattmeter: ${delivery.message}\n`);
  }
}
