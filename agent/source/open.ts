// From what was asked for to the sources that can give it. Each is imported only when it is opened: a wrapped command
// must not wait for code that it does not need.

import type { Clock } from '../clock.ts';
import type { SourceKind } from '../model.ts';
import { bestAvailable } from './best-available.ts';
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
  readonly env?: NodeJS.ProcessEnv;
}

// Sensors refresh every 100 ms on all boards since Turing: polls at half of that meet every refresh.
const NVIDIA_SMI_PERIOD_SECONDS = 0.05;

type Open = (options: SourceOptions, clock: Clock) => Promise<Source>;

const OPEN: Partial<Readonly<Record<SourceKind, Open>>> = {
  async nvml({ periodSeconds, waitsForDriver }, clock) {
    const { NvmlSource } = await import('./nvml.ts');
    return new NvmlSource({
      clock,
      ...(periodSeconds !== undefined && { periodSeconds }),
      ...(waitsForDriver !== undefined && { waitForDriver: waitsForDriver }),
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
    const open = (['nvml', 'nvidia-smi'] as const).map((kind) => () => openOne(kind, once, clock));
    return [bestAvailable({ open, clock, waits: options.waitsForDriver ?? false })];
  }
  return Promise.all([...new Set(options.kinds)].map((kind) => openOne(kind, options, clock)));
}

function openOne(kind: SourceKind, options: SourceOptions, clock: Clock): Promise<Source> {
  const open = OPEN[kind];
  if (open === undefined) {
    throw new SourceError(
      `There is no source ${kind} in this version. Say --source ${Object.keys(OPEN).join(', ')}, or none for the best available.`,
      { fate: 'fatal', reason: 'no-such-source' },
    );
  }
  return open(options, clock);
}
