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

/** What one entry of a list stands for; `isShared`: an instance of the GPU, not all of it. */
type Resolved =
  | { readonly kind: 'gpu'; readonly device: Device; readonly isShared: boolean }
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
  const { origin, list } = listOf(query);
  switch (origin) {
    case '--gpus':
      return byOption(list, gpus, query);
    case 'CUDA_VISIBLE_DEVICES':
      return byCuda(list, gpus, query);
    case 'SLURM_STEP_GPUS':
    case 'SLURM_JOB_GPUS':
      return byHostList(list, origin, gpus, query);
    case 'NVIDIA_VISIBLE_DEVICES':
    case 'all':
      return byContainer(list, gpus, query);
  }
}

/** Why a job has none of the GPUs that are here; undefined where it has one, or none is here. */
export function noneSelected(
  { uuids, origin }: GpuSelection,
  devices: readonly Device[],
): string | undefined {
  const gpus = devices.filter(({ kind }) => kind === 'gpu');
  if (gpus.length === 0 || gpus.some(({ uuid }) => uuids.has(uuid))) return undefined;
  return `${origin} gives the job none of the GPUs that are here: ${presentGpus(gpus)}.`;
}

/** Whether the list that decides names MIG instances so that only the driver knows their GPUs. */
export const needsMigParents = (query: Omit<SelectionQuery, 'devices' | 'migParents'>): boolean =>
  entriesOf(listOf(query).list).some((entry) => /^MIG-(?!GPU-)/i.test(entry));

function listOf({ option, environment }: Omit<SelectionQuery, 'devices' | 'migParents'>): {
  readonly origin: SelectionOrigin;
  readonly list: string;
} {
  if (option !== undefined) return { origin: '--gpus', list: option };
  const cuda = environment['CUDA_VISIBLE_DEVICES'];
  if (cuda !== undefined) return { origin: 'CUDA_VISIBLE_DEVICES', list: cuda };
  for (const origin of ['SLURM_STEP_GPUS', 'SLURM_JOB_GPUS'] as const) {
    const list = environment[origin]?.trim();
    if (list !== undefined && list !== '') return { origin, list };
  }
  const list = environment['NVIDIA_VISIBLE_DEVICES'];
  return { origin: list === undefined ? 'all' : 'NVIDIA_VISIBLE_DEVICES', list: list ?? '' };
}

function byOption(
  option: string,
  gpus: readonly Device[],
  query: SelectionQuery,
): GpuSelection | BadGpuSelection {
  if (option.trim() === 'all') return selected(gpus, '--gpus');
  if (option.trim() === 'none') return selected([], '--gpus');
  const chosen: Chosen[] = [];
  for (const entry of entriesOf(option)) {
    const found = resolve(entry, gpus, query);
    if (found.kind !== 'gpu') return refusedOption(entry, gpus);
    chosen.push(found);
  }
  return chosen.length > 0 ? selectedBy(chosen, '--gpus') : refusedOption(option, gpus);
}

function refusedOption(entry: string, gpus: readonly Device[]): BadGpuSelection {
  const present = presentGpus(gpus);
  return {
    kind: 'refused',
    message: `Cannot measure --gpus ${entry}: there is no such GPU, or several. Choose from ${present === '' ? 'none: no GPU is there' : present}.`,
  };
}

const presentGpus = (gpus: readonly Device[]): string =>
  gpus.map(({ index, uuid }) => `${index} (${uuid})`).join(', ');

/**
 * CUDA reads up to the first entry that is no device and ignores the rest; an empty list or −1 hides all.
 * https://docs.nvidia.com/cuda/cuda-c-programming-guide/#env-vars
 */
function byCuda(list: string, gpus: readonly Device[], query: SelectionQuery): GpuSelection {
  const origin = 'CUDA_VISIBLE_DEVICES';
  const chosen: Chosen[] = [];
  let usedIndex = false;
  for (const entry of list.split(',').map((word) => word.trim())) {
    const found = resolve(entry, gpus, query);
    if (found.kind === 'unknown-mig') return unresolvedMig(entry, gpus, origin);
    if (found.kind === 'absent') break;
    usedIndex ||= isIndex(entry);
    chosen.push(found);
  }
  const everything = new Set(chosen.map(({ device }) => device)).size === gpus.length;
  const ambiguous = usedIndex && !everything && !isPciOrder(gpus, query.environment);
  return selectedBy(chosen, origin, ambiguous ? [orderUnknown()] : []);
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
  // As many numbers as GPUs, whatever they are: only the job's own are visible.
  if (entries.length === gpus.length && entries.every((entry) => /^\d+$/.test(entry))) {
    return selected(gpus, origin);
  }
  const chosen: Chosen[] = [];
  for (const entry of entries) {
    const found = resolve(entry, gpus, query);
    if (found.kind === 'unknown-mig') return unresolvedMig(entry, gpus, origin);
    if (found.kind === 'absent') return selected(gpus, origin, [listNotUnderstood(origin, entry)]);
    chosen.push(found);
  }
  return selectedBy(chosen, origin);
}

/** `void` and empty tell the container runtime to do nothing (devices may come another way); `none` gives no GPU. */
function byContainer(value: string, gpus: readonly Device[], query: SelectionQuery): GpuSelection {
  const list = value.trim();
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
  selected(gpus, origin, [
    gpus.length === 1 ? migShared(origin, gpus) : listNotUnderstood(origin, entry),
  ]);

/** An instance's power is nowhere to be had: it is the whole GPU's, once, however many of its instances the job has. */
const migShared = (origin: SelectionOrigin, gpus: readonly Device[]): Warning => ({
  code: 'mig-shared',
  message: `${origin} gives the job MIG instances of ${gpus.map(({ index, model }) => `GPU ${index} (${model})`).join(', ')}. No interface tells the power of an instance: the energy is that of the whole GPU, with what its other instances draw.`,
});

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
    const [index, instance] = entry.split(':');
    return found(
      gpus.filter((device) => device.index === Number(index)),
      instance !== undefined,
    );
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
  const parent =
    /^MIG-(GPU-[^/]+)\//i.exec(entry)?.[1] ??
    [...(parents ?? [])].find(([instance]) => sameText(instance, entry))?.[1];
  if (parent === undefined) return gpus.length === 0 ? { kind: 'absent' } : { kind: 'unknown-mig' };
  return found(
    gpus.filter(({ uuid }) => sameText(uuid, parent)),
    true,
  );
}

const sameText = (one: string, other: string): boolean => one.toLowerCase() === other.toLowerCase();

/** Exactly one, or nothing that may be meant. */
function found(matches: readonly Device[], isShared = false): Resolved {
  const [device, second] = matches;
  return device === undefined || second !== undefined
    ? { kind: 'absent' }
    : { kind: 'gpu', device, isShared };
}

type Chosen = Extract<Resolved, { kind: 'gpu' }>;

function selectedBy(
  chosen: readonly Chosen[],
  origin: SelectionOrigin,
  warnings: readonly Warning[] = [],
): GpuSelection {
  const shared = new Set(chosen.filter(({ isShared }) => isShared).map(({ device }) => device));
  const devices = chosen.map(({ device }) => device);
  const told = shared.size === 0 ? warnings : [...warnings, migShared(origin, [...shared])];
  return selected(devices, origin, told);
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
