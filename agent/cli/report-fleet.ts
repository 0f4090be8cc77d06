// `wattmeter report --prometheus URL --job J --start T --end T`: the report of a whole fleet's job.

import { readFileSync } from 'node:fs';

import { openClock, wallNow } from '../clock.ts';
import { UsageError } from '../config.ts';
import { isTimeProblem, readInstant } from '../local-time.ts';
import type { Config } from '../options.ts';
import type { FleetPricing } from '../report/fleet-charge.ts';
import type { Span } from '../report/fleet-fold.ts';
import { openPrometheus, type PrometheusOptions } from '../report/fleet-prometheus.ts';
import { readFleet } from '../report/fleet-read.ts';
import { withBeside } from '../report/beside.ts';
import { fleetReport, type FleetFacts } from '../report/fleet.ts';
import type { Warning } from '../model.ts';
import type { Report } from '../report/report.ts';
import { after, type Instant } from '../units.ts';
import type { Invocation } from './command.ts';
import type { Context } from './context.ts';
import type { Charges } from './charges.ts';
import { extrasOf, useOfReport } from './extras.ts';
import { feedWarnings } from './feed-warnings.ts';
import { checkInputs } from './inputs.ts';
import { openPricing, refreshFeeds, refuseGap, type Pricing } from './pricing.ts';
import { withLevers } from './run-levers.ts';

/** Flags of `wattmeter report` that ask for a fleet. */
export const FLEET_FLAGS: readonly (readonly [string, string])[] = [
  ['--prometheus <url>', 'read a whole fleet from this Prometheus'],
  ['--job <name>', "Prometheus's name of the scrape job of the agents"],
  ['--start <time>', 'ISO 8601, seconds since 1970, or back from now: -2h, -7d'],
  ['--end <time>', 'the same (default: now)'],
  ['--host-label <label>', 'the label that tells nodes apart (default: instance)'],
  [
    '--prometheus-token-file <file>',
    'bearer token for the Prometheus (or WATTMETER_PROMETHEUS_TOKEN)',
  ],
  ['--prometheus-timeout-seconds <s>', 'how long one answer may take (default: 60)'],
];

/** The flags that mean nothing without --prometheus. */
const DEPENDENT_FLAGS = [
  'job',
  'start',
  'end',
  'hostLabel',
  'prometheusTokenFile',
  'prometheusTimeoutSeconds',
] as const;

const TOKEN_VARIABLE = 'WATTMETER_PROMETHEUS_TOKEN';
const DEFAULT_TIMEOUT_SECONDS = 60;
const LONGEST_TIMEOUT_SECONDS = 3600;
const LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

type Flags = Invocation['extra'];

/** Whether a fleet is asked for. @throws UsageError for flags that do not go together */
export function asksForFleet({ operands, extra }: Invocation): boolean {
  const isFleet = extra['prometheus'] !== undefined;
  const stray = DEPENDENT_FLAGS.find((flag) => extra[flag] !== undefined);
  if (!isFleet && stray !== undefined)
    throw new UsageError(`${flagName(stray)} needs --prometheus URL: which server is meant?`);
  if (isFleet && (operands.length > 0 || extra['merge'] === true)) {
    throw new UsageError(
      '--prometheus reads a whole job and takes no runs or files beside it. Leave one out.',
    );
  }
  return isFleet;
}

const flagName = (attribute: string): string =>
  `--${attribute.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/** Reads the fleet and builds its report. @throws UsageError, InputError */
export async function loadFleetReport({ config, extra, context }: Invocation): Promise<Report> {
  const job = textOf(extra, 'job');
  if (job === undefined)
    throw new UsageError('--prometheus needs --job NAME: the scrape job of the agents.');
  const now = wallNow();
  const span = spanOf(extra, now);
  const hostLabel = textOf(extra, 'hostLabel') ?? 'instance';
  if (!LABEL.test(hostLabel))
    throw new UsageError(`--host-label must be the name of a label, not ${quoted(hostLabel)}.`);
  const prometheus = openPrometheus(connectionOf(extra, context));
  const pricing = await openPricing(config, context, openClock(), { isFleet: true });
  await refreshFeeds(pricing, context);
  const charges = await pricing.openCharges();
  const fleetPricing = replacementOf(config, pricing, charges);
  if (fleetPricing.currency !== undefined) await refuseGap(pricing, span);
  const readings = await readFleet(prometheus, { job, span, hostLabel, pricing: fleetPricing });
  const isPriced = fleetPricing.currency !== undefined;
  const report = fleetReport({
    job,
    span,
    origin: prometheus.name.replace('Prometheus at ', ''),
    devices: readings.devices,
    pricing: fleetPricing,
    given: givenOf(fleetPricing, pricing, charges),
    warnings: [
      ...readings.warnings,
      ...(isPriced ? pricing.warnings : []),
      ...feedWarnings(pricing, span.endSeconds),
      ...(config.hostWatts === undefined ? [] : [HOST_WATTS_IGNORED]),
    ],
    generatedSeconds: now,
    version: context.version,
  });
  return withExtras(report, span, {
    config,
    pricing,
    demand: isPriced ? charges.demand() : [],
  });
}

const HOST_WATTS_IGNORED: Warning = {
  code: 'fleet-host-watts',
  message:
    '--host-watts is not applied: a fleet’s nodes count the energy of their hosts themselves.',
};

/** Water, embodied carbon, rent and peaks, as a local run's report has them. */
async function withExtras(
  report: Report,
  span: Span,
  facts: {
    readonly config: Config;
    readonly pricing: Pricing;
    readonly demand: ReturnType<Charges['demand']>;
  },
): Promise<Report> {
  const { config, demand } = facts;
  const { energy, cost } = report;
  await checkInputs(facts.pricing.inputs, cost.currency);
  const pricing = {
    ...facts.pricing,
    tariff: { ...facts.pricing.tariff, currency: cost.currency },
    powerUsageEffectiveness: {
      value: energy.powerUsageEffectiveness,
      provenance: energy.powerUsageEffectivenessProvenance,
    },
  };
  const { warnings, ...beside } = extrasOf(useOfReport(report, span), { config, pricing, demand });
  const whole = { ...report, warnings: [...report.warnings, ...warnings] };
  return withLevers(withBeside(whole, beside), pricing);
}

/** Only what is asked for replaces what the nodes counted. */
function replacementOf(config: Config, pricing: Pricing, charges: Charges): FleetPricing {
  const isPriced = [config.price, config.currency, config.tariff].some(
    (option) => option !== undefined,
  );
  return {
    charge: (interval) => ({ ...interval, charge: charges.charge(interval) }),
    chargedEffectiveness: pricing.powerUsageEffectiveness.value,
    givesCarbon: config.zone !== undefined || config.grid !== undefined,
    ...(isPriced && { currency: pricing.tariff.currency }),
    ...(config.pue !== undefined && { powerUsageEffectiveness: config.pue }),
  };
}

const givenOf = (
  { currency, givesCarbon }: FleetPricing,
  { tariff, grid }: Pricing,
  charges: Charges,
): FleetFacts['given'] => ({
  ...(currency !== undefined && { tariff, pricePeriods: charges.periods() }),
  ...(givesCarbon && { grid }),
});

function connectionOf(extra: Flags, context: Context): PrometheusOptions {
  const token = tokenOf(extra, context);
  return {
    url: textOf(extra, 'prometheus') ?? '',
    timeoutSeconds: timeoutOf(textOf(extra, 'prometheusTimeoutSeconds')),
    signal: context.signal,
    ...(token !== undefined && { token }),
  };
}

function timeoutOf(text: string | undefined): number {
  if (text === undefined) return DEFAULT_TIMEOUT_SECONDS;
  const timeout = Number(text);
  if (timeout > 0 && timeout <= LONGEST_TIMEOUT_SECONDS) return timeout;
  throw new UsageError(
    `--prometheus-timeout-seconds must be a number above 0 and up to ${LONGEST_TIMEOUT_SECONDS}, not ${quoted(text)}.`,
  );
}

/** The token is never part of a message. */
function tokenOf(extra: Flags, { environment }: Context): string | undefined {
  const path = textOf(extra, 'prometheusTokenFile');
  const text = path === undefined ? environment[TOKEN_VARIABLE] : readToken(path);
  const token = text?.trim() ?? '';
  const place = path ?? TOKEN_VARIABLE;
  if (token === '') {
    if (path === undefined) return undefined;
    throw new UsageError(`${place} is empty: it must hold the token for the Prometheus.`);
  }
  if (!/^[\x21-\x7e]+$/.test(token))
    throw new UsageError(`${place} holds no token: one line of plain characters is wanted.`);
  return token;
}

function readToken(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new UsageError(
      `Cannot read --prometheus-token-file ${path} (${code}). Does it exist, and may you read it?`,
    );
  }
}

function spanOf(extra: Flags, now: Instant): Span {
  const start = textOf(extra, 'start');
  if (start === undefined)
    throw new UsageError('--prometheus needs --start TIME, such as --start -24h.');
  const startSeconds = timeOf(start, '--start', now);
  const end = textOf(extra, 'end');
  const endSeconds = end === undefined ? now : timeOf(end, '--end', now);
  if (startSeconds >= endSeconds)
    throw new UsageError(
      `--start must be before --end${end === undefined ? ', which is now' : ''}.`,
    );
  if (endSeconds > now)
    throw new UsageError('--end is in the future: nothing has been measured there yet.');
  return { startSeconds, endSeconds };
}

const SECONDS_PER_UNIT: Readonly<Record<string, number>> = {
  s: 1,
  m: 60,
  h: 3600,
  d: 86_400,
  w: 604_800,
};
const BACK = /^-(\d+(?:\.\d+)?)([smhdw])$/;

/** A time as a person writes it. Without a zone it is in the machine's. @throws UsageError */
export function timeOf(text: string, flag: string, now: Instant): Instant {
  if (text === 'now') return now;
  const [, amount, unit] = BACK.exec(text) ?? [];
  const secondsPerUnit = SECONDS_PER_UNIT[unit ?? ''];
  if (amount !== undefined && secondsPerUnit !== undefined)
    return after(now, -Number(amount) * secondsPerUnit);
  const time = readInstant(text, Intl.DateTimeFormat().resolvedOptions().timeZone);
  if (!isTimeProblem(time)) return time;
  throw new UsageError(`${flag}: ${time.problem}. ${time.mend}, or -2h for two hours ago.`);
}

function textOf(extra: Flags, attribute: string): string | undefined {
  const value = extra[attribute];
  return typeof value === 'string' ? value : undefined;
}

const quoted = (text: string): string => JSON.stringify(text);
