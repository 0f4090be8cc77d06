import { chmodSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, test } from 'vitest';

import { parseAmdSmi, parseRocmSmi } from '../../agent/source/amd-readings.ts';
import { amdSmiSource } from '../../agent/source/amd-smi.ts';
import { corpusPath, corpusPresent } from '../corpus.ts';
import { batchesOf, devicesOf, eventsOf, statusesOf, steppingClock } from './polled-harness.ts';

describe.skipIf(!corpusPresent)('rocm-smi as people have recorded it (needs the corpus)', () => {
  const capture = (name: string): string => readFileSync(corpusPath('amd', name), 'utf8');

  test('four MI100 under ROCm 6.0.2', () => {
    const gpus = parseRocmSmi(capture('telegraf_mi100_rocm602.json'));
    expect(gpus.map(({ device }) => device.index)).toEqual([0, 1, 2, 3]);
    expect(new Set(gpus.map(({ device }) => device.uuid)).size).toBe(4);
    expect(gpus[0]).toEqual({
      device: {
        uuid: 'AMD-79ccd55167a2124a',
        index: 0,
        kind: 'gpu',
        model: 'Arcturus GL-XL [Instinct MI100]',
        source: 'amd-smi',
        driverVersion: '6.3.6',
        pciBusId: '0000:83:00.0',
        powerLimitWatts: 290,
        memoryTotalBytes: 34_342_961_152,
        powerOrigin: 'measured',
      },
      reading: {
        uuid: 'AMD-79ccd55167a2124a',
        status: 'ok',
        powerWatts: { draw: 36 },
        gauges: {
          utilizationRatio: 0,
          memoryUsedBytes: 6_750_208,
          memoryTotalBytes: 34_342_961_152,
          temperatureCelsius: 53,
          smClockHertz: 3e8,
          powerLimitWatts: 290,
        },
      },
    });
    for (const { reading } of gpus) expect(reading.powerWatts?.draw).toBeGreaterThan(0);
  });

  test('a card without a unique id is known by its bus address', () => {
    const [gpu] = parseRocmSmi(capture('telegraf_rx6700xt_rocm612.json'));
    expect(gpu?.device).toMatchObject({
      uuid: 'PCI-0000:07:00.0',
      model: 'Navi 22 [Radeon RX 6700/6700 XT / 6800M]',
    });
    expect(gpu?.reading.powerWatts).toEqual({ draw: 6 });
  });
});

test('a card whose power is N/A is a gap', () => {
  const text = JSON.stringify({
    card0: { 'Unique ID': '0xAB', 'Average Graphics Package Power (W)': 'N/A' },
  });
  expect(parseRocmSmi(text)[0]?.reading).toEqual({ uuid: 'AMD-ab', status: 'not-supported' });
});

const METRIC = [
  {
    gpu: 0,
    power: { socket_power: { value: 133, unit: 'W' } },
    energy: { total_energy_consumption: { value: 1234.5, unit: 'J' } },
    usage: { gfx_activity: { value: 50, unit: '%' } },
    temperature: { edge: 'N/A', hotspot: { value: 45, unit: 'C' } },
    mem_usage: { total_vram: { value: 1024, unit: 'MB' }, used_vram: { value: 512, unit: 'MB' } },
  },
  { gpu: 1, power: { socket_power: 'N/A' }, energy: 'N/A' },
];
const LIST = [
  { gpu: 0, bdf: '0000:05:00.0', uuid: 'acff74a1-0000-1000-80e9-ddebdd4df4a7' },
  { gpu: 1, bdf: '0000:26:00.0' },
];

test.each([
  ['a bare list', JSON.stringify([METRIC[0], { ...METRIC[1], energy: {} }])],
  ['wrapped', JSON.stringify({ gpu_data: [METRIC[0], { ...METRIC[1], energy: {} }] })],
])('amd-smi metric (%s) gives power, counter and slow values', (_shape, metric) => {
  const [first, second] = parseAmdSmi(metric, JSON.stringify(LIST));
  expect(first?.reading).toEqual({
    uuid: 'acff74a1-0000-1000-80e9-ddebdd4df4a7',
    status: 'ok',
    powerWatts: { draw: 133 },
    counterJoules: 1234.5,
    gauges: {
      utilizationRatio: 0.5,
      memoryUsedBytes: 512 * 2 ** 20,
      memoryTotalBytes: 2 ** 30,
      temperatureCelsius: 45,
    },
  });
  expect(second?.reading).toEqual({ uuid: 'PCI-0000:26:00.0', status: 'not-supported' });
});

test('a section that is N/A as a whole is absent, not an error', () => {
  const [, second] = parseAmdSmi(JSON.stringify(METRIC), JSON.stringify(LIST));
  expect(second?.reading.status).toBe('not-supported');
});

/** A directory with programs, alone on PATH. */
function programs(scripts: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const directory = mkdtempSync(join(tmpdir(), 'wattmeter-amd-'));
  for (const [name, script] of Object.entries(scripts)) {
    writeFileSync(join(directory, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(directory, name), 0o755);
  }
  return { PATH: directory };
}

const echo = (value: unknown): string => `echo '${JSON.stringify(value)}'`;
const ROCM = { card0: { 'Unique ID': '0x1', 'Average Graphics Package Power (W)': '200.0' } };

test('amd-smi is asked where it is installed', async () => {
  const script = `if [ "$1" = list ]; then ${echo(LIST)}; else ${echo(METRIC)}; fi`;
  const env = programs({ 'amd-smi': script, 'rocm-smi': 'exit 1' });
  const events = await eventsOf(amdSmiSource({ clock: steppingClock(), env }), 2);
  expect(devicesOf(events)).toMatchObject([
    { uuid: 'acff74a1-0000-1000-80e9-ddebdd4df4a7' },
    { uuid: 'PCI-0000:26:00.0' },
  ]);
  const batches = batchesOf(events, 'acff74a1-0000-1000-80e9-ddebdd4df4a7');
  expect(batches.map(({ counterJoules }) => counterJoules?.[0])).toEqual([1234.5, 1234.5]);
});

test('rocm-smi is asked where amd-smi is not', async () => {
  const env = programs({ 'rocm-smi': echo(ROCM) });
  const events = await eventsOf(amdSmiSource({ clock: steppingClock(), env }), 2);
  expect(batchesOf(events, 'AMD-1').map(({ powerWatts }) => powerWatts.draw?.[0])).toEqual([
    200, 200,
  ]);
});

test('a tool that fails midway is a gap and a fault, and is asked again', async () => {
  const count = join(mkdtempSync(join(tmpdir(), 'wattmeter-amd-')), 'count');
  writeFileSync(count, '');
  const script = `echo x >> ${count}; read a < ${count}; n=0; while read a; do n=$((n+1)); done < ${count}
[ $n = 3 ] && exit 3
${echo(ROCM)}`;
  const env = programs({ 'rocm-smi': script });
  const events = await eventsOf(amdSmiSource({ clock: steppingClock(), env }), 3);
  expect(statusesOf(batchesOf(events, 'AMD-1'))).toEqual(['ok', 'unknown-error', 'ok']);
  expect(events.find((event) => event.kind === 'fault')?.message).toContain('code 3');
});

test.for([
  { scripts: {}, fate: 'fatal', reason: 'program-missing' },
  { scripts: { 'rocm-smi': 'echo hello' }, fate: 'retry', reason: 'malformed' },
  { scripts: { 'rocm-smi': 'exit 2' }, fate: 'retry', reason: 'program-failed' },
  { scripts: { 'rocm-smi': "echo '{}'" }, fate: 'retry', reason: 'no-gpu' },
])('$reason is said in one line', async ({ scripts, fate, reason }) => {
  const env = programs(scripts as Record<string, string>);
  const source = amdSmiSource({ clock: steppingClock(), env });
  await expect(eventsOf(source, 1)).rejects.toMatchObject({
    fate,
    reason,
    message: expect.stringMatching(/^Cannot read AMD GPUs: [^\n]+$/) as string,
  });
});
