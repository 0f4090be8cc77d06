// Finds the corpus of real recordings; tests that read it are skipped where it is absent.

import { existsSync } from 'node:fs';
import { resolve } from 'node:path';

const root = process.env['WATTMETER_CORPUS'] ?? resolve(import.meta.dirname, '../../shared/corpus');

/** Whether the corpus is here. */
export const corpusPresent: boolean = existsSync(root);

/** Absolute path of a file in the corpus. */
export const corpusPath = (...parts: string[]): string => resolve(root, ...parts);
