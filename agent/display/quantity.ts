// How quantities look to people: unit by size, digits by uncertainty, grouped, never an exponent. Pure.

const SIGNIFICANT_DIGITS = 4;
const UNCERTAINTY_DIGITS = 2;
const MAX_DECIMALS = 9;

/** A step of a unit's ladder: values from `from` base units on are shown in it. */
interface Scale {
  readonly from: number;
  readonly unit: string;
  readonly size: number;
}

const ENERGY: readonly Scale[] = [
  { from: 3.6e9, unit: 'MWh', size: 3.6e9 },
  { from: 3.6e5, unit: 'kWh', size: 3.6e6 },
  { from: 3.6e3, unit: 'Wh', size: 3.6e3 },
  { from: 0, unit: 'J', size: 1 },
];
const POWER: readonly Scale[] = [
  { from: 1e6, unit: 'MW', size: 1e6 },
  { from: 1e4, unit: 'kW', size: 1e3 },
  { from: 0, unit: 'W', size: 1 },
];
const MASS: readonly Scale[] = [
  { from: 1e6, unit: 't', size: 1e6 },
  { from: 1e3, unit: 'kg', size: 1e3 },
  { from: 0, unit: 'g', size: 1 },
];

const magnitude = (value: number): number => Math.floor(Math.log10(Math.abs(value)));
const clampDecimals = (decimals: number): number => Math.min(MAX_DECIMALS, Math.max(0, decimals));

/** Decimals that show a value to its uncertainty's second digit, or to four digits where none is stated. */
function decimalsFor(value: number, uncertainty: number | undefined): number {
  if (uncertainty !== undefined && uncertainty > 0) {
    return clampDecimals(UNCERTAINTY_DIGITS - 1 - magnitude(uncertainty));
  }
  return value === 0 ? 0 : clampDecimals(SIGNIFICANT_DIGITS - 1 - magnitude(value));
}

/** A number with a fixed count of decimals, thousands grouped, never as `1e+21`. */
export function formatNumber(value: number, decimals: number): string {
  return withoutMinusNothing(
    value.toLocaleString('en-US', {
      minimumFractionDigits: decimals,
      maximumFractionDigits: decimals,
    }),
  );
}

const withoutMinusNothing = (text: string): string =>
  /^-0(?:\.0*)?$/.test(text) ? text.slice(1) : text;

/** A value to its significant digits, without a unit. */
export const formatValue = (value: number): string =>
  formatNumber(value, decimalsFor(value, undefined));

function scaled(value: number, uncertainty: number | undefined, scales: readonly Scale[]): string {
  const size = Math.abs(value);
  const scale = scales.find(({ from }) => size >= from) ?? { from: 0, unit: '', size: 1 };
  const shown = value / scale.size;
  if (uncertainty === undefined) return `${formatValue(shown)} ${scale.unit}`;
  const shownUncertainty = uncertainty / scale.size;
  const decimals = decimalsFor(shown, shownUncertainty);
  return `${formatNumber(shown, decimals)} ± ${formatNumber(shownUncertainty, decimals)} ${scale.unit}`;
}

/** `1.234 ± 0.048 kWh`: joules in the unit that fits, with the expanded uncertainty where there is one. */
export const formatEnergy = (joules: number, uncertaintyJoules?: number): string =>
  scaled(joules, uncertaintyJoules, ENERGY);

/** `387.2 W`, `52.10 kW`. */
export const formatPower = (watts: number): string => scaled(watts, undefined, POWER);

/** `59.8 g`, `1.2 kg`, `3.4 t`. */
export const formatMass = (grams: number, uncertaintyGrams?: number): string =>
  scaled(grams, uncertaintyGrams, MASS);

/** A factor as people write it: `1`, `1.2`, `1.125`. */
export const formatRatio = (ratio: number): string =>
  ratio.toLocaleString('en-US', { maximumFractionDigits: 3 });

/** `99.2 %`; never rounded up to 100 nor down to 0 when it is neither. */
export function formatPercent(ratio: number): string {
  const percent = ratio * 100;
  if (percent > 99.9 && percent < 100) return `> 99.9 %`;
  if (percent > 0 && percent < 0.1) return `< 0.1 %`;
  return `${formatNumber(percent, Number.isInteger(percent) ? 0 : 1)} %`;
}

/** `12.34 ± 0.48 EUR`: at least the decimals that the currency is counted in. */
export function formatMoney(amount: number, currency: string, uncertainty?: number): string {
  const style = { style: 'currency', currency } as const;
  const counted = new Intl.NumberFormat('en-US', style).resolvedOptions().maximumFractionDigits;
  const minimum = counted ?? 2;
  const decimals = Math.max(minimum, decimalsFor(amount, uncertainty));
  if (uncertainty !== undefined && uncertainty > 0) {
    return `${formatNumber(amount, decimals)} ± ${formatNumber(uncertainty, decimals)} ${currency}`;
  }
  const digits = { minimumFractionDigits: minimum, maximumFractionDigits: decimals };
  return `${withoutMinusNothing(amount.toLocaleString('en-US', digits))} ${currency}`;
}

const MINUTE = 60;
// One decimal is shown below a minute: 59.96 s would read 60.0 s.
const ROUNDING = 0.05;
const HOUR = 3600;
const DAY = 86_400;

/** `850 ms`, `12.3 s`, `24 min 8 s`, `3 h 5 min`, `2 d 4 h`. */
export function formatDuration(seconds: number): string {
  if (seconds > 0 && seconds < 1)
    return `${formatNumber(seconds * 1e3, seconds < 0.01 ? 1 : 0)} ms`;
  if (seconds < MINUTE - ROUNDING)
    return `${formatNumber(seconds, Number.isInteger(seconds) ? 0 : 1)} s`;
  const whole = Math.round(seconds);
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)} min ${whole % MINUTE} s`;
  const minutes = Math.round(seconds / MINUTE);
  if (whole < DAY) return `${Math.floor(minutes / MINUTE)} h ${minutes % MINUTE} min`;
  const hours = Math.round(seconds / HOUR);
  return `${formatNumber(Math.floor(hours / 24), 0)} d ${hours % 24} h`;
}
