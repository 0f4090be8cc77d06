// Config → the sources to read, and what only some of them can do.

import { accessSync, constants, existsSync } from 'node:fs';

import type { Clock } from '../clock.ts';
import { UsageError } from '../config.ts';
import type { Warning } from '../model.ts';
import type { Config } from '../options.ts';
import type { LogOptions } from '../source/log/read-log.ts';
import type { NvmlDeviceFacts } from '../source/nvml-probe.ts';
import { openSources, type SourceOptions } from '../source/open.ts';
import type { Source } from '../source/source.ts';
import { after, type Instant } from '../units.ts';
import { within } from './deadline.ts';

/** How a trace is to be played, where there is one. */
export interface TracePlay {
  readonly speed: number | 'max';
  readonly loop?: boolean;
  readonly restampToNow?: boolean;
}

/** A trace in place of live sources: at its own pace, for ever, as if it were now. */
export const LIVE_PLAY: TracePlay = { speed: 1, loop: true, restampToNow: true };

/** What a log does not say itself, from the options. @throws SourceError for a bad --columns */
export async function logOptions(config: Config): Promise<LogOptions> {
  const columns =
    config.columns === undefined
      ? undefined
      : (await import('../source/log/column-mapping.ts')).parseColumnMapping(config.columns);
  return {
    ...(config.traceTimeZone !== undefined && { traceTimeZone: config.traceTimeZone }),
    ...(config.gpuCount !== undefined && { gpuCount: config.gpuCount }),
    ...(columns !== undefined && { columns }),
  };
}

/** Says a wrong path before anything is served or written. @throws UsageError */
function requireReadable(file: string): void {
  if (file === '-') return;
  try {
    accessSync(file, constants.R_OK);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new UsageError(
      `Cannot read --trace ${file} (${code}). Does it exist, and may you read it?`,
    );
  }
}

/** The sources that the options ask for, not started yet. @throws UsageError, SourceError */
export async function chooseSources(
  config: Config,
  clock: Clock,
  choice: {
    readonly play?: TracePlay;
    readonly waitsForDriver?: boolean;
    readonly onProcesses?: SourceOptions['onProcesses'];
  },
): Promise<Source[]> {
  const kinds = config.source ?? (config.trace === undefined ? [] : (['replay'] as const));
  if (config.trace !== undefined && !kinds.includes('replay'))
    throw new UsageError(
      '--trace is for --source replay, not for live sources. Leave one of them out.',
    );
  for (const file of config.trace ?? []) requireReadable(file);
  const { tpuIdleWatts: idle, tpuMaxWatts: max } = config;
  if (idle !== undefined && max !== undefined && idle >= max)
    throw new UsageError(`--tpu-idle-watts ${idle} must be below --tpu-max-watts ${max}.`);
  return openSources(
    {
      kinds,
      ...(config.periodSeconds !== undefined && { periodSeconds: config.periodSeconds }),
      ...(config.tpuIdleWatts !== undefined && { tpuIdleWatts: config.tpuIdleWatts }),
      ...(config.tpuMaxWatts !== undefined && { tpuMaxWatts: config.tpuMaxWatts }),
      ...(choice.waitsForDriver !== undefined && { waitsForDriver: choice.waitsForDriver }),
      ...(choice.onProcesses !== undefined && { onProcesses: choice.onProcesses }),
      ...(config.trace !== undefined && {
        replay: {
          files: config.trace,
          speed: choice.play?.speed ?? 1,
          loop: choice.play?.loop ?? false,
          restampToNow: choice.play?.restampToNow ?? false,
          log: await logOptions(config),
        },
      }),
    },
    clock,
  );
}

/** Said in every report of a replayed recording: its figures are not of this machine, now. */
export function replayWarning({ trace = [] }: Config): readonly Warning[] {
  const played = trace.filter((file) => file === '-' || existsSync(file));
  if (played.length === 0) return [];
  const message = `These readings were replayed from ${played.join(', ')}, not measured on this machine.`;
  return [{ code: 'replayed', message }];
}

/** The source that stands for others now, or the source itself. */
export const currentOf = (source: Source): Source =>
  'current' in source && source.current !== undefined ? (source.current as Source) : source;

/** What the sources know of their GPUs beyond the devices that they announce. */
export const inventoryOf = (sources: readonly Source[]): readonly NvmlDeviceFacts[] =>
  sources
    .map(currentOf)
    .flatMap((source) =>
      'inventory' in source && typeof source.inventory === 'function'
        ? (source as Source & { inventory(): readonly NvmlDeviceFacts[] }).inventory()
        : [],
    );

/** GPUs by the UUIDs of their MIG instances, as far as the sources know. */
export const migParentsIn = (sources: readonly Source[]): ReadonlyMap<string, string> =>
  new Map(
    inventoryOf(sources).flatMap(({ device, migInstances }) =>
      migInstances.map((instance): [string, string] => [instance, device.uuid]),
    ),
  );

/** A source that can poll faster for a while, or be stuck inside the driver. */
interface NativeSource {
  burst(until: Instant): void;
  isStuck(): boolean;
}

function nativeSources(sources: readonly Source[]): NativeSource[] {
  return sources
    .map(currentOf)
    .filter((source): source is Source & NativeSource => 'burst' in source && 'isStuck' in source);
}

// Three refreshes of a 100 ms sensor, and a little more.
const BURST_SECONDS = 0.4;

/** Polls as fast as is useful from an edge of a run or window on, where a source can (docs/measurement.md §4.4). */
export function burstAt(sources: readonly Source[], edgeSeconds: Instant): void {
  const until = after(edgeSeconds, BURST_SECONDS);
  for (const source of nativeSources(sources)) source.burst(until);
}

/** Lets go of sources, with what waits on them; a hung driver is not waited for longer than `patienceSeconds`. */
export async function closeSources(
  sources: readonly Source[],
  patienceSeconds: number,
  waiting: Promise<unknown> = Promise.resolve(),
): Promise<void> {
  const closed = [waiting, ...sources.map((source) => source[Symbol.asyncDispose]())];
  await within(patienceSeconds, Promise.allSettled(closed));
}

/** Whether a thread of ours is inside a call that does not return. */
export const isStuck = (sources: readonly Source[]): boolean =>
  nativeSources(sources).some((source) => source.isStuck());
