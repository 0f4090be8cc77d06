// How a command is declared: commander's wiring in one place, so that a command's file holds only what it does.

import { Command, Option } from 'commander';

import { findConfigFile, resolveOptions, UsageError, type ResolvedOptions } from '../config.ts';
import { OPTIONS, type Config, type OptionKey } from '../options.ts';
import type { Context } from './context.ts';
import { EXTRA_KEYS, PRICING_KEYS } from './kept-pricing.ts';

/** A command's declaration. `action` returns the exit code. */
export interface CommandSpec {
  /** commander's arguments, such as `<trace...>`, with what they mean. */
  readonly arguments?: readonly (readonly [string, string])[];
  readonly options: readonly OptionKey[];
  /** Flags that are this command's alone and no part of Config: `[flags, help]`. */
  readonly extra?: readonly (readonly [string, string])[];
  /** Everything after the first argument belongs to it (`run -- CMD`). */
  readonly passThrough?: true;
  /** It goes on without a config file that cannot be used, and is told why (`doctor`). */
  readonly survivesBadConfig?: true;
  readonly examples?: readonly string[];
  action(invocation: Invocation): Promise<number>;
}

/** What a command was called with. */
export interface Invocation {
  readonly config: Config;
  /** The options that were given as flags, and not by the environment or a file. */
  readonly flagged: ReadonlySet<OptionKey>;
  readonly operands: readonly string[];
  readonly extra: Readonly<Record<string, string | boolean | undefined>>;
  readonly context: Context;
  /** The config file in force, and why it is not, where it cannot be used. */
  readonly configFile: ConfigFile;
}

/** A config file that was found, or none. */
export interface ConfigFile {
  readonly path?: string;
  readonly error?: string;
}

/** Options that price energy and say what it emits; every command that ends in a report takes them. */
export const PRICING_OPTIONS: readonly OptionKey[] = [...PRICING_KEYS, ...EXTRA_KEYS];
/** Options of the report's form. */
export const REPORT_OPTIONS: readonly OptionKey[] = ['format', 'reportJson', 'reportHtml', 'quiet'];
/** Options of how logs are read. */
export const TRACE_OPTIONS: readonly OptionKey[] = ['gpuCount', 'traceTimeZone', 'columns'];
/** Options of where readings come from. */
export const SOURCE_OPTIONS: readonly OptionKey[] = [
  'source',
  'trace',
  'periodSeconds',
  'hostWatts',
  'tpuIdleWatts',
  'tpuMaxWatts',
];
/** Options of the ledger. */
export const LEDGER_OPTIONS: readonly OptionKey[] = ['stateDir', 'flushSeconds'];
/** Options of the HTTP server. */
export const WEB_OPTIONS: readonly OptionKey[] = [
  'webListenAddress',
  'webConfigFile',
  'webTelemetryPath',
  'webMaxRequests',
  'webDcgmCompat',
];

/** Options that say something of a wrapped command alone; every other one is common to all commands. */
export const RUN_OPTIONS: readonly OptionKey[] = [
  'name',
  'label',
  'gpus',
  'resume',
  'requireMeasurement',
  'serve',
  'stepPattern',
  'totalSteps',
  'budgetKilowattHours',
  'budgetCost',
  'budgetCo2eGrams',
  'onBudget',
  'graceSeconds',
  'webhook',
];

/** Common options that a command has no use for: taken and checked, so that one set of flags fits every command. */
const unusedOptions = (used: readonly OptionKey[]): OptionKey[] =>
  (Object.keys(OPTIONS) as OptionKey[]).filter(
    (key) => !RUN_OPTIONS.includes(key) && !used.includes(key),
  );

const gather = (value: string, earlier: readonly string[] | undefined): readonly string[] => [
  ...(earlier ?? []),
  value,
];

/** Makes the commander command of a declaration. */
export function toCommand(
  called: { readonly name: string; readonly summary: string; readonly spec: CommandSpec },
  context: Context,
  done: (code: number) => void,
): Command {
  const { name, summary, spec } = called;
  const command = new Command(name).description(summary).allowExcessArguments(false);
  for (const [syntax, help] of spec.arguments ?? []) command.argument(syntax, help);
  const keyOfAttribute = new Map<string, OptionKey>();
  const addOption = (key: OptionKey): Option => {
    const row = OPTIONS[key];
    const option = new Option(row.flags, row.help);
    if (row.repeatable === true) option.argParser(gather);
    keyOfAttribute.set(option.attributeName(), key);
    command.addOption(option);
    return option;
  };
  for (const key of spec.options) addOption(key);
  for (const key of unusedOptions(spec.options)) addOption(key).hideHelp();
  for (const [flags, help] of spec.extra ?? []) command.option(flags, help);
  command.option('--config <file>', 'YAML file of options (default: ./wattmeter.yml)');
  if (spec.passThrough === true) command.passThroughOptions();
  if (spec.examples !== undefined)
    command.addHelpText(
      'after',
      `\nExamples:\n${spec.examples.map((line) => `  $ ${line}`).join('\n')}`,
    );
  command.action(async () => {
    const flags: Record<string, unknown> = {};
    const extra: Record<string, string | boolean | undefined> = {};
    for (const [attribute, value] of Object.entries(command.opts())) {
      const key = keyOfAttribute.get(attribute);
      if (key !== undefined) flags[key] = value;
      else extra[attribute] = value;
    }
    const file = typeof extra['config'] === 'string' ? extra['config'] : undefined;
    const resolved = await configOf(flags, context, file, spec);
    done(await spec.action({ ...resolved, operands: command.args, extra, context }));
  });
  return command;
}

/** Whether JSON is asked for, of a command that prints that or text; a form that only a report has is said to be one. */
export function wantsJson({ config, extra, flagged, context }: Invocation): boolean {
  const { format = 'text' } = config;
  if (extra['json'] === true || format === 'json') return true;
  if (flagged.has('format') && format !== 'text')
    context.stderr.write(`wattmeter: --format ${format} is a form of reports: this is text.\n`);
  return false;
}

const NO_CONFIG_FILE = '/dev/null';

/** Flags, environment and config file as one. @throws UsageError */
async function configOf(
  flags: Readonly<Record<string, unknown>>,
  { environment }: Context,
  named: string | undefined,
  spec: CommandSpec,
): Promise<Pick<Invocation, 'config' | 'flagged' | 'configFile'>> {
  const path = findConfigFile(environment, named);
  const file = path === undefined ? {} : { path };
  try {
    const resolved = await resolveOptions(flags, environment, named);
    return { ...(await settled(resolved, spec)), configFile: file };
  } catch (error) {
    if (spec.survivesBadConfig !== true || path === undefined || !(error instanceof UsageError))
      throw error;
    // A mistake in a flag or a variable stays one.
    const resolved = await resolveOptions(flags, environment, NO_CONFIG_FILE);
    return { ...(await settled(resolved, spec)), configFile: { ...file, error: error.message } };
  }
}

/** Rent and owned hardware exclude each other; whether a file says that it is owned is known when it has been read. */
async function settled(
  { config, levels }: ResolvedOptions,
  { options }: CommandSpec,
): Promise<Pick<Invocation, 'config' | 'flagged'>> {
  const flagged = new Set([...levels].flatMap(([key, level]) => (level === 'flag' ? [key] : [])));
  const { inputs, rentPerGpuHour } = config;
  if (inputs === undefined || rentPerGpuHour === undefined || !options.includes('inputs'))
    return { config, flagged };
  const { withOneHardware } = await import('./inputs.ts');
  return { config: await withOneHardware(config, levels), flagged };
}
