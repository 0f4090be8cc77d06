// A finished report under another flat price, PUE or yearly intensity: it holds no energy over time, but these are the
// same at every hour of the run, so its joules are enough.

import { InputError } from '../input-error.ts';
import { constantSchedule, type Schedule } from '../schedule.ts';
import { toKilowattHours } from '../units.ts';
import { withBeside, type BesideFacts } from './beside.ts';
import { billOf } from './bill.ts';
import { figure, knownFigure, perThing } from './figure.ts';
import type { GridFacts, TariffFacts } from './input.ts';
import { costOf } from './money.ts';
import { nodesOf } from './nodes.ts';
import { present } from './present.ts';
import type {
  Report,
  ReportCarbon,
  ReportCostLine,
  ReportDevice,
  ReportIdleTime,
  ReportOptionChange,
  ReportWindow,
} from './report.ts';
import { socialPriceOf } from './social.ts';
import { instantOf } from './time.ts';
import { computeOfAll, energyOfAll, gramsUncertaintyOf, type Parts } from './total.ts';

/** What was said of a tariff that another takes the place of. */
const TARIFF_CODES: ReadonlySet<string> = new Set([
  'currency-assumed',
  'price-held',
  'site-load-assumed',
  'tariff-time-zone-assumed',
  'demand-unknown',
  'pricing-file-gone',
]);

/** What is asked for; absent parts stay as they are. Tariff and grid hold one value over the whole run. */
export interface FlatChanges {
  readonly tariff?: TariffFacts;
  readonly grid?: GridFacts & { readonly intensity: Schedule };
  readonly powerUsageEffectiveness?: number;
  /** What is given beside the figures now, in place of what was. */
  readonly beside?: BesideFacts;
  /** The options behind them, for the report to say. */
  readonly options: readonly ReportOptionChange[];
}

/** What a kilowatt-hour costs and emits, and how many of them a joule of IT energy is. */
interface Rates {
  readonly pricePerKilowattHour?: number;
  readonly gramsPerKilowattHour?: number;
  readonly powerUsageEffectiveness?: number;
}

/**
 * The report as it would have been under these.
 * @throws InputError where another PUE would meet prices that changed during the run
 */
export function underFlat(report: Report, changes: FlatChanges): Report {
  const tariff = changes.tariff ?? keptTariff(report, changes);
  const start = instantOf(report.run.startTime);
  const rates: Rates = present({
    pricePerKilowattHour: tariff?.price.valueAt(start),
    gramsPerKilowattHour: changes.grid?.intensity.valueAt(start),
    powerUsageEffectiveness: changes.powerUsageEffectiveness,
  });
  const devices = report.devices.map((line) => lineUnder(line, rates));
  const hosts = (report.hosts ?? []).map((line) => lineUnder(line, rates));
  const parts: Parts = {
    devices,
    hosts,
    powerUsageEffectiveness: effectivenessOf(report, changes),
  };
  const energy = energyOfAll(parts);
  const compute = computeOfAll(parts, energy, report.run.durationSeconds);
  const core: Report = present({
    ...withoutBeside(report),
    energy,
    compute,
    devices,
    hosts: hosts.length > 0 ? hosts : undefined,
    nodes: nodesOf(devices, hosts),
    cost:
      tariff === undefined
        ? report.cost
        : costOf({
            tariff,
            totals: [...devices, ...hosts]
              .filter(({ energyJoules }) => energyJoules !== undefined)
              .map(moneyOf),
            startSeconds: start,
            endSeconds: instantOf(report.run.endTime),
            ...present({ facilityKilowattHours: compute.energyKilowattHours }),
          }),
    carbon: carbonUnder(report, {
      ...changes,
      rates,
      parts,
      facilityJoules: energy.facilityJoules,
    }),
    warnings: report.warnings.filter(
      ({ code }) => changes.tariff === undefined || !TARIFF_CODES.has(code),
    ),
    windows: report.windows.map((window) => windowUnder(window, report, rates)),
    repriced: { options: changes.options, before: report.repriced?.before ?? billOf(report) },
  });
  return withBeside(core, { ...besideOf(report, changes), ...changes.beside });
}

/** The price that the report was made with, where another PUE needs it again. */
function keptTariff({ cost, run }: Report, changes: FlatChanges): TariffFacts | undefined {
  if (changes.powerUsageEffectiveness === undefined || cost.energyCost === undefined)
    return undefined;
  const { tariff, currency, pricePerKilowattHourMean: price } = cost;
  if (tariff.name !== 'flat' || price === undefined || cost.otherCosts?.some(isDemand) === true)
    throw new InputError(
      `The report of ${run.name ?? run.id}`,
      'its prices changed during the run, and it holds no energy over time to set another PUE against them',
      'Give --price too, or name the stored run or the trace',
    );
  return { ...tariff, currency, price: constantSchedule(price) };
}

/** An end of the spread per GPU-hour, as the amount has it. */
const perHour = (
  { amountCost, perGpuHourCost = 0 }: ReportCostLine,
  end: number | undefined,
): number | undefined =>
  end === undefined || amountCost === 0 ? undefined : (perGpuHourCost * end) / amountCost;

const isDemand = ({ perGpuHourCost }: ReportCostLine): boolean => perGpuHourCost === undefined;

const effectivenessOf = (
  { energy }: Report,
  { powerUsageEffectiveness: given }: FlatChanges,
): Parts['powerUsageEffectiveness'] =>
  given === undefined
    ? {
        value: energy.powerUsageEffectiveness,
        provenance: energy.powerUsageEffectivenessProvenance,
      }
    : { value: given, provenance: 'derived' };

/** What an amount of energy costs and emits under the rates, what they leave alone scaled by its kilowatt-hours. */
function chargesUnder(
  energyJoules: number,
  before: {
    readonly facilityKilowattHours: number;
    readonly energyCost?: number | undefined;
    readonly locationBasedGrams?: number | undefined;
  },
  rates: Rates,
): {
  readonly facilityKilowattHours: number;
  readonly energyCost?: number;
  readonly locationBasedGrams?: number;
} {
  const { powerUsageEffectiveness: pue, pricePerKilowattHour: price } = rates;
  const facility =
    pue === undefined ? before.facilityKilowattHours : toKilowattHours(energyJoules * pue);
  const scale = before.facilityKilowattHours === 0 ? 1 : facility / before.facilityKilowattHours;
  const scaled = (value: number | undefined): number | undefined =>
    value === undefined ? undefined : value * scale;
  const { gramsPerKilowattHour: intensity } = rates;
  return {
    facilityKilowattHours: figure(facility),
    ...present({
      energyCost: knownFigure(price === undefined ? before.energyCost : facility * price),
      locationBasedGrams: knownFigure(
        intensity === undefined ? scaled(before.locationBasedGrams) : facility * intensity,
      ),
    }),
  };
}

function lineUnder<Line extends ReportDevice>(line: Line, rates: Rates): Line {
  const { energyJoules, facilityKilowattHours, uncertaintyJoules = 0 } = line;
  if (energyJoules === undefined || facilityKilowattHours === undefined) return line;
  const { energyCost: _, marketBasedGrams, uncertaintyCost, ...rest } = line;
  const { energyCost, locationBasedGrams } = line;
  const charges = chargesUnder(
    energyJoules,
    { facilityKilowattHours, energyCost, locationBasedGrams },
    rates,
  );
  const { pricePerKilowattHour: price } = rates;
  const perJoule = energyJoules === 0 ? 0 : charges.facilityKilowattHours / energyJoules;
  const scale =
    facilityKilowattHours === 0 ? 1 : charges.facilityKilowattHours / facilityKilowattHours;
  return {
    ...rest,
    ...charges,
    ...present({
      uncertaintyCost:
        price === undefined
          ? uncertaintyCost
          : figure(uncertaintyJoules * perJoule * Math.abs(price)),
      // What a contract leaves to the grid is the grid's: of another one nobody knows.
      marketBasedGrams:
        rates.gramsPerKilowattHour === undefined && marketBasedGrams !== undefined
          ? figure(marketBasedGrams * scale)
          : undefined,
      idle: line.idle && idleUnder(line.idle, rates),
    }),
  } as Line;
}

const idleUnder = (idle: ReportIdleTime, rates: Rates): ReportIdleTime => {
  const { energyCost: _cost, locationBasedGrams: _grams, ...rest } = idle;
  return { ...rest, ...chargesUnder(idle.energyJoules, idle, rates) };
};

/** Money of a line as the account has it: what negative prices give back stands apart. */
const moneyOf = ({
  energyCost,
  uncertaintyCost,
}: ReportDevice): Parameters<typeof costOf>[0]['totals'][number] =>
  energyCost === undefined
    ? {}
    : {
        costAmount: Math.max(0, energyCost),
        creditAmount: Math.max(0, -energyCost),
        ...present({ uncertaintyCostAmount: uncertaintyCost }),
      };

function windowUnder(window: ReportWindow, { energy }: Report, rates: Rates): ReportWindow {
  const { gpuJoules, steps, tokens } = window;
  if (gpuJoules === undefined) return window;
  const facilityKilowattHours = toKilowattHours(gpuJoules * energy.powerUsageEffectiveness);
  const { energyCost, locationBasedGrams } = chargesUnder(
    gpuJoules,
    { ...window, facilityKilowattHours },
    rates,
  );
  return {
    ...window,
    ...present({
      energyCost,
      locationBasedGrams,
      costPerStep: perThing(energyCost, steps),
      costPerToken: perThing(energyCost, tokens),
    }),
  };
}

function carbonUnder(
  { carbon, energy: before }: Report,
  parts: {
    readonly grid?: GridFacts;
    readonly rates: Rates;
    readonly parts: Parts;
    readonly facilityJoules?: number | undefined;
  },
): Report['carbon'] {
  const { grid, rates, facilityJoules } = parts;
  const { devices, hosts, powerUsageEffectiveness } = parts.parts;
  if (facilityJoules === undefined || before.facilityJoules === undefined) return carbon;
  const known = 'missing' in carbon ? undefined : carbon;
  const intensity = rates.gramsPerKilowattHour ?? known?.intensityGramsPerKilowattHourMean;
  if (intensity === undefined || (grid === undefined && known === undefined)) return carbon;
  const scale = facilityJoules / before.facilityJoules;
  const shared = {
    locationBasedGrams: figure(
      grid === undefined && known !== undefined
        ? known.locationBasedGrams * scale
        : toKilowattHours(facilityJoules) * intensity,
    ),
    uncertaintyGrams: gramsUncertaintyOf(
      [...devices, ...hosts],
      { powerUsageEffectiveness: powerUsageEffectiveness.value },
      intensity,
    ),
    intensityGramsPerKilowattHourMean: intensity,
  };
  if (grid === undefined) {
    const market = known?.marketBasedGrams;
    return {
      ...known,
      ...shared,
      ...(market !== undefined && { marketBasedGrams: figure(market * scale) }),
    } as ReportCarbon;
  }
  const { zone, region, dataset, vintage, provenance } = grid;
  return { ...shared, ...present({ zone, region, dataset, vintage, provenance }) };
}

/** What is worked out anew, or follows from hours that the report does not hold. */
function withoutBeside(report: Report): Report {
  const { idle: _i, social: _s, per: _p, levers: _l, water: _w, data: _d, ...rest } = report;
  const { acquisition: _a, labelling: _b, embodied: _e, ...core } = rest;
  return core;
}

/** What stood beside the old figures, for the new ones; what PUE decides or another currency would have is left out. */
function besideOf(report: Report, changes: FlatChanges): BesideFacts {
  const { cost, embodied, water, data, acquisition, labelling, social, per } = report;
  const isOtherCurrency = changes.tariff !== undefined && changes.tariff.currency !== cost.currency;
  const isOtherEffectiveness = changes.powerUsageEffectiveness !== undefined;
  const lines = cost.otherCosts ?? [];
  const hardware = lines.find((line) => !isDemand(line));
  const spread = (low: number | undefined, mid: number, high: number | undefined) => ({
    low: low ?? mid,
    mid,
    high: high ?? mid,
  });
  return present({
    embodied,
    water: isOtherEffectiveness ? undefined : water,
    data: isOtherEffectiveness ? undefined : data,
    acquisition: acquisition && {
      kilowattHours: spread(
        acquisition.lowKilowattHours,
        acquisition.energyKilowattHours,
        acquisition.highKilowattHours,
      ),
      source: acquisition.source,
    },
    labelling:
      labelling === undefined || isOtherCurrency
        ? undefined
        : present({
            kilowattHours:
              labelling.energyKilowattHours === undefined
                ? undefined
                : spread(
                    labelling.lowKilowattHours,
                    labelling.energyKilowattHours,
                    labelling.highKilowattHours,
                  ),
            amount:
              labelling.labellingCost === undefined
                ? undefined
                : spread(
                    labelling.lowLabellingCost,
                    labelling.labellingCost,
                    labelling.highLabellingCost,
                  ),
            currency: labelling.currency,
            source: labelling.source,
          }),
    hardware:
      hardware?.perGpuHourCost === undefined || isOtherCurrency
        ? undefined
        : {
            kind: hardware.includesEnergy ? ('rented' as const) : ('owned' as const),
            perGpuHour: spread(
              perHour(hardware, hardware.lowAmountCost),
              hardware.perGpuHourCost,
              perHour(hardware, hardware.highAmountCost),
            ),
            source: hardware.source,
          },
    // A flat price has no charge for peaks.
    demand: changes.tariff === undefined ? lines.filter(isDemand) : undefined,
    socialPrice: social && socialPriceOf(social),
    progress: present({ steps: per?.step?.count, tokens: per?.token?.count }),
  });
}
