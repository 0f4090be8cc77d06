// `wattmeter agent`: the daemon. Samples for ever, keeps the ledger, serves HTTP; its counters survive any death.

import { hostname } from 'node:os';
import { join } from 'node:path';

import { openClock, wallNow } from '../clock.ts';
import { openAgentLedger } from '../ledger/agent-ledger.ts';
import { openNotifier, type Notifier } from '../notify.ts';
import type { Pipeline } from '../pipeline.ts';
import { RunSocket } from '../run/socket.ts';
import {
  LEDGER_OPTIONS,
  PRICING_OPTIONS,
  SOURCE_OPTIONS,
  TRACE_OPTIONS,
  WEB_OPTIONS,
  type CommandSpec,
} from './command.ts';
import { openAgentJobs } from './agent-jobs.ts';
import { openAgentRuns, type AgentRuns } from './agent-runs.ts';
import type { Context } from './context.ts';
import { liveUntilSignal } from './live.ts';
import { pricingFacts } from './kept-pricing.ts';
import { monthUseIn, monthUseNoter } from './month-use.ts';
import { openPricing } from './pricing.ts';
import { chooseSources, LIVE_PLAY, migParentsIn } from './sources.ts';
import { ledgerOptions, stateDirectory } from './state.ts';
import { messageOf } from './errors.ts';

const DEFAULT_RETAIN_SECONDS = 7 * 86_400;

export const agentCommand: CommandSpec = {
  options: [
    ...SOURCE_OPTIONS,
    ...TRACE_OPTIONS,
    ...PRICING_OPTIONS,
    ...LEDGER_OPTIONS,
    'retainSamples',
    ...WEB_OPTIONS,
    'webSystemdSocket',
    'attributionMaxJobs',
    'attributionJobMappingDir',
    'quiet',
  ],
  examples: [
    'wattmeter agent --web.listen-address :10360 --zone DEU',
    'wattmeter agent --source replay --trace trace.csv.gz',
  ],
  async action({ config, context }) {
    const clock = openClock();
    const pricing = await openPricing(config, context, clock);
    const directory = stateDirectory(config, context);
    const ledger = await openAgentLedger({
      ...ledgerOptions(config, context),
      stateDirectory: directory,
      run: { id: 'agent', host: hostname(), startSeconds: clock.now(), labels: {} },
      currency: pricing.tariff.currency,
      retainSeconds: config.retainSamples ?? DEFAULT_RETAIN_SECONDS,
      now: wallNow,
    });
    let pipeline: Pipeline | undefined;
    using jobs = openAgentJobs({ config, context, clock, ledger });
    const sources = await chooseSources(config, clock, {
      play: LIVE_PLAY,
      waitsForDriver: true,
      onProcesses: (devices, time) => jobs.onProcesses(devices, time),
    });
    const runs = openAgentRuns({
      config,
      context,
      clock,
      pricing,
      stateDirectory: directory,
      pipeline: () => pipeline,
      migParents: () => migParentsIn(sources),
    });
    const charges = await pricing.openCharges(monthUseIn(ledger.facts));
    const noteMonthUse = monthUseNoter(charges, ledger, clock);
    const notifier = await openNotifier(context.environment, (line) => warn(context, line));
    try {
      await using _socket = await openSocket(directory, runs, context);
      void ledger.addFacts(pricingFacts(config));
      await liveUntilSignal({
        config,
        context,
        clock,
        pricing,
        charges,
        account: ledger.account,
        ledger,
        sources,
        stateDirectory: directory,
        live: config.trace === undefined,
        additions: { openRuns: () => runs.open(), jobs: () => jobs.snapshot() },
        recordAlso: () => {
          noteMonthUse();
          return jobs.record();
        },
        onPipeline: (joined) => {
          pipeline = joined;
        },
        onSettled: (settlement) => {
          runs.settle(settlement);
          jobs.settle(settlement);
        },
        onServing: (urls) => {
          for (const url of urls) warn(context, `serving ${url}`);
          beReady(notifier, urls, context.signal);
        },
      });
    } finally {
      notifier.stopping();
      await runs[Symbol.asyncDispose]();
      noteMonthUse({ isLast: true });
      await ledger.close();
    }
    return 0;
  },
};

const warn = (context: Context, line: string): void => context.stderr.write(`wattmeter: ${line}\n`);

/** Tells the service manager, and goes on telling it that we live. */
function beReady(notifier: Notifier, urls: readonly string[], signal: AbortSignal): void {
  notifier.ready();
  notifier.status(`serving ${urls.join(' ')}`);
  const { watchdogPeriodSeconds } = notifier;
  if (watchdogPeriodSeconds === undefined) return;
  const timer = setInterval(() => notifier.watchdog(), watchdogPeriodSeconds * 1e3);
  signal.addEventListener('abort', () => clearInterval(timer), { once: true });
}

/** The agent's socket: in systemd's runtime directory, else beside the ledger. Without it the agent still measures. */
async function openSocket(
  stateDirectory: string,
  runs: AgentRuns,
  context: Context,
): Promise<AsyncDisposable> {
  const directory = context.environment['RUNTIME_DIRECTORY']?.split(':')[0] ?? stateDirectory;
  try {
    return await RunSocket.open({
      path: join(directory, 'wattmeter.sock'),
      mark: (mark, ageSeconds) => runs.mark(mark, ageSeconds),
      read: (path) => (path === '/v1/runs' ? runs.open() : undefined),
      change: (request) => runs.change(request),
    });
  } catch (error) {
    warn(context, messageOf(error));
    return { [Symbol.asyncDispose]: async () => undefined };
  }
}
