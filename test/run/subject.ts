// The program under the tests of the sacred job: the real one behind its launcher, or the harness beside this file.

import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

import { binaryPath, distPath } from '../binary.ts';

const harnessed =
  process.env['WATTMETER_TEST_RUN'] === 'harness' ||
  !existsSync(join(distPath, 'agent/cli/run.js'));

/** A `wattmeter run` that is ready to be put before a command. */
export interface Subject extends Disposable {
  /** A folder of its own, removed in the end. */
  readonly directory: string;
  /** The launcher: what npm would link as `wattmeter`. */
  readonly program: string;
  /** `[program, 'run', …options, '--', …command]`. */
  commandLine(command: readonly string[], options?: readonly string[]): string[];
}

/** Makes the launcher for the build under test: bin/wattmeter.js with its last line pointed there. */
export function openSubject(): Subject {
  const directory = mkdtempSync(join(tmpdir(), 'wattmeter-run-'));
  const program = join(directory, 'wattmeter.mjs');
  const entry = harnessed ? resolve(import.meta.dirname, 'harness.mjs') : binaryPath;
  const launcher = readFileSync(resolve(import.meta.dirname, '../../bin/wattmeter.js'), 'utf8');
  const imported = "import '../dist/agent/main.js';";
  if (!launcher.includes(imported)) throw new Error(`bin/wattmeter.js no longer says ${imported}`);
  writeFileSync(program, launcher.replace(imported, `import '${pathToFileURL(entry).href}';`));
  chmodSync(program, 0o755);
  const ownOptions = harnessed
    ? []
    : ['--quiet', '--state-dir', join(directory, 'state'), '--source', 'nvidia-smi'];
  return {
    directory,
    program,
    commandLine: (command, options = []) => [
      program,
      'run',
      ...ownOptions,
      ...options,
      '--',
      ...command,
    ],
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
  };
}

/** Environment for the subject: the harness is told where its build is, and CMD must not see a test's variable. */
export function subjectEnvironment(): NodeJS.ProcessEnv {
  const { WATTMETER_TEST_DIST: _, ...environment } = process.env;
  return harnessed ? { ...environment, WATTMETER_TEST_DIST: distPath } : environment;
}
