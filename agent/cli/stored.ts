// A stored run as a report: as its books were kept, or under another tariff, zone or PUE, as if measured so.

import { openClock } from '../clock.ts';
import { readRunFacts, rechargeAccount, type StoredRun } from '../ledger/read-run.ts';
import type { Config } from '../options.ts';
import { present } from '../report/present.ts';
import { changesOf } from '../report/repriced.ts';
import type { Report, ReportBill } from '../report/report.ts';
import { parseBill, parseMachine } from '../report/schema.ts';
import type { Context } from './context.ts';
import { changedPricing, isRepriced, keptPricing } from './kept-pricing.ts';
import { openPricing, refreshFeeds, refuseGap } from './pricing.ts';
import { reportOf, type DrawableReport } from './reporting.ts';
import { parseCounts } from './run-counts.ts';

/** The report of a stored run; options given here replace those that its books were kept under. */
export async function storedReport(
  stateDirectory: string,
  id: string,
  options: { readonly context: Context; readonly config?: Config },
): Promise<DrawableReport> {
  const { context, config = {} } = options;
  const facts = await readRunFacts(stateDirectory, id);
  const merged = await keptPricing(facts['pricing'], config);
  const pricing = await openPricing(merged, context, openClock());
  await refreshFeeds(pricing, context);
  // Charged anew even under the tariff that was kept: the bill's rows are not stored, and the sums come out the same.
  const { account, stored, charges } = await rechargeAccount(stateDirectory, id, () =>
    pricing.openCharges(),
  );
  if (isRepriced(config)) await refuseGap(pricing, stored);
  if (!stored.closed) {
    account.addWarning({
      code: 'run-not-closed',
      message:
        'The books of this run are not closed: it is still going on, or its Wattmeter died (wattmeter recover).',
    });
  }
  const machine = parseMachine(stored.facts['machine']);
  const counts = parseCounts(stored.facts['counts']);
  const report = reportOf(account.books(stored), {
    config: merged,
    pricing,
    charges,
    context,
    ...counts,
    ...(machine === undefined ? {} : { machine }),
  });
  return {
    report: await asRepriced(report, stored, config),
    ...present({ profile: charges.profile }),
  };
}

/** The report with what it was before, where that is not what it is now: other prices, or files that say other ones. */
async function asRepriced(
  report: Report,
  { facts, closed }: StoredRun,
  asked: Config,
): Promise<Report> {
  const options = await changedPricing(facts['pricing'], asked);
  const before = closed ? parseBill(facts['bill']) : undefined;
  const repriced = {
    ...report,
    repriced: present({ options, before: before && ofSameEnergy(before, report) }),
  };
  // A config file may ask for what the run was measured under.
  return options.length > 0 || changesOf(repriced).length > 0 ? repriced : report;
}

/** A bill that is of this run's energy: one that was resumed and killed has kept that of its beginning. */
function ofSameEnergy(bill: ReportBill, { energy }: Report): ReportBill | undefined {
  const itJoulesOf = ({ facilityJoules, powerUsageEffectiveness }: ReportBill['energy']): number =>
    (facilityJoules ?? 0) / powerUsageEffectiveness;
  const difference = Math.abs(itJoulesOf(bill.energy) - itJoulesOf(energy));
  return difference <= itJoulesOf(energy) * ROUNDING ? bill : undefined;
}

const ROUNDING = 1e-9;
