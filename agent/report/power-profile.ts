// Power over time as an SVG drawing: what a run looked like, at the width of a page.

import { formatDuration, formatPower } from '../display/quantity.ts';

const WIDTH = 800;
const HEIGHT = 220;
const LEFT = 64;
const BOTTOM = 24;
const TOP = 8;
const GRID_LINES = 4;

/** Power of all GPUs together over time; NaN where nothing was read. */
export interface PowerSeries {
  readonly timeSeconds: ArrayLike<number>;
  readonly powerWatts: ArrayLike<number>;
}

interface Extent {
  readonly start: number;
  readonly end: number;
  readonly peak: number;
}

function extentOf(series: readonly PowerSeries[]): Extent | undefined {
  let start = Infinity;
  let end = -Infinity;
  let peak = 0;
  for (const { timeSeconds, powerWatts } of series) {
    for (let row = 0; row < timeSeconds.length; row += 1) {
      start = Math.min(start, timeSeconds[row] ?? Infinity);
      end = Math.max(end, timeSeconds[row] ?? -Infinity);
      const power = powerWatts[row] ?? Number.NaN;
      if (power > peak) peak = power;
    }
  }
  return end > start && peak > 0 ? { start, end, peak } : undefined;
}

/** Lowest and highest power of each pixel column, so that a peak is never averaged away. */
function columnsOf({ timeSeconds, powerWatts }: PowerSeries, { start, end }: Extent): Envelope[] {
  const columns: Envelope[] = [];
  for (let row = 0; row < timeSeconds.length; row += 1) {
    const x = Math.round((((timeSeconds[row] ?? start) - start) / (end - start)) * (WIDTH - LEFT));
    const power = powerWatts[row] ?? Number.NaN;
    const last = columns.at(-1);
    const isKnown = !Number.isNaN(power);
    if (last !== undefined && last.x === x && last.isKnown && isKnown) {
      last.low = Math.min(last.low, power);
      last.high = Math.max(last.high, power);
    } else columns.push({ x, low: power, high: power, isKnown });
  }
  return columns;
}

interface Envelope {
  readonly x: number;
  low: number;
  high: number;
  readonly isKnown: boolean;
}

/** A path that lifts the pen over gaps: unknown power is a hole, not a line to zero. */
function pathOf(columns: readonly Envelope[], peak: number): string {
  const yOf = (power: number): string =>
    (TOP + (1 - power / peak) * (HEIGHT - TOP - BOTTOM)).toFixed(1);
  let path = '';
  let isDown = false;
  for (const { x, low, high, isKnown } of columns) {
    if (isKnown) {
      path += `${isDown ? 'L' : 'M'}${LEFT + x} ${yOf(low)}`;
      if (high > low) path += `L${LEFT + x} ${yOf(high)}`;
    }
    isDown = isKnown;
  }
  return path;
}

function gridOf({ start, end, peak }: Extent): string {
  const lines = Array.from({ length: GRID_LINES + 1 }, (_, step) => {
    const y = TOP + (1 - step / GRID_LINES) * (HEIGHT - TOP - BOTTOM);
    const label = formatPower((peak * step) / GRID_LINES);
    return (
      `<line x1="${LEFT}" x2="${WIDTH}" y1="${y}" y2="${y}" stroke="var(--line)"/>` +
      `<text x="${LEFT - 6}" y="${y + 4}" text-anchor="end">${label}</text>`
    );
  });
  const length = formatDuration(end - start);
  return `${lines.join('')}<text x="${LEFT}" y="${HEIGHT - 4}">0</text><text x="${WIDTH}" y="${HEIGHT - 4}" text-anchor="end">${length}</text>`;
}

/** An `<svg>` element, or nothing where there is nothing to draw. */
export function powerProfile(series: readonly PowerSeries[]): string {
  const extent = extentOf(series);
  if (extent === undefined) return '';
  const paths = series.map(
    (one) =>
      `<path d="${pathOf(columnsOf(one, extent), extent.peak)}" fill="none" stroke="var(--mark)" stroke-width="1.2" stroke-linejoin="round"/>`,
  );
  const label = `Power over ${formatDuration(extent.end - extent.start)}, at most ${formatPower(extent.peak)}`;
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${label}" font-size="11" fill="var(--faint)">${gridOf(extent)}${paths.join('')}</svg>`;
}
