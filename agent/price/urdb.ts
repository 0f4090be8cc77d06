// A tariff of OpenEI's Utility Rate Database: price = rate + adj of the period that the 12 × 24 table gives in the
// site's local time, tiers by month, demand and fixed charges apart. Pure.

import { calendarOf, formatInstant, type Calendar } from '../local-time.ts';
import type { Warning } from '../model.ts';
import { mapSchedule, type Schedule } from '../schedule.ts';
import { instant } from '../units.ts';
import { localSchedule, type DayStep } from './local-schedule.ts';
import { currencyOf, siteNotes, zoneNotes, zoneOf, type TariffOptions } from './options.ts';
import type { DemandBlock, DemandCharge, EnergyBlock, FixedCharge, Tariff } from './tariff.ts';
import { readUrdb, type UrdbFile, type UrdbTier } from './urdb-file.ts';

const SECONDS_PER_HOUR = 3600;
const SATURDAY = 6;

/**
 * Reads an OpenEI tariff from its parsed JSON. Its money is US dollars by OpenEI's definition.
 * @throws InputError for a table that names an undefined period, and every other defect
 */
export function urdbTariff(document: unknown, options: TariffOptions): Tariff {
  const file = readUrdb(document, options.fileName);
  const timeZone = zoneOf(undefined, options);
  const calendar = calendarOf(timeZone);
  const period = tableSchedule(calendar, file.energyweekdayschedule, file.energyweekendschedule);
  const blocks = file.energyratestructure.map((tiers) => tiers.map(energyBlock));
  const demand = demandOf(file, calendar, options);
  const tiered = blocks.some((each) => each.length > 1) ? { tiers: { period, blocks } } : {};
  const site = options.siteLoadKilowatts;
  return {
    name: [file.utility, file.name].filter((part) => part !== undefined).join(', '),
    source: options.fileName,
    currency: currencyOf('USD', options),
    provenance: 'derived',
    price: mapSchedule(period, (position) => blocks[position]?.[0]?.pricePerKilowattHour ?? NaN),
    timeZone,
    ...tiered,
    demand,
    fixed: fixedOf(file),
    ...(site === undefined ? {} : { siteLoadKilowatts: site }),
    notes: [
      ...zoneNotes(undefined, options),
      ...siteNotes({ ...tiered, demand }, options),
      ...effectiveNotes(file, options.fileName),
      ...unpricedNotes(file, options),
    ],
  };
}

const energyBlock = (tier: UrdbTier): EnergyBlock => ({
  ...(tier.max === undefined ? {} : { upToKilowattHours: tier.max }),
  pricePerKilowattHour: (tier.rate ?? 0) + (tier.adj ?? 0),
});

const demandBlock = (tier: UrdbTier): DemandBlock => ({
  ...(tier.max === undefined ? {} : { upToKilowatts: tier.max }),
  ratePerKilowatt: (tier.rate ?? 0) + (tier.adj ?? 0),
});

/** The period in force, from a weekday and a weekend table of local hours by month. */
function tableSchedule(
  calendar: Calendar,
  weekday: readonly (readonly number[])[],
  weekend: readonly (readonly number[])[],
): Schedule {
  const stepsOf = (hours: readonly number[]): DayStep[] =>
    hours.map((value, hour) => ({ fromClockSeconds: hour * SECONDS_PER_HOUR, value }));
  const weekdaySteps = weekday.map(stepsOf);
  const weekendSteps = weekend.map(stepsOf);
  return localSchedule(
    calendar,
    (day) => (day.weekday >= SATURDAY ? weekendSteps : weekdaySteps)[day.month - 1] ?? [],
  );
}

function demandOf(file: UrdbFile, calendar: Calendar, options: TariffOptions): DemandCharge[] {
  const charges: DemandCharge[] = [];
  const { flatdemandmonths: months } = file;
  if (file.flatdemandstructure !== undefined && months !== undefined) {
    charges.push({
      kind: 'flat',
      name: 'flat demand',
      blocks: file.flatdemandstructure.map((tiers) => tiers.map(demandBlock)),
      period: localSchedule(calendar, (day) => [
        { fromClockSeconds: 0, value: months[day.month - 1] },
      ]),
    });
  }
  const { demandweekdayschedule: weekday, demandweekendschedule: weekend } = file;
  if (file.demandratestructure !== undefined && weekday !== undefined && weekend !== undefined) {
    charges.push({
      kind: 'time-of-use',
      name: 'time-of-use demand',
      blocks: file.demandratestructure.map((tiers) => tiers.map(demandBlock)),
      period: tableSchedule(calendar, weekday, weekend),
    });
  }
  const coincident = coincidentOf(file, calendar, options);
  return coincident === undefined ? charges : [...charges, coincident];
}

function coincidentOf(
  file: UrdbFile,
  calendar: Calendar,
  options: TariffOptions,
): DemandCharge | undefined {
  if (file.coincidentratestructure === undefined) return undefined;
  const table = file.coincidentrateschedule;
  return {
    kind: 'coincident',
    name: 'coincident demand',
    blocks: file.coincidentratestructure.map((tiers) => tiers.map(demandBlock)),
    ...(options.coincidentPeaks === undefined ? {} : { peaks: options.coincidentPeaks }),
    ...(table === undefined ? {} : { period: tableSchedule(calendar, table, table) }),
  };
}

function fixedOf(file: UrdbFile): FixedCharge[] {
  const fixed: FixedCharge[] = [];
  if (file.fixedmonthlycharge !== undefined) {
    fixed.push({ name: 'fixed charge', amount: file.fixedmonthlycharge, per: 'month' });
  }
  if (file.fixedchargefirstmeter !== undefined) {
    const unit = (file.fixedchargeunits ?? '$/month').toLowerCase();
    const per = (['day', 'month', 'year'] as const).find((each) => unit.endsWith(each)) ?? 'month';
    fixed.push({
      name: 'fixed charge of the first meter',
      amount: file.fixedchargefirstmeter,
      per,
    });
  }
  return fixed;
}

function effectiveNotes(file: UrdbFile, fileName: string): Warning[] {
  if (file.enddate === undefined) return [];
  const until = formatInstant(instant(file.enddate)).slice(0, 10);
  return [
    {
      code: 'tariff-expired',
      message: `${fileName} says that it was in force until ${until}; it is applied to the run all the same.`,
    },
  ];
}

function unpricedNotes(file: UrdbFile, options: TariffOptions): Warning[] {
  const coincidentUnknown =
    file.coincidentratestructure !== undefined &&
    file.coincidentrateschedule === undefined &&
    options.coincidentPeaks === undefined;
  const parts = [
    coincidentUnknown
      ? 'coincident demand (nobody says when the system peaks; --inputs FILE may, under coincidentPeaks)'
      : [],
    file.flatdemandstructure !== undefined && file.flatdemandmonths === undefined
      ? 'flat demand (the file does not say in which months)'
      : [],
    file.demandratestructure !== undefined &&
    (file.demandweekdayschedule === undefined || file.demandweekendschedule === undefined)
      ? 'time-of-use demand (the file has no table of its hours)'
      : [],
    file.demandreactivepowercharge === undefined ? [] : 'reactive power',
    file.demandratchetpercentage?.some((each) => each > 0) === true ? 'demand ratchets' : [],
    file.minmonthlycharge === undefined ? [] : 'the minimum monthly charge',
    file.annualmincharge === undefined ? [] : 'the minimum annual charge',
  ].flat();
  if (parts.length === 0) return [];
  return [
    {
      code: 'tariff-part-unpriced',
      message: `${options.fileName}: not priced: ${parts.join(', ')}.`,
    },
  ];
}
