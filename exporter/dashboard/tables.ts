// The tables: GPUs, sources, open runs, jobs, parts of the host. One that has nothing to say is hidden.

import type {
  DeviceSnapshot,
  HostComponent,
  RunSummary,
  Snapshot,
  SourceHealth,
} from '../../agent/snapshot.ts';
import { colourOf } from './colours.ts';
import {
  byId,
  fillCell,
  make,
  makeCell,
  Rows,
  setShown,
  setText,
  setTitle,
  type Cell,
} from './dom.ts';
import {
  coverageOf,
  gapSecondsOf,
  gpusOf,
  isObserved,
  jobSums,
  limitOf,
  ratio,
  type JobSum,
} from './figures.ts';
import {
  coverage,
  duration,
  energy,
  inline,
  memory,
  percent,
  quantity,
  UNKNOWN,
  type Figure,
} from './format.ts';

interface TableRow {
  readonly root: HTMLElement;
  readonly cells: readonly Cell[];
}

const rowMaker = (labels: readonly string[]) => (): TableRow => {
  const cells = labels.map((label, position) => makeCell(label, position === 0 ? 'th' : 'td'));
  return {
    root: make(
      'tr',
      '',
      cells.map(({ root }) => root),
    ),
    cells,
  };
};

type CellText = readonly [main: string, note?: string | undefined, share?: number | undefined];

function fillRow(row: TableRow, texts: readonly CellText[]): void {
  texts.forEach(([main, note, share], position) => {
    const cell = row.cells[position];
    if (cell !== undefined) fillCell(cell, main, note, share);
  });
}

const withSpread = (figure: Figure): CellText => [inline(figure), figure.uncertainty];

function sensorText({ sensor }: DeviceSnapshot): CellText {
  const field = sensor.field === 'unknown' ? UNKNOWN : sensor.field;
  const milliseconds = (seconds: number | undefined): string =>
    seconds === undefined ? '?' : String(Math.round(seconds * 1e3));
  const grid =
    sensor.windowSeconds === undefined && sensor.periodSeconds === undefined
      ? ''
      : `${milliseconds(sensor.windowSeconds)}/${milliseconds(sensor.periodSeconds)} ms, `;
  return [field, `${grid}${sensor.origin}`];
}

const gapText = ({ totals }: DeviceSnapshot): string =>
  Object.entries(totals.gapSeconds)
    .filter(([, seconds]) => seconds > 0)
    .map(([reason, seconds]) => `${duration(seconds)} ${reason}`)
    .join(', ');

function gpuTexts(gpu: DeviceSnapshot): CellText[] {
  const { device, totals } = gpu;
  // What a vanished GPU last said is not what it is now.
  const gauges = gpu.present ? gpu.gauges : {};
  const limit = limitOf(gpu);
  const memoryTotal = gauges.memoryTotalBytes ?? device.memoryTotalBytes;
  return [
    [`GPU ${device.index}`, device.model],
    gpu.present
      ? [
          quantity(gpu.powerWatts, 'W'),
          gpu.powerWatts === undefined ? 'no reading' : '',
          ratio(gpu.powerWatts, limit),
        ]
      : [UNKNOWN, 'gone'],
    [quantity(limit, 'W')],
    [percent(gauges.utilizationRatio), '', gauges.utilizationRatio],
    [quantity(gauges.temperatureCelsius, '°C', 2)],
    [memory(gauges.memoryUsedBytes, memoryTotal), '', ratio(gauges.memoryUsedBytes, memoryTotal)],
    isObserved(gpu) ? withSpread(energy(totals.energyJoules, totals.uncertaintyJoules)) : [UNKNOWN],
    [coverage(coverageOf(gpu)), gapSecondsOf(gpu) > 0 ? gapText(gpu) : ''],
    sensorText(gpu),
    [device.source, device.powerOrigin === 'modelled' ? 'modelled' : (totals.method ?? '')],
  ];
}

const GPU_LABELS = [
  'GPU',
  'Power',
  'Limit',
  'Utilisation',
  'Temperature',
  'Memory',
  'Energy',
  'Coverage',
  'Sensor',
  'Source',
];

function fillGpu(row: TableRow, gpu: DeviceSnapshot, position: number): void {
  fillRow(row, gpuTexts(gpu));
  row.root.className = gpu.present ? (gpu.powerWatts === undefined ? 'silent' : '') : 'gone';
  row.root.style.setProperty('--series', colourOf(position));
  setTitle(
    row.root,
    `${gpu.device.uuid}${gpu.device.pciBusId === undefined ? '' : `, ${gpu.device.pciBusId}`}`,
  );
}

const SOURCE_LABELS = ['Source', 'State', 'Last success', 'Samples', 'Mean read', 'Errors'];

const errorText = (errors: Readonly<Record<string, number>>): string =>
  Object.entries(errors)
    .map(([reason, count]) => `${count} ${reason}`)
    .join(', ');

function sourceTexts(source: SourceHealth, nowSeconds: number): CellText[] {
  const { lastSuccessSeconds: last, readDurationCount: reads } = source;
  const age = last === undefined ? undefined : Math.max(0, nowSeconds - last);
  const mean = reads === 0 ? undefined : (source.readDurationSumSeconds / reads) * 1e3;
  return [
    [source.kind],
    [source.up ? 'up' : 'down'],
    [age === undefined ? 'never' : age < 1 ? 'now' : `${duration(age)} ago`],
    [source.sampleCount.toLocaleString('en')],
    [quantity(mean, 'ms', 2)],
    [errorText(source.errorsByReason) || 'none'],
  ];
}

const RUN_LABELS = ['Run', 'Running for', 'GPU energy'];

const runTexts = (run: RunSummary, nowSeconds: number): CellText[] => [
  [run.name ?? run.id, run.command?.join(' ') ?? ''],
  [duration(nowSeconds - run.startSeconds)],
  withSpread(energy(run.gpuJoules, run.uncertaintyJoules)),
];

const JOB_LABELS = ['Job', 'User', 'GPUs', 'GPU energy'];

const jobTexts = (job: JobSum): CellText[] => [
  [job.name ?? job.jobId, job.name === undefined ? job.kind : `${job.kind} ${job.jobId}`],
  [job.user ?? UNKNOWN],
  [String(job.gpuCount)],
  [inline(energy(job.energyJoules))],
];

const HOST_LABELS = ['Component', 'Energy'];

const hostTexts = ({ component, energyJoules, provenance }: HostComponent): CellText[] => [
  [component],
  [inline(energy(energyJoules)), provenance],
];

/** All tables of the page. */
export class Tables {
  readonly #gpus = new Rows<DeviceSnapshot, TableRow>(byId('gpu-rows'), rowMaker(GPU_LABELS));
  readonly #sources = new Rows<SourceHealth, TableRow>(
    byId('source-rows'),
    rowMaker(SOURCE_LABELS),
  );
  readonly #runs = new Rows<RunSummary, TableRow>(byId('run-rows'), rowMaker(RUN_LABELS));
  readonly #jobs = new Rows<JobSum, TableRow>(byId('job-rows'), rowMaker(JOB_LABELS));
  readonly #host = new Rows<HostComponent, TableRow>(byId('host-rows'), rowMaker(HOST_LABELS));

  /** Writes the tables. */
  show(snapshot: Snapshot): void {
    const { takenSeconds: now, sources, openRuns, host = [] } = snapshot;
    const gpus = gpusOf(snapshot);
    const jobs = jobSums(snapshot);
    this.#gpus.update(
      gpus,
      ({ device }) => device.uuid,
      (row, gpu) => fillGpu(row, gpu, gpus.indexOf(gpu)),
    );
    this.#sources.update(
      sources,
      ({ kind }) => kind,
      (row, source) => {
        fillRow(row, sourceTexts(source, now));
        row.root.className = source.up ? 'up' : 'down';
      },
    );
    this.#runs.update(
      openRuns,
      ({ id }) => id,
      (row, run) => fillRow(row, runTexts(run, now)),
    );
    this.#jobs.update(
      jobs,
      ({ key }) => key,
      (row, job) => fillRow(row, jobTexts(job)),
    );
    this.#host.update(
      host,
      ({ component }) => component,
      (row, part) => fillRow(row, hostTexts(part)),
    );
    setText(byId('gpu-count'), gpus.length === 0 ? 'none seen yet' : String(gpus.length));
    setShown(byId('runs'), openRuns.length > 0);
    setShown(byId('jobs'), jobs.length > 0);
    setShown(byId('host'), host.length > 0);
  }
}
