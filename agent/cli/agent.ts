// `wattmeter agent`: the daemon. Samples for ever, keeps the ledger, serves HTTP; its counters survive any death.

import { hostname } from 'node:os';

import { openClock, wallNow } from '../clock.ts';
import { openAgentLedger } from '../ledger/agent-ledger.ts';
import {
  LEDGER_OPTIONS,
  PRICING_OPTIONS,
  SOURCE_OPTIONS,
  TRACE_OPTIONS,
  WEB_OPTIONS,
  type CommandSpec,
} from './command.ts';
import { liveUntilSignal } from './live.ts';
import { openPricing, pricingFacts } from './pricing.ts';
import { chooseSources } from './sources.ts';
import { sayFault, stateDirectory } from './state.ts';

const DEFAULT_FLUSH_SECONDS = 1;
const DEFAULT_RETAIN_SECONDS = 7 * 86_400;

export const agentCommand: CommandSpec = {
  options: [
    ...SOURCE_OPTIONS,
    ...TRACE_OPTIONS,
    ...PRICING_OPTIONS,
    ...LEDGER_OPTIONS,
    'retainSamples',
    ...WEB_OPTIONS,
    'quiet',
  ],
  examples: [
    'wattmeter agent --web.listen-address :10360 --zone DEU --price 0.25 --currency EUR',
    'wattmeter agent --source replay --trace fixtures/simulated-training-4gpu.csv.gz',
  ],
  async action({ config, context }) {
    const clock = openClock();
    const pricing = await openPricing(config, context, clock);
    const directory = stateDirectory(config, context);
    const isReplay = config.trace !== undefined;
    const play = { speed: 1, loop: true, restampToNow: true } as const;
    const sources = await chooseSources(config, clock, { play, waitsForDriver: true });
    const ledger = await openAgentLedger({
      stateDirectory: directory,
      run: { id: 'agent', host: hostname(), startSeconds: clock.now(), labels: {} },
      writer: { version: context.version, pid: context.processId },
      flushSeconds: config.flushSeconds ?? DEFAULT_FLUSH_SECONDS,
      retainSeconds: config.retainSamples ?? DEFAULT_RETAIN_SECONDS,
      onFault: sayFault(context),
      now: wallNow,
    });
    try {
      void ledger.addFacts(pricingFacts(config));
      await liveUntilSignal({
        config,
        context,
        clock,
        pricing,
        charges: pricing.openCharges(),
        account: ledger.account,
        ledger,
        sources,
        stateDirectory: directory,
        live: !isReplay,
        onServing: (urls) => {
          for (const url of urls) context.stderr.write(`wattmeter: serving ${url}\n`);
        },
      });
    } finally {
      await ledger.close();
    }
    return 0;
  },
};
