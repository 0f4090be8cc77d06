// The shape of web.config.yml: exporter-toolkit's, https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md

import { z } from 'zod';

import {
  CIPHER_SUITES,
  CLIENT_AUTH_TYPES,
  CURVES,
  TLS_VERSIONS,
  type ClientAuthType,
  type TlsVersion,
} from './tls.ts';

/** `tls_server_config` after validation. */
export interface RawTls {
  readonly cert_file?: string | undefined;
  readonly key_file?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly client_ca_file?: string | undefined;
  readonly client_ca?: string | undefined;
  readonly client_auth_type: ClientAuthType;
  readonly client_allowed_sans: readonly string[];
  readonly min_version: TlsVersion;
  readonly max_version: TlsVersion;
  readonly cipher_suites: readonly string[];
  readonly curve_preferences: readonly string[];
  readonly prefer_server_cipher_suites: boolean;
}

/** web.config.yml after validation, before the files that it names are read. */
export interface RawWebConfig {
  readonly tls_server_config?: RawTls | undefined;
  readonly http_server_config?:
    | {
        readonly http2?: boolean | undefined;
        readonly headers?: Readonly<Record<string, string | undefined>> | undefined;
      }
    | undefined;
  readonly basic_auth_users: Readonly<Record<string, string>>;
  readonly rate_limit?: { readonly interval: string | number; readonly burst: number } | undefined;
}

const oneOf = <K extends string>(table: Readonly<Record<K, string>>) =>
  z.enum(Object.keys(table) as [K, ...K[]], {
    error: `must be one of ${Object.keys(table).join(', ')}`,
  });

const text = z.string({ error: 'must be a text' }).min(1, { error: 'must not be empty' });
const flag = z.boolean({ error: 'must be true or false' });

/** A mapping of known keys; `what` says what belongs into it. */
const section = <Shape extends z.ZodRawShape>(shape: Shape, what: string) =>
  z.strictObject(shape, {
    error: ({ code }) => (code === 'invalid_type' ? `must be a mapping with ${what}` : undefined),
  });

const tlsSection = section(
  {
    cert_file: text.optional(),
    key_file: text.optional(),
    cert: text.optional(),
    key: text.optional(),
    client_ca_file: text.optional(),
    client_ca: text.optional(),
    client_auth_type: z
      .enum(CLIENT_AUTH_TYPES, { error: `must be one of ${CLIENT_AUTH_TYPES.join(', ')}` })
      .default('NoClientCert'),
    client_allowed_sans: z.array(text, { error: 'must be a list of names' }).default([]),
    min_version: oneOf(TLS_VERSIONS).default('TLS12'),
    max_version: oneOf(TLS_VERSIONS).default('TLS13'),
    cipher_suites: z.array(oneOf(CIPHER_SUITES), { error: 'must be a list of suites' }).default([]),
    curve_preferences: z.array(oneOf(CURVES), { error: 'must be a list of curves' }).default([]),
    prefer_server_cipher_suites: flag.default(true),
  },
  'cert_file and key_file',
);

// What HTTP cannot carry would fail every answer.
const headerText = text.regex(/^[\t\x20-\x7e]*$/, {
  error: 'must be one line of plain characters',
});

const headers = section(
  {
    'Content-Security-Policy': headerText.optional(),
    'Strict-Transport-Security': headerText.optional(),
    'X-Content-Type-Options': z.enum(['nosniff'], { error: 'must be "nosniff"' }).optional(),
    'X-Frame-Options': z
      .enum(['deny', 'sameorigin', 'DENY', 'SAMEORIGIN'], {
        error: 'must be "deny" or "sameorigin"',
      })
      .optional(),
    'X-XSS-Protection': headerText.optional(),
  },
  'header names and their values',
);

const NO_HASH = 'must be a bcrypt hash; make one with `htpasswd -nBC 10 USER`';
// Versions that can be compared with, and the costs that bcrypt has: what passes here must not fail at a scrape.
const BCRYPT_HASH = /^\$2[aby]?\$(?:0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53}$/;
const DURATION = /^(?:0|\d+(?:\.\d+)?(?:ms|s|m|h))$/;
const NO_DURATION = 'must be a duration such as 100ms or 1s, or 0';

/** Checks web.config.yml. */
export const WEB_CONFIG_SCHEMA: z.ZodType<RawWebConfig> = z.strictObject({
  tls_server_config: tlsSection.optional(),
  // http2 is accepted and has no effect: TLS clients negotiate HTTP/1.1.
  http_server_config: section(
    { http2: flag.optional(), headers: headers.optional() },
    'headers',
  ).optional(),
  basic_auth_users: z
    .record(text, z.string({ error: NO_HASH }).regex(BCRYPT_HASH, { error: NO_HASH }), {
      error: 'must map user names to bcrypt hashes',
    })
    .default({}),
  rate_limit: section(
    {
      interval: z
        .union([z.literal(0), z.string().regex(DURATION, { error: NO_DURATION })], {
          error: NO_DURATION,
        })
        .default(0),
      burst: z
        .int({ error: 'must be a whole number' })
        .min(1, { error: 'must be 1 or more' })
        .default(20),
    },
    'interval and burst',
  ).optional(),
});
