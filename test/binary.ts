// Where the built program is.

import { resolve } from 'node:path';

/** The root of the build under test. */
export const distPath: string = resolve(
  process.env['WATTMETER_TEST_DIST'] ?? resolve(import.meta.dirname, '../dist'),
);

/** The program that package.json's `bin` names. */
export const binaryPath: string = resolve(distPath, 'agent/main.js');
