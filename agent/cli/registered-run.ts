// One run that a batch system registered with the agent: the agent's own intervals between two instants, of the GPUs that
// its list means, in a ledger of its own.

import { hostname } from 'node:os';

import { gpuEnergyOf } from '../account/gpu-energy.ts';
import { createAccount } from '../account.ts';
import { createRunLedger, type RunLedger } from '../ledger/run-ledger.ts';
import type { Device, Run } from '../model.ts';
import type { Config } from '../options.ts';
import type { Settlement } from '../pipeline/settlement.ts';
import { buildReport } from '../report/build.ts';
import { present } from '../report/present.ts';
import { type MigParents, selectGpus } from '../run/gpus.ts';
import type { Registration } from '../run/registration.ts';
import type { Mark, MarkOutcome } from '../run/windows.ts';
import type { DeviceSnapshot, RunSummary } from '../snapshot.ts';
import type { Instant } from '../units.ts';
import type { Context } from './context.ts';
import { pricingFacts } from './kept-pricing.ts';
import type { Pricing } from './pricing.ts';
import { closeRun } from './run-end.ts';
import { openRunWindows } from './run-windows.ts';
import { ledgerOptions } from './state.ts';

/** A registered run, open until `end`, with books until `finish`. */
export interface RegisteredRun {
  /** The other side's name for it. */
  readonly id: string;
  readonly run: Run;
  readonly endSeconds: Instant | undefined;
  /** Whether it has ended and every one of its GPUs has told all up to then. */
  readonly isSettled: boolean;
  mark(mark: Mark, time: Instant): MarkOutcome;
  /** Nothing that is metered after `time` is the run's. */
  end(time: Instant): void;
  /** Books what of a settlement is the run's. */
  take(settlement: Settlement, devices: readonly DeviceSnapshot[]): void;
  summary(): RunSummary;
  /** Closes the books, at `time` where the run was not ended before. */
  finish(time: Instant): Promise<void>;
}

/** What a run's books are kept with, and from when. */
interface LedgerParts {
  readonly config: Config;
  readonly context: Context;
  readonly pricing: Pricing;
  readonly stateDirectory: string;
  readonly startSeconds: Instant;
  readonly migParents: () => MigParents;
}

function openLedger(registration: Registration, parts: LedgerParts): RunLedger {
  const { config, context, stateDirectory, startSeconds } = parts;
  const { id, name, labels } = registration;
  const ledger = createRunLedger({
    ...ledgerOptions(config, context),
    stateDirectory,
    run: {
      name: id,
      host: hostname(),
      startSeconds,
      labels: { ...labels, ...present({ name }) },
    },
  });
  void ledger.addFacts(pricingFacts(config));
  return ledger;
}

/** Opens the run's books. */
export function openRegisteredRun(registration: Registration, parts: LedgerParts): RegisteredRun {
  const { startSeconds } = parts;
  const ledger = openLedger(registration, parts);
  const account = createAccount(ledger.run);
  const windows = openRunWindows(startSeconds);
  windows.keepIn({ account, ledger });
  const introduced = new Set<string>();
  let uuids: ReadonlySet<string> | undefined;
  let endSeconds: Instant | undefined;
  /** By UUID, up to where its GPUs' intervals have come. */
  const toldSeconds = new Map<string, number>();

  const introduce = (devices: readonly DeviceSnapshot[]): void => {
    for (const { device, sensor } of devices) {
      if (uuids?.has(device.uuid) !== true || introduced.has(device.uuid)) continue;
      introduced.add(device.uuid);
      account.addDevice(device, sensor);
      void ledger.addDevice(device, sensor);
    }
  };

  return {
    id: registration.id,
    run: ledger.run,
    get endSeconds() {
      return endSeconds;
    },
    get isSettled() {
      if (endSeconds === undefined || uuids === undefined) return false;
      const end = endSeconds;
      return [...uuids].every((uuid) => (toldSeconds.get(uuid) ?? -Infinity) >= end);
    },
    mark: (mark, time) => windows.mark(mark, time),
    end(time) {
      endSeconds = time;
    },
    take({ intervals, xids }, devices) {
      uuids ??= gpusOf(
        registration,
        devices.map(({ device }) => device),
        parts.migParents(),
      );
      const own = intervals.filter(
        (interval) =>
          uuids?.has(interval.uuid) === true &&
          interval.startSeconds >= startSeconds &&
          (endSeconds === undefined || interval.endSeconds <= endSeconds),
      );
      for (const { uuid, warning } of xids) {
        if (!introduced.has(uuid)) continue;
        account.addWarning(warning, uuid);
        void ledger.addWarning(warning, uuid);
      }
      for (const { uuid, endSeconds: told } of intervals)
        toldSeconds.set(uuid, Math.max(told, toldSeconds.get(uuid) ?? told));
      if (own.length === 0) return;
      introduce(devices);
      for (const interval of own) account.add(interval);
      void ledger.addSlot(own);
    },
    summary: () => ({
      ...ledger.run,
      state: endSeconds === undefined ? 'open' : 'closed',
      ...present({ endSeconds }),
      ...gpuEnergyOf(account.books({ endSeconds: endSeconds ?? startSeconds }).devices),
    }),
    async finish(time) {
      const end = { endSeconds: endSeconds ?? time };
      for (const warning of windows.close(end.endSeconds)) void ledger.addWarning(warning);
      const books = account.books(end);
      const { tariff, grid, powerUsageEffectiveness } = parts.pricing;
      const report = buildReport({
        books,
        tariff,
        grid,
        powerUsageEffectiveness,
        generatedSeconds: time,
        version: parts.context.version,
      });
      await closeRun(ledger, books, end, report);
    },
  };
}

/** Undefined until there are devices to choose from; a list that names none of them means all, as for a wrapped run. */
function gpusOf(
  { gpus }: Registration,
  devices: readonly Device[],
  migParents: MigParents,
): ReadonlySet<string> | undefined {
  const here = devices.filter(({ kind }) => kind === 'gpu');
  if (here.length === 0) return undefined;
  const all = new Set(here.map(({ uuid }) => uuid));
  if (gpus === undefined) return all;
  const option = gpus.join(',');
  const selection = selectGpus({ option, environment: {}, devices: here, migParents });
  return selection.kind === 'selected' ? selection.uuids : all;
}
