// Programs that tests need and npm cannot bring: Prometheus, Chromium, a C compiler, openssl. A test without its
// program is skipped and says which one is missing; with CI=true it fails instead.

import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

import type { TestContext } from 'vitest';

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Path of a program on PATH; undefined when it is not installed. */
export const findProgram = (name: string): string | undefined =>
  (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((directory) => join(directory, name))
    .find(isExecutable);

/** Path of a program that the running test needs; without it the test is skipped, or fails with CI=true. */
export function needProgram(context: TestContext, name: string): string {
  const path = findProgram(name);
  if (path !== undefined) return path;
  const message = `${name} is not installed`;
  if (process.env['CI'] === 'true')
    throw new Error(`${message}, and CI=true allows no skipped test.`);
  return context.skip(message);
}
