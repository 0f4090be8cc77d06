// Who computes on which GPU, where NVML cannot be asked: nvidia-smi's list of compute processes, one short-lived child at
// a time. It says who is there, not how much of the SMs each uses.

import type { Clock } from '../clock.ts';
import type { DeviceProcesses, GpuProcess } from '../model.ts';
import { after, fromMebibytes, type Instant } from '../units.ts';
import { askChild } from './child.ts';
import { numberOf } from './log/cell.ts';
import { failureOf, silence } from './nvidia-smi-failure.ts';
import { SourceError } from './source.ts';

/** How to ask once. */
export interface ComputeAppsOptions {
  readonly signal: AbortSignal;
  /** GPUs that are there: those without a process have no line. */
  readonly uuids: readonly string[];
  readonly command?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly deadlineSeconds?: number;
}

/** How to go on asking. */
export interface ComputeAppsWatchOptions extends Omit<ComputeAppsOptions, 'uuids'> {
  readonly clock: Clock;
  readonly uuids: () => readonly string[];
  onProcesses(devices: readonly DeviceProcesses[], time: Instant): void;
  /** Said when it begins to fail, and again when the reason changes. */
  onFault(failure: SourceError): void;
  readonly periodSeconds?: number;
}

// Each question wakes every GPU for some milliseconds; who is there changes slowly.
const PERIOD_SECONDS = 5;
const DEADLINE_SECONDS = 4;
const BACKOFF_LIMIT_SECONDS = 60;
const QUERY = ['--query-compute-apps=gpu_uuid,pid,used_memory', '--format=csv,noheader,nounits'];

/**
 * Asks nvidia-smi once.
 * @throws {SourceError} when it is missing, fails, or does not answer in time.
 */
export async function listComputeApps(options: ComputeAppsOptions): Promise<DeviceProcesses[]> {
  const command = options.command ?? 'nvidia-smi';
  const deadlineSeconds = options.deadlineSeconds ?? DEADLINE_SECONDS;
  const name = `${command} --query-compute-apps`;
  const answer = await askChild(command, QUERY, {
    env: options.env ?? process.env,
    deadlineSeconds,
    signal: options.signal,
  });
  if (answer.kind === 'late') throw asError(silence(name, deadlineSeconds));
  const { ending, stdout, stderr } = answer;
  if (ending.kind !== 'exited' || ending.code !== 0) {
    throw asError(failureOf(name, ending, stderr === '' ? stdout : stderr));
  }
  return devicesIn(stdout, options.uuids);
}

/** Asks every few seconds until the signal aborts; never two children at once, longer pauses while it fails. */
export async function watchComputeApps(options: ComputeAppsWatchOptions): Promise<void> {
  const { clock, signal, uuids, ...question } = options;
  const period = options.periodSeconds ?? PERIOD_SECONDS;
  let pause = period;
  let failing: string | undefined;
  while (!signal.aborted) {
    const time = clock.now();
    try {
      const devices = await listComputeApps({ ...question, signal, uuids: uuids() });
      if (signal.aborted) return;
      options.onProcesses(devices, time);
      failing = undefined;
      pause = period;
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      if (signal.aborted) return;
      if (error.reason !== failing) options.onFault(error);
      failing = error.reason;
      pause = Math.min(2 * pause, Math.max(period, BACKOFF_LIMIT_SECONDS));
    }
    await clock.sleepUntil(after(time, pause), signal).catch(ignoreAbort);
  }
}

const asError = (failure: ReturnType<typeof silence>): SourceError =>
  new SourceError(failure.message, failure);

/** Lines of `GPU-…, PID, MiB`; anything else is a sentence of the driver's. */
function devicesIn(text: string, uuids: readonly string[]): DeviceProcesses[] {
  const found = new Map<string, GpuProcess[]>(uuids.map((uuid) => [uuid, []]));
  for (const line of text.split('\n')) {
    const [uuid, pidText, memory] = line.split(',').map((cell) => cell.trim());
    const pid = Number(pidText);
    if (uuid === undefined || !uuid.startsWith('GPU-') || !Number.isInteger(pid) || pid <= 0) {
      continue;
    }
    const mebibytes = numberOf(memory ?? '');
    const process = {
      pid,
      ...(Number.isFinite(mebibytes) && { usedBytes: fromMebibytes(mebibytes) }),
    };
    found.set(uuid, [...(found.get(uuid) ?? []), process]);
  }
  return [...found].map(([uuid, processes]) => ({ uuid, processes }));
}

function ignoreAbort(error: unknown): void {
  if (!(error instanceof Error && error.name === 'AbortError')) throw error;
}
