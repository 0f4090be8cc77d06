// The product's version and the revision that it was built from, read from the files beside the program.

import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Finds the package's root above this file: compiled code lies one folder deeper than its source. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(resolve(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder)
      throw new Error('wattmeter is installed without its package.json; install it again.');
    folder = parent;
  }
  return folder;
}

/** Version from package.json, revision from the build (`unknown` outside a git checkout). */
export function readVersion(): { readonly version: string; readonly revision: string } {
  const root = packageRoot();
  const manifest: unknown = JSON.parse(readFileSync(resolve(root, 'package.json'), 'utf8'));
  const version =
    typeof manifest === 'object' && manifest !== null && 'version' in manifest
      ? String(manifest.version)
      : 'unknown';
  const revisionFile = resolve(root, 'dist/revision.txt');
  const revision = existsSync(revisionFile) ? readFileSync(revisionFile, 'utf8').trim() : 'unknown';
  return { version, revision: revision === '' ? 'unknown' : revision };
}
