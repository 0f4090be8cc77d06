// A stored run as a report: as its books were kept, or under another tariff, zone or PUE, as if measured so.

import { existsSync } from 'node:fs';

import { openClock } from '../clock.ts';
import {
  readRunFacts,
  rechargeAccount,
  type RefilledRun,
  type StoredRun,
} from '../ledger/read-run.ts';
import type { Warning } from '../model.ts';
import type { Config } from '../options.ts';
import { present } from '../report/present.ts';
import { changesOf } from '../report/repriced.ts';
import type { Report, ReportBill, ReportOptionChange } from '../report/report.ts';
import { parseBill, parseMachine } from '../report/schema.ts';
import { bookedRun } from './booked-pricing.ts';
import type { Charges } from './charges.ts';
import type { Context } from './context.ts';
import { rechargeWithHost } from './host-beside.ts';
import {
  changedPricing,
  flagOf,
  isRepriced,
  keptPricing,
  lostFileError,
  lostFiles,
} from './kept-pricing.ts';
import { openPricing, refreshFeeds, refuseGap, type Pricing } from './pricing.ts';
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
  const kept = await keptPricing(facts['pricing'], config);
  const merged = withoutLostInputs(kept);
  const changes = await changedPricing(facts['pricing'], config);
  const { account, stored, charges, pricing } = await chargedRun(stateDirectory, id, {
    bill: parseBill(facts['bill']),
    changes,
    merged,
    asked: config,
    context,
  });
  if (!stored.closed) {
    account.addWarning({
      code: 'run-not-closed',
      message:
        'The books of this run are not closed: it is still going on, or its Wattmeter died (wattmeter recover).',
    });
  }
  if (merged !== kept) account.addWarning(inputsGone(kept));
  const machine = parseMachine(stored.facts['machine']);
  const counts = parseCounts(stored.facts['counts']);
  const report = reportOf(account.books(stored), {
    config: merged,
    pricing,
    charges,
    context,
    ...counts,
    ...present({ machine }),
  });
  return {
    report: asRepriced(report, stored, changes),
    ...present({ profile: charges.profile }),
  };
}

/** What nobody measured changes no measured figure: without its file it is left out, and said to be. */
function withoutLostInputs(config: Config): Config {
  const { inputs, ...rest } = config;
  return inputs === undefined || existsSync(inputs) ? config : rest;
}

const inputsGone = ({ inputs }: Config): Warning => ({
  code: 'inputs-file-gone',
  message: `${inputs} is not there any more: what it said of hardware and data is left out.`,
});

type Charged = RefilledRun & { readonly charges: Charges; readonly pricing: Pricing };

/**
 * The run under the options in force. Charged anew even under the tariff that was kept: the bill's rows are not stored,
 * and the sums come out the same.
 */
async function chargedRun(
  stateDirectory: string,
  id: string,
  parts: {
    readonly bill: ReportBill | undefined;
    readonly changes: readonly ReportOptionChange[];
    readonly merged: Config;
    readonly asked: Config;
    readonly context: Context;
  },
): Promise<Charged> {
  const { bill, changes, merged, asked, context } = parts;
  const lost = lostFiles(merged, asked);
  const [first] = lost;
  if (first !== undefined) {
    if (changes.length > 0 || bill === undefined) throw lostFileError(first);
    return bookedRun(stateDirectory, id, {
      bill,
      config: merged,
      lost: lost.map(({ path }) => path),
    });
  }
  const pricing = await openPricing(merged, context, openClock());
  await refreshFeeds(pricing, context);
  const powerWatts = changesHost(changes) ? asked.hostWatts : undefined;
  const run =
    powerWatts === undefined
      ? await rechargeAccount(stateDirectory, id, () => pricing.openCharges())
      : await rechargeWithHost(stateDirectory, id, { pricing, powerWatts });
  if (isRepriced(asked)) await refuseGap(pricing, run.stored);
  return { ...run, pricing };
}

const changesHost = (changes: readonly ReportOptionChange[]): boolean =>
  changes.some(({ option }) => option === flagOf('hostWatts'));

/** The report with what it was before, where that is not what it is now: other prices, or files that say other ones. */
function asRepriced(
  report: Report,
  { facts, closed }: StoredRun,
  options: readonly ReportOptionChange[],
): Report {
  const bill = closed ? parseBill(facts['bill']) : undefined;
  const before = changesHost(options) ? bill : bill && ofSameEnergy(bill, report);
  const repriced = { ...report, repriced: present({ options, before }) };
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

// Relative: what two ways to add up the same joules differ by.
const ROUNDING = 1e-9;
