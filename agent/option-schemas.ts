// What each option takes: the untrusted border of flags, environment and YAML. Schemas take text as well as YAML's own
// types. Loaded only when an option is given: zod costs a wrapped command 45 ms.

import { z } from 'zod';

import { SOURCE_KINDS } from './model.ts';
import { REPORT_FORMATS, type Config, type OptionKey } from './options.ts';

const decimalText = z
  .string()
  .trim()
  .regex(/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i, 'must be a number')
  .transform(Number);
const decimal = z
  .union([z.number(), decimalText], { error: 'must be a number' })
  .pipe(z.number({ error: 'must be a finite number' }));
const atLeast = (minimum: number): z.ZodType<number> =>
  decimal.pipe(z.number().min(minimum, `must be ${minimum} or more`));
const above = (minimum: number): z.ZodType<number> =>
  decimal.pipe(z.number().gt(minimum, `must be more than ${minimum}`));
const whole = (minimum: number): z.ZodType<number> =>
  decimal.pipe(z.number().int('must be a whole number').min(minimum, `must be ${minimum} or more`));
/** A name may look like a number to YAML, such as `name: 7` or `gpus: 1`. */
const text = z
  .union([z.string(), z.number().transform(String)], { error: 'must be text' })
  .pipe(z.string().min(1, 'must not be empty'));
/** As on the command line, separated by commas, or YAML's list. */
const commaList = z.preprocess(
  (value) => (Array.isArray(value) ? value.map(String).join(',') : value),
  text,
);
const flag = z.union(
  [
    z.boolean(),
    z.enum(['true', 'false', '1', '0']).transform((value) => value === 'true' || value === '1'),
  ],
  { error: 'must be true or false' },
);
/** Repeatable: flags gather, the environment separates by commas, YAML brings a list or one value. */
const listOf = <T>(item: z.ZodType<T>): z.ZodType<T[]> =>
  z.preprocess(
    (value) =>
      typeof value === 'string' ? value.split(',') : Array.isArray(value) ? value : [value],
    z.array(item),
  );
const DURATION_SECONDS = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 } as const;
const duration = z
  .string({ error: 'must be a duration such as 12h or 7d' })
  .trim()
  .regex(/^\d+(\.\d+)?[smhdw]$/, 'must be a duration such as 12h or 7d')
  .transform((value) => Number(value.slice(0, -1)) * DURATION_SECONDS[value.slice(-1) as 's']);
const NO_LABEL = 'must look like KEY=VALUE';
const labelEntries = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));
/** In YAML labels may be a mapping, or a list of texts and mappings. */
const labelTexts = (value: unknown): unknown => {
  const entries = labelEntries.safeParse(value);
  if (!entries.success) return value;
  return Object.entries(entries.data).map(([key, text]) => `${key}=${text}`);
};
const labels = z.preprocess(
  (value) => (Array.isArray(value) ? value.flatMap(labelTexts) : labelTexts(value)),
  listOf(z.string(NO_LABEL).regex(/^[^=]+=/, NO_LABEL)),
);
const OFFSET = /^[+-](?:0\d|1[0-4]):[0-5]\d$/;
const zone = z
  .string()
  .refine(
    (value) => OFFSET.test(value) || isTimeZone(value),
    'must be an IANA time zone such as Europe/Berlin, or an offset such as +02:00',
  );

function isTimeZone(value: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: value });
    return true;
  } catch {
    return false;
  }
}

const currencies: ReadonlySet<string> = new Set(Intl.supportedValuesOf('currency'));
const currency = z
  .string()
  .refine((value) => currencies.has(value), 'must be an ISO 4217 code such as USD or EUR');

/** The schema of each option. */
export const OPTION_SCHEMAS: {
  readonly [Key in OptionKey]-?: z.ZodType<NonNullable<Config[Key]>>;
} = {
  source: listOf(z.enum(SOURCE_KINDS, `must be one of ${SOURCE_KINDS.join(', ')}`)),
  trace: listOf(text),
  periodSeconds: decimal.pipe(
    z.number().min(0.001, 'must be 0.001 or more').max(3600, 'must be 3600 or less'),
  ),
  price: atLeast(0),
  currency: currency,
  tariff: text,
  priceGap: z.enum(['error', 'hold'], 'must be error or hold'),
  tariffTimeZone: zone,
  siteLoad: text,
  demandMinutes: above(0),
  zone: text,
  grid: text,
  atYear: whole(1990),
  pue: atLeast(1),
  hostWatts: atLeast(0),
  tpuIdleWatts: atLeast(0),
  tpuMaxWatts: above(0),
  wue: atLeast(0),
  ewif: atLeast(0),
  embodiedKilograms: atLeast(0),
  rentPerGpuHour: atLeast(0),
  inputs: text,
  socialCostPerTonne: atLeast(0),
  contract: text,
  dataPath: z.enum(['wan', 'cloud', 'lan'], 'must be wan, cloud or lan'),
  stateDir: text,
  flushSeconds: above(0),
  retainSamples: duration,
  reportJson: text,
  reportHtml: text,
  format: z.enum(REPORT_FORMATS, `must be one of ${REPORT_FORMATS.join(', ')}`),
  gpuCount: whole(1),
  traceTimeZone: zone,
  columns: text,
  quiet: flag,
  webListenAddress: listOf(
    z.string('must be HOST:PORT in quotes, such as "127.0.0.1:10360"').min(1),
  ),
  webSystemdSocket: flag,
  webConfigFile: text,
  webTelemetryPath: z.string().regex(/^\/./, 'must begin with / and name a path, such as /metrics'),
  webMaxRequests: whole(0),
  webDcgmCompat: flag,
  attributionMaxJobs: whole(1),
  attributionJobMappingDir: text,
  name: text,
  label: labels,
  gpus: commaList,
  resume: text,
  requireMeasurement: flag,
  serve: flag,
  stepPattern: text,
  totalSteps: whole(1),
  budgetKilowattHours: above(0),
  budgetCost: above(0),
  budgetCo2eGrams: above(0),
  onBudget: z.enum(['warn', 'terminate'], 'must be warn or terminate'),
  graceSeconds: atLeast(0),
  webhook: z.url({ protocol: /^https?$/, error: 'must be an http(s) URL' }),
};
