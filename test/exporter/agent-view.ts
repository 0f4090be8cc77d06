// What an agent would show of a source's events: the real pricing, meters, account and view, without a ledger and a server.

import { createAccount } from '../../agent/account.ts';
import { composeSnapshot } from '../../agent/cli/compose-snapshot.ts';
import type { Context } from '../../agent/cli/context.ts';
import { openMetering } from '../../agent/cli/metering.ts';
import { openPricing } from '../../agent/cli/pricing.ts';
import type { SourceKind } from '../../agent/model.ts';
import type { Config } from '../../agent/options.ts';
import type { Snapshot } from '../../agent/snapshot.ts';
import type { SourceEvent } from '../../agent/source/source.ts';
import { instant } from '../../agent/units.ts';
import { steppingClock } from '../source/polled-harness.ts';

/** The view after the last of the events. */
export async function viewOf(
  kind: SourceKind,
  events: readonly SourceEvent[],
  config: Config,
): Promise<Snapshot> {
  const startedSeconds = instant(0);
  const context = { environment: {} } as Partial<Context> as Context;
  const pricing = await openPricing(config, context, steppingClock());
  const pipeline = openMetering({
    config,
    pricing,
    charges: await pricing.openCharges(),
    account: createAccount({
      id: 'agent',
      host: 'node-1',
      startSeconds: startedSeconds,
      labels: {},
    }),
  });
  for (const event of events) pipeline.consume(kind, event);
  pipeline.finish();
  const facts = { pricing, startedSeconds, version: '0.1.0', revision: 'abc1234', live: true };
  return composeSnapshot(pipeline, facts);
}
