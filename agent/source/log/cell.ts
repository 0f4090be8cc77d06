// What one cell of a log or of nvidia-smi's answer says: a number, or why there is none. A missing value is never 0.

import type { ReadingStatus } from '../../model.ts';

/** Why a cell holds no number. */
export type Missing = Exclude<ReadingStatus, 'ok'>;

// nvidia-smi's own words (docs/measurement.md §6), in lower case and without their brackets; then those of other loggers.
const MISSING_TOKENS: ReadonlyMap<string, Missing> = new Map([
  ['n/a', 'not-supported'],
  ['not supported', 'not-supported'],
  ['function not found', 'not-supported'],
  ['requested functionality has been deprecated', 'not-supported'],
  ['unknown error', 'unknown-error'],
  ['err!', 'unknown-error'],
  ['gpu is lost', 'gpu-lost'],
  ['gpu requires reset', 'reset-required'],
  ['no data', 'no-data'],
  ['insufficient permissions', 'no-permission'],
  ['timeout', 'timeout'],
  ['driver not loaded', 'driver-not-loaded'],
  ['-', 'no-data'],
  ['', 'no-data'],
  ['nan', 'no-data'],
  ['none', 'no-data'],
  ['null', 'no-data'],
]);

/** The reason that a missing-value token gives; undefined when the cell is no such token. An unknown `[…]` is an error. */
export function missingReason(cell: string): Missing | undefined {
  const text = cell.trim();
  const bracketed = text.startsWith('[') && text.endsWith(']');
  const token = (bracketed ? text.slice(1, -1) : text).toLowerCase();
  return MISSING_TOKENS.get(token) ?? (bracketed ? 'unknown-error' : undefined);
}

const QUANTITY = /^([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([A-Za-z%°µ]+)?$/;

/** A number with the unit that stands behind it, if any. */
export interface Quantity {
  readonly value: number;
  readonly unit: string | undefined;
}

/** Reads `45.87`, `45.87 W` or `55 %`; undefined when the cell is no number. */
export function quantityOf(cell: string): Quantity | undefined {
  const match = QUANTITY.exec(cell.trim());
  if (match?.[1] === undefined) return undefined;
  const value = Number(match[1]);
  return Number.isFinite(value) ? { value, unit: match[2] } : undefined;
}

/** The number of a cell whatever unit follows it; NaN when there is none. */
export function numberOf(cell: string): number {
  return plainNumber(cell.trim()) ?? quantityOf(cell)?.value ?? Number.NaN;
}

// The quick way for the rows of a long log: positive decimals. Number() alone would take blank text for 0 and read
// hexadecimal, so everything else goes the strict way.
function plainNumber(text: string): number | undefined {
  const value = Number(text);
  return value > 0 && value < Infinity && text.charCodeAt(1) < LETTERS_FROM ? value : undefined;
}
const LETTERS_FROM = 65;

/** Watts per unit of power; undefined for a unit that is none of power. */
export function wattsPerUnit(unit: string): number | undefined {
  switch (unit.toLowerCase()) {
    case 'w':
    case 'watt':
    case 'watts':
      return 1;
    case 'mw':
    case 'milliwatt':
    case 'milliwatts':
      // `MW` would be a power station: a log of GPUs means milliwatts.
      return 1e-3;
    case 'kw':
    case 'kilowatt':
    case 'kilowatts':
      return 1e3;
    default:
      return undefined;
  }
}

/** Joules per unit of energy; undefined for a unit that is none of energy. */
export function joulesPerUnit(unit: string): number | undefined {
  switch (unit.toLowerCase()) {
    case 'j':
    case 'joules':
      return 1;
    case 'mj':
    case 'millijoules':
      return 1e-3;
    case 'uj':
    case 'µj':
      return 1e-6;
    case 'kwh':
      return 3.6e6;
    default:
      return undefined;
  }
}

/** The power in a cell: watts, or the reason for its absence; `malformed` when it is neither number nor token. */
export function powerOf(cell: string, defaultWattsPerUnit: number): number | Missing {
  const text = cell.trim();
  const plain = plainNumber(text);
  if (plain !== undefined) return plain * defaultWattsPerUnit;
  const inWatts = text.endsWith(' W') ? plainNumber(text.slice(0, -2)) : undefined;
  if (inWatts !== undefined) return inWatts;
  const quantity = quantityOf(text);
  if (quantity === undefined) return missingReason(text) ?? 'malformed';
  if (quantity.unit === undefined) return quantity.value * defaultWattsPerUnit;
  const scale = wattsPerUnit(quantity.unit);
  return scale === undefined ? 'malformed' : quantity.value * scale;
}

// No GPU draws this much (a GB200 module is rated 2,700 W), and none idles at fewer milliwatts.
const PLAUSIBLE_POWER_LIMIT_WATTS = 5_000;

/** Whether a number can be the watts of one GPU: milliwatts taken for watts cannot, nor can what is below 0. */
export const isPlausiblePower = (value: number): boolean =>
  value >= 0 && value <= PLAUSIBLE_POWER_LIMIT_WATTS;
