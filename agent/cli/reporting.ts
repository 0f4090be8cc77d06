// Books → report → wherever it was asked for: a screen, --report-json, --report-html.

import { lstatSync, renameSync, rmSync, writeFileSync } from 'node:fs';

import type { Books } from '../account.ts';
import { UsageError } from '../config.ts';
import type { Config } from '../options.ts';
import { buildReport } from '../report/build.ts';
import { formatReport } from '../report/formats.ts';
import type { InputFacts } from '../report/input.ts';
import type { PowerProfile } from '../report/profile.ts';
import type { CountedProgress } from '../report/per.ts';
import { present } from '../report/present.ts';
import type { Report, ReportMachine } from '../report/report.ts';
import type { Traffic } from '../source/traffic.ts';
import { wallNow } from '../clock.ts';
import { wantsColour, type Context, type Screen } from './context.ts';
import type { Charges } from './charges.ts';
import { extrasOf } from './extras.ts';
import { feedWarnings } from './feed-warnings.ts';
import type { Pricing } from './pricing.ts';
import { withLevers } from './run-levers.ts';

/** What a report is made of beside the books. */
export interface ReportFacts {
  readonly config: Config;
  readonly pricing: Pricing;
  readonly charges: Charges;
  readonly context: Context;
  readonly traffic?: Traffic;
  readonly progress?: CountedProgress;
  readonly inputs?: readonly InputFacts[];
  readonly machine?: ReportMachine;
}

/** Builds the report; what pricing has to say stands among its warnings. */
export function reportOf(books: Books, facts: ReportFacts): Report {
  const { config, pricing, charges, context } = facts;
  const { warnings, ...extras } = extrasOf(books, {
    config,
    pricing,
    demand: charges.demand(),
    ...present({ traffic: facts.traffic, progress: facts.progress }),
  });
  const report = buildReport({
    ...extras,
    books: {
      ...books,
      warnings: [
        ...books.warnings,
        ...pricing.warnings,
        ...feedWarnings(pricing, books.endSeconds),
        ...warnings,
      ],
    },
    pricePeriods: charges.periods(),
    generatedSeconds: wallNow(),
    version: context.version,
    tariff: pricing.tariff,
    grid: pricing.grid,
    powerUsageEffectiveness: pricing.powerUsageEffectiveness,
    ...present({ inputs: facts.inputs, machine: facts.machine }),
  });
  return withLevers(report, pricing);
}

/** A report, and the power over time that its drawing shows, where it is known. */
export interface DrawableReport {
  readonly report: Report;
  readonly profile?: PowerProfile;
}

/** Prints the report in its form unless --quiet, and writes the files that were asked for. @throws UsageError */
export async function deliverReport(
  report: Report,
  config: Config,
  screen: Screen,
  context: Context,
  profile?: PowerProfile,
): Promise<void> {
  const drawing = profile === undefined ? {} : { series: [profile.series()] };
  if (config.quiet !== true) {
    const options = { colour: wantsColour(screen, context) };
    screen.write(await formatReport(report, config.format ?? 'text', { ...options, ...drawing }));
  }
  if (config.reportJson !== undefined)
    writeReport(config.reportJson, await formatReport(report, 'json'));
  if (config.reportHtml !== undefined)
    writeReport(config.reportHtml, await formatReport(report, 'html', drawing));
}

function writeReport(path: string, text: string): void {
  const partial = `${path}.part`;
  try {
    // A pipe or a device is written to; a file is replaced when the new one is whole.
    if (lstatSync(path, { throwIfNoEntry: false })?.isFile() === false) writeFileSync(path, text);
    else {
      writeFileSync(partial, text);
      renameSync(partial, path);
    }
  } catch (error) {
    rmSync(partial, { force: true });
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new UsageError(
      `Cannot write the report to ${path} (${code}). Does the folder exist, and is there room?`,
    );
  }
}
