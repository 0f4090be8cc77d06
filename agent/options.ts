// The options of the command line, one row each: the flag's name gives the environment's and the config file's.
// Schemas take text (flags, environment) as well as YAML's own types.

import { z } from 'zod';

import { SOURCE_KINDS, type SourceKind } from './model.ts';

/** Forms that `--format` prints. */
export const REPORT_FORMATS = [
  'text',
  'json',
  'csv',
  'markdown',
  'html',
  'focus',
  'emissions-csv',
  'model-card',
  'cyclonedx',
  'eu-ai-act',
] as const;
export type ReportFormat = (typeof REPORT_FORMATS)[number];

/** What the user asked for; an absent key was asked for nowhere. Units stand last in the names. */
export interface Config {
  readonly source?: readonly SourceKind[];
  readonly trace?: readonly string[];
  readonly periodSeconds?: number;
  readonly price?: number;
  readonly currency?: string;
  readonly tariff?: string;
  readonly priceGap?: 'error' | 'hold';
  readonly tariffTimeZone?: string;
  readonly siteLoad?: string;
  readonly demandMinutes?: number;
  readonly zone?: string;
  readonly grid?: string;
  readonly atYear?: number;
  readonly pue?: number;
  readonly hostWatts?: number;
  readonly tpuIdleWatts?: number;
  readonly tpuMaxWatts?: number;
  readonly wue?: number;
  readonly ewif?: number;
  readonly embodiedKilograms?: number;
  readonly rentPerGpuHour?: number;
  readonly contract?: string;
  readonly dataPath?: 'wan' | 'cloud' | 'lan';
  readonly stateDir?: string;
  readonly flushSeconds?: number;
  readonly retainSamples?: number;
  readonly reportJson?: string;
  readonly reportHtml?: string;
  readonly format?: ReportFormat;
  readonly gpuCount?: number;
  readonly traceTimeZone?: string;
  readonly columns?: string;
  readonly quiet?: boolean;
  readonly webListenAddress?: readonly string[];
  readonly webConfigFile?: string;
  readonly webTelemetryPath?: string;
  readonly webMaxRequests?: number;
  readonly webDcgmCompat?: boolean;
  readonly attributionMaxJobs?: number;
  readonly attributionJobMappingDir?: string;
  readonly name?: string;
  readonly label?: readonly string[];
  readonly gpus?: string;
  readonly resume?: string;
  readonly requireMeasurement?: boolean;
  readonly serve?: boolean;
  readonly stepPattern?: string;
  readonly totalSteps?: number;
  readonly budgetKilowattHours?: number;
  readonly budgetCost?: number;
  readonly budgetCo2eGrams?: number;
  readonly onBudget?: 'warn' | 'terminate';
  readonly graceSeconds?: number;
  readonly webhook?: string;
}

/** The name of an option in code. */
export type OptionKey = keyof Config;

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
const text = z.string({ error: 'must be text' }).min(1, 'must not be empty');
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
const zone = z
  .string()
  .refine((value) => isTimeZone(value), 'must be an IANA time zone such as Europe/Berlin');

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

/** One option: how it is written, what it takes, and what it is for. */
export interface OptionRow<T> {
  /** As commander writes it. */
  readonly flags: string;
  readonly help: string;
  readonly schema: z.ZodType<T>;
  readonly repeatable?: true;
}
const option = <T>(
  flags: string,
  schema: z.ZodType<T>,
  help: string,
  repeatable?: true,
): OptionRow<T> => ({ flags, schema, help, ...(repeatable === undefined ? {} : { repeatable }) });

/** Every option there is; its key is the name in Config, its flag gives the names everywhere else. */
export const OPTIONS: { readonly [Key in OptionKey]-?: OptionRow<NonNullable<Config[Key]>> } = {
  source: option(
    '--source <kind>',
    listOf(z.enum(SOURCE_KINDS, `must be one of ${SOURCE_KINDS.join(', ')}`)),
    `where readings come from (${SOURCE_KINDS.join(', ')}); repeatable`,
    true,
  ),
  trace: option('--trace <file>', listOf(text), 'trace for --source replay; repeatable', true),
  periodSeconds: option(
    '--period-seconds <s>',
    decimal.pipe(z.number().min(0.001, 'must be 0.001 or more').max(3600, 'must be 3600 or less')),
    'sampling period (default: 0.1 with a counter, else half the sensor period)',
  ),
  price: option('--price <p>', atLeast(0), 'price per kWh (default: 0.10, assumed)'),
  currency: option('--currency <code>', currency, 'currency of --price, ISO 4217 (default: USD)'),
  tariff: option(
    '--tariff <file>',
    text,
    'time-varying price: zones, URDB JSON, or a price series',
  ),
  priceGap: option(
    '--price-gap <rule>',
    z.enum(['error', 'hold'], 'must be error or hold'),
    'hours that a price or grid series lacks: error (default) or hold the last value',
  ),
  tariffTimeZone: option(
    '--tariff-time-zone <zone>',
    zone,
    "the tariff's local time (default: the machine's)",
  ),
  siteLoad: option(
    '--site-load <file>',
    text,
    'load of the rest of the site, for tiers and demand',
  ),
  demandMinutes: option(
    '--demand-minutes <n>',
    above(0),
    'averaging of demand peaks (default: 15)',
  ),
  zone: option('--zone <iso3>', text, 'grid zone for carbon, such as DEU (none: no carbon figure)'),
  grid: option('--grid <file>', text, 'own grid-intensity series, g CO2e per kWh'),
  atYear: option('--at-year <y>', whole(1990), "intensity year (default: the run's)"),
  pue: option(
    '--pue <x>',
    atLeast(1),
    'power usage effectiveness of the site (default: 1, assumed)',
  ),
  hostWatts: option(
    '--host-watts <w>',
    atLeast(0),
    'constant power of the rest of the node (assumed)',
  ),
  tpuIdleWatts: option('--tpu-idle-watts <w>', atLeast(0), 'TPU power when idle (modelled)'),
  tpuMaxWatts: option('--tpu-max-watts <w>', above(0), 'TPU power at full duty (modelled)'),
  wue: option('--wue <x>', atLeast(0), 'water usage effectiveness, litres per kWh of IT energy'),
  ewif: option('--ewif <x>', atLeast(0), 'water of electricity, litres per kWh'),
  embodiedKilograms: option(
    '--embodied-kilograms <x>',
    atLeast(0),
    'embodied carbon per GPU, kg CO2e',
  ),
  rentPerGpuHour: option(
    '--rent-per-gpu-hour <x>',
    atLeast(0),
    'rent per GPU-hour (includes energy)',
  ),
  contract: option('--contract <file>', text, 'market-based energy contracts'),
  dataPath: option(
    '--data-path <where>',
    z.enum(['wan', 'cloud', 'lan'], 'must be wan, cloud or lan'),
    'where transferred bytes travel, for E_data',
  ),
  stateDir: option('--state-dir <dir>', text, 'the ledger (default: $XDG_STATE_HOME/wattmeter)'),
  flushSeconds: option('--flush-seconds <s>', above(0), 'fsync the ledger this often (default: 1)'),
  retainSamples: option(
    '--retain-samples <duration>',
    duration,
    "how long the agent's journal is kept (default: 7d)",
  ),
  reportJson: option('--report-json <file>', text, 'write the report as JSON'),
  reportHtml: option('--report-html <file>', text, 'write the report as one HTML file'),
  format: option(
    '--format <form>',
    z.enum(REPORT_FORMATS, `must be one of ${REPORT_FORMATS.join(', ')}`),
    `form of the report: ${REPORT_FORMATS.join(', ')} (default: text)`,
  ),
  gpuCount: option('--gpu-count <n>', whole(1), 'GPUs in a log whose rows do not say which'),
  traceTimeZone: option(
    '--trace-time-zone <zone>',
    zone,
    "zone of a log's naive times (default: the machine's)",
  ),
  columns: option('--columns <map>', text, 'names of foreign columns: time=…,power=…,gpu=…'),
  quiet: option('--quiet', flag, 'no live line, report only to files'),
  webListenAddress: option(
    '--web.listen-address <addr>',
    listOf(text),
    'address to serve on (default: 127.0.0.1:10360); repeatable',
    true,
  ),
  webConfigFile: option(
    '--web.config.file <file>',
    text,
    'TLS, users and headers (exporter-toolkit format)',
  ),
  webTelemetryPath: option(
    '--web.telemetry-path <path>',
    z.string().regex(/^\/./, 'must begin with / and name a path, such as /metrics'),
    'path of the metrics (default: /metrics)',
  ),
  webMaxRequests: option(
    '--web.max-requests <n>',
    whole(0),
    'requests served at once, 0: no limit (default: 40)',
  ),
  webDcgmCompat: option(
    '--web.dcgm-compat',
    flag,
    'serve /metrics/dcgm in the dialect of dcgm-exporter',
  ),
  attributionMaxJobs: option(
    '--attribution.max-jobs <n>',
    whole(1),
    'jobs kept apart, the rest in "other" (default: 500)',
  ),
  attributionJobMappingDir: option(
    '--attribution.job-mapping-dir <dir>',
    text,
    'HPC job-mapping directory',
  ),
  name: option('--name <name>', text, 'name of the run'),
  label: option('--label <k=v>', labels, 'label of the run; repeatable', true),
  gpus: option(
    '--gpus <list>',
    text,
    'UUIDs or indices of the GPUs to measure (default: those that the job is given)',
  ),
  resume: option('--resume <run>', text, 'go on in the books of an earlier run'),
  requireMeasurement: option(
    '--require-measurement',
    flag,
    'do not start CMD unless something can be measured',
  ),
  serve: option('--serve', flag, 'serve /metrics and the dashboard while CMD runs'),
  stepPattern: option(
    '--step-pattern <regex>',
    text,
    'named groups step, epoch, tokens in the output of CMD',
  ),
  totalSteps: option(
    '--total-steps <n>',
    whole(1),
    'steps that the run will make, for the forecast',
  ),
  budgetKilowattHours: option('--budget-kilowatt-hours <x>', above(0), 'energy budget'),
  budgetCost: option('--budget-cost <x>', above(0), 'money budget'),
  budgetCo2eGrams: option('--budget-co2e-grams <x>', above(0), 'carbon budget'),
  onBudget: option(
    '--on-budget <action>',
    z.enum(['warn', 'terminate'], 'must be warn or terminate'),
    'when a budget is used up (default: warn)',
  ),
  graceSeconds: option(
    '--grace-seconds <s>',
    atLeast(0),
    'between SIGTERM and SIGKILL (default: 30)',
  ),
  webhook: option(
    '--webhook <url>',
    z.url({ protocol: /^https?$/, error: 'must be an http(s) URL' }),
    'POST budget events and the end of the run there',
  ),
};
