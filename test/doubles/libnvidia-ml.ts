// Builds the C stand-in for libnvidia-ml.so.1 with the system's compiler, and writes the scenarios that it plays.

import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import type { TestContext } from 'vitest';

import { needProgram } from '../system-program.ts';
import { scenarioText, type GpuScenario } from './gpu-scenario.ts';

/** How a build differs from a library that has everything. */
export interface Build {
  /** The library of somebody else, with the least there is (libnvidia-ml-minimal). */
  readonly isMinimal?: boolean;
  /** Functions that it lacks, as old drivers' libraries do. */
  readonly without?: readonly string[];
  /** The long process entries of drivers 535.43–.86. */
  readonly hasLongProcesses?: boolean;
}

const COMPILER_FLAGS = '-std=c11 -Wall -Wextra -Werror -O2 -fPIC -shared'.split(' ');

const built = new Map<string, string>();

/** Compiles a stand-in into a directory of its own; returns the path of its `libnvidia-ml.so.1`. Needs `cc`. */
export function buildStandIn(context: TestContext, build: Build = {}): string {
  const compiler = needProgram(context, 'cc');
  const key = JSON.stringify(build);
  const known = built.get(key);
  if (known !== undefined) return known;
  const directory = mkdtempSync(join(tmpdir(), 'wattmeter-nvml-'));
  const library = join(directory, 'libnvidia-ml.so.1');
  const name = build.isMinimal === true ? 'libnvidia-ml-minimal' : 'libnvidia-ml';
  const sources = resolve(import.meta.dirname, name);
  const files = readdirSync(sources).filter((file) => file.endsWith('.c'));
  const hidden = (build.without ?? []).map((name) => `${name};`).join(' ');
  const script = join(directory, 'symbols.map');
  writeFileSync(script, `{ global: *; ${hidden === '' ? '' : `local: ${hidden}`} };\n`);
  execFileSync(compiler, [
    ...COMPILER_FLAGS,
    `-Wl,--version-script=${script}`,
    '-o',
    library,
    ...(build.hasLongProcesses === true ? ['-DLONG_PROCESS_INFO'] : []),
    ...files.map((file) => join(sources, file)),
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

/** A copy of a stand-in that plays `scenario` whatever the environment says: several may be loaded in one process. */
export function standInFor(library: string, scenario: GpuScenario): string {
  const directory = mkdtempSync(join(tmpdir(), 'wattmeter-nvml-'));
  const copy = join(directory, 'libnvidia-ml.so.1');
  copyFileSync(library, copy);
  writeFileSync(join(directory, 'scenario.txt'), scenarioText(scenario));
  return copy;
}

/** The variable that tells the stand-in its scenario. */
export const SCENARIO_VARIABLE = 'WATTMETER_GPU_SCENARIO';
