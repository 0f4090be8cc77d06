// Whose energy it was: the agent's attribution, fed by the process lists of NVML or nvidia-smi and by the scheduler's
// mapping directory, kept in the agent's ledger beside each slot.

import { createAttribution, type Attribution } from '../attribution/attribution.ts';
import { createJobMapping, type JobMapping } from '../attribution/job-mapping.ts';
import { createPodNames, type PodNames } from '../attribution/pods.ts';
import { createProcessReader } from '../attribution/proc.ts';
import {
  decodeAttribution,
  withSharesAnew,
  type AttributionRecord,
} from '../attribution/record.ts';
import { createJobResolver } from '../attribution/resolve.ts';
import { createUserNames } from '../attribution/users.ts';
import type { Clock } from '../clock.ts';
import type { AgentLedger } from '../ledger/agent-ledger.ts';
import type { DeviceProcesses } from '../model.ts';
import type { Config } from '../options.ts';
import type { Settlement } from '../pipeline/settlement.ts';
import type { Snapshot } from '../snapshot.ts';
import { watchComputeApps } from '../source/compute-apps.ts';
import type { Instant } from '../units.ts';
import type { Context } from './context.ts';

const DEFAULT_MAX_JOBS = 500;
const MAPPING_MILLISECONDS = 1000;
const PODS_MILLISECONDS = 30_000;

/** The agent's jobs. */
export interface AgentJobs extends Disposable {
  /** Who is on each GPU, as NVML says it. */
  onProcesses(devices: readonly DeviceProcesses[], time: Instant): void;
  settle(settlement: Settlement): void;
  /** Writes down what the last settlement changed. */
  record(): Promise<unknown> | undefined;
  snapshot(): Pick<Snapshot, 'jobs' | 'unattributed'>;
}

/** Restores the jobs from the ledger and begins to look. */
export function openAgentJobs(parts: {
  readonly config: Config;
  readonly context: Context;
  readonly clock: Clock;
  readonly ledger: AgentLedger;
}): AgentJobs {
  const { config, context, clock, ledger } = parts;
  const podNames = createPodNames();
  const directory = config.attributionJobMappingDir;
  const mapping = directory === undefined ? undefined : createJobMapping(directory);
  const attribution = createAttribution({
    maxJobs: config.attributionMaxJobs ?? DEFAULT_MAX_JOBS,
    podNames,
    ...(mapping === undefined ? {} : { jobsOf: (device) => mapping.jobsOf(device) }),
    restored: restoredShares(ledger),
    resolve: createJobResolver(createProcessReader(), createUserNames()),
  });
  ledger.keepAttribution(() => attribution.toCheckpoint());
  const restoredTotals = new Map(
    ledger.account
      .books({ endSeconds: clock.now() })
      .devices.map(({ device, totals }) => [device.uuid, totals]),
  );
  const smi = new Set<string>();
  const ended = new AbortController();
  const timers = lookAround({ attribution, mapping, podNames, clock, context });

  const watchSmi = (uuid: string): void => {
    if (smi.size === 0) {
      void watchComputeApps({
        clock,
        signal: AbortSignal.any([context.signal, ended.signal]),
        uuids: () => [...smi],
        onProcesses: (devices, time) => attribution.observe(devices, time),
        onFault: (failure) => context.stderr.write(`wattmeter: ${failure.message}\n`),
      });
    }
    smi.add(uuid);
  };

  return {
    onProcesses: (devices, time) => attribution.observe(devices, time),
    settle({ devices, intervals }) {
      for (const { device } of devices) {
        if (device.kind !== 'gpu') continue;
        attribution.addDevice(device);
        adopt(device.uuid);
        if (device.source === 'nvidia-smi') watchSmi(device.uuid);
      }
      for (const interval of intervals) attribution.add(interval);
    },
    record() {
      for (const { warning, uuid } of attribution.takeWarnings())
        void ledger.addWarning(warning, uuid);
      const changes = attribution.takeChanges();
      return changes === undefined ? undefined : ledger.addAttribution(changes);
    },
    snapshot: () => ({ jobs: attribution.jobs(), unattributed: attribution.unattributed() }),
    [Symbol.dispose]: () => {
      ended.abort();
      for (const timer of timers) clearInterval(timer);
    },
  };

  /** Before a device's first interval: energy that the books hold and attribution does not know is nobody's. */
  function adopt(uuid: string): void {
    const totals = restoredTotals.get(uuid);
    if (totals === undefined) return;
    restoredTotals.delete(uuid);
    attribution.adopt(uuid, totals);
  }
}

/** What the last agent kept of its jobs; money and grams that its devices do not go on with, jobs do not either. */
function restoredShares({ attribution, chargesAnew }: AgentLedger): AttributionRecord[] {
  const anewOf = (uuid: string) => chargesAnew.get(uuid) ?? [];
  return attribution.flatMap((stored) => {
    const record = decodeAttribution(stored);
    return record === undefined ? [] : [withSharesAnew(record, anewOf)];
  });
}

/** Keeps asking those who know names and mappings. */
function lookAround(parts: {
  readonly attribution: Attribution;
  readonly mapping: JobMapping | undefined;
  readonly podNames: PodNames;
  readonly clock: Clock;
  readonly context: Context;
}): NodeJS.Timeout[] {
  const { attribution, mapping, podNames, clock, context } = parts;
  const timers = [setInterval(() => void podNames.refresh(clock.now()), PODS_MILLISECONDS)];
  if (mapping !== undefined) {
    let isSaid = false;
    const refresh = async (): Promise<void> => {
      const state = await mapping.refresh();
      if (state.kind === 'waiting') return;
      if (state.kind === 'unreadable' && !isSaid)
        context.stderr.write(`wattmeter: ${state.message}\n`);
      isSaid = state.kind === 'unreadable';
      attribution.observe([], clock.now());
    };
    timers.push(setInterval(() => void refresh(), MAPPING_MILLISECONDS));
  }
  for (const timer of timers) timer.unref();
  return timers;
}
