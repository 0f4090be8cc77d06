// The options of the command line, one row each: the flag's name gives the environment's and the config file's.
// What each takes is option-schemas.ts, which is loaded only when an option is given.

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
  readonly inputs?: string;
  readonly socialCostPerTonne?: number;
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
  readonly webSystemdSocket?: boolean;
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

/** One option: how it is written and what it is for. */
export interface OptionRow {
  /** As commander writes it. */
  readonly flags: string;
  readonly help: string;
  readonly repeatable?: true;
}
const option = (flags: string, help: string, repeatable?: true): OptionRow => ({
  flags,
  help,
  ...(repeatable === undefined ? {} : { repeatable }),
});

/** Every option there is; its key is the name in Config, its flag gives the names everywhere else. */
export const OPTIONS: Readonly<Record<OptionKey, OptionRow>> = {
  source: option(
    '--source <kind>',
    `where readings come from (${SOURCE_KINDS.join(', ')}); repeatable`,
    true,
  ),
  trace: option('--trace <file>', 'trace for --source replay; repeatable', true),
  periodSeconds: option(
    '--period-seconds <s>',
    'sampling period (default: 0.1 with a counter, else half the sensor period)',
  ),
  price: option('--price <p>', 'price per kWh (default: 0.10, assumed)'),
  currency: option('--currency <code>', 'currency of --price, ISO 4217 (default: USD)'),
  tariff: option('--tariff <file>', 'time-varying price: zones, URDB JSON, or a price series'),
  priceGap: option(
    '--price-gap <rule>',
    'hours that a price or grid series lacks: error (default) or hold the last value',
  ),
  tariffTimeZone: option(
    '--tariff-time-zone <zone>',
    "the tariff's local time (default: the machine's)",
  ),
  siteLoad: option('--site-load <file>', 'load of the rest of the site, for tiers and demand'),
  demandMinutes: option('--demand-minutes <n>', 'averaging of demand peaks (default: 15)'),
  zone: option(
    '--zone <iso3>',
    'grid zone for carbon, such as DEU or gcp:europe-west4 (none: no carbon figure)',
  ),
  grid: option('--grid <file>', 'own grid-intensity series, g CO2e per kWh'),
  atYear: option('--at-year <y>', "intensity year (default: the run's)"),
  pue: option('--pue <x>', 'power usage effectiveness of the site (default: 1, assumed)'),
  hostWatts: option('--host-watts <w>', 'constant power of the rest of the node (assumed)'),
  tpuIdleWatts: option('--tpu-idle-watts <w>', 'TPU power when idle (modelled)'),
  tpuMaxWatts: option('--tpu-max-watts <w>', 'TPU power at full duty (modelled)'),
  wue: option('--wue <x>', 'water usage effectiveness, litres per kWh of IT energy'),
  ewif: option('--ewif <x>', 'water of electricity, litres per kWh'),
  embodiedKilograms: option('--embodied-kilograms <x>', 'embodied carbon per GPU, kg CO2e'),
  rentPerGpuHour: option('--rent-per-gpu-hour <x>', 'rent per GPU-hour (includes energy)'),
  inputs: option(
    '--inputs <file>',
    'what nobody can measure: owned hardware, kept data, labelling, other regions',
  ),
  socialCostPerTonne: option(
    '--social-cost-per-tonne <x>',
    "cost to society per tonne of CO2e, in the tariff's currency (default: US EPA's, USD)",
  ),
  contract: option('--contract <file>', 'market-based energy contracts'),
  dataPath: option('--data-path <where>', 'where transferred bytes travel, for E_data'),
  stateDir: option('--state-dir <dir>', 'the ledger (default: $XDG_STATE_HOME/wattmeter)'),
  flushSeconds: option('--flush-seconds <s>', 'fsync the ledger this often (default: 1)'),
  retainSamples: option(
    '--retain-samples <duration>',
    "how long the agent's journal is kept (default: 7d)",
  ),
  reportJson: option('--report-json <file>', 'write the report as JSON'),
  reportHtml: option('--report-html <file>', 'write the report as one HTML file'),
  format: option(
    '--format <form>',
    `form of the report: ${REPORT_FORMATS.join(', ')} (default: text)`,
  ),
  gpuCount: option('--gpu-count <n>', 'GPUs in a log whose rows do not say which'),
  traceTimeZone: option(
    '--trace-time-zone <zone>',
    "zone of a log's naive times (default: the machine's)",
  ),
  columns: option('--columns <map>', 'names of foreign columns: time=…,power=…,gpu=…'),
  quiet: option('--quiet', 'no live line, report only to files'),
  webListenAddress: option(
    '--web.listen-address <addr>',
    'address to serve on (default: 127.0.0.1:10360); repeatable',
    true,
  ),
  webSystemdSocket: option(
    '--web.systemd-socket',
    'serve on the sockets that systemd passes, instead of --web.listen-address',
  ),
  webConfigFile: option(
    '--web.config.file <file>',
    'TLS, users and headers (exporter-toolkit format)',
  ),
  webTelemetryPath: option(
    '--web.telemetry-path <path>',
    'path of the metrics (default: /metrics)',
  ),
  webMaxRequests: option(
    '--web.max-requests <n>',
    'requests served at once, 0: no limit (default: 40)',
  ),
  webDcgmCompat: option('--web.dcgm-compat', 'serve /metrics/dcgm in the dialect of dcgm-exporter'),
  attributionMaxJobs: option(
    '--attribution.max-jobs <n>',
    'jobs kept apart, the rest in "other" (default: 500)',
  ),
  attributionJobMappingDir: option(
    '--attribution.job-mapping-dir <dir>',
    'HPC job-mapping directory',
  ),
  name: option('--name <name>', 'name of the run'),
  label: option('--label <k=v>', 'label of the run; repeatable', true),
  gpus: option(
    '--gpus <list>',
    'UUIDs or indices of the GPUs to measure (default: those that the job is given)',
  ),
  resume: option('--resume <run>', 'go on in the books of an earlier run'),
  requireMeasurement: option(
    '--require-measurement',
    'do not start CMD unless something can be measured',
  ),
  serve: option('--serve', 'serve /metrics and the dashboard while CMD runs'),
  stepPattern: option(
    '--step-pattern <regex>',
    'named groups step, epoch, tokens in the output of CMD',
  ),
  totalSteps: option('--total-steps <n>', 'steps that the run will make, for the forecast'),
  budgetKilowattHours: option('--budget-kilowatt-hours <x>', 'energy budget'),
  budgetCost: option('--budget-cost <x>', 'money budget'),
  budgetCo2eGrams: option('--budget-co2e-grams <x>', 'carbon budget'),
  onBudget: option('--on-budget <action>', 'when a budget is used up (default: warn)'),
  graceSeconds: option('--grace-seconds <s>', 'between SIGTERM and SIGKILL (default: 30)'),
  webhook: option('--webhook <url>', 'POST budget events and the end of the run there'),
};
