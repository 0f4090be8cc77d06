// Hours of a simulated fleet as a Prometheus holds them: what the exporter would have said at each scrape, written into
// blocks by promtool, and the recording rules evaluated over them, level by level.

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { parse, stringify } from 'yaml';
import { z } from 'zod';

import type { HostComponent, Snapshot } from '../../agent/snapshot.ts';
import { grams, instant, joules, seconds } from '../../agent/units.ts';
import { FAMILIES } from '../../exporter/families.ts';
import { snapshotExposition } from '../../exporter/registry.ts';
import { someGpu, someSnapshot, someSource, someTotals } from '../exporter/a-snapshot.ts';
import { startPrometheusServer } from './prometheus-server.ts';
import { selectionsOf } from './promql.ts';

/** When the history ends; it is an even two-hour boundary plus half an hour, seconds since 1970. */
export const END_SECONDS = 1_793_536_200;
const HISTORY_SECONDS = 9000;
export const START_SECONDS: number = END_SECONDS - HISTORY_SECONDS;
const SCRAPE_SECONDS = 30;
export const NODES = ['node-a', 'node-b', 'node-c'] as const;
const GPUS_PER_NODE = 4;
const PRICE = 0.25;
const PUE = 1.1;
const GRAMS_PER_KILOWATT_HOUR = 344;
const JOULES_PER_KILOWATT_HOUR = 3.6e6;
const IDLE_WATTS = 60;

/** Constant power of a GPU of the fleet. */
const powerOf = (node: number, gpu: number): number => 200 + 100 * node + 25 * gpu;
/** Σ of the fleet's power. */
export const FLEET_WATTS: number = NODES.flatMap((_name, node) =>
  Array.from({ length: GPUS_PER_NODE }, (_none, gpu) => powerOf(node, gpu)),
).reduce((sum, watts) => sum + watts, 0);

const uuidOf = (node: number, gpu: number): string => `GPU-${NODES[node]}-${gpu}`;

/** What node `node` shows `elapsed` seconds after its counters began. */
function snapshotOf(node: number, elapsed: number): Snapshot {
  const gpus = Array.from({ length: GPUS_PER_NODE }, (_none, index) => {
    const energy = powerOf(node, index) * elapsed;
    const facility = (energy / JOULES_PER_KILOWATT_HOUR) * PUE;
    const { device, ...rest } = someGpu(index);
    return {
      ...rest,
      device: { ...device, uuid: uuidOf(node, index) },
      totals: someTotals({
        energyJoules: joules(energy),
        uncertaintyJoules: joules(energy / 100),
        observedSeconds: seconds(elapsed * 0.99),
        gapSeconds: { timeout: elapsed * 0.01 },
        costAmount: facility * PRICE,
        creditAmount: 0,
        locationBasedGrams: grams(facility * GRAMS_PER_KILOWATT_HOUR),
        marketBasedGrams: grams(facility * 100),
      }),
    };
  });
  const aboveIdle = (gpu: number): number => (powerOf(node, gpu) - IDLE_WATTS) * elapsed;
  const slurm = { kind: 'slurm', jobId: '4711', user: 'ann' };
  const unit = { kind: 'unit', jobId: 'notebook.service', user: 'bob' };
  const shared = [0, 1].map((gpu) => ({ uuid: uuidOf(node, gpu), energy: aboveIdle(gpu) }));
  const own = [2, 3].map((gpu) => ({ uuid: uuidOf(node, gpu), energy: aboveIdle(gpu) }));
  return someSnapshot({
    devices: gpus,
    sources: [
      someSource({
        lastSuccessSeconds: instant(START_SECONDS + elapsed),
        errorsByReason: { timeout: elapsed / 100 },
        readDurationBuckets: Array.from({ length: 13 }, () => elapsed),
        readDurationSumSeconds: elapsed / 1000,
        readDurationCount: elapsed,
      }),
    ],
    openRuns: [
      {
        id: `20261101T000000Z-${NODES[node]}`,
        name: 'train',
        host: NODES[node] ?? '',
        state: 'open',
        startSeconds: instant(START_SECONDS),
        gpuJoules: joules(powerOf(node, 0) * elapsed),
        labels: {},
      },
    ],
    budgets: [
      {
        runId: `20261101T000000Z-${NODES[node]}`,
        name: 'train',
        kind: 'energy',
        usedRatio: elapsed / HISTORY_SECONDS,
      },
    ],
    price: {
      currency: 'EUR',
      tariff: 'exchange',
      perKilowattHour: PRICE,
      provenance: 'measured',
      ageSeconds: elapsed % 3600,
    },
    grid: {
      zone: 'DEU',
      dataset: 'feed',
      vintage: '2026',
      gramsPerKilowattHour: GRAMS_PER_KILOWATT_HOUR,
      provenance: 'measured',
      ageSeconds: elapsed % 3600,
    },
    powerUsageEffectiveness: PUE,
    jobs: [
      ...own.map(({ uuid, energy }) => ({ ...slurm, uuid, energyJoules: joules(energy) })),
      ...shared.flatMap(({ uuid, energy }) => [
        { ...slurm, uuid, energyJoules: joules(energy * 0.75) },
        { ...unit, uuid, energyJoules: joules(energy * 0.25) },
      ]),
    ],
    unattributed: [0, 1, 2, 3].map((gpu) => ({
      uuid: uuidOf(node, gpu),
      energyJoules: joules(IDLE_WATTS * elapsed),
    })),
    host: [hostComponent('package-0', 120 * elapsed), hostComponent('dram-0', 15 * elapsed)],
  });
}

const hostComponent = (component: string, energy: number): HostComponent => ({
  component,
  energyJoules: joules(energy),
  uncertaintyJoules: joules(0.078 * energy),
  provenance: 'measured',
});

/** The samples of one scrape, with the labels that Prometheus adds and the time of the scrape. */
const asStored = (exposition: string, node: string, atSeconds: number): string[] =>
  exposition.split('\n').flatMap((line) => {
    const sample = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (line.startsWith('#') || sample === null) return [];
    const [, name = '', own, value = ''] = sample;
    const target = `instance="${node}",job="wattmeter"`;
    const labels = own === undefined ? target : `${own},${target}`;
    return [`${name}{${labels}} ${value} ${atSeconds}`];
  });

async function writeHistory(path: string): Promise<void> {
  let newest: Snapshot | undefined;
  const exposition = snapshotExposition(() => newest, FAMILIES);
  const lines: string[] = [];
  for (let elapsed = 0; elapsed <= HISTORY_SECONDS; elapsed += SCRAPE_SECONDS) {
    for (const [node, name] of NODES.entries()) {
      newest = snapshotOf(node, elapsed);
      const at = START_SECONDS + elapsed;
      lines.push(
        ...asStored(await exposition(), name, at),
        `up{instance="${name}",job="wattmeter"} 1 ${at}`,
      );
    }
  }
  writeFileSync(path, `${lines.join('\n')}\n# EOF\n`);
}

interface RecordingRule {
  readonly record: string;
  readonly expr: string;
}

const ruleFile = z.object({
  groups: z.array(z.object({ rules: z.array(z.object({ record: z.string(), expr: z.string() })) })),
});

/** Rules in levels: each needs only raw series and the levels before it. @throws Error when they need each other. */
function levelsOf(rules: readonly RecordingRule[]): RecordingRule[][] {
  const levels: RecordingRule[][] = [];
  const known = new Set<string>();
  const recorded = new Set(rules.map(({ record }) => record));
  let waiting = [...rules];
  while (waiting.length > 0) {
    const isReady = ({ expr }: RecordingRule): boolean =>
      selectionsOf(expr).every(({ metric }) => known.has(metric) || !recorded.has(metric));
    const level = waiting.filter(isReady);
    if (level.length === 0) throw new Error(`Rules in a circle: ${waiting[0]?.record ?? ''}`);
    waiting = waiting.filter((rule) => !level.includes(rule));
    for (const { record } of level) known.add(record);
    levels.push(level);
  }
  return levels;
}

/** The recording rules that Wattmeter ships. */
export const recordingRules = (): RecordingRule[] =>
  ruleFile
    .parse(
      parse(
        readFileSync(
          resolve(import.meta.dirname, '../../exporter/prometheus/recording.yml'),
          'utf8',
        ),
      ),
    )
    .groups.flatMap(({ rules }) => rules);

/** Fills `directory`/data with the fleet's history and what the recording rules make of it. */
export async function recordFleet(
  directory: string,
  programs: { readonly prometheus: string; readonly promtool: string },
): Promise<void> {
  const history = join(directory, 'history.txt');
  const data = join(directory, 'data');
  await writeHistory(history);
  const promtool = (...args: string[]) => execFileSync(programs.promtool, args, { stdio: 'pipe' });
  promtool('tsdb', 'create-blocks-from', 'openmetrics', '--quiet', history, data);
  const rulesPath = join(directory, 'level.yml');
  for (const rules of levelsOf(recordingRules())) {
    writeFileSync(rulesPath, stringify({ groups: [{ name: 'level', interval: '1m', rules }] }));
    await using server = await startPrometheusServer(programs.prometheus, directory);
    const span = [`--start=${START_SECONDS}`, `--end=${END_SECONDS}`];
    const places = [`--url=${server.url}`, `--output-dir=${data}`, rulesPath];
    promtool('tsdb', 'create-blocks-from', 'rules', ...span, ...places);
  }
}
