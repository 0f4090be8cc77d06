// Which GPUs are the job's: --gpus, or what CUDA, Slurm and the container runtime were told. Pure.

import type { Device, Warning } from '../model.ts';

/** Where a selection comes from. */
const SELECTION_ORIGINS = [
  '--gpus',
  'CUDA_VISIBLE_DEVICES',
  'SLURM_STEP_GPUS',
  'SLURM_JOB_GPUS',
  'NVIDIA_VISIBLE_DEVICES',
  'all',
] as const;
export type SelectionOrigin = (typeof SELECTION_ORIGINS)[number];

/** The job's GPUs by UUID. */
export interface GpuSelection {
  readonly kind: 'selected';
  readonly uuids: ReadonlySet<string>;
  readonly origin: SelectionOrigin;
  readonly warnings: readonly Warning[];
}

/** A --gpus that names what is not there: bad usage. */
export interface BadGpuSelection {
  readonly kind: 'refused';
  readonly message: string;
}

/** What one entry of a list stands for. */
type Resolved =
  | { readonly kind: 'gpu'; readonly device: Device }
  | { readonly kind: 'unknown-mig' }
  | { readonly kind: 'absent' };

/** Parents of MIG instances by the instance's UUID, where the driver was asked. */
export type MigParents = ReadonlyMap<string, string>;

/** Everything the choice depends on. */
export interface SelectionQuery {
  /** `--gpus`, if given. */
  readonly option?: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Devices of the source; other kinds than GPUs are passed over. */
  readonly devices: readonly Device[];
  readonly migParents?: MigParents;
}

/** Chooses the job's GPUs; the first origin that says something decides. */
export function selectGpus(query: SelectionQuery): GpuSelection | BadGpuSelection {
  // NVML and nvidia-smi number by PCI address, and `index` is that number.
  const gpus = query.devices.filter(({ kind }) => kind === 'gpu');
  const { environment } = query;
  if (query.option !== undefined) return byOption(query.option, gpus, query);
  const cuda = environment['CUDA_VISIBLE_DEVICES'];
  if (cuda !== undefined) return byCuda(cuda, gpus, query);
  for (const origin of ['SLURM_STEP_GPUS', 'SLURM_JOB_GPUS'] as const) {
    const list = environment[origin]?.trim();
    if (list !== undefined && list !== '') return byHostList(list, origin, gpus, query);
  }
  return byContainer(environment['NVIDIA_VISIBLE_DEVICES'], gpus, query);
}

function byOption(
  option: string,
  gpus: readonly Device[],
  query: SelectionQuery,
): GpuSelection | BadGpuSelection {
  if (option.trim() === 'all') return selected(gpus, '--gpus');
  if (option.trim() === 'none') return selected([], '--gpus');
  const chosen: Device[] = [];
  for (const entry of entriesOf(option)) {
    const found = resolve(entry, gpus, query);
    if (found.kind !== 'gpu') return refusedOption(entry, gpus);
    chosen.push(found.device);
  }
  return chosen.length > 0 ? selected(chosen, '--gpus') : refusedOption(option, gpus);
}

function refusedOption(entry: string, gpus: readonly Device[]): BadGpuSelection {
  const present = gpus.map(({ index, uuid }) => `${index} (${uuid})`).join(', ');
  return {
    kind: 'refused',
    message: `Cannot measure --gpus ${entry}: there is no such GPU, or several. Choose from ${present === '' ? 'none: no GPU is there' : present}.`,
  };
}

/**
 * CUDA reads up to the first entry that is no device and ignores the rest; an empty list or −1 hides all.
 * https://docs.nvidia.com/cuda/cuda-c-programming-guide/#env-vars
 */
function byCuda(list: string, gpus: readonly Device[], query: SelectionQuery): GpuSelection {
  const origin = 'CUDA_VISIBLE_DEVICES';
  const chosen: Device[] = [];
  let usedIndex = false;
  for (const entry of list.split(',').map((word) => word.trim())) {
    const found = resolve(entry, gpus, query);
    if (found.kind === 'unknown-mig') return unresolvedMig(entry, gpus, origin);
    if (found.kind === 'absent') break;
    usedIndex ||= isIndex(entry);
    chosen.push(found.device);
  }
  const everything = new Set(chosen).size === gpus.length;
  const ambiguous = usedIndex && !everything && !isPciOrder(gpus, query.environment);
  return selected(chosen, origin, ambiguous ? [orderUnknown()] : []);
}

/** CUDA's default order is fastest first: among equal GPUs that is PCI order, otherwise only CUDA knows it. */
function isPciOrder(
  gpus: readonly Device[],
  environment: Readonly<Record<string, string | undefined>>,
): boolean {
  if (environment['CUDA_DEVICE_ORDER'] === 'PCI_BUS_ID') return true;
  return new Set(gpus.map(({ model }) => model)).size <= 1;
}

const orderUnknown = (): Warning => ({
  code: 'gpu-order-unknown',
  message:
    'CUDA_VISIBLE_DEVICES counts GPUs of different models in an order that only CUDA knows; PCI order is assumed. Set CUDA_DEVICE_ORDER=PCI_BUS_ID, or name UUIDs.',
});

/** Slurm numbers the host's GPUs; where its cgroup hides the others, those that are left are the job's. */
function byHostList(
  list: string,
  origin: SelectionOrigin,
  gpus: readonly Device[],
  query: SelectionQuery,
): GpuSelection {
  const entries = entriesOf(list).flatMap(expandRange);
  // As many entries as GPUs, whatever their numbers: only the job's own are visible.
  if (entries.length === gpus.length) return selected(gpus, origin);
  const chosen: Device[] = [];
  for (const entry of entries) {
    const found = resolve(entry, gpus, query);
    if (found.kind === 'unknown-mig') return unresolvedMig(entry, gpus, origin);
    if (found.kind === 'absent') return selected(gpus, origin, [listNotUnderstood(origin, entry)]);
    chosen.push(found.device);
  }
  return selected(chosen, origin);
}

/** `void` and empty tell the container runtime to do nothing (devices may come another way); `none` gives no GPU. */
function byContainer(
  value: string | undefined,
  gpus: readonly Device[],
  query: SelectionQuery,
): GpuSelection {
  const list = value?.trim() ?? '';
  if (list === '' || list === 'void') return selected(gpus, 'all');
  if (list === 'all') return selected(gpus, 'NVIDIA_VISIBLE_DEVICES');
  if (list === 'none') return selected([], 'NVIDIA_VISIBLE_DEVICES');
  return byHostList(list, 'NVIDIA_VISIBLE_DEVICES', gpus, query);
}

const listNotUnderstood = (origin: SelectionOrigin, entry: string): Warning => ({
  code: 'gpu-selection-unresolved',
  message: `${origin} names ${entry}, which is not here; every visible GPU is measured. Name the job's with --gpus.`,
});

const unresolvedMig = (
  entry: string,
  gpus: readonly Device[],
  origin: SelectionOrigin,
): GpuSelection =>
  // With one GPU there is only one parent to have.
  selected(gpus, origin, gpus.length === 1 ? [] : [listNotUnderstood(origin, entry)]);

const entriesOf = (list: string): string[] =>
  list
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');

const isIndex = (entry: string): boolean => /^\d+(?::\d+)?$/.test(entry);

function expandRange(entry: string): string[] {
  const range = /^(\d{1,4})-(\d{1,4})$/.exec(entry);
  if (range === null) return [entry];
  const [first, last] = [Number(range[1]), Number(range[2])];
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, step) => String(first + step));
}

/** An index, `GPU:INSTANCE`, a UUID or the unambiguous beginning of one, `MIG-GPU-UUID/gi/ci` or `MIG-UUID`. */
function resolve(entry: string, gpus: readonly Device[], query: SelectionQuery): Resolved {
  if (isIndex(entry)) {
    const index = Number(entry.split(':')[0]);
    return found(gpus.filter((device) => device.index === index));
  }
  if (/^MIG-/i.test(entry)) return resolveMig(entry, gpus, query.migParents);
  if (!/^GPU-./i.test(entry)) return found(gpus.filter(({ uuid }) => uuid === entry));
  const exact = gpus.filter(({ uuid }) => sameText(uuid, entry));
  return found(
    exact.length > 0
      ? exact
      : gpus.filter(({ uuid }) => uuid.toLowerCase().startsWith(entry.toLowerCase())),
  );
}

function resolveMig(
  entry: string,
  gpus: readonly Device[],
  parents: MigParents | undefined,
): Resolved {
  // Drivers before 470 name the parent in the instance's name.
  const parent = /^MIG-(GPU-[^/]+)\//i.exec(entry)?.[1] ?? parents?.get(entry);
  if (parent === undefined) return gpus.length === 0 ? { kind: 'absent' } : { kind: 'unknown-mig' };
  return found(gpus.filter(({ uuid }) => sameText(uuid, parent)));
}

const sameText = (one: string, other: string): boolean => one.toLowerCase() === other.toLowerCase();

/** Exactly one, or nothing that may be meant. */
function found(matches: readonly Device[]): Resolved {
  const [device, second] = matches;
  return device === undefined || second !== undefined
    ? { kind: 'absent' }
    : { kind: 'gpu', device };
}

const selected = (
  devices: readonly Device[],
  origin: SelectionOrigin,
  warnings: readonly Warning[] = [],
): GpuSelection => ({
  kind: 'selected',
  uuids: new Set(devices.map(({ uuid }) => uuid)),
  origin,
  warnings,
});
