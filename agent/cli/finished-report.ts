// A report file under other options. It is finished: what the environment or a config file says of prices is for what is
// measured, and only flags change it; those that would need its energy over time are refused.

import type { Grid } from '../carbon/grid.ts';
import { UsageError } from '../config.ts';
import type { RunInputs } from '../estimate/run-inputs.ts';
import type { Config, OptionKey } from '../options.ts';
import { flatTariff } from '../price/flat.ts';
import type { Tariff } from '../price/tariff.ts';
import type { BesideFacts } from '../report/beside.ts';
import { underFlat } from '../report/finished.ts';
import { present } from '../report/present.ts';
import type { Report } from '../report/report.ts';
import { instantOf } from '../report/time.ts';
import type { Invocation } from './command.ts';
import { extrasOf, useOfReport } from './extras.ts';
import { checkInputs, openInputs } from './inputs.ts';
import { EXTRA_KEYS, flagOf, PRICING_KEYS } from './kept-pricing.ts';
import { withLevers } from './run-levers.ts';

/** What a total can be multiplied by anew. */
const FLAT_KEYS: readonly OptionKey[] = ['price', 'currency', 'zone', 'atYear', 'pue'];
/** What follows from hours, or from what only a run counts. */
const REFUSED_KEYS: readonly OptionKey[] = [
  ...PRICING_KEYS.filter((key) => !FLAT_KEYS.includes(key)),
  'dataPath',
  'hostWatts',
];

/** The report, under what the flags ask for. @throws UsageError, InputError */
export async function withFlags(
  report: Report,
  path: string,
  { config: all, flagged }: Pick<Invocation, 'config' | 'flagged'>,
): Promise<Report> {
  const refused = REFUSED_KEYS.find((key) => flagged.has(key));
  if (refused !== undefined)
    throw new UsageError(
      `${path} is a finished report: it holds no energy over time for ${flagOf(refused)}. Name the stored run or the trace instead; a price, a PUE or a zone can be changed.`,
    );
  const keys = [...FLAT_KEYS, ...EXTRA_KEYS].filter((key) => flagged.has(key));
  if (keys.length === 0) return report;
  const config = Object.fromEntries(keys.map((key) => [key, all[key]])) as Config;
  const tariff = tariffOf(report, path, config);
  const inputs = await openInputs(config);
  await checkInputs(inputs, tariff?.currency ?? report.cost.currency);
  const anew = underFlat(report, {
    ...present({
      tariff,
      grid: await gridOf(report, config),
      powerUsageEffectiveness: config.pue,
    }),
    beside: besideOf(report, config, { inputs, tariff }),
    options: FLAT_KEYS.flatMap((key) => {
      const after = config[key];
      return typeof after === 'string' || typeof after === 'number'
        ? [{ option: flagOf(key), after }]
        : [];
    }),
  });
  // Of another hour a report knows nothing: what is left are the levers of the run itself.
  return withLevers(anew, {
    tariff: flatTariff(),
    grid: { missing: 'not of every hour' },
    ...present({ inputs }),
    feeds: [],
  });
}

/** A currency alone is the kept price's, where that is one. @throws UsageError */
function tariffOf(
  { cost }: Report,
  path: string,
  { price, currency = cost.currency }: Config,
): Tariff | undefined {
  if (price !== undefined) return flatTariff({ pricePerKilowattHour: price, currency });
  if (currency === cost.currency) return undefined;
  const kept = cost.tariff.name === 'flat' ? cost.pricePerKilowattHourMean : undefined;
  if (kept === undefined)
    throw new UsageError(
      `${path} has prices in ${cost.currency}: --currency converts none of them. Give --price too.`,
    );
  return {
    ...flatTariff({ pricePerKilowattHour: kept, currency }),
    provenance: cost.tariff.provenance,
  };
}

/** A year alone is that of the kept zone's grid. @throws UsageError where there is none */
async function gridOf({ carbon }: Report, { zone, atYear }: Config): Promise<Grid | undefined> {
  if (zone === undefined && atYear === undefined) return undefined;
  const named = zone ?? ('missing' in carbon ? undefined : zoneOption(carbon));
  if (named === undefined)
    throw new UsageError('--at-year needs --zone: which grid is meant? Give --zone DEU, say.');
  const { gridOfZone } = await import('../carbon/zone.ts');
  return gridOfZone({ zone: named, ...present({ atYear }) });
}

/** What --zone was given for a report's grid. */
const zoneOption = ({
  zone,
  region,
}: Exclude<Report['carbon'], { readonly missing: string }>): string =>
  region === undefined ? zone : `${region.provider}:${region.name}`;

/** What the flags give beside the figures, and nothing that they do not. */
function besideOf(
  report: Report,
  config: Config,
  {
    inputs,
    tariff,
  }: { readonly inputs: RunInputs | undefined; readonly tariff: Tariff | undefined },
): BesideFacts {
  const { energy, run, cost } = report;
  const span = { startSeconds: instantOf(run.startTime), endSeconds: instantOf(run.endTime) };
  const facts = extrasOf(useOfReport(report, span), {
    config,
    pricing: {
      tariff: tariff ?? flatTariff({ currency: cost.currency }),
      ...present({ inputs }),
      powerUsageEffectiveness: {
        value: config.pue ?? energy.powerUsageEffectiveness,
        provenance: 'derived',
      },
    },
    demand: [],
  });
  const { hardware, embodied, water, data, acquisition, labelling, socialPrice } = facts;
  return present({
    hardware,
    embodied: config.embodiedKilograms === undefined ? undefined : embodied,
    water,
    data,
    acquisition,
    labelling,
    // Without a zone there was nothing to price.
    socialPrice:
      config.socialCostPerTonne === undefined && report.social !== undefined
        ? undefined
        : socialPrice,
  });
}
