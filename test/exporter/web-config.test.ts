import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';

import { hashSync } from 'bcryptjs';
import { afterAll, beforeAll, describe, expect, test, vi, type TestContext } from 'vitest';

import { WebConfigFile } from '../../exporter/web-config-file.ts';
import { readWebConfig } from '../../exporter/web-config.ts';
import { findProgram, needProgram } from '../system-program.ts';
import { makeCertificates, type Certificates } from './certificates.ts';
import { ask, dial, startTestExporter, urlOf } from './client.ts';

let directory = '';
let certificates: Certificates | undefined;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'wattmeter-web-'));
  const openssl = findProgram('openssl');
  if (openssl !== undefined) certificates = makeCertificates(openssl, directory);
});
afterAll(() => rmSync(directory, { recursive: true }));

let files = 0;
function writeConfig(content: string): string {
  files += 1;
  const path = join(directory, `web-${files}.yml`);
  writeFileSync(path, content);
  return path;
}

function needCertificates(context: TestContext): Certificates {
  needProgram(context, 'openssl');
  if (certificates === undefined) throw new Error('openssl made no certificates');
  return certificates;
}

const basic = (user: string, password: string) => ({
  headers: { Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` },
});
const HASH = hashSync('correct horse', 4);
const USERS = `basic_auth_users:\n  ada: "${HASH}"\n  bob: "${hashSync('b:o:b', 4)}"\n`;

describe('basic authentication', () => {
  test('lets the right password in and nobody else, on every path', async () => {
    await using exporter = await startTestExporter({ webConfigFile: writeConfig(USERS) });
    for (const path of ['/', '/metrics', '/-/healthy', '/api/v1/stream', '/nowhere']) {
      const refused = await ask(urlOf(exporter, path));
      expect(refused.status).toBe(401);
      expect(refused.headers['www-authenticate']).toMatch(/^Basic realm=/);
    }
    const statusFor = async (user: string, password: string): Promise<number> =>
      (await ask(urlOf(exporter, '/metrics'), basic(user, password))).status;
    expect(await statusFor('ada', 'correct horse')).toBe(200);
    expect(await statusFor('ada', 'correct horse')).toBe(200);
    expect(await statusFor('bob', 'b:o:b')).toBe(200);
    expect(await statusFor('ada', 'wrong')).toBe(401);
    expect(await statusFor('ada', 'b:o:b')).toBe(401);
    expect(await statusFor('eve', 'correct horse')).toBe(401);
    expect(await statusFor('', '')).toBe(401);
  });

  test.each(['Bearer abc', 'Basic', 'Basic !!!!', 'Basic YWRh', 'Digest username="ada"'])(
    'refuses the header %j',
    async (header) => {
      await using exporter = await startTestExporter({ webConfigFile: writeConfig(USERS) });
      const { status } = await ask(urlOf(exporter, '/metrics'), {
        headers: { Authorization: header },
      });
      expect(status).toBe(401);
    },
  );

  test('remembers the right password, so that a scrape does not pay for bcrypt again', async () => {
    // About a quarter second each on this hardware, were it computed every time.
    const slow = `basic_auth_users:\n  ada: "${hashSync('secret', 12)}"\n`;
    await using exporter = await startTestExporter({ webConfigFile: writeConfig(slow) });
    const timed = async (): Promise<number> => {
      const start = performance.now();
      expect((await ask(urlOf(exporter, '/-/healthy'), basic('ada', 'secret'))).status).toBe(200);
      return performance.now() - start;
    };
    const first = await timed();
    const later = Math.min(await timed(), await timed(), await timed());
    expect(later).toBeLessThan(first / 4);
  });

  test('takes as long for an unknown user as for a wrong password', async () => {
    const slow = `basic_auth_users:\n  ada: "${hashSync('secret', 10)}"\n`;
    await using exporter = await startTestExporter({ webConfigFile: writeConfig(slow) });
    const fastest = async (user: string): Promise<number> => {
      const times: number[] = [];
      for (let attempt = 0; attempt < 5; attempt += 1) {
        const start = performance.now();
        expect((await ask(urlOf(exporter, '/'), basic(user, `no ${attempt}`))).status).toBe(401);
        times.push(performance.now() - start);
      }
      return Math.min(...times);
    };
    const known = await fastest('ada');
    const unknown = await fastest('eve');
    expect(unknown / known).toBeGreaterThan(0.5);
    expect(unknown / known).toBeLessThan(2);
  });
});

test('a flood of wrong passwords delays neither a scrape nor the sampler', async () => {
  const slow = `basic_auth_users:\n  ada: "${hashSync('secret', 9)}"\n`;
  await using exporter = await startTestExporter({ webConfigFile: writeConfig(slow) });
  const scrape = async (): Promise<number> =>
    (await ask(urlOf(exporter, '/metrics'), basic('ada', 'secret'))).status;
  expect(await scrape()).toBe(200);
  // More than requests that are served at once, and more than passwords that may wait.
  const wrong = Array.from({ length: 80 }, (_one, attempt) =>
    ask(urlOf(exporter, '/'), basic('ada', `wrong ${attempt}`)).then(({ status }) => status),
  );
  let answered = 0;
  for (const attempt of wrong) void attempt.then(() => (answered += 1));
  await vi.waitFor(() => expect(answered).toBeGreaterThan(0), { timeout: 20_000 });
  const load = performance.eventLoopUtilization();
  expect(await scrape()).toBe(200);
  expect(answered).toBeLessThan(wrong.length);
  expect(new Set(await Promise.all(wrong))).toEqual(new Set([401, 503]));
  // This thread was free while the other computed.
  expect(performance.eventLoopUtilization(load).utilization).toBeLessThan(0.5);
});

describe('TLS', () => {
  const tls = 'tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n';

  test('serves HTTPS, with paths relative to the file, and refuses plain HTTP', async (context) => {
    const { ca } = needCertificates(context);
    await using exporter = await startTestExporter({ webConfigFile: writeConfig(tls) });
    expect(urlOf(exporter)).toMatch(/^https:/);
    expect((await ask(urlOf(exporter, '/metrics'), { ca })).status).toBe(200);
    await expect(ask(urlOf(exporter, '/metrics').replace('https', 'http'))).rejects.toThrow();
    expect((await ask(urlOf(exporter, '/metrics'), { ca })).status).toBe(200);
  });

  test('speaks no version below min_version', async (context) => {
    const { ca } = needCertificates(context);
    await using exporter = await startTestExporter({
      webConfigFile: writeConfig(`${tls}  min_version: TLS13\n`),
    });
    await expect(ask(urlOf(exporter, '/'), { ca, maxVersion: 'TLSv1.2' })).rejects.toThrow();
    expect((await ask(urlOf(exporter, '/'), { ca })).status).toBe(200);
  });

  test('speaks only the cipher suites that are named', async (context) => {
    const { ca } = needCertificates(context);
    const suites =
      '  max_version: TLS12\n  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]\n';
    await using exporter = await startTestExporter({ webConfigFile: writeConfig(tls + suites) });
    expect(
      (await ask(urlOf(exporter, '/'), { ca, ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384' })).status,
    ).toBe(200);
    await expect(
      ask(urlOf(exporter, '/'), { ca, ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' }),
    ).rejects.toThrow();
  });

  test('with RequireAndVerifyClientCert lets in only clients that the CA signed', async (context) => {
    const { ca, read } = needCertificates(context);
    await using exporter = await startTestExporter({
      webConfigFile: writeConfig(
        `${tls}  client_ca_file: ca.crt\n  client_auth_type: RequireAndVerifyClientCert\n`,
      ),
    });
    const as = (name: string) => ({ ca, cert: read(`${name}.crt`), key: read(`${name}.key`) });
    expect((await ask(urlOf(exporter, '/'), as('client'))).status).toBe(200);
    await expect(ask(urlOf(exporter, '/'), { ca })).rejects.toThrow();
    await expect(ask(urlOf(exporter, '/'), as('stranger'))).rejects.toThrow();
    expect(Date.parse(new X509Certificate(read('expired.crt')).validTo)).toBeLessThan(Date.now());
    await expect(ask(urlOf(exporter, '/'), as('expired'))).rejects.toThrow();
  });

  test.for<[type: string, more: string, welcome: Record<string, boolean>]>([
    [
      'VerifyClientCertIfGiven',
      '  client_ca_file: ca.crt\n',
      { none: true, client: true, stranger: false },
    ],
    ['RequireAnyClientCert', '', { none: false, client: true, stranger: true }],
    ['RequestClientCert', '', { none: true, client: true, stranger: true }],
    [
      'RequireAndVerifyClientCert',
      '  client_ca_file: ca.crt\n  client_allowed_sans: [client]\n',
      { none: false, client: true, other: false },
    ],
  ])('with %s asks of clients what Go would', async ([type, more, expected], context) => {
    const { ca, read } = needCertificates(context);
    await using exporter = await startTestExporter({
      webConfigFile: writeConfig(`${tls}${more}  client_auth_type: ${type}\n`),
    });
    for (const [name, welcome] of Object.entries(expected)) {
      const identity =
        name === 'none' ? {} : { cert: read(`${name}.crt`), key: read(`${name}.key`) };
      const answer = ask(urlOf(exporter, '/'), { ca, ...identity }).then(
        ({ status }) => status,
        () => 'refused',
      );
      expect([name, await answer]).toEqual([name, welcome ? 200 : 'refused']);
    }
  });

  test('says once that its certificate has expired, and goes on', async (context) => {
    const { ca, read, path } = needCertificates(context);
    writeFileSync(path('old.crt'), read('expired.crt'));
    writeFileSync(path('old.key'), read('expired.key'));
    const warnings: string[] = [];
    const old = 'tls_server_config:\n  cert_file: old.crt\n  key_file: old.key\n';
    await using exporter = await startTestExporter({
      webConfigFile: writeConfig(old),
      warn: (text) => warnings.push(text),
    });
    await expect(ask(urlOf(exporter, '/'), { ca })).rejects.toThrow('expired');
    writeFileSync(path('old.key'), read('server.key'));
    writeFileSync(path('old.crt'), read('server.crt'));
    await vi.waitFor(
      async () => expect((await ask(urlOf(exporter, '/'), { ca })).status).toBe(200),
      { timeout: 10_000 },
    );
    const expired = warnings.filter((text) => text.includes('expired'));
    expect(expired).toEqual([
      expect.stringMatching(
        /web-\d+\.yml: tls_server_config\.cert_file: the certificate expired on \d{4}-.*Z, and clients refuse it\. Replace/,
      ),
    ]);
  });

  test('stops within a second while a client is still shaking hands', async (context) => {
    needCertificates(context);
    const exporter = await startTestExporter({ webConfigFile: writeConfig(tls) });
    const socket = await dial(exporter);
    const start = performance.now();
    await exporter[Symbol.asyncDispose]();
    expect(performance.now() - start).toBeLessThan(1000);
    socket.destroy();
  });
});

describe('web.config.yml', () => {
  test('is read again when it changes, and its certificate with it', async (context) => {
    const { ca, read, path } = needCertificates(context);
    writeFileSync(path('live.crt'), read('server.crt'));
    writeFileSync(path('live.key'), read('server.key'));
    const tls = 'tls_server_config:\n  cert_file: live.crt\n  key_file: live.key\n';
    const webConfigFile = writeConfig(tls);
    await using exporter = await startTestExporter({ webConfigFile });
    const peerName = async (): Promise<unknown> => {
      return new Promise((resolved, rejected) => {
        const socket = connect({ port: exporter.addresses[0]?.port ?? 0, host: '127.0.0.1', ca });
        socket.once('error', rejected).once('secureConnect', () => {
          resolved(socket.getPeerCertificate().subject.CN);
          socket.destroy();
        });
      });
    };
    expect(await peerName()).toBe('server');
    writeFileSync(path('live.crt'), read('other.crt'));
    writeFileSync(path('live.key'), read('other.key'));
    writeFileSync(webConfigFile, tls + USERS);
    await vi.waitFor(async () => expect(await peerName()).toBe('other'), { timeout: 10_000 });
    expect((await ask(urlOf(exporter, '/'), { ca })).status).toBe(401);
    expect((await ask(urlOf(exporter, '/'), { ca, ...basic('ada', 'correct horse') })).status).toBe(
      200,
    );
  });

  test('that is just being written is not in force: only what is read twice counts', async () => {
    const warnings: string[] = [];
    const webConfigFile = writeConfig(USERS);
    using file = new WebConfigFile(webConfigFile, (text) => warnings.push(text));
    const usersAfter = async (content: string): Promise<number> => {
      writeFileSync(webConfigFile, content);
      await file.readAgain();
      return file.current.users.size;
    };
    await usersAfter(USERS);
    expect(await usersAfter(USERS)).toBe(2);
    expect(await usersAfter('')).toBe(2);
    expect(await usersAfter('basic_auth_users: {')).toBe(2);
    expect(await usersAfter(USERS)).toBe(2);
    expect(await usersAfter('{}')).toBe(2);
    expect(await usersAfter('{}')).toBe(0);
    expect(warnings).toEqual([]);
  });

  test('opens nothing when a full disk has emptied it, and says how one would', async () => {
    const webConfigFile = writeConfig(USERS);
    const warnings: string[] = [];
    using file = new WebConfigFile(webConfigFile, (text) => warnings.push(text));
    for (const content of [USERS, USERS, '', '\n', '\n', '']) {
      writeFileSync(webConfigFile, content);
      await file.readAgain();
    }
    expect(file.current.users.size).toBe(2);
    expect(warnings).toEqual([
      `${webConfigFile}: is empty. Write {} into it to ask for nothing of anybody. The configuration read before stays in force.`,
    ]);
  });

  test('that is a pipe, a folder or a file without end is refused, and not waited for', async (context) => {
    const pipe = join(directory, 'pipe.yml');
    execFileSync(needProgram(context, 'mkfifo'), [pipe]);
    const endless = writeConfig(`# ${'x'.repeat(1_048_576)}`);
    for (const [path, cause] of [
      [pipe, 'it is no regular file'],
      [directory, 'it is no regular file'],
      [endless, 'it is larger than 1 MiB'],
    ] as const) {
      await expect(readWebConfig(path)).rejects.toThrow(
        `Cannot read --web.config.file ${path} (${cause}).`,
      );
    }
  });

  test('stays in force as it was when a change is wrong, and that is said once', async () => {
    const warnings: string[] = [];
    const webConfigFile = writeConfig(USERS);
    await using exporter = await startTestExporter({
      webConfigFile,
      warn: (text) => warnings.push(text),
    });
    writeFileSync(webConfigFile, 'basic_auth_users: 7\n');
    await vi.waitFor(() => expect(warnings).toHaveLength(1), { timeout: 10_000 });
    expect(warnings[0]).toMatch(/web-\d+\.yml: basic_auth_users: .* stays in force\.$/);
    expect((await ask(urlOf(exporter, '/metrics'))).status).toBe(401);
    writeFileSync(
      webConfigFile,
      'http_server_config:\n  headers:\n    X-Frame-Options: sameorigin\n',
    );
    await vi.waitFor(
      async () => expect((await ask(urlOf(exporter, '/metrics'))).status).toBe(200),
      {
        timeout: 10_000,
      },
    );
    expect((await ask(urlOf(exporter, '/'))).headers['x-frame-options']).toBe('sameorigin');
    expect(warnings).toHaveLength(1);
  });

  test('limits the rate that it names', async () => {
    const webConfigFile = writeConfig('rate_limit:\n  interval: 1h\n  burst: 2\n');
    await using exporter = await startTestExporter({ webConfigFile });
    const statuses = [];
    for (let request = 0; request < 3; request += 1) {
      statuses.push((await ask(urlOf(exporter, '/-/healthy'))).status);
    }
    expect(statuses).toEqual([200, 200, 429]);
  });

  test('that is empty asks for nothing', async () => {
    await using exporter = await startTestExporter({ webConfigFile: writeConfig('') });
    expect((await ask(urlOf(exporter, '/'))).status).toBe(200);
  });

  test.each([
    ['tls_server_config:\n  cert_file: server.crt\n', /: tls_server_config\.key_file: missing\. /],
    ['tls_server_config: {}\n', /: tls_server_config\.cert_file: missing\. /],
    [
      'tls_server_config:\n  cert_file: nowhere.crt\n  key_file: k\n',
      /tls_server_config\.cert_file: cannot read .*nowhere\.crt \(ENOENT\)\. Paths are relative/,
    ],
    [
      'tls_server_config:\n  cert: x\n  key: y\n',
      /tls_server_config: certificate and key cannot be used/,
    ],
    [
      'tls_server_config:\n  min_version: TLS9\n',
      /tls_server_config\.min_version: must be one of TLS10, TLS11/,
    ],
    [
      'tls_server_config:\n  client_auth_type: Perhaps\n',
      /tls_server_config\.client_auth_type: must be one of NoClientCert/,
    ],
    [
      'tls_server_config:\n  cipher_suites: [ROT13]\n',
      /tls_server_config\.cipher_suites\.0: must be one of/,
    ],
    [
      'tls_server_config:\n  certfile: server.crt\n',
      /tls_server_config\.certfile: unknown key\. Remove it/,
    ],
    [
      'basic_auth_users:\n  ada: hunter2\n',
      /basic_auth_users\.ada: must be a bcrypt hash; make one with/,
    ],
    ...['$2x$10$', '$2y$03$', '$2y$32$'].map((head): [string, RegExp] => [
      `basic_auth_users:\n  ada: "${head}${'a'.repeat(53)}"\n`,
      /basic_auth_users\.ada: must be a bcrypt hash; make one with/,
    ]),
    ['basic_auth_users: [ada]\n', /basic_auth_users: must map user names/],
    ['basic_auth_users:\n  ada:\n', /basic_auth_users\.ada: must be a bcrypt hash; make one with/],
    ['basic_auth_users:\n  "": x\n', /: basic_auth_users: a user without a name\. Give it one/],
    ['tls_server_config:\n', /: tls_server_config: must be a mapping with cert_file/],
    ['rate_limit: 5\n', /: rate_limit: must be a mapping with interval and burst/],
    [
      'http_server_config:\n  headers:\n    Strict-Transport-Security: "a\\nb"\n',
      /headers\.Strict-Transport-Security: must be one line of plain characters/,
    ],
    [
      'http_server_config:\n  headers: none\n',
      /: http_server_config\.headers: must be a mapping with header names/,
    ],
    [
      'http_server_config:\n  headers:\n    X-Mine: a\n',
      /http_server_config\.headers\.X-Mine: unknown key/,
    ],
    ['http_server_config:\n  http2: 3\n', /http_server_config\.http2: must be true or false/],
    ['rate_limit:\n  interval: often\n', /rate_limit\.interval: must be a duration/],
    ['rate_limit:\n  burst: 0\n', /rate_limit\.burst: must be 1 or more/],
    ['users: {}\n', /: users: unknown key/],
    ['- a\n', /: must be a mapping of sections\./],
    ['a: [1\nb: 2\n', /:\d+: not valid YAML: /],
  ])(
    'with the mistake %j is refused by one line that names its place',
    async (content, message) => {
      const path = writeConfig(content);
      const refusal = await readWebConfig(path).then(
        () => undefined,
        (error: unknown) => error,
      );
      expect(refusal).toMatchObject({ name: 'ConfigError' });
      const text = (refusal as Error).message;
      expect(text).toMatch(message);
      expect(text).toContain(path);
      expect(text).not.toContain('\n');
      expect(text).not.toContain('hunter2');
    },
  );

  test('needs a CA to verify clients, and versions in order', async (context) => {
    needCertificates(context);
    const tls = 'tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n';
    await expect(
      readWebConfig(writeConfig(`${tls}  client_auth_type: RequireAndVerifyClientCert\n`)),
    ).rejects.toThrow('tls_server_config.client_ca_file: missing.');
    await expect(readWebConfig(writeConfig(`${tls}  client_ca_file: ca.crt\n`))).rejects.toThrow(
      'tls_server_config.client_auth_type: NoClientCert ignores client_ca_file.',
    );
    await expect(
      readWebConfig(writeConfig(`${tls}  min_version: TLS13\n  max_version: TLS12\n`)),
    ).rejects.toThrow('tls_server_config.min_version: TLS13 is above max_version TLS12.');
    await expect(
      readWebConfig(writeConfig(tls.replace('server.key', 'other.key'))),
    ).rejects.toThrow('Are they PEM, and do they belong together?');
    await expect(
      readWebConfig(
        writeConfig(`${tls}  client_ca: nobody\n  client_auth_type: RequestClientCert\n`),
      ),
    ).rejects.toThrow('tls_server_config.client_ca_file: holds no PEM certificate.');
    const locked = 'tls_server_config:\n  cert_file: server.crt\n  key: ENCRYPTED\n';
    await expect(readWebConfig(writeConfig(locked))).rejects.toThrow(
      'tls_server_config.key_file: the key has a passphrase.',
    );
  });

  test('that is not there is refused by one line', async () => {
    await expect(startTestExporter({ webConfigFile: '/nowhere/web.yml' })).rejects.toMatchObject({
      name: 'ConfigError',
      message:
        'Cannot read --web.config.file /nowhere/web.yml (ENOENT). Does it exist, and may you read it?',
    });
  });
});
