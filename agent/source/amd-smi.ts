// AMD GPUs through amd-smi or, failing that, rocm-smi: the way where hwmon is out of reach (containers without sysfs).
// Each reading is a program that runs for half a second: hwmon is better wherever it is there.

import { z } from 'zod';

import type { Clock } from '../clock.ts';
import { type AmdGpu, parseAmdSmi, parseRocmSmi } from './amd-readings.ts';
import { askChild } from './child.ts';
import { polledSource } from './polled.ts';
import { type Source, SourceError } from './source.ts';

/** How AMD's tools are asked. */
export interface AmdSmiOptions {
  readonly clock: Clock;
  readonly periodSeconds?: number;
  readonly env?: NodeJS.ProcessEnv;
}

type Tool = (signal: AbortSignal) => Promise<AmdGpu[]>;

const PERIOD_SECONDS = 2;
const DEADLINE_SECONDS = 10;
const METRIC_ARGUMENTS = ['metric', '--json'];
const LIST_ARGUMENTS = ['list', '--json'];
const ROCM_ARGUMENTS = [
  '--showuniqueid',
  '--showproductname',
  '--showbus',
  '--showdriverversion',
  '--showpower',
  '--showmaxpower',
  '--showuse',
  '--showmeminfo',
  'vram',
  '--showtemp',
  '--showclocks',
  '--json',
];

function toolError(command: string, cause: string, reason: string): SourceError {
  return new SourceError(
    `Cannot read AMD GPUs: ${command} ${cause}. Is the amdgpu driver loaded, and may this user open /dev/kfd and /dev/dri (groups render, video)?`,
    { fate: reason === 'program-missing' ? 'fatal' : 'retry', reason },
  );
}

async function ask(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  signal: AbortSignal,
): Promise<string> {
  const options = { env, signal, deadlineSeconds: DEADLINE_SECONDS };
  const answer = await askChild(command, args, options);
  if (answer.kind === 'late') {
    throw toolError(command, `did not answer within ${DEADLINE_SECONDS} s`, 'timeout');
  }
  switch (answer.ending.kind) {
    case 'not-started':
      throw toolError(
        command,
        `is not there (${answer.ending.error.code ?? 'unknown'})`,
        'program-missing',
      );
    case 'killed':
      throw toolError(command, `was killed by ${answer.ending.signal}`, 'program-failed');
    case 'exited':
      if (answer.ending.code === 0) return answer.stdout;
      throw toolError(command, `exited with code ${answer.ending.code}`, 'program-failed');
  }
}

function parsed(command: string, parse: () => AmdGpu[]): AmdGpu[] {
  try {
    return parse();
  } catch (error) {
    const cause =
      error instanceof z.ZodError
        ? `${error.issues[0]?.path.join('.')}: ${error.issues[0]?.message}`
        : String(error).replaceAll(/\s+/g, ' ');
    throw toolError(command, `printed something else than its JSON (${cause})`, 'malformed');
  }
}

/** amd-smi where it is installed, else rocm-smi. */
async function chooseTool(env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<Tool> {
  let list: string;
  try {
    list = await ask('amd-smi', LIST_ARGUMENTS, env, signal);
  } catch (error) {
    if (!(error instanceof SourceError) || error.reason !== 'program-missing') throw error;
    return async (stop) => {
      const text = await ask('rocm-smi', ROCM_ARGUMENTS, env, stop);
      return parsed('rocm-smi', () => parseRocmSmi(text));
    };
  }
  return async (stop) => {
    const metric = await ask('amd-smi', METRIC_ARGUMENTS, env, stop);
    return parsed('amd-smi', () => parseAmdSmi(metric, list));
  };
}

/** The AMD source. Its `events` throws `fatal`, reason `program-missing`, where neither tool is installed. */
export function amdSmiSource(options: AmdSmiOptions): Source {
  const env = options.env ?? process.env;
  let tool: Tool | undefined;
  return polledSource(
    {
      kind: 'amd-smi',
      periodSeconds: options.periodSeconds ?? PERIOD_SECONDS,
      async open(signal) {
        tool = await chooseTool(env, signal);
        const gpus = await tool(signal);
        if (gpus.length === 0) throw toolError('its tool', 'lists no GPU', 'no-gpu');
        return { devices: gpus.map(({ device }) => device), warnings: [] };
      },
      async read(_now, signal) {
        const gpus = (await tool?.(signal)) ?? [];
        return gpus.map(({ reading }) => reading);
      },
      close: () => Promise.resolve(),
    },
    options.clock,
  );
}
