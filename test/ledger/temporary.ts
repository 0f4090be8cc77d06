// A directory for one test.

import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface TemporaryDirectory extends AsyncDisposable {
  readonly path: string;
}

const MEMORY = '/dev/shm';

/** `inMemory`: where Linux has it, a file system without a disk, for what must not depend on how busy that is. */
export async function temporaryDirectory({
  inMemory = false,
}: { readonly inMemory?: boolean } = {}): Promise<TemporaryDirectory> {
  const base = inMemory && existsSync(MEMORY) ? MEMORY : tmpdir();
  const path = await mkdtemp(join(base, 'wattmeter-ledger-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
