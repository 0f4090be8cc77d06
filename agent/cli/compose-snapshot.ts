// Pipeline, prices and what else is known at this moment → the immutable snapshot that the exporter shows.

import { gpuEnergyOf } from '../account/gpu-energy.ts';
import type { Run } from '../model.ts';
import type { Pipeline } from '../pipeline.ts';
import type {
  BudgetUse,
  DeviceSnapshot,
  HostComponent,
  RunSummary,
  Snapshot,
} from '../snapshot.ts';
import type { Instant } from '../units.ts';
import type { Pricing } from './pricing.ts';

/** What a snapshot holds beside the pipeline's own figures. */
export interface SnapshotAdditions {
  budgets?(): readonly BudgetUse[];
  openRuns?(): readonly RunSummary[];
  jobs?(): Pick<Snapshot, 'jobs' | 'unattributed'>;
}

/** What a snapshot is made of beside the pipeline. */
export interface SnapshotFacts {
  readonly pricing: Pricing;
  readonly startedSeconds: Instant;
  readonly version: string;
  readonly revision: string;
  /** False when the readings are a recording. */
  readonly live: boolean;
  /** The run that is open here, where the views are of one. */
  readonly run?: Run;
  readonly additions?: SnapshotAdditions;
}

/** The view of this moment. */
export function composeSnapshot(pipeline: Pipeline, facts: SnapshotFacts): Snapshot {
  const { pricing, run, additions, startedSeconds, version, revision, live } = facts;
  const taken = pipeline.lastSeconds ?? startedSeconds;
  const devices = pipeline.devices();
  const { tariff, grid } = pricing;
  const price = tariff.price.valueAt(taken);
  const intensity = 'missing' in grid ? undefined : grid.intensity.valueAt(taken);
  return {
    takenSeconds: taken,
    startedSeconds,
    version,
    revision,
    live,
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
  // Not the model: two packages of one machine are of the same.
  component: device.source === 'constant' ? 'assumed' : device.uuid.replace(/^rapl-/, ''),
  energyJoules: totals.energyJoules,
  uncertaintyJoules: totals.uncertaintyJoules,
  provenance: device.powerOrigin === 'modelled' ? 'assumed' : 'measured',
});

const openRun = (run: Run, devices: readonly DeviceSnapshot[]): RunSummary => ({
  ...run,
  state: 'open',
  ...gpuEnergyOf(devices),
});
