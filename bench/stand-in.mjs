// Builds the simulated libnvidia-ml.so.1 of test/doubles with the system's compiler, for the benches.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const code = resolve(import.meta.dirname, '../test/doubles/libnvidia-ml');

/** A folder of its own, with the library in it. */
export function buildStandIn() {
  const directory = mkdtempSync(join(tmpdir(), 'wattmeter-bench-'));
  const library = join(directory, 'libnvidia-ml.so.1');
  const files = readdirSync(code).filter((name) => name.endsWith('.c'));
  const flags = ['-std=c11', '-O2', '-fPIC', '-shared', '-o', library];
  execFileSync('cc', [...flags, ...files.map((name) => join(code, name)), '-lm']);
  return { directory, library };
}
