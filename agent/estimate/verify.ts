// Recomputes every published figure from what is printed beside it: the models' own golden test, open to anyone as
// `estimate --verify`. Pure.

import { checkImplied, checkPublished, type Check } from './checks.ts';
import { PUBLISHED_RUNS, type Printed, type PublishedRun } from './published.ts';

/** One printed figure against its recomputation. */
export interface VerificationRow {
  readonly id: string;
  readonly model: string;
  readonly unit: 'kWh' | 't CO2e' | 'USD' | 'g/kWh';
  /** Absent where the source prints none: the row then only recomputes. */
  readonly published?: number;
  readonly recomputed: number;
  /** (recomputed − published) ÷ published. */
  readonly errorPercent?: number;
  readonly withinPercent?: number;
  /** Whether the recomputation lies within the error that is allowed the printed figure. */
  readonly holds: boolean;
  readonly source: string;
  readonly note?: string;
  /** Set when the figure is implausible, whatever the arithmetic says. */
  readonly check?: Check;
}

/** The whole table, in the order of PUBLISHED_RUNS. */
export function verifyPublished(runs: readonly PublishedRun[] = PUBLISHED_RUNS): VerificationRow[] {
  return runs.flatMap((run) => rowsOf(run, runs));
}

/** Whether every printed figure is recomputed within its error. */
export const allHold = (rows: readonly VerificationRow[]): boolean =>
  rows.every(({ holds }) => holds);

function rowsOf(run: PublishedRun, runs: readonly PublishedRun[]): VerificationRow[] {
  switch (run.kind) {
    case 'hours':
      return hoursRows(run);
    case 'energy': {
      const facility = run.kilowattHoursBeforePue * run.powerUsageEffectiveness;
      return [row(run, 't CO2e', tonnes(facility, run.gramsPerKilowattHour), run.tonnes)];
    }
    case 'sum':
      return [row(run, 't CO2e', sumOfTonnes(run.of, runs), run.tonnes)];
    case 'embodied': {
      const lifeHours = run.lifeYears * 8760 * run.utilisationRatio;
      const kilograms = (run.kilograms / lifeHours) * run.deviceHours;
      return [row(run, 't CO2e', kilograms / 1000, run.tonnes)];
    }
    case 'rent':
      return [row(run, 'USD', run.devices * run.hours * run.dollarsPerHour, run.dollars)];
    case 'electricity': {
      const dollars = run.energyKilowattHours * run.dollarsPerKilowattHour;
      const check = checkPublished(run.energyKilowattHours, run.trained);
      return [flagged(row(run, 'USD', dollars, run.dollars), check)];
    }
    case 'formula':
      return [row(run, 'kWh', run.k * run.hours * run.kilowatts, run.kilowattHours)];
  }
}

function hoursRows(run: Extract<PublishedRun, { kind: 'hours' }>): VerificationRow[] {
  const kilowattHours = (run.hours * run.watts * (run.powerUsageEffectiveness ?? 1)) / 1000;
  const rows = [row(run, 'kWh', kilowattHours, run.kilowattHours)];
  const { gramsPerKilowattHour, tonnes: stated } = run;
  if (gramsPerKilowattHour !== undefined) {
    return [...rows, row(run, 't CO2e', tonnes(kilowattHours, gramsPerKilowattHour), stated)];
  }
  if (stated === undefined) return rows;
  const implied = (stated.value * 1e6) / kilowattHours;
  const check = checkImplied(stated.value, kilowattHours);
  const impliedRow = {
    ...row(run, 'g/kWh', implied, undefined),
    note: 'implied by the tonnes printed',
  };
  return [...rows, flagged(impliedRow, check)];
}

const flagged = (row: VerificationRow, check: Check | undefined): VerificationRow =>
  check === undefined ? row : { ...row, check };

const tonnes = (kilowattHours: number, gramsPerKilowattHour: number): number =>
  (kilowattHours * gramsPerKilowattHour) / 1e6;

function sumOfTonnes(ids: readonly string[], runs: readonly PublishedRun[]): number {
  return runs
    .filter((run) => ids.includes(run.id))
    .flatMap((run) => rowsOf(run, runs))
    .filter((each) => each.unit === 't CO2e')
    .reduce((sum, each) => sum + each.recomputed, 0);
}

function row(
  run: PublishedRun,
  unit: VerificationRow['unit'],
  recomputed: number,
  published: Printed | undefined,
): VerificationRow {
  const base = {
    id: run.id,
    model: run.model,
    unit,
    recomputed,
    source: run.source,
    ...(run.note === undefined ? {} : { note: run.note }),
  };
  if (published === undefined) return { ...base, holds: true };
  const { value, withinPercent } = published;
  const difference = recomputed - value;
  const errorPercent = difference === 0 ? 0 : (difference / value) * 100;
  return {
    ...base,
    published: value,
    errorPercent,
    withinPercent,
    holds: Math.abs(errorPercent) <= withinPercent,
  };
}
