// Checks that may hang: a driver, a network file system. They are given a time, and left behind when it is up.

import type { Checked } from '../insight/doctor.ts';

/** What a promise says within its time; `late` does not stop what is behind it, and a rejection is passed on. */
export async function within<T>(seconds: number, promise: Promise<T>): Promise<Checked<T>> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Checked<T>>((resolve) => {
    timer = setTimeout(() => resolve({ kind: 'late' }), seconds * 1e3);
  });
  try {
    return await Promise.race([promise.then((value) => ({ kind: 'known', value }) as const), late]);
  } finally {
    clearTimeout(timer);
  }
}
