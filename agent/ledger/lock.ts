// Who writes: flock(2) through libc, because the kernel drops it with the writer, kill −9 included. No pid files that
// outlive their process. koffi is loaded at the first lock only.

import { setTimeout as delay } from 'node:timers/promises';

import { causeOf, LedgerError } from './ledger-error.ts';

type Flock = (descriptor: number, operation: number) => number;
interface Libc {
  readonly flock: Flock;
  readonly errno: () => number;
  readonly wouldBlock: number;
  readonly interrupted: number;
}

// <sys/file.h>, the same on Linux and macOS.
const SHARED = 1;
const EXCLUSIVE = 2;
const NON_BLOCKING = 4;
const UNLOCK = 8;

let libc: Promise<Libc> | undefined;

async function loadLibc(): Promise<Libc> {
  try {
    const { default: koffi } = await import('koffi');
    const flock = koffi.load(null).func('int flock(int, int)') as unknown as Flock;
    const { EWOULDBLOCK, EINTR } = koffi.os.errno;
    return {
      flock,
      errno: () => koffi.errno(),
      wouldBlock: EWOULDBLOCK ?? 11,
      interrupted: EINTR ?? 4,
    };
  } catch (error) {
    const message = `Cannot lock the ledger: flock(2) cannot be called (${causeOf(error)}). Is the koffi package installed for this platform?`;
    throw new LedgerError('no-lock', message, { cause: error });
  }
}

async function callFlock(descriptor: number, operation: number): Promise<boolean> {
  const { flock, errno, wouldBlock, interrupted } = await (libc ??= loadLibc());
  for (;;) {
    if (flock(descriptor, operation) === 0) return true;
    const code = errno();
    if (code === interrupted) continue;
    if (code === wouldBlock) return false;
    const message = `Cannot lock the ledger: flock(2) failed with errno ${code}. Does the file system support locks?`;
    throw new LedgerError('no-lock', message);
  }
}

// A reader that asks whether a writer lives holds a shared lock for some microseconds.
const EXCLUSIVE_TRIES = 5;
const EXCLUSIVE_PAUSE_MILLISECONDS = 10;

/** Takes the writer's lock of an open file, until it is closed; false when another writer has it. */
export async function lockForWriting(descriptor: number): Promise<boolean> {
  for (let tries = 1; ; tries += 1) {
    if (await callFlock(descriptor, EXCLUSIVE | NON_BLOCKING)) return true;
    if (tries === EXCLUSIVE_TRIES) return false;
    await delay(EXCLUSIVE_PAUSE_MILLISECONDS);
  }
}

/** Whether a living writer holds the lock of an open file. */
export async function hasWriter(descriptor: number): Promise<boolean> {
  if (!(await callFlock(descriptor, SHARED | NON_BLOCKING))) return true;
  await callFlock(descriptor, UNLOCK);
  return false;
}
