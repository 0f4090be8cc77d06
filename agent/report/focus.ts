// The report as FOCUS 1.2 rows (https://focus.finops.org/focus-specification/v1-2): one per run × price period.

import { InputError } from '../input-error.ts';
import { toKilowattHours } from '../units.ts';
import { csvOf } from './csv.ts';
import { sum } from './figure.ts';
import { exactCost } from './money.ts';
import type { Report, ReportPricePeriod } from './report.ts';
import { measuredOf } from './total.ts';
import { supplierOf } from './words.ts';

const PUBLISHER = 'Wattmeter';

interface FocusRow extends Omit<ReportPricePeriod, 'pricePerKilowattHour' | 'energyCost'> {
  readonly pricePerKilowattHour?: number;
  /** Decimal, exact. */
  readonly cost: string;
}

/** Rows whose cost is quantity × price; where prices changed and were not kept, one row without a unit price. */
function rowsOf({ cost, run, compute }: Report): readonly FocusRow[] {
  const { energyKilowattHours: facilityKilowattHours } = compute;
  if (cost.energyCost === undefined || facilityKilowattHours === undefined) {
    throw new InputError(
      `Run ${run.id}`,
      `it has no cost (${cost.missing ?? 'no price'}), and a FOCUS row must have one`,
      'A bill needs measured energy and a tariff that covers it',
    );
  }
  if (cost.periods === undefined) {
    const { startTime, endTime } = run;
    return [{ startTime, endTime, facilityKilowattHours, cost: plainCost(cost.energyCost) }];
  }
  return cost.periods.map((period) => ({ ...period, cost: exactCost(period).toFixed() }));
}

const plainCost = (cost: number): string =>
  exactCost({ facilityKilowattHours: 1, pricePerKilowattHour: cost }).toFixed();

// FOCUS writes times to the second, UTC.
const focusTime = (time: string): string => `${time.slice(0, 19)}Z`;

function monthOf(time: string, monthsLater: number): string {
  const at = new Date(time);
  const month = Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + monthsLater, 1);
  return focusTime(new Date(month).toISOString());
}

/** Part of the IT energy that a sensor measured. */
function measuredShareOf({ devices, hosts = [], energy }: Report): number | undefined {
  if (energy.itJoules === undefined || energy.itJoules === 0) return undefined;
  const sensed = [
    ...measuredOf(devices),
    ...hosts.filter(({ provenance }) => provenance === 'measured'),
  ];
  const sensedJoules = sum(sensed.map(({ energyJoules = 0 }) => energyJoules));
  // Added in another order, the same joules may differ in the last digit: no share is above 1.
  return Math.min(1, sensedJoules / energy.itJoules);
}

function uncertaintyPercentOf({ cost }: Report): number | undefined {
  const { energyCost, uncertaintyCost } = cost;
  if (energyCost === undefined || energyCost === 0 || uncertaintyCost === undefined)
    return undefined;
  return Math.abs(uncertaintyCost / energyCost) * 100;
}

type Cell = string | number | undefined;

/** FOCUS columns in alphabetical order, then our own. */
const COLUMNS = {
  BilledCost: (row) => row.cost,
  BillingAccountId: (_, { run }) => run.labels['billing_account'] ?? run.host,
  BillingAccountName: (_, { run }) => run.labels['billing_account_name'],
  BillingCurrency: (_, { cost }) => cost.currency,
  BillingPeriodEnd: (row) => monthOf(row.endTime, 1),
  BillingPeriodStart: (row) => monthOf(row.startTime, 0),
  ChargeCategory: () => 'Usage',
  ChargeClass: () => undefined,
  ChargeDescription: (_, { run }) => `Electricity of run ${run.name ?? run.id}`,
  ChargeFrequency: () => 'Usage-Based',
  ChargePeriodEnd: (row) => focusTime(row.endTime),
  ChargePeriodStart: (row) => focusTime(row.startTime),
  ConsumedQuantity: (row) => row.facilityKilowattHours,
  ConsumedUnit: () => 'kWh',
  ContractedCost: (row) => row.cost,
  ContractedUnitPrice: (row) => row.pricePerKilowattHour,
  EffectiveCost: (row) => row.cost,
  InvoiceIssuerName: (_, report) => supplierOf(report),
  ListCost: (row) => row.cost,
  ListUnitPrice: (row) => row.pricePerKilowattHour,
  PricingQuantity: (row) => row.facilityKilowattHours,
  PricingUnit: () => 'kWh',
  ProviderName: (_, report) => supplierOf(report),
  PublisherName: () => PUBLISHER,
  ServiceCategory: () => 'AI and Machine Learning',
  ServiceName: () => 'GPU electricity',
  Tags: (_, { run }) => JSON.stringify(run.labels),
  x_EnergyFacilityKwh: (row) => row.facilityKilowattHours,
  x_EnergyItKwh: (row, { energy }) => row.facilityKilowattHours / energy.powerUsageEffectiveness,
  x_EnergyMeasuredShare: (_, report) => measuredShareOf(report),
  x_PowerUsageEffectiveness: (_, { energy }) => energy.powerUsageEffectiveness,
  x_CarbonLocationBasedKg: (row, report) => carbonKilogramsOf(row, report),
  x_GridFactorGramsPerKwh: (_, { carbon }) =>
    'missing' in carbon ? undefined : carbon.intensityGramsPerKilowattHourMean,
  x_GridFactorSource: (_, { carbon }) =>
    'missing' in carbon ? undefined : `${carbon.zone}, ${carbon.dataset}, ${carbon.vintage}`,
  x_RunId: (_, { run }) => run.id,
  x_UncertaintyPercent: (_, report) => uncertaintyPercentOf(report),
} satisfies Record<string, (row: FocusRow, report: Report) => Cell>;

// Shared out by energy: over all rows it adds up to the report's figure, whatever the intensity did meanwhile.
function carbonKilogramsOf(row: FocusRow, { carbon, energy }: Report): number | undefined {
  if ('missing' in carbon || energy.facilityJoules === undefined) return undefined;
  const facility = toKilowattHours(energy.facilityJoules);
  if (facility === 0) return 0;
  return (carbon.locationBasedGrams / 1000) * (row.facilityKilowattHours / facility);
}

/** CSV with FOCUS's column names; numbers in plain decimal, times end-exclusive in UTC. */
export function formatFocus(report: Report): string {
  const valuesOf = Object.values(COLUMNS);
  return csvOf(
    Object.keys(COLUMNS),
    rowsOf(report).map((row) => valuesOf.map((valueOf) => valueOf(row, report))),
  );
}
