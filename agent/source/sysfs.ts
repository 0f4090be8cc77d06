// Reading the kernel's small files: one value each, which may be missing, forbidden, or not a number.

import { readdir, readFile, realpath } from 'node:fs/promises';

import type { ReadingStatus } from '../model.ts';

/** A number from a file, or why there is none. */
export type SysfsNumber =
  | { readonly kind: 'value'; readonly value: number }
  | { readonly kind: 'failed'; readonly status: ReadingStatus };

const STATUS_BY_ERROR: Readonly<Record<string, ReadingStatus>> = {
  EACCES: 'no-permission',
  EPERM: 'no-permission',
  ENOENT: 'no-data',
  ENODATA: 'no-data',
  EBUSY: 'no-data',
  ENODEV: 'gpu-lost',
  ETIMEDOUT: 'timeout',
  EOPNOTSUPP: 'not-supported',
};

/** The file's text without its newline; undefined when it cannot be read. */
export async function readText(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch {
    return undefined;
  }
}

/** The file's number, as the kernel wrote it. */
export async function readNumber(path: string): Promise<SysfsNumber> {
  try {
    const text = (await readFile(path, 'utf8')).trim();
    const value = Number(text);
    return text === '' || Number.isNaN(value)
      ? { kind: 'failed', status: 'malformed' }
      : { kind: 'value', value };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    return { kind: 'failed', status: STATUS_BY_ERROR[code] ?? 'unknown-error' };
  }
}

/** The file's number, where an absent one is nothing to talk about. */
export async function readOptional(path: string): Promise<number | undefined> {
  const answer = await readNumber(path);
  return answer.kind === 'value' ? answer.value : undefined;
}

/** Names in a directory, in the order of the numbers they end in; none when it is not there. */
export async function listNumbered(path: string): Promise<string[]> {
  const names = await readdir(path).catch((): string[] => []);
  const collator = new Intl.Collator('en', { numeric: true });
  return names.toSorted((a, b) => collator.compare(a, b));
}

/** Where a link of sysfs leads; undefined when it is not there. */
export const resolveLink = (path: string): Promise<string | undefined> =>
  realpath(path).catch(() => undefined);
