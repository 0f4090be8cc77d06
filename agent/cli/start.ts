// `wattmeter start` (npm start): the main job in one word. Samples what is here, else replays the bundled trace in a
// loop; serves metrics and dashboard, and prints the bill on Ctrl-C.

import { hostname } from 'node:os';
import { relative, resolve } from 'node:path';

import { createAccount } from '../account.ts';
import { openClock } from '../clock.ts';
import { createRunLedger, withdrawRun } from '../ledger/run-ledger.ts';
import type { Config } from '../options.ts';
import { packageRoot } from '../version.ts';
import {
  LEDGER_OPTIONS,
  PRICING_OPTIONS,
  REPORT_OPTIONS,
  SOURCE_OPTIONS,
  TRACE_OPTIONS,
  WEB_OPTIONS,
  type CommandSpec,
} from './command.ts';
import type { Context } from './context.ts';
import { liveUntilSignal } from './live.ts';
import { pricingFacts } from './kept-pricing.ts';
import { openPricing } from './pricing.ts';
import { deliverReport, reportOf } from './reporting.ts';
import { openRunSampling } from './run-readiness.ts';
import { closeRun } from './run-end.ts';
import { chooseSources, replayWarning, LIVE_PLAY } from './sources.ts';
import { ledgerOptions, stateDirectory } from './state.ts';

const BUNDLED_TRACE = 'fixtures/simulated-training-4gpu.csv.gz';
/** How long a driver may take to give the first reading before the bundled trace stands in. */
const FIRST_READING_SECONDS = 5;

export const startCommand: CommandSpec = {
  options: [
    ...SOURCE_OPTIONS,
    ...TRACE_OPTIONS,
    ...PRICING_OPTIONS,
    ...LEDGER_OPTIONS,
    ...REPORT_OPTIONS,
    ...WEB_OPTIONS,
  ],
  examples: ['npm start', 'wattmeter start --zone DEU --price 0.25 --currency EUR'],
  async action({ config: asked, context }) {
    const config = await withReadings(asked, context);
    const isReplay = config.trace !== undefined;
    const clock = openClock();
    const pricing = await openPricing(config, context, clock);
    const charges = await pricing.openCharges();
    const directory = stateDirectory(config, context);
    const sources = await chooseSources(config, clock, { play: LIVE_PLAY });
    const ledger = createRunLedger({
      ...ledgerOptions(config, context),
      stateDirectory: directory,
      run: { name: 'start', host: hostname(), startSeconds: clock.now(), labels: {} },
    });
    void ledger.addFacts(pricingFacts(config));
    const account = createAccount(ledger.run);
    for (const warning of replayWarning(config)) {
      account.addWarning(warning);
      void ledger.addWarning(warning);
    }
    const live = liveUntilSignal({
      config,
      context,
      clock,
      pricing,
      charges,
      account,
      ledger,
      sources,
      stateDirectory: directory,
      live: !isReplay,
      run: ledger.run,
      onServing: (urls) => greet(urls, config, context),
    });
    const failure = await live.then(
      () => undefined,
      (error: unknown) => error,
    );
    const end = { endSeconds: clock.now() };
    const books = account.books(end);
    const report = reportOf(books, { config, pricing, charges, context });
    await closeRun(ledger, books, end, report);
    // What was measured before a failure is billed; without anything there was no run.
    if (failure !== undefined && !books.devices.some(({ totals }) => totals.observedSeconds > 0)) {
      await withdrawRun(directory, ledger.run.id);
      throw failure;
    }
    await deliverReport(report, config, context.stdout, context, charges.profile);
    if (failure !== undefined) throw failure;
    return 0;
  },
};

/** What the user asked for, or whatever can be read here; else the recording that comes with Wattmeter. */
async function withReadings(config: Config, context: Context): Promise<Config> {
  if (config.source !== undefined || config.trace !== undefined) return config;
  const quiet = { ...context, stderr: { ...context.stderr, write: () => undefined } };
  await using probe = await openRunSampling(config, openClock(), quiet);
  const first = await probe.firstReading(FIRST_READING_SECONDS);
  if (first === 'measuring') return config;
  const why = first === 'silent' ? 'no GPU gave a reading' : first.message;
  const trace = resolve(packageRoot(), BUNDLED_TRACE);
  context.stderr.write(
    `wattmeter: ${why}\nwattmeter: replaying ${relative('.', trace)} in a loop instead: a simulated recording, not this machine.\n`,
  );
  return { ...config, trace: [trace] };
}

function greet(urls: readonly string[], config: Config, context: Context): void {
  const path = config.webTelemetryPath ?? '/metrics';
  for (const url of urls) {
    context.stderr.write(
      `wattmeter: dashboard ${url}\nwattmeter: metrics   ${url.replace(/\/$/, '')}${path}\n`,
    );
  }
  context.stderr.write('wattmeter: Ctrl-C ends it and prints the bill.\n');
}
