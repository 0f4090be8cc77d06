// Numbers as people read them. An unknown is an en dash, never 0.

/** What stands for an unknown. */
export const UNKNOWN = '–';

const NARROW_SPACE = '\u202f';
const MAX_DECIMALS = 9;
const UNCERTAINTY_DIGITS = 2;

const withDecimals = (value: number, decimals: number): string =>
  value.toLocaleString('en', { minimumFractionDigits: decimals, maximumFractionDigits: decimals });

// Decimals that leave `digits` significant ones of `value`.
const decimalsFor = (value: number, digits: number): number => {
  if (value === 0) return 0;
  const exponent = Math.floor(Math.log10(Math.abs(value)));
  return Math.min(MAX_DECIMALS, Math.max(0, digits - 1 - exponent));
};

/** A value with a unit, to `digits` significant digits but never fewer than its integer part. */
export function quantity(value: number | undefined, unit: string, digits = 3): string {
  if (value === undefined) return UNKNOWN;
  return `${withDecimals(value, decimalsFor(value, digits))}${NARROW_SPACE}${unit}`;
}

/** A ratio as per cent. */
export function percent(ratio: number | undefined, decimals = 0): string {
  return ratio === undefined ? UNKNOWN : `${withDecimals(ratio * 100, decimals)}${NARROW_SPACE}%`;
}

/** 0.9999 must not read as 100 %: what is not whole is never rounded up to it. */
export function coverage(ratio: number | undefined): string {
  if (ratio === undefined) return UNKNOWN;
  return ratio < 1 ? percent(Math.floor(ratio * 1e4) / 1e4, 2) : percent(1);
}

/** A figure in parts, so that the page can set its unit smaller. */
export interface Figure {
  readonly value: string;
  readonly unit: string;
  /** ± part with its unit; undefined when the uncertainty is not known. */
  readonly uncertainty: string | undefined;
}

const NO_FIGURE: Figure = { value: UNKNOWN, unit: '', uncertainty: undefined };

interface Scale {
  readonly unit: string;
  readonly factor: number;
}

const ENERGY_SCALES: readonly Scale[] = [
  { unit: 'MWh', factor: 3.6e9 },
  { unit: 'kWh', factor: 3.6e6 },
  { unit: 'Wh', factor: 3.6e3 },
];
const MASS_SCALES: readonly Scale[] = [
  { unit: 't CO₂e', factor: 1e6 },
  { unit: 'kg CO₂e', factor: 1e3 },
  { unit: 'g CO₂e', factor: 1 },
];

// The uncertainty to two digits, the value to the same place: more would be noise.
function scaled(
  value: number | undefined,
  uncertainty: number | undefined,
  scales: readonly Scale[],
): Figure {
  if (value === undefined) return NO_FIGURE;
  const scale = scales.find(({ factor }) => Math.abs(value) >= factor) ?? scales.at(-1);
  if (scale === undefined) return NO_FIGURE;
  const { unit, factor } = scale;
  const shown = value / factor;
  if (uncertainty === undefined || uncertainty === 0) {
    return { value: withDecimals(shown, decimalsFor(shown, 3)), unit, uncertainty: undefined };
  }
  const spread = uncertainty / factor;
  return withSpread(shown, spread, decimalsFor(spread, UNCERTAINTY_DIGITS), unit);
}

// Value and uncertainty to one place.
function withSpread(value: number, spread: number, decimals: number, unit: string): Figure {
  const uncertainty = `±${NARROW_SPACE}${withDecimals(spread, decimals)}${NARROW_SPACE}${unit}`;
  return { value: withDecimals(value, decimals), unit, uncertainty };
}

/** Joules as Wh, kWh or MWh. */
export const energy = (joules: number | undefined, uncertainty?: number): Figure =>
  scaled(joules, uncertainty, ENERGY_SCALES);

/** Grams as g, kg or t of CO₂e. */
export const mass = (grams: number | undefined): Figure => scaled(grams, undefined, MASS_SCALES);

/** Watts as W or kW. */
export const power = (watts: number | undefined): Figure =>
  watts === undefined
    ? NO_FIGURE
    : watts >= 1e5
      ? { value: withDecimals(watts / 1e3, 1), unit: 'kW', uncertainty: undefined }
      : { value: withDecimals(watts, 0), unit: 'W', uncertainty: undefined };

const MONEY_DECIMALS = 2;

/** Money to its uncertainty's second digit, or with as many decimals as it needs to say something. */
export function money(amount: number | undefined, currency: string, uncertainty?: number): Figure {
  if (amount === undefined) return NO_FIGURE;
  if (uncertainty !== undefined && uncertainty > 0) {
    const decimals = Math.max(MONEY_DECIMALS, decimalsFor(uncertainty, UNCERTAINTY_DIGITS));
    return withSpread(amount, uncertainty, decimals, currency);
  }
  const decimals = Math.max(MONEY_DECIMALS, decimalsFor(amount, 3));
  return { value: withDecimals(amount, decimals), unit: currency, uncertainty: undefined };
}

/** A figure on one line. */
export const inline = ({ value, unit }: Figure): string =>
  unit === '' ? value : `${value}${NARROW_SPACE}${unit}`;

const GIBIBYTE = 2 ** 30;

/** Used and whole memory in GiB. */
export function memory(used: number | undefined, total: number | undefined): string {
  if (used === undefined) return UNKNOWN;
  const shown = withDecimals(used / GIBIBYTE, 1);
  const whole = total === undefined ? '' : ` / ${withDecimals(total / GIBIBYTE, 0)}`;
  return `${shown}${whole}${NARROW_SPACE}GiB`;
}

/** A span of time in its two largest units. */
export function duration(seconds: number | undefined): string {
  if (seconds === undefined) return UNKNOWN;
  const whole = Math.max(0, Math.round(seconds));
  const parts: [number, string][] = [
    [Math.floor(whole / 86_400), 'd'],
    [Math.floor(whole / 3600) % 24, 'h'],
    [Math.floor(whole / 60) % 60, 'min'],
    [whole % 60, 's'],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  const kept = first < 0 ? parts.slice(-1) : parts.slice(first, first + 2);
  return kept
    .filter(([count], position) => position === 0 || count > 0)
    .map(([count, unit]) => `${count}${NARROW_SPACE}${unit}`)
    .join(' ');
}

/** Wall time of an instant. */
export const clockTime = (instantSeconds: number): string =>
  new Date(instantSeconds * 1e3).toLocaleTimeString('en-GB');

/** Date and wall time of an instant. */
export const dateTime = (instantSeconds: number): string =>
  new Date(instantSeconds * 1e3).toLocaleString('en-GB', {
    dateStyle: 'medium',
    timeStyle: 'medium',
  });
