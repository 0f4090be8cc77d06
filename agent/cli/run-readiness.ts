// What a run must know before CMD may start: the sources under way, and whether --gpus and --require-measurement are met.

import type { Clock } from '../clock.ts';
import type { Config } from '../options.ts';
import { noneSelected, selectGpus } from '../run/gpus.ts';
import { after, type Instant } from '../units.ts';
import type { Context } from './context.ts';
import { isUserError } from './errors.ts';
import { migParentsOf } from './run-gpus.ts';
import { failedSampling, startSampling, type RunSampling } from './run-sampling.ts';
import { chooseSources, LIVE_PLAY } from './sources.ts';

/** How long --require-measurement and --gpus wait for the first reading before CMD may start. */
const FIRST_READING_SECONDS = 10;
const POLL_SECONDS = 0.02;

/** Starts the sources that the options name; a source that cannot be is said, not thrown. @throws UsageError, SourceError */
export async function openRunSampling(
  config: Config,
  clock: Clock,
  context: Context,
): Promise<RunSampling> {
  const sources = await chooseSources(config, clock, { play: LIVE_PLAY, waitsForDriver: false });
  return startSampling(sources, clock, (error, hasRead) => {
    // Then CMD does not run at all, and the refusal says why.
    if (config.requireMeasurement !== true || hasRead) sayUnmeasured(error, context);
  });
}

/** The same, once CMD runs: nothing is thrown any more. */
export async function openLateSampling(
  config: Config,
  clock: Clock,
  context: Context,
): Promise<RunSampling> {
  try {
    return await openRunSampling(config, clock, context);
  } catch (error) {
    if (!isUserError(error)) throw error;
    return failedSampling(error, clock, () => sayUnmeasured(error, context));
  }
}

const sayUnmeasured = (error: Error, context: Context): void =>
  context.stderr.write(`wattmeter: ${error.message} CMD runs on, unmeasured.\n`);

/** Why CMD must not start, where the user asked for that; undefined when it may. */
export async function refusalOf(
  config: Config,
  sampling: RunSampling,
  { clock, context }: { readonly clock: Clock; readonly context: Context },
): Promise<string | undefined> {
  const deadline = after(clock.now(), FIRST_READING_SECONDS);
  const first = await sampling.firstReading(FIRST_READING_SECONDS);
  const migParents = await migParentsOf(config, context, sampling);
  const choose = (): ReturnType<typeof selectGpus> =>
    selectGpus({
      ...(config.gpus === undefined ? {} : { option: config.gpus }),
      environment: context.environment,
      devices: sampling.devices(),
      migParents,
    });
  const selection = choose();
  if (config.gpus !== undefined && sampling.devices().length > 0 && selection.kind === 'refused')
    return selection.message;
  if (config.requireMeasurement !== true) return undefined;
  const why =
    first instanceof Error
      ? first.message
      : await whyUnmeasured({ sampling, clock, choose, deadline });
  return why === undefined
    ? undefined
    : `--require-measurement: ${why} CMD was not started. Run wattmeter devices to see what can be measured.`;
}

/** Why the job's GPUs give no reading; undefined as soon as one does. Other GPUs, and the host beside them, do not count. */
async function whyUnmeasured(parts: {
  readonly sampling: RunSampling;
  readonly clock: Clock;
  readonly choose: () => ReturnType<typeof selectGpus>;
  readonly deadline: Instant;
}): Promise<string | undefined> {
  const { sampling, clock, choose, deadline } = parts;
  const never = new AbortController().signal;
  for (;;) {
    const devices = sampling.devices();
    const selection = choose();
    const gpus = devices.filter(({ kind }) => kind === 'gpu');
    if (selection.kind === 'selected') {
      const none = noneSelected(selection, devices);
      if (none !== undefined) return none;
      const hasGpus = sampling.sources.some(({ kind }) => kind !== 'rapl');
      const wanted = hasGpus ? gpus.filter(({ uuid }) => selection.uuids.has(uuid)) : devices;
      if (wanted.some(({ uuid }) => sampling.hasReadingOf(uuid))) return undefined;
    }
    if (clock.now() >= deadline || sampling.isOver) break;
    await clock.sleepUntil(after(clock.now(), POLL_SECONDS), never);
  }
  return (
    [...sampling.faults().values()].at(-1) ?? `no reading came within ${FIRST_READING_SECONDS} s.`
  );
}
