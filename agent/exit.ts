// The way out when a thread hangs, in the driver or in a file system: `process.exit` would wait for it (seconds, or for
// ever), libc's `_exit` does not. Only main.ts uses it, after everything durable has been written; screens are written
// synchronously.

import { createRequire } from 'node:module';

import type koffi from 'koffi';

/** Ends the process at once with `code`: exit handlers and other threads are not asked. */
export function leave(code: number): never {
  // Loaded here, for few need it; synchronously, for the threads that load modules may be the ones that hang.
  const { load } = createRequire(import.meta.url)('koffi') as typeof koffi;
  load(null).func('void _exit(int status)')(code);
  throw new Error('libc _exit returned.');
}
