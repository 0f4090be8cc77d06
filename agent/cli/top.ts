// `wattmeter top`: the GPUs live on the whole screen; where there is no screen, a line now and then.

import { hostname } from 'node:os';

import { createAccount } from '../account.ts';
import { openClock, type Clock } from '../clock.ts';
import { UsageError } from '../config.ts';
import type { Pipeline } from '../pipeline.ts';
import { paintOf } from '../report/paint.ts';
import { formatProgress } from '../report/progress.ts';
import { calibrationLookup } from './calibrations.ts';
import { PRICING_OPTIONS, SOURCE_OPTIONS, TRACE_OPTIONS, type CommandSpec } from './command.ts';
import { wantsColour, type Context } from './context.ts';
import { openMetering } from './metering.ts';
import { followFeeds, openPricing } from './pricing.ts';
import { startSampling } from './run-sampling.ts';
import { chooseSources, isStuck, LIVE_PLAY } from './sources.ts';
import type { Terminal } from './terminal.ts';
import { drawTop } from './top-screen.ts';
import { openCamera, type TopView } from './top-view.ts';

const FIRST_READING_SECONDS = 10;
const SCREEN_EVERY_SECONDS = 1;
const LINE_EVERY_SECONDS = 10;

export const topCommand: CommandSpec = {
  options: [...SOURCE_OPTIONS, ...TRACE_OPTIONS, ...PRICING_OPTIONS, 'stateDir'],
  extra: [
    ['--every-seconds <s>', 'between two pictures (default: 1; 10 where stdout is no terminal)'],
  ],
  examples: [
    'wattmeter top --price 0.25 --currency EUR --zone DEU',
    'wattmeter top --source replay --trace trace.csv.gz',
  ],
  async action({ config, extra, context }) {
    const clock = openClock();
    const pricing = await openPricing(config, context, clock);
    const sources = await chooseSources(config, clock, { play: LIVE_PLAY });
    const quit = new AbortController();
    const ended = AbortSignal.any([context.signal, quit.signal]);
    let failure: Error | undefined;
    await using sampling = startSampling(sources, clock, (error) => {
      failure = error;
      quit.abort();
    });
    const first = await sampling.firstReading(FIRST_READING_SECONDS);
    if (first instanceof Error) throw first;
    let trouble: string | undefined;
    const start = clock.now();
    const run = { id: 'top', host: hostname(), startSeconds: start, labels: {} };
    const pipeline = openMetering({
      config,
      pricing,
      charges: await pricing.openCharges(),
      account: createAccount(run),
      calibrationOf: calibrationLookup(config, context, ({ message }) => {
        trouble = message;
      }),
    });
    sampling.feed((event) => {
      if (event.kind === 'fault') trouble = event.message;
      if (event.kind === 'batch' && event.batch.status.includes(0)) trouble = undefined;
      pipeline.consume(event.source, event);
    });
    followFeeds(pricing, ended);
    const camera = openCamera(pipeline, pricing, config.trace !== undefined);
    const take = (): TopView => camera.take(clock.now(), trouble);
    await show({ take, context, clock, ended, quit, everySeconds: everyOf(extra['everySeconds']) });
    if (isStuck(sources)) context.leaveAbruptly();
    sayLast(take(), pipeline, context);
    if (failure !== undefined) throw failure;
    return 0;
  },
};

function everyOf(text: string | boolean | undefined): number | undefined {
  if (text === undefined) return undefined;
  const seconds = Number(text);
  if (Number.isFinite(seconds) && seconds >= 0.1) return seconds;
  throw new UsageError(`--every-seconds must be 0.1 or more, not ${JSON.stringify(text)}.`);
}

interface Showing {
  readonly take: () => TopView;
  readonly context: Context;
  readonly clock: Clock;
  readonly ended: AbortSignal;
  readonly quit: AbortController;
  readonly everySeconds: number | undefined;
}

/** Shows until the signal or a key ends it. */
async function show(showing: Showing): Promise<void> {
  const isDumb = showing.context.environment['TERM'] === 'dumb';
  using terminal = isDumb ? undefined : showing.context.openTerminal?.();
  if (terminal === undefined) await showLines(showing);
  else await showScreen(showing, terminal);
}

async function showLines({ take, context, ended, everySeconds }: Showing): Promise<void> {
  const every = everySeconds ?? LINE_EVERY_SECONDS;
  await repeat(every, ended, () => context.stdout.write(`${lineOf(take())}\n`));
}

// Another screen, so that what stood here comes back; no cursor; home; clear to the end of a line, of the screen.
const ENTER = '\u001B[?1049h\u001B[?25l';
const LEAVE = '\u001B[?25h\u001B[?1049l';
const HOME = '\u001B[H';
const CLEAR_LINE = '\u001B[K';
const CLEAR_REST = '\u001B[J';
const ESCAPE = '\u001B';
const INTERRUPT = '\u0003';

/** Keys that came together count one by one; Escape only alone, for it begins what other keys send. */
const quits = (keys: string): boolean =>
  keys === ESCAPE || keys.includes(INTERRUPT) || keys.toLowerCase().includes('q');

async function showScreen(showing: Showing, terminal: Terminal): Promise<void> {
  const { take, context, quit, ended, everySeconds } = showing;
  const paint = paintOf(wantsColour(context.stdout, context));
  let view = take();
  const draw = (): void => {
    const lines = drawTop(view, terminal.size(), paint);
    const text = lines.map((line) => line + CLEAR_LINE).join('\r\n');
    context.stdout.write(`${HOME}${text}${CLEAR_REST}`);
  };
  context.stdout.write(ENTER);
  try {
    terminal.onResize(draw);
    terminal.onKey((key) => {
      if (quits(key)) quit.abort();
    });
    draw();
    await repeat(everySeconds ?? SCREEN_EVERY_SECONDS, ended, () => {
      view = take();
      draw();
    });
  } finally {
    context.stdout.write(LEAVE);
  }
}

/** Calls `act` every so often until the signal. */
function repeat(everySeconds: number, ended: AbortSignal, act: () => void): Promise<void> {
  return new Promise((resolve) => {
    if (ended.aborted) return resolve();
    const timer = setInterval(act, everySeconds * 1e3);
    ended.addEventListener(
      'abort',
      () => {
        clearInterval(timer);
        resolve();
      },
      { once: true },
    );
  });
}

function lineOf(view: TopView): string {
  const { elapsedSeconds, powerWatts, gpuJoules, uncertaintyJoules, coverageRatio } = view;
  const { cost, carbon, trouble } = view;
  return formatProgress({
    elapsedSeconds,
    ...(powerWatts === undefined ? {} : { powerWatts }),
    gpuJoules,
    uncertaintyJoules,
    coverageRatio,
    ...(cost === undefined ? {} : { energyCost: cost.amount, currency: cost.currency }),
    ...('missing' in carbon ? {} : { locationBasedGrams: carbon.grams }),
    ...(trouble === undefined ? {} : { trouble }),
  });
}

/** What stays on the terminal when the screen is gone. */
function sayLast(view: TopView, pipeline: Pipeline, context: Context): void {
  if (pipeline.firstSeconds !== undefined) context.stdout.write(`${lineOf(view)}\n`);
}
