// The power of a row: watts per register, or why there are none.

import { READING_STATUS, type PowerField, type ReadingStatus } from '../../model.ts';
import { isPlausiblePower, numberOf, powerOf, type Missing } from './cell.ts';
import type { Columns } from './columns.ts';
import { excerpt } from './malformed.ts';

/** What a row says of power and energy; NaN where it says nothing. */
export interface PowerReading {
  readonly status: ReadingStatus;
  readonly watts: Readonly<Record<PowerField, number>>;
  readonly counterJoules: number;
  /** What is wrong with a cell, in words. */
  readonly complaint?: string;
}

/**
 * Reads a row's power. One number makes it a reading; without any, the most telling token says why. A single odd value,
 * such as 1.20 W in a run at 200 W, is kept: what the sensor said is not for the reader to judge.
 */
export function powerReadingOf(cells: readonly string[], columns: Columns): PowerReading {
  const watts = { draw: Number.NaN, instant: Number.NaN, average: Number.NaN };
  const counterJoules = counterOf(cells, columns);
  let failure: Missing | undefined;
  let complaint: string | undefined;
  let hasNumber = counterJoules >= 0;
  for (const column of columns.power) {
    const value = powerOf(cells[column.at] ?? '', column.wattsPerUnit);
    const isNumber = typeof value === 'number';
    if (isNumber && (isPlausiblePower(value) || (column.isUnitSure && value >= 0))) {
      watts[column.field] = value;
      hasNumber = true;
      continue;
    }
    failure = moreTelling(failure, isNumber ? 'implausible' : value);
    if (isNumber) complaint = `${value} W is no power of a GPU`;
    else if (value === 'malformed') complaint = `"${excerpt(cells[column.at] ?? '')}" is no power`;
  }
  const status = statusOf(statusCell(cells, columns), hasNumber, failure);
  return {
    status,
    ...(status === 'ok' ? { watts, counterJoules } : NOTHING),
    ...(complaint !== undefined && { complaint }),
  };
}

const NOTHING: Pick<PowerReading, 'watts' | 'counterJoules'> = {
  watts: { draw: Number.NaN, instant: Number.NaN, average: Number.NaN },
  counterJoules: Number.NaN,
};

function counterOf(cells: readonly string[], columns: Columns): number {
  if (columns.counter === undefined) return Number.NaN;
  return numberOf(cells[columns.counter.at] ?? '') * columns.counter.joulesPerUnit;
}

/** A recorder's own verdict comes first; its `ok` is only as good as its numbers. */
function statusOf(
  said: ReadingStatus | undefined,
  hasNumber: boolean,
  failure: Missing | undefined,
): ReadingStatus {
  if (said !== undefined && said !== 'ok') return said;
  return hasNumber ? 'ok' : (failure ?? 'no-data');
}

function statusCell(cells: readonly string[], columns: Columns): ReadingStatus | undefined {
  if (columns.statusAt === undefined) return undefined;
  const text = (cells[columns.statusAt] ?? '').trim();
  return READING_STATUS.find((status) => status === text);
}

/** Why a reading failed says more than that a field does not exist or is empty. */
function moreTelling(known: Missing | undefined, next: Missing): Missing {
  if (known === 'not-supported' && next === 'no-data') return known;
  const isVague = known === undefined || known === 'no-data' || known === 'not-supported';
  return isVague ? next : known;
}
