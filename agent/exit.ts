// The way out when a thread hangs in the driver: `process.exit` would wait for it (seconds, or for ever), libc's `_exit`
// does not. Only main.ts uses it, after everything durable has been written.

import koffi from 'koffi';

const FLUSH_SECONDS = 0.2;

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.write('', () => resolve());
  });
}

/** Ends the process at once with `code`: stdout and stderr are flushed, exit handlers and other threads are not asked. */
export async function leave(code: number): Promise<never> {
  const exit = koffi.load(null).func('void _exit(int status)');
  const late = new Promise<void>((resolve) => {
    setTimeout(resolve, FLUSH_SECONDS * 1e3);
  });
  await Promise.race([Promise.all([flushed(process.stdout), flushed(process.stderr)]), late]);
  exit(code);
  throw new Error('libc _exit returned.');
}
