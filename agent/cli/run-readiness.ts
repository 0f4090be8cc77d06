// What a run must know before CMD may start: the sources under way, and whether --gpus and --require-measurement are met.

import type { Clock } from '../clock.ts';
import type { Config } from '../options.ts';
import { selectGpus } from '../run/gpus.ts';
import type { Context } from './context.ts';
import { migParentsOf } from './run-gpus.ts';
import { startSampling, type RunSampling } from './run-sampling.ts';
import { chooseSources, LIVE_PLAY } from './sources.ts';

/** How long --require-measurement and --gpus wait for the first reading before CMD may start. */
const FIRST_READING_SECONDS = 10;

/** Starts the sources that the options name; a source that cannot be is said, not thrown. @throws UsageError, SourceError */
export async function openRunSampling(
  config: Config,
  clock: Clock,
  context: Context,
): Promise<RunSampling> {
  const sources = await chooseSources(config, clock, { play: LIVE_PLAY, waitsForDriver: false });
  return startSampling(sources, clock, (error) => {
    context.stderr.write(`wattmeter: ${error.message} CMD runs on, unmeasured.\n`);
  });
}

/** Why CMD must not start, where the user asked for that; undefined when it may. */
export async function refusalOf(
  config: Config,
  sampling: RunSampling,
  context: Context,
): Promise<string | undefined> {
  const first = await sampling.firstReading(FIRST_READING_SECONDS);
  if (config.gpus !== undefined) {
    const selection = selectGpus({
      option: config.gpus,
      environment: context.environment,
      devices: sampling.devices(),
      migParents: await migParentsOf(config, context, sampling),
    });
    if (sampling.devices().length > 0 && selection.kind === 'refused') return selection.message;
  }
  if (config.requireMeasurement !== true || first === 'measuring') return undefined;
  const why =
    first === 'silent' ? `no reading came within ${FIRST_READING_SECONDS} s.` : first.message;
  return `--require-measurement: ${why} CMD was not started. Run wattmeter devices to see what can be measured.`;
}
