// The tables of the text report: a line per GPU while they fit a screen, else a summary and the ones that stand out.

import { clip, clipMiddle, plain, tableLines, wrap, type Column } from '../display/line.ts';
import {
  formatDuration,
  formatEnergy,
  formatPercent,
  formatPower,
  formatValue,
} from '../display/quantity.ts';
import type { Paint } from './paint.ts';
import type { Report, ReportDevice, ReportWindow } from './report.ts';
import { energyInWords, modelsInWords, savingsInWords } from './words.ts';

const WIDTH = 80;
const INDENT = '  ';
const MAX_GPU_LINES = 16;
const MAX_OUTLIERS = 8;
const UUID_WIDTH = 12;
const NAME_WIDTH = 20;

const absent = '–';
const powerOr = (power: number | undefined): string =>
  power === undefined ? absent : formatPower(power);

const titled = (title: string, lines: readonly string[], paint: Paint): string[] => [
  ...wrap(title, WIDTH).map((line) => paint(line, 'strong')),
  ...lines.map((line, position) => INDENT + (position === 0 ? paint(line, 'faint') : line)),
];

/** One line per GPU, or what many of them have in common. */
export function deviceSection({ devices }: Report, paint: Paint): string[] {
  if (devices.length === 0) return [];
  const title = `${modelsInWords(devices)} · ${sensorsInWords(devices)}`;
  if (devices.length <= MAX_GPU_LINES) return titled(title, gpuLines(devices), paint);
  return [...titled(title, summaryLines(devices), paint), ...outlierLines(devices, paint)];
}

function gpuLines(devices: readonly ReportDevice[]): string[] {
  const isMixed = new Set(devices.map(({ model }) => model)).size > 1;
  const areMerged = devices.some(({ host }) => host !== undefined);
  const columns: readonly Column[] = [
    { title: 'GPU', align: 'right' },
    { title: areMerged ? 'host' : isMixed ? 'model' : 'uuid', align: 'left' },
    { title: 'energy', align: 'right' },
    { title: 'mean', align: 'right' },
    { title: 'max', align: 'right' },
    { title: 'coverage', align: 'right' },
    { title: 'by', align: 'left' },
  ];
  const rows = devices.map((device) => [
    String(device.index),
    clipMiddle(
      plain(device.host ?? (isMixed ? device.model : device.uuid)),
      isMixed ? NAME_WIDTH : UUID_WIDTH,
    ),
    energyInWords(device.energyJoules, device.uncertaintyJoules),
    powerOr(device.powerMeanWatts),
    powerOr(device.powerMaxWatts),
    formatPercent(device.coverageRatio),
    device.method ?? absent,
  ]);
  return tableLines(columns, rows);
}

interface Extremes {
  readonly lowest: ReportDevice;
  readonly middle: ReportDevice;
  readonly highest: ReportDevice;
}

function extremesOf(
  devices: readonly ReportDevice[],
  valueOf: (device: ReportDevice) => number,
): Extremes | undefined {
  const sorted = devices.toSorted((a, b) => valueOf(a) - valueOf(b));
  const lowest = sorted[0];
  const middle = sorted[Math.floor((sorted.length - 1) / 2)];
  const highest = sorted.at(-1);
  if (lowest === undefined || middle === undefined || highest === undefined) return undefined;
  return { lowest, middle, highest };
}

/** What of a device is summarised, and how it is written. */
interface Aspect {
  readonly title: string;
  readonly valueOf: (device: ReportDevice) => number | undefined;
  readonly format: (value: number) => string;
}

const ASPECTS: readonly Aspect[] = [
  { title: 'energy', valueOf: (device) => device.energyJoules, format: formatEnergy },
  { title: 'mean power', valueOf: (device) => device.powerMeanWatts, format: formatPower },
  { title: 'max power', valueOf: (device) => device.powerMaxWatts, format: formatPower },
  { title: 'coverage', valueOf: (device) => device.coverageRatio, format: formatPercent },
];

function summaryLines(devices: readonly ReportDevice[]): string[] {
  const columns: readonly Column[] = [
    { title: 'per GPU', align: 'left' },
    { title: 'lowest', align: 'right' },
    { title: 'GPU', align: 'right' },
    { title: 'median', align: 'right' },
    { title: 'highest', align: 'right' },
    { title: 'GPU', align: 'right' },
  ];
  const rows = ASPECTS.map(({ title, valueOf, format }) => {
    const known = devices.filter((device) => valueOf(device) !== undefined);
    const extremes = extremesOf(known, (device) => valueOf(device) ?? 0);
    if (extremes === undefined) return [title, absent];
    const shown = (device: ReportDevice): string => format(valueOf(device) ?? 0);
    const { lowest, middle, highest } = extremes;
    return [title, shown(lowest), nameOf(lowest), shown(middle), shown(highest), nameOf(highest)];
  });
  return tableLines(columns, rows);
}

const nameOf = ({ index, host }: ReportDevice): string =>
  host === undefined ? String(index) : `${clip(plain(host), UUID_WIDTH)}:${index}`;

function outlierLines(devices: readonly ReportDevice[], paint: Paint): string[] {
  const partial = devices
    .filter(({ coverageRatio }) => coverageRatio < 1)
    .toSorted((a, b) => a.coverageRatio - b.coverageRatio);
  if (partial.length === 0) return [];
  const shown = partial.slice(0, MAX_OUTLIERS);
  const count = partial.length > shown.length ? `, ${shown.length} of ${partial.length} shown` : '';
  return ['', ...titled(`With gaps${count}`, gpuLines(shown), paint)];
}

/** The sensors' field, window and period, where they are all alike. */
function sensorsInWords(devices: readonly ReportDevice[]): string {
  const sources = [...new Set(devices.map(({ source }) => source))].join(', ');
  const sensors = new Set(devices.map(({ sensor }) => sensorInWords(sensor)));
  const [only] = sensors;
  return sensors.size === 1 && only !== undefined ? `${sources}, ${only}` : sources;
}

function sensorInWords({
  field,
  windowSeconds,
  periodSeconds,
  origin,
}: ReportDevice['sensor']): string {
  const window = windowSeconds === undefined ? '' : ` window ${formatDuration(windowSeconds)}`;
  const period = periodSeconds === undefined ? '' : ` period ${formatDuration(periodSeconds)}`;
  return `sensor ${field}${window}${period} (${origin})`;
}

/** A line per window, with joules per step and per token where they are known. */
export function windowSection({ windows, cost }: Report, paint: Paint): string[] {
  if (windows.length === 0) return [];
  const hasSteps = windows.some(({ joulesPerStep }) => joulesPerStep !== undefined);
  const hasTokens = windows.some(({ joulesPerToken }) => joulesPerToken !== undefined);
  const hasCost = windows.some(({ energyCost }) => energyCost !== undefined);
  const columns: readonly Column[] = [
    { title: 'window', align: 'left' },
    { title: 'duration', align: 'right' },
    { title: 'energy', align: 'right' },
    ...(hasSteps ? [{ title: 'J/step', align: 'right' } as const] : []),
    ...(hasTokens ? [{ title: 'J/token', align: 'right' } as const] : []),
    ...(hasCost ? [{ title: cost.currency, align: 'right' } as const] : []),
  ];
  const shown = (value: number | undefined): string =>
    value === undefined ? absent : formatValue(value);
  const rows = windows.map((window: ReportWindow) => [
    clip(plain(window.name), NAME_WIDTH),
    formatDuration(window.durationSeconds),
    energyInWords(window.gpuJoules, window.uncertaintyJoules),
    ...(hasSteps ? [shown(window.joulesPerStep)] : []),
    ...(hasTokens ? [shown(window.joulesPerToken)] : []),
    ...(hasCost ? [shown(window.energyCost)] : []),
  ]);
  return titled('Windows', tableLines(columns, rows), paint);
}

/** What would have changed the bill, and the point at which it would have paid. */
export function leverSection({ levers = [], cost }: Report, paint: Paint): string[] {
  if (levers.length === 0) return [];
  const lines = levers.flatMap((lever) => {
    const saved = savingsInWords(lever, cost.currency);
    return [
      ...wrap(`${lever.name}${saved === '' ? '' : `: saves ${saved}`}`, WIDTH - INDENT.length),
      ...[`break-even: ${lever.breakEven}`, `source: ${lever.source}`]
        .flatMap((line) => wrap(line, WIDTH - 2 * INDENT.length))
        .map((line) => INDENT + paint(line, 'faint')),
    ];
  });
  return [
    paint('Levers (modelled; a negative saving is an extra cost)', 'strong'),
    ...lines.map((line) => INDENT + line),
  ];
}
