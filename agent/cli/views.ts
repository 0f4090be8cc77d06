// What the exporter shows: snapshots at each settlement, the catalogue of stored runs, and the server.

import { UsageError } from '../config.ts';
import type { Config } from '../options.ts';
import type { Pipeline } from '../pipeline.ts';
import { present } from '../report/present.ts';
import type { RunCatalogue, Snapshot, SnapshotPort } from '../snapshot.ts';
import { passedDescriptors } from '../socket-activation.ts';
import { composeSnapshot, type SnapshotFacts } from './compose-snapshot.ts';
import type { Context } from './context.ts';

/** Where an agent listens unless told otherwise. */
export const DEFAULT_LISTEN_ADDRESS = '127.0.0.1:10360';

/** The served views. */
export interface Views extends AsyncDisposable {
  /** Takes the figures now; the returned function publishes them. */
  compose(pipeline: Pipeline): () => void;
  /** Where they are, for people. */
  readonly urls: readonly string[];
}

/** What the views are of. */
export interface ViewsOptions extends Omit<SnapshotFacts, 'version' | 'revision'> {
  readonly config: Config;
  readonly context: Context;
  readonly stateDirectory: string;
}

/** Starts the server. @throws ListenError, ConfigError, UsageError */
export async function openViews(options: ViewsOptions): Promise<Views> {
  const { config, context } = options;
  const { startExporter } = await import('../../exporter/server.ts');
  const port = createPort();
  const exporter = await startExporter({
    listenAddresses: config.webListenAddress ?? [DEFAULT_LISTEN_ADDRESS],
    ...(config.webSystemdSocket === true && { listenDescriptors: descriptorsOf(context) }),
    snapshots: port,
    runs: await openCatalogue(options),
    warn: (line) => context.stderr.write(`wattmeter: ${line}\n`),
    ...present({
      telemetryPath: config.webTelemetryPath,
      maxRequests: config.webMaxRequests,
      dcgmCompat: config.webDcgmCompat,
      webConfigFile: config.webConfigFile,
    }),
  });
  const facts = { ...options, version: context.version, revision: context.revision };
  return {
    compose(pipeline) {
      const snapshot = composeSnapshot(pipeline, facts);
      return () => port.publish(snapshot);
    },
    urls: exporter.addresses.map(({ url }) => url),
    [Symbol.asyncDispose]: () => exporter[Symbol.asyncDispose](),
  };
}

/** @throws UsageError when there is none: listening elsewhere would be a surprise. */
function descriptorsOf({ environment, processId }: Context): readonly number[] {
  const descriptors = passedDescriptors(environment, processId);
  if (descriptors.length > 0) return descriptors;
  throw new UsageError(
    '--web.systemd-socket: systemd has passed no socket. Is wattmeter.socket enabled and started?',
  );
}

function createPort(): SnapshotPort & { publish(snapshot: Snapshot): void } {
  let latest: Snapshot | undefined;
  const listeners = new Set<(snapshot: Snapshot) => void>();
  return {
    latest: () => latest,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    publish(snapshot) {
      latest = snapshot;
      for (const listener of listeners) listener(snapshot);
    },
  };
}

async function openCatalogue({ stateDirectory, context }: ViewsOptions): Promise<RunCatalogue> {
  const { listRuns, summaryOf } = await import('../ledger/runs.ts');
  const { isRunId } = await import('../ledger/run-id.ts');
  return {
    list: () => listRuns(stateDirectory),
    async report(id) {
      if (!isRunId(id) || (await summaryOf(stateDirectory, id)) === undefined) return undefined;
      const { storedReport } = await import('./stored.ts');
      return (await storedReport(stateDirectory, id, { context })).report;
    },
  };
}
