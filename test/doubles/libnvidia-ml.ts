// Builds the C stand-in for libnvidia-ml.so.1 with the system's compiler, and writes the scenarios that it plays.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { scenarioText, type GpuScenario } from './gpu-scenario.ts';

const sources = resolve(import.meta.dirname, 'libnvidia-ml');

/** Whether there is a C compiler; with CI=true its absence is a failure, so tests then run and say so. */
export const compilerPresent: boolean =
  process.env['CI'] === 'true' || spawnSync('cc', ['--version']).status === 0;

/** For a test's name where it is skipped. */
export const COMPILER_NEEDED = 'needs a C compiler named cc';

/** A symbol that a build can leave out, as an old driver's library does. */
export type OmittedSymbol =
  | 'POWER_USAGE'
  | 'TOTAL_ENERGY'
  | 'FIELD_VALUES'
  | 'SAMPLES'
  | 'TEMPERATURE';

const COMPILER_FLAGS = ['-std=c11', '-Wall', '-Wextra', '-Werror', '-O2', '-fPIC', '-shared'];

/** Compiles a stand-in into a directory of its own; returns the path of its `libnvidia-ml.so.1`. */
export function buildStandIn(without: readonly OmittedSymbol[] = []): string {
  const directory = mkdtempSync(join(tmpdir(), 'wattmeter-nvml-'));
  const library = join(directory, 'libnvidia-ml.so.1');
  const files = readdirSync(sources).filter((name) => name.endsWith('.c'));
  execFileSync('cc', [
    ...COMPILER_FLAGS,
    '-o',
    library,
    ...without.map((symbol) => `-DWITHOUT_${symbol}`),
    ...files.map((name) => join(sources, name)),
    '-lm',
  ]);
  return library;
}

/** Writes the scenario beside nothing else and returns the file's path. */
export function writeScenario(scenario: GpuScenario): string {
  const path = join(mkdtempSync(join(tmpdir(), 'wattmeter-scenario-')), 'scenario.txt');
  writeFileSync(path, scenarioText(scenario));
  return path;
}

/** The variable that tells the stand-in its scenario. */
export const SCENARIO_VARIABLE = 'WATTMETER_GPU_SCENARIO';
