// The built program as its users have it: started as a process, with a folder of its own and a machine of simulated GPUs.

import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';

import { afterAll } from 'vitest';

import { binaryPath } from '../binary.ts';
import { nvidiaSmiDouble, type Double } from '../source/double.ts';

/** How long anything may take on a machine that is busy with something else. */
const PATIENCE_MILLISECONDS = 45_000;

/** What a process that has ended leaves behind. */
export interface Ended {
  /** Exit code, or the signal's name. */
  readonly code: number | string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A running Wattmeter. */
export interface Running extends AsyncDisposable {
  readonly pid: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Waits until stdout and stderr together match; returns the match. */
  says(pattern: RegExp): Promise<RegExpExecArray>;
  kill(signal: NodeJS.Signals): void;
  readonly ended: Promise<Ended>;
}

/** A folder, a machine and a program to run there. */
export interface Workplace extends Disposable {
  readonly directory: string;
  readonly stateDirectory: string;
  /** What the simulated nvidia-smi was asked so far. */
  readonly double: Double;
  /** A path in the folder. */
  path(name: string): string;
  /** Runs it to its end. */
  run(args: readonly string[], options?: RunOptions): Promise<Ended>;
  start(args: readonly string[], options?: RunOptions): Running;
}

/** How a process is started. */
export interface RunOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly stdio?: StdioOptions;
  /** Through npm, in a process group of its own: `args` are those of `npm`. */
  readonly throughNpm?: true;
}

/** A machine without any GPU, whatever this one has. */
export const NO_GPU: NodeJS.ProcessEnv = {
  PATH: [dirname(process.execPath), '/usr/bin', '/bin'].join(delimiter),
};

/** Opens workplaces that the test file gives up at its end. */
export function workplaces(): (scenario?: object) => Workplace {
  const places: Workplace[] = [];
  afterAll(() => {
    for (const place of places) place[Symbol.dispose]();
  });
  return (scenario) => {
    const place = openWorkplace(scenario);
    places.push(place);
    return place;
  };
}

/** For a server that says which port it has got. */
export const ANY_PORT = ['--web.listen-address', '127.0.0.1:0'];

/** Where a Wattmeter serves, once it says so. */
export async function urlOf(wattmeter: Running): Promise<string> {
  const [, url = ''] = await wattmeter.says(/serving (http:\S+)/);
  return url.replace(/\/$/, '');
}

/** Opens a folder of its own on a machine that plays `scenario` (test/doubles/nvidia-smi.js). */
export function openWorkplace(scenario: object = {}): Workplace {
  const directory = mkdtempSync(join(tmpdir(), 'wattmeter-e2e-'));
  const double = nvidiaSmiDouble(directory, scenario);
  const { WATTMETER_TEST_DIST: _, ...inherited } = double.env;
  const environment = (extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
    ...inherited,
    TZ: 'UTC',
    XDG_STATE_HOME: join(directory, 'state-home'),
    // Real GPUs of this machine are not part of the test.
    WATTMETER_SOURCE: 'nvidia-smi',
    ...extra,
  });
  const start = (args: readonly string[], options: RunOptions = {}): Running => {
    const [program, ...words] =
      options.throughNpm === true
        ? ['npm', ...args]
        : ([process.execPath, binaryPath, ...args] as const);
    return running(
      spawn(program, words, {
        cwd: options.throughNpm === true ? repositoryPath : directory,
        env: environment(options.env),
        stdio: options.stdio ?? ['ignore', 'pipe', 'pipe'],
        detached: options.throughNpm === true,
      }),
    );
  };
  return {
    directory,
    stateDirectory: join(directory, 'state-home/wattmeter'),
    double,
    path: (name) => join(directory, name),
    start,
    async run(args, options) {
      await using wattmeter = start(args, options);
      const deadline = setTimeout(() => wattmeter.kill('SIGKILL'), PATIENCE_MILLISECONDS);
      const ended = await wattmeter.ended;
      clearTimeout(deadline);
      return ended;
    },
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
  };
}

function running(child: ChildProcess): Running {
  let stdout = '';
  let stderr = '';
  const waiting = new Set<() => void>();
  const wake = (): void => {
    for (const one of waiting) one();
  };
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    wake();
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    wake();
  });
  let end: Ended | undefined;
  const ended = new Promise<Ended>((resolved) => {
    child.once('close', (code, signal) => {
      end = { code: code ?? signal, stdout, stderr };
      wake();
      resolved(end);
    });
  });
  return {
    pid: child.pid ?? 0,
    get stdout() {
      return stdout;
    },
    get stderr() {
      return stderr;
    },
    says: (pattern) =>
      new Promise((resolved, rejected) => {
        const fail = (why: string): void => {
          waiting.delete(look);
          rejected(new Error(`${why}, without ${pattern}:\n${stdout}\n${stderr}`));
        };
        const deadline = setTimeout(() => fail('Nothing more is said'), PATIENCE_MILLISECONDS);
        const look = (): void => {
          const match = pattern.exec(`${stdout}\n${stderr}`);
          if (match === null && end === undefined) return;
          clearTimeout(deadline);
          waiting.delete(look);
          if (match === null) fail('It ended');
          else resolved(match);
        };
        waiting.add(look);
        look();
      }),
    kill: (signal) => child.kill(signal),
    ended,
    async [Symbol.asyncDispose]() {
      if (end === undefined) child.kill('SIGKILL');
      await ended;
    },
  };
}

const repositoryPath = resolve(import.meta.dirname, '../..');

/** The trace that comes with Wattmeter. */
export const bundledTrace: string = resolve(
  repositoryPath,
  'fixtures/simulated-training-4gpu.csv.gz',
);
