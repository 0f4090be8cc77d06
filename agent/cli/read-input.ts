// A file that an option names, as text.

import { readFileSync } from 'node:fs';

import { UsageError } from '../config.ts';

/** A whole small text file. @throws UsageError */
export function readInput(path: string, option: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new UsageError(
      `Cannot read ${option} ${path} (${code}). Does it exist, and may you read it?`,
    );
  }
}
