// The mean power that one GPU reports over a stretch, uncalibrated, with its scatter: half of a calibration.

import { createAccount } from '../account.ts';
import type { Clock } from '../clock.ts';
import { UsageError } from '../config.ts';
import { meanOf } from '../insight/doctor-calibration.ts';
import type { ChargedInterval, Device } from '../model.ts';
import type { Config } from '../options.ts';
import type { Pipeline } from '../pipeline.ts';
import type { DeviceSnapshot } from '../snapshot.ts';
import { replaySource } from '../source/replay.ts';
import { after } from '../units.ts';
import type { Context } from './context.ts';
import { openMetering } from './metering.ts';
import { openPricing } from './pricing.ts';
import { startSampling, type RunSampling } from './run-sampling.ts';
import { chooseSources, isStuck, logOptions } from './sources.ts';

/** What a GPU reported over a stretch. */
export interface ReportedPower {
  readonly device: Device;
  readonly meanWatts: number;
  readonly standardErrorWatts: number;
  /** Standard deviation of the one-second means. */
  readonly deviationWatts: number;
  readonly observedSeconds: number;
}

interface Measuring {
  readonly config: Config;
  readonly context: Context;
  readonly clock: Clock;
  readonly uuid: string;
}

const FIRST_READING_SECONDS = 10;
const FULL_SLOT_SECONDS = 0.9;
// A load that has just begun is still climbing.
const SETTLED_SECONDS = 2;
const LOOK_SECONDS = 0.25;

/** Readings that have begun to come. @throws SourceError where none does in time */
async function openSampling({ config, clock }: Measuring): Promise<RunSampling> {
  const sources = await chooseSources(config, clock, {});
  const sampling = startSampling(sources, clock, () => undefined);
  const first = await sampling.firstReading(FIRST_READING_SECONDS);
  if (!(first instanceof Error)) return sampling;
  await sampling[Symbol.asyncDispose]();
  throw first;
}

/** Measures now, for `seconds`. @throws UsageError where the GPU is not there or gives no power; SourceError */
export async function measureReported(
  options: Measuring & { readonly seconds: number },
): Promise<ReportedPower> {
  const { context, clock, seconds } = options;
  await using sampling = await openSampling(options);
  const slots = await openSlots(options);
  sampling.feed((event) => slots.pipeline.consume(event.source, event));
  await clock.sleepUntil(after(clock.now(), seconds), context.signal);
  if (isStuck(sampling.sources)) context.leaveAbruptly();
  slots.pipeline.finish();
  return powerOf(slots, options.uuid, 'measured now');
}

/**
 * Waits until the GPU has reported a power that `isWanted` for some seconds; false where none came in time.
 * @throws UsageError where the GPU is not there; SourceError
 */
export async function awaitReported(
  options: Measuring & {
    readonly isWanted: (powerWatts: number) => boolean;
    readonly patienceSeconds: number;
  },
): Promise<boolean> {
  const { context, clock, uuid } = options;
  await using sampling = await openSampling(options);
  const { pipeline } = await openSlots(options);
  sampling.feed((event) => pipeline.consume(event.source, event));
  const deadline = after(clock.now(), options.patienceSeconds);
  let since: number | undefined;
  while (clock.now() < deadline && !context.signal.aborted) {
    const devices = pipeline.devices();
    const found = devices.find(({ device }) => device.uuid === uuid);
    if (found === undefined && devices.length > 0) throw noSuchGpu(uuid, devices, 'measured now');
    const power = found?.powerWatts;
    if (power === undefined || !options.isWanted(power)) since = undefined;
    else if (clock.now() - (since ??= clock.now()) >= SETTLED_SECONDS) return true;
    await clock.sleepUntil(after(clock.now(), LOOK_SECONDS), context.signal).catch(() => undefined);
  }
  if (isStuck(sampling.sources)) context.leaveAbruptly();
  return false;
}

/** What a GPU reported in a trace. @throws UsageError, SourceError */
export async function reportedInTrace(
  options: Measuring & { readonly file: string },
): Promise<ReportedPower> {
  const { config, context, clock, file } = options;
  const log = await logOptions(config);
  await using source = replaySource({ files: [file], clock, speed: 'max', log });
  const slots = await openSlots(options);
  for await (const event of source.events(context.signal)) slots.pipeline.consume('replay', event);
  slots.pipeline.finish();
  return powerOf(slots, options.uuid, file);
}

interface Slots {
  readonly pipeline: Pipeline;
  readonly intervals: readonly ChargedInterval[];
}

/** A pipeline that is blind to earlier calibrations and keeps its intervals. */
async function openSlots({ config, context, clock }: Measuring): Promise<Slots> {
  const pricing = await openPricing({}, context, clock);
  const run = { id: 'calibration', host: 'localhost', startSeconds: clock.now(), labels: {} };
  const intervals: ChargedInterval[] = [];
  const pipeline = openMetering({
    config,
    pricing,
    charges: await pricing.openCharges(),
    account: createAccount(run),
    onSettled: (settlement) => intervals.push(...settlement.intervals),
  });
  return { pipeline, intervals };
}

function noSuchGpu(uuid: string, devices: readonly DeviceSnapshot[], where: string): UsageError {
  const known = devices.map(({ device }) => device.uuid).join(', ');
  return new UsageError(
    `--calibrate ${uuid}: no such GPU in what was ${where === 'measured now' ? where : `recorded in ${where}`}${known === '' ? '' : `, only ${known}`}. See wattmeter devices.`,
  );
}

function powerOf({ pipeline, intervals }: Slots, uuid: string, where: string): ReportedPower {
  const devices = pipeline.devices();
  const device = devices.find((one) => one.device.uuid === uuid)?.device;
  if (device === undefined) throw noSuchGpu(uuid, devices, where);
  // Only whole seconds: the ends of a stretch are settled by assumptions.
  const whole = intervals.filter(
    (interval) => interval.uuid === uuid && interval.observedSeconds >= FULL_SLOT_SECONDS,
  );
  const power = meanOf(whole.map((one) => one.energyJoules / one.observedSeconds));
  if (power === undefined) {
    throw new UsageError(
      `--calibrate ${uuid}: fewer than two whole seconds of power ${where === 'measured now' ? 'came' : `are in ${where}`}. Measure longer: --seconds 30.`,
    );
  }
  return {
    device,
    meanWatts: power.mean,
    standardErrorWatts: power.standardError,
    deviationWatts: power.deviation,
    observedSeconds: whole.reduce((sum, one) => sum + one.observedSeconds, 0),
  };
}
