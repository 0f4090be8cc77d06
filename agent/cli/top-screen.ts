// A moment as the lines of a screen of any size: nothing here knows a terminal. What does not fit is left out, the least
// important first. Plain lines and display/line.ts do what a layout engine would be brought for.

import { clip, pad, plain, widthOf } from '../display/line.ts';
import {
  formatDuration,
  formatEnergy,
  formatMass,
  formatMoney,
  formatNumber,
  formatPercent,
  formatPower,
} from '../display/quantity.ts';
import type { DeviceSnapshot, SourceHealth } from '../snapshot.ts';
import { limitOf, type TopView } from './top-view.ts';

/** How a piece of text stands out; the identity where there is no colour. */
export type TopPaint = (text: string, emphasis: 'strong' | 'faint' | 'alarm') => string;

/** A piece of a line. */
interface Span {
  readonly text: string;
  readonly emphasis?: 'strong' | 'faint' | 'alarm';
}
type Line = readonly Span[];

/** Columns and rows of a screen. */
export interface ScreenSize {
  readonly columns: number;
  readonly rows: number;
}

const TALLEST_SPARKLINE = 4;
const ROOMY_ROWS = 10;
const FEW_ROWS = 9;

/** The screen's lines, at most `rows` of at most `columns`. */
export function drawTop(view: TopView, size: ScreenSize, paint: TopPaint): readonly string[] {
  const tableRows = view.gpus.length + 1;
  // A low screen has no room for air, a very low one none for a chart.
  const isLow = size.rows < ROOMY_ROWS + Math.min(tableRows, FEW_ROWS);
  const air: readonly Line[] = isLow ? [] : [[]];
  const head = [titleLine(view, size.columns), ...air];
  const foot = [...air, ...sourceLines(view)];
  const sums = sumLines(view);
  const fixed = head.length + sums.length + foot.length + air.length;
  const left = size.rows - fixed - tableRows;
  const height = Math.max(isLow ? 0 : 1, Math.min(TALLEST_SPARKLINE, left));
  const chart = sparkline(view.powerHistoryWatts, size.columns, height);
  const tableSpace = Math.max(2, size.rows - fixed - height);
  const lines = [
    ...head,
    ...sums,
    ...chart.map((text): Line => [{ text }]),
    ...air,
    ...gpuTable(view.gpus, size.columns, tableSpace),
    ...foot,
  ];
  return lines.slice(0, size.rows).map((line) => render(line, size.columns, paint));
}

function render(line: Line, columns: number, paint: TopPaint): string {
  let left = columns;
  let rendered = '';
  for (const { text, emphasis } of line) {
    if (left <= 0) break;
    const shown = clip(text, left);
    left -= widthOf(shown);
    rendered += emphasis === undefined ? shown : paint(shown, emphasis);
  }
  return rendered;
}

function titleLine({ elapsedSeconds, isReplay }: TopView, columns: number): Line {
  const title = 'wattmeter top';
  const recording = isReplay ? '   a recording, not this machine' : '';
  const time = `   ${formatDuration(Math.round(elapsedSeconds))}`;
  const quit = 'q quits';
  const space = columns - widthOf(title + time + recording) - widthOf(quit);
  return [
    { text: title, emphasis: 'strong' },
    { text: time },
    { text: recording, emphasis: 'alarm' },
    { text: space > 0 ? ' '.repeat(space) + quit : '', emphasis: 'faint' },
  ];
}

const LABEL_WIDTH = 8;
const label = (text: string): Span => ({ text: pad(text, LABEL_WIDTH), emphasis: 'faint' });

const NOTHING_YET = 'nothing measured yet';

function sumLines(view: TopView): Line[] {
  const { powerWatts, limitWatts, coverageRatio, cost, carbon } = view;
  const limit = limitWatts === undefined ? '' : ` of ${formatPower(limitWatts)}`;
  const seen = coverageRatio < 1 ? `   ${formatPercent(coverageRatio)} seen` : '';
  const isBlank = view.observedSeconds === 0;
  const money =
    cost === undefined
      ? isBlank
        ? NOTHING_YET
        : 'no price for some of the time'
      : formatMoney(cost.amount, cost.currency, cost.uncertainty);
  const grams =
    'missing' in carbon ? carbon.missing : `${formatMass(carbon.grams)} CO2e (${carbon.zone})`;
  return [
    [
      label('Power'),
      powerWatts === undefined
        ? { text: 'no reading of every GPU', emphasis: 'alarm' }
        : { text: formatPower(powerWatts), emphasis: 'strong' },
      { text: limit },
      { text: highestOf(view.powerHistoryWatts), emphasis: 'faint' },
    ],
    [
      label('Energy'),
      isBlank
        ? { text: NOTHING_YET }
        : { text: formatEnergy(view.gpuJoules, view.uncertaintyJoules), emphasis: 'strong' },
      { text: seen, emphasis: 'alarm' },
    ],
    [label('Cost'), { text: money }, { text: cost?.isAssumed === true ? ' (assumed price)' : '' }],
    [label('Carbon'), { text: grams }],
  ];
}

/** What the top of the chart stands for. */
function highestOf(history: readonly (number | undefined)[]): string {
  const known = history.filter((power) => power !== undefined);
  return known.length === 0 ? '' : `   chart: 0 to ${formatPower(Math.max(...known))}`;
}

const EIGHTHS = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'] as const;
const GAP = '·';

/** The newest values as a chart of `height` lines from 0 to their highest; a gap is a dot, not a zero. */
export function sparkline(
  values: readonly (number | undefined)[],
  width: number,
  height: number,
): readonly string[] {
  const shown = values.slice(-width);
  const highest = Math.max(0, ...shown.filter((value) => value !== undefined));
  return Array.from({ length: height }, (_, row) =>
    shown
      .map((value) => {
        const isLowest = row === height - 1;
        if (value === undefined) return isLowest ? GAP : ' ';
        const full = highest > 0 ? Math.round((value / highest) * height * 8) : 0;
        const level = Math.min(8, Math.max(isLowest ? 1 : 0, full - (height - 1 - row) * 8));
        return EIGHTHS[level] ?? ' ';
      })
      .join(''),
  );
}

/** A share of `width` cells as a bar. */
export function bar(ratio: number, width: number): string {
  const partial = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'] as const;
  const eighths = Math.round(Math.min(1, Math.max(0, ratio)) * width * 8);
  const filled = '█'.repeat(Math.floor(eighths / 8)) + (partial[eighths % 8] ?? '');
  return pad(filled, width);
}

interface GpuColumn {
  readonly title: string;
  readonly align: 'left' | 'right';
  /** The higher, the sooner it is left out where the screen is narrow. */
  readonly dispensable: number;
  cell(gpu: DeviceSnapshot): string;
}

const UNKNOWN = '–';
const MODEL_WIDTH = 22;
const GIBIBYTE = 1_073_741_824;
const inGibibytes = (bytes: number): string => formatNumber(bytes / GIBIBYTE, 0);

function memoryOf({ gauges, device }: DeviceSnapshot): string {
  const { memoryUsedBytes } = gauges;
  const total = gauges.memoryTotalBytes ?? device.memoryTotalBytes;
  if (memoryUsedBytes === undefined) return UNKNOWN;
  const of = total === undefined ? '' : `/${inGibibytes(total)}`;
  return `${inGibibytes(memoryUsedBytes)}${of} GiB`;
}

function powerOf(gpu: DeviceSnapshot): string {
  if (gpu.powerWatts === undefined) return 'no reading';
  const limit = limitOf(gpu);
  const power = formatNumber(gpu.powerWatts, 0);
  return limit === undefined ? `${power} W` : `${power}/${formatNumber(limit, 0)} W`;
}

const COLUMNS: readonly GpuColumn[] = [
  { title: '#', align: 'right', dispensable: 0, cell: ({ device }) => String(device.index) },
  {
    title: 'model',
    align: 'left',
    dispensable: 6,
    cell: ({ device }) => clip(plain(device.model).replace(/^NVIDIA /, ''), MODEL_WIDTH),
  },
  { title: 'power', align: 'right', dispensable: 0, cell: powerOf },
  {
    title: 'util',
    align: 'right',
    dispensable: 3,
    cell: ({ gauges: { utilizationRatio: ratio } }) =>
      ratio === undefined ? UNKNOWN : `${formatNumber(ratio * 100, 0)} %`,
  },
  {
    title: 'temp',
    align: 'right',
    dispensable: 4,
    cell: ({ gauges: { temperatureCelsius: celsius } }) =>
      celsius === undefined ? UNKNOWN : `${formatNumber(celsius, 0)} °C`,
  },
  { title: 'memory', align: 'right', dispensable: 5, cell: memoryOf },
  {
    title: 'energy',
    align: 'right',
    dispensable: 2,
    cell: ({ totals }) =>
      totals.observedSeconds > 0
        ? formatEnergy(totals.energyJoules, totals.uncertaintyJoules)
        : UNKNOWN,
  },
];
const GUTTER = 2;
const NARROWEST_BAR = 8;
const WIDEST_BAR = 40;

interface Measured {
  readonly column: GpuColumn;
  readonly cells: readonly string[];
  readonly width: number;
}

/** The columns that fit beside a bar. */
function fitting(gpus: readonly DeviceSnapshot[], columns: number): readonly Measured[] {
  const measured = COLUMNS.map((column): Measured => {
    const cells = gpus.map((gpu) => column.cell(gpu));
    return { column, cells, width: Math.max(widthOf(column.title), ...cells.map(widthOf)) };
  });
  const widthOfAll = (some: readonly Measured[]): number =>
    some.reduce((sum, { width }) => sum + width + GUTTER, NARROWEST_BAR);
  let kept = measured;
  while (widthOfAll(kept) > columns) {
    const least = kept.reduce((a, b) => (b.column.dispensable > a.column.dispensable ? b : a));
    if (least.column.dispensable === 0) break;
    kept = kept.filter((one) => one !== least);
  }
  return kept;
}

/** The longest heading that fits above the bars. */
const barTitle = (width: number): string =>
  ['of its limit', 'of limit', 'limit'].find((title) => title.length <= width) ?? '';

function gpuTable(
  gpus: readonly DeviceSnapshot[],
  columns: number,
  space: number,
): readonly Line[] {
  if (gpus.length === 0) return [[{ text: 'No GPU has given a reading yet.', emphasis: 'alarm' }]];
  const kept = fitting(gpus, columns);
  const taken = kept.reduce((sum, { width }) => sum + width + GUTTER, 0);
  const barWidth = Math.min(WIDEST_BAR, columns - taken);
  const gutter = ' '.repeat(GUTTER);
  const lineOf = (textOf: (one: Measured) => string, drawn: string): string => {
    const cells = kept.map((one) => pad(textOf(one), one.width, one.column.align) + gutter);
    return barWidth > 0 ? cells.join('') + drawn : cells.join('');
  };
  const title: Line = [
    {
      text: lineOf(({ column }) => column.title, pad(barTitle(barWidth), barWidth)),
      emphasis: 'faint',
    },
  ];
  const isCut = gpus.length > space - 1;
  const shown = isCut ? gpus.slice(0, Math.max(0, space - 2)) : gpus;
  const rows = shown.map((gpu, row): Line => {
    const limit = limitOf(gpu);
    const { powerWatts } = gpu;
    const ratio = powerWatts === undefined || !limit ? undefined : powerWatts / limit;
    const text = lineOf(
      ({ cells }) => cells[row] ?? '',
      ratio === undefined ? '' : bar(ratio, Math.max(0, barWidth)),
    );
    return [powerWatts === undefined ? { text, emphasis: 'alarm' } : { text }];
  });
  const rest: Line[] = isCut ? [[{ text: `… and ${gpus.length - shown.length} more GPUs` }]] : [];
  return [title, ...rows, ...rest];
}

function sourceLines({ sources, trouble }: TopView): Line[] {
  const lines = sources.map((source): Line => {
    const state: Span = source.up
      ? { text: 'up', emphasis: 'strong' }
      : { text: 'silent', emphasis: 'alarm' };
    return [label('Source'), { text: `${source.kind} ` }, state, { text: healthOf(source) }];
  });
  const said: Line[] =
    trouble === undefined ? [] : [[label('Trouble'), { text: plain(trouble), emphasis: 'alarm' }]];
  return [...lines, ...said];
}

function healthOf(source: SourceHealth): string {
  const { sampleCount, readDurationCount, readDurationSumSeconds, errorsByReason } = source;
  const mean = readDurationCount > 0 ? readDurationSumSeconds / readDurationCount : undefined;
  const read = mean === undefined ? '' : `, a read takes ${formatDuration(mean)}`;
  const errors = Object.entries(errorsByReason).map(([reason, count]) => `${count} ${reason}`);
  const failed = errors.length === 0 ? '' : `, errors: ${errors.join(', ')}`;
  return `, ${formatNumber(sampleCount, 0)} readings${read}${failed}`;
}
