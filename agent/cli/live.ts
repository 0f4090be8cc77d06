// Sampling that goes on until somebody ends it: what `agent` and `start` share.

import type { Account } from '../account.ts';
import type { MachineClock } from '../clock.ts';
import type { LedgerWriter } from '../ledger/writer.ts';
import type { Run } from '../model.ts';
import type { Config } from '../options.ts';
import type { Pipeline } from '../pipeline.ts';
import type { Settlement } from '../pipeline/settlement.ts';
import { sample } from '../sampler.ts';
import type { Source } from '../source/source.ts';
import { calibrationLookup } from './calibrations.ts';
import type { Context } from './context.ts';
import { openMetering } from './metering.ts';
import type { Charges } from './charges.ts';
import { followFeeds, type Pricing } from './pricing.ts';
import { openProgress } from './progress.ts';
import { closeSources, isStuck } from './sources.ts';
import type { SnapshotAdditions } from './compose-snapshot.ts';
import { openViews } from './views.ts';

/** What a live session is joined to. */
export interface LiveOptions {
  readonly config: Config;
  readonly context: Context;
  readonly clock: MachineClock;
  readonly pricing: Pricing;
  readonly charges: Charges;
  readonly account: Account;
  readonly ledger: LedgerWriter;
  readonly sources: readonly Source[];
  readonly stateDirectory: string;
  /** False when the readings are a recording. */
  readonly live: boolean;
  /** The run that the session is, where it is one. */
  readonly run?: Run;
  /** Told of the pipeline before the first reading. */
  onPipeline?(pipeline: Pipeline): void;
  /** Told what has become final, before any view shows it. */
  onSettled?(settlement: Settlement): void;
  /** Writes down what stands beside a slot. */
  recordAlso?(): Promise<unknown> | undefined;
  /** What stands in a snapshot beside the pipeline's own figures. */
  readonly additions?: SnapshotAdditions;
  /** Told once the views are served. */
  onServing(urls: readonly string[]): void;
}

/** Samples and serves until the signal; the meters are closed when it returns. @throws ListenError, ConfigError, SourceError */
export async function liveUntilSignal(options: LiveOptions): Promise<Pipeline> {
  const { config, context, clock, pricing, sources } = options;
  const startedSeconds = clock.now();
  await using views = await openViews({
    config,
    context,
    pricing,
    stateDirectory: options.stateDirectory,
    startedSeconds,
    live: options.live,
    ...(options.run === undefined ? {} : { run: options.run }),
    ...(options.additions === undefined ? {} : { additions: options.additions }),
  });
  using progress = openProgress({ config, context, pricing });
  const pipeline: Pipeline = openMetering({
    config,
    pricing,
    clock,
    charges: options.charges,
    account: options.account,
    ledger: options.ledger,
    calibrationOf: calibrationLookup(config, context, (warning) => {
      context.stderr.write(`wattmeter: ${warning.message}\n`);
      options.account.addWarning(warning);
      void options.ledger.addWarning(warning);
    }),
    onSettled: (settlement) => options.onSettled?.(settlement),
    recordAlso: () => options.recordAlso?.(),
    compose: () => {
      const show = [views.compose(pipeline), progress?.compose(pipeline)];
      return () => {
        for (const one of show) one?.();
      };
    },
  });
  options.onPipeline?.(pipeline);
  followFeeds(pricing, context.signal);
  options.onServing(views.urls);
  try {
    for await (const event of sample(sources, context.signal)) {
      if (event.kind === 'fault' || event.kind === 'xid') sayFaultOnce(event.message, context);
      pipeline.consume(event.source, event);
      // Nothing settles while nothing was ever read: that a source fails must be seen all the same.
      if (event.kind === 'fault' && pipeline.lastSeconds === undefined) views.compose(pipeline)();
    }
  } finally {
    await closeSources(sources, DISPOSAL_SECONDS);
    if (isStuck(sources)) context.leaveAbruptly();
    pipeline.finish(clock.now());
  }
  return pipeline;
}

const DISPOSAL_SECONDS = 0.5;

const saidFaults = new Set<string>();
const MAX_SAID_FAULTS = 100;

/** Logs a source's trouble once per wording: a driver that is down for a day is not a day of lines. */
function sayFaultOnce(message: string, context: Context): void {
  if (saidFaults.has(message) || saidFaults.size >= MAX_SAID_FAULTS) return;
  saidFaults.add(message);
  context.stderr.write(`wattmeter: ${message}\n`);
}
