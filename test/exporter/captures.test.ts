// Every machine of the corpus through the real source, meter, account and exposition: what Prometheus would have seen of it.

import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, delimiter, dirname, extname, join, resolve } from 'node:path';

import { afterAll, describe, expect, test } from 'vitest';

import { openClock } from '../../agent/clock.ts';
import type { SourceKind } from '../../agent/model.ts';
import type { Snapshot } from '../../agent/snapshot.ts';
import { amdSmiSource } from '../../agent/source/amd-smi.ts';
import { readGpuInventory } from '../../agent/source/inventory.ts';
import { nvidiaSmiSource } from '../../agent/source/nvidia-smi.ts';
import type { SourceEvent } from '../../agent/source/source.ts';
import { dcgmFamilies } from '../../exporter/dcgm.ts';
import { FAMILIES } from '../../exporter/families.ts';
import { snapshotExposition } from '../../exporter/registry.ts';
import { corpusPath, corpusPresent } from '../corpus.ts';
import { eventsOf, steppingClock } from '../source/polled-harness.ts';
import { needProgram } from '../system-program.ts';
import { viewOf } from './agent-view.ts';
import { seriesOf } from './exposition.ts';

const filesIn = (folder: string, extension: string): string[] =>
  corpusPresent
    ? readdirSync(corpusPath(folder))
        .filter((name) => extname(name) === extension)
        .map((name) => join(folder, name))
    : [];

const CAPTURES = filesIn('nvidia-smi/captures', '.txt');
const XML = filesIn('nvidia-smi/xml', '.xml');
const AMD = filesIn('amd', '.json');

const folder = mkdtempSync(join(tmpdir(), 'wattmeter-captures-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A PATH on which a program of this name does this. */
function pathWith(program: string, script: string): NodeJS.ProcessEnv {
  const own = mkdtempSync(join(folder, 'path-'));
  writeFileSync(join(own, program), `#!/bin/sh\n${script}\n`);
  chmodSync(join(own, program), 0o755);
  return { PATH: [own, dirname(process.execPath), '/usr/bin', '/bin'].join(delimiter) };
}

const playing = (file: string): NodeJS.ProcessEnv => {
  const stand = resolve(import.meta.dirname, '../doubles/nvidia-smi-capture.js');
  return pathWith('nvidia-smi', `exec node '${stand}' '${corpusPath(file)}' "$@"`);
};

/** The devices that nvidia-smi's first answer holds, and the reading of each. */
async function firstAnswer(env: NodeJS.ProcessEnv): Promise<SourceEvent[]> {
  const control = new AbortController();
  const events: SourceEvent[] = [];
  const seen = new Set<string>();
  await using source = nvidiaSmiSource({ clock: openClock(), periodSeconds: 0.02, env });
  for await (const event of source.events(control.signal)) {
    if (event.kind === 'batch' && seen.has(event.batch.uuid)) control.abort();
    if (control.signal.aborted) continue;
    if (event.kind === 'batch') seen.add(event.batch.uuid);
    if (event.kind === 'batch' || event.kind === 'devices') events.push(event);
  }
  return events;
}

const START_SECONDS = 1_790_000_000;
const LENGTH_SECONDS = 10;
const PERIOD_SECONDS = 0.1;

/** The same answer again and again, at instants of the test's own: joules that do not depend on the machine. */
function repeated(answer: readonly SourceEvent[]): SourceEvent[] {
  const rounds = Array.from({ length: LENGTH_SECONDS / PERIOD_SECONDS + 1 }, (_, round) =>
    answer.flatMap((event): SourceEvent[] => {
      if (event.kind !== 'batch') return [];
      const timeSeconds = Float64Array.of(START_SECONDS + round * PERIOD_SECONDS);
      return [{ kind: 'batch', batch: { ...event.batch, timeSeconds, wallOffsetSeconds: 0 } }];
    }),
  );
  return [...answer.filter(({ kind }) => kind === 'devices'), ...rounds.flat()];
}

const PRICED = { price: 0.25, currency: 'EUR', zone: 'DEU', pue: 1.2 };

async function snapshotOf(kind: SourceKind, file: string): Promise<Snapshot> {
  if (kind === 'amd-smi') {
    const env = pathWith('rocm-smi', `cat '${corpusPath(file)}'`);
    return viewOf(kind, await eventsOf(amdSmiSource({ clock: steppingClock(), env }), 6), PRICED);
  }
  return viewOf(kind, repeated(await firstAnswer(playing(file))), PRICED);
}

async function expose(kind: SourceKind, file: string) {
  const snapshot = await snapshotOf(kind, file);
  return {
    snapshot,
    metrics: await snapshotExposition(() => snapshot, FAMILIES)(),
    dcgm: await snapshotExposition(() => snapshot, dcgmFamilies('node-1'))(),
  };
}

/** Series of GPUs alone, to nine digits: help, and what is no GPU's, full.prom holds already. */
const gpuSeries = (exposition: string): string =>
  [...seriesOf(exposition)]
    .filter(([series]) => /^(?:wattmeter_gpu|DCGM)_/.test(series))
    .map(([series, value]) => `${series} ${Number(value.toPrecision(9))}`)
    .join('\n');

const LINT_OF_THE_DIALECT = /DCGM_FI_\w+ (?:(?:metric|label) names|counter metrics) should/;

describe.each([
  ...[...CAPTURES, ...XML].map((file) => ['nvidia-smi', file] as const),
  ...AMD.map((file) => ['amd-smi', file] as const),
])('%s as recorded in %s', (kind, file) => {
  let shown: ReturnType<typeof expose> | undefined;
  const expositions = () => (shown ??= expose(kind, file));

  test('is shown as its golden file has it', async () => {
    const { metrics, dcgm } = await expositions();
    const name = basename(file, extname(file));
    await expect(`${gpuSeries(metrics)}\n\n${gpuSeries(dcgm)}\n`).toMatchFileSnapshot(
      `golden/captures/${name}.prom`,
    );
  });

  test('leaves promtool nothing to say, but for the names of the dialect', async (context) => {
    const promtool = needProgram(context, 'promtool');
    const { metrics, dcgm } = await expositions();
    const check = (input: string): string[] => {
      const { stdout, stderr } = spawnSync(promtool, ['check', 'metrics'], {
        input,
        encoding: 'utf8',
      });
      return `${stdout}${stderr}`.split('\n').filter((line) => line !== '');
    };
    expect(check(metrics)).toEqual([]);
    expect(check(dcgm).filter((line) => !LINT_OF_THE_DIALECT.test(line))).toEqual([]);
  });

  test('says nothing of a GPU that its recording does not', async () => {
    const { snapshot, metrics } = await expositions();
    const series = seriesOf(metrics);
    for (const { device, gauges, powerWatts, totals } of snapshot.devices) {
      const labels = `{gpu="${device.index}",uuid="${device.uuid}"}`;
      expect(series.get(`wattmeter_gpu_power_watts${labels}`)).toBe(powerWatts);
      expect(series.get(`wattmeter_gpu_utilization_ratio${labels}`)).toBe(gauges.utilizationRatio);
      const energy = powerWatts === undefined ? undefined : totals.energyJoules;
      expect(series.get(`wattmeter_gpu_energy_joules_total${labels}`)).toBe(energy);
    }
    expect(metrics).not.toMatch(/N\/A|undefined|NaN|deprecated/);
  });
});

describe.skipIf(!corpusPresent)('the recordings', () => {
  test.each(XML)('of %s: the inventory and the source know the same GPUs', async (file) => {
    const env = playing(file);
    const { signal } = new AbortController();
    const [answer, inventory] = await Promise.all([
      firstAnswer(env),
      readGpuInventory({ signal, env }),
    ]);
    const devices = answer.flatMap((event) => (event.kind === 'devices' ? event.devices : []));
    const facts = devices.map(({ uuid, model, ratedPowerWatts, powerLimitWatts, pciBusId }) => ({
      uuid,
      model,
      ratedPowerWatts,
      powerLimitWatts,
      pciBusId,
    }));
    expect(inventory).toMatchObject(facts.map((one) => JSON.parse(JSON.stringify(one)) as object));
    expect(inventory).toHaveLength(devices.length);
  });

  test('of a module with CPU and GPU: the GPU’s own power and limit, never the module’s', async () => {
    const file = 'nvidia-smi/xml/qx-gb200.xml';
    const { devices } = await snapshotOf('nvidia-smi', file);
    expect(devices).toHaveLength(4);
    expect(readFileSync(corpusPath(file), 'utf8')).toContain('467.17 W');
    for (const { device, powerWatts } of devices) {
      expect(powerWatts).toBeLessThan(200);
      expect(device.ratedPowerWatts).toBe(1200);
    }
  });

  test.each([
    'nvidia-smi/captures/linux-x86_64__nvidia-h100-mig__590.48.01.txt',
    'nvidia-smi/xml/a100-sxm4-v12.xml',
  ])('of %s, split by MIG: one GPU, its whole power once, no utilisation', async (file) => {
    const { devices } = await snapshotOf('nvidia-smi', file);
    expect(devices).toHaveLength(1);
    expect(devices[0]?.powerWatts).toBeGreaterThan(0);
    expect(devices[0]?.gauges).not.toHaveProperty('utilizationRatio');
  });
});
