// From what was asked for to the sources that can give it. Each is imported only when it is opened: a wrapped command
// must not wait for code that it does not need.

import { constants } from 'node:fs';
import { access, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import type { Clock } from '../clock.ts';
import type { SourceKind } from '../model.ts';
import { bestAvailable } from './best-available.ts';
import type { NvmlOptions } from './nvml.ts';
import type { ReplayOptions } from './replay.ts';
import { SourceError, type Source } from './source.ts';

/** What to measure with. */
export interface SourceOptions {
  /** In order; none means the best that is available. */
  readonly kinds: readonly SourceKind[];
  /** Between two readings; absent: what suits each source. */
  readonly periodSeconds?: number;
  /** For `replay`. */
  readonly replay?: Omit<ReplayOptions, 'clock'>;
  /** Wait for a driver that is not there yet, as a daemon does. */
  readonly waitsForDriver?: boolean;
  /** A TPU's power is modelled between these, and absent without them. */
  readonly tpuIdleWatts?: number;
  readonly tpuMaxWatts?: number;
  /** Told about once a second who is on each GPU, where NVML is the source. */
  readonly onProcesses?: NvmlOptions['onProcesses'];
  readonly env?: NodeJS.ProcessEnv;
}

// Sensors refresh every 100 ms on all boards since Turing: polls at half of that meet every refresh.
const NVIDIA_SMI_PERIOD_SECONDS = 0.05;

type Open = (options: SourceOptions, clock: Clock) => Promise<Source>;

const OPEN: Readonly<Record<SourceKind, Open>> = {
  async nvml({ periodSeconds, waitsForDriver, onProcesses }, clock) {
    const { NvmlSource } = await import('./nvml.ts');
    return new NvmlSource({
      clock,
      ...(periodSeconds !== undefined && { periodSeconds }),
      ...(waitsForDriver !== undefined && { waitForDriver: waitsForDriver }),
      ...(onProcesses !== undefined && { onProcesses }),
    });
  },
  async 'nvidia-smi'({ periodSeconds = NVIDIA_SMI_PERIOD_SECONDS, env, waitsForDriver }, clock) {
    const { nvidiaSmiSource } = await import('./nvidia-smi.ts');
    return nvidiaSmiSource({
      clock,
      periodSeconds,
      ...(env !== undefined && { env }),
      ...(waitsForDriver !== undefined && { waitForDriver: waitsForDriver }),
    });
  },
  async hwmon({ periodSeconds }, clock) {
    const { hwmonSource } = await import('./hwmon.ts');
    return hwmonSource({ clock, ...(periodSeconds !== undefined && { periodSeconds }) });
  },
  async rapl({ periodSeconds }, clock) {
    const { raplSource } = await import('./rapl.ts');
    return raplSource({ clock, ...(periodSeconds !== undefined && { periodSeconds }) });
  },
  async 'amd-smi'({ periodSeconds, env }, clock) {
    const { amdSmiSource } = await import('./amd-smi.ts');
    return amdSmiSource({
      clock,
      ...(periodSeconds !== undefined && { periodSeconds }),
      ...(env !== undefined && { env }),
    });
  },
  async tpu({ periodSeconds, tpuIdleWatts, tpuMaxWatts }, clock) {
    const { tpuSource } = await import('./tpu.ts');
    return tpuSource({
      clock,
      ...(periodSeconds !== undefined && { periodSeconds }),
      ...(tpuIdleWatts !== undefined && { idleWatts: tpuIdleWatts }),
      ...(tpuMaxWatts !== undefined && { maximumWatts: tpuMaxWatts }),
    });
  },
  async replay({ replay }, clock) {
    if (replay === undefined || replay.files.length === 0) {
      throw new SourceError('--source replay has no trace to read. Say --trace FILE.', {
        fate: 'fatal',
        reason: 'no-trace',
      });
    }
    const { replaySource } = await import('./replay.ts');
    return replaySource({ ...replay, clock });
  },
};

/**
 * The sources asked for, not yet started.
 *
 * @throws {SourceError} fatal, when one is asked for that does not exist or lacks its input.
 */
export async function openSources(options: SourceOptions, clock: Clock): Promise<Source[]> {
  if (options.kinds.length === 0) {
    // Neither may wait for its driver: the other's turn would never come.
    const once = { ...options, waitsForDriver: false };
    const kinds = ['nvml', 'nvidia-smi', ...(await otherAccelerators())] as const;
    const open = kinds.map((kind) => () => OPEN[kind](once, clock));
    const best = bestAvailable({ open, clock, waits: options.waitsForDriver ?? false });
    return (await isReadable(RAPL_COUNTER)) ? [best, await OPEN.rapl(options, clock)] : [best];
  }
  return Promise.all([...new Set(options.kinds)].map((kind) => OPEN[kind](options, clock)));
}

const RAPL_COUNTER = '/sys/class/powercap/intel-rapl:0/energy_uj';
const HWMON = '/sys/class/hwmon';
const TPU_DEVICE = '/dev/accel0';
const GPU_SENSOR_NAMES: ReadonlySet<string> = new Set(['amdgpu', 'i915', 'xe']);

/** Accelerators of other makers that show themselves on this machine: only those are tried, and named when they fail. */
async function otherAccelerators(): Promise<SourceKind[]> {
  const entries = await readdir(HWMON).catch(() => []);
  const names = await Promise.all(
    entries.map((entry) => readFile(join(HWMON, entry, 'name'), 'utf8').catch(() => '')),
  );
  const hasGpu = names.some((name) => GPU_SENSOR_NAMES.has(name.trim()));
  return [
    ...(hasGpu ? (['hwmon', 'amd-smi'] as const) : []),
    ...((await isReadable(TPU_DEVICE)) ? (['tpu'] as const) : []),
  ];
}

const isReadable = (path: string): Promise<boolean> =>
  access(path, constants.R_OK).then(
    () => true,
    () => false,
  );
