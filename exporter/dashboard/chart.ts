// Power over the last minutes, one line per GPU or their sum. A hole in the readings is a hole in the line.

import type { Snapshot } from '../../agent/snapshot.ts';
import { colourOf } from './colours.ts';
import { gpusOf } from './figures.ts';
import { clockTime } from './format.ts';

/** What the stream sends first: columns of equal length (exporter/history.ts). */
export interface HistoryEvent {
  readonly timeSeconds: readonly number[];
  readonly powerWatts: Readonly<Record<string, readonly (number | null)[]>>;
}

/** What is drawn. */
export type ChartMode = 'per-gpu' | 'total';

// As exporter/history.ts has them: what the page adds must age like what it was sent.
const MAX_POINTS = 900;
const MIN_SPACING_SECONDS = 0.95;
const HEIGHT_PIXELS = { wide: 280, narrow: 200 };
const NARROW_PIXELS = 560;
// More entries than this hide the chart below its own legend.
const MAX_LEGEND_SERIES = 16;

interface Line {
  readonly uuid: string;
  readonly label: string;
  values: (number | null)[];
}

const cssColour = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const watts = (value: number | null | undefined): string =>
  value === null || value === undefined ? '–' : `${Math.round(value).toLocaleString('en')} W`;

/** The chart of the page. */
export class PowerChart {
  readonly #container: HTMLElement;
  #times: number[] = [];
  #lines: Line[] = [];
  #mode: ChartMode = 'per-gpu';
  #plot: uPlot | undefined;

  constructor(container: HTMLElement) {
    this.#container = container;
    new ResizeObserver(() => this.#resize()).observe(container);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#build());
  }

  /** Per GPU or in total. */
  setMode(mode: ChartMode): void {
    this.#mode = mode;
    this.#build();
  }

  /** Starts from what the server remembers. */
  begin({ timeSeconds, powerWatts }: HistoryEvent): void {
    this.#times = [...timeSeconds];
    this.#lines = Object.entries(powerWatts).map(([uuid, values]) => ({
      uuid,
      label: uuid,
      values: [...values],
    }));
  }

  /** Adds a snapshot; time that goes back (a looped recording) starts anew. */
  add(snapshot: Snapshot): void {
    const gpus = gpusOf(snapshot);
    const names = gpus.map(({ device }) => `GPU ${device.index} ${device.uuid}`).join();
    const changed = names !== this.#lines.map(({ uuid, label }) => `${label} ${uuid}`).join();
    if (changed) this.#adopt(snapshot);
    const newest = this.#times.at(-1);
    if (newest !== undefined && snapshot.takenSeconds < newest) this.#clear();
    else if (newest !== undefined && snapshot.takenSeconds < newest + MIN_SPACING_SECONDS) {
      if (changed) this.#build();
      return;
    }
    this.#times.push(snapshot.takenSeconds);
    gpus.forEach((gpu, position) => {
      this.#lines[position]?.values.push(gpu.present ? (gpu.powerWatts ?? null) : null);
    });
    if (this.#times.length > MAX_POINTS) {
      this.#times.shift();
      for (const line of this.#lines) line.values.shift();
    }
    if (changed || this.#plot === undefined) this.#build();
    else this.#plot.setData(this.#data());
  }

  // Lines in the order of the table; a GPU that history does not know has been silent so far.
  #adopt(snapshot: Snapshot): void {
    const before = new Map(this.#lines.map((line) => [line.uuid, line.values]));
    this.#lines = gpusOf(snapshot).map(({ device }) => ({
      uuid: device.uuid,
      label: `GPU ${device.index}`,
      values: before.get(device.uuid) ?? this.#times.map(() => null),
    }));
  }

  #clear(): void {
    this.#times = [];
    for (const line of this.#lines) line.values = [];
  }

  #totals(): (number | null)[] {
    return this.#times.map((_time, position) => {
      const known = this.#lines.flatMap(({ values }) => values[position] ?? []);
      return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0);
    });
  }

  #data(): uPlot.AlignedData {
    return this.#mode === 'total'
      ? [this.#times, this.#totals()]
      : [this.#times, ...this.#lines.map(({ values }) => values)];
  }

  #series(): uPlot.Series[] {
    // Without a cursor the legend shows the newest values.
    const time: uPlot.Series = {
      label: 'Time',
      value: (_plot, value, _series, index) => (index === null ? 'now' : clockTime(value)),
    };
    const line = (label: string, stroke: string): uPlot.Series => ({
      label,
      stroke,
      width: 1.6,
      spanGaps: false,
      points: { show: false },
      value: (plot, value, position, index) =>
        watts(index === null ? plot.data[position]?.at(-1) : value),
    });
    if (this.#mode === 'total') {
      return [
        time,
        {
          ...line('All GPUs that report', cssColour('--accent')),
          fill: cssColour('--accent-soft'),
        },
      ];
    }
    return [time, ...this.#lines.map(({ label }, position) => line(label, colourOf(position)))];
  }

  #build(): void {
    this.#plot?.destroy();
    const axis = {
      stroke: cssColour('--muted'),
      grid: { stroke: cssColour('--line'), width: 1 },
      ticks: { show: false },
      font: '12px system-ui, sans-serif',
    };
    const series = this.#series();
    this.#plot = new uPlot(
      {
        ...this.#size(),
        series,
        axes: [
          { ...axis, space: 80, size: 32, values: (_plot, ticks) => ticks.map(clockTime) },
          { ...axis, size: 58, values: (_plot, ticks) => ticks.map(watts) },
        ],
        scales: { y: { range: (_plot, _low, high) => [0, Math.max(10, (high ?? 0) * 1.08)] } },
        cursor: { points: { size: 7 }, drag: { x: true, y: false } },
        legend: { show: series.length <= MAX_LEGEND_SERIES + 1 },
      },
      this.#data(),
      this.#container,
    );
  }

  #resize(): void {
    if (this.#container.clientWidth > 0) this.#plot?.setSize(this.#size());
  }

  #size(): { width: number; height: number } {
    const width = Math.max(200, this.#container.clientWidth);
    return { width, height: width < NARROW_PIXELS ? HEIGHT_PIXELS.narrow : HEIGHT_PIXELS.wide };
  }
}
