// Certificates made for one test by openssl: an authority, a server, clients good and expired.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificates {
  readonly ca: string;
  readonly read: (name: string) => string;
  readonly path: (name: string) => string;
}

/** Writes `ca`, `server`, `other`, `client`, `expired` and `stranger` (.crt and .key) to a folder. */
export function makeCertificates(openssl: string, directory: string): Certificates {
  const path = (name: string): string => join(directory, name);
  const run = (...options: string[]): void => {
    execFileSync(openssl, options, { cwd: directory, stdio: 'pipe' });
  };
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const authority = (name: string): void =>
    run(
      'req',
      '-x509',
      ...newKey,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.crt`,
      '-subj',
      `/CN=${name}`,
      '-days',
      '2',
    );
  const signed = (name: string, by: string, days: string): void => {
    run(
      'req',
      ...newKey,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.csr`,
      '-subj',
      `/CN=${name}`,
      '-addext',
      `subjectAltName=DNS:${name},DNS:localhost,IP:127.0.0.1`,
    );
    run(
      'x509',
      '-req',
      '-in',
      `${name}.csr`,
      '-CA',
      `${by}.crt`,
      '-CAkey',
      `${by}.key`,
      '-CAcreateserial',
      '-days',
      days,
      '-copy_extensions',
      'copy',
      '-out',
      `${name}.crt`,
    );
  };
  authority('ca');
  authority('foreign');
  for (const name of ['server', 'other', 'client']) signed(name, 'ca', '1');
  signed('expired', 'ca', '-1');
  signed('stranger', 'foreign', '1');
  const read = (name: string): string => readFileSync(path(name), 'utf8');
  return { ca: read('ca.crt'), read, path };
}
