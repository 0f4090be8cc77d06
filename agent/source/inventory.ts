// What GPUs and what machine are here: asked once, outside the sampling. nvidia-smi's XML is read by node-nvidia-smi in
// a child of its own, because that package gives no handle on the nvidia-smi it starts: the whole group is killed late.

import { createRequire } from 'node:module';

import { z } from 'zod';

import { fromMebibytes, watts, type Watts } from '../units.ts';
import { askChild } from './child.ts';
import { missingReason, numberOf } from './log/cell.ts';
import { failureOf, silence } from './nvidia-smi-failure.ts';
import { SourceError } from './source.ts';

/** A GPU as `nvidia-smi -q -x` describes it; absent means that it does not say. */
export interface GpuInventory {
  /** Its place in the answer. */
  readonly index: number;
  readonly uuid?: string;
  readonly model?: string;
  readonly driverVersion?: string;
  readonly pciBusId?: string;
  readonly powerLimitWatts?: Watts;
  /** The board's default power limit. */
  readonly ratedPowerWatts?: Watts;
  readonly memoryTotalBytes?: number;
  readonly isPersistenceModeOn?: boolean;
  readonly isMigModeOn?: boolean;
}

/** How to ask. */
export interface InventoryOptions {
  readonly signal: AbortSignal;
  readonly deadlineSeconds?: number;
  readonly env?: NodeJS.ProcessEnv;
}

const DEADLINE_SECONDS = 15;
const ASK = `
require(process.argv[1])((failure, answer) => {
  if (failure) {
    process.stderr.write(String(failure.message ?? failure));
    process.exitCode = typeof failure.code === 'number' ? failure.code : 1;
  } else process.stdout.write(JSON.stringify(answer));
});`;

/**
 * The GPUs that nvidia-smi lists.
 *
 * @throws {SourceError} when it is missing, fails, or does not answer in time.
 */
export async function readGpuInventory(options: InventoryOptions): Promise<GpuInventory[]> {
  const deadlineSeconds = options.deadlineSeconds ?? DEADLINE_SECONDS;
  const packagePath = createRequire(import.meta.url).resolve('node-nvidia-smi');
  const answer = await askChild(process.execPath, ['-e', ASK, packagePath], {
    env: options.env ?? process.env,
    deadlineSeconds,
    signal: options.signal,
  });
  if (answer.kind === 'late') {
    throw asError(silence('nvidia-smi -q -x', deadlineSeconds));
  }
  const { ending, stdout, stderr } = answer;
  if (ending.kind !== 'exited' || ending.code !== 0) {
    // A shell between us and nvidia-smi says 127 for a program that is not there.
    const isMissing = ending.kind === 'exited' && ending.code === 127;
    const error = Object.assign(new Error(stderr), { code: 'ENOENT' });
    const actual = isMissing ? ({ kind: 'not-started', error } as const) : ending;
    throw asError(failureOf('nvidia-smi -q -x', actual, stderr));
  }
  return gpusIn(stdout);
}

const asError = (failure: ReturnType<typeof silence>): SourceError =>
  new SourceError(failure.message, failure);

// The parser gives one GPU as an object and several as a list; everything in them is text, or a block of text.
const block = z.record(z.string(), z.unknown()).catch({});
const answerShape = z.object({
  nvidia_smi_log: z.looseObject({
    driver_version: z.string().optional(),
    gpu: z.union([z.array(block), block.transform((gpu) => [gpu])]).optional(),
  }),
});

function gpusIn(json: string): GpuInventory[] {
  const parsed = answerShape.safeParse(parseJson(json));
  if (!parsed.success) {
    throw new SourceError(
      'nvidia-smi -q -x answered in a form that is not known. Does it print an nvidia_smi_log?',
      { fate: 'fatal', reason: 'malformed' },
    );
  }
  const { driver_version: driverVersion, gpu = [] } = parsed.data.nvidia_smi_log;
  return gpu.map((entry, index) => gpuOf(entry, index, driverVersion));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

type Block = Readonly<Record<string, unknown>>;

const within = (entry: Block, name: string): Block => block.parse(entry[name]);

function textOf(entry: Block, name: string): string | undefined {
  const value = entry[name];
  return typeof value === 'string' && missingReason(value) === undefined ? value : undefined;
}

/** The first of these blocks that gives this number. */
function quantityIn(blocks: readonly Block[], ...names: readonly string[]): number | undefined {
  return blocks
    .flatMap((entry) => names.map((name) => numberOf(textOf(entry, name) ?? '')))
    .find((value) => value === value);
}

const isOn = (text: string | undefined): boolean | undefined =>
  text === undefined ? undefined : text === 'Enabled';

function gpuOf(entry: Block, index: number, driverVersion: string | undefined): GpuInventory {
  // Up to driver 525 the block is power_readings, later gpu_power_readings; a module's limits are not a GPU's.
  const powers = [within(entry, 'gpu_power_readings'), within(entry, 'power_readings')];
  const limit = quantityIn(powers, 'current_power_limit', 'enforced_power_limit', 'power_limit');
  const rated = quantityIn(powers, 'default_power_limit');
  const memory = quantityIn([within(entry, 'fb_memory_usage')], 'total');
  const uuid = textOf(entry, 'uuid');
  const model = textOf(entry, 'product_name');
  const pciBusId = textOf(within(entry, '$'), 'id');
  const persistence = isOn(textOf(entry, 'persistence_mode'));
  const mig = isOn(textOf(within(entry, 'mig_mode'), 'current_mig'));
  return {
    index,
    ...(uuid !== undefined && { uuid }),
    ...(model !== undefined && { model }),
    ...(driverVersion !== undefined && { driverVersion }),
    ...(pciBusId !== undefined && { pciBusId }),
    ...(limit !== undefined && { powerLimitWatts: watts(limit) }),
    ...(rated !== undefined && { ratedPowerWatts: watts(rated) }),
    ...(memory !== undefined && { memoryTotalBytes: fromMebibytes(memory) }),
    ...(persistence !== undefined && { isPersistenceModeOn: persistence }),
    ...(mig !== undefined && { isMigModeOn: mig }),
  };
}
