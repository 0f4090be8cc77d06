// Integration tests run the built program, so that what is tested is what is shipped: built once here, before any test.

import { execFileSync } from 'node:child_process';

/** Builds dist/ unless the caller has a build of its own (WATTMETER_TEST_DIST). */
export function setup(): void {
  if (process.env['WATTMETER_TEST_DIST'] !== undefined) return;
  execFileSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' });
}
