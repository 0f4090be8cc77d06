// Figures for people: thousands separated, as many digits as a plan can mean. Pure.

/** 45,000,000; 1,507; 26.84; 0.0116. */
export function formatNumber(value: number, significantDigits?: number): string {
  const whole = significantDigits === undefined && Math.abs(value) >= 1000;
  const format = new Intl.NumberFormat(
    'en-US',
    whole ? { maximumFractionDigits: 0 } : { maximumSignificantDigits: significantDigits ?? 4 },
  );
  // Intl writes a sum of nothing that was taken off as -0.
  return format.format(value === 0 ? 0 : value);
}
