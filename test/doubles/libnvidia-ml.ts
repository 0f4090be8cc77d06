// Builds the C stand-in for libnvidia-ml.so.1 with the system's compiler, and writes the scenarios that it plays.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import type { TestContext } from 'vitest';

import { needProgram } from '../system-program.ts';
import { scenarioText, type GpuScenario } from './gpu-scenario.ts';

const sources = resolve(import.meta.dirname, 'libnvidia-ml');

/** Builds that differ: symbols left out, as an old driver's library has it, or the long process entries of 535.43–.86. */
export type BuildFlag =
  | 'WITHOUT_POWER_USAGE'
  | 'WITHOUT_TOTAL_ENERGY'
  | 'WITHOUT_FIELD_VALUES'
  | 'WITHOUT_SAMPLES'
  | 'WITHOUT_TEMPERATURE'
  | 'LONG_PROCESS_INFO';

// A build that leaves symbols out has helpers that nobody calls.
const COMPILER_FLAGS =
  '-std=c11 -Wall -Wextra -Werror -Wno-unused-function -O2 -fPIC -shared'.split(' ');

const built = new Map<string, string>();

/** Compiles a stand-in into a directory of its own; returns the path of its `libnvidia-ml.so.1`. Needs `cc`. */
export function buildStandIn(context: TestContext, flags: readonly BuildFlag[] = []): string {
  const compiler = needProgram(context, 'cc');
  const key = flags.join();
  const known = built.get(key);
  if (known !== undefined) return known;
  const directory = mkdtempSync(join(tmpdir(), 'wattmeter-nvml-'));
  const library = join(directory, 'libnvidia-ml.so.1');
  const files = readdirSync(sources).filter((name) => name.endsWith('.c'));
  execFileSync(compiler, [
    ...COMPILER_FLAGS,
    '-o',
    library,
    ...flags.map((flag) => `-D${flag}`),
    ...files.map((name) => join(sources, name)),
    '-lm',
  ]);
  built.set(key, library);
  return library;
}

/** Writes the scenario into a directory of its own and returns the file's path. */
export function writeScenario(scenario: GpuScenario): string {
  const path = join(mkdtempSync(join(tmpdir(), 'wattmeter-scenario-')), 'scenario.txt');
  writeFileSync(path, scenarioText(scenario));
  return path;
}

/** The variable that tells the stand-in its scenario. */
export const SCENARIO_VARIABLE = 'WATTMETER_GPU_SCENARIO';
