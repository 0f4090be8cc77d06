// What of an option is plainly right: a switch, a word, an amount. It needs no schema, and zod costs a wrapped command
// 60 ms of its start. Whatever is not plainly right is for option-schemas.ts to read, or to refuse in words.

import type { OptionKey } from './options.ts';

const SWITCHES: ReadonlySet<OptionKey> = new Set([
  'quiet',
  'serve',
  'requireMeasurement',
  'webSystemdSocket',
  'webDcgmCompat',
]);

const WORDS: ReadonlySet<OptionKey> = new Set([
  'name',
  'gpus',
  'resume',
  'stepPattern',
  'zone',
  'tariff',
  'grid',
  'siteLoad',
  'contract',
  'inputs',
  'stateDir',
  'reportJson',
  'reportHtml',
  'columns',
  'webConfigFile',
]);

/** Options that take any amount of so much or more. */
const LEAST_AMOUNTS: Partial<Readonly<Record<OptionKey, number>>> = {
  price: 0,
  pue: 1,
  hostWatts: 0,
  wue: 0,
  ewif: 0,
  embodiedKilograms: 0,
  rentPerGpuHour: 0,
  graceSeconds: 0,
};

const DECIMAL = /^\d+(?:\.\d+)?$/;

/** The value of an option that is plainly right; undefined where its schema has to be asked. */
export function plainValue(key: OptionKey, raw: unknown): string | number | true | undefined {
  if (raw === true) return SWITCHES.has(key) ? raw : undefined;
  if (typeof raw !== 'string') return undefined;
  if (WORDS.has(key)) return raw === '' ? undefined : raw;
  const least = LEAST_AMOUNTS[key];
  if (least === undefined || !DECIMAL.test(raw)) return undefined;
  const amount = Number(raw);
  return Number.isFinite(amount) && amount >= least ? amount : undefined;
}
