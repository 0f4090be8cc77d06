// A real disk that is small: a tmpfs, where this machine lets a test mount one.

import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

export interface SmallDisk extends Disposable {
  readonly path: string;
  grow(): void;
}

/** Mounts `size` under `directory`; undefined where mount(8) may not. */
export function mountSmallDisk(directory: string, size: string = '64k'): SmallDisk | undefined {
  const path = join(directory, 'disk');
  mkdirSync(path);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', path], {
      stdio: 'ignore',
    });
  } catch {
    return undefined;
  }
  return {
    path,
    grow: () => execFileSync('mount', ['-o', 'remount,size=4m', path]),
    [Symbol.dispose]: () => execFileSync('umount', ['-l', path]),
  };
}
