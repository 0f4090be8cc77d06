// What AMD's tools print as JSON, understood: `rocm-smi --json` (flat, a new set of names each release) and
// `amd-smi metric --json` (nested values with units). Untrusted text from another program.

import { z } from 'zod';

import type { Device, Gauges } from '../model.ts';
import { fromMebibytes, fromMegahertz, fromPercent, watts } from '../units.ts';
import type { PolledReading } from './polled.ts';

/** A GPU as one call of a tool shows it: who it is, and how it is now. */
export interface AmdGpu {
  readonly device: Device;
  readonly reading: PolledReading;
}

const rocmSchema = z.record(z.string(), z.record(z.string(), z.union([z.string(), z.number()])));

type Card = Readonly<Record<string, string | number>>;

/** The first of several names that holds something; AMD renames fields between releases. */
function textOf(card: Card, names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = card[name];
    if (value === undefined) continue;
    const text = String(value).trim();
    if (text !== '' && text !== 'N/A') return text;
  }
  return undefined;
}

// `(1402Mhz)`, `36.0`, `290.0 W`: the number in it.
function numberOf(card: Card, names: readonly string[]): number | undefined {
  const found = /-?\d+(?:\.\d+)?/.exec(textOf(card, names) ?? '')?.[0];
  return found === undefined ? undefined : Number(found);
}

const POWER_NAMES = [
  'Current Socket Graphics Package Power (W)',
  'Average Graphics Package Power (W)',
  'Current Socket Power (W)',
  'Average Socket Power (W)',
];

function gaugesOf(card: Card): Gauges {
  const busy = numberOf(card, ['GPU use (%)']);
  const used = numberOf(card, ['VRAM Total Used Memory (B)']);
  const total = numberOf(card, ['VRAM Total Memory (B)']);
  const temperature = numberOf(card, [
    'Temperature (Sensor edge) (C)',
    'Temperature (Sensor junction) (C)',
  ]);
  const clock = numberOf(card, ['sclk clock speed:']);
  const limit = numberOf(card, ['Max Graphics Package Power (W)']);
  return {
    ...(busy === undefined ? {} : { utilizationRatio: fromPercent(busy) }),
    ...(used === undefined ? {} : { memoryUsedBytes: used }),
    ...(total === undefined ? {} : { memoryTotalBytes: total }),
    ...(temperature === undefined ? {} : { temperatureCelsius: temperature }),
    ...(clock === undefined ? {} : { smClockHertz: fromMegahertz(clock) }),
    ...(limit === undefined ? {} : { powerLimitWatts: watts(limit) }),
  };
}

const uuidOf = (unique: string | undefined, address: string | undefined, index: number): string =>
  unique !== undefined
    ? `AMD-${unique.replace(/^0x/i, '').toLowerCase()}`
    : address !== undefined
      ? `PCI-${address.toLowerCase()}`
      : `AMD-index-${index}`;

function rocmGpu(card: Card, index: number, driver: string | undefined): AmdGpu {
  const address = textOf(card, ['PCI Bus']);
  const uuid = uuidOf(textOf(card, ['Unique ID']), address, index);
  const power = numberOf(card, POWER_NAMES);
  const gauges = gaugesOf(card);
  return {
    device: {
      uuid,
      index,
      kind: 'gpu',
      model:
        textOf(card, ['Card Series', 'Card series', 'Device Name', 'Card Model', 'Card model']) ??
        'unknown',
      source: 'amd-smi',
      powerOrigin: 'measured',
      ...(driver === undefined ? {} : { driverVersion: driver }),
      ...(address === undefined ? {} : { pciBusId: address }),
      ...(gauges.powerLimitWatts === undefined ? {} : { powerLimitWatts: gauges.powerLimitWatts }),
      ...(gauges.memoryTotalBytes === undefined
        ? {}
        : { memoryTotalBytes: gauges.memoryTotalBytes }),
    },
    reading:
      power === undefined
        ? { uuid, status: 'not-supported' }
        : { uuid, status: 'ok', powerWatts: { draw: power }, gauges },
  };
}

/** The GPUs in rocm-smi's JSON. @throws when it is not that. */
export function parseRocmSmi(text: string): AmdGpu[] {
  const answer = rocmSchema.parse(JSON.parse(text));
  const driver = answer['system'] && textOf(answer['system'], ['Driver version']);
  return Object.entries(answer).flatMap(([name, card]) => {
    const index = /^card(\d+)$/.exec(name)?.[1];
    return index === undefined ? [] : [rocmGpu(card, Number(index), driver)];
  });
}

const amount = z.union([
  z.object({ value: z.union([z.number(), z.string()]), unit: z.string().optional() }),
  z.number(),
  z.string(),
]);
// A section that the GPU lacks is the text `N/A`.
const section = z.record(z.string(), z.unknown()).optional().catch(undefined);

const metricSchema = z.array(
  z.object({
    gpu: z.number(),
    power: section,
    energy: section,
    usage: section,
    temperature: section,
    mem_usage: section,
  }),
);

const listSchema = z.array(
  z.object({ gpu: z.number(), bdf: z.string().optional(), uuid: z.string().optional() }),
);

// Newer releases wrap the list: `{"gpu_data": […]}`.
const unwrap = (answer: unknown): unknown =>
  typeof answer === 'object' && answer !== null && 'gpu_data' in answer ? answer.gpu_data : answer;

/** The number of `{"value": 133, "unit": "W"}`, `133` or `"133 W"`; undefined for `N/A` and what else is not one. */
function amountOf(
  group: Readonly<Record<string, unknown>> | undefined,
  name: string,
): number | undefined {
  const parsed = amount.safeParse(group?.[name]);
  if (!parsed.success) return undefined;
  const raw = typeof parsed.data === 'object' ? parsed.data.value : parsed.data;
  const value = typeof raw === 'number' ? raw : Number.parseFloat(raw);
  return Number.isNaN(value) ? undefined : value;
}

type Metric = z.infer<typeof metricSchema>[number];

function metricGauges(metric: Metric): Gauges {
  const busy = amountOf(metric.usage, 'gfx_activity');
  const used = amountOf(metric.mem_usage, 'used_vram');
  const total = amountOf(metric.mem_usage, 'total_vram');
  const temperature =
    amountOf(metric.temperature, 'edge') ?? amountOf(metric.temperature, 'hotspot');
  return {
    ...(busy === undefined ? {} : { utilizationRatio: fromPercent(busy) }),
    ...(used === undefined ? {} : { memoryUsedBytes: fromMebibytes(used) }),
    ...(total === undefined ? {} : { memoryTotalBytes: fromMebibytes(total) }),
    ...(temperature === undefined ? {} : { temperatureCelsius: temperature }),
  };
}

/** The GPUs in amd-smi's JSON: `metric` for the numbers, `list` for who they are. @throws when it is not that. */
export function parseAmdSmi(metricText: string, listText: string): AmdGpu[] {
  const metrics = metricSchema.parse(unwrap(JSON.parse(metricText)));
  const listed = listSchema.parse(unwrap(JSON.parse(listText)));
  return metrics.map((metric) => {
    const known = listed.find(({ gpu }) => gpu === metric.gpu);
    const uuid = known?.uuid ?? uuidOf(undefined, known?.bdf, metric.gpu);
    const power = amountOf(metric.power, 'socket_power');
    const energy = amountOf(metric.energy, 'total_energy_consumption');
    const gauges = metricGauges(metric);
    return {
      device: {
        uuid,
        index: metric.gpu,
        kind: 'gpu',
        model: 'AMD GPU',
        source: 'amd-smi',
        powerOrigin: 'measured',
        ...(known?.bdf === undefined ? {} : { pciBusId: known.bdf }),
        ...(gauges.memoryTotalBytes === undefined
          ? {}
          : { memoryTotalBytes: gauges.memoryTotalBytes }),
      },
      reading:
        power === undefined && energy === undefined
          ? { uuid, status: 'not-supported' }
          : {
              uuid,
              status: 'ok',
              gauges,
              ...(power === undefined ? {} : { powerWatts: { draw: power } }),
              ...(energy === undefined ? {} : { counterJoules: energy }),
            },
    };
  });
}
