// `--web.config.file`: who may read, how, and how often. Read at start, read again when it or a file that it names
// changes; a mistake is one line with the place in the file and the mend.

import { createHash, X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { createSecureContext, type SecureContextOptions } from 'node:tls';

import { parseDocument } from 'yaml';
import type { z } from 'zod';

import { ConfigError } from './errors.ts';
import type { RateLimit } from './rate-limit.ts';
import { CIPHER_SUITES, CURVES, TLS_VERSIONS, type TlsConfig } from './tls.ts';
import { WEB_CONFIG_SCHEMA, type RawTls, type RawWebConfig } from './web-config-schema.ts';

/** What web.config.yml asks for. */
export interface WebConfig {
  readonly tls?: TlsConfig;
  /** Name → bcrypt hash; empty: everybody may read. */
  readonly users: ReadonlyMap<string, string>;
  readonly headers: Readonly<Record<string, string>>;
  readonly rateLimit?: RateLimit;
  /** Nothing is in the file, not even `{}`. */
  readonly isBlank: boolean;
  /** Changes when any of the files changed. */
  readonly fingerprint: string;
}

/** Without a file: plain HTTP for everybody. */
export const OPEN_WEB_CONFIG: WebConfig = {
  users: new Map(),
  headers: {},
  isBlank: true,
  fingerprint: '',
};

type TlsFileKey = 'cert_file' | 'key_file' | 'client_ca_file';
type TlsTextKey = 'cert' | 'key' | 'client_ca';

const reasonOf = (error: unknown): string =>
  error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.message) : String(error);

/** Reads and checks the file and those that it names. @throws ConfigError */
export async function readWebConfig(path: string): Promise<WebConfig> {
  const content = await readText(path);
  const raw = parse(path, content);
  const files = await readTlsFiles(path, raw.tls_server_config);
  const tls = raw.tls_server_config && tlsConfig(path, raw.tls_server_config, files);
  const rateLimit = rateLimitOf(raw.rate_limit);
  return {
    ...(tls && { tls }),
    users: new Map(Object.entries(raw.basic_auth_users)),
    headers: headersOf(raw.http_server_config?.headers),
    ...(rateLimit && { rateLimit }),
    isBlank: content.trim() === '',
    fingerprint: fingerprintOf([content, ...Object.values(files)]),
  };
}

const MAX_FILE_BYTES = 1_048_576;

/** Reads a file of an ordinary size: a pipe in its place would be waited for without end, by a thread that all files share. */
async function readOrdinary(path: string): Promise<string> {
  const facts = await stat(path);
  if (!facts.isFile()) throw new Error('it is no regular file');
  if (facts.size > MAX_FILE_BYTES) throw new Error('it is larger than 1 MiB');
  return readFile(path, 'utf8');
}

async function readText(path: string): Promise<string> {
  try {
    return await readOrdinary(path);
  } catch (error) {
    throw new ConfigError(
      `Cannot read --web.config.file ${path} (${reasonOf(error)}). Does it exist, and may you read it?`,
      { cause: error },
    );
  }
}

function parse(path: string, content: string): RawWebConfig {
  const document = parseDocument(content);
  const [broken] = document.errors;
  if (broken !== undefined) {
    const line = broken.linePos?.[0].line ?? 1;
    const [cause = ''] = broken.message.split('\n');
    throw new ConfigError(
      `${path}:${line}: not valid YAML: ${cause.replace(/ at line .*$/, '')}. Mend that line.`,
    );
  }
  const result = WEB_CONFIG_SCHEMA.safeParse(document.toJS() ?? {});
  if (result.success) return result.data;
  throw new ConfigError(`${path}: ${issueText(result.error.issues[0])}.`);
}

// The value itself is not repeated: it may be a key or a hash.
function issueText(issue: z.core.$ZodIssue | undefined): string {
  if (issue === undefined) return 'is not valid';
  const place = issue.path.map(String).join('.');
  if (issue.code === 'unrecognized_keys') {
    const key = [...issue.path.map(String), ...issue.keys.slice(0, 1)].join('.');
    return `${key}: unknown key. Remove it, or see exporter-toolkit's web configuration for its name`;
  }
  if (issue.code === 'invalid_key')
    return `${String(issue.path[0])}: a user without a name. Give it one`;
  return place === '' ? 'must be a mapping of sections' : `${place}: ${issue.message}`;
}

async function readTlsFiles(
  path: string,
  raw: RawTls | undefined,
): Promise<Partial<Record<TlsFileKey, string>>> {
  const files: Partial<Record<TlsFileKey, string>> = {};
  for (const key of ['cert_file', 'key_file', 'client_ca_file'] as const) {
    const name = raw?.[key];
    if (name === undefined) continue;
    const file = resolve(dirname(path), name);
    try {
      files[key] = await readOrdinary(file);
    } catch (error) {
      throw new ConfigError(
        `${path}: tls_server_config.${key}: cannot read ${file} (${reasonOf(error)}). Paths are relative to the config file.`,
        { cause: error },
      );
    }
  }
  return files;
}

function tlsConfig(
  path: string,
  raw: RawTls,
  files: Partial<Record<TlsFileKey, string>>,
): TlsConfig {
  const fail = (what: string, options?: ErrorOptions): never => {
    throw new ConfigError(`${path}: tls_server_config${what}`, options);
  };
  const material = (fileKey: TlsFileKey, textKey: TlsTextKey): string | undefined =>
    raw[fileKey] !== undefined && raw[textKey] !== undefined
      ? fail(`: both ${fileKey} and ${textKey} are given. Remove one.`)
      : (files[fileKey] ?? raw[textKey]);
  const cert =
    material('cert_file', 'cert') ?? fail('.cert_file: missing. Name the PEM certificate.');
  const key = material('key_file', 'key') ?? fail('.key_file: missing. Name the PEM private key.');
  const ca = material('client_ca_file', 'client_ca');
  const mistake = mistakeIn(raw, key, ca);
  if (mistake !== undefined) fail(mistake);
  const context = secureContext(raw, { cert, key, ...(ca !== undefined && { ca }) });
  try {
    createSecureContext(context);
  } catch (error) {
    fail(
      `: certificate and key cannot be used (${reasonOf(error)}). Are they PEM, and do they belong together?`,
      { cause: error },
    );
  }
  return {
    context,
    expiresSeconds: Date.parse(new X509Certificate(cert).validTo) / 1e3,
    clientAuth: raw.client_auth_type,
    allowedNames: raw.client_allowed_sans,
  };
}

/** What would fail or be ignored later, as the place, the cause and the mend; undefined where nothing is wrong. */
function mistakeIn(raw: RawTls, key: string, ca: string | undefined): string | undefined {
  const { client_auth_type: clientAuth, min_version: lowest, max_version: highest } = raw;
  const verifies =
    clientAuth === 'RequireAndVerifyClientCert' || clientAuth === 'VerifyClientCertIfGiven';
  if (verifies && ca === undefined)
    return `.client_ca_file: missing. ${clientAuth} needs the CA that signs clients.`;
  if (ca !== undefined && clientAuth === 'NoClientCert')
    return '.client_auth_type: NoClientCert ignores client_ca_file. Choose RequireAndVerifyClientCert.';
  if (lowest > highest)
    return `.min_version: ${lowest} is above max_version ${highest}. Lower one, or raise the other.`;
  if (/\bENCRYPTED\b/.test(key))
    return '.key_file: the key has a passphrase. Give it without: openssl pkey -in KEY -out PLAIN.';
  if (ca !== undefined && !isCertificate(ca))
    return '.client_ca_file: holds no PEM certificate. Name the CA that signs clients.';
  return undefined;
}

/** Node passes over what it cannot read in a CA file, and would then let nobody in. */
function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}

function secureContext(raw: RawTls, material: SecureContextOptions): SecureContextOptions {
  const named = raw.cipher_suites.map((suite) => CIPHER_SUITES[suite]);
  const curves = raw.curve_preferences.map((curve) => CURVES[curve]);
  return {
    ...material,
    minVersion: TLS_VERSIONS[raw.min_version],
    maxVersion: TLS_VERSIONS[raw.max_version],
    honorCipherOrder: raw.prefer_server_cipher_suites,
    ...(named.length > 0 && { ciphers: named.join(':') }),
    ...(curves.length > 0 && { ecdhCurve: curves.join(':') }),
  };
}

const SECONDS_PER_UNIT: Readonly<Record<string, number>> = { ms: 1e-3, s: 1, m: 60, h: 3600 };

function rateLimitOf(raw: RawWebConfig['rate_limit']): RateLimit | undefined {
  const [, amount, unit = ''] = /^([\d.]+)([a-z]+)$/.exec(String(raw?.interval ?? 0)) ?? [];
  const intervalSeconds = Number(amount ?? 0) * (SECONDS_PER_UNIT[unit] ?? 0);
  return raw === undefined || intervalSeconds === 0
    ? undefined
    : { intervalSeconds, burst: raw.burst };
}

function headersOf(raw: Readonly<Record<string, string | undefined>> = {}): Record<string, string> {
  const given = Object.entries(raw).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  return Object.fromEntries(given);
}

function fingerprintOf(contents: readonly string[]): string {
  const hash = createHash('sha256');
  for (const content of contents) hash.update(`${content.length}\0`).update(content);
  return hash.digest('hex');
}
