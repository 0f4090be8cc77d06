// The shape of a tariff of OpenEI's Utility Rate Database, checked: every table 12 × 24, every period defined. Field
// meanings: https://openei.org/services/doc/rest/util_rates/ (version 8). Pure.

import { z } from 'zod';

import { InputError, inputErrorOf } from '../input-error.ts';

const MEND = 'Compare it with the tariff on openei.org and mend the file';
const MONTHS_PER_YEAR = 12;
const HOURS_PER_DAY = 24;

/** One tier: `rate` + `adj` up to `max`. */
export interface UrdbTier {
  readonly max?: number | undefined;
  readonly rate?: number | undefined;
  readonly adj?: number | undefined;
  readonly unit?: string | undefined;
}

/** Tiers by period. */
type UrdbStructure = readonly (readonly UrdbTier[])[];
/** Periods by month and hour. */
type UrdbTable = readonly (readonly number[])[];

/** A checked OpenEI tariff, its fields as OpenEI names them. */
export interface UrdbFile {
  readonly utility?: string | undefined;
  readonly name?: string | undefined;
  /** Unix seconds. */
  readonly enddate?: number | undefined;
  readonly energyratestructure: UrdbStructure;
  readonly energyweekdayschedule: UrdbTable;
  readonly energyweekendschedule: UrdbTable;
  readonly demandratestructure?: UrdbStructure | undefined;
  readonly demandweekdayschedule?: UrdbTable | undefined;
  readonly demandweekendschedule?: UrdbTable | undefined;
  readonly demandrateunit?: string | undefined;
  readonly flatdemandstructure?: UrdbStructure | undefined;
  readonly flatdemandmonths?: readonly number[] | undefined;
  readonly flatdemandunit?: string | undefined;
  readonly coincidentratestructure?: UrdbStructure | undefined;
  readonly coincidentrateschedule?: UrdbTable | undefined;
  readonly coincidentrateunit?: string | undefined;
  readonly demandreactivepowercharge?: number | undefined;
  readonly demandratchetpercentage?: readonly number[] | undefined;
  readonly minmonthlycharge?: number | undefined;
  readonly annualmincharge?: number | undefined;
  readonly fixedmonthlycharge?: number | undefined;
  readonly fixedchargefirstmeter?: number | undefined;
  readonly fixedchargeunits?: string | undefined;
}

const block = z
  .object({
    max: z.number().positive().optional(),
    rate: z.number().optional(),
    adj: z.number().optional(),
    unit: z.string().optional(),
  })
  .refine((tier) => tier.rate !== undefined || tier.adj !== undefined, {
    message: 'there is neither rate nor adj',
  });
const structure = z.array(z.array(block).min(1, 'the period has no tier'));
const period = z.int().nonnegative();
const hours = z
  .array(period)
  .length(HOURS_PER_DAY, `a row of the table needs ${HOURS_PER_DAY} hours`);
const table = z.array(hours).length(MONTHS_PER_YEAR, `the table needs ${MONTHS_PER_YEAR} months`);

const urdbFile: z.ZodType<UrdbFile> = z.object({
  utility: z.string().optional(),
  name: z.string().optional(),
  enddate: z.number().optional(),
  energyratestructure: structure.min(1),
  energyweekdayschedule: table,
  energyweekendschedule: table,
  demandratestructure: structure.optional(),
  demandweekdayschedule: table.optional(),
  demandweekendschedule: table.optional(),
  demandrateunit: z.string().optional(),
  flatdemandstructure: structure.optional(),
  flatdemandmonths: z.array(period).length(MONTHS_PER_YEAR).optional(),
  flatdemandunit: z.string().optional(),
  coincidentratestructure: structure.optional(),
  coincidentrateschedule: table.optional(),
  coincidentrateunit: z.string().optional(),
  demandreactivepowercharge: z.number().optional(),
  demandratchetpercentage: z.array(z.number()).optional(),
  minmonthlycharge: z.number().optional(),
  annualmincharge: z.number().optional(),
  fixedmonthlycharge: z.number().optional(),
  fixedchargefirstmeter: z.number().optional(),
  fixedchargeunits: z.string().optional(),
});

/** Whether a document is an OpenEI tariff, alone or in the answer of its API (`items`). */
export function isUrdb(document: unknown): boolean {
  return z
    .union([
      z
        .looseObject({ energyratestructure: z.unknown() })
        .refine((it) => 'energyratestructure' in it),
      z.looseObject({ items: z.array(z.looseObject({})) }),
    ])
    .safeParse(document).success;
}

/** Checks an OpenEI tariff. @throws InputError naming the place and the mend */
export function readUrdb(document: unknown, fileName: string): UrdbFile {
  const parsed = urdbFile.safeParse(unwrapped(document, fileName));
  if (!parsed.success) throw inputErrorOf(fileName, parsed.error.issues, MEND);
  const file = parsed.data;
  for (const each of tablesOf(file)) refuseUndefined(each, fileName);
  for (const [name, periods] of structuresOf(file))
    for (const tiers of periods ?? []) refuseTiers(tiers, `${fileName} at ${name}`);
  refuseUnits(file, fileName);
  return file;
}

function unwrapped(document: unknown, fileName: string): unknown {
  const answer = z.object({ items: z.array(z.unknown()) }).safeParse(document);
  if (!answer.success) return document;
  if (answer.data.items.length === 1) return answer.data.items[0];
  throw new InputError(
    fileName,
    `it holds ${answer.data.items.length} tariffs`,
    'Leave one of them in items',
  );
}

interface PeriodTable {
  readonly structureName: string;
  readonly tableName: string;
  readonly rows: UrdbTable | undefined;
  readonly defined: number;
}

function tablesOf(file: UrdbFile): PeriodTable[] {
  const energy = {
    structureName: 'energyratestructure',
    defined: file.energyratestructure.length,
  };
  const demand = {
    structureName: 'demandratestructure',
    defined: file.demandratestructure?.length ?? 0,
  };
  return [
    { ...energy, tableName: 'energyweekdayschedule', rows: file.energyweekdayschedule },
    { ...energy, tableName: 'energyweekendschedule', rows: file.energyweekendschedule },
    { ...demand, tableName: 'demandweekdayschedule', rows: file.demandweekdayschedule },
    { ...demand, tableName: 'demandweekendschedule', rows: file.demandweekendschedule },
    {
      structureName: 'coincidentratestructure',
      defined: file.coincidentratestructure?.length ?? 0,
      tableName: 'coincidentrateschedule',
      rows: file.coincidentrateschedule,
    },
    {
      structureName: 'flatdemandstructure',
      defined: file.flatdemandstructure?.length ?? 0,
      tableName: 'flatdemandmonths',
      rows: file.flatdemandmonths?.map((each) => [each]),
    },
  ];
}

function refuseUndefined(
  { structureName, tableName, rows, defined }: PeriodTable,
  fileName: string,
): void {
  for (const [month, row] of (rows ?? []).entries()) {
    const hour = row.findIndex((each) => each >= defined);
    if (hour < 0) continue;
    const place = row.length === 1 ? `[${month}]` : `[${month}][${hour}]`;
    throw new InputError(
      `${fileName} at ${tableName}${place}`,
      `period ${row[hour]} is undefined: ${structureName} has ${defined} (from 0)`,
      `Add period ${row[hour]} to ${structureName}, or write a defined one there`,
    );
  }
}

const structuresOf = (file: UrdbFile): [string, UrdbStructure | undefined][] => [
  ['energyratestructure', file.energyratestructure],
  ['demandratestructure', file.demandratestructure],
  ['flatdemandstructure', file.flatdemandstructure],
  ['coincidentratestructure', file.coincidentratestructure],
];

function refuseTiers(tiers: readonly UrdbTier[], place: string): void {
  let below = 0;
  for (const [position, tier] of tiers.entries()) {
    const isLast = position === tiers.length - 1;
    const max = tier.max ?? Infinity;
    if (max <= below || (tier.max === undefined && !isLast)) {
      throw new InputError(
        place,
        `tier ${position} ends at ${tier.max ?? 'no limit'}, which is not between its neighbours`,
        'Give every tier but the last a max, each higher than the one before',
      );
    }
    below = max;
  }
}

function refuseUnits(file: UrdbFile, fileName: string): void {
  const energyUnits = file.energyratestructure.flat().map((tier) => tier.unit ?? 'kWh');
  const demandUnits = [
    file.demandratestructure === undefined ? undefined : file.demandrateunit,
    file.flatdemandstructure === undefined ? undefined : file.flatdemandunit,
    file.coincidentratestructure === undefined ? undefined : file.coincidentrateunit,
  ];
  const energy = energyUnits.find((unit) => unit !== 'kWh');
  const demand = demandUnits.find((unit) => unit !== undefined && unit !== 'kW');
  if (energy === undefined && demand === undefined) return;
  throw new InputError(
    fileName,
    `its ${energy === undefined ? 'demand' : 'energy'} is charged per ${energy ?? demand}`,
    'Only per kWh (tiers by month) and per kW are priced: convert it',
  );
}
