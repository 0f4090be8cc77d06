// `wattmeter replay TRACE…`: a recording through the same pipeline, at once or at its own pace.

import { createAccount, type Books } from '../account.ts';
import { openClock, wallNow } from '../clock.ts';
import { UsageError } from '../config.ts';
import type { Run } from '../model.ts';
import type { Config } from '../options.ts';
import type { InputFacts } from '../report/input.ts';
import { replaySource } from '../source/replay.ts';
import { PRICING_OPTIONS, REPORT_OPTIONS, TRACE_OPTIONS, type CommandSpec } from './command.ts';
import { calibrationLookup } from './calibrations.ts';
import type { Context } from './context.ts';
import { openMetering } from './metering.ts';
import type { Charges } from './charges.ts';
import { openPricing, refreshFeeds, refuseGap, type Pricing } from './pricing.ts';
import { openProgress } from './progress.ts';
import { deliverReport, reportOf } from './reporting.ts';
import { logOptions } from './sources.ts';

export const replayCommand: CommandSpec = {
  arguments: [['<trace...>', 'nvidia-smi CSV logs or traces of wattmeter record, .gz too']],
  options: [...TRACE_OPTIONS, 'hostWatts', 'stateDir', ...PRICING_OPTIONS, ...REPORT_OPTIONS],
  extra: [['--speed <n>', 'trace seconds per second, or max (default: max)']],
  examples: [
    'wattmeter replay gpu.csv',
    'wattmeter replay gpu.csv --price 0.25 --currency EUR --zone DEU --pue 1.2',
  ],
  async action({ config, operands, extra, context }) {
    const speed = speedOf(extra['speed']);
    const pricing = await openPricing(config, context, openClock());
    await refreshFeeds(pricing, context);
    const metered = await meterTraces(operands, { config, pricing, context, speed });
    const report = reportOf(metered.books, { ...metered, config, pricing, context });
    await deliverReport(report, config, context.stdout, context, metered.charges.profile);
    return 0;
  },
};

/** The books of some traces, and what became of the files. */
export interface MeteredTraces {
  readonly books: Books;
  readonly charges: Charges;
  readonly inputs: readonly InputFacts[];
}

/** Meters traces from end to end. @throws SourceError when one is no log that can be read */
export async function meterTraces(
  files: readonly string[],
  options: {
    readonly config: Config;
    readonly pricing: Pricing;
    readonly context: Context;
    readonly speed: number | 'max';
  },
): Promise<MeteredTraces> {
  const { config, pricing, context, speed } = options;
  const clock = openClock();
  await using source = replaySource({ files, clock, speed, log: await logOptions(config) });
  // A trace does not say where it was recorded, nor what ran.
  const run: Run = {
    id: 'replay',
    name: files.join(', '),
    host: 'unknown',
    startSeconds: wallNow(),
    labels: {},
  };
  const account = createAccount(run);
  const charges = await pricing.openCharges();
  using progress = speed === 'max' ? undefined : openProgress({ config, context, pricing });
  const pipeline = openMetering({
    config,
    pricing,
    charges,
    account,
    calibrationOf: calibrationLookup(config, context, (warning) => account.addWarning(warning)),
    compose: () => progress?.compose(pipeline),
  });
  for await (const event of source.events(context.signal)) pipeline.consume('replay', event);
  pipeline.finish();
  const inputs = [source.inputSummary()];
  const { firstSeconds, lastSeconds } = pipeline;
  if (firstSeconds === undefined || lastSeconds === undefined) {
    throw new UsageError(
      `${files.join(', ')}: no power reading in it. Is it a log of power over time?`,
    );
  }
  await refuseGap(pricing, { startSeconds: firstSeconds, endSeconds: lastSeconds });
  const books = account.books({ endSeconds: lastSeconds });
  return { books: { ...books, run: { ...run, startSeconds: firstSeconds } }, charges, inputs };
}

function speedOf(text: string | boolean | undefined): number | 'max' {
  if (text === undefined || text === 'max') return 'max';
  const speed = Number(text);
  if (Number.isFinite(speed) && speed > 0) return speed;
  throw new UsageError(`--speed must be a number above 0, or max, not ${JSON.stringify(text)}.`);
}
