// Reads a fleet's counters out of a Prometheus, chunk by chunk in order of time, and folds each device's as they come:
// memory grows with the number of devices, not with the length of the span.

import { InputError } from '../input-error.ts';
import type { Warning } from '../model.ts';
import { formatInstant } from '../local-time.ts';
import { after, between, instant, type Instant } from '../units.ts';
import { chargeStep, newCharge, type FleetCharged, type FleetPricing } from './fleet-charge.ts';
import type { FleetDevice } from './fleet-device.ts';
import { someOf } from './fleet-findings.ts';
import { openDeviceFold, type DeviceFold, type Span } from './fleet-fold.ts';
import type { Prometheus, StoredSeries } from './fleet-prometheus.ts';
import { FLEET_METRICS, joinRows, type DeviceRows, type FleetRows } from './fleet-rows.ts';

/** Which part of which fleet. */
export interface FleetQuestion {
  readonly job: string;
  readonly span: Span;
  /** The label that tells nodes apart; `instance` in a Prometheus as it comes. */
  readonly hostLabel: string;
  readonly pricing: FleetPricing;
}

/** What was read. */
export interface FleetReadings {
  readonly devices: readonly FleetDevice[];
  readonly warnings: readonly Warning[];
}

// How far beyond the span a scrape is looked for that encloses its edge: as long as Prometheus itself looks back.
const LOOK_SECONDS = 300;
const FIRST_CHUNK_SECONDS = 600;
const SHORTEST_CHUNK_SECONDS = 15;
const LONGEST_CHUNK_SECONDS = 86_400;
/** Of one answer: some 10 MB of JSON. */
const SAMPLES_PER_CHUNK = 250_000;

const ENERGY = 'wattmeter_gpu_energy_joules_total';

/** A PromQL string: JSON's escapes are among Go's. */
const quoted = (text: string): string => JSON.stringify(text);

interface OpenDevice {
  readonly fold: DeviceFold;
  readonly charged: FleetCharged;
  facts: Omit<DeviceRows, 'rows'>;
}

/** Reads and folds. @throws InputError where the Prometheus fails, or knows nothing of the job in the span */
export async function readFleet(
  prometheus: Prometheus,
  question: FleetQuestion,
): Promise<FleetReadings> {
  const { job, hostLabel } = question;
  const open = new Map<string, OpenDevice>();
  let implausible = 0;
  for await (const series of chunksOf(prometheus, question)) {
    const rows = joinRows(series, hostLabel);
    implausible += rows.implausibleCount;
    foldRows(open, rows, question);
  }
  const devices = [...open.values()]
    .map(({ fold, charged, facts }) => ({ ...facts, charged, sums: fold.sums() }))
    .filter(({ sums }) => sums.enclosed !== undefined || sums.scrapeCount > 0);
  if (devices.every(({ kind }) => kind === 'host')) throw await whyNothing(prometheus, question);
  const silent = await silentHosts(prometheus, question, devices);
  return {
    devices,
    warnings: [
      ...prometheus.warnings().map((text) => ({
        code: 'prometheus-warning',
        message: `${prometheus.name} says: ${text}.`,
      })),
      ...implausibleWarnings(implausible),
      ...silentWarnings(silent, job),
    ],
  };
}

async function* chunksOf(
  prometheus: Prometheus,
  { job, span }: FleetQuestion,
): AsyncGenerator<readonly StoredSeries[]> {
  const selector = `{__name__=~${quoted(FLEET_METRICS.join('|'))},job=${quoted(job)}}`;
  const end = after(span.endSeconds, LOOK_SECONDS);
  let from = after(span.startSeconds, -LOOK_SECONDS);
  let length = FIRST_CHUNK_SECONDS;
  while (from < end) {
    const to = instant(Math.min(end, after(from, length)));
    const answer = await prometheus.samples(selector, from, to);
    if (answer.kind === 'too-heavy') {
      if (length <= SHORTEST_CHUNK_SECONDS) throw answer.error;
      length = Math.max(SHORTEST_CHUNK_SECONDS, between(from, to) / 4);
      continue;
    }
    yield answer.data;
    length = nextLength(answer.data, from, to);
    from = to;
  }
}

function nextLength(series: readonly StoredSeries[], from: Instant, to: Instant): number {
  const samples = series.reduce((total, { values }) => total + values.length, 0);
  const length = between(from, to);
  const wanted = samples === 0 ? length * 4 : (length * SAMPLES_PER_CHUNK) / samples;
  // A fleet may wake up in the next chunk: grow by steps.
  return Math.min(
    LONGEST_CHUNK_SECONDS,
    Math.max(SHORTEST_CHUNK_SECONDS, Math.min(wanted, length * 4)),
  );
}

function foldRows(
  open: Map<string, OpenDevice>,
  { devices, nodes }: FleetRows,
  { span, pricing }: FleetQuestion,
): void {
  for (const { rows, ...facts } of devices) {
    const key = JSON.stringify([facts.host, facts.kind, facts.uuid]);
    const device = open.get(key) ?? { fold: openDeviceFold(span), charged: newCharge(), facts };
    open.set(key, device);
    device.facts = { ...device.facts, ...facts };
    for (const row of rows) {
      const step = device.fold.add(row);
      if (step === undefined) continue;
      const node = nodes.get(facts.host)?.get(row.timeSeconds);
      const { kind, uuid } = facts;
      chargeStep(device.charged, step, { kind, uuid, node, pricing });
    }
  }
}

const spanInWords = ({ startSeconds, endSeconds }: Span): string =>
  `from ${formatInstant(startSeconds)} to ${formatInstant(endSeconds)}`;

async function whyNothing(
  prometheus: Prometheus,
  { job, span }: FleetQuestion,
): Promise<InputError> {
  const jobs = await prometheus.labelValues('job', ENERGY);
  if (jobs.includes(job)) {
    return new InputError(
      prometheus.name,
      `job ${quoted(job)} has no sample of a GPU ${spanInWords(span)}`,
      'Is the span right, and does the server keep samples for that long',
    );
  }
  const scraped = await prometheus.labelValues('job', 'up');
  const cause = scraped.includes(job)
    ? `no target of job ${quoted(job)} exports Wattmeter's GPU counters`
    : `there is no job ${quoted(job)}`;
  const known = jobs.length === 0 ? 'No job has them: does it scrape wattmeter agent' : '';
  return new InputError(
    prometheus.name,
    cause,
    known || `Jobs with Wattmeter: ${jobs.slice(0, 10).join(', ')}`,
  );
}

/** Nodes that were scraped, or tried to be, and of which no GPU is known: not the same as nodes without energy. */
async function silentHosts(
  prometheus: Prometheus,
  { job, span, hostLabel }: FleetQuestion,
  devices: readonly FleetDevice[],
): Promise<readonly string[]> {
  const length = Math.max(1, Math.round(between(span.startSeconds, span.endSeconds) * 1e3));
  const targets = await prometheus.labelSets(
    `count_over_time(up{job=${quoted(job)}}[${length}ms])`,
    span.endSeconds,
  );
  const known = new Set(devices.filter(({ kind }) => kind === 'gpu').map(({ host }) => host));
  return targets
    .map((labels) => labels[hostLabel] ?? '')
    .filter((host) => host !== '' && !known.has(host))
    .toSorted();
}

const silentWarnings = (hosts: readonly string[], job: string): Warning[] =>
  hosts.length === 0
    ? []
    : [
        {
          code: 'fleet-silent-nodes',
          message: `Nodes of job ${job} that show no GPU in the span, so that their energy is unknown, not zero: ${someOf(hosts)}.`,
        },
      ];

const implausibleWarnings = (count: number): Warning[] =>
  count === 0
    ? []
    : [
        {
          code: 'fleet-implausible',
          message: `${count} samples that no counter can have (negative, or no number) were left out.`,
        },
      ];
