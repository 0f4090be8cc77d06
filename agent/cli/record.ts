// `wattmeter record -o TRACE`: what the sources say, as a trace that `replay` reads back to the same joules.

import { lstatSync, rmSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

import { openClock } from '../clock.ts';
import { UsageError } from '../config.ts';
import { sample, type SampledEvent } from '../sampler.ts';
import { SourceError } from '../source/source.ts';
import { openTraceWriter, STANDARD_OUTPUT, type TraceWriter } from '../source/trace-writer.ts';
import { TRACE_OPTIONS, type CommandSpec } from './command.ts';
import { chooseSources, closeSources, isStuck } from './sources.ts';

const EXIT_NOTHING = 2;
const DISPOSAL_SECONDS = 0.5;

export const recordCommand: CommandSpec = {
  options: ['source', 'trace', 'periodSeconds', 'quiet', ...TRACE_OPTIONS],
  extra: [
    ['-o, --output <trace>', 'the file to write; .gz is packed, - is standard output'],
    ['--duration-seconds <s>', 'end after this long (default: at Ctrl-C)'],
  ],
  examples: ['wattmeter record -o gpu.csv.gz --duration-seconds 60'],
  async action({ config, extra, context }) {
    const file = extra['output'];
    if (typeof file !== 'string' || file === '')
      throw new UsageError('--output is missing: where should the trace go? Say -o TRACE.csv.gz.');
    const seconds = durationOf(extra['durationSeconds']);
    const clock = openClock();
    const sources = await chooseSources(config, clock, { play: { speed: 1, restampToNow: true } });
    const stop = new AbortController();
    const ended = AbortSignal.any([context.signal, stop.signal]);
    if (seconds !== undefined)
      void delay(seconds * 1e3, undefined, { signal: ended }).then(
        () => stop.abort(),
        () => undefined,
      );
    const rowCount = await recordTo(await openTraceWriter(file, clock), {
      events: sample(sources, ended),
      say: (line) => context.stderr.write(`wattmeter: ${line}\n`),
      // A recording of nothing would pass for one of an idle machine.
      discard: () => {
        if (file === STANDARD_OUTPUT) return;
        if (lstatSync(file, { throwIfNoEntry: false })?.isFile() === true) rmSync(file);
      },
    });
    await closeSources(sources, DISPOSAL_SECONDS);
    if (isStuck(sources)) context.leaveAbruptly();
    const place = file === STANDARD_OUTPUT ? 'on standard output' : `in ${file}`;
    if (config.quiet !== true) context.stderr.write(`wattmeter: ${rowCount} readings ${place}\n`);
    return rowCount > 0 ? 0 : EXIT_NOTHING;
  },
};

/** Writes until the events end, however they end; returns the number of readings. */
async function recordTo(
  opened: TraceWriter,
  recording: {
    readonly events: AsyncIterable<SampledEvent>;
    readonly say: (line: string) => void;
    readonly discard: () => void;
  },
): Promise<number> {
  try {
    await using writer = opened;
    for await (const event of recording.events) {
      if (event.kind === 'devices') writer.setDevices(event.devices);
      if (event.kind === 'batch') await writer.write(event.batch);
      if (event.kind === 'fault') recording.say(event.message);
    }
  } catch (error) {
    // `record -o - | head` is no error.
    if (!(error instanceof SourceError && error.fate === 'ended')) throw error;
  } finally {
    if (opened.rowCount === 0) recording.discard();
  }
  return opened.rowCount;
}

function durationOf(text: string | boolean | undefined): number | undefined {
  if (text === undefined) return undefined;
  const seconds = Number(text);
  if (Number.isFinite(seconds) && seconds > 0) return seconds;
  throw new UsageError(`--duration-seconds must be a number above 0, not ${JSON.stringify(text)}.`);
}
