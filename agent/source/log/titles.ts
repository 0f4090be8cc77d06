// The titles that columns have in logs, and what they stand for.

import type { PowerField } from '../../model.ts';
import { looksLikeTime } from './timestamp.ts';

/** Facts and slow values that a row may carry. */
export type FactName =
  | 'name'
  | 'driverVersion'
  | 'pciBusId'
  | 'powerLimit'
  | 'ratedPower'
  | 'memoryTotal'
  | 'memoryUsed'
  | 'utilization'
  | 'temperature'
  | 'smClock';

/** What a title stands for. */
export type Meaning =
  | { readonly kind: 'time' | 'date' | 'uuid' | 'index' | 'monotonic' | 'status' | 'counter' }
  | { readonly kind: 'power'; readonly field: PowerField }
  | { readonly kind: 'fact'; readonly fact: FactName };

const power = (field: PowerField): Meaning => ({ kind: 'power', field });
const fact = (name: FactName): Meaning => ({ kind: 'fact', fact: name });

// Titles after `plainTitle`: nvidia-smi's names first, then those met in other loggers.
const MEANINGS: Readonly<Record<string, Meaning>> = {
  timestamp: { kind: 'time' },
  time: { kind: 'time' },
  datetime: { kind: 'time' },
  date_time: { kind: 'time' },
  time_stamp: { kind: 'time' },
  ts: { kind: 'time' },
  epoch: { kind: 'time' },
  unix_time: { kind: 'time' },
  timestamp_utc: { kind: 'time' },
  date: { kind: 'date' },
  power_draw: power('draw'),
  power: power('draw'),
  gpu_power: power('draw'),
  gpu_power_draw: power('draw'),
  power_usage: power('draw'),
  watts: power('draw'),
  pwr: power('draw'),
  power_draw_instant: power('instant'),
  gpu_power_draw_instant: power('instant'),
  power_instant: power('instant'),
  instant_power_draw: power('instant'),
  power_draw_average: power('average'),
  gpu_power_draw_average: power('average'),
  power_average: power('average'),
  average_power_draw: power('average'),
  energy_counter: { kind: 'counter' },
  total_energy_consumption: { kind: 'counter' },
  monotonic: { kind: 'monotonic' },
  status: { kind: 'status' },
  uuid: { kind: 'uuid' },
  gpu_uuid: { kind: 'uuid' },
  index: { kind: 'index' },
  gpu: { kind: 'index' },
  gpu_id: { kind: 'index' },
  gpu_index: { kind: 'index' },
  gpu_idx: { kind: 'index' },
  name: fact('name'),
  gpu_name: fact('name'),
  driver_version: fact('driverVersion'),
  pci_bus_id: fact('pciBusId'),
  gpu_bus_id: fact('pciBusId'),
  enforced_power_limit: fact('powerLimit'),
  power_limit: fact('powerLimit'),
  power_default_limit: fact('ratedPower'),
  memory_total: fact('memoryTotal'),
  memory_used: fact('memoryUsed'),
  utilization_gpu: fact('utilization'),
  temperature_gpu: fact('temperature'),
  clocks_sm: fact('smClock'),
  clocks_current_sm: fact('smClock'),
};

/** A unit in brackets at the end of a title. */
export const BRACKETED_UNIT: RegExp = /[[(]([^\])]*)[\])]\s*$/;
const NAMED_UNIT = /^(.+)_(w|mw|kw|watts?|milliwatts?|kilowatts?)$/;

/** A title without its unit, and the unit. */
export interface Title {
  readonly plain: string;
  readonly unit: string | undefined;
}

/** `power.draw [W]`, `Power Draw (W)` and `power_draw_w` are one title with one unit. */
export function plainTitle(text: string): Title {
  const unit = BRACKETED_UNIT.exec(text)?.[1]?.trim();
  const plain = text
    .replace(BRACKETED_UNIT, '')
    .trim()
    .toLowerCase()
    .replaceAll(/[\s.\-/]+/g, '_');
  const named = NAMED_UNIT.exec(plain);
  if (named?.[1] === undefined) return { plain, unit };
  return { plain: named[1], unit: unit ?? named[2] };
}

/** What a title stands for; undefined when nobody knows it. */
export const meaningOf = (title: Title): Meaning | undefined => MEANINGS[title.plain];

/** Whether these cells are a header: some title is known, time or power among them, and nothing is a time itself. */
export function isHeader(cells: readonly string[]): boolean {
  if (cells.some(looksLikeTime)) return false;
  const meanings = cells.map((cell) => meaningOf(plainTitle(cell))?.kind);
  return meanings.some((kind) => kind === 'time' || kind === 'date' || kind === 'power');
}

/** What a title stands for, as far as a log without a header needs to know. */
export function titleKind(cell: string): 'time' | 'power' | undefined {
  const kind = meaningOf(plainTitle(cell))?.kind;
  return kind === 'time' || kind === 'power' ? kind : undefined;
}
