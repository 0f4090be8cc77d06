// Which GPU a MIG instance is a part of, where NVML cannot be asked: `nvidia-smi -L` lists instances below their GPU.

import { askChild } from './child.ts';

/** How to ask. */
export interface MigInstancesOptions {
  readonly signal: AbortSignal;
  readonly env?: NodeJS.ProcessEnv;
  readonly deadlineSeconds?: number;
}

const DEADLINE_SECONDS = 5;
const GPU = /^GPU \d+:.*\(UUID: (GPU-[^)]+)\)/;
const INSTANCE = /^\s+MIG .*\(UUID: (MIG-[^)]+)\)/;

/** Parents by the UUIDs of their instances; empty where nvidia-smi does not say. */
export async function listMigInstances(
  options: MigInstancesOptions,
): Promise<ReadonlyMap<string, string>> {
  const answer = await askChild('nvidia-smi', ['-L'], {
    env: options.env ?? process.env,
    deadlineSeconds: options.deadlineSeconds ?? DEADLINE_SECONDS,
    signal: options.signal,
  });
  return answer.kind === 'answered' ? parentsIn(answer.stdout) : new Map();
}

function parentsIn(text: string): ReadonlyMap<string, string> {
  const parents = new Map<string, string>();
  let parent: string | undefined;
  for (const line of text.split('\n')) {
    parent = GPU.exec(line)?.[1] ?? parent;
    const instance = INSTANCE.exec(line)?.[1];
    if (instance !== undefined && parent !== undefined) parents.set(instance, parent);
  }
  return parents;
}
