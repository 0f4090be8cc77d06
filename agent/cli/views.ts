// What the exporter shows: snapshots composed at each settlement, the catalogue of stored runs, and the server.

import { gpuEnergyOf } from '../account/gpu-energy.ts';
import type { Run } from '../model.ts';
import type { Config } from '../options.ts';
import type { Pipeline } from '../pipeline.ts';
import { present } from '../report/present.ts';
import type {
  BudgetUse,
  DeviceSnapshot,
  HostComponent,
  RunCatalogue,
  RunSummary,
  Snapshot,
  SnapshotPort,
} from '../snapshot.ts';
import type { Instant } from '../units.ts';
import type { Context } from './context.ts';
import type { Pricing } from './pricing.ts';

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
export interface ViewsOptions {
  readonly config: Config;
  readonly context: Context;
  readonly pricing: Pricing;
  readonly stateDirectory: string;
  readonly startedSeconds: Instant;
  /** False when the readings are a recording. */
  readonly live: boolean;
  /** The run that is open here, where the views are of one. */
  readonly run?: Run;
  readonly additions?: SnapshotAdditions;
}

/** What a snapshot holds beside the pipeline's own figures. */
export interface SnapshotAdditions {
  budgets?(): readonly BudgetUse[];
  openRuns?(): readonly RunSummary[];
  jobs?(): Pick<Snapshot, 'jobs' | 'unattributed'>;
}

/** Starts the server. @throws ListenError, ConfigError */
export async function openViews(options: ViewsOptions): Promise<Views> {
  const { config, context } = options;
  const { startExporter } = await import('../../exporter/server.ts');
  const port = createPort();
  const exporter = await startExporter({
    listenAddresses: config.webListenAddress ?? [DEFAULT_LISTEN_ADDRESS],
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
  return {
    compose(pipeline) {
      const snapshot = snapshotOf(pipeline, options);
      return snapshot === undefined ? () => undefined : () => port.publish(snapshot);
    },
    urls: exporter.addresses.map(({ url }) => url),
    [Symbol.asyncDispose]: () => exporter[Symbol.asyncDispose](),
  };
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

/** The view of this moment; undefined before the first sample (`/-/ready` is 503 until then). */
function snapshotOf(pipeline: Pipeline, options: ViewsOptions): Snapshot | undefined {
  const { pricing, context, run, additions } = options;
  const taken = pipeline.lastSeconds;
  if (taken === undefined) return undefined;
  const devices = pipeline.devices();
  const { tariff, grid } = pricing;
  const price = tariff.price.valueAt(taken);
  const intensity = 'missing' in grid ? undefined : grid.intensity.valueAt(taken);
  return {
    takenSeconds: taken,
    startedSeconds: options.startedSeconds,
    version: context.version,
    revision: context.revision,
    live: options.live,
    devices: devices.filter(({ device }) => device.kind === 'gpu'),
    sources: pipeline.health(),
    openRuns: run === undefined ? (additions?.openRuns?.() ?? []) : [openRun(run, devices)],
    budgets: additions?.budgets?.() ?? [],
    ...additions?.jobs?.(),
    ...(price === undefined
      ? {}
      : {
          price: {
            currency: tariff.currency,
            tariff: tariff.name,
            perKilowattHour: price,
            provenance: tariff.provenance,
            ...ageOf(pricing, 'price'),
          },
        }),
    ...(intensity === undefined || 'missing' in grid
      ? {}
      : {
          grid: {
            zone: grid.zone,
            dataset: grid.dataset,
            vintage: grid.vintage,
            gramsPerKilowattHour: intensity,
            provenance: grid.provenance,
            ...ageOf(pricing, 'carbon'),
          },
        }),
    powerUsageEffectiveness: pricing.powerUsageEffectiveness.value,
    powerUsageEffectivenessProvenance: pricing.powerUsageEffectiveness.provenance,
    host: devices.filter(({ device }) => device.kind === 'host').map(componentOf),
  };
}

/** How old a live service's newest answer is; nothing to say of a price or grid that is no feed. */
function ageOf({ feeds }: Pricing, quantity: 'price' | 'carbon'): { readonly ageSeconds?: number } {
  const ageSeconds = feeds.find(({ adapter }) => adapter.quantity === quantity)?.state().ageSeconds;
  return ageSeconds === undefined ? {} : { ageSeconds };
}

const componentOf = ({ device, totals }: DeviceSnapshot): HostComponent => ({
  component: device.source === 'constant' ? 'assumed' : device.model,
  energyJoules: totals.energyJoules,
  provenance: device.powerOrigin === 'modelled' ? 'assumed' : 'measured',
});

const openRun = (run: Run, devices: readonly DeviceSnapshot[]): RunSummary => ({
  ...run,
  state: 'open',
  ...gpuEnergyOf(devices),
});

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
