// Collects what doctor judges. Everything that may hang has a deadline: a doctor that hangs with the patient is no help.

import type { Clock } from '../clock.ts';
import type {
  CalibrationFacts,
  Checked,
  DoctorFacts,
  DriverFacts,
  LedgerFacts,
  Refusal,
} from '../insight/doctor.ts';
import { readCalibrations } from '../ledger/calibrations.ts';
import { listRuns } from '../ledger/runs.ts';
import type { Config } from '../options.ts';
import { readGpuInventory, type GpuInventory } from '../source/inventory.ts';
import { SourceError } from '../source/source.ts';
import type { ConfigFile } from './command.ts';
import type { Context } from './context.ts';
import { within } from './deadline.ts';
import { takeLook } from './doctor-look.ts';
import {
  readAccess,
  readClockDiscipline,
  readDisk,
  readModuleVersion,
  readPort,
  SYSTEM_ROOTS,
} from './doctor-system.ts';
import { stateDirectory } from './state.ts';
import { DEFAULT_LISTEN_ADDRESS } from './views.ts';
import { messageOf } from './errors.ts';

const INVENTORY_SECONDS = 10;
const DISK_SECONDS = 5;
const LEDGER_SECONDS = 10;
const PORT_SECONDS = 5;

/** What is to be looked at. */
export interface CollectOptions {
  readonly config: Config;
  readonly context: Context;
  readonly clock: Clock;
  readonly lookSeconds: number;
  readonly configFile: ConfigFile;
}

/** Looks at everything. @throws UsageError, ConfigError for options that make no sense */
export async function collectFacts(options: CollectOptions): Promise<DoctorFacts> {
  const { config, context, clock, lookSeconds } = options;
  const directory = stateDirectory(config, context);
  const offsetBefore = clock.wallOffset();
  const asking = askNvidiaSmi(context);
  const [look, nvidiaSmi, access, moduleVersion, disk, ledger, ports] = await Promise.all([
    takeLook({ config, context, clock, lookSeconds, inventory: async () => (await asking).gpus }),
    asking,
    readAccess(SYSTEM_ROOTS),
    readModuleVersion(SYSTEM_ROOTS),
    within(DISK_SECONDS, readDisk(directory)),
    within(LEDGER_SECONDS, readLedger(directory)),
    Promise.all(listenAddresses(config).map((address) => within(PORT_SECONDS, readPort(address)))),
  ]);
  // A thread that hangs in a file system holds up an ordinary exit.
  const checks: readonly Checked<unknown>[] = [disk, ledger, ...ports];
  if (checks.some(({ kind }) => kind === 'late')) context.leaveAbruptly();
  const driver: DriverFacts = {
    nvidiaSmi: nvidiaSmi.facts,
    ...(moduleVersion === undefined ? {} : { moduleVersion }),
    ...(look.libraryPath === undefined ? {} : { libraryPath: look.libraryPath }),
    ...(look.nvml === undefined ? {} : { nvml: look.nvml }),
  };
  return {
    driver,
    access,
    look: look.facts,
    clock: { stepSeconds: clock.wallOffset() - offsetBefore, ...(await readClockDiscipline()) },
    disk,
    ports,
    ledger,
    config: options.configFile,
    calibrations: calibrationsIn(directory),
  };
}

const listenAddresses = (config: Config): readonly string[] =>
  config.webListenAddress ?? [DEFAULT_LISTEN_ADDRESS];

async function askNvidiaSmi(context: Context): Promise<{
  readonly facts: DriverFacts['nvidiaSmi'];
  readonly gpus: readonly GpuInventory[];
}> {
  try {
    const gpus = await readGpuInventory({
      signal: context.signal,
      deadlineSeconds: INVENTORY_SECONDS,
      env: context.environment,
    });
    const driverVersion = gpus[0]?.driverVersion;
    const facts = {
      kind: 'answered',
      gpuCount: gpus.length,
      ...(driverVersion === undefined ? {} : { driverVersion }),
    } as const;
    return { facts, gpus };
  } catch (error) {
    return { facts: { kind: 'refused', ...refusalOf(error) }, gpus: [] };
  }
}

const refusalOf = (error: unknown): Refusal => ({
  reason: error instanceof SourceError ? error.reason : 'unexpected',
  message: messageOf(error),
});

async function readLedger(directory: string): Promise<LedgerFacts | Refusal> {
  try {
    const runs = await listRuns(directory);
    const interrupted = runs.filter(({ state }) => state === 'interrupted');
    return { runCount: runs.length, interruptedIds: interrupted.map(({ id }) => id) };
  } catch (error) {
    return refusalOf(error);
  }
}

function calibrationsIn(directory: string): CalibrationFacts {
  try {
    return { count: readCalibrations(directory).size };
  } catch (error) {
    return { count: 0, error: messageOf(error) };
  }
}
