// Flags, environment and YAML become one frozen Config: the untrusted border of the command line. Each option is one
// row of OPTIONS (options.ts); flag > environment > config file > default, and every mistake is one line that names its place.

import { existsSync, readFileSync } from 'node:fs';

import { OPTIONS, type Config, type OptionKey } from './options.ts';
import { plainValue } from './plain-options.ts';

/** A mistake of the user's: one line that names the thing, the cause and the mend. Exit code 2 (125 under `run`). */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

const flagName = (key: OptionKey): string => (OPTIONS[key].flags.split(' ')[0] ?? '').slice(2);
/** `--web.listen-address` → `WATTMETER_WEB_LISTEN_ADDRESS`. */
const environmentName = (key: OptionKey): string =>
  `WATTMETER_${flagName(key).replaceAll(/[.-]/g, '_').toUpperCase()}`;

const optionKeys = Object.keys(OPTIONS) as OptionKey[];
const SYSTEM_CONFIG_FILES = ['./wattmeter.yml', '/etc/wattmeter/wattmeter.yml'];

async function parseOption(key: OptionKey, raw: unknown, place: string): Promise<unknown> {
  const plain = plainValue(key, raw);
  if (plain !== undefined) return plain;
  const { OPTION_SCHEMAS } = await import('./option-schemas.ts');
  const parsed = OPTION_SCHEMAS[key].safeParse(raw);
  if (parsed.success) return parsed.data;
  const reason = parsed.error.issues[0]?.message ?? 'is not valid';
  const given = Array.isArray(raw) ? raw.map(String).join(',') : raw;
  throw new UsageError(`${place} ${reason}, not ${JSON.stringify(given)}.`);
}

/** Nested keys become dotted ones: `web: { listen-address: … }` is `web.listen-address`. */
function flatten(value: unknown, prefix = ''): [string, unknown][] {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return [[prefix, value]];
  return Object.entries(value).flatMap(([key, inner]) =>
    prefix === 'label'
      ? [[prefix, value] as [string, unknown]]
      : flatten(inner, prefix === '' ? key : `${prefix}.${key}`),
  );
}

async function readConfigFile(path: string): Promise<Map<OptionKey, unknown>> {
  const { LineCounter, parseDocument } = await import('yaml');
  let content: string;
  try {
    content = readFileSync(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new UsageError(
      `Cannot read the config file ${path} (${code}). Does it exist, and may you read it?`,
    );
  }
  const lineCounter = new LineCounter();
  const document = parseDocument(content, { lineCounter });
  const broken = document.errors[0];
  if (broken !== undefined) {
    const line = broken.linePos?.[0].line ?? 1;
    throw new UsageError(
      `${path}:${line}: not valid YAML: ${broken.message.split('\n')[0]?.replace(/ at line.*$/, '')}.`,
    );
  }
  const root: unknown = document.toJS();
  const values = new Map<OptionKey, unknown>();
  if (root === null || root === undefined) return values;
  if (typeof root !== 'object' || Array.isArray(root)) {
    throw new UsageError(
      `${path}: must be a mapping of option names to values, such as "price: 0.25".`,
    );
  }
  for (const [name, raw] of flatten(root)) {
    const key = optionKeys.find((candidate) => flagName(candidate) === name);
    if (key === undefined) {
      throw new UsageError(
        `${path}: "${name}" is not an option${suggestion(name)}. docs/files.md lists them.`,
      );
    }
    values.set(key, await parseOption(key, raw, `${path}: ${name}`));
  }
  return values;
}

function suggestion(name: string): string {
  const letters = (text: string): string => text.replaceAll(/[._-]/g, '').toLowerCase();
  const sorted = (text: string): string => letters(text).split('').toSorted().join('');
  // Other separators, swapped letters, or only the beginning of a name.
  const near = optionKeys
    .map(flagName)
    .find(
      (candidate) =>
        sorted(candidate) === sorted(name) ||
        (name.length >= 3 && letters(candidate).startsWith(letters(name))),
    );
  return near === undefined ? '' : ` (did you mean ${near}?)`;
}

/** The config file in force: the one named by flag or environment, else the first that is there. */
export const findConfigFile = (
  environment: Readonly<Record<string, string | undefined>>,
  named?: string,
): string | undefined =>
  named ?? environment['WATTMETER_CONFIG'] ?? SYSTEM_CONFIG_FILES.find((file) => existsSync(file));

/** Where an option was asked for; the earlier speaks before the later. */
const LEVELS = ['flag', 'environment', 'file'] as const;
export type Level = (typeof LEVELS)[number];

/** What was asked for, and where. */
export interface ResolvedOptions {
  readonly config: Config;
  /** Of the options of `config`. */
  readonly levels: ReadonlyMap<OptionKey, Level>;
}

/** Whether `a` was asked for at a level that speaks before that of `b`. */
export function outranks(levels: ResolvedOptions['levels'], a: OptionKey, b: OptionKey): boolean {
  const rankOf = (key: OptionKey): number => LEVELS.indexOf(levels.get(key) ?? 'file');
  return rankOf(a) < rankOf(b);
}

/**
 * Joins what was asked for. `flags` are commander's values by option key; `environment` is the process's.
 *
 * @throws {UsageError} naming the flag, the variable, or the file and key.
 */
export async function resolveOptions(
  flags: Readonly<Record<string, unknown>>,
  environment: Readonly<Record<string, string | undefined>>,
  configFile?: string,
): Promise<ResolvedOptions> {
  const path = findConfigFile(environment, configFile);
  const fromFile = path === undefined ? new Map<OptionKey, unknown>() : await readConfigFile(path);
  const config: Partial<Record<OptionKey, unknown>> = {};
  const levels = new Map<OptionKey, Level>();
  const take = (key: OptionKey, level: Level, value: unknown): void => {
    config[key] = value;
    levels.set(key, level);
  };
  for (const key of optionKeys) {
    const variable = environmentName(key);
    const flagValue = flags[key];
    const variableValue = environment[variable];
    if (flagValue !== undefined)
      take(key, 'flag', await parseOption(key, flagValue, `--${flagName(key)}`));
    else if (variableValue !== undefined && variableValue !== '')
      take(key, 'environment', await parseOption(key, variableValue, variable));
    else if (fromFile.has(key)) take(key, 'file', fromFile.get(key));
  }
  for (const key of voidedOptions(levels)) {
    delete config[key];
    levels.delete(key);
  }
  return { config: Object.freeze(config) as Config, levels };
}

/** Options of a lower level that one of a higher level takes the place of, with what only belongs to them. */
function voidedOptions(levels: ResolvedOptions['levels']): OptionKey[] {
  const isVoid = (key: OptionKey, by: OptionKey): boolean =>
    levels.has(key) && levels.has(by) && outranks(levels, by, key);
  const voided: OptionKey[] = [];
  if (isVoid('tariff', 'price')) voided.push('tariff');
  if (isVoid('price', 'tariff')) {
    voided.push('price');
    // A currency that stands beside a price is the price's.
    if (levels.get('currency') === levels.get('price')) voided.push('currency');
  }
  // A series of one's own beside a zone is asked for by whoever gives both.
  if (isVoid('grid', 'zone')) voided.push('grid');
  return voided;
}

/** Options that a ledger kept, checked again: a journal is input too. @throws UsageError */
export async function resolveStored(kept: unknown): Promise<Config> {
  if (kept === null || typeof kept !== 'object') return {};
  const config: Partial<Record<OptionKey, unknown>> = {};
  for (const [name, raw] of Object.entries(kept)) {
    const key = optionKeys.find((candidate) => candidate === name);
    if (key !== undefined) config[key] = await parseOption(key, raw, `the stored ${name}`);
  }
  return config as Config;
}
