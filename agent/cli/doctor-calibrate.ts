// `wattmeter doctor --calibrate`: guides through two loads, works out gain and offset, and keeps them for every later run.

import { openClock, wallNow } from '../clock.ts';
import { UsageError } from '../config.ts';
import { formatPercent, formatPower } from '../display/quantity.ts';
import { solveCalibration } from '../insight/doctor-calibration.ts';
import { calibrationsPath, storeCalibration, type Calibration } from '../ledger/calibrations.ts';
import { toUnixMilliseconds } from '../units.ts';
import type { Invocation } from './command.ts';
import type { Context } from './context.ts';
import {
  awaitReported,
  measureReported,
  reportedInTrace,
  type ReportedPower,
} from './doctor-measure.ts';
import { stateDirectory } from './state.ts';
import type { Terminal } from './terminal.ts';

const DEFAULT_SECONDS = 30;
const DEFAULT_METER_PERCENT = 1.5;
// A load that wanders by more than this between seconds is not what the meter's one figure stood for.
const STEADY_RATIO = 0.05;
const STEADY_WATTS = 3;
const EXIT_REFUSED = 1;
/** How long a load is waited for where nobody can press Enter. */
const PATIENCE_SECONDS = 600;

interface Request {
  readonly uuid: string;
  readonly idleWatts: number;
  readonly loadWatts: number;
  readonly meterPercent: number;
  readonly seconds: number;
}

/** Measures, solves, stores and says so; exits 1 when the figures make no sense together. @throws UsageError */
export async function calibrate(invocation: Invocation): Promise<number> {
  const { config, context, extra } = invocation;
  const request = requestOf(extra);
  const { idle, load } = await bothLoads(invocation, request);
  const outcome = solveCalibration(
    { ...seenBy(idle), meterWatts: request.idleWatts },
    { ...seenBy(load), meterWatts: request.loadWatts },
    request.meterPercent,
  );
  if (outcome.kind === 'refused') {
    context.stderr.write(`wattmeter: ${outcome.message} Nothing was stored.\n`);
    return EXIT_REFUSED;
  }
  const { kind: _kind, ...found } = outcome;
  const calibration: Calibration = {
    uuid: request.uuid,
    model: idle.device.model,
    ...found,
    meterPercent: request.meterPercent,
    calibratedAt: new Date(toUnixMilliseconds(wallNow())).toISOString(),
    idle: pointOf(idle, request.idleWatts),
    load: pointOf(load, request.loadWatts),
  };
  const directory = stateDirectory(config, context);
  await storeCalibration(directory, calibration);
  context.stdout.write(
    extra['json'] === true
      ? `${JSON.stringify(calibration, null, 2)}\n`
      : textOf(calibration, calibrationsPath(directory)),
  );
  return 0;
}

const seenBy = (
  reported: ReportedPower,
): { readonly reportedWatts: number; readonly reportedUncertaintyWatts: number } => ({
  reportedWatts: reported.meanWatts,
  reportedUncertaintyWatts: reported.standardErrorWatts,
});

const pointOf = (reported: ReportedPower, meterWatts: number): Calibration['idle'] => ({
  meterWatts,
  reportedWatts: reported.meanWatts,
  observedSeconds: reported.observedSeconds,
});

function requestOf(extra: Invocation['extra']): Request {
  const uuid = extra['calibrate'];
  if (typeof uuid !== 'string' || !/^[\w-]+$/.test(uuid)) {
    throw new UsageError('--calibrate wants the UUID of a GPU, as wattmeter devices lists them.');
  }
  const idleWatts = numberOf(extra['idleWatts'], '--idle-watts');
  const loadWatts = numberOf(extra['loadWatts'], '--load-watts');
  if (idleWatts === undefined || loadWatts === undefined) {
    throw new UsageError(
      '--calibrate needs --idle-watts and --load-watts: what the external meter shows for this GPU.',
    );
  }
  if (idleWatts >= loadWatts) {
    throw new UsageError(
      `--idle-watts ${idleWatts} must be below --load-watts ${loadWatts}. Were they swapped?`,
    );
  }
  return {
    uuid,
    idleWatts,
    loadWatts,
    meterPercent: numberOf(extra['meterPercent'], '--meter-percent') ?? DEFAULT_METER_PERCENT,
    seconds: secondsOf(extra['seconds']),
  };
}

function secondsOf(text: string | boolean | undefined): number {
  const seconds = numberOf(text, '--seconds') ?? DEFAULT_SECONDS;
  if (seconds < 3) throw new UsageError('--seconds must be 3 or more for a calibration.');
  return seconds;
}

function numberOf(text: string | boolean | undefined, flag: string): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (typeof text === 'string' && text.trim() !== '' && Number.isFinite(value) && value >= 0)
    return value;
  throw new UsageError(`${flag} must be a number of 0 or more, not ${JSON.stringify(text)}.`);
}

interface Loads {
  readonly idle: ReportedPower;
  readonly load: ReportedPower;
}

async function bothLoads(invocation: Invocation, request: Request): Promise<Loads> {
  const { extra, context, config } = invocation;
  const clock = openClock();
  const common = { config, context, clock, uuid: request.uuid };
  const { idleReadings, loadReadings } = extra;
  if (typeof idleReadings === 'string' && typeof loadReadings === 'string') {
    const idle = await reportedInTrace({ ...common, file: idleReadings });
    const load = await reportedInTrace({ ...common, file: loadReadings });
    return warnUnsteady({ idle, load }, context);
  }
  if (idleReadings !== undefined || loadReadings !== undefined) {
    throw new UsageError('--idle-readings and --load-readings go together: give both, or none.');
  }
  const { uuid, seconds, idleWatts, loadWatts } = request;
  const middleWatts = (idleWatts + loadWatts) / 2;
  const measure = async (
    name: string,
    question: string,
    isWanted: (powerWatts: number) => boolean,
  ): Promise<ReportedPower> => {
    await beginning(context, question, () =>
      awaitReported({ ...common, isWanted, patienceSeconds: PATIENCE_SECONDS }),
    );
    context.stderr.write(`Measuring for ${seconds} s…\n`);
    const reported = await measureReported({ ...common, seconds });
    context.stderr.write(`It reports ${formatPower(reported.meanWatts)} ${name}.\n`);
    return reported;
  };
  const idle = await measure(
    'idle',
    `Let GPU ${uuid} idle until its meter is steady`,
    (power) => power < middleWatts,
  );
  const load = await measure(
    'under load',
    'Start a steady load and wait until the meter is steady',
    (power) => power > middleWatts,
  );
  return warnUnsteady({ idle, load }, context);
}

function warnUnsteady(loads: Loads, context: Context): Loads {
  for (const [name, { meanWatts, deviationWatts }] of Object.entries(loads)) {
    if (deviationWatts <= Math.max(STEADY_WATTS, STEADY_RATIO * meanWatts)) continue;
    context.stderr.write(
      `wattmeter: ${name}: the power moved by ±${formatPower(deviationWatts)} from second to second; a steadier load gives a better calibration.\n`,
    );
  }
  return loads;
}

const ENTER = /[\r\n]/;
const INTERRUPT = '\u0003';

/**
 * Waits for the moment to measure: Enter on a terminal; without one, until the GPU itself reports such a load.
 * @throws UsageError where the user gives up, or the load does not come
 */
async function beginning(
  context: Context,
  wish: string,
  hasCome: () => Promise<boolean>,
): Promise<void> {
  using terminal = context.openTerminal?.();
  const isAsked = terminal !== undefined && terminal.hasKeys;
  context.stderr.write(
    isAsked ? `${wish}, then press Enter.\n` : `${wish}; that is seen by the power it reports.\n`,
  );
  if (isAsked) {
    if (await isEntered(terminal, context.signal)) return;
  } else if (await hasCome()) return;
  throw new UsageError(
    isAsked || context.signal.aborted
      ? 'The calibration was given up: nothing was stored.'
      : `--calibrate waited ${PATIENCE_SECONDS / 60} min for the GPU to report such a load. Make it in time, or give --idle-readings and --load-readings, traces of wattmeter record.`,
  );
}

const isEntered = (terminal: Terminal, signal: AbortSignal): Promise<boolean> =>
  new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(false), { once: true });
    terminal.onKey((key) => {
      if (ENTER.test(key)) resolve(true);
      if (key.includes(INTERRUPT)) resolve(false);
    });
  });

function textOf(calibration: Calibration, path: string): string {
  const { uuid, gain, offsetWatts, gainUncertainty, offsetUncertaintyWatts } = calibration;
  const percent = (gain - 1) * 100;
  const sign = percent >= 0 ? '+' : '';
  return [
    `GPU ${uuid} (${calibration.model}) reports`,
    `  gain    ${sign}${percent.toFixed(2)} %  ± ${formatPercent(2 * gainUncertainty)} (k = 2)`,
    `  offset  ${offsetWatts >= 0 ? '+' : ''}${offsetWatts.toFixed(2)} W  ± ${formatPower(2 * offsetUncertaintyWatts)} (k = 2)`,
    'against the meter. Every figure of this GPU is corrected by it from now on.',
    `Kept in ${path}`,
    '',
  ].join('\n');
}
